/* SPDX-License-Identifier: Apache-2.0 */
#include "base/idmap.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "unit/check.h"

#define MODEL_ITEMS 600

/* The naive model: which ids are in, and under which hash. */
struct model {
	bool in[MODEL_ITEMS];
	uint64_t hash[MODEL_ITEMS];
	uint32_t count;
};

static bool map_has(const struct idmap *m, uint64_t hash, uint32_t id)
{
	for (struct idmap_probe p = idmap_find(m, hash); p.found; idmap_next(m, &p))
		if (p.id == id)
			return true;
	return false;
}

/* Every search must end, find all that is there once, and only what folds to the same hash. */
static void assert_like_model(const struct idmap *m, const struct model *model)
{
	assert_int_equal(m->count, model->count);
	for (uint32_t id = 0; id < MODEL_ITEMS; id++) {
		uint32_t seen = 0;
		uint32_t steps = 0;

		for (struct idmap_probe p = idmap_find(m, model->hash[id]); p.found;
		     idmap_next(m, &p)) {
			assert_true(p.id < MODEL_ITEMS);
			assert_true(model->in[p.id]);
			seen += p.id == id;
			assert_true(++steps <= m->count);
		}
		assert_int_equal(seen, model->in[id] ? 1 : 0);
	}
}

/* @spread: how many different hashes there are; few = long runs of collisions */
static void run_against_model(uint64_t seed, uint64_t spread, uint64_t offset)
{
	struct idmap m = {0};
	struct model model = {0};

	for (uint32_t id = 0; id < MODEL_ITEMS; id++)
		model.hash[id] = offset + next_random(&seed) % spread;

	for (int step = 0; step < 6000; step++) {
		uint32_t id = (uint32_t)(next_random(&seed) % MODEL_ITEMS);
		bool grow = (step / 1500) % 2 == 0; /* fill, drain, fill, drain */
		bool add = next_random(&seed) % 4 != (grow ? 0 : 1) ? grow : !grow;

		if (add && !model.in[id]) {
			assert_int_equal(idmap_insert(&m, model.hash[id], id), 0);
			model.in[id] = true;
			model.count++;
		} else if (!add) {
			assert_true(idmap_remove(&m, model.hash[id], id) == model.in[id]);
			model.count -= model.in[id];
			model.in[id] = false;
		}
		assert_true(map_has(&m, model.hash[id], id) == model.in[id]);
		if (step % 500 == 0)
			assert_like_model(&m, &model);
	}
	assert_like_model(&m, &model);
	idmap_release(&m);
}

static void random_operations_match_the_model(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 8; seed++)
		run_against_model(seed, UINT64_MAX, 0);
}

static void collisions_match_the_model(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 8; seed++) {
		run_against_model(seed, 1, seed);  /* all the same hash */
		run_against_model(seed, 5, seed);  /* a few long runs */
		run_against_model(seed, 40, 1000); /* runs that touch each other */
	}
}

static void runs_across_the_end_match_the_model(void **state)
{
	(void)state;
	/* Home slots around the highest one of any table size up to 1024: every run wraps to slot 0. */
	for (uint64_t seed = 1; seed <= 8; seed++)
		run_against_model(seed, 12, 1024 - 6);
}

static void removal_closes_a_gap_across_the_end(void **state)
{
	(void)state;
	/* 16 slots; homes: three at 14, two at 15, two at 0: the run lies on 14, 15, 0, 1, 2, 3, 4. */
	static const uint64_t homes[] = {14, 14, 14, 15, 15, 0, 0};

	for (uint32_t removed = 0; removed < 7; removed++) {
		struct idmap m = {0};

		for (uint32_t id = 0; id < 7; id++)
			assert_int_equal(idmap_insert(&m, homes[id], id), 0);
		assert_int_equal(m.mask, 15);
		assert_true(idmap_remove(&m, homes[removed], removed));
		assert_false(idmap_remove(&m, homes[removed], removed));
		for (uint32_t id = 0; id < 7; id++)
			assert_true(map_has(&m, homes[id], id) == (id != removed));
		idmap_release(&m);
	}
}

static void hashes_that_differ_in_the_high_half_spread(void **state)
{
	(void)state;
	struct idmap m = {0};
	uint32_t longest = 0;

	for (uint32_t id = 0; id < 1000; id++)
		assert_int_equal(idmap_insert(&m, (uint64_t)id << 32, id), 0);
	for (uint32_t id = 0; id < 1000; id++) {
		uint32_t steps = 0;

		for (struct idmap_probe p = idmap_find(&m, (uint64_t)id << 32); p.found;
		     idmap_next(&m, &p))
			steps++;
		longest = steps > longest ? steps : longest;
	}
	assert_int_equal(longest, 1);
	idmap_release(&m);
}

static void at_most_three_quarters_full(void **state)
{
	(void)state;
	struct idmap m = {0};

	for (uint32_t id = 0; id < 5000; id++) {
		assert_int_equal(idmap_insert(&m, next_random(&(uint64_t){id}), id), 0);
		assert_true((uint64_t)m.count * 4 <= ((uint64_t)m.mask + 1) * 3);
		assert_int_equal(((uint64_t)m.mask + 1) & m.mask, 0);
		assert_int_equal(idmap_bytes(&m), ((size_t)m.mask + 1) * 8);
	}
	idmap_release(&m);
}

static void an_empty_map_finds_nothing(void **state)
{
	(void)state;
	struct idmap m = {0};

	assert_false(idmap_find(&m, 0).found);
	assert_false(idmap_remove(&m, 0, 0));
	assert_int_equal(idmap_bytes(&m), 0);
	idmap_clear(&m);

	assert_int_equal(idmap_insert(&m, 0, 0), 0);
	assert_int_equal(idmap_find(&m, 0).id, 0);
	assert_true(idmap_find(&m, 0).found);
	idmap_clear(&m);
	assert_false(idmap_find(&m, 0).found);
	assert_int_equal(m.count, 0);
	assert_true(idmap_bytes(&m) > 0);
	idmap_release(&m);
	idmap_release(&m);
	idmap_release(NULL);
}

static void the_highest_id_is_kept_and_the_next_refused(void **state)
{
	(void)state;
	struct idmap m = {0};

	assert_int_equal(idmap_insert(&m, 7, IDMAP_ID_MAX), 0);
	assert_int_equal(idmap_find(&m, 7).id, IDMAP_ID_MAX);
	assert_int_equal(idmap_insert(&m, 7, UINT32_MAX), -EOVERFLOW);
	assert_int_equal(m.count, 1);
	idmap_release(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_operations_match_the_model),
		cmocka_unit_test(collisions_match_the_model),
		cmocka_unit_test(runs_across_the_end_match_the_model),
		cmocka_unit_test(removal_closes_a_gap_across_the_end),
		cmocka_unit_test(hashes_that_differ_in_the_high_half_spread),
		cmocka_unit_test(at_most_three_quarters_full),
		cmocka_unit_test(an_empty_map_finds_nothing),
		cmocka_unit_test(the_highest_id_is_kept_and_the_next_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
