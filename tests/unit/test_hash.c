/* SPDX-License-Identifier: Apache-2.0 */
#include "base/hash.h"

#include <string.h>

#include "base/idmap.h"
#include "unit/check.h"

static void equal_content_hashes_equal_wherever_it_lies(void **state)
{
	(void)state;
	char storage[600];

	for (size_t i = 0; i < sizeof(storage); i++)
		storage[i] = (char)(i % 251);
	/* The lengths cross every path of the algorithm: 1-3, 4-8, 9-16, 17-128, 129-240, above. */
	for (size_t length = 0; length < 400; length++) {
		char moved[601];
		uint64_t wanted = hash_bytes(storage, length);

		memcpy(moved + length % 7 + 1, storage, length);
		assert_int_equal(hash_bytes(moved + length % 7 + 1, length), wanted);
	}
	assert_int_equal(hash_bytes(NULL, 0), hash_bytes("x", 0));
}

static void every_bit_and_the_length_count(void **state)
{
	(void)state;
	char bytes[64] = {0};
	uint64_t plain = hash_bytes(bytes, sizeof(bytes));

	for (size_t bit = 0; bit < sizeof(bytes) * 8; bit++) {
		bytes[bit / 8] = (char)(1u << bit % 8);
		assert_int_not_equal(hash_bytes(bytes, sizeof(bytes)), plain);
		bytes[bit / 8] = 0;
	}
	for (size_t length = 1; length < sizeof(bytes); length++)
		assert_int_not_equal(hash_bytes(bytes, length), hash_bytes(bytes, length - 1));
}

static void small_numbers_spread_over_both_halves(void **state)
{
	(void)state;
	struct idmap low = {0};
	struct idmap high = {0};
	uint32_t low_collisions = 0;
	uint32_t high_collisions = 0;

	for (uint32_t i = 0; i < 20000; i++) {
		uint64_t hash = hash_combine(0, i);

		low_collisions += idmap_find(&low, (uint32_t)hash).found;
		high_collisions += idmap_find(&high, hash >> 32).found;
		assert_int_equal(idmap_insert(&low, (uint32_t)hash, i), 0);
		assert_int_equal(idmap_insert(&high, hash >> 32, i), 0);
	}
	assert_in_range(low_collisions, 0, 2); /* 0.05 expected of 20,000 in 2^32 */
	assert_in_range(high_collisions, 0, 2);
	idmap_release(&low);
	idmap_release(&high);
}

static void parts_are_combined_in_order(void **state)
{
	(void)state;
	uint64_t ab = hash_combine(hash_combine(0, 'a'), 'b');
	uint64_t ba = hash_combine(hash_combine(0, 'b'), 'a');

	assert_int_not_equal(ab, ba);
	assert_int_equal(ab, hash_combine(hash_combine(0, 'a'), 'b'));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(equal_content_hashes_equal_wherever_it_lies),
		cmocka_unit_test(every_bit_and_the_length_count),
		cmocka_unit_test(small_numbers_spread_over_both_halves),
		cmocka_unit_test(parts_are_combined_in_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
