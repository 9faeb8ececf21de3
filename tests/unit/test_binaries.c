// SPDX-License-Identifier: Apache-2.0
/*
 * The ledger of binaries.
 */
#include "server/query/binaries.h"

#include <string.h>

#include "tests/unit/window_fixture.h"
#include "unit/check.h"

#define START (1000 * NS_PER_S)
#define END   (START + 10 * NS_PER_S)

static struct symbolizer *const symbolizer = (struct symbolizer *)&fixture_got;

struct sample_case {
	const char *frames; /* root first */
	enum stack_verdict verdict;
	uint32_t samples;
	const char *labels;
};

static void count(const struct sample_case *cases, size_t case_count, struct binary_ledger *ret)
{
	static const char *const labels[] = {"comm", NULL};
	struct profile_options options = {.labels = labels};
	struct profile *p = NULL;
	struct fixture f;

	fixture_init(&f, START, END);
	for (size_t i = 0; i < case_count; i++) {
		uint32_t stack = fixture_stack(&f, cases[i].frames);

		f.w.stacks[stack].verdict = (uint8_t)cases[i].verdict;
		fixture_samples(&f, 0, stack, fixture_labels(&f, cases[i].labels),
				cases[i].samples);
	}
	assert_int_equal(profile_create(&options, &p), 0);
	assert_int_equal(profile_add_window(p, &f.w, NULL), 0);
	assert_int_equal(profile_symbolize(p, symbolizer, 0), 0);
	assert_int_equal(binary_ledger_count(p, ret), 0);
	fixture_release(&f);
}

static const struct binary_use *use_of(const struct binary_ledger *l, const char *path)
{
	for (size_t i = 0; i < l->count; i++)
		if (!strcmp(binary_path(l->profile->binaries[l->uses[i].binary]), path))
			return &l->uses[i];
	fail_msg("no %s", path);
	return NULL;
}

static void a_sample_counts_once_for_each_binary(void **state)
{
	(void)state;
	static const struct sample_case cases[] = {
		{"main;lib:work;lib:?;lib:?", STACK_COMPLETE, 3, "comm=a"},
		{"main;lib:work", STACK_COMPLETE, 2, "comm=a"},
		{"lib:?;main", STACK_COMPLETE, 4, "comm=b"},
	};
	CLEANUP(binary_ledger_release) struct binary_ledger l = {0};

	count(cases, 3, &l);
	assert_int_equal(l.count, 2);
	assert_int_equal(l.unnamed_cpu_ns, 7 * FIXTURE_PERIOD);
	assert_int_equal(l.unnamed_self_cpu_ns, 3 * FIXTURE_PERIOD);

	const struct binary_use *lib = use_of(&l, "/lib/libwork.so");
	const struct binary_use *app = use_of(&l, "/bin/app");

	assert_ptr_equal(lib, &l.uses[0]); /* most unnamed time first */
	assert_int_equal(lib->cpu_ns, 9 * FIXTURE_PERIOD);
	assert_int_equal(lib->self_cpu_ns, 5 * FIXTURE_PERIOD);
	assert_int_equal(lib->unnamed_cpu_ns, 7 * FIXTURE_PERIOD);
	assert_int_equal(lib->unnamed_self_cpu_ns, 3 * FIXTURE_PERIOD);
	assert_int_equal(lib->complete_samples, 9);
	assert_int_equal(lib->frame_count, 2);
	assert_int_equal(lib->unnamed_frame_count, 1);
	assert_string_equal(lib->comm, "b");
	assert_int_equal(app->cpu_ns, 9 * FIXTURE_PERIOD);
	assert_int_equal(app->self_cpu_ns, 4 * FIXTURE_PERIOD);
	assert_int_equal(app->unnamed_cpu_ns, 0);
	assert_null(app->comm);
}

static void an_early_end_belongs_to_the_last_binary_before_it(void **state)
{
	(void)state;
	static const struct sample_case cases[] = {
		{"m:[cut];lib:work;main", STACK_TRUNCATED, 3, "comm=a"},
		{"m:[lost];main;lib:work", STACK_FAILED, 2, "comm=a"},
		{"m:[lost];main", STACK_FAILED, 1, "comm=a"},
	};
	CLEANUP(binary_ledger_release) struct binary_ledger l = {0};

	count(cases, 3, &l);

	const struct binary_use *lib = use_of(&l, "/lib/libwork.so");
	const struct binary_use *app = use_of(&l, "/bin/app");

	assert_int_equal(l.count, 2); /* a marker is no binary */
	assert_int_equal(lib->truncated_samples, 3);
	assert_int_equal(lib->failed_samples, 0);
	assert_int_equal(lib->complete_samples, 0);
	assert_int_equal(lib->end_count, 1);
	assert_string_equal(strpool_get(&l.profile->strings, lib->ends[0].marker), "[cut]");
	assert_int_equal(app->failed_samples, 3);
	assert_int_equal(app->ends[0].samples, 3);
}

static void more_reasons_than_fit_share_the_last_place(void **state)
{
	(void)state;
	struct sample_case cases[BINARY_ENDS_MAX + 3];
	char frames[BINARY_ENDS_MAX + 3][32];
	CLEANUP(binary_ledger_release) struct binary_ledger l = {0};
	uint64_t sum = 0;

	for (int i = 0; i < BINARY_ENDS_MAX + 3; i++) {
		(void)snprintf(frames[i], sizeof(frames[i]), "m:[%d];main", i);
		cases[i] = (struct sample_case){frames[i], STACK_FAILED, 1, "comm=a"};
	}
	count(cases, BINARY_ENDS_MAX + 3, &l);

	const struct binary_use *app = use_of(&l, "/bin/app");

	assert_int_equal(app->end_count, BINARY_ENDS_MAX);
	for (size_t i = 0; i < app->end_count; i++)
		sum += app->ends[i].samples;
	assert_int_equal(sum, BINARY_ENDS_MAX + 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_sample_counts_once_for_each_binary),
		cmocka_unit_test(an_early_end_belongs_to_the_last_binary_before_it),
		cmocka_unit_test(more_reasons_than_fit_share_the_last_place),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
