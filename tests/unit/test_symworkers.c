/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Worker processes: that they do their work, and every way in which they, or the process that forks them, may end.
 */
#include "symbolizer/symworkers.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "symbolizer/unwind_job.h"
#include "unit/check.h"
#include "unit/worker_main.h"

static const struct sandbox_limits limits = {
	.memory_bytes = 256u << 20, .file_bytes = 64u << 20, .cpu_seconds = 20};

static struct symworkers *make(void)
{
	struct symworkers *w;

	assert_int_equal(symworkers_create(NULL, &w), 0);
	return w;
}

static int self(void)
{
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

static void run_table_job(struct symworkers *w, int elf_fd, struct unwind_job_result *ret)
{
	const struct unwind_job job = {
		.workers = w,
		.elf_fd = elf_fd,
		.debug_fd = -1,
		.stop_fd = -1,
		.timeout_ns = 120 * NS_PER_S,
		.patience_ns = NS_PER_S,
	};

	unwind_job_run(&job, ret);
}

/* The one child there is: the process that forks. */
static pid_t forker(void)
{
	char path[64];
	int pid = 0;

	snprintf(path, sizeof(path), "/proc/self/task/%d/children", gettid());
	FILE *f = fopen(path, "re");
	assert_non_null(f);
	assert_int_equal(fscanf(f, "%d", &pid), 1);
	fclose(f);
	return pid;
}

static void a_worker_makes_a_table(void **state)
{
	struct symworkers *w = make();
	struct unwind_job_result r;
	int fd = self();

	(void)state;
	run_table_job(w, fd, &r);
	assert_int_equal(r.end, SYMJOB_DONE);
	assert_int_equal(r.error, 0);
	assert_non_null(r.file);
	assert_true(unwind_file_header(r.file)->row_count > 1000);
	assert_int_equal(unwind_file_header(r.file)->sources, UNWIND_SOURCE_EH_FRAME);
	/* Nobody can change it any more. */
	assert_int_equal(write(r.fd, "x", 1), -1);
	unwind_file_unref(r.file);
	close(r.fd);
	close(fd);
	symworkers_destroy(w);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* there are no children */
	assert_int_equal(errno, ECHILD);
}

static void a_file_that_is_none_is_no_crash(void **state)
{
	struct symworkers *w = make();
	struct unwind_job_result r;
	struct unwind_failure why;
	int fd = memfd_create("text", MFD_CLOEXEC);

	(void)state;
	assert_int_equal(write(fd, "hello", 5), 5);
	run_table_job(w, fd, &r);
	assert_int_equal(r.end, SYMJOB_DONE);
	assert_int_equal(r.error, -ENOEXEC);
	assert_null(r.file);
	assert_true(unwind_job_explain(&r, &why));
	assert_false(why.failed);
	close(fd);
	symworkers_destroy(w);
}

static int never(void *arg, struct symworker_message *message, size_t length)
{
	(void)arg;
	(void)message;
	(void)length;
	return -EBADMSG;
}

static void a_crash_is_told_by_its_signal(void **state)
{
	const int signals[] = {SIGSEGV, SIGKILL, SIGBUS};
	struct symworkers *w = make();

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		const struct symworker_watch watch = {.deadline_ns = clock_now_ns() + 60 * NS_PER_S,
						      .stop_fd = -1,
						      .take = never};
		struct symworker worker;
		int signal = 0;

		assert_int_equal(symworkers_start(w, &limits, &worker), 0);
		assert_int_equal(kill(worker.pid, signals[i]), 0);
		assert_int_equal(symworker_watch(&worker, &watch, &signal), SYMJOB_CRASHED);
#ifdef __SANITIZE_ADDRESS__ /* reports some signals itself, and exits */
		assert_true(signal == signals[i] || signals[i] != SIGKILL);
#else
		assert_int_equal(signal, signals[i]);
#endif
		assert_int_equal(worker.socket, -1);
	}
	symworkers_destroy(w);
}

static void a_worker_without_a_job_waits_until_its_time_is_up(void **state)
{
	struct symworkers *w = make();
	struct symworker worker;
	int signal;
	uint64_t now_ns = clock_now_ns();
	const struct symworker_watch watch = {.deadline_ns = now_ns + 50 * NS_PER_MS,
					      .patience_ns = now_ns + 10 * NS_PER_MS,
					      .stop_fd = -1,
					      .take = never};

	(void)state;
	assert_int_equal(symworkers_start(w, &limits, &worker), 0);
	assert_int_equal(symworker_watch(&worker, &watch, &signal), SYMJOB_TIMEOUT);
	assert_int_equal(kill(worker.pid, 0), -1); /* waited for */
	symworkers_destroy(w);
}

static void it_stops_when_told(void **state)
{
	struct symworkers *w = make();
	struct symworker worker;
	int signal, stop = eventfd(1, EFD_CLOEXEC);
	const struct symworker_watch watch = {
		.deadline_ns = clock_now_ns() + 60 * NS_PER_S, .stop_fd = stop, .take = never};

	(void)state;
	assert_int_equal(symworkers_start(w, &limits, &worker), 0);
	assert_int_equal(symworker_watch(&worker, &watch, &signal), SYMJOB_STOPPED);
	close(stop);
	symworkers_destroy(w);
}

static void nonsense_ends_it(void **state)
{
	struct symworkers *w = make();
	struct symworker worker;
	int signal, fd = self(), out = memfd_create("out", MFD_CLOEXEC);
	const int fds[SYMWORKER_FILE_COUNT] = {fd, -1, -1, -1, -1, out};
	const struct symworker_watch watch = {
		.deadline_ns = clock_now_ns() + 60 * NS_PER_S, .stop_fd = -1, .take = never};

	(void)state;
	assert_int_equal(symworkers_start(w, &limits, &worker), 0);
	assert_int_equal(symworker_send_job(&worker, SYMWORKER_TABLE, fds), 0);
	assert_int_equal(symworker_watch(&worker, &watch, &signal), SYMJOB_CRASHED);
	/* A job of a kind that there is not: the worker ends by itself. */
	assert_int_equal(symworkers_start(w, &limits, &worker), 0);
	assert_int_equal(symworker_send_job(&worker, 4711, fds), 0);
	assert_int_equal(symworker_watch(&worker, &watch, &signal), SYMJOB_CRASHED);
	assert_int_equal(signal, 0);
	close(fd);
	close(out);
	symworkers_destroy(w);
}

static void another_forker_takes_the_place_of_one_that_died(void **state)
{
	struct symworkers *w = make();
	int fd = self();

	(void)state;
	for (int i = 0; i < 3; i++) {
		struct unwind_job_result r;

		assert_int_equal(kill(forker(), SIGKILL), 0);
		run_table_job(w, fd, &r);
		assert_int_equal(r.end, SYMJOB_DONE);
		assert_non_null(r.file);
		unwind_file_unref(r.file);
		close(r.fd);
	}
	close(fd);
	symworkers_destroy(w);
}

static void a_program_that_is_none_fails(void **state)
{
	struct symworkers *w;
	struct symworker worker;

	(void)state;
	assert_int_equal(symworkers_create("/nowhere/hearth", &w), 0);
	assert_int_equal(symworkers_start(w, &limits, &worker), -ENOENT);
	symworkers_destroy(w);
	assert_int_equal(symworkers_create("/bin/true", &w), 0); /* ends at once */
	assert_true(symworkers_start(w, &limits, &worker) < 0);
	symworkers_destroy(w);
	symworkers_destroy(NULL);
}

#define THREADS 4
#define JOBS	10

static void *run_jobs(void *arg)
{
	struct symworkers *w = arg;
	uintptr_t good = 0;
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);

	for (int i = 0; i < JOBS; i++) {
		struct unwind_job_result r;

		run_table_job(w, fd, &r);
		good += r.end == SYMJOB_DONE && r.file;
		unwind_file_unref(r.file);
		if (r.fd >= 0)
			close(r.fd);
	}
	close(fd);
	return (void *)good;
}

static void many_threads_have_work_done_at_once(void **state)
{
	struct symworkers *w = make();
	pthread_t threads[THREADS];

	(void)state;
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, run_jobs, w), 0);
	for (int i = 0; i < THREADS; i++) {
		void *good;

		assert_int_equal(pthread_join(threads[i], &good), 0);
		assert_int_equal((uintptr_t)good, JOBS);
	}
	symworkers_destroy(w);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_worker_makes_a_table),
		cmocka_unit_test(a_file_that_is_none_is_no_crash),
		cmocka_unit_test(a_crash_is_told_by_its_signal),
		cmocka_unit_test(a_worker_without_a_job_waits_until_its_time_is_up),
		cmocka_unit_test(it_stops_when_told),
		cmocka_unit_test(nonsense_ends_it),
		cmocka_unit_test(another_forker_takes_the_place_of_one_that_died),
		cmocka_unit_test(a_program_that_is_none_fails),
		cmocka_unit_test(many_threads_have_work_done_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
