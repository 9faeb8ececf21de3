/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Go's tables, in each of their versions, written here byte by byte after the description in Go's runtime/symtab.go; tables of
 * real compilers are in tests/e2e/test_symbolize_go.py. Then the same with every byte damaged.
 */
#include "check.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "symbolizer/gopclntab.h"

/*
 * One program: an ELF file of one segment loaded at BASE.
 *
 *	main.main	at TEXT, 0x40 bytes: line 10 up to 0x10, then main.leaf inlined (line 3) up to 0x20, then line 12
 *	main.other	at TEXT + 0x40, 0x20 bytes: line 20
 *
 * The call of main.leaf is at TEXT + 0xf, so on line 10.
 */
#define BASE	   0x400000u
#define TEXT	   (BASE + 0x1000)
#define TABLE	   0x2000 /* offset in the file, as the following */
#define NAMES	   0x80	  /* offsets in the table */
#define UNITS	   0x100
#define FILES	   0x180
#define PC_TABLES  0x200
#define FUNCTIONS  0x280
#define GOFUNC	   0x3000
#define MODULE	   0x3800
#define SIZE	   0x4000

#define MAIN_NAME  1
#define LEAF_NAME  11
#define OTHER_NAME 21

static _Alignas(16) uint8_t image[SIZE];

static void put(uint64_t at, uint64_t value, size_t bytes)
{
	memcpy(image + at, &value, bytes);
}

static void put_header(uint32_t magic, bool has_text, uint64_t text)
{
	uint64_t at = TABLE;
	const uint64_t words[] = {2, 1, text, NAMES, UNITS, FILES, PC_TABLES, FUNCTIONS};

	put(at, magic, 4);
	put(at + 6, 1, 1);
	put(at + 7, 8, 1);
	at += 8;
	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		if (i == 2 && !has_text)
			continue;
		put(at, words[i], 8);
		at += 8;
	}
}

static void put_strings(void)
{
	memcpy(image + TABLE + NAMES, "\0main.main\0main.leaf\0main.other", 32);
	put(TABLE + UNITS, 1, 4);
	memcpy(image + TABLE + FILES, "\0/src/main.go", 14);
	/* Offset 1: file 0 for 0x40 bytes; 8: lines; 24: inlined calls; 40, 44: file and line 20 for 0x20 bytes. */
	memcpy(image + TABLE + PC_TABLES + 1, "\x02\x40\0", 3);
	memcpy(image + TABLE + PC_TABLES + 8, "\x16\x10\x0d\x10\x12\x20\0", 7);	 /* +11 -7 +9 */
	memcpy(image + TABLE + PC_TABLES + 24, "\x01\x10\x02\x10\x01\x20\0", 7); /* see below */
	memcpy(image + TABLE + PC_TABLES + 40, "\x02\x20\0", 3);
	memcpy(image + TABLE + PC_TABLES + 44, "\x2a\x20\0", 3);
	/* A first difference of 0 is no end: -1, then 0, then -1. */
	put(TABLE + PC_TABLES + 24, 0, 1);
}

static void put_tree(uint64_t at, enum gopclntab_version version)
{
	if (version == GOPCLNTAB_1_20) {
		put(at + 4, LEAF_NAME, 4);
		put(at + 8, 0xf, 4);
		put(at + 12, 2, 4);
		return;
	}
	put(at, 0xffff, 2);
	put(at + 12, LEAF_NAME, 4);
	put(at + 16, 0xf, 4);
}

/* A function's description, of versions from 1.18 on. */
static void put_function(uint64_t at, uint64_t entry, uint32_t name, bool is_main,
			 enum gopclntab_version version)
{
	uint64_t tables = version == GOPCLNTAB_1_16 ? at + 20 : at + 16;
	uint64_t counts = version == GOPCLNTAB_1_18 ? at + 36 : at + 40;

	put(at, entry, version == GOPCLNTAB_1_16 ? 8 : 4);
	put(tables - 12, name, 4);
	put(tables + 4, is_main ? 1 : 40, 4);
	put(tables + 8, is_main ? 8 : 44, 4);
	put(tables + 12, is_main ? 3 : 0, 4); /* pcdata */
	if (version == GOPCLNTAB_1_20)
		put(at + 36, is_main ? 9 : 19, 4);
	put(counts + 3, is_main ? 4 : 0, 1); /* funcdata */
	if (!is_main)
		return;
	put(counts + 4 + 8, 24, 4);

	uint64_t funcdata = counts + 4 + 12;

	if (version == GOPCLNTAB_1_16)
		put(funcdata + 24, BASE + GOFUNC, 8); /* 56 + 24: aligned as it is */
	else
		put(funcdata + 12, 0, 4);
}

static void put_functions(enum gopclntab_version version)
{
	uint64_t table = TABLE + FUNCTIONS;
	size_t bytes = version == GOPCLNTAB_1_16 ? 8 : 4;
	uint64_t origin = version == GOPCLNTAB_1_16 ? TEXT : 0;

	put(table, origin, bytes);
	put(table + bytes, 0x40, bytes);
	put(table + 2 * bytes, origin + 0x40, bytes);
	put(table + 3 * bytes, 0xc0, bytes);
	put(table + 4 * bytes, origin + 0x60, bytes);
	put_function(table + 0x40, origin, MAIN_NAME, true, version);
	put_function(table + 0xc0, origin + 0x40, OTHER_NAME, false, version);
}

static void put_elf(void)
{
	ElfW(Ehdr) header = {
		.e_ident = {0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
		.e_type = ET_EXEC,
		.e_machine = EM_X86_64,
		.e_version = EV_CURRENT,
		.e_phoff = sizeof(header),
		.e_phentsize = sizeof(ElfW(Phdr)),
		.e_phnum = 2,
	};
	ElfW(Phdr) programs[2] = {
		{PT_LOAD, PF_R | PF_X, 0, BASE, BASE, 0x2000, 0x2000, 0x1000},
		{PT_LOAD, PF_R | PF_W, 0x2000, BASE + 0x2000, 0, 0x2000, 0x2000, 0x1000},
	};

	memset(image, 0, sizeof(image));
	memcpy(image, &header, sizeof(header));
	memcpy(image + sizeof(header), programs, sizeof(programs));
}

/* @gofunc_word: which word of struct moduledata; 0 = there is no moduledata. */
static void make_image(enum gopclntab_version version, uint64_t text, size_t gofunc_word)
{
	static const uint32_t magics[] = {0xfffffffa, 0xfffffff0, 0xfffffff1};

	put_elf();
	put_header(magics[version], version != GOPCLNTAB_1_16, text);
	put_strings();
	if (version ==
	    GOPCLNTAB_1_16) /* one word less in the header: everything stays where it is */
		put(TABLE + 8, 2, 8);
	put_functions(version);
	put_tree(GOFUNC, version);
	if (!gofunc_word)
		return;
	put(MODULE, BASE + TABLE, 8);
	put(MODULE + 8, BASE + TABLE + NAMES, 8);
	put(MODULE + 22 * 8, TEXT, 8);
	put(MODULE + 37 * 8, BASE + TABLE, 8); /* an address, but not the one */
	put(MODULE + gofunc_word * 8, BASE + GOFUNC, 8);
}

struct result {
	struct elffile elf;
	struct textmap text;
	struct symtable table;
	struct elfsyms symbols;
	struct gopclntab_target target;
	int error;
};

static void build(struct result *r, size_t length)
{
	struct gopclntab g;

	*r = (struct result){0};
	r->error = elffile_open_memory((struct slice){image, length}, &r->elf);
	if (r->error)
		return;
	assert_int_equal(textmap_create(&r->elf, &r->text), 0);
	r->table.base = r->text.base;
	elfsyms_init(&r->symbols, &r->text, &r->table);
	r->target = (struct gopclntab_target){
		.text = &r->text, .table = &r->table, .symbols = &r->symbols, .lines = true};
	r->error = gopclntab_open(&r->elf, &g);
	if (!r->error)
		r->error = gopclntab_add(&g, &r->target);
}

static void release(struct result *r)
{
	elfsyms_release(&r->symbols);
	symtable_release(&r->table);
	textmap_release(&r->text);
	elffile_release(&r->elf);
}

static const char *function_of(const struct result *r, uint32_t scope)
{
	return strpool_get(&r->table.names,
			   r->table.functions[r->table.scopes[scope].function].name);
}

static void check_row(const struct result *r, size_t index, uint64_t addr, uint32_t line,
		      const char *function)
{
	const struct symtable_row *row = &r->table.rows[index];

	assert_int_equal(r->table.base + row->start, addr);
	assert_int_equal(row->line, line);
	assert_string_equal(strpool_get(&r->table.files, row->file), "/src/main.go");
	assert_string_equal(function_of(r, row->scope), function);
}

static void check_program(const struct result *r, bool has_inlined)
{
	assert_int_equal(r->error, 0);
	assert_int_equal(r->target.functions, 2);
	assert_int_equal(r->table.row_count, 4);
	check_row(r, 0, TEXT, 10, "main.main");
	check_row(r, 1, TEXT + 0x10, 3, has_inlined ? "main.leaf" : "main.main");
	check_row(r, 2, TEXT + 0x20, 12, "main.main");
	check_row(r, 3, TEXT + 0x40, 20, "main.other");
	if (!has_inlined)
		return;

	const struct symtable_scope *leaf = &r->table.scopes[r->table.rows[1].scope];

	assert_int_equal(r->target.inlined, 1);
	assert_int_equal(leaf->line, 10);
	assert_string_equal(function_of(r, leaf->parent), "main.main");
}

static void check_version(enum gopclntab_version version, uint64_t text, size_t gofunc_word)
{
	struct result r;

	make_image(version, text, gofunc_word);
	build(&r, SIZE);
	check_program(&r, version == GOPCLNTAB_1_16 || gofunc_word);
	release(&r);
}

static void reads_go_1_16(void **state)
{
	(void)state;
	check_version(GOPCLNTAB_1_16, 0, 0);
}

static void reads_go_1_18_whose_header_says_where_text_begins(void **state)
{
	(void)state;
	check_version(GOPCLNTAB_1_18, TEXT, 38);
	check_version(GOPCLNTAB_1_18, TEXT, 0);
}

static void reads_go_1_20_and_finds_the_inline_trees_wherever_moduledata_says(void **state)
{
	(void)state;
	check_version(GOPCLNTAB_1_20, TEXT, 40);
	check_version(GOPCLNTAB_1_20, 0, 40);
	check_version(GOPCLNTAB_1_20, 0, 43);
}

static void without_start_of_text_it_is_damaged(void **state)
{
	struct result r;

	(void)state;
	make_image(GOPCLNTAB_1_20, 0, 0);
	build(&r, SIZE);
	assert_int_equal(r.error, -EBADMSG);
	release(&r);
}

static void older_and_newer_versions_are_unknown(void **state)
{
	static const uint32_t magics[] = {0xfffffffb, 0xfffffff7};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(magics); i++) {
		struct result r;

		make_image(GOPCLNTAB_1_18, TEXT, 38);
		put(TABLE, magics[i], 4);
		build(&r, SIZE);
		assert_int_equal(r.error, -ENOTSUP);
		release(&r);
	}
}

static void damage_never_harms(void **state)
{
	static const uint8_t values[] = {0, 1, 0x7f, 0x80, 0xff};
	uint64_t random = 1;

	(void)state;
	for (int version = 0; version < 3; version++) {
		for (size_t at = TABLE; at < TABLE + FUNCTIONS + 0x140; at++) {
			for (size_t v = 0; v < ARRAY_SIZE(values); v++) {
				struct result r;

				make_image((enum gopclntab_version)version, TEXT, 40);
				image[at] = values[v];
				build(&r, SIZE);
				release(&r);
			}
		}
		for (int i = 0; i < 3000; i++) {
			struct result r;

			make_image((enum gopclntab_version)version, TEXT, 40);
			for (int flips = 0; flips < 4; flips++)
				image[next_random(&random) % SIZE] = (uint8_t)next_random(&random);
			build(&r, next_random(&random) % 4 ? SIZE : next_random(&random) % SIZE);
			release(&r);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_go_1_16),
		cmocka_unit_test(reads_go_1_18_whose_header_says_where_text_begins),
		cmocka_unit_test(reads_go_1_20_and_finds_the_inline_trees_wherever_moduledata_says),
		cmocka_unit_test(without_start_of_text_it_is_damaged),
		cmocka_unit_test(older_and_newer_versions_are_unknown),
		cmocka_unit_test(damage_never_harms),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
