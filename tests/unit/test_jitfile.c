/* SPDX-License-Identifier: Apache-2.0 */
/* Perf maps and jitdumps while they are written, and what stands in them that should not. */
#include "check.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "symbolizer/jitfile.h"

struct fixture {
	struct jitfile file;
	struct jitmap map;
	uint64_t now_ns;
};

static void begin(struct fixture *f, enum jitfile_kind kind)
{
	*f = (struct fixture){.file = {.fd = memfd_create("jit", 0), .kind = kind}};
	assert_true(f->file.fd >= 0);
}

static void end(struct fixture *f)
{
	jitmap_release(&f->map);
	assert_int_equal(close(f->file.fd), 0);
}

static void put_bytes(struct fixture *f, const void *bytes, size_t length)
{
	assert_int_equal(write(f->file.fd, bytes, length), length);
}

static void put_text(struct fixture *f, const char *text)
{
	put_bytes(f, text, strlen(text));
}

/* Reads all there is at @now_ns; returns how many ranges came. */
static int take(struct fixture *f, uint64_t now_ns)
{
	int sum = 0;
	bool more = true;

	while (more) {
		int added = jitfile_read(&f->file, &f->map, now_ns, &more);

		assert_true(added >= 0);
		sum += added;
	}
	return sum;
}

static const char *name_at(const struct fixture *f, uint64_t addr, uint64_t time_ns)
{
	const struct jitmap_range *r = jitmap_find(&f->map, addr, time_ns);

	return r ? jitmap_name(&f->map, r) : NULL;
}

static void a_perf_map_names_its_ranges(void **state)
{
	struct fixture f;

	(void)state;
	begin(&f, JITFILE_PERF_MAP);
	put_text(&f, "1000 10 first\n0x2000 0x20 LazyCompile:*second thing /a/b.js:1:2\n"
		     "7fff00000000 8 _ZN3foo3barEv\n");
	assert_int_equal(take(&f, 1), 3);
	assert_string_equal(name_at(&f, 0x1000, 1), "first");
	assert_string_equal(name_at(&f, 0x100f, 1), "first");
	assert_null(name_at(&f, 0x1010, 1));
	assert_null(name_at(&f, 0xfff, 1));
	assert_string_equal(name_at(&f, 0x201f, 1), "LazyCompile:*second thing /a/b.js:1:2");
	assert_string_equal(name_at(&f, 0x7fff00000000, 1), "foo::bar()");
	end(&f);
}

static void a_line_that_is_being_written_waits(void **state)
{
	struct fixture f;

	(void)state;
	begin(&f, JITFILE_PERF_MAP);
	put_text(&f, "1000 10 fir");
	assert_int_equal(take(&f, 1), 0);
	put_text(&f, "st\n2000 10 second\n");
	assert_int_equal(take(&f, 2), 2);
	assert_string_equal(name_at(&f, 0x1000, 2), "first");
	end(&f);
}

static void nonsense_lines_are_passed_over(void **state)
{
	struct fixture f;
	char *line = malloc(200001);

	(void)state;
	assert_non_null(line);
	memset(line, 'x', 200000);
	line[200000] = '\0';
	begin(&f, JITFILE_PERF_MAP);
	put_text(&f, "\nhello\n1000\n1000 10\n1000 10 \n1000 0 empty\nffffffffffffffff 2 wraps\n"
		     "11111111111111111 1 long\n1000 zz bad\n");
	put_text(&f, line);
	put_text(&f, "\n3000 10 good\x01\x7f name\r\n");
	assert_int_equal(take(&f, 1), 2); /* the empty one was taken, and named nothing */
	assert_int_equal(f.map.count, 1);
	assert_string_equal(name_at(&f, 0x3000, 1), "good\\x01\\x7f name");
	free(line);
	end(&f);
}

static void what_takes_the_place_of_other_code_holds_from_when_it_was_seen(void **state)
{
	struct fixture f;

	(void)state;
	begin(&f, JITFILE_PERF_MAP);
	put_text(&f, "1000 100 old\n2000 10 other\n");
	take(&f, 10);
	assert_int_equal(take(&f, 20), 0);
	put_text(&f, "1080 100 new\n");
	take(&f, 30); /* written between 20 and 30 */
	assert_string_equal(name_at(&f, 0x1090, 30), "new");
	assert_string_equal(name_at(&f, 0x1090, 15), "old");
	assert_null(name_at(&f, 0x1000, 30)); /* overwritten in part is gone */
	assert_string_equal(name_at(&f, 0x1000, 15), "old");
	assert_string_equal(name_at(&f, 0x2000, 30), "other");
	assert_int_equal(jitmap_find(&f.map, 0x1090, 15)->end_ns, 20);
	end(&f);
}

static void a_file_that_became_shorter_is_stale(void **state)
{
	struct fixture f;
	bool more;

	(void)state;
	begin(&f, JITFILE_PERF_MAP);
	put_text(&f, "1000 100 old\n");
	take(&f, 1);
	assert_int_equal(ftruncate(f.file.fd, 3), 0);
	assert_int_equal(jitfile_read(&f.file, &f.map, 2, &more), -ESTALE);
	end(&f);
}

static void ranges_beyond_the_limit_are_counted(void **state)
{
	struct fixture f;
	char line[64];

	(void)state;
	begin(&f, JITFILE_PERF_MAP);
	for (unsigned int i = 0; i < JITMAP_RANGES_MAX + 10; i++) {
		int length = snprintf(line, sizeof(line), "%x 10 f\n", 0x100000 + i * 16);

		put_bytes(&f, line, (size_t)length);
	}
	take(&f, 1);
	assert_int_equal(f.map.count, JITMAP_RANGES_MAX);
	assert_int_equal(f.map.refused, 10);
	end(&f);
}

/* --- jitdump -------------------------------------------------------------------------------------- */

static void put(struct fixture *f, uint64_t value, size_t bytes)
{
	put_bytes(f, &value, bytes);
}

static void put_header(struct fixture *f, uint64_t flags)
{
	put(f, 0x4A695444, 4);
	put(f, 1, 4);
	put(f, 40, 4);
	put(f, 62, 4);
	put(f, 0, 8);
	put(f, 0, 8);
	put(f, flags, 8);
}

static void put_load(struct fixture *f, uint64_t time_ns, uint64_t start, uint32_t size,
		     const char *name)
{
	static const uint8_t code[300000];

	put(f, 0, 4);
	put(f, 56 + strlen(name) + 1 + size, 4);
	put(f, time_ns, 8);
	put(f, 7, 8); /* pid, tid */
	put(f, start, 8);
	put(f, start, 8);
	put(f, size, 8);
	put(f, 1, 8);
	put_bytes(f, name, strlen(name) + 1);
	put_bytes(f, code, size);
}

static void a_jitdump_names_its_code_by_time(void **state)
{
	struct fixture f;

	(void)state;
	begin(&f, JITFILE_DUMP);
	put_header(&f, 0);
	put_load(&f, 100, 0x1000, 0x100, "old");
	put(&f, 2, 4); /* debug information, passed over */
	put(&f, 16 + 32, 4);
	put(&f, 100, 8);
	for (int i = 0; i < 4; i++)
		put(&f, 0, 8);
	put_load(&f, 200, 0x10000, 300000, "large");
	put_load(&f, 300, 0x1000, 0x80, "new");
	assert_int_equal(take(&f, 1000), 3);
	assert_string_equal(name_at(&f, 0x1000, 250), "old");
	assert_string_equal(name_at(&f, 0x1000, 300), "new");
	assert_string_equal(name_at(&f, 0x10000 + 299999, 400), "large");
	end(&f);
}

static void code_that_moves_keeps_its_name(void **state)
{
	struct fixture f;

	(void)state;
	begin(&f, JITFILE_DUMP);
	put_header(&f, 0);
	put_load(&f, 100, 0x1000, 0x100, "mover");
	put(&f, 1, 4);
	put(&f, 16 + 48, 4);
	put(&f, 200, 8);
	put(&f, 7, 8);
	put(&f, 0, 8);
	put(&f, 0x1000, 8);
	put(&f, 0x5000, 8);
	put(&f, 0x100, 8);
	put(&f, 1, 8);
	assert_int_equal(take(&f, 1000), 2);
	assert_string_equal(name_at(&f, 0x5080, 300), "mover");
	end(&f);
}

static void a_record_that_is_being_written_waits(void **state)
{
	struct fixture f;
	uint8_t record[56 + 2 + 16] = {0};

	(void)state;
	begin(&f, JITFILE_DUMP);
	put_header(&f, 1); /* times of the processor: those of reading count */
	take(&f, 5);
	record[4] = sizeof(record);
	record[32] = 0x10;
	record[40] = 16;
	record[56] = 'f';
	put_bytes(&f, record, 60);
	assert_int_equal(take(&f, 6), 0);
	put_bytes(&f, record + 60, sizeof(record) - 60);
	assert_int_equal(take(&f, 7), 1);
	assert_int_equal(jitmap_find(&f.map, 0x10, 7)->time_ns, 6);
	end(&f);
}

static void damage_never_harms(void **state)
{
	uint64_t random = 3;

	(void)state;
	for (int i = 0; i < 2000; i++) {
		struct fixture f;
		bool more;

		begin(&f, i % 2 ? JITFILE_DUMP : JITFILE_PERF_MAP);
		if (i % 2) {
			put_header(&f, 0);
			put_load(&f, 100, 0x1000, 0x100, "old");
			put_load(&f, 100, 0x1080, 0x100, "new");
		} else {
			put_text(&f, "1000 100 old\n1080 100 new\n1000 10 again\n");
		}
		for (int flips = 0; flips < 3; flips++) {
			uint8_t byte = (uint8_t)next_random(&random);
			off_t at = (off_t)(next_random(&random) % 400);

			assert_int_equal(pwrite(f.file.fd, &byte, 1, at), 1);
		}
		(void)jitfile_read(&f.file, &f.map, 1, &more);
		(void)name_at(&f, 0x1000, 1);
		end(&f);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_perf_map_names_its_ranges),
		cmocka_unit_test(a_line_that_is_being_written_waits),
		cmocka_unit_test(nonsense_lines_are_passed_over),
		cmocka_unit_test(what_takes_the_place_of_other_code_holds_from_when_it_was_seen),
		cmocka_unit_test(a_file_that_became_shorter_is_stale),
		cmocka_unit_test(ranges_beyond_the_limit_are_counted),
		cmocka_unit_test(a_jitdump_names_its_code_by_time),
		cmocka_unit_test(code_that_moves_keeps_its_name),
		cmocka_unit_test(a_record_that_is_being_written_waits),
		cmocka_unit_test(damage_never_harms),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
