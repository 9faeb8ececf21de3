/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Compares unwind tables with libdw's dwarf_cfi_addrframe(), for the files named on standard input, one a line:
 * at the first and the last address of each of our rows, at those of each of libdw's rows, and at random addresses
 * of the code. Prints a line of tab-separated key=value for each file, and a line for the first differences.
 */
#include <errno.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "symbolizer/unwind_elf.h"
#include "symbolizer/unwind_rule.h"
#include "symbolizer/unwind_table.h"
#include "unit/unwind_oracle.h"

#define RANDOM_PCS	1000
#define DIFFERENCES_MAX 5 /* printed of a file */

struct comparison {
	const char *path;
	struct oracle oracle;
	struct unwind_elf elf;
	struct unwind_file *file;
	uint64_t compared, different, trampolines;
	uint64_t bases; /* of compared rules, those whose rbx was looked at too */
	uint64_t walk_rows, walk_ns;
};

/* Signal return trampolines are found by their code where a file does not describe them. */
static bool is_trampoline(const struct comparison *c, uint64_t pc)
{
	const struct unwind_segment *s = unwind_elf_segment(&c->elf, pc);
	uint64_t into = s ? pc - s->vaddr : 0;
	uint64_t from = into > 16 ? into - 16 : 0;

	if (!s || !s->bytes || from >= s->file_bytes)
		return false;

	size_t length = s->file_bytes - from < 64 ? s->file_bytes - from : 64;

	return memmem(s->bytes + from, length, UNWIND_SIGRETURN_X86, UNWIND_SIGRETURN_X86_BYTES);
}

static void compare_text(struct comparison *c, uint64_t pc, const char *theirs)
{
	static const struct unwind_rule none;
	const struct unwind_rule *rule = unwind_file_find(c->file, pc);
	char ours[UNWIND_RULE_TEXT_BYTES];

	unwind_rule_format_x86(rule ? rule : &none, ours);
	c->compared++;
	if (!strcmp(ours, theirs))
		return;
	if (!strcmp(ours, "signal - -") && is_trampoline(c, pc)) {
		c->trampolines++;
		return;
	}
	if (c->different++ < DIFFERENCES_MAX)
		printf("%s: 0x%lx: '%s', libdw says '%s'\n", c->path, pc, ours, theirs);
}

static void compare_at(struct comparison *c, uint64_t pc)
{
	char theirs[160];

	compare_text(c, pc, oracle_rule(&c->oracle, pc, theirs));
}

/* Where a rule says rbx is, as oracle_base() says it; NULL if it says nothing. */
static const char *base_text(const struct unwind_rule *rule, char *text)
{
	uint32_t kind = UNWIND_KIND(rule->cfa), base = UNWIND_RULE_BASE(rule->flags);

	if (kind != UNWIND_CFA_REG && kind != UNWIND_CFA_DEREF)
		return NULL;
	if (base == UNWIND_RULE_BASE_LOST)
		return strcpy(text, "lost");
	sprintf(text, base ? "c-%u" : "u", 8 * base);
	return text;
}

/* Whether libdw's word for a place is one that the field of a rule cannot hold. */
static bool is_beyond_field(const char *theirs)
{
	long offset;
	char end;

	if (!strcmp(theirs, "u"))
		return false;
	if (sscanf(theirs, "c%ld%c", &offset, &end) != 1)
		return true;
	return offset >= 0 || offset % 8 || -offset / 8 > (long)UNWIND_RULE_BASE_MAX;
}

static void compare_base(struct comparison *c, uint64_t pc)
{
	const struct unwind_rule *rule = unwind_file_find(c->file, pc);
	char text[32], theirs[160];
	const char *ours = rule ? base_text(rule, text) : NULL;

	if (!ours)
		return;
	oracle_base(&c->oracle, pc, theirs);
	c->bases++;
	/* libdw calls undefined what nothing is said about; the ABI has rbx unchanged then. */
	if (!strcmp(ours, "u") && !strcmp(theirs, "undefined"))
		return;
	if (!strcmp(ours, theirs) || (!strcmp(ours, "lost") && is_beyond_field(theirs)))
		return;
	if (c->different++ < DIFFERENCES_MAX)
		printf("%s: 0x%lx: rbx '%s', libdw says '%s'\n", c->path, pc, ours, theirs);
}

static void compare_our_rows(struct comparison *c)
{
	uint32_t count = unwind_file_header(c->file)->row_count;
	uint64_t start = 0, next = 0;

	for (uint32_t i = 0; i < count; i++, start = next) {
		if (!i)
			unwind_file_row(c->file, 0, &start);
		compare_at(c, start);
		compare_base(c, start);
		if (i + 1 == count)
			break;
		unwind_file_row(c->file, i + 1, &next);
		if (next > start + 1)
			compare_at(c, next - 1);
	}
}

/* The row of libdw that holds @pc; false if it has none. */
static bool libdw_row(const struct oracle *o, uint64_t pc, Dwarf_Addr *ret_start,
		      Dwarf_Addr *ret_end)
{
	Dwarf_Frame *frame = NULL;
	bool signal;

	if ((!o->eh || dwarf_cfi_addrframe(o->eh, pc, &frame)) &&
	    (!o->debug || dwarf_cfi_addrframe(o->debug, pc, &frame)))
		return false;
	(void)dwarf_frame_info(frame, ret_start, ret_end,
			       &signal); /* the register number does not matter */
	free(frame);
	return true;
}

/* Start of our first row behind @pc; UINT64_MAX = none. @at: where the search goes on, ascending. */
static uint64_t next_start(const struct comparison *c, uint64_t pc, uint32_t *at)
{
	uint64_t start;

	for (; *at < unwind_file_header(c->file)->row_count; ++*at) {
		unwind_file_row(c->file, *at, &start);
		if (start > pc)
			return start;
	}
	return UINT64_MAX;
}

/* Go through libdw's rows one behind the other; @compare: look into them, else only take the time. */
static void walk(struct comparison *c, bool compare)
{
	uint64_t before = clock_now_ns(), pc;
	uint32_t at = 0;

	unwind_file_row(c->file, 0, &pc);
	while (pc != UINT64_MAX) {
		Dwarf_Addr start, end;

		if (!libdw_row(&c->oracle, pc, &start, &end) || end <= pc) {
			pc = next_start(c, pc, &at);
			continue;
		}
		if (compare && unwind_elf_segment(&c->elf, pc)) {
			compare_at(c, pc);
			if (end > pc + 1 && unwind_elf_segment(&c->elf, end - 1))
				compare_at(c, end - 1);
		}
		c->walk_rows += !compare;
		pc = end;
	}
	if (!compare)
		c->walk_ns = clock_now_ns() - before;
}

static uint64_t next_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static void compare_random(struct comparison *c)
{
	uint64_t state = 0x9e3779b97f4a7c15u;

	for (int i = 0; i < RANDOM_PCS && c->elf.segment_count; i++) {
		const struct unwind_segment *s =
			&c->elf.segments[next_random(&state) % c->elf.segment_count];

		compare_at(c, s->vaddr + next_random(&state) % (s->end - s->vaddr));
	}
}

/* Whether libdw finds a function described in .eh_frame or .debug_frame. */
static bool libdw_has_functions(const struct oracle *o)
{
	GElf_Ehdr head;
	size_t names;
	Elf_Scn *scn = NULL;

	if (!o->elf || !gelf_getehdr(o->elf, &head) || elf_getshdrstrndx(o->elf, &names))
		return o->eh || o->debug;
	while ((scn = elf_nextscn(o->elf, scn))) {
		GElf_Shdr section;
		const char *name = gelf_getshdr(scn, &section)
					   ? elf_strptr(o->elf, names, section.sh_name)
					   : NULL;
		bool is_eh = name && !strcmp(name, ".eh_frame");

		if (!is_eh && (!name || strcmp(name, ".debug_frame")))
			continue;

		Elf_Data *data = elf_getdata(scn, NULL);
		Dwarf_Off at = 0, next;
		Dwarf_CFI_Entry entry;

		for (int end; data && (end = dwarf_next_cfi(head.e_ident, data, is_eh, at, &next,
							    &entry)) <= 0;
		     at = next)
			if (!end && !dwarf_cfi_cie_p(&entry))
				return true;
	}
	return false;
}

static const char *why(const struct comparison *c, int error)
{
	GElf_Ehdr head;

	switch (error) {
	case 0:
		return "-";
	case -ENODATA:
		if (c->oracle.elf && gelf_getehdr(c->oracle.elf, &head) && head.e_type == ET_REL)
			return "relocatable objects";
		return "without call frame information";
	case -ENOEXEC:
		return "no 64-bit ELF file";
	case -ENOTSUP:
		return "of another machine";
	default:
		return strerror(-error);
	}
}

static void report(const struct comparison *c, int error, uint64_t build_ns)
{
	static const struct unwind_file_header nothing;
	const struct unwind_file_header *h = c->file ? unwind_file_header(c->file) : &nothing;
	size_t size = 0;

	if (c->file)
		(void)unwind_file_bytes(c->file, &size);
	printf("file\tpath=%s\terror=%d\twhy=%s\tlibdw=%d\trows=%u\trules=%u\tpages=%u\tfdes=%u\tdamaged=%u\t"
	       "expressions=%u\tbytes=%zu\thead_bytes=%zu\tcompared=%lu\tbases=%lu\tdifferent=%lu\tclass_trampoline=%lu\t"
	       "build_ns=%lu\twalk_ns=%lu\twalk_rows=%lu\n",
	       c->path, error, why(c, error), libdw_has_functions(&c->oracle), h->row_count,
	       h->rule_count, h->page_count, h->fde_count, h->damaged_count, h->expression_count,
	       size, sizeof(*h), c->compared, c->bases, c->different, c->trampolines, build_ns,
	       c->walk_ns, c->walk_rows);
	(void)fflush(stdout); /* a reader that is gone is noticed by the next line */
}

static void compare_file(const char *path)
{
	struct comparison c = {.path = path};
	bool has_cfi = oracle_open(&c.oracle, path);
	int error = c.oracle.fd < 0 ? -errno : unwind_table_build(c.oracle.fd, -1, &c.file);
	uint64_t before, build_ns = 0;

	/* Again, now that the file is in memory, as it is for libdw. */
	if (!error) {
		unwind_file_unref(take_ptr(c.file));
		before = clock_now_ns();
		error = unwind_table_build(c.oracle.fd, -1, &c.file);
		build_ns = clock_now_ns() - before;
	}
	if (!error && has_cfi && !unwind_elf_open(c.oracle.fd, -1, &c.elf)) {
		compare_our_rows(&c);
		walk(&c, true);
		walk(&c, false);
		compare_random(&c);
		unwind_elf_release(&c.elf);
	}
	report(&c, error, build_ns);
	unwind_file_unref(c.file);
	oracle_close(&c.oracle);
}

int main(void)
{
	char path[4096];

	while (fgets(path, sizeof(path), stdin)) {
		path[strcspn(path, "\n")] = '\0';
		compare_file(path);
	}
	return 0;
}
