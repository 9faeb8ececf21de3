/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Symbol files written, opened and asked: random tables against a look-up that goes over the tables themselves, and
 * files that somebody damaged, by accident or on purpose.
 */
#define XXH_INLINE_ALL
#include "symbolizer/symfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <xxhash.h>

#include "base/cleanup.h"
#include "symbolizer/symfile_format.h"
#include "symbolizer/symfile_write.h"
#include "unit/elf_image.h"

#define BASE	   0x400000
#define CODE_BYTES 4000 /* addresses in use, relative to the base */

FAIL_ALLOCATIONS_SOFTLY();

static uint32_t pick(uint64_t *random, uint64_t count)
{
	return (uint32_t)(next_random(random) % count);
}

/* --- random tables ------------------------------------------------------------------------------------------------ */

static uint32_t add_name(struct strpool *pool, const char *prefix, uint32_t number)
{
	char text[64];
	uint32_t id;

	snprintf(text, sizeof(text), "%s%u", prefix, number);
	assert_int_equal(strpool_add(pool, text, &id), 0);
	return id;
}

static void add_functions(struct symtable *t, uint64_t *random, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		uint32_t name = pick(random, 8) ? add_name(&t->names, "f", pick(random, count)) : 0;
		uint32_t id;

		assert_int_equal(symtable_function(t, name, pick(random, 4) * 100, &id), 0);
		t->functions[id].file =
			pick(random, 3) ? add_name(&t->files, "/src/file", pick(random, 9)) : 0;
	}
}

static void add_scopes(struct symtable *t, uint64_t *random, uint32_t count)
{
	assert_int_equal(
		array_reserve((void **)&t->scopes, &t->scope_capacity, count, sizeof(*t->scopes)),
		0);
	for (uint32_t i = 0; i < count; i++)
		t->scopes[t->scope_count++] = (struct symtable_scope){
			.parent = i && pick(random, 3) ? pick(random, i) : SYMFILE_NONE,
			.function = pick(random, t->function_count),
			.file = pick(random, strpool_count(&t->files)),
			.line = pick(random, CODE_BYTES), /* of a function of its own: its start */
			.column = pick(random, 200),
		};
}

static void add_symbols(struct symtable *t, uint64_t *random, uint32_t count)
{
	assert_int_equal(array_reserve((void **)&t->symbols, &t->symbol_capacity, count,
				       sizeof(*t->symbols)),
			 0);
	for (uint32_t i = 0, at = 0; i < count && at < CODE_BYTES; i++) {
		at += 1 + pick(random, 40);
		t->symbols[t->symbol_count++] = (struct symtable_symbol){
			.start = at,
			.function =
				pick(random, 4) ? pick(random, t->function_count) : SYMFILE_NONE,
			.origin = at - pick(random, at),
		};
	}
}

/* Chunks that follow each other, with gaps and overlaps. */
static void add_rows(struct symtable *t, uint64_t *random, uint32_t chunk_count)
{
	uint32_t at = 0;

	for (uint32_t i = 0; i < chunk_count && at < CODE_BYTES - 400; i++) {
		struct symtable_chunk chunk = {.start = at, .first = (uint32_t)t->row_count};
		uint32_t end = at;

		chunk.count = 1 + pick(random, 120);
		assert_int_equal(array_reserve((void **)&t->rows, &t->row_capacity,
					       t->row_count + chunk.count, sizeof(*t->rows)),
				 0);
		for (uint32_t j = 0; j < chunk.count; j++) {
			t->rows[t->row_count++] = (struct symtable_row){
				.start = end,
				.scope = pick(random, 5) ? pick(random, t->scope_count)
							 : SYMFILE_NONE,
				.file = pick(random, strpool_count(&t->files)),
				.line = pick(random, 4) ? pick(random, 100000) : 0,
				.column = pick(random, 3) ? pick(random, 100) : 7,
			};
			end += 1 + pick(random, 5);
		}
		chunk.end = end;
		assert_int_equal(array_reserve((void **)&t->chunks, &t->chunk_capacity,
					       t->chunk_count + 1, sizeof(*t->chunks)),
				 0);
		t->chunks[t->chunk_count++] = chunk;
		at = pick(random, 2) ? end + pick(random, 30) : at + pick(random, end - at) + 1;
	}
}

static void make_table(struct symtable *t, uint64_t seed)
{
	uint64_t random = seed;

	*t = (struct symtable){.base = BASE, .note = "note", .note_bytes = 5};
	add_functions(t, &random, 1 + pick(&random, 40));
	(void)add_name(&t->files, "/src/file", 0);
	add_scopes(t, &random, 1 + pick(&random, 60));
	add_symbols(t, &random, pick(&random, 120));
	add_rows(t, &random, pick(&random, 12));
}

/* --- what the tables say ------------------------------------------------------------------------------------------ */

static const struct symtable_row *row_at(const struct symtable *t, uint32_t at)
{
	for (size_t i = 0; i < t->chunk_count; i++) {
		const struct symtable_chunk *c = &t->chunks[i];
		const struct symtable_row *found = NULL;

		if (at < c->start || at >= c->end)
			continue;
		for (uint32_t j = 0; j < c->count && t->rows[c->first + j].start <= at; j++)
			found = &t->rows[c->first + j];
		return found;
	}
	return NULL;
}

static const struct symtable_symbol *symbol_at(const struct symtable *t, uint32_t at)
{
	const struct symtable_symbol *found = NULL;

	for (size_t i = 0; i < t->symbol_count && t->symbols[i].start <= at; i++)
		found = &t->symbols[i];
	return found && found->function != SYMFILE_NONE ? found : NULL;
}

static const char *text_or_null(const struct strpool *pool, uint32_t id)
{
	return id ? strpool_get(pool, id) : NULL;
}

static void expect_place(const struct symtable *t, struct symfile_frame *frame, uint32_t file,
			 uint32_t line)
{
	frame->file = line ? text_or_null(&t->files, file) : NULL;
	frame->line = line;
}

static size_t expect(const struct symtable *t, uint32_t at, struct symfile_frame *chain)
{
	const struct symtable_row *row = row_at(t, at);
	const struct symtable_symbol *symbol = symbol_at(t, at);
	size_t count = 0;

	if (row && (row->scope != SYMFILE_NONE || row->line)) {
		uint32_t file = row->file, line = row->line, column = row->column, id = row->scope;

		do {
			struct symfile_frame *frame = &chain[count++];

			*frame = (struct symfile_frame){.column = line ? column : 0};
			expect_place(t, frame, file, line);
			if (id == SYMFILE_NONE)
				break;

			const struct symtable_scope *scope = &t->scopes[id];

			frame->function =
				text_or_null(&t->names, t->functions[scope->function].name);
			frame->start_line = t->functions[scope->function].start_line;
			frame->inlined = scope->parent != SYMFILE_NONE;
			frame->start = frame->inlined ? 0 : BASE + scope->line;
			file = scope->file;
			line = scope->line;
			column = scope->column;
			id = scope->parent;
		} while (id != SYMFILE_NONE);
	}
	if (symbol && !count)
		chain[count++] = (struct symfile_frame){0};
	if (symbol) {
		chain[count - 1].function =
			text_or_null(&t->names, t->functions[symbol->function].name);
		chain[count - 1].start = BASE + symbol->origin;
	}
	return count;
}

static void assert_same_text(const char *a, const char *b)
{
	assert_true(!a == !b);
	if (a)
		assert_string_equal(a, b);
}

static void assert_same_frame(const struct symfile_frame *a, const struct symfile_frame *b)
{
	assert_same_text(a->function, b->function);
	assert_null(a->system_name);
	assert_same_text(a->file, b->file);
	assert_int_equal(a->line, b->line);
	assert_int_equal(a->column, b->column);
	assert_int_equal(a->start_line, b->start_line);
	assert_int_equal(a->start, b->start);
	assert_int_equal(a->inlined, b->inlined);
}

/* --- tests -------------------------------------------------------------------------------------------------------- */

static int write_table(const struct symtable *t)
{
	int fd = memfd_of("", 0);

	assert_int_equal(symfile_write(t, fd), 0);
	return fd;
}

static void every_address_reads_as_the_tables_say(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 60; seed++) {
		struct symfile_frame expected[SYMFILE_CHAIN_MAX], found[SYMFILE_CHAIN_MAX];
		struct symtable t;
		struct symfile *f;
		size_t note_bytes;

		make_table(&t, seed);

		auto_close int fd = write_table(&t);

		assert_int_equal(symfile_open(fd, &f), 0);
		for (uint32_t at = 0; at < CODE_BYTES + 2000; at++) {
			size_t count = expect(&t, at, expected);

			assert_int_equal(symfile_lookup(f, BASE + at, found, SYMFILE_CHAIN_MAX),
					 count);
			for (size_t i = 0; i < count; i++)
				assert_same_frame(&found[i], &expected[i]);
			if (count > 1) { /* cut at its outer end */
				assert_int_equal(symfile_lookup(f, BASE + at, found, 1), 1);
				assert_same_frame(&found[0], &expected[0]);
			}
		}
		assert_int_equal(symfile_lookup(f, BASE - 1, found, SYMFILE_CHAIN_MAX), 0);
		assert_int_equal(symfile_lookup(f, BASE + (5ull << 32), found, SYMFILE_CHAIN_MAX),
				 0);
		assert_string_equal(symfile_note(f, &note_bytes), "note");
		assert_int_equal(note_bytes, 5);
		symfile_unref(f);
		symtable_release(&t);
	}
}

static void ranges_come_in_order_and_end(void **state)
{
	struct symfile_range range = {0};
	struct symtable t;
	struct symfile *f;
	size_t count = 0;

	(void)state;
	make_table(&t, 4);

	auto_close int fd = write_table(&t);

	assert_int_equal(symfile_open(fd, &f), 0);
	for (uint64_t end = 0; symfile_range_at(f, count, &range); end = range.end, count++) {
		assert_true(!count || range.start == end);
		assert_true(range.end >= range.start);
	}
	assert_int_equal(count, t.symbol_count);
	assert_false(symfile_is_empty(f));
	assert_int_equal(symfile_bytes(f) % 8, 0);
	symfile_unref(f);
	symtable_release(&t);
}

static void an_empty_table_makes_an_empty_file(void **state)
{
	struct symtable t = {0};
	struct symfile_frame frame;
	struct symfile *f;
	auto_close int fd = write_table(&t);

	(void)state;
	assert_int_equal(symfile_open(fd, &f), 0);
	assert_true(symfile_is_empty(f));
	assert_int_equal(symfile_lookup(f, 0, &frame, 1), 0);
	assert_false(symfile_range_at(f, 0, &(struct symfile_range){0}));
	assert_ptr_equal(symfile_ref(f), f);
	symfile_unref(f);
	symfile_unref(f);
	symfile_unref(NULL);
	symtable_release(&t);
	symtable_release(NULL);
}

/* The bytes of a small file, owned by the caller. */
static uint8_t *small_file(size_t *ret_length)
{
	struct symtable t;
	struct stat status;

	make_table(&t, 9);

	auto_close int fd = write_table(&t);

	symtable_release(&t);
	assert_int_equal(fstat(fd, &status), 0);
	*ret_length = (size_t)status.st_size;

	uint8_t *bytes = malloc(*ret_length);

	assert_non_null(bytes);
	assert_int_equal(pread(fd, bytes, *ret_length, 0), *ret_length);
	return bytes;
}

static void every_flipped_byte_and_every_cut_is_refused(void **state)
{
	size_t length;
	auto_free uint8_t *bytes = small_file(&length);
	auto_close int fd = memfd_of(bytes, length);
	struct symfile *f;

	(void)state;
	assert_int_equal(symfile_open(fd, &f), 0);
	symfile_unref(f);
	for (size_t i = 0; i < length; i++) {
		uint8_t flipped = bytes[i] ^ 0x20;

		assert_int_equal(pwrite(fd, &flipped, 1, (off_t)i), 1);
		assert_int_equal(symfile_open(fd, &f), -EBADMSG);
		assert_int_equal(pwrite(fd, &bytes[i], 1, (off_t)i), 1);
	}
	assert_int_equal(pwrite(fd, "x", 1, (off_t)length), 1); /* too long */
	assert_int_equal(symfile_open(fd, &f), -EBADMSG);
	for (size_t cut = length - 1; cut > 0; cut -= cut > 50 ? 37 : 1) {
		assert_int_equal(ftruncate(fd, (off_t)cut), 0);
		assert_int_equal(symfile_open(fd, &f), -EBADMSG);
	}

	auto_close int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

	assert_int_equal(symfile_open(null, &f), -EBADMSG);
}

/* Everything that can be asked of a file. */
static void ask_everything(const struct symfile *f)
{
	struct symfile_frame chain[SYMFILE_CHAIN_MAX];
	struct symfile_range range;
	size_t bytes = symfile_bytes(f);
	volatile size_t sum = 0;

	for (uint32_t at = 0; at < CODE_BYTES; at += 13) {
		size_t count = symfile_lookup(f, BASE + at, chain, SYMFILE_CHAIN_MAX);

		assert_true(count <= SYMFILE_CHAIN_MAX);
		for (size_t i = 0; i < count; i++)
			sum += (chain[i].function ? strlen(chain[i].function) : 0) +
			       (chain[i].system_name ? strlen(chain[i].system_name) : 0) +
			       (chain[i].file ? strlen(chain[i].file) : 0);
	}
	for (size_t i = 0; symfile_range_at(f, i, &range); i++)
		assert_true(i < bytes);
}

/* A writer who means harm gets his checksum right. */
static void crafted_files_give_wrong_names_but_no_wild_access(void **state)
{
	size_t length, opened = 0, from = offsetof(struct symfile_disk_header, base);
	auto_free uint8_t *bytes = small_file(&length);
	auto_free uint8_t *crafted = malloc(length);
	uint64_t random = 1;

	(void)state;
	assert_non_null(crafted);
	for (int round = 0; round < 4000; round++) {
		memcpy(crafted, bytes, length);
		for (uint32_t flips = 1 + pick(&random, 4); flips; flips--) {
			uint32_t at = pick(&random, 3) ? sizeof(struct symfile_disk_header) +
								 pick(&random, length - 96)
						       : pick(&random, 96);

			crafted[at] = (uint8_t)(pick(&random, 3) ? next_random(&random) : 0xff);
		}

		uint64_t checksum = XXH3_64bits(crafted + from, length - from);
		struct symfile *f;

		memcpy(crafted + offsetof(struct symfile_disk_header, checksum), &checksum, 8);

		auto_close int fd = memfd_of(crafted, length);

		if (symfile_open(fd, &f))
			continue;
		opened++;
		ask_everything(f);
		symfile_unref(f);
	}
	assert_true(opened > 400);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_address_reads_as_the_tables_say),
		cmocka_unit_test(ranges_come_in_order_and_end),
		cmocka_unit_test(an_empty_table_makes_an_empty_file),
		cmocka_unit_test(every_flipped_byte_and_every_cut_is_refused),
		cmocka_unit_test(crafted_files_give_wrong_names_but_no_wild_access),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
