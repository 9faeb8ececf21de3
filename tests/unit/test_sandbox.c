/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The cage of workers: what a process may still do in it, each time tried in a child of this program.
 */
#include "symbolizer/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "unit/check.h"

#define MIB (1ull << 20)

static const struct sandbox_limits usual = {
	.memory_bytes = 64 * MIB, .file_bytes = 1 * MIB, .cpu_seconds = 5};

/* Runs @check in the cage. Returns the child's wait status: what @check returned, or what killed it. */
static int in_cage(const struct sandbox_limits *limits, int (*check)(int fd))
{
	struct sandbox *s;
	int fd = memfd_create("out", MFD_CLOEXEC), status;

	assert_true(fd >= 0);
	assert_int_equal(sandbox_create(&s), 0);
	pid_t pid = fork();
	if (!pid)
		/* Not _exit(2): a sanitizer looks for leaks there, which the cage forbids. */
		(void)syscall(SYS_exit_group, sandbox_enter(s, limits) ? 99 : check(fd));
	sandbox_destroy(s);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	close(fd);
	return status;
}

static int refused(long result)
{
	return result == -1 && errno == EPERM;
}

static int try_everything(int fd)
{
	char *const arguments[] = {NULL};

	(void)fd;
	if (!refused(open("/etc/passwd", O_RDONLY)))
		return 1;
	if (!refused(socket(AF_INET, SOCK_STREAM, 0)))
		return 2;
	if (!refused(execve("/bin/true", arguments, arguments)))
		return 3;
	if (!refused(syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL)))
		return 4;
	if (!refused(syscall(SYS_clone3, NULL, 0)))
		return 5;
	if (!refused(syscall(SYS_kill, 1, 0)))
		return 6;
	if (!refused(syscall(SYS_ptrace, PTRACE_TRACEME, 0, NULL, NULL)))
		return 7;
	if (!refused(syscall(SYS_process_vm_readv, 1, NULL, 0, NULL, 0, 0)))
		return 8;
	if (!refused(syscall(SYS_setpriority, PRIO_PROCESS, 0, 0)))
		return 9;
	if (!refused(syscall(SYS_prlimit64, 0, RLIMIT_CPU, NULL, NULL)))
		return 10;
	if (!refused(syscall(SYS_unlink, "/tmp/none")))
		return 11;
	if (!refused(syscall(SYS_memfd_create, "more", 0)))
		return 12;
	return 0;
}

static void nothing_can_be_opened_started_or_reached(void **state)
{
	(void)state;
	assert_int_equal(in_cage(&usual, try_everything), 0);
}

static int write_and_map(int fd)
{
	char *bytes;

	if (write(fd, "table", 5) != 5)
		return 1;
	bytes = mmap(NULL, 5, PROT_READ, MAP_PRIVATE, fd, 0);
	if (bytes == MAP_FAILED || memcmp(bytes, "table", 5))
		return 2;
	void *block = malloc(8 * MIB);
	if (!block)
		return 3;
	memset(block, 1, 8 * MIB);
	free(block);
	return 0;
}

static void work_is_possible(void **state)
{
	(void)state;
	assert_int_equal(in_cage(&usual, write_and_map), 0);
}

static int write_too_much(int fd)
{
	static char block[1 << 16];

	for (uint64_t written = 0; written < 2 * MIB; written += sizeof(block))
		if (write(fd, block, sizeof(block)) < 0)
			return errno == EFBIG ? 0 : 1;
	return 2;
}

static void a_file_too_large_is_an_error(void **state)
{
	(void)state;
	assert_int_equal(in_cage(&usual, write_too_much), 0);
}

static int compute_for_ever(int fd)
{
	(void)fd;
	for (volatile uint64_t i = 0;; i++)
		continue;
	return 0;
}

static void too_much_time_kills_and_says_so(void **state)
{
	const struct sandbox_limits limits = {
		.memory_bytes = 64 * MIB, .file_bytes = MIB, .cpu_seconds = 1};
	int status = in_cage(&limits, compute_for_ever);

	(void)state;
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGXCPU);
}

static int take_memory(int fd)
{
	(void)fd;
	for (int i = 0; i < 64; i++) {
		void *block = mmap(NULL, 16 * MIB, PROT_READ | PROT_WRITE,
				   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (block == MAP_FAILED)
			return errno == ENOMEM && i < 4 ? 0 : 1;
	}
	return 2;
}

static void too_much_memory_is_refused(void **state)
{
	int status = in_cage(&usual, take_memory);

	(void)state;
#ifdef __SANITIZE_ADDRESS__
	assert_int_equal(WEXITSTATUS(status), 2); /* there is no limit here: see sandbox.c */
#else
	assert_int_equal(status, 0);
#endif
}

static void calm_processes_have_the_lowest_priority(void **state)
{
	int pipe_fds[2], status, own = getpriority(PRIO_PROCESS, 0);
	char byte;

	(void)state;
	assert_int_equal(pipe(pipe_fds), 0);
	pid_t pid = fork();
	if (!pid) {
		close(pipe_fds[1]);
		_exit(read(pipe_fds[0], &byte, 1) < 0);
	}
	sandbox_calm(pid);
	assert_int_equal(getpriority(PRIO_PROCESS, (id_t)pid), 19);
	assert_int_equal(syscall(SYS_ioprio_get, 1, pid) >> 13, 3); /* idle */
	assert_int_equal(getpriority(PRIO_PROCESS, 0), own);
	close(pipe_fds[1]);
	close(pipe_fds[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	sandbox_calm(pid); /* gone: does nothing */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_can_be_opened_started_or_reached),
		cmocka_unit_test(work_is_possible),
		cmocka_unit_test(a_file_too_large_is_an_error),
		cmocka_unit_test(too_much_time_kills_and_says_so),
		cmocka_unit_test(too_much_memory_is_refused),
		cmocka_unit_test(calm_processes_have_the_lowest_priority),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
