/* SPDX-License-Identifier: Apache-2.0 */
#include "profiler/sideband.h"

#include <errno.h>
#include <linux/perf_event.h>
#include <stdlib.h>
#include <string.h>

#include "unit/check.h"

/* Records are put together here byte by byte, after the table in perf_event_open(2). */
struct record {
	unsigned char bytes[512];
	size_t size;
};

static void put(struct record *r, const void *bytes, size_t size)
{
	memcpy(r->bytes + r->size, bytes, size);
	r->size += size;
}

static void put_u16(struct record *r, uint16_t value)
{
	put(r, &value, sizeof(value));
}

static void put_u32(struct record *r, uint32_t value)
{
	put(r, &value, sizeof(value));
}

static void put_u64(struct record *r, uint64_t value)
{
	put(r, &value, sizeof(value));
}

/* A string in a record is padded with zeros to 8 bytes. */
static void put_text(struct record *r, const char *text)
{
	put(r, text, strlen(text) + 1);
	while (r->size % 8)
		put(r, "", 1);
}

static void begin(struct record *r, uint32_t type, uint16_t misc)
{
	r->size = 0;
	put_u32(r, type);
	put_u16(r, misc);
	put_u16(r, 0);
}

/* Ends in the time, and in the size at its place in the header. */
static void end(struct record *r, uint64_t time_ns)
{
	put_u64(r, time_ns);
	uint16_t size = (uint16_t)r->size;
	memcpy(r->bytes + 6, &size, sizeof(size));
}

static void make_mmap2(struct record *r, const char *path)
{
	begin(r, PERF_RECORD_MMAP2, PERF_RECORD_MISC_USER);
	put_u32(r, 100);
	put_u32(r, 101);
	put_u64(r, 0x7f0000001000);
	put_u64(r, 0x5000);
	put_u64(r, 0x2000);
	put_u32(r, 8);
	put_u32(r, 1);
	put_u64(r, 12345);
	put_u64(r, 77);
	put_u32(r, 5);
	put_u32(r, 2);
	put_text(r, path);
	end(r, 999);
}

static void mapping_with_inode(void **state)
{
	struct record r;
	struct sideband_event e;

	(void)state;
	make_mmap2(&r, "/usr/lib/libx.so");
	assert_int_equal(sideband_parse(r.bytes, r.size, &e), 0);
	assert_int_equal(e.type, SIDEBAND_MAP);
	assert_int_equal(e.time_ns, 999);
	assert_int_equal(e.tgid, 100);
	assert_int_equal(e.tid, 101);
	assert_int_equal(e.start, 0x7f0000001000);
	assert_int_equal(e.bytes, 0x5000);
	assert_int_equal(e.offset, 0x2000);
	assert_string_equal(e.file.path, "/usr/lib/libx.so");
	assert_int_equal(e.file.build_id.length, 0);
	assert_int_equal(e.file.device_major, 8);
	assert_int_equal(e.file.device_minor, 1);
	assert_int_equal(e.file.inode, 12345);
	assert_int_equal(e.file.inode_generation, 77);
}

static void make_build_id(struct record *r, uint8_t length)
{
	begin(r, PERF_RECORD_MMAP2, PERF_RECORD_MISC_USER | PERF_RECORD_MISC_MMAP_BUILD_ID);
	put_u32(r, 100);
	put_u32(r, 100);
	put_u64(r, 0x400000);
	put_u64(r, 0x1000);
	put_u64(r, 0);
	put(r, &length, 1);
	put(r, "\0\0\0", 3);
	put(r, "abcdefghijklmnopqrst", 20);
	put_u32(r, 5);
	put_u32(r, 2);
	put_text(r, "/bin/x");
	end(r, 5);
}

static void mapping_with_build_id(void **state)
{
	struct record r;
	struct sideband_event e;

	(void)state;
	make_build_id(&r, 16);
	assert_int_equal(sideband_parse(r.bytes, r.size, &e), 0);
	assert_int_equal(e.file.build_id.length, 16);
	assert_memory_equal(e.file.build_id.bytes, "abcdefghijklmnop", 16);
	assert_int_equal(e.file.inode, 0);
}

static void build_id_longer_than_its_field_is_refused(void **state)
{
	struct record r;
	struct sideband_event e;

	(void)state;
	make_build_id(&r, 21);
	assert_int_equal(sideband_parse(r.bytes, r.size, &e), -EBADMSG);
}

static void mapping_past_the_end_of_memory_is_refused(void **state)
{
	struct record r;
	struct sideband_event e;
	uint64_t bytes = UINT64_MAX - 0x1000;

	(void)state;
	make_mmap2(&r, "/x");
	memcpy(r.bytes + 24, &bytes, sizeof(bytes));
	assert_int_equal(sideband_parse(r.bytes, r.size, &e), -EBADMSG);
}

static void exec_and_rename_are_told_apart(void **state)
{
	struct record r;
	struct sideband_event e;

	(void)state;
	for (int exec = 0; exec < 2; exec++) {
		begin(&r, PERF_RECORD_COMM, exec ? PERF_RECORD_MISC_COMM_EXEC : 0);
		put_u32(&r, 7);
		put_u32(&r, 8);
		put_text(&r, "name");
		end(&r, 42);
		assert_int_equal(sideband_parse(r.bytes, r.size, &e), 0);
		assert_int_equal(e.type, exec ? SIDEBAND_EXEC : SIDEBAND_COMM);
		assert_int_equal(e.tgid, 7);
		assert_int_equal(e.tid, 8);
		assert_int_equal(e.time_ns, 42);
	}
}

static void fork_and_exit(void **state)
{
	struct record r;
	struct sideband_event e;

	(void)state;
	for (int is_exit = 0; is_exit < 2; is_exit++) {
		begin(&r, is_exit ? PERF_RECORD_EXIT : PERF_RECORD_FORK, 0);
		put_u32(&r, 20); /* pid */
		put_u32(&r, 10); /* ppid */
		put_u32(&r, 21); /* tid */
		put_u32(&r, 11); /* ptid */
		put_u64(&r, 1);
		end(&r, 2);
		assert_int_equal(sideband_parse(r.bytes, r.size, &e), 0);
		assert_int_equal(e.type, is_exit ? SIDEBAND_EXIT : SIDEBAND_FORK);
		assert_int_equal(e.tgid, 20);
		assert_int_equal(e.tid, 21);
		assert_int_equal(e.parent_tgid, 10);
		assert_int_equal(e.time_ns, 2);
	}
}

static void lost_and_kernel_symbols(void **state)
{
	struct record r;
	struct sideband_event e;

	(void)state;
	begin(&r, PERF_RECORD_LOST, 0);
	put_u64(&r, 1);
	put_u64(&r, 17);
	end(&r, 3);
	assert_int_equal(sideband_parse(r.bytes, r.size, &e), 0);
	assert_int_equal(e.type, SIDEBAND_LOST);
	assert_int_equal(e.lost_count, 17);

	begin(&r, PERF_RECORD_KSYMBOL, 0);
	put_u64(&r, 0xffffffffc0001000);
	put_u32(&r, 0x100);
	put_u16(&r, 1);
	put_u16(&r, 0);
	put_text(&r, "bpf_prog_x");
	end(&r, 4);
	assert_int_equal(sideband_parse(r.bytes, r.size, &e), 0);
	assert_int_equal(e.type, SIDEBAND_KSYMBOL);
	assert_int_equal(e.start, 0xffffffffc0001000);
	assert_int_equal(e.bytes, 0x100);
}

/* As the kernel sends it when three events listen: two trailers' worth of leftovers behind the time. */
static void the_time_of_a_kernel_symbol_stands_behind_its_name(void **state)
{
	struct record r;
	struct sideband_event e;

	(void)state;
	begin(&r, PERF_RECORD_KSYMBOL, 0);
	put_u64(&r, 0xffffffffc0001000);
	put_u32(&r, 0x100);
	put_u16(&r, 1);
	put_u16(&r, 0);
	put_text(&r, "bpf_prog_x");
	put_u64(&r, 4); /* the time */
	put_u64(&r, 0x65722f646c697562);
	end(&r, 0x6ac2471a6f6fb2c);
	assert_int_equal(sideband_parse(r.bytes, r.size, &e), 0);
	assert_int_equal(e.type, SIDEBAND_KSYMBOL);
	assert_int_equal(e.time_ns, 4);
}

static void unknown_types_pass(void **state)
{
	struct record r;
	struct sideband_event e;

	(void)state;
	begin(&r, 4711, 0);
	end(&r, 6);
	assert_int_equal(sideband_parse(r.bytes, r.size, &e), 0);
	assert_int_equal(e.type, SIDEBAND_OTHER);
	assert_int_equal(e.time_ns, 6);
}

/* The copy has exactly the size claimed, so that ASan sees a read behind it. */
static int parse_exact(const struct record *r, size_t size, struct sideband_event *ret)
{
	unsigned char *copy = malloc(size);
	uint16_t size16 = (uint16_t)size;

	assert_non_null(copy);
	memcpy(copy, r->bytes, size);
	if (size >= 8)
		memcpy(copy + 6, &size16, sizeof(size16));
	int error = sideband_parse(copy, size, ret);
	free(copy);
	return error;
}

static void cut_records_are_refused(void **state)
{
	struct record r;
	struct sideband_event e;

	(void)state;
	make_mmap2(&r, "/usr/lib/libx.so");
	for (size_t size = 1; size < 72 + 16 + 1; size++)
		assert_int_equal(parse_exact(&r, size, &e), -EBADMSG);
	assert_int_equal(parse_exact(&r, r.size, &e), 0);

	/* A size in the header that is not that of the record. */
	r.bytes[6]--;
	assert_int_equal(sideband_parse(r.bytes, r.size, &e), -EBADMSG);
}

static void a_name_without_end_is_refused(void **state)
{
	struct record r;
	struct sideband_event e;

	(void)state;
	begin(&r, PERF_RECORD_COMM, 0);
	put_u32(&r, 1);
	put_u32(&r, 1);
	put(&r, "eight...", 8);
	end(&r, 0); /* the zeros of the time are not the name's */
	assert_int_equal(sideband_parse(r.bytes, r.size, &e), -EBADMSG);
}

static void random_bytes_do_no_harm(void **state)
{
	static const uint32_t types[] = {1, 2, 3, 4, 7, 10, 17, 99};
	uint64_t seed = 1;
	struct sideband_event e;

	(void)state;
	for (int round = 0; round < 100000; round++) {
		struct record r;
		size_t size = 8 + next_random(&seed) % 200;

		for (size_t i = 0; i < size; i++)
			r.bytes[i] = (unsigned char)next_random(&seed);
		memcpy(r.bytes, &types[next_random(&seed) % 8], 4);
		if (!parse_exact(&r, size, &e) && e.type == SIDEBAND_MAP)
			assert_true(e.start + e.bytes >= e.start);
	}
}

static void a_clock_a_little_ahead_is_no_damage(void **state)
{
	const struct sideband_event event = {.time_ns = 5000000000};

	(void)state;
	assert_true(sideband_time_is_sane(&event, 6000000000));
	assert_true(sideband_time_is_sane(&event, 5000000000));
	assert_true(sideband_time_is_sane(&event, 4999999999)); /* stamped on another CPU */
	assert_true(sideband_time_is_sane(&event, 4950000000));
	assert_false(sideband_time_is_sane(&event, 4000000000));
	assert_false(sideband_time_is_sane(&(struct sideband_event){.time_ns = UINT64_MAX}, 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mapping_with_inode),
		cmocka_unit_test(mapping_with_build_id),
		cmocka_unit_test(build_id_longer_than_its_field_is_refused),
		cmocka_unit_test(mapping_past_the_end_of_memory_is_refused),
		cmocka_unit_test(exec_and_rename_are_told_apart),
		cmocka_unit_test(fork_and_exit),
		cmocka_unit_test(lost_and_kernel_symbols),
		cmocka_unit_test(the_time_of_a_kernel_symbol_stands_behind_its_name),
		cmocka_unit_test(unknown_types_pass),
		cmocka_unit_test(a_clock_a_little_ahead_is_no_damage),
		cmocka_unit_test(cut_records_are_refused),
		cmocka_unit_test(a_name_without_end_is_refused),
		cmocka_unit_test(random_bytes_do_no_harm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
