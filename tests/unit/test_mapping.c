/* SPDX-License-Identifier: Apache-2.0 */
#include "profiler/mapping.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "unit/check.h"

#define PAGE  0x1000ull
#define PAGES 64u

static struct mapping_account account;
static struct binary *binaries[3];

static int set_up(void **state)
{
	(void)state;
	account = (struct mapping_account){0};
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(binary_create_special(BINARY_UNKNOWN, "x", &binaries[i]), 0);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	assert_int_equal(account.mappings, 0); /* all were given back */
	for (size_t i = 0; i < 3; i++)
		binary_unref(binaries[i]);
	return 0;
}

static struct address_space *make_space(void)
{
	struct address_space *space;

	assert_int_equal(address_space_create(&account, &space), 0);
	return space;
}

static void map(struct address_space **space, uint64_t first, uint64_t end, size_t binary)
{
	const struct mapping m = {.start = first * PAGE,
				  .end = end * PAGE,
				  .offset = first * PAGE,
				  .binary = binaries[binary]};

	assert_int_equal(address_space_map(space, &m), 0);
}

static void assert_invariants(const struct address_space *space)
{
	for (size_t i = 0; i < space->count; i++) {
		assert_true(space->mappings[i].start < space->mappings[i].end);
		if (i)
			assert_true(space->mappings[i - 1].end <= space->mappings[i].start);
	}
}

static void borders_are_exact(void **state)
{
	struct address_space *space = make_space();

	(void)state;
	map(&space, 2, 4, 0);
	assert_null(address_space_find(space, 2 * PAGE - 1));
	assert_non_null(address_space_find(space, 2 * PAGE));
	assert_non_null(address_space_find(space, 4 * PAGE - 1));
	assert_null(address_space_find(space, 4 * PAGE));
	address_space_unref(space);
}

static void a_hole_is_cut_with_right_offsets(void **state)
{
	struct address_space *space = make_space();

	(void)state;
	map(&space, 0, 10, 0);
	map(&space, 4, 6, 1);
	assert_int_equal(space->count, 3);
	assert_ptr_equal(address_space_find(space, 4 * PAGE)->binary, binaries[1]);
	const struct mapping *right = address_space_find(space, 7 * PAGE);

	assert_ptr_equal(right->binary, binaries[0]);
	assert_int_equal(right->start, 6 * PAGE);
	assert_int_equal(right->offset, 6 * PAGE); /* the offset moved with the start */
	address_space_unref(space);
}

/* Against a table of one entry a page. */
static void random_mappings_agree_with_a_page_table(void **state)
{
	uint64_t seed = 42;

	(void)state;
	for (int round = 0; round < 200; round++) {
		struct address_space *space = make_space();
		const struct binary *model[PAGES] = {0};

		for (int step = 0; step < 60; step++) {
			uint64_t first = next_random(&seed) % PAGES;
			uint64_t end = first + 1 + next_random(&seed) % (PAGES - first);
			size_t binary = next_random(&seed) % 3;

			map(&space, first, end, binary);
			for (uint64_t page = first; page < end; page++)
				model[page] = binaries[binary];
			assert_invariants(space);
			assert_int_equal(account.mappings, space->count);
		}
		for (uint64_t page = 0; page < PAGES; page++) {
			const struct mapping *m = address_space_find(space, page * PAGE + 5);

			assert_ptr_equal(m ? m->binary : NULL, model[page]);
			if (m) /* the file is mapped at its own offset everywhere */
				assert_int_equal(m->offset, m->start);
		}
		address_space_unref(space);
	}
}

static void a_shared_space_is_copied_on_change(void **state)
{
	struct address_space *parent = make_space();

	(void)state;
	map(&parent, 0, 2, 0);
	struct address_space *child = address_space_ref(parent);
	uint64_t generation = parent->generation;

	map(&child, 1, 3, 1);
	assert_true(child != parent);
	assert_ptr_equal(address_space_find(parent, PAGE)->binary, binaries[0]);
	assert_ptr_equal(address_space_find(child, PAGE)->binary, binaries[1]);
	assert_int_equal(parent->generation, generation);
	assert_true(child->generation != generation);
	address_space_unref(parent);
	assert_non_null(address_space_find(child, 0));
	address_space_unref(child);
}

static void the_same_mapping_again_changes_nothing(void **state)
{
	struct address_space *space = make_space();

	(void)state;
	map(&space, 0, 2, 0);
	uint64_t generation = space->generation;

	map(&space, 0, 2, 0);
	assert_int_equal(space->generation, generation);
	map(&space, 0, 2, 1);
	assert_true(space->generation != generation);
	address_space_unref(space);
}

static void the_limit_is_kept_and_counted(void **state)
{
	struct address_space *space = make_space();
	int error = 0;

	(void)state;
	for (uint64_t i = 0; !error && i < 2 * ADDRESS_SPACE_MAPPINGS_MAX; i++) {
		const struct mapping m = {
			.start = 2 * i * PAGE, .end = (2 * i + 1) * PAGE, .binary = binaries[0]};

		error = address_space_map(&space, &m);
	}
	assert_int_equal(error, -ENOSPC);
	assert_true(space->count <= ADDRESS_SPACE_MAPPINGS_MAX);
	assert_int_equal(account.refused, 1);
	assert_non_null(address_space_find(space, 0));
	address_space_unref(space);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(borders_are_exact),
		TEST(a_hole_is_cut_with_right_offsets),
		TEST(random_mappings_agree_with_a_page_table),
		TEST(a_shared_space_is_copied_on_change),
		TEST(the_same_mapping_again_changes_nothing),
		TEST(the_limit_is_kept_and_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
