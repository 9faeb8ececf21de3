// SPDX-License-Identifier: Apache-2.0
/*
 * Comings and goings, so many a second, until it is told to stop or its parent dies.
 *
 *	churn fork RATE			processes that only fork, work a moment and end
 *	churn exec RATE PROGRAM		... that become PROGRAM
 *	churn threads RATE		threads that come, work a moment and go
 *	churn dlopen RATE LIBRARY...	libraries mapped and unmapped, round and round
 *	churn binary RATE PROGRAM DIR	copies of PROGRAM, each with a build id never seen before, run once and deleted
 *	churn cgroup RATE DIR		cgroups below DIR that a process joins and leaves
 */
#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define WORK_ROUNDS 200000u /* some 0.2 ms: enough to be sampled now and then */

struct churn {
	char **arguments; /* behind the rate */
	int argument_count;
	unsigned int turn; /* counts from 0 */
};

static void work(void)
{
	volatile uint64_t x = 1;

	for (unsigned int i = 0; i < WORK_ROUNDS; i++)
		x = x * 6364136223846793005u + i;
}

static int reap(pid_t pid)
{
	int status;

	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return -1;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -1;
}

static int turn_fork(struct churn *c)
{
	(void)c;
	pid_t pid = fork();
	if (pid == 0) {
		work();
		_exit(0);
	}
	return reap(pid);
}

static int run(const char *program)
{
	pid_t pid = fork();

	if (pid == 0) {
		if (!freopen("/dev/null", "w", stdout))
			_exit(1);
		execl(program, program, "0.002", (char *)NULL);
		_exit(1);
	}
	return reap(pid);
}

static int turn_exec(struct churn *c)
{
	return run(c->arguments[0]);
}

static void *thread_work(void *arg)
{
	work();
	return arg;
}

static int turn_threads(struct churn *c)
{
	pthread_t thread;

	(void)c;
	return pthread_create(&thread, NULL, thread_work, NULL) || pthread_join(thread, NULL) ? -1
											      : 0;
}

static int turn_dlopen(struct churn *c)
{
	void *library = dlopen(c->arguments[c->turn % (unsigned int)c->argument_count], RTLD_NOW);

	if (!library)
		return -1;
	work();
	return dlclose(library);
}

/* Write the turn and our pid over the last bytes of the build id. */
static int stamp_build_id(unsigned char *image, size_t size, unsigned int turn)
{
	const Elf64_Ehdr *header = (const void *)image;
	const Elf64_Phdr *segment = (const void *)(image + header->e_phoff);
	uint32_t stamp[2] = {(uint32_t)getpid(), turn};

	for (int i = 0; i < header->e_phnum; i++) {
		if (segment[i].p_type != PT_NOTE)
			continue;
		for (size_t at = segment[i].p_offset;
		     at < segment[i].p_offset + segment[i].p_filesz;) {
			const Elf64_Nhdr *note = (const void *)(image + at);
			size_t id = at + sizeof(*note) + ((note->n_namesz + 3u) & ~3u);
			if (note->n_type == NT_GNU_BUILD_ID && note->n_descsz >= sizeof(stamp) &&
			    id + note->n_descsz <= size) {
				memcpy(image + id, stamp, sizeof(stamp));
				return 0;
			}
			at = id + ((note->n_descsz + 3u) & ~3u);
		}
	}
	errno = ENOEXEC;
	return -1;
}

static int turn_binary(struct churn *c)
{
	static unsigned char image[4 << 20];
	char path[4096];
	int from = open(c->arguments[0], O_RDONLY | O_CLOEXEC);
	ssize_t size = from < 0 ? -1 : read(from, image, sizeof(image));

	if (from >= 0)
		close(from);
	if (size < (ssize_t)sizeof(Elf64_Ehdr) || stamp_build_id(image, (size_t)size, c->turn) != 0)
		return -1;
	snprintf(path, sizeof(path), "%s/binary-%u", c->arguments[1], c->turn % 8);
	int to = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);
	if (to < 0 || write(to, image, (size_t)size) != size || close(to) != 0)
		return -1;

	int result = run(path);
	unlink(path);
	return result;
}

static int turn_cgroup(struct churn *c)
{
	char path[4096];
	char members[4200];

	snprintf(path, sizeof(path), "%s/churn-%u", c->arguments[0], c->turn);
	if (mkdir(path, 0755) != 0)
		return -1;
	snprintf(members, sizeof(members), "%s/cgroup.procs", path);
	pid_t pid = fork();
	if (pid == 0) {
		int fd = open(members, O_WRONLY);
		if (fd < 0 || write(fd, "0", 1) != 1)
			_exit(1);
		for (int i = 0; i < 50; i++)
			work();
		_exit(0);
	}
	int result = reap(pid);
	for (int tries = 0; rmdir(path) != 0 && tries < 100; tries++) /* EBUSY for a moment */
		usleep(1000);
	return result;
}

static const struct {
	const char *name;
	int least_arguments;
	int (*turn)(struct churn *c);
} kinds[] = {
	{"fork", 0, turn_fork},	    {"exec", 1, turn_exec},	{"threads", 0, turn_threads},
	{"dlopen", 1, turn_dlopen}, {"binary", 2, turn_binary}, {"cgroup", 1, turn_cgroup},
};

int main(int argc, char **argv)
{
	struct churn c = {.arguments = argv + 3, .argument_count = argc - 3};
	double rate = argc > 2 ? strtod(argv[2], NULL) : 0;
	size_t kind = 0;

	while (argc > 1 && kind < sizeof(kinds) / sizeof(kinds[0]) &&
	       strcmp(kinds[kind].name, argv[1]) != 0)
		kind++;
	if (rate <= 0 || kind == sizeof(kinds) / sizeof(kinds[0]) ||
	    c.argument_count < kinds[kind].least_arguments) {
		fprintf(stderr,
			"usage: churn fork|exec|threads|dlopen|binary|cgroup RATE [ARGUMENT...]\n");
		return 2;
	}
	prctl(PR_SET_PDEATHSIG, SIGTERM);

	struct timespec pause = {.tv_sec = (time_t)(1 / rate),
				 .tv_nsec = (long)((1 / rate - (double)(time_t)(1 / rate)) * 1e9)};
	for (;; c.turn++) {
		if (kinds[kind].turn(&c) != 0) {
			fprintf(stderr, "churn %s: turn %u: %s\n", argv[1], c.turn,
				strerror(errno));
			return 1;
		}
		nanosleep(&pause, NULL);
	}
}
