/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unwind files and the memory they are loaded into: what a look-up through chunks finds is what the file says, within
 * the limit, whatever is evicted; damaged files are refused.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "symbolizer/unwind_buddy.h"
#include "symbolizer/unwind_slab.h"
#include "symbolizer/unwind_table.h"
#include "symbolizer/unwind_walk.h"
#include "unit/check.h"

#define CHUNKS_MAX 512

static void *chunks[CHUNKS_MAX];
static unsigned int chunks_made, graces;

static int add_chunk(void *arg, uint32_t index, void **ret)
{
	(void)arg;
	assert_true(index < CHUNKS_MAX && !chunks[index]);
	chunks[index] = calloc(1, UNWIND_CHUNK_BYTES);
	chunks_made++;
	*ret = chunks[index];
	return chunks[index] ? 0 : -ENOMEM;
}

static void grace(void *arg)
{
	(void)arg;
	graces++;
}

static struct unwind_slab *make_slab(uint32_t chunk_max)
{
	const struct unwind_slab_options options = {
		.chunk_max = chunk_max, .add_chunk = add_chunk, .grace = grace};
	struct unwind_slab *s;

	chunks_made = graces = 0;
	assert_int_equal(unwind_slab_create(&options, &s), 0);
	return s;
}

static void free_slab(struct unwind_slab *s)
{
	unwind_slab_destroy(s);
	for (size_t i = 0; i < CHUNKS_MAX; i++) {
		free(chunks[i]);
		chunks[i] = NULL;
	}
}

static struct unwind_file *table_of(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct unwind_file *f;

	assert_true(fd >= 0);
	assert_int_equal(unwind_table_build(fd, -1, &f), 0);
	(void)close(fd);
	return f;
}

/* What this thread's stack looks like is of no interest here. */
static int read_nothing(void *arg, void *to, uint32_t bytes, uint64_t from)
{
	(void)arg;
	(void)to;
	(void)bytes;
	(void)from;
	return -EFAULT;
}

/* The rule that a walk through the chunks finds for @vaddr of executable @exe mapped at its own addresses. */
static struct unwind_rule rule_by_walk(struct unwind_slab *s, const struct unwind_process *p,
				       uint64_t vaddr)
{
	struct unwind_walk w = {.slab = s, .read = read_nothing};
	const struct unwind_start start = {.pc = vaddr, .known = UINT32_MAX, .exact = true};

	unwind_walk_begin(&w, p, &start);
	(void)unwind_walk_step(&w);
	return w.state.rule;
}

static bool same_rule(const struct unwind_rule *a, const struct unwind_rule *b)
{
	struct unwind_rule x = *a, y = *b;

	/* The unwinder completes this one as it applies it. */
	if (UNWIND_KIND(x.cfa) == UNWIND_CFA_PLT)
		return x.cfa == y.cfa && x.cfa_offset == y.cfa_offset;
	return !memcmp(&x, &y, sizeof(x));
}

static void compare(struct unwind_slab *s, const struct unwind_process *p,
		    const struct unwind_file *f, uint64_t *seed)
{
	const struct unwind_file_header *h = unwind_file_header(f);
	uint64_t base = (uint64_t)h->first_page << UNWIND_PAGE_SHIFT;

	for (int i = 0; i < 20000; i++) {
		uint64_t vaddr =
			base + next_random(seed) % ((uint64_t)h->page_count << UNWIND_PAGE_SHIFT);
		const struct unwind_rule none = {0}, *said = unwind_file_find(f, vaddr);
		struct unwind_rule found = rule_by_walk(s, p, vaddr);

		if (!said)
			said = &none;
		if (!same_rule(said, &found)) {
			/* Only padding between functions may differ: pages leave it out. */
			assert_int_equal(UNWIND_KIND(said->cfa), UNWIND_CFA_NONE);
			bool ends_soon = false;

			for (uint64_t k = 1; k <= UNWIND_GAP_BYTES; k++) {
				const struct unwind_rule *near = unwind_file_find(f, vaddr + k);

				ends_soon |= near && UNWIND_KIND(near->cfa) != UNWIND_CFA_NONE;
			}
			assert_true(ends_soon);
		}
	}
}

static void chunks_say_what_the_file_says(void **state)
{
	struct unwind_file *f = table_of("/lib/x86_64-linux-gnu/libc.so.6");
	struct unwind_slab *s = make_slab(64);
	struct unwind_mapping m = {.start = 0, .end = 1ull << 40, .exe = 7};
	struct unwind_process p;
	uint64_t seed = 1;

	(void)state;
	assert_int_equal(unwind_slab_set_table(s, 7, f), 0);
	assert_int_equal(unwind_slab_put_process(s, &m, 1, &p), 0);
	compare(s, &p, f, &seed);
	unwind_slab_free_process(s, &p);
	free_slab(s);
	unwind_file_unref(f);
}

static void a_full_slab_evicts_and_stays_within_its_limit(void **state)
{
	static const char *const paths[] = {"/lib/x86_64-linux-gnu/libc.so.6", "/usr/bin/git",
					    "/usr/bin/perl", "/bin/bash",
					    "/usr/lib/x86_64-linux-gnu/libstdc++.so.6"};
	struct unwind_file *files[5];
	struct unwind_process p[5];
	struct unwind_slab *s = make_slab(3);
	struct unwind_slab_stats stats;
	uint64_t seed = 2;

	(void)state;
	for (uint32_t i = 0; i < 5; i++) {
		struct unwind_mapping m = {.start = 0, .end = 1ull << 40, .exe = i + 1};

		files[i] = table_of(paths[i]);
		assert_int_equal(unwind_slab_set_table(s, i + 1, files[i]), 0);
		assert_int_equal(unwind_slab_put_process(s, &m, 1, &p[i]), 0);
	}
	for (int round = 0; round < 3; round++)
		for (int i = 0; i < 5; i++)
			compare(s, &p[i], files[i], &seed);
	unwind_slab_stats(s, &stats);
	assert_true(stats.page_evictions > 0);
	assert_true(graces > 0);
	assert_int_equal(chunks_made, 3);
	assert_int_equal(stats.bytes, 3 * UNWIND_CHUNK_BYTES);
	assert_true(stats.block_bytes <= 2 * UNWIND_CHUNK_BYTES);
	for (uint32_t i = 0; i < 5; i++) {
		unwind_slab_drop_exe(s, i + 1);
		unwind_slab_free_process(s, &p[i]);
		unwind_file_unref(files[i]);
	}
	unwind_slab_stats(s, &stats);
	assert_int_equal(stats.block_bytes, 0);
	assert_int_equal(stats.pages, 0);
	assert_int_equal(stats.page_bytes, 0);
	free_slab(s);
}

static void a_hundred_thousand_mappings_are_found(void **state)
{
	const uint32_t count = 100000;
	struct unwind_mapping *m = calloc(count, sizeof(*m));
	struct unwind_slab *s = make_slab(64);
	struct unwind_walk w = {.slab = s, .read = read_nothing};
	struct unwind_start start = {.known = UINT32_MAX, .exact = true};
	struct unwind_process p;

	(void)state;
	assert_non_null(m);
	for (uint32_t i = 0; i < count; i++)
		m[i] = (struct unwind_mapping){.start = 0x10000 + i * 0x3000ull,
					       .end = 0x11000 + i * 0x3000ull,
					       .bias = i};
	assert_int_equal(unwind_slab_put_process(s, m, count, &p), 0);
	assert_true(p.tables > 1);
	for (uint32_t i = 0; i < count; i += 7) {
		for (int inside = 0; inside < 2; inside++) {
			start.pc = m[i].end - (uint64_t)inside;
			unwind_walk_begin(&w, &p, &start);
			assert_int_equal(unwind_walk_map(&w), inside);
			if (inside)
				assert_int_equal(w.state.mapping.bias, i);
		}
	}
	start.pc = 0xffff;
	unwind_walk_begin(&w, &p, &start);
	assert_false(unwind_walk_map(&w));
	unwind_slab_free_process(s, &p);
	free_slab(s);
	free(m);
}

static void units_are_given_out_once(void **state)
{
	struct unwind_buddy *b = malloc(sizeof(*b));
	static uint8_t owner[UNWIND_BUDDY_UNITS];
	uint32_t first[250] = {0}, units[250] = {0}, used = 0;
	uint64_t seed = 3;

	(void)state;
	assert_non_null(b);
	unwind_buddy_init(b);
	for (int i = 0; i < 200000; i++) {
		uint32_t k = (uint32_t)(next_random(&seed) % 250);

		if (units[k]) {
			for (uint32_t u = 0; u < units[k]; u++) {
				assert_int_equal(owner[first[k] + u], k + 1);
				owner[first[k] + u] = 0;
			}
			unwind_buddy_give(b, first[k], units[k]);
			used -= units[k];
			units[k] = 0;
			continue;
		}

		uint32_t want = 1 + (uint32_t)(next_random(&seed) % (i % 5 ? 40 : 700));
		int at = unwind_buddy_take(b, want);

		if (at < 0)
			continue;
		assert_true((uint32_t)at + want <= UNWIND_BUDDY_UNITS);
		for (uint32_t u = 0; u < want; u++) {
			assert_int_equal(owner[(uint32_t)at + u], 0);
			owner[(uint32_t)at + u] = (uint8_t)(k + 1);
		}
		first[k] = (uint32_t)at;
		units[k] = want;
		used += want;
	}
	for (uint32_t k = 0; k < 250; k++)
		if (units[k])
			unwind_buddy_give(b, first[k], units[k]);
	assert_int_equal(unwind_buddy_take(b, UNWIND_BUDDY_UNITS), 0);
	free(b);
}

static void damaged_files_are_refused(void **state)
{
	struct unwind_file *f = table_of("/lib64/ld-linux-x86-64.so.2"), *other;
	size_t size;
	const char *bytes = unwind_file_bytes(f, &size);
	uint64_t seed = 4;

	(void)state;
	for (int i = 0; i < 2000; i++) {
		size_t length = i % 3 ? size : next_random(&seed) % size;
		char *copy = malloc(length + 1);

		assert_non_null(copy);
		memcpy(copy, bytes, length);
		if (length == size)
			copy[next_random(&seed) % size] ^= (char)(1 + next_random(&seed) % 255);
		assert_int_equal(unwind_file_open_memory(copy, length, &other), -EBADMSG);
		free(copy);
	}
	unwind_file_unref(f);
}

/* Somebody may compute a checksum over nonsense too. */
static void nonsense_with_a_right_checksum_is_harmless(void **state)
{
	struct unwind_file *f = table_of("/lib64/ld-linux-x86-64.so.2"), *other;
	char *block = malloc(UNWIND_CHUNK_BYTES / 2);
	size_t size;
	const char *bytes = unwind_file_bytes(f, &size);
	uint64_t seed = 5;
	uint32_t opened = 0;

	(void)state;
	assert_non_null(block);
	for (int i = 0; i < 3000; i++) {
		char *copy = malloc(size);
		struct unwind_file_header *h = (void *)copy;
		uint32_t block_bytes;

		assert_non_null(copy);
		memcpy(copy, bytes, size);
		for (int k = 0; k < 3; k++)
			copy[8 + next_random(&seed) % (i % 2 ? 64 : size - 8)] =
				(char)next_random(&seed);
		h->checksum = unwind_file_checksum(copy, size);
		if (unwind_file_open_memory(copy, size, &other)) {
			free(copy);
			continue;
		}
		opened++;
		for (uint32_t page = 0; page < h->page_count; page++)
			(void)unwind_file_make_page(other, h->first_page + page, block,
						    &block_bytes);
		for (int k = 0; k < 100; k++)
			(void)unwind_file_find(other, next_random(&seed) % (1ull << 40));
		unwind_file_unref(other);
	}
	assert_true(opened > 0);
	free(block);
	unwind_file_unref(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(chunks_say_what_the_file_says),
		cmocka_unit_test(a_full_slab_evicts_and_stays_within_its_limit),
		cmocka_unit_test(a_hundred_thousand_mappings_are_found),
		cmocka_unit_test(units_are_given_out_once),
		cmocka_unit_test(damaged_files_are_refused),
		cmocka_unit_test(nonsense_with_a_right_checksum_is_harmless),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
