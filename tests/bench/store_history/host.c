/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/bench/store_history/host.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "server/store/segment_window.h"

#define DAY_NS (86400 * NS_PER_S)
#define STEP   10 /* recorded samples between two that are played */
#define PART_LEAST \
	40 /* recorded samples that a process plays, over and over: the busier, the more */
#define PART_MAX  400
#define PID_BASE  1000
#define BUSY_SKEW 3 /* share of a process: the higher, the more the busiest have of all */
#define SMALL_MEAN \
	30.0 /* below: the Poisson distribution itself, above: its normal approximation */

struct process {
	const struct program *program;
	double share;				/* of the host's CPU time */
	uint32_t generation;			/* how often it was replaced */
	uint32_t first, count;			/* its part of the sequence, which goes round */
	uint32_t at[RECORDING_THREADS_MAX];	/* where each thread is in that part */
	uint32_t labels[RECORDING_THREADS_MAX]; /* ids of the dictionary + 1; 0 = not there yet */
};

struct cpu {
	uint64_t phase_ns;
	uint32_t process, thread;
	bool stays;
};

struct host {
	struct host_options o;
	uint64_t seed;
	struct process processes[HOST_PROCESSES];
	double up_to[HOST_PROCESSES]; /* shares, summed up */
	struct cpu cpus[HOST_CORES_MAX];

	struct segment_dict dict; /* of a day */
	uint64_t day;
	uint32_t *stacks; /* from the recording's ids to those of the dictionary + 1 */

	struct segment_sample *samples; /* scratch */
	size_t sample_count, sample_capacity;
};

static uint64_t next_random(struct host *h)
{
	uint64_t z = (h->seed += 0x9e3779b97f4a7c15ull);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	return z ^ (z >> 31);
}

static double next_share(struct host *h)
{
	return (double)(next_random(h) >> 11) / (double)(1ull << 53);
}

static void give_part(struct host *h, struct process *p)
{
	double count = PART_LEAST + PART_LEAST * p->share * HOST_PROCESSES;

	p->count = count < PART_MAX ? (uint32_t)count : PART_MAX;
	if (p->count > p->program->count)
		p->count = (uint32_t)p->program->count;
	for (uint32_t k = 0; k < RECORDING_THREADS_MAX; k++)
		p->at[k] = (uint32_t)(next_random(h) % p->count);
}

/* Programs get processes by how much they were seen, every one at least one as long as there are enough. */
static void start_processes(struct host *h)
{
	const struct recording *r = h->o.recording;
	double sum = 0;

	for (uint32_t i = 0; i < HOST_PROCESSES; i++) {
		struct process *p = &h->processes[i];
		uint32_t at = i < r->program_count ? i : UINT32_MAX;

		for (uint64_t n = next_random(h) % r->sample_count; at == UINT32_MAX;) {
			size_t k = 0;

			while (n >= r->programs[k].count)
				n -= r->programs[k++].count;
			at = (uint32_t)k;
		}
		p->program = &r->programs[at];
		p->generation = UINT32_MAX;
		p->share = pow(next_share(h), BUSY_SKEW) + 1e-4;
		sum += p->share;
	}
	for (uint32_t i = 0; i < HOST_PROCESSES; i++) {
		h->processes[i].share /= sum;
		h->up_to[i] = (i ? h->up_to[i - 1] : 0) + h->processes[i].share;
		give_part(h, &h->processes[i]);
	}
}

int host_create(const struct host_options *o, struct host **ret)
{
	struct host *h = calloc(1, sizeof(*h));

	if (!h)
		return -ENOMEM;
	h->o = *o;
	h->seed = o->seed;
	h->day = UINT64_MAX;
	segment_dict_init(&h->dict);
	h->stacks = calloc(o->recording->dict->tables.w.stack_count + 1u, sizeof(*h->stacks));
	if (!h->stacks) {
		host_destroy(h);
		return -ENOMEM;
	}
	start_processes(h);
	for (uint32_t i = 0; i < HOST_CORES_MAX; i++)
		h->cpus[i].phase_ns = next_random(h) % HOST_PERIOD_NS;
	*ret = h;
	return 0;
}

void host_destroy(struct host *h)
{
	if (!h)
		return;
	segment_dict_release(&h->dict);
	free(h->stacks);
	free(h->samples);
	free(h);
}

/* Ends the processes whose time is over. */
static void replace_processes(struct host *h, uint64_t wall_ns)
{
	for (uint32_t i = 0; i < HOST_PROCESSES; i++) {
		struct process *p = &h->processes[i];
		uint32_t generation =
			(uint32_t)((wall_ns / HOST_RESTART_NS + i * 7) / HOST_PROCESSES);

		if (generation == p->generation)
			continue;
		p->generation = generation;
		p->first =
			(uint32_t)((generation * 2654435761ull + i * 40503ull) % p->program->count);
		memset(p->labels, 0, sizeof(p->labels));
	}
}

/* A dictionary for each day, so that it stays small. */
static void begin(struct host *h, uint64_t wall_ns)
{
	if (h->day != wall_ns / DAY_NS) {
		h->day = wall_ns / DAY_NS;
		segment_dict_release(&h->dict);
		memset(h->stacks, 0,
		       h->o.recording->dict->tables.w.stack_count * sizeof(*h->stacks));
		for (uint32_t i = 0; i < HOST_PROCESSES; i++)
			memset(h->processes[i].labels, 0, sizeof(h->processes[i].labels));
	}
	replace_processes(h, wall_ns);
	h->sample_count = 0;
}

static int add_frame(struct host *h, uint32_t id, uint32_t *ret)
{
	const struct window *from = &h->o.recording->dict->tables.w;
	struct window_frame f = from->frames[id];
	int err = segment_dict_binary(&h->dict, from->binaries[f.binary], &f.binary);

	if (!err)
		err = window_builder_string(&h->dict.tables, strpool_get(&from->strings, f.name),
					    &f.name);
	return err ? err : window_builder_frame(&h->dict.tables, &f, ret);
}

static int find_stack(struct host *h, uint32_t id, uint32_t *ret)
{
	const struct window *from = &h->o.recording->dict->tables.w;
	const struct window_stack *s = &from->stacks[id];

	if (!h->stacks[id]) {
		auto_free uint32_t *frames = calloc(s->count + 1u, sizeof(*frames));
		int err = frames ? 0 : -ENOMEM;

		for (uint32_t i = 0; i < s->count && !err; i++)
			err = add_frame(h, from->stack_frames[s->first + i], &frames[i]);
		if (!err)
			err = window_builder_stack(&h->dict.tables, frames, s->count, s->verdict,
						   &h->stacks[id]);
		if (err)
			return err;
		h->stacks[id]++;
	}
	*ret = h->stacks[id] - 1;
	return 0;
}

static int add_label(struct host *h, const char *name, const char *value, struct window_label *ret)
{
	int err = window_builder_string(&h->dict.tables, name, &ret->name);

	return err ? err : window_builder_string(&h->dict.tables, value, &ret->value);
}

static int find_labels(struct host *h, uint32_t process, uint32_t thread, uint32_t *ret)
{
	struct process *p = &h->processes[process];
	uint32_t pid = PID_BASE + (p->generation % 1000) * HOST_PROCESSES * 10 + process * 10;
	struct window_label labels[7];
	char text[5][96];

	*ret = p->labels[thread] - 1;
	if (p->labels[thread])
		return 0;
	(void)snprintf(text[0], sizeof(text[0]), "%u", pid); /* all of these fit */
	(void)snprintf(text[1], sizeof(text[1]), "%u", pid + thread);
	(void)snprintf(text[2], sizeof(text[2]), "/system.slice/%.32s-%u.service", p->program->comm,
		       process);
	(void)snprintf(text[3], sizeof(text[3]), "%.32s-%u.service", p->program->comm, process);
	(void)snprintf(text[4], sizeof(text[4]), "%.32s", p->program->comm);

	const char *const pairs[7][2] = {{"cgroup", text[2]},	   {"comm", p->program->comm},
					 {"exe", p->program->exe}, {"pid", text[0]},
					 {"thread", text[4]},	   {"tid", text[1]},
					 {"unit", text[3]}};
	int err = 0;

	for (int i = 0; i < 7 && !err; i++)
		err = add_label(h, pairs[i][0], pairs[i][1], &labels[i]);
	if (!err)
		err = window_builder_labels(&h->dict.tables, labels, 7, ret);
	if (!err)
		p->labels[thread] = *ret + 1;
	return err;
}

/* @at: in the part of the sequence that the process plays */
static int find_series(struct host *h, uint32_t process, uint32_t thread, uint32_t at,
		       uint32_t *ret)
{
	const struct process *p = &h->processes[process];
	uint32_t labels;
	uint32_t stack;
	int err = find_labels(h, process, thread, &labels);

	if (!err)
		err = find_stack(h, p->program->sequence[(p->first + at) % p->program->count],
				 &stack);
	return err ? err : segment_dict_series(&h->dict, labels, stack, ret);
}

static int push(struct host *h, const struct segment_sample *s)
{
	if (array_reserve((void **)&h->samples, &h->sample_capacity, h->sample_count + 1,
			  sizeof(*h->samples)))
		return -ENOMEM;
	h->samples[h->sample_count++] = *s;
	return 0;
}

static uint32_t pick_process(struct host *h)
{
	double share = next_share(h);
	uint32_t low = 0;
	uint32_t high = HOST_PROCESSES - 1;

	while (low < high) {
		uint32_t middle = (low + high) / 2;

		if (h->up_to[middle] < share)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* Thread 0 has half of what a process does, the next one half of the rest, and so on. */
static uint32_t pick_thread(struct host *h, const struct program *p)
{
	uint32_t thread = (uint32_t)__builtin_ctzll(next_random(h) | 1ull << 63);

	return thread < p->threads ? thread : 0;
}

static double thread_share(const struct program *p, uint32_t thread)
{
	return ldexp(1, -(int)thread - 1) + (thread ? 0 : ldexp(1, -(int)p->threads));
}

static int tick(struct host *h, uint32_t core, uint64_t beat, uint64_t start_ns, uint64_t span_ns)
{
	const struct recording *r = h->o.recording;
	struct cpu *cpu = &h->cpus[core];
	uint64_t jitter = next_random(h);
	int64_t beside_ms = r->jitter_ms[jitter % r->jitter_count];
	uint64_t at_ns = beat * HOST_PERIOD_NS + cpu->phase_ns + (uint64_t)(beside_ms * 1000000) +
			 (jitter >> 40) % 50000;

	if (at_ns < start_ns || at_ns >= start_ns + span_ns)
		return 0;
	if (next_random(h) % 100 >= h->o.busy_percent) {
		cpu->stays = false;
		return 0;
	}
	if (!cpu->stays) {
		cpu->process = pick_process(h);
		cpu->thread = pick_thread(h, h->processes[cpu->process].program);
	}

	struct process *p = &h->processes[cpu->process];
	uint32_t at = (p->at[cpu->thread] + STEP) % p->count;
	struct segment_sample s = {
		.time_us = (uint32_t)((at_ns - start_ns) / NS_PER_US),
		.weight = 1,
		.cpu = (uint16_t)core,
	};

	/* After a whole round from another place, so that every stack has its turn. */
	p->at[cpu->thread] = at < STEP ? (at + 1) % p->count : at;
	cpu->stays = next_random(h) % 65536 < p->program->stay_share;

	int err = find_series(h, cpu->process, cpu->thread, p->at[cpu->thread], &s.series);

	return err ? err : push(h, &s);
}

static int make_window(struct host *h, uint64_t start_ns, uint64_t span_ns, enum segment_kind kind,
		       struct window **ret)
{
	struct segment_window w = {
		.kind = kind,
		.wall_start_ns = start_ns,
		.wall_end_ns = start_ns + span_ns,
		.period_ns = HOST_PERIOD_NS,
		.samples = h->samples,
		.sample_count = h->sample_count,
	};

	return segment_window_make(&h->dict, &w, true, ret);
}

int host_window(struct host *h, uint64_t wall_start_ns, uint64_t span_ns, struct window **ret)
{
	uint64_t first = wall_start_ns / HOST_PERIOD_NS - 2;
	uint64_t last = (wall_start_ns + span_ns) / HOST_PERIOD_NS + 1;
	int err = 0;

	begin(h, wall_start_ns);
	for (uint64_t beat = first; beat <= last && !err; beat++)
		for (uint32_t core = 0; core < h->o.cores && !err; core++)
			err = tick(h, core, beat, wall_start_ns, span_ns);
	return err ? err : make_window(h, wall_start_ns, span_ns, SEGMENT_DETAIL, ret);
}

static uint32_t draw_poisson(struct host *h, double mean)
{
	if (mean >= SMALL_MEAN) {
		double normal =
			sqrt(-2 * log(next_share(h) + 1e-18)) * cos(2 * M_PI * next_share(h));
		double value = mean + sqrt(mean) * normal;

		return value > 0 ? (uint32_t)(value + 0.5) : 0;
	}

	double share = next_share(h);
	double term = exp(-mean);
	uint32_t count = 0;

	for (; share > term && count < 200; count++) {
		share -= term;
		term *= mean / (count + 1);
	}
	return count;
}

/* A place of the sequence stands for each time its stack was seen: equal ones make one series. */
static int sum_thread(struct host *h, uint32_t process, uint32_t thread, double samples)
{
	const struct process *p = &h->processes[process];
	double mean = samples / p->count;

	for (uint32_t at = 0; at < p->count; at++) {
		struct segment_sample s = {.weight = draw_poisson(h, mean)};

		if (!s.weight)
			continue;

		int err = find_series(h, process, thread, at, &s.series);

		if (!err)
			err = push(h, &s);
		if (err)
			return err;
	}
	return 0;
}

int host_sum(struct host *h, uint64_t wall_start_ns, uint64_t span_ns, struct window **ret)
{
	double samples = (double)span_ns / HOST_PERIOD_NS * h->o.cores * h->o.busy_percent / 100;
	int err = 0;

	begin(h, wall_start_ns);
	for (uint32_t i = 0; i < HOST_PROCESSES && !err; i++) {
		const struct process *p = &h->processes[i];

		for (uint32_t k = 0; k < p->program->threads && !err; k++)
			err = sum_thread(h, i, k, samples * p->share * thread_share(p->program, k));
	}
	return err ? err : make_window(h, wall_start_ns, span_ns, SEGMENT_TOTALS, ret);
}
