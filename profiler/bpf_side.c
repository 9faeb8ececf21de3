// SPDX-License-Identifier: Apache-2.0
#include "profiler/bpf_side_internal.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/membarrier.h>
#include <linux/perf_event.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/parse.h"
#include "profiler/online_cpus.h"
#include "sampler.skel.h"

#define LOAD_TRIES     5
#define RING_BYTES_MIN (16u << 10)
#define RING_BYTES_MAX (4u << 20)
#define STASH_RING_MIN (512u << 10)
#define STASH_RING_MAX (2u << 20)
#define STASH_RATE_MIN (4u << 20) /* bytes of stashes a second and CPU */
#define STASH_RATE_MAX (16u << 20)
#define PROCESSES_MAX  16384u
#define PROCESS_BYTES  128u /* about, of an entry in the map of processes */

DEFINE_CLEANUP(bpf_side_close, struct bpf_side *)

/* libbpf prints on stderr unless told not to; a library does not. */
static int print_nothing(enum libbpf_print_level level, const char *format, va_list args)
{
	(void)level;
	(void)format;
	(void)args;
	return 0;
}

static uint32_t next_power_of_two(uint64_t n)
{
	uint32_t power = 1;

	while (power < n && power < 1u << 31)
		power <<= 1;
	return power;
}

/*
 * Size of a ring: what a CPU that is always busy with new stacks of full length writes in four drains; the half at
 * most when that is over the budget. Returns 0 if even the smallest is.
 */
static uint32_t ring_bytes(const struct bpf_side_options *o, uint32_t ring_count)
{
	const uint64_t sample_bytes = sizeof(struct stack_record) +
				      SAMPLE_FRAMES_MAX * sizeof(uint64_t) +
				      sizeof(struct sample_record);
	uint64_t wanted = 4 * sample_bytes * o->frequency_hz * o->drain_ns / NS_PER_S;
	uint32_t bytes = next_power_of_two(wanted < RING_BYTES_MAX ? wanted : RING_BYTES_MAX);

	if (bytes < RING_BYTES_MIN)
		bytes = RING_BYTES_MIN;
	while (bytes >= RING_BYTES_MIN && (uint64_t)bytes * ring_count > o->memory_bytes / 2)
		bytes /= 2;
	return bytes >= RING_BYTES_MIN ? bytes : 0;
}

/* kernel.perf_event_max_stack: where bpf_get_stack() ends. */
static uint32_t helper_frames_max(void)
{
	char text[32];
	uint64_t value;
	auto_close int fd = open("/proc/sys/kernel/perf_event_max_stack", O_RDONLY | O_CLOEXEC);
	ssize_t length = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

	if (length <= 0)
		return SAMPLE_HELPER_FRAMES_MAX;
	text[length - 1] = '\0'; /* its newline */
	if (parse_u64(text, &value) || value > SAMPLE_HELPER_FRAMES_MAX)
		return SAMPLE_HELPER_FRAMES_MAX;
	return (uint32_t)value;
}

static bool kernel_has_task_pt_regs(void)
{
	return libbpf_probe_bpf_helper(BPF_PROG_TYPE_PERF_EVENT, BPF_FUNC_task_pt_regs, NULL) == 1;
}

static bool kernel_has_bpf_loop(void)
{
	return libbpf_probe_bpf_helper(BPF_PROG_TYPE_PERF_EVENT, BPF_FUNC_loop, NULL) == 1;
}

/* Sizes of the unwinder's maps by the budget; chunks get what is left, made as they are needed. */
static int size_unwind_maps(struct bpf_side *side)
{
	uint64_t budget = side->memory_bytes;
	uint32_t processes = (uint32_t)clamp(budget / PROCESS_BYTES / 32, 256, PROCESSES_MAX);
	uint32_t stash = next_power_of_two(clamp(budget / 16, STASH_RING_MIN, STASH_RING_MAX));

	side->chunk_max = (uint32_t)(budget / UNWIND_CHUNK_BYTES) + 2;
	int error = bpf_map__set_max_entries(side->skeleton->maps.unwind_chunks, side->chunk_max);
	if (!error)
		error = bpf_map__set_max_entries(side->skeleton->maps.unwind_processes, processes);
	if (!error)
		error = bpf_map__set_max_entries(side->skeleton->maps.stash_ring, stash);
	if (!error)
		error = bpf_map__set_max_entries(side->skeleton->maps.stash_buffers,
						 (uint32_t)side->possible_cpus);
	return error;
}

/* Load only the variant of the program that this kernel takes best. */
static int choose_program(struct bpf_side *side, bool bounded)
{
	struct bpf_program *loop = side->skeleton->progs.sample_cpu;
	struct bpf_program *other = side->skeleton->progs.sample_cpu_bounded;

	bounded = bounded || !kernel_has_bpf_loop();
	side->program = bounded ? other : loop;
	return bpf_program__set_autoload(bounded ? loop : other, false);
}

static int load(struct bpf_side *side, uint32_t ring_count, uint32_t bytes, bool bounded)
{
	side->skeleton = sampler_bpf__open();
	if (!side->skeleton)
		return -errno;

	int failed = size_unwind_maps(side);
	if (!failed)
		failed = choose_program(side, bounded);
	if (failed)
		return failed;
	side->skeleton->rodata->has_unwind_tables = true;

	side->skeleton->rodata->ring_count = ring_count;
	side->skeleton->rodata->ring_wakeup_bytes = bytes / 2;
	/* A CPU that runs nothing but processes nobody knows yet stays below it. */
	side->skeleton->rodata->stash_bytes_per_second = clamp(
		NS_PER_S / side->period_ns * (sizeof(struct stash_record) + STASH_STACK_BYTES),
		STASH_RATE_MIN, STASH_RATE_MAX);
	side->skeleton->rodata->helper_frames_max = helper_frames_max();
	side->skeleton->rodata->has_task_pt_regs = kernel_has_task_pt_regs();
	int error = bpf_map__set_max_entries(side->skeleton->maps.ring_template, bytes);
	if (!error)
		error = bpf_map__set_max_entries(side->skeleton->maps.rings, ring_count);
	if (!error)
		error = sampler_bpf__load(side->skeleton);
	return error;
}

/*
 * The verifier gives up with EAGAIN when a signal is on its way to the thread, and libbpf tries five times: too few
 * where signals come more often than verifying takes. So none come, and what else interrupts it gets more tries.
 */
static int load_patiently(struct bpf_side *side, uint32_t ring_count, uint32_t bytes, bool bounded)
{
	sigset_t all, before;
	int error = -EAGAIN;

	(void)sigfillset(&all); /* these do not fail for valid arguments */
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	for (int tries = 0; error == -EAGAIN && tries < LOAD_TRIES; tries++) {
		sampler_bpf__destroy(side->skeleton);
		error = load(side, ring_count, bytes, bounded);
	}
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	return error;
}

static int take_record(void *arg, void *bytes, size_t size)
{
	struct bpf_side *side = arg;
	const struct record_header *record = bytes;

	if (size >= sizeof(*record) && record->bytes == size)
		side->fn(record, size, side->fn_arg);
	return 0;
}

static int make_rings(struct bpf_side *side, uint32_t ring_count, uint32_t bytes)
{
	int first = bpf_map__fd(side->skeleton->maps.ring_template);

	side->rings = ring_buffer__new(first, take_record, side, NULL);
	if (!side->rings)
		return -errno;
	int added = ring_buffer__add(side->rings, bpf_map__fd(side->skeleton->maps.stash_ring),
				     take_record, side);
	if (added)
		return added;
	for (uint32_t i = 1; i < ring_count; i++) {
		int fd = bpf_map_create(BPF_MAP_TYPE_RINGBUF, "sample_ring", 0, 0, bytes, NULL);
		if (fd < 0)
			return fd;
		side->ring_fds[i] = fd;
		int error =
			bpf_map_update_elem(bpf_map__fd(side->skeleton->maps.rings), &i, &fd, 0);
		if (!error)
			error = ring_buffer__add(side->rings, fd, take_record, side);
		if (error)
			return error;
	}
	return 0;
}

static uint64_t sum_map_memory(const struct bpf_side *side)
{
	uint64_t bytes = 0;
	struct bpf_map *map;

	bpf_object__for_each_map(map, side->skeleton->obj) bytes +=
		bpf_side_map_memory(bpf_map__fd(map));
	for (size_t i = 0; i < BPF_SIDE_RINGS_MAX; i++) {
		if (side->ring_fds[i] >= 0)
			bytes += bpf_side_map_memory(side->ring_fds[i]);
	}
	return bytes;
}

/* --- life ----------------------------------------------------------------------------------------- */

int bpf_side_open(const struct bpf_side_options *options, struct bpf_side **ret)
{
	(void)libbpf_set_print(print_nothing); /* returns the function before */
	CLEANUP(bpf_side_closep) struct bpf_side *side = calloc(1, sizeof(*side));
	if (!side)
		return -ENOMEM;

	uint32_t ring_count = options->online_cpus < 1			  ? 1
			      : options->online_cpus > BPF_SIDE_RINGS_MAX ? BPF_SIDE_RINGS_MAX
									  : options->online_cpus;
	for (size_t i = 0; i < BPF_SIDE_RINGS_MAX; i++)
		side->ring_fds[i] = -1;
	side->period_ns = NS_PER_S / options->frequency_hz;
	side->memory_bytes = options->memory_bytes;
	side->possible_cpus = libbpf_num_possible_cpus();
	if (side->possible_cpus < 1)
		return side->possible_cpus;
	side->per_cpu = calloc((size_t)side->possible_cpus, sizeof(side->per_cpu[0]));
	if (!side->per_cpu)
		return -ENOMEM;

	uint32_t bytes = ring_bytes(options, ring_count);
	if (!bytes)
		return -ENOSPC;
	int error = load_patiently(side, ring_count, bytes, options->bounded);
	if (!error)
		error = make_rings(side, ring_count, bytes);
	if (error)
		return error;
	side->map_bytes = sum_map_memory(side);
	error = bpf_side_fit_chunks(side);
	if (error)
		return error;
	*ret = take_ptr(side);
	return 0;
}

void bpf_side_close(struct bpf_side *side)
{
	if (!side)
		return;
	for (int cpu = 0; cpu < CPUS_MAX; cpu++)
		bpf_side_detach(side, cpu);
	ring_buffer__free(side->rings);
	for (size_t i = 0; i < BPF_SIDE_RINGS_MAX; i++) {
		if (side->ring_fds[i] >= 0)
			(void)close(side->ring_fds[i]); /* a map */
	}
	bpf_side_free_chunks(side);
	sampler_bpf__destroy(side->skeleton);
	free(side->per_cpu);
	free(side);
}

int bpf_side_attach(struct bpf_side *side, int cpu, enum privilege_step *ret_step)
{
	enum privilege_step step;
	struct perf_event_attr attr = {
		.type = PERF_TYPE_SOFTWARE,
		.config = PERF_COUNT_SW_CPU_CLOCK,
		.size = sizeof(attr),
		.sample_period = side->period_ns,
		.exclude_idle = 1,
		.disabled = 1, /* until the program is attached */
	};

	if (cpu < 0 || cpu >= CPUS_MAX)
		return -ENODEV;
	if (side->links[cpu])
		return 0;
	*(ret_step ? ret_step : &step) = STEP_OPEN_CLOCK;
	auto_close int fd =
		(int)syscall(SYS_perf_event_open, &attr, -1, cpu, -1, PERF_FLAG_FD_CLOEXEC);
	if (fd < 0)
		return -errno;

	*(ret_step ? ret_step : &step) = STEP_ATTACH;
	struct bpf_link *link = bpf_program__attach_perf_event(side->program, fd);
	if (!link)
		return -errno;
	(void)take_fd(fd); /* the link closes it */
	side->links[cpu] = link;
	return 0;
}

void bpf_side_detach(struct bpf_side *side, int cpu)
{
	if (cpu < 0 || cpu >= CPUS_MAX || !side->links[cpu])
		return;
	(void)bpf_link__destroy(side->links[cpu]); /* frees everything even when it complains */
	side->links[cpu] = NULL;
}

int bpf_side_fd(const struct bpf_side *side)
{
	return ring_buffer__epoll_fd(side->rings);
}

int bpf_side_drain(struct bpf_side *side, bpf_side_record_fn fn, void *arg)
{
	side->fn = fn;
	side->fn_arg = arg;
	int taken = ring_buffer__consume(side->rings);
	return taken < 0 ? taken : 0;
}

uint32_t bpf_side_next_epoch(struct bpf_side *side)
{
	uint32_t epoch = side->skeleton->bss->epoch + 1;

	__atomic_store_n(&side->skeleton->bss->epoch, epoch, __ATOMIC_RELEASE);
	return epoch;
}

void bpf_side_set_thinning(struct bpf_side *side, uint32_t every)
{
	__atomic_store_n(&side->skeleton->data->thinning, every, __ATOMIC_RELAXED);
}

int bpf_side_counters(struct bpf_side *side, struct sampler_counters *ret)
{
	uint32_t zero = 0;
	int error = bpf_map_lookup_elem(bpf_map__fd(side->skeleton->maps.counters), &zero,
					side->per_cpu);
	if (error)
		return error;

	struct sampler_counters sum = {0};
	for (int i = 0; i < side->possible_cpus; i++) {
		const struct sampler_counters *c = &side->per_cpu[i];

		sum.ticks += c->ticks;
		sum.run_ns += c->run_ns;
		sum.samples_user += c->samples_user;
		sum.samples_kernel += c->samples_kernel;
		sum.lost_ring_full += c->lost_ring_full;
		sum.lost_internal += c->lost_internal;
		sum.stacks_sent += c->stacks_sent;
		sum.stacks_known += c->stacks_known;
		sum.stashes_sent += c->stashes_sent;
		sum.stash_bytes += c->stash_bytes;
		sum.stashes_limited += c->stashes_limited;
		sum.stashes_limited_process += c->stashes_limited_process;
		sum.stashes_lost += c->stashes_lost;
		for (int end = 0; end < UNWIND_END_COUNT; end++)
			sum.ends[end] += c->ends[end];
	}
	*ret = sum;
	return 0;
}

uint64_t bpf_side_map_bytes(const struct bpf_side *side)
{
	return __atomic_load_n(&side->map_bytes, __ATOMIC_RELAXED);
}

void bpf_side_run_stats(const struct bpf_side *side, uint64_t *ret_ns, uint64_t *ret_count)
{
	struct bpf_prog_info info = {0};
	uint32_t size = sizeof(info);

	*ret_ns = *ret_count = 0;
	if (bpf_obj_get_info_by_fd(bpf_program__fd(side->program), &info, &size))
		return;
	*ret_ns = info.run_time_ns;
	*ret_count = info.run_cnt;
}

uint64_t bpf_side_verified(const struct bpf_side *side)
{
	struct bpf_prog_info info = {0};
	uint32_t size = sizeof(info);

	if (bpf_obj_get_info_by_fd(bpf_program__fd(side->program), &info, &size))
		return 0;
	return info.verified_insns;
}

int bpf_side_chunks_fd(const struct bpf_side *side)
{
	return bpf_map__fd(side->skeleton->maps.unwind_chunks);
}

int bpf_side_processes_fd(const struct bpf_side *side)
{
	return bpf_map__fd(side->skeleton->maps.unwind_processes);
}
