/* SPDX-License-Identifier: Apache-2.0 */
#include "symbolizer/elfplt.h"

#include <errno.h>
#include <stdlib.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "symbolizer/demangle.h"

#define ENTRY_BYTES 16u

/* A slot of the global offset table and whose address the dynamic linker puts there. */
struct slot {
	uint64_t vaddr;
	uint32_t symbol; /* index in .dynsym */
};

struct plt {
	struct elfsyms *symbols;
	struct elffile *file;
	struct slice dynsym, names;
	struct slot *slots; /* sorted by vaddr */
	size_t slot_count, slot_capacity;
	struct slice jumps; /* .rela.plt: what entries push the number of */
};

static bool read_symbols(struct plt *p)
{
	for (size_t i = 0; i < p->file->section_count; i++) {
		const ElfW(Shdr) *s = &p->file->sections[i];

		if (s->sh_type != SHT_DYNSYM)
			continue;
		return s->sh_link < p->file->section_count &&
		       !elffile_section_data(p->file, s, &p->dynsym) &&
		       !elffile_section_data(p->file, &p->file->sections[s->sh_link], &p->names);
	}
	return false;
}

static bool read_relocation(struct slice table, uint64_t index, ElfW(Rela) * ret)
{
	if (index >= table.length / sizeof(*ret))
		return false;
	memcpy(ret, table.bytes + index * sizeof(*ret), sizeof(*ret));
	return true;
}

static int read_slots(struct plt *p)
{
	static const char *const tables[] = {".rela.plt", ".rela.dyn"};

	for (size_t i = 0; i < ARRAY_SIZE(tables); i++) {
		struct slice table;
		ElfW(Rela) r;

		if (elffile_section_data(p->file, elffile_find_section(p->file, tables[i]), &table))
			continue;
		if (!i)
			p->jumps = table;
		for (uint64_t j = 0;
		     p->slot_count < ELFPLT_SLOTS_MAX && read_relocation(table, j, &r); j++) {
			uint32_t type = ELF64_R_TYPE(r.r_info);

			if (type != R_X86_64_JUMP_SLOT && type != R_X86_64_GLOB_DAT)
				continue;
			if (array_reserve((void **)&p->slots, &p->slot_capacity, p->slot_count + 1,
					  sizeof(*p->slots)))
				return -ENOMEM;
			p->slots[p->slot_count++] =
				(struct slot){r.r_offset, (uint32_t)ELF64_R_SYM(r.r_info)};
		}
	}
	return 0;
}

static int compare_slots(const void *left, const void *right)
{
	const struct slot *a = left, *b = right;

	return a->vaddr < b->vaddr ? -1 : a->vaddr > b->vaddr;
}

/* The symbol whose address stands at @vaddr; 0 = none. */
static uint32_t find_slot(const struct plt *p, uint64_t vaddr)
{
	struct slot key = {.vaddr = vaddr};
	const struct slot *found =
		p->slot_count ? bsearch(&key, p->slots, p->slot_count, sizeof(key), compare_slots)
			      : NULL;

	return found ? found->symbol : 0;
}

/* The symbol that the entry at @code leads to; 0 = none. */
static uint32_t read_entry(const struct plt *p, const uint8_t *code, size_t bytes, uint64_t vaddr)
{
	size_t at = bytes >= 4 && !memcmp(code, "\xf3\x0f\x1e\xfa", 4) ? 4 : 0; /* endbr64 */
	ElfW(Rela) r;
	uint32_t operand;

	if (at < bytes && code[at] == 0x68 && at + 5 <= bytes) { /* push $number */
		memcpy(&operand, code + at + 1, sizeof(operand));
		return read_relocation(p->jumps, operand, &r) ? (uint32_t)ELF64_R_SYM(r.r_info) : 0;
	}
	if (at < bytes && code[at] == 0xf2) /* bnd */
		at++;
	if (at + 6 > bytes || code[at] != 0xff || code[at + 1] != 0x25) /* jmp *offset(%rip) */
		return 0;
	memcpy(&operand, code + at + 2, sizeof(operand));
	return find_slot(p, vaddr + at + 6 + (uint64_t)(int64_t)(int32_t)operand);
}

static int add_entry(const struct plt *p, uint32_t symbol_index, uint64_t vaddr, size_t bytes)
{
	struct symtable *t = p->symbols->table;
	auto_buffer name = BUFFER_INIT;
	ElfW(Sym) symbol;
	uint32_t start, end, id, function;

	if (symbol_index >= p->dynsym.length / sizeof(symbol) ||
	    !textmap_range(p->symbols->text, vaddr, vaddr + bytes, &start, &end))
		return 0;
	memcpy(&symbol, p->dynsym.bytes + symbol_index * sizeof(symbol), sizeof(symbol));

	const char *raw = slice_string(p->names, symbol.st_name);

	if (!raw || !*raw)
		return 0;
	demangle(raw, &name);
	buffer_puts(&name, "@plt");

	const char *text = buffer_terminate(&name);
	int err = text ? strpool_add(&t->names, text, &id) : -ENOMEM;

	if (!err)
		err = symtable_function(t, id, 0, &function);
	return err ? err : elfsyms_add_dwarf(p->symbols, start, end, function);
}

static int add_table(const struct plt *p, const ElfW(Shdr) * section, size_t entry_bytes)
{
	struct slice code;
	int err = elffile_section_data(p->file, section, &code);

	if (err)
		return err == -ENOMEM ? err : 0;
	for (size_t at = 0;
	     !err && at + entry_bytes <= code.length && at / entry_bytes < ELFPLT_SLOTS_MAX;
	     at += entry_bytes) {
		uint64_t vaddr = section->sh_addr + at;
		uint32_t symbol = read_entry(p, code.bytes + at, entry_bytes, vaddr);

		if (symbol)
			err = add_entry(p, symbol, vaddr, entry_bytes);
	}
	return err;
}

int elfplt_add(struct elfsyms *e, struct elffile *f)
{
	static const char *const names[] = {".plt", ".plt.sec", ".plt.got"};
	struct plt p = {.symbols = e, .file = f};

	if (f->header.e_machine != EM_X86_64 || !read_symbols(&p))
		return 0;

	int err = read_slots(&p);

	if (p.slot_count)
		qsort(p.slots, p.slot_count, sizeof(*p.slots), compare_slots);
	for (size_t i = 0; !err && i < ARRAY_SIZE(names); i++) {
		const ElfW(Shdr) *section = elffile_find_section(f, names[i]);
		/* Without endbr64 an entry of .plt.got is half as long; both say so themselves. */
		size_t bytes = section && section->sh_entsize == 8 ? 8 : ENTRY_BYTES;

		if (section && section->sh_type == SHT_PROGBITS)
			err = add_table(&p, section, bytes);
	}
	free(p.slots);
	return err;
}
