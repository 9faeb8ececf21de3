/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table lies in a section of its own, unless a linker other than Go's put it among other constants; then it is
 * searched for by its header. From Go 1.18 on two more addresses are wanted, the start of the text and of the
 * constants that inline trees belong to. Both stand in the runtime's struct moduledata, which begins with the address of
 * the table. Where in it changed now and then, and will again, so that the second is found by trying which word makes
 * sense of the inline trees.
 */
#include <errno.h>

#include "base/array.h"
#include "symbolizer/gopclntab.h"

#define MODULE_NAMES_WORD   1 /* of struct moduledata: address of the names */
#define MODULE_TEXT_WORD    22
#define MODULE_GOFUNC_FIRST 36 /* 38 in Go 1.18, 40 in 1.20, 43 in 1.27 */
#define MODULE_GOFUNC_END   52
#define TREES_TRIED	    64 /* inline trees that must make sense */

static const struct {
	uint32_t magic;
	uint8_t version;
} versions[] = {
	{0xfffffffa, GOPCLNTAB_1_16},
	{0xfffffff0, GOPCLNTAB_1_18},
	{0xfffffff1, GOPCLNTAB_1_20},
};

#define MAGIC_LOWEST	   0xffffffe0u /* of those that are known or to be expected */
#define HEADER_TEXT_OFFSET 24

struct slice gopclntab_bytes_at(const struct elffile *elf, uint64_t vaddr)
{
	for (size_t i = 0; i < elf->program_count; i++) {
		const ElfW(Phdr) *p = &elf->programs[i];

		if (p->p_type != PT_LOAD || vaddr < p->p_vaddr || vaddr - p->p_vaddr >= p->p_filesz)
			continue;
		if (p->p_offset > elf->image.length ||
		    p->p_filesz > elf->image.length - p->p_offset)
			continue;
		return (struct slice){elf->image.bytes + p->p_offset + (vaddr - p->p_vaddr),
				      p->p_filesz - (vaddr - p->p_vaddr)};
	}
	return (struct slice){0};
}

/* Goes on to the next relocation of a file; @s and @at say where, both 0 at first. */
static bool next_relocation(struct gopclntab *g, size_t *section, uint64_t *at, ElfW(Rela) * ret)
{
	for (; *section < g->elf->section_count; ++*section, *at = 0) {
		const ElfW(Shdr) *s = &g->elf->sections[*section];

		if (s->sh_type != SHT_RELA || !(s->sh_flags & SHF_ALLOC) ||
		    s->sh_offset > g->elf->image.length ||
		    s->sh_size > g->elf->image.length - s->sh_offset)
			continue;
		if (s->sh_size - *at < sizeof(*ret))
			continue;
		if (!g->search_left)
			return false;
		g->search_left--;
		memcpy(ret, g->elf->image.bytes + s->sh_offset + *at, sizeof(*ret));
		*at += sizeof(*ret);
		return true;
	}
	return false;
}

/* The addend of the relative relocation at @vaddr; 0 if there is none. */
static uint64_t relocation_at(struct gopclntab *g, uint64_t vaddr)
{
	size_t section = 0;
	uint64_t at = 0;
	ElfW(Rela) r;

	while (next_relocation(g, &section, &at, &r))
		if (r.r_offset == vaddr)
			return (uint64_t)r.r_addend;
	return 0;
}

/* A word as the program will see it. Linkers leave it 0 in the file where a relocation says it. */
static uint64_t word_at(struct gopclntab *g, uint64_t vaddr)
{
	struct cursor c = cursor_at(gopclntab_bytes_at(g->elf, vaddr), 0);
	uint64_t value = cursor_u64(&c);

	return value || c.bad ? value : relocation_at(g, vaddr);
}

/* Reads the header at @vaddr into @ret, of which only the file and the steps left are set. */
static int read_header(struct gopclntab *ret, uint64_t vaddr)
{
	struct gopclntab g = *ret;
	struct slice table = gopclntab_bytes_at(g.elf, vaddr);
	struct cursor c = cursor_at(table, 0);
	uint32_t magic = cursor_u32(&c);
	size_t known = 0;

	while (known < ARRAY_SIZE(versions) && versions[known].magic != magic)
		known++;
	if (cursor_u16(&c))
		return -ENOENT;
	g.vaddr = vaddr;
	g.quantum = cursor_u8(&c);
	g.pointer_bytes = cursor_u8(&c);
	if (c.bad || (g.quantum != 1 && g.quantum != 2 && g.quantum != 4) || g.pointer_bytes != 8)
		return -ENOENT;
	if (known == ARRAY_SIZE(versions))
		return magic >= MAGIC_LOWEST ? -ENOTSUP : -ENOENT;
	g.version = versions[known].version;

	uint64_t function_count = cursor_u64(&c);

	cursor_skip(&c, 8); /* files */
	if (g.version != GOPCLNTAB_1_16)
		g.text = cursor_u64(&c);

	struct slice *const parts[] = {&g.names, &g.units, &g.files, &g.pc_tables, &g.functions};
	uint64_t offset = 0;

	for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
		uint64_t next = cursor_u64(&c);

		if (c.bad || next <= offset || next >= table.length)
			return -EBADMSG;
		if (i)
			parts[i - 1]->length = next - offset;
		*parts[i] = (struct slice){table.bytes + next, table.length - next};
		offset = next;
	}
	if (!function_count || function_count > g.functions.length / 8)
		return -EBADMSG;
	g.function_count = (uint32_t)function_count;
	*ret = g;
	return 0;
}

/* Whether the file says that it is a Go program. */
static bool is_go(const struct elffile *elf)
{
	return elffile_find_section(elf, ".go.buildinfo") ||
	       elffile_find_section(elf, ".note.go.buildid") || !elf->section_count;
}

/* Goes on to the next aligned word of the segments with these flags; @segment and @at say where, both 0 at first. */
static const uint8_t *next_word(struct gopclntab *g, size_t *segment, uint64_t *at,
				const uint32_t flags[2])
{
	for (; *segment < g->elf->program_count; ++*segment, *at = 0) {
		const ElfW(Phdr) *p = &g->elf->programs[*segment];
		struct slice bytes = {0};

		if (p->p_type == PT_LOAD && (p->p_flags & flags[0]) == flags[1])
			bytes = gopclntab_bytes_at(g->elf, p->p_vaddr);
		if (!*at)
			*at = p->p_vaddr + -p->p_vaddr % 8;

		uint64_t offset = *at - p->p_vaddr;

		if (offset + 8 > bytes.length)
			continue;
		if (!g->search_left)
			return NULL;
		g->search_left--;
		*at += 8;
		return bytes.bytes + offset;
	}
	return NULL;
}

/* Searches the constants for a header. */
static int search_header(struct gopclntab *g)
{
	static const uint32_t constants[2] = {PF_X, 0};
	int result = -ENOENT;
	size_t segment = 0;
	uint64_t at = 0;
	const uint8_t *word;

	while ((word = next_word(g, &segment, &at, constants))) {
		/* All magic numbers are 0xffffff.., and zeros follow. */
		if (word[3] != 0xff || word[2] != 0xff || word[1] != 0xff || word[4] || word[5] ||
		    word[7] != 8)
			continue;

		int err = read_header(g, at - 8);

		if (!err)
			return 0;
		if (err == -ENOTSUP)
			result = err;
	}
	return result;
}

/* Whether struct moduledata may lie at @vaddr. */
static bool is_module(struct gopclntab *g, uint64_t vaddr)
{
	const uint8_t *table = gopclntab_bytes_at(g->elf, g->vaddr).bytes;

	return word_at(g, vaddr) == g->vaddr &&
	       word_at(g, vaddr + 8 * MODULE_NAMES_WORD) ==
		       g->vaddr + (uint64_t)(g->names.bytes - table);
}

/* struct moduledata in the data of a file that is loaded where it was linked for; 0 = not found. */
static uint64_t search_module(struct gopclntab *g)
{
	static const uint32_t data[2] = {PF_W, PF_W};
	size_t segment = 0;
	uint64_t at = 0;
	const uint8_t *word;

	while ((word = next_word(g, &segment, &at, data)))
		if (!memcmp(word, &g->vaddr, 8) && is_module(g, at - 8))
			return at - 8;
	return 0;
}

/* The same where a relocation says what its first word is. */
static uint64_t search_relocated_module(struct gopclntab *g)
{
	size_t section = 0;
	uint64_t at = 0;
	ElfW(Rela) r;

	while (next_relocation(g, &section, &at, &r))
		if ((uint64_t)r.r_addend == g->vaddr && is_module(g, r.r_offset))
			return r.r_offset;
	return 0;
}

/* Whether offsets of inline trees count from @base. */
static bool is_gofunc(const struct gopclntab *g, uint64_t base)
{
	uint64_t offset;
	uint32_t good = 0;

	for (uint32_t i = 0; i < g->function_count && good < TREES_TRIED; i++) {
		if (!gopclntab_inline_tree(g, i, &offset))
			continue;
		if (!gopclntab_is_inline_tree(g, base + offset))
			return false;
		good++;
	}
	return good > 0;
}

static void find_module(struct gopclntab *g)
{
	uint64_t module = search_module(g);

	if (!module)
		module = search_relocated_module(g);
	if (!module)
		return;
	g->text = word_at(g, module + 8 * MODULE_TEXT_WORD);
	for (uint64_t i = MODULE_GOFUNC_FIRST; i < MODULE_GOFUNC_END && !g->gofunc; i++) {
		uint64_t base = word_at(g, module + 8 * i);

		if (base && is_gofunc(g, base))
			g->gofunc = base;
	}
}

int gopclntab_open(const struct elffile *elf, struct gopclntab *ret)
{
	const ElfW(Shdr) *section = elffile_find_section(elf, ".gopclntab");
	struct gopclntab g = {.elf = elf, .search_left = GOPCLNTAB_SEARCH_MAX};
	int err = -ENOENT;

	if (!section)
		section = elffile_find_section(elf, ".data.rel.ro.gopclntab");
	if (section)
		err = read_header(&g, section->sh_addr);
	else if (is_go(elf))
		err = search_header(&g);
	if (err)
		return err;
	if (g.version != GOPCLNTAB_1_16) {
		uint64_t text = g.text;

		find_module(&g);
		if (!g.text)
			g.text = text ? text : relocation_at(&g, g.vaddr + HEADER_TEXT_OFFSET);
		if (!g.text)
			return -EBADMSG;
	}
	*ret = g;
	return 0;
}
