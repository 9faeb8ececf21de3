/* SPDX-License-Identifier: Apache-2.0 */
#include "symbolizer/elfsyms.h"

#include <errno.h>
#include <fcntl.h>
#include <gelf.h>

#include "base/cleanup.h"
#include "unit/elf_image.h"

FAIL_ALLOCATIONS_SOFTLY();

/* A file with a symbol table, and the result of reading it. */
struct fixture {
	struct elf_image image;
	struct elffile f;
	struct textmap text;
	struct symtable table;
	struct elfsyms symbols;
	size_t count;
	int err;
};

/* Names are offsets into @names. */
static void read_symbols(struct fixture *x, const Elf64_Sym *symbols, size_t count,
			 const char *names, size_t names_bytes)
{
	static const uint8_t code[256];

	*x = (struct fixture){0};
	(void)elf_image_add_code(&x->image, code, sizeof(code));

	uint32_t link = elf_image_add(&x->image, (struct elf_image_section){.name = ".strtab",
									    .bytes = names,
									    .length = names_bytes,
									    .type = SHT_STRTAB});

	(void)elf_image_add(&x->image,
			    (struct elf_image_section){.name = ".symtab",
						       .bytes = symbols,
						       .length = count * sizeof(*symbols),
						       .type = SHT_SYMTAB,
						       .link = link,
						       .entry_bytes = sizeof(*symbols)});
	assert_int_equal(elffile_open_memory(elf_image_finish(&x->image), &x->f), 0);
	assert_int_equal(textmap_create(&x->f, &x->text), 0);
	x->table.base = x->text.base;
	elfsyms_init(&x->symbols, &x->text, &x->table);
	x->err = elfsyms_add(&x->symbols, &x->f, ELFSYMS_OWN, &x->count);
	assert_int_equal(elfsyms_finish(&x->symbols), 0);
}

static void release(struct fixture *x)
{
	elfsyms_release(&x->symbols);
	symtable_release(&x->table);
	textmap_release(&x->text);
	elffile_release(&x->f);
	elf_image_release(&x->image);
}

static const char *name_at(const struct symtable *t, uint32_t at)
{
	const struct symtable_symbol *found = NULL;

	for (size_t i = 0; i < t->symbol_count && t->symbols[i].start <= at; i++)
		found = &t->symbols[i];
	return found && found->function != SYMFILE_NONE
		       ? strpool_get(&t->names, t->functions[found->function].name)
		       : "";
}

static Elf64_Sym symbol(uint32_t name, uint8_t info, uint64_t start, uint64_t bytes)
{
	return (Elf64_Sym){.st_name = name,
			   .st_info = info,
			   .st_shndx = 1,
			   .st_value = ELF_IMAGE_CODE + start,
			   .st_size = bytes};
}

#define GLOBAL_FUNCTION ELF64_ST_INFO(STB_GLOBAL, STT_FUNC)
#define LOCAL_FUNCTION	ELF64_ST_INFO(STB_LOCAL, STT_FUNC)
#define UNTYPED		ELF64_ST_INFO(STB_GLOBAL, STT_NOTYPE)
#define SECTION		ELF64_ST_INFO(STB_LOCAL, STT_SECTION)

static void the_closest_sized_symbol_shows(void **state)
{
	static const char names[] = "\0outer\0inner\0label\0alias\0$x\0.Lx";
	const Elf64_Sym symbols[] = {
		{0},
		symbol(1, GLOBAL_FUNCTION, 0, 64),  /* outer */
		symbol(7, GLOBAL_FUNCTION, 16, 16), /* inner, within it */
		symbol(13, UNTYPED, 40, 0),	    /* label within outer: no size, does not show */
		symbol(13, UNTYPED, 100, 0),	    /* label by itself */
		symbol(19, LOCAL_FUNCTION, 16, 16), /* alias of inner, but local */
		symbol(25, UNTYPED, 120, 0),	    /* mapping symbol */
		symbol(28, GLOBAL_FUNCTION, 130, 4), /* assembler's own */
		symbol(1, SECTION, 200, 4),
		symbol(1, GLOBAL_FUNCTION, 5000, 4), /* outside of all code */
		symbol(9999, GLOBAL_FUNCTION, 210, 4),
	};
	struct fixture x;

	(void)state;
	read_symbols(&x, symbols, ARRAY_SIZE(symbols), names, sizeof(names));
	assert_int_equal(x.err, 0);
	assert_int_equal(x.count, 5);
	assert_string_equal(name_at(&x.table, 0), "outer");
	assert_string_equal(name_at(&x.table, 15), "outer");
	assert_string_equal(name_at(&x.table, 16), "inner");
	assert_string_equal(name_at(&x.table, 32), "outer");
	assert_string_equal(name_at(&x.table, 40), "outer");
	assert_string_equal(name_at(&x.table, 64), "label"); /* up to the next symbol */
	assert_string_equal(name_at(&x.table, 100), "label");
	assert_string_equal(name_at(&x.table, 255), "label");
	assert_string_equal(name_at(&x.table, 256), "");
	release(&x);
}

static void sizes_beyond_the_section_end_with_it(void **state)
{
	static const char names[] = "\0f";
	const Elf64_Sym symbols[] = {{0}, symbol(1, GLOBAL_FUNCTION, 8, UINT64_MAX)};
	struct fixture x;

	(void)state;
	read_symbols(&x, symbols, ARRAY_SIZE(symbols), names, sizeof(names));
	assert_string_equal(name_at(&x.table, 255), "f");
	assert_string_equal(name_at(&x.table, 256), "");
	assert_string_equal(name_at(&x.table, 7), "");
	release(&x);
}

static void a_table_with_wrong_items_or_link_is_damaged(void **state)
{
	static const char names[] = "\0f";
	const Elf64_Sym symbols[] = {{0}, symbol(1, GLOBAL_FUNCTION, 8, 8)};
	struct fixture x;
	size_t count;

	(void)state;
	read_symbols(&x, symbols, ARRAY_SIZE(symbols), names, sizeof(names));

	Elf64_Shdr *header = (Elf64_Shdr *)&x.f.sections[3];

	header->sh_entsize = 23;
	assert_int_equal(elfsyms_add(&x.symbols, &x.f, ELFSYMS_OWN, &count), -EBADMSG);
	header->sh_entsize = sizeof(*symbols);
	header->sh_link = 77;
	assert_int_equal(elfsyms_add(&x.symbols, &x.f, ELFSYMS_OWN, &count), -EBADMSG);
	header->sh_link = 2;
	header->sh_size = 1u << 20; /* behind the end of the file */
	assert_int_equal(elfsyms_add(&x.symbols, &x.f, ELFSYMS_OWN, &count), -EBADMSG);
	header->sh_size = ELFSYMS_TABLE_MAX + 24ull;
	assert_int_equal(elfsyms_add(&x.symbols, &x.f, ELFSYMS_OWN, &count), -EFBIG);
	release(&x);
}

/* The libelf view of a file's symbols of code. */
struct symbol_list {
	GElf_Sym *items;
	const char **names;
	size_t count;
};

static void list_with_libelf(Elf *elf, struct symbol_list *ret)
{
	for (Elf_Scn *scn = NULL; (scn = elf_nextscn(elf, scn));) {
		GElf_Shdr header;

		if (!gelf_getshdr(scn, &header) || header.sh_type != SHT_DYNSYM)
			continue;

		Elf_Data *data = elf_getdata(scn, NULL);

		ret->items = calloc(header.sh_size / header.sh_entsize, sizeof(*ret->items));
		ret->names = calloc(header.sh_size / header.sh_entsize, sizeof(*ret->names));
		for (int i = 0; i < (int)(header.sh_size / header.sh_entsize); i++) {
			GElf_Sym *s = &ret->items[ret->count];

			assert_non_null(gelf_getsym(data, i, s));
			ret->names[ret->count] = elf_strptr(elf, header.sh_link, s->st_name);
			if (s->st_shndx != SHN_UNDEF && s->st_size &&
			    (GELF_ST_TYPE(s->st_info) == STT_FUNC ||
			     GELF_ST_TYPE(s->st_info) == STT_GNU_IFUNC))
				ret->count++;
		}
	}
}

/* Whether some symbol of this name covers the address, and none that covers it starts closer. */
static bool is_right(const struct symbol_list *l, uint64_t address, const char *name)
{
	uint64_t closest = 0, named = 0;

	for (size_t i = 0; i < l->count; i++) {
		const GElf_Sym *s = &l->items[i];

		if (address - s->st_value >= s->st_size)
			continue;
		if (s->st_value > closest)
			closest = s->st_value;
		if (!strcmp(l->names[i], name) && s->st_value > named)
			named = s->st_value;
	}
	return closest == named;
}

static void symbols_of_libc_equal_libelf(void **state)
{
	auto_close int fd = open("/lib/x86_64-linux-gnu/libc.so.6", O_RDONLY | O_CLOEXEC);
	struct fixture x = {0};
	struct symbol_list list = {0};
	uint64_t random = 1;
	size_t covered = 0;

	(void)state;
	assert_int_not_equal(elf_version(EV_CURRENT), EV_NONE);

	Elf *elf = elf_begin(fd, ELF_C_READ_MMAP, NULL);

	list_with_libelf(elf, &list);
	assert_true(list.count > 1000);
	assert_int_equal(elffile_open(fd, &x.f), 0);
	assert_int_equal(textmap_create(&x.f, &x.text), 0);
	x.table.base = x.text.base;
	elfsyms_init(&x.symbols, &x.text, &x.table);
	assert_int_equal(elfsyms_add(&x.symbols, &x.f, ELFSYMS_OWN, &x.count), 0);
	assert_int_equal(elfsyms_finish(&x.symbols), 0);
	for (int i = 0; i < 3000; i++) {
		const GElf_Sym *s = &list.items[next_random(&random) % list.count];
		uint64_t address = s->st_value + next_random(&random) % s->st_size;
		const char *name = name_at(&x.table, (uint32_t)(address - x.text.base));

		covered += *name != '\0';
		if (!is_right(&list, address, name))
			fail_msg("0x%lx: '%s'", address, name);
	}
	assert_int_equal(covered, 3000);
	free(list.items);
	free(list.names);
	(void)elf_end(elf);
	release(&x);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_closest_sized_symbol_shows),
		cmocka_unit_test(sizes_beyond_the_section_end_with_it),
		cmocka_unit_test(a_table_with_wrong_items_or_link_is_damaged),
		cmocka_unit_test(symbols_of_libc_equal_libelf),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
