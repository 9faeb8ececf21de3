/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is refused of OTLP profiles, and what survives it.
 */
#include "server/fleet/otlp.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "server/fleet/arena.h"
#include "tests/unit/otlp_foreign.h"

static void expect_malformed(const struct foreign *f, const char *reason)
{
	struct otlp_result r;

	assert_int_equal(send(f, &r), -EBADMSG);
	if (!strstr(r.reason, reason))
		fail_msg("'%s' does not say '%s'", r.reason, reason);
	assert_int_equal(r.window_count, 0);
	otlp_result_release(&r);
}

#define BENT(change, reason)                  \
	do {                                  \
		struct foreign f;             \
		foreign_init(&f);             \
		change;                       \
		expect_malformed(&f, reason); \
	} while (0)

static void every_index_is_checked(void **state)
{
	int32_t wild[] = {2, -1, INT32_MAX, INT32_MIN};

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		BENT(f.sample.stack_index = wild[i], "stack index");
		BENT(f.stack_list[0] = wild[i], "location index");
		BENT(f.location[1].mapping_index = wild[i], "mapping index");
		BENT((f.location[1].n_lines = 1, f.location[1].lines = f.lines,
		      f.line.function_index = wild[i]),
		     "function index");
		BENT(f.one[0] = wild[i], "attribute index");
		BENT(f.sample.link_index = wild[i], "link index");
		if (wild[i] == 2) /* there are eight strings */
			continue;
		BENT(f.function[1].name_strindex = wild[i], "name of a function");
		BENT(f.mapping[0].filename_strindex = wild[i], "file name of a mapping");
		BENT(f.attribute[1].key_strindex = wild[i], "key of an attribute");
		BENT(f.type.unit_strindex = wild[i], "unit of a type");
	}
	BENT(f.request.dictionary = NULL, "out of range");
	BENT(f.values[0] = -1, "the value -1");
	BENT(f.sample.n_values = 0, "neither");
	BENT((f.profile.profile_id.len = 3, f.profile.profile_id.data = (uint8_t *)"abc"),
	     "profile id");
}

static void what_is_no_cpu_time_is_rejected(void **state)
{
	struct foreign f;
	struct otlp_result r;

	(void)state;
	foreign_init(&f);
	f.strings[1] = (char *)"alloc_space";
	assert_int_equal(send(&f, &r), 0);
	assert_int_equal(r.rejected, 1);
	assert_int_equal(r.samples, 0);
	assert_non_null(strstr(r.reason, "alloc_space"));
	otlp_result_release(&r);
}

static void times_that_cannot_be_are_rejected(void **state)
{
	static const uint64_t times[][2] = {
		{0, 0},
		{START + 3600 * NS_PER_S, NS_PER_S},
		{START - 7200 * NS_PER_S, 7200 * NS_PER_S},
		{START, UINT64_MAX},
	};

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		struct foreign f;
		struct otlp_result r;

		foreign_init(&f);
		f.profile.time_unix_nano = times[i][0];
		f.profile.duration_nano = times[i][1];
		assert_int_equal(send(&f, &r), 0);
		assert_int_equal(r.rejected, 1);
		assert_int_equal(r.window_count, 0);
		otlp_result_release(&r);
	}
}

static void a_huge_value_is_rejected(void **state)
{
	struct foreign f;
	struct otlp_result r;

	(void)state;
	foreign_init(&f);
	f.values[0] = INT64_MAX;
	assert_int_equal(send(&f, &r), 0);
	assert_int_equal(r.rejected, 1);
	assert_int_equal(r.samples, 0);
	otlp_result_release(&r);
}

/* A request in which everything is used. */
static void pack_full(struct buffer *out)
{
	static uint64_t times[] = {START, START + 1, START + NS_PER_S};
	struct foreign f;

	foreign_init(&f);
	f.location[1].n_lines = 1, f.location[1].lines = f.lines;
	f.sample.n_attribute_indices = 1, f.sample.attribute_indices = f.one;
	f.sample.n_values = 0;
	f.sample.n_timestamps_unix_nano = 3, f.sample.timestamps_unix_nano = times;
	f.profile.n_attribute_indices = 1, f.profile.attribute_indices = f.one;

	char *to = buffer_reserve(out, otlp__request__get_packed_size(&f.request));

	assert_non_null(to);
	out->length += otlp__request__pack(&f.request, (uint8_t *)to);
}

static void every_truncation_is_refused_or_understood(void **state)
{
	struct otlp_options options = {.wall_now_ns = START + 11 * NS_PER_S};
	auto_buffer out = BUFFER_INIT;

	(void)state;
	pack_full(&out);
	for (size_t length = 0; length < out.length; length++) {
		char *exact = malloc(length + !length); /* ASan watches its end */
		struct otlp_result r;

		memcpy(exact, out.bytes, length);

		int err = otlp_decode(exact, length, &options, &r);

		assert_true(!err || err == -EBADMSG);
		otlp_result_release(&r);
		free(exact);
	}
}

/* Bytes changed at random, with a fixed seed: nothing may fall over. */
static void noise_is_survived(void **state)
{
	struct otlp_options options = {.wall_now_ns = START + 11 * NS_PER_S};
	auto_buffer out = BUFFER_INIT;
	uint64_t seed = 0x9e3779b97f4a7c15;

	(void)state;
	pack_full(&out);
	for (int round = 0; round < 3000; round++) {
		char *bent = malloc(out.length);
		struct otlp_result r;

		memcpy(bent, out.bytes, out.length);
		for (int i = 0; i < 1 + round % 4; i++) {
			seed = seed * 6364136223846793005u + 1442695040888963407u;
			bent[(seed >> 33) % out.length] = (char)(seed >> 24);
		}

		int err = otlp_decode(bent, out.length, &options, &r);

		assert_true(!err || err == -EBADMSG || err == -EFBIG);
		otlp_result_release(&r);
		free(bent);
	}
}

/* Empty samples are two bytes each on the wire: 4 MB of them would be some 300 MB here. */
static void memory_has_a_limit(void **state)
{
	struct otlp_options options = {.memory_limit_bytes = 8u << 20};
	const size_t samples = 2000000;
	uint8_t *bytes = malloc(2 * samples + 64), *at = bytes;
	struct otlp_result r;
	size_t lengths[3];

	(void)state;
	lengths[0] = 2 * samples;
	lengths[1] = lengths[0] + 5;
	lengths[2] = lengths[1] + 5;
	for (int i = 2; i >= 0;
	     i--) { /* resource_profiles, scope_profiles, profiles: field 1, 2, 2 */
		*at++ = i == 2 ? 0x0a : 0x12;
		for (int k = 0; k < 4; k++)
			*at++ = (uint8_t)(lengths[i] >> (7 * k) | (k < 3 ? 0x80 : 0));
	}
	for (size_t i = 0; i < samples; i++) {
		*at++ = 0x12; /* samples */
		*at++ = 0;
	}
	assert_int_equal(otlp_decode(bytes, (size_t)(at - bytes), &options, &r), -EFBIG);
	otlp_result_release(&r);
	free(bytes);
}

/* A list in a list in a list: what is not parsed cannot be deep. */
static void deep_values_cost_nothing(void **state)
{
	struct foreign f;
	struct otlp_result r;
	const size_t bytes = 1u << 20;

	(void)state;
	foreign_init(&f);
	f.value.value_case = OTLP__VALUE__VALUE_ARRAY_VALUE;
	f.value.array_value.data = malloc(bytes);
	f.value.array_value.len = bytes;
	for (size_t i = 0; i + 6 <= bytes; i += 5) {
		size_t left = bytes - i - 5;

		f.value.array_value.data[i] = i / 5 % 2 ? 0x2a : 0x0a;
		for (int k = 0; k < 4; k++)
			f.value.array_value.data[i + 1 + k] =
				(uint8_t)((left >> (7 * k) & 0x7f) | (k < 3 ? 0x80 : 0));
	}
	assert_int_equal(send(&f, &r), 0);
	assert_int_equal(r.profiles, 1);
	otlp_result_release(&r);
	free(f.value.array_value.data);
}

static void arena_keeps_its_limit(void **state)
{
	struct arena a;

	(void)state;
	arena_init(&a, 1u << 20);
	assert_non_null(arena_alloc(&a, 1000));
	assert_null(arena_alloc(&a, 2u << 20));
	assert_null(arena_array(&a, SIZE_MAX / 2, 16));
	assert_int_equal(arena_error(&a), -EFBIG);
	for (int i = 0; i < 100000; i++)
		(void)arena_alloc(&a, 100);
	assert_true(a.held_bytes <= 1u << 20);
	assert_int_equal((uintptr_t)arena_alloc(&a, 0) % 16, 0);
	arena_release(&a);
	assert_int_equal(a.held_bytes, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_index_is_checked),
		cmocka_unit_test(what_is_no_cpu_time_is_rejected),
		cmocka_unit_test(times_that_cannot_be_are_rejected),
		cmocka_unit_test(a_huge_value_is_rejected),
		cmocka_unit_test(every_truncation_is_refused_or_understood),
		cmocka_unit_test(noise_is_survived),
		cmocka_unit_test(memory_has_a_limit),
		cmocka_unit_test(deep_values_cost_nothing),
		cmocka_unit_test(arena_keeps_its_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
