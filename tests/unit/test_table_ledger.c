/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is known about tables: read back as written, replaced, and the oldest forgotten when there are too many.
 */
#include "profiler/table_ledger.h"

#include <errno.h>
#include <string.h>

#include "unit/check.h"

static struct table_facts facts_of(uint32_t number)
{
	struct table_facts f = {.id = {.length = 20}, .state = TABLE_PENDING, .row_count = number};

	memcpy(f.id.bytes, &number, sizeof(number));
	return f;
}

static void an_entry_is_read_back_and_replaced(void **state)
{
	struct table_ledger *l;
	struct table_facts f = facts_of(7), got;

	(void)state;
	assert_int_equal(table_ledger_create(&l), 0);
	assert_int_equal(table_ledger_get(l, &f.id, &got), -ENOENT);
	assert_int_equal(table_ledger_put(l, &f), 0);
	f.state = TABLE_FAILED;
	strcpy(f.reason, "it was a failure");
	assert_int_equal(table_ledger_put(l, &f), 0);
	assert_int_equal(table_ledger_get(l, &f.id, &got), 0);
	assert_int_equal(got.state, TABLE_FAILED);
	assert_string_equal(got.reason, "it was a failure");
	table_ledger_destroy(l);
	table_ledger_destroy(NULL);
}

static void when_full_the_oldest_goes(void **state)
{
	struct table_ledger *l;
	struct table_facts got;

	(void)state;
	assert_int_equal(table_ledger_create(&l), 0);
	for (uint32_t i = 0; i < TABLE_LEDGER_ENTRIES_MAX + 100; i++) {
		struct table_facts f = facts_of(i);

		assert_int_equal(table_ledger_put(l, &f), 0);
	}
	for (uint32_t i = 0; i < TABLE_LEDGER_ENTRIES_MAX + 100; i++) {
		struct table_facts f = facts_of(i);

		assert_int_equal(table_ledger_get(l, &f.id, &got), i < 100 ? -ENOENT : 0);
		if (i >= 100)
			assert_int_equal(got.row_count, i);
	}
	table_ledger_destroy(l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_entry_is_read_back_and_replaced),
		cmocka_unit_test(when_full_the_oldest_goes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
