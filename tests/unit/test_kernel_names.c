/* SPDX-License-Identifier: Apache-2.0 */
#include "profiler/kernel_names.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "unit/check.h"

/* Address of a function that every kernel has, as /proc/kallsyms says it now; read here, apart from the code tested. */
static uint64_t address_of(const char *wanted)
{
	FILE *file = fopen("/proc/kallsyms", "r");
	unsigned long long addr = 0, found = 0;
	char type, line[1024], name[1000];

	assert_non_null(file);
	while (!found && fgets(line, sizeof(line), file)) {
		if (sscanf(line, "%llx %c %999s", &addr, &type, name) == 3 && !strcmp(name, wanted))
			found = addr;
	}
	(void)fclose(file);
	assert_true(found);
	return found;
}

static void a_function_of_the_image_is_named(void **state)
{
	struct kernel_names *k;
	struct kernel_name name;
	uint64_t addr = address_of("do_exit");

	(void)state;
	assert_int_equal(kernel_names_create(&k), 0);
	kernel_names_find(k, addr + 1, clock_now_ns(), &name); /* waits for the reading */
	assert_string_equal(name.function, "do_exit");
	assert_string_equal(binary_path(name.binary), "[kernel.kallsyms]");
	kernel_names_destroy(k);
}

static void an_address_without_a_symbol_is_nameless(void **state)
{
	struct kernel_names *k;
	struct kernel_name name;

	(void)state;
	assert_int_equal(kernel_names_create(&k), 0);
	kernel_names_find(k, 0x1000, clock_now_ns(), &name);
	assert_null(name.function);
	assert_string_equal(binary_path(name.binary), "[kernel.kallsyms]");
	kernel_names_destroy(k);
}

/* Where code came or went, an old name may be another's: none is given until the symbols were read again. */
static void a_changed_place_is_named_after_another_reading(void **state)
{
	struct kernel_names *k;
	struct kernel_name name;
	uint64_t addr = address_of("do_exit"), now_ns = clock_now_ns();

	(void)state;
	assert_int_equal(kernel_names_create(&k), 0);
	kernel_names_find(k, addr, now_ns, &name);
	assert_non_null(name.function);
	kernel_names_mark_changed(k, addr, 16);
	kernel_names_find(k, addr, now_ns + NS_PER_S, &name);
	assert_null(name.function);
	kernel_names_find(k, addr + 16, now_ns + NS_PER_S, &name);
	assert_string_equal(name.function, "do_exit"); /* only the place itself */

	now_ns += 20 * NS_PER_S; /* late enough to read again, in the background */
	for (int i = 0; i < 5000; i++) {
		kernel_names_find(k, addr, now_ns, &name);
		if (name.function)
			break;
		(void)usleep(1000);
	}
	assert_string_equal(name.function, "do_exit");
	kernel_names_destroy(k);
}

static void more_changes_than_can_be_told_apart_are_everything(void **state)
{
	struct kernel_names *k;
	struct kernel_name name;
	uint64_t addr = address_of("do_exit"), now_ns = clock_now_ns();

	(void)state;
	assert_int_equal(kernel_names_create(&k), 0);
	kernel_names_find(k, addr, now_ns, &name);
	assert_non_null(name.function);
	for (uint64_t i = 0; i < 10000; i++)
		kernel_names_mark_changed(k, 0xffffffffc0000000 + i * 64, 64);
	kernel_names_find(k, addr, now_ns, &name);
	assert_null(name.function);
	kernel_names_destroy(k);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_function_of_the_image_is_named),
		cmocka_unit_test(an_address_without_a_symbol_is_nameless),
		cmocka_unit_test(a_changed_place_is_named_after_another_reading),
		cmocka_unit_test(more_changes_than_can_be_told_apart_are_everything),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
