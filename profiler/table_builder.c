// SPDX-License-Identifier: Apache-2.0
#include "profiler/table_builder.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "symbolizer/unwind_table.h"

#define CHILD_MEMORY_BYTES (1ull << 30)
#define CHILD_CPU_SECONDS  10
#define CHILD_WALL_SECONDS 30
#define CHILD_FILE_BYTES   (256ull << 20)

enum child_status {
	CHILD_OK = 0,
	CHILD_NO_TABLE = 10, /* the file has none: no failure */
	CHILD_FAILED = 11,
};

struct wish {
	struct binary *binary; /* one reference */
	uint32_t exe;
};

struct table_builder {
	struct table_ledger *ledger;
	pthread_t thread;
	bool started;
	pthread_mutex_t lock; /* guards all below */
	pthread_cond_t wished;
	pthread_cond_t finished;
	bool stopping;
	pid_t child;	     /* at work; 0 = none */
	struct wish *wishes; /* wishes[0 .. wish_taken) are done with */
	size_t wish_count, wish_taken, wish_capacity;
	struct table_done *done;
	size_t done_count, done_taken, done_capacity;
	struct table_builder_stats stats;
};

/* --- the child ------------------------------------------------------------------------------------ */

static void limit(int resource, uint64_t value)
{
	struct rlimit r = {.rlim_cur = value, .rlim_max = value};

	(void)setrlimit(resource, &r); /* a limit that cannot be set is one less of several */
}

static int write_all(int fd, const char *bytes, size_t size)
{
	while (size) {
		ssize_t n = write(fd, bytes, size);
		if (n <= 0)
			return -EIO;
		bytes += n;
		size -= (size_t)n;
	}
	return 0;
}

static _Noreturn void run_child(int elf_fd, int out_fd)
{
	struct unwind_file *f;
	size_t size;
	sigset_t none;

	(void)sigemptyset(&none);			 /* these do not fail for valid arguments */
	(void)pthread_sigmask(SIG_SETMASK, &none, NULL); /* else the alarm below would not ring */
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)prctl(PR_SET_DUMPABLE, 0);
#ifndef __SANITIZE_ADDRESS__ /* whose shadow memory is larger than any limit */
	limit(RLIMIT_AS, CHILD_MEMORY_BYTES);
#endif
	limit(RLIMIT_CPU, CHILD_CPU_SECONDS);
	limit(RLIMIT_FSIZE, CHILD_FILE_BYTES);
	limit(RLIMIT_CORE, 0);
	limit(RLIMIT_NOFILE, 0); /* no file can be opened any more */
	limit(RLIMIT_NPROC, 0);
	(void)sigaction(SIGALRM, &(struct sigaction){.sa_handler = SIG_DFL},
			NULL); /* valid arguments */
	(void)alarm(CHILD_WALL_SECONDS);

	int error = unwind_table_build(elf_fd, -1, &f);
	if (error)
		_exit(error == -ENODATA || error == -ENOEXEC || error == -ENOTSUP ? CHILD_NO_TABLE
										  : CHILD_FAILED);
	const char *bytes = unwind_file_bytes(f, &size);
	_exit(write_all(out_fd, bytes, size) ? CHILD_FAILED : CHILD_OK);
}

/* Note the child that is at work, 0 = none; one that starts when the end has come is killed. */
static void set_child(struct table_builder *t, pid_t pid)
{
	(void)pthread_mutex_lock(&t->lock); /* see work() */
	t->child = pid;
	if (pid && t->stopping)
		(void)kill(pid, SIGKILL); /* our child, not waited for yet */
	(void)pthread_mutex_unlock(&t->lock);
}

/* Make a table. Returns CHILD_OK with the file, or why there is none. */
static int build(struct table_builder *t, const struct binary *binary, struct unwind_file **ret)
{
	auto_close int out = memfd_create("hearth-unwind", MFD_CLOEXEC);
	if (out < 0)
		return CHILD_FAILED;

	pid_t pid = fork();
	if (pid < 0)
		return CHILD_FAILED;
	if (!pid)
		run_child(binary_fd(binary), out);

	set_child(t, pid);
	siginfo_t info;
	int status;
	/* It stays a zombie while others may still kill it by its pid. */
	(void)waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT); /* signals are blocked here */
	set_child(t, 0);
	while (waitpid(pid, &status, 0) < 0) {
		if (errno != EINTR)
			return CHILD_FAILED;
	}
	if (!WIFEXITED(status))
		return CHILD_FAILED;
	if (WEXITSTATUS(status) != CHILD_OK)
		return WEXITSTATUS(status);
	return unwind_file_open(out, ret) ? CHILD_FAILED : CHILD_OK;
}

/* --- the thread ----------------------------------------------------------------------------------- */

static void finish(struct table_builder *t, uint32_t exe, struct unwind_file *file)
{
	if (t->done_taken == t->done_count)
		t->done_taken = t->done_count = 0;
	if (array_reserve((void **)&t->done, &t->done_capacity, t->done_count + 1,
			  sizeof(t->done[0]))) {
		unwind_file_unref(
			file); /* it stays pending: its stacks go on being unwound elsewhere */
		return;
	}
	t->done[t->done_count++] = (struct table_done){exe, file};
	(void)pthread_cond_signal(&t->finished); /* cannot fail */
}

/* Note what became of a wish; what does not fit into memory is not known later, no more. */
static void note(struct table_builder *t, const struct binary *binary, enum table_state state,
		 const struct unwind_file *file, uint64_t took_ns)
{
	struct table_facts facts = {
		.id = *binary_build_id(binary), .state = state, .build_ns = took_ns};

	if (file)
		table_facts_describe(&facts, file);
	if (state == TABLE_NONE)
		(void)snprintf(
			facts.reason, sizeof(facts.reason),
			"it has no code or no call frame information (.eh_frame, .debug_frame)");
	else if (state == TABLE_FAILED)
		(void)snprintf(facts.reason, sizeof(facts.reason),
			       "the worker crashed or hit a limit");
	(void)table_ledger_put(t->ledger, &facts);
}

static void *work(void *arg)
{
	struct table_builder *t = arg;

	(void)pthread_mutex_lock(&t->lock); /* not recursive, not error-checking: cannot fail */
	while (!t->stopping) {
		if (t->wish_taken == t->wish_count) {
			t->wish_taken = t->wish_count = 0;
			(void)pthread_cond_wait(&t->wished, &t->lock); /* see above */
			continue;
		}
		struct wish wish = t->wishes[t->wish_taken++];
		(void)pthread_mutex_unlock(&t->lock);

		struct unwind_file *file = NULL;
		uint64_t start_ns = clock_now_ns();
		int status = build(t, wish.binary, &file);
		uint64_t took_ns = clock_now_ns() - start_ns;
		note(t, wish.binary,
		     status == CHILD_OK		? TABLE_READY
		     : status == CHILD_NO_TABLE ? TABLE_NONE
						: TABLE_FAILED,
		     file, took_ns);
		binary_unref(wish.binary);

		(void)pthread_mutex_lock(&t->lock); /* see above */
		t->stats.build_ns += took_ns;
		t->stats.built += status == CHILD_OK;
		t->stats.without += status == CHILD_NO_TABLE;
		t->stats.failed += status != CHILD_OK && status != CHILD_NO_TABLE;
		finish(t, wish.exe, file);
	}
	(void)pthread_mutex_unlock(&t->lock); /* see above */
	return NULL;
}

/* --- the owner's side ----------------------------------------------------------------------------- */

int table_builder_create(struct table_builder **ret)
{
	struct table_builder *t = calloc(1, sizeof(*t));
	if (!t)
		return -ENOMEM;

	pthread_condattr_t monotonic;
	(void)pthread_condattr_init(&monotonic); /* none of these fails on Linux */
	(void)pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&t->finished, &monotonic);
	(void)pthread_condattr_destroy(&monotonic);
	(void)pthread_cond_init(&t->wished, NULL);
	(void)pthread_mutex_init(&t->lock, NULL);
	int error = table_ledger_create(&t->ledger);
	if (error) {
		table_builder_destroy(t);
		return error;
	}

	sigset_t all, before;
	(void)sigfillset(&all); /* these do not fail for valid arguments */
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	error = -pthread_create(&t->thread, NULL, work, t);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (error) {
		table_builder_destroy(t);
		return error;
	}
	(void)pthread_setname_np(t->thread, "hearth-tables"); /* for ps only */
	t->started = true;
	*ret = t;
	return 0;
}

void table_builder_destroy(struct table_builder *t)
{
	if (!t)
		return;
	(void)pthread_mutex_lock(&t->lock); /* see work() */
	t->stopping = true;
	if (t->child)
		(void)kill(t->child, SIGKILL); /* our child, not waited for yet */
	(void)pthread_cond_signal(&t->wished);
	(void)pthread_mutex_unlock(&t->lock);
	if (t->started)
		(void)pthread_join(t->thread, NULL); /* a thread of ours, joined once */
	for (size_t i = t->wish_taken; i < t->wish_count; i++)
		binary_unref(t->wishes[i].binary);
	for (size_t i = t->done_taken; i < t->done_count; i++)
		unwind_file_unref(t->done[i].file);
	table_ledger_destroy(t->ledger);
	free(t->wishes);
	free(t->done);
	(void)pthread_cond_destroy(&t->wished); /* nobody waits any more */
	(void)pthread_cond_destroy(&t->finished);
	(void)pthread_mutex_destroy(&t->lock);
	free(t);
}

int table_builder_want(struct table_builder *t, struct binary *binary, uint32_t exe)
{
	int error = 0;

	(void)pthread_mutex_lock(&t->lock); /* see work() */
	if (array_reserve((void **)&t->wishes, &t->wish_capacity, t->wish_count + 1,
			  sizeof(t->wishes[0]))) {
		error = -ENOMEM;
	} else {
		t->wishes[t->wish_count++] = (struct wish){binary_ref(binary), exe};
		note(t, binary, TABLE_PENDING, NULL, 0);
		(void)pthread_cond_signal(&t->wished); /* cannot fail */
	}
	(void)pthread_mutex_unlock(&t->lock);
	return error;
}

bool table_builder_take(struct table_builder *t, struct table_done *ret)
{
	(void)pthread_mutex_lock(&t->lock); /* see work() */
	bool is_there = t->done_taken < t->done_count;
	if (is_there)
		*ret = t->done[t->done_taken++];
	(void)pthread_mutex_unlock(&t->lock);
	return is_there;
}

bool table_builder_wait(struct table_builder *t, uint64_t deadline_ns)
{
	struct timespec until = {.tv_sec = (time_t)(deadline_ns / NS_PER_S),
				 .tv_nsec = (long)(deadline_ns % NS_PER_S)};
	int error = 0;

	(void)pthread_mutex_lock(&t->lock); /* see work() */
	while (t->done_taken == t->done_count && !error)
		error = pthread_cond_timedwait(&t->finished, &t->lock, &until);
	bool is_there = t->done_taken < t->done_count;
	(void)pthread_mutex_unlock(&t->lock);
	return is_there;
}

int table_builder_facts(struct table_builder *t, const struct build_id *id, struct table_facts *ret)
{
	return table_ledger_get(t->ledger, id, ret);
}

void table_builder_stats(struct table_builder *t, struct table_builder_stats *ret)
{
	(void)pthread_mutex_lock(&t->lock); /* see work() */
	*ret = t->stats;
	(void)pthread_mutex_unlock(&t->lock);
}
