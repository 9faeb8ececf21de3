/* SPDX-License-Identifier: Apache-2.0 */
#include "profiler/online_cpus.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "unit/check.h"

static void lists(void **state)
{
	cpu_set_t set;

	(void)state;
	assert_int_equal(cpu_list_parse("0-3,8,10-11\n", &set), 0);
	assert_int_equal(CPU_COUNT(&set), 7);
	assert_true(CPU_ISSET(3, &set) && CPU_ISSET(8, &set) && CPU_ISSET(11, &set));
	assert_false(CPU_ISSET(4, &set) || CPU_ISSET(9, &set));
	assert_int_equal(cpu_list_parse("5", &set), 0);
	assert_int_equal(CPU_COUNT(&set), 1);
	assert_int_equal(cpu_list_parse("\n", &set), 0);
	assert_int_equal(CPU_COUNT(&set), 0);
}

static void nonsense(void **state)
{
	static const char *const texts[] = {"a",   "1-",    "-1",  "1,", ",1",
					    "3-1", "1-2-3", "1 2", "+1"};
	cpu_set_t set;

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		assert_int_equal(cpu_list_parse(texts[i], &set), -EINVAL);
	assert_int_equal(cpu_list_parse("0-1024", &set), -ERANGE);
	assert_int_equal(cpu_list_parse("99999999999999999999", &set), -ERANGE);
}

static void this_machine(void **state)
{
	cpu_set_t set;

	(void)state;
	assert_int_equal(online_cpus_read(&set), 0);
	assert_int_equal(CPU_COUNT(&set), sysconf(_SC_NPROCESSORS_ONLN));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lists),
		cmocka_unit_test(nonsense),
		cmocka_unit_test(this_machine),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
