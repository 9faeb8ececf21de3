/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "symbolizer/demangle.h"

static void assert_demangled(const char *name, const char *expected)
{
	auto_buffer text = BUFFER_INIT;

	demangle(name, &text);
	assert_string_equal(buffer_terminate(&text), expected);
}

static void cxx_reads_as_llvm_symbolizer_prints_it(void **state)
{
	(void)state;
	assert_demangled("_Z3fooi", "foo(int)");
	assert_demangled("_Z3fooi.cold", "foo(int) (.cold)");
	assert_demangled("_Z3fooIiEvT_.constprop.0.isra.0",
			 "void foo<int>(int) (.constprop.0.isra.0)");
	assert_demangled("_ZN3FooC4Ev", "Foo::Foo()");
}

static void rust_loses_its_hash_also_with_dots_in_its_parts(void **state)
{
	(void)state;
	assert_demangled("_ZN4tree4main17h14d00f1d3ebc8784E", "tree::main");
	assert_demangled("_ZN4core3ptr13drop_in_place17h14d00f1d3ebc8784E.llvm.77",
			 "core::ptr::drop_in_place (.llvm.77)");
	assert_demangled(
		"_ZN49_$LT$alloc..string..String$u20$as$u20$core..X$GT$3fmt17h14d00f1d3ebc8784E",
		"<alloc::string::String as core::X>::fmt");
}

static void plain_names_stay_as_they_are(void **state)
{
	(void)state;
	assert_demangled("f", "f");
	assert_demangled("i", "i");
	assert_demangled("main", "main");
	assert_demangled("_Z", "_Z");
	assert_demangled("_Zzzzz", "_Zzzzz");
	assert_demangled("foo.cold", "foo.cold");
	assert_demangled("", "");
}

static void control_characters_are_escaped(void **state)
{
	(void)state;
	assert_demangled("a\nb\x1b", "a\\x0ab\\x1b");
	assert_demangled("\x7f", "\\x7f");
	assert_demangled("csi\xc2\x9bm", "csi\\xc2\\x9bm"); /* C1: a terminal obeys it as well */
}

static void bytes_that_are_no_utf8_are_escaped(void **state)
{
	(void)state;
	assert_demangled("caf\xc3\xa9 \xe4\xb8\xad \xf0\x9f\x98\x80",
			 "caf\xc3\xa9 \xe4\xb8\xad \xf0\x9f\x98\x80");
	assert_demangled("\xff\xfe", "\\xff\\xfe");
	assert_demangled("a\xc3", "a\\xc3");		       /* ends within a character */
	assert_demangled("\xc0\xaf", "\\xc0\\xaf");	       /* overlong */
	assert_demangled("\xed\xa0\x80", "\\xed\\xa0\\x80");   /* a surrogate */
	assert_demangled("_Z3f\xff\xfei", "f\\xff\\xfe(int)"); /* escaped last */
}

static void long_names_are_cut(void **state)
{
	static char name[3 * DEMANGLE_NAME_MAX];
	auto_buffer text = BUFFER_INIT;

	(void)state;
	memset(name, 'x', sizeof(name) - 1);
	demangle(name, &text);
	assert_int_equal(text.length, DEMANGLE_NAME_MAX);

	for (size_t i = 1; i + 2 < sizeof(name); i += 2)
		memcpy(name + i, "\xc3\xa9", 2); /* two bytes each, from an odd place on */
	buffer_clear(&text);
	demangle(name, &text);
	assert_int_equal(text.length, DEMANGLE_NAME_MAX - 1);
}

/* Each S_ doubles what the one before it stands for: 2^40 bytes if nobody stopped it. */
static void exploding_name_is_left_alone(void **state)
{
	auto_buffer name = BUFFER_INIT, text = BUFFER_INIT;

	(void)state;
	buffer_puts(&name, "_Z1f");
	for (int i = 0; i < 40; i++)
		buffer_puts(&name, "1AI");
	buffer_puts(&name, "i");
	for (int i = 0; i < 40; i++)
		buffer_puts(&name, "S_S0_E");
	demangle(buffer_terminate(&name), &text);
	assert_true(text.length <= DEMANGLE_NAME_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cxx_reads_as_llvm_symbolizer_prints_it),
		cmocka_unit_test(rust_loses_its_hash_also_with_dots_in_its_parts),
		cmocka_unit_test(plain_names_stay_as_they_are),
		cmocka_unit_test(control_characters_are_escaped),
		cmocka_unit_test(bytes_that_are_no_utf8_are_escaped),
		cmocka_unit_test(long_names_are_cut),
		cmocka_unit_test(exploding_name_is_left_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
