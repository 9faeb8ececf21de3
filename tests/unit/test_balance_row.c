// SPDX-License-Identifier: Apache-2.0
#include "server/balance/balance_row.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "unit/check.h"

static const struct balance_group *group(const struct balance_row *r, const char *path)
{
	for (size_t i = 0; i < r->group_count; i++)
		if (!strcmp(strpool_get(&r->paths, r->groups[i].path), path))
			return &r->groups[i];
	fail_msg("no %s", path);
	return NULL;
}

static void make_row(struct balance_row *r, uint64_t from_ns)
{
	*r = (struct balance_row){.wall_from_ns = from_ns,
				  .wall_to_ns = from_ns + 10,
				  .covered_ns = 10,
				  .attributed_ns = 7,
				  .samples = 3};
	r->lost_ns[LOST_LATE] = 2;
	r->cpu_ns[ACCOUNT_STEAL] = 5;
	assert_int_equal(balance_row_add(r, "/a b\nc", 4, 3), 0);
	assert_int_equal(balance_row_add(r, "/", 1, 0), 0);
	assert_int_equal(balance_row_add(r, "/idle", 0, 0), 0);
	assert_int_equal(balance_row_add(r, "/", 0, 4), 0);
}

static void what_is_written_is_read_and_adds_up(void **state)
{
	(void)state;
	CLEANUP(balance_row_release) struct balance_row a;
	CLEANUP(balance_row_release) struct balance_row b;
	CLEANUP(balance_row_release) struct balance_row sum = {0};
	auto_buffer first = BUFFER_INIT;
	auto_buffer second = BUFFER_INIT;

	make_row(&a, 1000);
	make_row(&b, 2000);
	balance_row_write(&a, &first);
	balance_row_write(&b, &second);
	assert_int_equal(balance_row_read(buffer_terminate(&second), &sum), 0);
	assert_int_equal(balance_row_read(buffer_terminate(&first), &sum), 0);
	assert_int_equal(sum.wall_from_ns, 1000);
	assert_int_equal(sum.wall_to_ns, 2010);
	assert_int_equal(sum.covered_ns, 20);
	assert_int_equal(sum.attributed_ns, 14);
	assert_int_equal(sum.samples, 6);
	assert_int_equal(sum.lost_ns[LOST_LATE], 4);
	assert_int_equal(sum.cpu_ns[ACCOUNT_STEAL], 10);
	assert_int_equal(sum.group_count, 2);
	assert_int_equal(group(&sum, "/a b?c")->kernel_ns, 8);
	assert_int_equal(group(&sum, "/")->attributed_ns, 8);
}

static void damage_is_refused_and_adds_nothing(void **state)
{
	(void)state;
	CLEANUP(balance_row_release) struct balance_row a;
	auto_buffer text = BUFFER_INIT;

	make_row(&a, 1000);
	balance_row_write(&a, &text);

	const char *good = buffer_terminate(&text);
	size_t length = strlen(good);

	for (size_t cut = 0; cut < length; cut++) {
		CLEANUP(balance_row_release) struct balance_row sum = {0};
		char copy[512];
		bool at_line = cut && good[cut - 1] == '\n';

		memcpy(copy, good, cut);
		copy[cut] = '\0';

		int err = balance_row_read(copy, &sum);

		/* Cut between groups it is a shorter row; the head has three lines. */
		if (!at_line || err)
			assert_int_equal(err, -EBADMSG);
		if (err)
			assert_int_equal(sum.covered_ns, 0);
	}
}

static void beyond_the_limit_cgroups_share_a_place(void **state)
{
	(void)state;
	CLEANUP(balance_row_release) struct balance_row r = {0};
	char path[32];

	for (unsigned int i = 0; i < BALANCE_GROUPS_MAX + 10; i++) {
		(void)snprintf(path, sizeof(path), "/g%u", i);
		assert_int_equal(balance_row_add(&r, path, 1, 0), 0);
	}
	assert_int_equal(r.group_count, BALANCE_GROUPS_MAX + 1);
	assert_int_equal(group(&r, "(others)")->kernel_ns, 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_written_is_read_and_adds_up),
		cmocka_unit_test(damage_is_refused_and_adds_nothing),
		cmocka_unit_test(beyond_the_limit_cgroups_share_a_place),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
