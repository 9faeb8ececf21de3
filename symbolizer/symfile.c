/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The symbol file. All numbers are little endian; addresses are u32 offsets from `base`, the lowest address of the
 * binary's code.
 *
 *	header		struct symfile_disk_header: magic, version, sizes of the sections, checksum
 *	symbols		sorted: start, function, origin           what the ELF symbol tables say
 *	functions	name, system name, line, file
 *	files		string of each path; file 0 is unknown
 *	scope index	offset of every 16th scope
 *	blocks		sorted: start, offset in rows              every 64th row
 *	scopes		variable length, see below                 what DWARF says: who is inlined where
 *	rows		variable length, see below                 what DWARF says: scope, file, line, column
 *	strings		each once, NUL-terminated
 *	note		struct symbuild_report of its making
 *
 * A row holds from its address to the next row's. It is a ULEB128 with the address difference to the row before
 * (0 for the first of a block) and three flags, then
 *
 *	if ROW_SCOPE_CHANGED	SLEB128 difference of scope + 1 to the row before (block start: 0); 0 = no scope
 *	if ROW_FILE_GIVEN	ULEB128 file; else the file of the scope's function
 *	always			SLEB128 line minus the line of the row before, or, where the scope changed, minus the
 *				line of the scope's function
 *	unless ROW_COLUMN_SAME	ULEB128 column (block start: 0)
 *
 * A scope is a ULEB128 with the distance to its parent among the scopes and a flag, and the ULEB128 function, then
 *
 *	function of its own	ULEB128 address where it starts                        (distance 0)
 *	inlined			if SCOPE_FILE_GIVEN: ULEB128 file of the call; else the file of the parent's function;
 *				SLEB128 line of the call minus the line of the parent's function; ULEB128 column
 *
 * so that most numbers take one byte. A parent always comes before its children: a chain ends.
 *
 * A look-up searches the blocks, decodes at most 64 rows, and goes up the chain; then it searches the symbols for the
 * name of the outermost function, because the linker's name is the better one (foo.cold, foo.part.0).
 *
 * On open the header, the checksum and the fixed-size sections are checked. The two sections of variable length are
 * read with bounds wherever they are read: damage that a checksum does not show, made by a writer who means harm,
 * gives wrong names, never a wild access.
 */
#define XXH_INLINE_ALL
#include "symbolizer/symfile.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <xxhash.h>

#include "base/cleanup.h"
#include "symbolizer/symfile_map.h"

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "symbol files are read in place and little endian"
#endif

DEFINE_CLEANUP(symfile_unref, struct symfile *)

/* Takes the sections apart; -EBADMSG if their sizes do not add up to the file. */
static int find_sections(struct symfile *f, const struct symfile_disk_header *header)
{
	struct slice sections[SYMFILE_SECTION_COUNT];
	uint64_t at = sizeof(*header);

	for (size_t i = 0; i < SYMFILE_SECTION_COUNT; i++) {
		sections[i] = (struct slice){f->bytes + at, header->section_bytes[i]};
		at += (header->section_bytes[i] + 7ull) & ~7ull;
		if (at > f->length)
			return -EBADMSG;
	}
	if (at != f->length)
		return -EBADMSG;

	f->symbols = (const void *)sections[SYMFILE_SYMBOLS].bytes;
	f->symbol_count = sections[SYMFILE_SYMBOLS].length / sizeof(*f->symbols);
	f->functions = (const void *)sections[SYMFILE_FUNCTIONS].bytes;
	f->function_count = sections[SYMFILE_FUNCTIONS].length / sizeof(*f->functions);
	f->files = (const void *)sections[SYMFILE_FILES].bytes;
	f->file_count = sections[SYMFILE_FILES].length / sizeof(*f->files);
	f->scope_index = (const void *)sections[SYMFILE_SCOPE_INDEX].bytes;
	f->scope_index_count = sections[SYMFILE_SCOPE_INDEX].length / sizeof(*f->scope_index);
	f->blocks = (const void *)sections[SYMFILE_BLOCKS].bytes;
	f->block_count = sections[SYMFILE_BLOCKS].length / sizeof(*f->blocks);
	f->scopes = sections[SYMFILE_SCOPES];
	f->rows = sections[SYMFILE_ROWS];
	f->strings = sections[SYMFILE_STRINGS];
	f->note = sections[SYMFILE_NOTE];
	f->scope_count = header->scope_count;
	f->row_count = header->row_count;
	f->base = header->base;
	return 0;
}

/* Everything of fixed size: sorted, and pointing inside. */
static int validate(const struct symfile *f)
{
	if (!f->strings.length || f->strings.bytes[f->strings.length - 1])
		return -EBADMSG;
	if (f->scope_count > (uint64_t)f->scope_index_count * SYMFILE_SCOPE_STRIDE)
		return -EBADMSG;

	for (size_t i = 0; i < f->symbol_count; i++) {
		const struct symfile_disk_symbol *s = &f->symbols[i];

		if ((i && s->start <= s[-1].start) || s->origin > s->start ||
		    (s->function != SYMFILE_NONE && s->function >= f->function_count))
			return -EBADMSG;
	}
	for (size_t i = 0; i < f->function_count; i++) {
		const struct symfile_disk_function *function = &f->functions[i];

		if (function->name >= f->strings.length ||
		    function->system_name >= f->strings.length ||
		    (function->file && function->file >= f->file_count))
			return -EBADMSG;
	}
	for (size_t i = 0; i < f->file_count; i++)
		if (f->files[i] >= f->strings.length)
			return -EBADMSG;
	for (size_t i = 0; i < f->scope_index_count; i++)
		if (f->scope_index[i] > f->scopes.length)
			return -EBADMSG;
	for (size_t i = 0; i < f->block_count; i++)
		if ((i && f->blocks[i].start <= f->blocks[i - 1].start) ||
		    f->blocks[i].rows > f->rows.length)
			return -EBADMSG;
	return 0;
}

static int check_header(const struct symfile *f, const struct symfile_disk_header *header)
{
	size_t checked_from = offsetof(struct symfile_disk_header, base);

	if (memcmp(header->magic, SYMFILE_MAGIC, sizeof(header->magic)) ||
	    header->version != SYMFILE_VERSION || header->header_bytes != sizeof(*header) ||
	    header->file_bytes != f->length)
		return -EBADMSG;
	if (XXH3_64bits(f->bytes + checked_from, f->length - checked_from) != header->checksum)
		return -EBADMSG;
	return 0;
}

int symfile_open(int fd, struct symfile **ret)
{
	struct stat status;

	if (fstat(fd, &status))
		return -EIO;
	if (!S_ISREG(status.st_mode) || status.st_size < (off_t)sizeof(struct symfile_disk_header))
		return -EBADMSG;

	CLEANUP(symfile_unrefp) struct symfile *f = calloc(1, sizeof(*f));

	if (!f)
		return -ENOMEM;
	f->references = 1;

	void *bytes = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, fd, 0);

	if (bytes == MAP_FAILED)
		return errno == ENOMEM ? -ENOMEM : -EIO;
	f->bytes = bytes;
	f->length = (size_t)status.st_size;

	const struct symfile_disk_header *header = bytes;
	int err = check_header(f, header);

	if (!err)
		err = find_sections(f, header);
	if (!err)
		err = validate(f);
	if (err)
		return err;

	/* The checksum touched every page; a look-up needs few of them. */
	(void)madvise(bytes, f->length, MADV_DONTNEED); /* a hint */
	*ret = take_ptr(f);
	return 0;
}

struct symfile *symfile_ref(struct symfile *f)
{
	atomic_fetch_add_explicit(&f->references, 1, memory_order_relaxed);
	return f;
}

void symfile_unref(struct symfile *f)
{
	if (!f || atomic_fetch_sub_explicit(&f->references, 1, memory_order_acq_rel) != 1)
		return;
	if (f->bytes)
		(void)munmap((void *)f->bytes, f->length); /* our own mapping */
	free(f);
}

size_t symfile_bytes(const struct symfile *f)
{
	return f->length;
}

const void *symfile_note(const struct symfile *f, size_t *ret_length)
{
	*ret_length = f->note.length;
	return f->note.bytes;
}

uint32_t symfile_row_count(const struct symfile *f)
{
	return f->row_count;
}

bool symfile_is_empty(const struct symfile *f)
{
	return !f->symbol_count && !f->block_count;
}
