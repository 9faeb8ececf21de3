/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The memory of a stash: its slice of the stack, the files below it, and nothing else.
 */
#include "profiler/stash.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "unit/check.h"

#define SP	    0x7ffc00001004ull /* not aligned: the slice starts at the word below */
#define SLICE_START 0x7ffc00001000ull
#define SLICE_BYTES 64u
#define CODE	    0x555500000000ull
#define CODE_BYTES  0x1000u
#define CODE_OFFSET 0x40u

struct slice {
	struct stash_record record;
	unsigned char bytes[SLICE_BYTES];
};

static struct slice *slice;
static struct address_space *space;
static struct mapping_account account;
static struct stash_memory memory;

static int set_up(void **state)
{
	struct binary *self;
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);

	(void)state;
	slice = calloc(1, sizeof(*slice));
	assert_non_null(slice);
	slice->record.regs[STASH_REG_SP] = SP;
	slice->record.stack_bytes = SLICE_BYTES;
	for (size_t i = 0; i < SLICE_BYTES; i++)
		slice->bytes[i] = (unsigned char)(i + 1);

	assert_int_equal(binary_open(fd, "/self", 0, &self), 0);
	assert_int_equal(address_space_create(&account, &space), 0);
	const struct mapping code = {CODE, CODE + CODE_BYTES, CODE_OFFSET, self};
	assert_int_equal(address_space_map(&space, &code), 0);
	binary_unref(self);
	memory = (struct stash_memory){.stash = &slice->record, .space = space};
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	address_space_unref(space);
	free(slice);
	return 0;
}

static int read_at(uint64_t from, void *to, uint32_t bytes)
{
	return stash_read(&memory, to, bytes, from);
}

static void the_slice_is_read_to_its_last_byte(void **state)
{
	uint64_t word;

	(void)state;
	for (uint32_t at = 0; at + sizeof(word) <= SLICE_BYTES; at++) {
		assert_int_equal(read_at(SLICE_START + at, &word, sizeof(word)), 0);
		assert_memory_equal(&word, slice->bytes + at, sizeof(word));
	}
}

static void above_the_slice_the_stack_goes_on_unseen(void **state)
{
	uint64_t word = 7;

	(void)state;
	assert_int_equal(read_at(SLICE_START + SLICE_BYTES - 7, &word, sizeof(word)), -ENODATA);
	assert_int_equal(read_at(SLICE_START + SLICE_BYTES, &word, sizeof(word)), -ENODATA);
	assert_int_equal(word, 7);
}

static void elsewhere_there_is_nothing(void **state)
{
	uint64_t word = 7;

	(void)state;
	assert_int_equal(read_at(SLICE_START - 8, &word, sizeof(word)), -EFAULT);
	assert_int_equal(read_at(0, &word, sizeof(word)), -EFAULT);
	assert_int_equal(read_at(UINT64_MAX - 3, &word, sizeof(word)), -EFAULT);
	assert_int_equal(word, 7);
}

static void files_are_read_where_they_are_mapped(void **state)
{
	unsigned char expected[16], bytes[16];
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);

	(void)state;
	assert_int_equal(pread(fd, expected, sizeof(expected), CODE_OFFSET + 0x80),
			 sizeof(expected));
	close(fd);
	assert_int_equal(read_at(CODE + 0x80, bytes, sizeof(bytes)), 0);
	assert_memory_equal(bytes, expected, sizeof(bytes));
	/* Not across the end of the mapping, although the file goes on. */
	assert_int_equal(read_at(CODE + CODE_BYTES - 8, bytes, sizeof(bytes)), -EFAULT);
}

static void every_end_has_its_verdict(void **state)
{
	(void)state;
	for (int end = UNWIND_END_COMPLETE; end < UNWIND_END_COUNT; end++) {
		struct stack_record r = {0};

		stash_judge(&r, (enum unwind_end)end);
		if (end == UNWIND_END_COMPLETE) {
			assert_int_equal(r.user_verdict, UNWIND_COMPLETE);
			assert_int_equal(r.user_reason, UNWIND_REASON_NONE);
			continue;
		}
		bool truncated = end == UNWIND_END_TRUNC_FRAMES || end == UNWIND_END_TRUNC_STACK;
		assert_int_equal(r.user_verdict, truncated ? UNWIND_TRUNCATED : UNWIND_FAILED);
		assert_int_equal(r.user_reason, end == UNWIND_END_TRUNC_FRAMES
							? UNWIND_REASON_FRAME_LIMIT
							: UNWIND_REASON_TABLES + end);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_slice_is_read_to_its_last_byte),
		cmocka_unit_test(above_the_slice_the_stack_goes_on_unseen),
		cmocka_unit_test(elsewhere_there_is_nothing),
		cmocka_unit_test(files_are_read_where_they_are_mapped),
		cmocka_unit_test(every_end_has_its_verdict),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
