/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/store_contract.h"

static struct store *contract_create(uint64_t retention_ns, uint64_t limit_bytes)
{
	struct store_memory_options options = {retention_ns, limit_bytes};
	struct store *s = NULL;

	assert_int_equal(store_memory_create(&options, &s), 0);
	return s;
}

static void a_window_above_the_limit_is_refused_and_counted(void **state)
{
	struct store *s = contract_create(0, 4096);
	struct store_stats stats;

	(void)state;
	assert_int_equal(contract_append(s, 0, 1000), -EFBIG);
	store_stats(s, &stats);
	assert_int_equal(stats.refused, 1);
	assert_int_equal(stats.windows, 0);
	store_destroy(s);
}

static int keep(struct window *w, void *arg)
{
	*(struct window **)arg = window_ref(w);
	return 0;
}

static void a_window_outlives_its_eviction_while_it_is_read(void **state)
{
	struct store *s = contract_create(NS_PER_S, 0);
	struct store_scan scan = {0};
	struct window *kept = NULL;

	(void)state;
	assert_int_equal(contract_append(s, 0, 10), 0);
	assert_int_equal(store_scan(s, &scan, keep, &kept), 0);
	assert_int_equal(contract_append(s, 100, 10), 0);
	assert_int_equal(kept->sample_count, 10);
	window_unref(kept);
	store_destroy(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		STORE_CONTRACT_TESTS,
		cmocka_unit_test(a_window_above_the_limit_is_refused_and_counted),
		cmocka_unit_test(a_window_outlives_its_eviction_while_it_is_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
