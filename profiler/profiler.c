// SPDX-License-Identifier: Apache-2.0
#include "profiler/profiler.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "profiler/profiler_internal.h"

#define DEFAULT_FREQUENCY_HZ 99u
#define DEFAULT_WINDOW_NS    (10 * NS_PER_S)
#define DEFAULT_BPF_BYTES    (64ull << 20)
#define FREQUENCY_HZ_MAX     10000u
#define DRAIN_NS	     (100 * NS_PER_MS) /* as in loop.c */
#define SNAPSHOT_WAIT_S	     5

DEFINE_CLEANUP(profiler_destroy, struct profiler *)

static int fail(enum privilege_step step, int error, char *text, size_t size)
{
	struct privileges privileges;

	privileges_read(&privileges);
	privileges_explain(&privileges, step, error, text, size);
	return error == -EPERM || error == -EACCES || error == -ENOMEM ? error
	       : step == STEP_LOAD_BPF && !privileges.has_btf	       ? -ENOTSUP
								       : error;
}

static void set_options(struct profiler *p, const struct profiler_options *options)
{
	p->options = *options;
	if (!p->options.frequency_hz)
		p->options.frequency_hz = DEFAULT_FREQUENCY_HZ;
	if (p->options.frequency_hz > FREQUENCY_HZ_MAX)
		p->options.frequency_hz = FREQUENCY_HZ_MAX;
	if (!p->options.window_ns)
		p->options.window_ns = DEFAULT_WINDOW_NS;
	if (!p->options.bpf_memory_bytes)
		p->options.bpf_memory_bytes = DEFAULT_BPF_BYTES;
	p->period_ns = NS_PER_S / p->options.frequency_hz;
	p->totals.frequency_hz = p->options.frequency_hz;
	p->totals.cpu_budget = p->options.cpu_budget;
	p->totals.thinning = 1;
	governor_init(&p->governor, 0); /* the budget depends on the CPUs that are online */
}

/* What needs no privileges. */
static int create_tables(struct profiler *p)
{
	int error = binary_cache_create(p->options.symbolizer, &p->binaries);
	if (error)
		return error;

	const struct process_table_options options = {
		.binaries = p->binaries,
		.pids = p->options.pids,
		.pid_count = p->options.pids ? p->options.pid_count : 0,
		.replacement_waits = profiler_replacement_waits,
		.arg = p,
	};
	error = process_table_create(&options, &p->processes);
	if (!error)
		error = kernel_names_create(&p->kernel_names);
	p->options.pids = NULL; /* the table has its copy; ours was borrowed for the call */
	p->options.pid_count = 0;

	window_builder_init(&p->builder, NULL);
	p->resolver = (struct resolver){.builder = &p->builder,
					.processes = p->processes,
					.binaries = p->binaries,
					.kernel_names = p->kernel_names};
	return error;
}

static int create_wakeup(struct profiler *p)
{
	p->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	p->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (p->wake_fd < 0 || p->epoll_fd < 0)
		return -errno;

	struct epoll_event event = {.events = EPOLLIN, .data.fd = p->wake_fd};
	if (epoll_ctl(p->epoll_fd, EPOLL_CTL_ADD, p->wake_fd, &event))
		return -errno;
	event.data.fd = bpf_side_fd(p->bpf);
	if (epoll_ctl(p->epoll_fd, EPOLL_CTL_ADD, event.data.fd, &event))
		return -errno;
	return 0;
}

/* An object with nothing opened yet, which profiler_destroy() can take apart. */
static struct profiler *allocate(void)
{
	struct profiler *p = calloc(1, sizeof(*p));
	if (!p)
		return NULL;

	pthread_condattr_t monotonic;
	(void)pthread_condattr_init(&monotonic); /* none of these fails on Linux */
	(void)pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&p->served, &monotonic);
	(void)pthread_condattr_destroy(&monotonic);
	(void)pthread_mutex_init(&p->lock, NULL);
	p->wake_fd = p->epoll_fd = -1;
	return p;
}

int profiler_create(const struct profiler_options *options, struct profiler **ret, char *error_text,
		    size_t error_size)
{
	CLEANUP(profiler_destroyp) struct profiler *p = allocate();
	if (!p)
		return fail(STEP_OTHER, -ENOMEM, error_text, error_size);

	set_options(p, options);
	int error = online_cpus_read(&p->online);
	if (error)
		return fail(STEP_OTHER, error, error_text, error_size);
	const struct bpf_side_options bpf_options = {
		.frequency_hz = p->options.frequency_hz,
		.online_cpus = (uint32_t)CPU_COUNT(&p->online),
		.memory_bytes = p->options.bpf_memory_bytes,
		.drain_ns = DRAIN_NS,
		.bounded = p->options.bounded,
	};
	/* The tables first: the kernel's names are read in the background while the verifier is at work. */
	error = create_tables(p);
	if (error)
		return fail(STEP_OTHER, error, error_text, error_size);
	error = bpf_side_open(&bpf_options, &p->bpf);
	if (error)
		return fail(STEP_LOAD_BPF, error, error_text, error_size);
	const struct table_builder_options tables = {
		.workers = p->options.symbolizer ? symbolizer_workers(p->options.symbolizer) : NULL,
		.cache_dir = p->options.table_dir,
		.cache_limit_bytes = p->options.table_limit_bytes,
	};
	p->options.table_dir = NULL; /* borrowed for the call */
	error = unwind_loader_create(p->bpf, &tables, &p->unwind);
	if (!error)
		error = create_wakeup(p);
	if (error)
		return fail(STEP_OTHER, error, error_text, error_size);

	/* The log first, the state second: what happens between the two is in the log. */
	enum privilege_step step = STEP_OPEN_SIDEBAND;
	error = profiler_follow_cpus(p, false, &step);
	if (error)
		return fail(step, error, error_text, error_size);
	error = process_table_scan(p->processes, clock_now_ns());
	if (error)
		return fail(STEP_OTHER, error, error_text, error_size);
	profiler_publish(p);
	*ret = take_ptr(p);
	return 0;
}

void profiler_destroy(struct profiler *p)
{
	if (!p)
		return;
	profiler_stop(p);
	for (int cpu = 0; cpu < CPUS_MAX; cpu++)
		perf_ring_close(p->sideband[cpu]);
	unwind_loader_destroy(p->unwind);
	bpf_side_close(p->bpf);
	resolver_release(&p->resolver);
	window_builder_release(&p->builder);
	event_queue_release(&p->queue);
	stack_table_release(&p->stacks[0]);
	stack_table_release(&p->stacks[1]);
	process_table_destroy(p->processes);
	kernel_names_destroy(p->kernel_names);
	binary_cache_destroy(p->binaries);
	window_unref(p->snapshot);
	static_labels_destroy(p->labels);
	static_labels_destroy(p->next_labels);
	if (p->epoll_fd >= 0)
		(void)close(p->epoll_fd); /* nothing was written through either */
	if (p->wake_fd >= 0)
		(void)close(p->wake_fd);
	(void)pthread_cond_destroy(&p->served); /* nobody waits any more */
	(void)pthread_mutex_destroy(&p->lock);
	free(p);
}

int profiler_start(struct profiler *p, char *error_text, size_t error_size)
{
	enum privilege_step step = STEP_OPEN_CLOCK;
	sigset_t all, before;

	if (p->is_running)
		return 0;
	profiler_open_window(p, clock_now_ns());
	int error = profiler_follow_cpus(p, true, &step);
	if (error)
		return fail(step, error, error_text, error_size);

	/* Signals are for the threads of the program, not for ours. */
	(void)sigfillset(&all); /* these do not fail for valid arguments */
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	p->stopping = false;
	p->loop_runs = true; /* nobody else looks at it before the thread is there */
	error = -pthread_create(&p->thread, NULL, profiler_loop, p);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (error) {
		p->loop_runs = false;
		return fail(STEP_OTHER, error, error_text, error_size);
	}
	(void)pthread_setname_np(p->thread, "hearth-sampler"); /* for ps only */
	p->is_running = true;
	return 0;
}

static void wake_loop(const struct profiler *p)
{
	uint64_t one = 1;

	/* Full means that it is awake already. */
	if (write(p->wake_fd, &one, sizeof(one)) < 0)
		return;
}

void profiler_stop(struct profiler *p)
{
	if (!p || !p->is_running)
		return;
	p->stopping = true;
	wake_loop(p);
	(void)pthread_join(p->thread, NULL); /* it is ours and not joined yet */
	p->is_running = false;
}

int profiler_snapshot(struct profiler *p, struct window **ret)
{
	struct timespec deadline;
	(void)clock_gettime(CLOCK_MONOTONIC, &deadline); /* cannot fail for this clock */
	deadline.tv_sec += SNAPSHOT_WAIT_S;

	(void)pthread_mutex_lock(&p->lock); /* not recursive, not error-checking: cannot fail */
	uint64_t ticket = ++p->snapshots_wanted;
	p->snapshot_waiters++;
	wake_loop(p);
	int error = 0;
	while (p->snapshots_served < ticket && p->loop_runs && !error)
		error = pthread_cond_timedwait(&p->served, &p->lock, &deadline);

	int result = -ESHUTDOWN;
	if (p->snapshots_served >= ticket) {
		result = p->snapshot ? 0 : -ENOMEM;
		if (p->snapshot)
			*ret = window_ref(p->snapshot);
	}
	struct window *done_with = NULL;
	if (!--p->snapshot_waiters)
		done_with = take_ptr(p->snapshot);
	(void)pthread_mutex_unlock(&p->lock);
	window_unref(done_with);
	return result;
}

void profiler_stats(struct profiler *p, struct profiler_stats *ret)
{
	(void)pthread_mutex_lock(&p->lock); /* cannot fail, see above */
	*ret = p->published;
	(void)pthread_mutex_unlock(&p->lock);
	ret->bpf_map_bytes = bpf_side_map_bytes(p->bpf);
	bpf_side_run_stats(p->bpf, &ret->bpf_run_ns, &ret->bpf_run_count);
	ret->bpf_verified = bpf_side_verified(p->bpf);
}

int profiler_table_facts(struct profiler *p, const struct build_id *id, struct table_facts *ret)
{
	return unwind_loader_table_facts(p->unwind, id, ret);
}
