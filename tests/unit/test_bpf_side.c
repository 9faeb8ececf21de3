/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Both variants of the sampler load on this kernel (needs root), and their memory stays within the budget.
 */
#include <errno.h>
#include <string.h>

#include "profiler/bpf_side.h"
#include "unit/check.h"

static void open_and_fill(bool bounded, uint64_t budget)
{
	const struct bpf_side_options options = {
		.frequency_hz = 99,
		.online_cpus = 2,
		.memory_bytes = budget,
		.drain_ns = 100000000,
		.bounded = bounded,
	};
	struct unwind_process_entry entry = {0};
	struct bpf_side *side;
	void *chunk;

	assert_int_equal(bpf_side_open(&options, &side), 0);
	assert_true(bpf_side_chunk_max(side) >= 2);
	for (uint32_t i = 0; i < bpf_side_chunk_max(side) && i < 64; i++) {
		assert_int_equal(bpf_side_add_chunk(side, i, &chunk), 0);
		memset(chunk, 0xa5, UNWIND_CHUNK_BYTES);
	}
	assert_true(bpf_side_map_bytes(side) <= budget);
	assert_int_equal(bpf_side_add_chunk(side, 0, &chunk), -ENOSPC);
	assert_int_equal(bpf_side_put_process(side, 1, &entry), 0);
	bpf_side_drop_process(side, 1);
	bpf_side_wait_for_programs(side);
	bpf_side_close(side);
}

static void the_program_with_bpf_loop_loads(void **state)
{
	(void)state;
	open_and_fill(false, 64 << 20);
}

static void the_bounded_program_loads(void **state)
{
	(void)state;
	open_and_fill(true, 64 << 20);
}

static void a_small_budget_is_kept(void **state)
{
	(void)state;
	open_and_fill(false, 4 << 20);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_program_with_bpf_loop_loads),
		cmocka_unit_test(the_bounded_program_loads),
		cmocka_unit_test(a_small_budget_is_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
