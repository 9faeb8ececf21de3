/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A store in a directory of its own, and windows of random content that can be compared as text.
 */
#ifndef HEARTH_TESTS_SQLITE_FIXTURE_H
#define HEARTH_TESTS_SQLITE_FIXTURE_H

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "profiler/window_builder.h"
#include "server/store/sqlite_catalog.h"
#include "server/store/store.h"
#include "tests/unit/check.h"

#define T0    (1700006400 * NS_PER_S) /* 2023-11-15T00:00:00Z, the start of a day */
#define SPAN  (10 * NS_PER_S)
#define TICKS 190 /* of a CPU in a window at 19 Hz */

static char fixture_directory[64];

/* A fresh directory in memory where there is one: what is tested is not the disk. */
static inline const char *make_directory(void)
{
	const char *base = access("/dev/shm", W_OK) ? "/tmp" : "/dev/shm";

	snprintf(fixture_directory, sizeof(fixture_directory), "%s/hearth-store-XXXXXX", base);
	assert_non_null(mkdtemp(fixture_directory));
	return fixture_directory;
}

static inline void remove_directory(void)
{
	DIR *d = opendir(fixture_directory);
	struct dirent *e;

	while (d && (e = readdir(d)))
		if (e->d_name[0] != '.')
			(void)unlinkat(dirfd(d), e->d_name, 0); /* what stays fails the rmdir */
	if (d)
		closedir(d);
	(void)rmdir(fixture_directory); /* several stores of a test share it */
}

static inline uint64_t directory_bytes(void)
{
	DIR *d = opendir(fixture_directory);
	struct dirent *e;
	struct stat st;
	uint64_t bytes = 0;

	while (d && (e = readdir(d)))
		if (!fstatat(dirfd(d), e->d_name, &st, 0) && S_ISREG(st.st_mode))
			bytes += (uint64_t)st.st_blocks * 512;
	if (d)
		closedir(d);
	return bytes;
}

static inline struct store *open_store(uint64_t retention_ns, uint64_t limit_bytes)
{
	struct store_sqlite_options options = {
		.directory = fixture_directory,
		.limit_bytes = limit_bytes,
		.retention_ns = retention_ns,
		.no_merging_thread = true,
	};
	struct store *s = NULL;

	assert_int_equal(store_sqlite_create(&options, &s), 0);
	return s;
}

/* --- random windows --------------------------------------------------------------------------------- */

struct world {
	uint64_t seed;
	uint32_t stacks, cpus, processes;
	struct binary *elf, *kernel;
};

static inline void world_init(struct world *v, uint64_t seed)
{
	static const struct binary_segment segments[] = {{0, 0x400000, 0x1000, 0x1000, false},
							 {0x1000, 0x401000, 0x9000, 0x9100, true}};
	struct binary_identity identity = {.path = "/usr/bin/app",
					   .build_id = {.length = 4, .bytes = {1, 2, 3, 4}},
					   .has_build_id = true,
					   .segments = segments,
					   .segment_count = 2};

	*v = (struct world){.seed = seed, .stacks = 300, .cpus = 4, .processes = 12};
	assert_int_equal(binary_create_detached(&identity, &v->elf), 0);
	assert_int_equal(binary_create_special(BINARY_KERNEL, "[kernel.kallsyms]", &v->kernel), 0);
}

static inline void world_release(struct world *v)
{
	binary_unref(v->elf);
	binary_unref(v->kernel);
}

/* Stack number @n is the same whenever it is made. */
static inline uint32_t world_stack(struct world *v, struct window_builder *b, uint32_t n)
{
	uint64_t seed = n;
	uint32_t ids[64];
	uint32_t count = 1 + next_random(&seed) % 20;
	uint32_t elf, kernel, stack;

	assert_int_equal(window_builder_binary(b, v->elf, &elf), 0);
	assert_int_equal(window_builder_binary(b, v->kernel, &kernel), 0);
	for (uint32_t i = 0; i < count; i++) {
		struct window_frame f = {.binary = elf, .addr = 0x401000 + 16 * (n * i % 900)};
		char name[32];

		if (i == 0 && n % 3 == 0) {
			snprintf(name, sizeof(name), "kernel_%u", n % 40);
			f = (struct window_frame){
				.binary = kernel, .addr = ~0ull - n % 40, .flags = FRAME_KERNEL};
			assert_int_equal(window_builder_string(b, name, &f.name), 0);
		}
		assert_int_equal(window_builder_frame(b, &f, &ids[i]), 0);
	}
	assert_int_equal(
		window_builder_stack(b, ids, count, n % 7 ? STACK_COMPLETE : STACK_FAILED, &stack),
		0);
	return stack;
}

static inline uint32_t world_labels(struct window_builder *b, uint32_t process)
{
	struct window_label labels[3];
	char text[32];
	uint32_t set;

	assert_int_equal(window_builder_string(b, "pid", &labels[0].name), 0);
	snprintf(text, sizeof(text), "%u", 1000 + process);
	assert_int_equal(window_builder_string(b, text, &labels[0].value), 0);
	assert_int_equal(window_builder_string(b, "comm", &labels[1].name), 0);
	snprintf(text, sizeof(text), "comm-%u", process % 5);
	assert_int_equal(window_builder_string(b, text, &labels[1].value), 0);
	assert_int_equal(window_builder_labels(b, labels, process % 4 ? 2 : 1, &set), 0);
	return set;
}

/* A window as a 19 Hz sampler makes it: a beat per CPU, some ticks idle. */
static inline struct window *world_window(struct world *v, uint64_t start_ns, uint64_t length_ns)
{
	const uint64_t period_ns = NS_PER_S / 19;
	struct window_builder b;
	struct window *w = NULL;

	window_builder_init(&b, NULL);
	window_builder_open(&b, 0, start_ns, period_ns);
	for (uint32_t cpu = 0; cpu < v->cpus; cpu++)
		for (uint64_t at = next_random(&v->seed) % period_ns; at < length_ns;
		     at += period_ns) {
			uint32_t process = (uint32_t)(next_random(&v->seed) % v->processes);
			uint32_t n = (uint32_t)(next_random(&v->seed) % v->stacks);
			struct window_sample s = {.weight = 1, .cpu = (uint16_t)(cpu * 3)};

			if (next_random(&v->seed) % 3 == 0)
				continue;
			s.stack = world_stack(v, &b, n);
			s.labels = world_labels(&b, process);
			s.weight = n % 50 ? 1 : 3;
			assert_int_equal(window_builder_sample(&b, at, &s), 0);
		}
	assert_int_equal(window_builder_finish(&b, start_ns + length_ns, &w), 0);
	w->lost[LOST_RING_FULL] = next_random(&v->seed) % 3;
	window_builder_release(&b);
	return w;
}

/* --- windows as text -------------------------------------------------------------------------------- */

static inline void describe_sample(const struct window *w, const struct window_sample *s,
				   struct buffer *out)
{
	const struct window_stack *stack = &w->stacks[s->stack];
	const struct window_label_set *set = &w->label_sets[s->labels];

	/* Called a million times: no printf. */
	for (uint32_t i = 0; i < stack->count; i++) {
		const struct window_frame *f = &w->frames[w->stack_frames[stack->first + i]];

		buffer_puts(out, binary_path(w->binaries[f->binary]));
		buffer_putc(out, '+');
		buffer_put_u64(out, f->addr);
		buffer_puts(out, strpool_get(&w->strings, f->name));
		buffer_putc(out, (char)('0' + f->flags));
	}
	buffer_putc(out, ' ');
	buffer_put_u64(out, stack->verdict);
	buffer_putc(out, '{');
	for (uint32_t i = 0; i < set->count; i++) {
		buffer_puts(out, strpool_get(&w->strings, w->labels[set->first + i].name));
		buffer_putc(out, '=');
		buffer_puts(out, strpool_get(&w->strings, w->labels[set->first + i].value));
		buffer_putc(out, ',');
	}
	buffer_putc(out, '}');
}

/* Sums of weights per described series: two of these are equal if the same was sampled. */
struct tally {
	struct strpool names;
	uint64_t weights[1 << 16];
	uint64_t total;
	uint64_t lost;
	unsigned int windows;
	uint64_t from_ns, to_ns; /* samples outside do not count; 0 = no end */
	size_t most_bytes;	 /* of a window */
};

static inline void tally_add(struct tally *t, const struct window *w)
{
	auto_buffer text = BUFFER_INIT;

	t->windows++;
	t->lost += w->lost[LOST_RING_FULL];
	if (window_bytes(w) > t->most_bytes)
		t->most_bytes = window_bytes(w);
	for (uint32_t i = 0; i < w->sample_count; i++) {
		const struct window_sample *s = &w->samples[i];
		uint64_t time_ns = w->wall_start_ns + s->time_us * NS_PER_US;
		uint32_t id;

		if (time_ns < t->from_ns || (t->to_ns && time_ns >= t->to_ns))
			continue;
		buffer_clear(&text);
		describe_sample(w, s, &text);
		assert_int_equal(strpool_add_bytes(&t->names, text.bytes, text.length, &id), 0);
		assert_true(id < 1 << 16);
		t->weights[id] += s->weight;
		t->total += s->weight;
	}
}

static inline int tally_visit(struct window *w, void *arg)
{
	tally_add(arg, w);
	return 0;
}

static inline struct tally *tally_new(uint64_t from_ns, uint64_t to_ns)
{
	struct tally *t = calloc(1, sizeof(*t));

	assert_non_null(t);
	t->from_ns = from_ns;
	t->to_ns = to_ns;
	return t;
}

static inline void tally_free(struct tally *t)
{
	strpool_release(&t->names);
	free(t);
}

static inline struct tally *tally_scan(struct store *s, struct store_scan scan)
{
	struct tally *t = tally_new(scan.wall_from_ns, scan.wall_to_ns);

	assert_int_equal(store_scan(s, &scan, tally_visit, t), 0);
	return t;
}

static inline void assert_tallies_equal(struct tally *a, struct tally *b)
{
	assert_int_equal(a->total, b->total);
	assert_int_equal(strpool_count(&a->names), strpool_count(&b->names));
	for (uint32_t id = 1; id < strpool_count(&a->names); id++) {
		uint32_t other;

		assert_int_equal(strpool_add(&b->names, strpool_get(&a->names, id), &other), 0);
		assert_int_equal(a->weights[id], b->weights[other]);
	}
}

#endif
