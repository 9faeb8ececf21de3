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
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <xxhash.h>

#include "base/cleanup.h"
#include "symbolizer/cursor.h"
#include "symbolizer/symfile_format.h"

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "symbol files are read in place and little endian"
#endif

struct symfile {
	atomic_uint references;
	const uint8_t *bytes; /* the mapping */
	size_t length;
	uint64_t base;
	uint32_t scope_count, row_count;
	const struct symfile_disk_symbol *symbols;
	const struct symfile_disk_function *functions;
	const uint32_t *files;
	const uint32_t *scope_index;
	const struct symfile_disk_block *blocks;
	size_t symbol_count, function_count, file_count, scope_index_count, block_count;
	struct slice scopes, rows, strings, note;
};

/* A decoded row; see the head. `scope` is an index or SYMFILE_NONE. */
struct row {
	uint32_t scope;
	uint32_t file;
	uint32_t line;
	uint32_t column;
};

/* A decoded scope; see the head. */
struct scope {
	uint32_t parent; /* SYMFILE_NONE for a function of its own */
	uint32_t function;
	uint32_t file, line, column; /* of the call */
	uint32_t start;
};

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

static const struct symfile_disk_function *function_at(const struct symfile *f, uint32_t id)
{
	static const struct symfile_disk_function unknown;

	return id < f->function_count ? &f->functions[id] : &unknown;
}

static const char *text_at(const struct symfile *f, uint32_t offset)
{
	return offset ? (const char *)f->strings.bytes + offset : NULL;
}

static const char *file_at(const struct symfile *f, uint32_t id)
{
	return id < f->file_count ? text_at(f, f->files[id]) : NULL;
}

/* Reads one scope. `id` is its own index; the file and line are those of the call, not yet made absolute. */
static bool read_scope(struct cursor *c, uint32_t id, struct scope *ret, bool *ret_file_given)
{
	uint64_t head = cursor_uleb(c);
	uint64_t distance = head >> SCOPE_FLAG_BITS;
	struct scope scope = {.parent = SYMFILE_NONE, .function = (uint32_t)cursor_uleb(c)};

	*ret_file_given = head & SCOPE_FILE_GIVEN;
	if (distance > id)
		return false;
	if (!distance) {
		scope.start = (uint32_t)cursor_uleb(c);
	} else {
		scope.parent = (uint32_t)(id - distance);
		if (*ret_file_given)
			scope.file = (uint32_t)cursor_uleb(c);
		scope.line = (uint32_t)cursor_sleb(c);
		scope.column = (uint32_t)cursor_uleb(c);
	}
	*ret = scope;
	return !c->bad;
}

/* Finds scope @id by the index and the few scopes before it. */
static bool find_scope(const struct symfile *f, uint32_t id, struct scope *ret,
		       bool *ret_file_given)
{
	if (id >= f->scope_count)
		return false;

	uint32_t first = id / SYMFILE_SCOPE_STRIDE;
	struct cursor c = cursor_at(f->scopes, f->scope_index[first]);

	for (uint32_t at = first * SYMFILE_SCOPE_STRIDE; at <= id; at++)
		if (!read_scope(&c, at, ret, ret_file_given))
			return false;
	return true;
}

/* The function of a scope, whose file and line rows are relative to. */
static const struct symfile_disk_function *scope_function(const struct symfile *f, uint32_t id)
{
	struct scope scope;
	bool file_given;

	if (!find_scope(f, id, &scope, &file_given))
		return function_at(f, SYMFILE_NONE);
	return function_at(f, scope.function);
}

/* The state while the rows of a block are read: of the row itself only what the answer needs is looked up. */
struct row_reader {
	uint32_t address;
	uint32_t scope; /* + 1; 0 = none */
	int64_t line;	/* relative while `relative` */
	bool relative;	/* line counts from the line of the scope's function */
	bool file_given;
	uint32_t file;
	uint32_t column;
};

static bool read_row(struct cursor *c, struct row_reader *r)
{
	uint64_t head = cursor_uleb(c);

	r->address += (uint32_t)(head >> ROW_FLAG_BITS);
	if (head & ROW_SCOPE_CHANGED) {
		r->scope += (uint32_t)cursor_sleb(c);
		r->relative = true;
		r->line = 0;
	}
	r->file_given = head & ROW_FILE_GIVEN;
	if (r->file_given)
		r->file = (uint32_t)cursor_uleb(c);
	if (__builtin_add_overflow(r->line, cursor_sleb(c), &r->line))
		return false;
	if (!(head & ROW_COLUMN_SAME))
		r->column = (uint32_t)cursor_uleb(c);
	return !c->bad;
}

/* The last block that starts at or below @address; NULL if there is none. */
static const struct symfile_disk_block *find_block(const struct symfile *f, uint32_t address)
{
	size_t low = 0, high = f->block_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (f->blocks[middle].start <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return low ? &f->blocks[low - 1] : NULL;
}

static bool find_row(const struct symfile *f, uint32_t address, struct row *ret)
{
	const struct symfile_disk_block *block = find_block(f, address);

	if (!block)
		return false;

	bool is_last = block == &f->blocks[f->block_count - 1];
	size_t end = is_last ? f->rows.length : block[1].rows;
	struct cursor c = cursor_at((struct slice){f->rows.bytes, end}, block->rows);
	struct row_reader next = {.address = block->start}, best = next;
	bool found = false;

	while (!c.bad && cursor_left(&c)) {
		if (!read_row(&c, &next) || next.address > address)
			break;
		best = next;
		found = true;
	}
	if (!found)
		return false;

	const struct symfile_disk_function *function =
		best.scope ? scope_function(f, best.scope - 1) : function_at(f, SYMFILE_NONE);

	*ret = (struct row){
		.scope = best.scope - 1, /* none: SYMFILE_NONE */
		.file = best.file_given ? best.file : function->file,
		.line = (uint32_t)(best.line + (best.relative ? function->start_line : 0)),
		.column = best.column,
	};
	return true;
}

/* The symbol that covers @address; NULL if there is none. */
static const struct symfile_disk_symbol *find_symbol(const struct symfile *f, uint32_t address)
{
	size_t low = 0, high = f->symbol_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (f->symbols[middle].start <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return low && f->symbols[low - 1].function != SYMFILE_NONE ? &f->symbols[low - 1] : NULL;
}

static void name_frame(const struct symfile *f, uint32_t function_id, struct symfile_frame *frame)
{
	const struct symfile_disk_function *function = function_at(f, function_id);

	frame->function = text_at(f, function->name);
	frame->system_name = text_at(f, function->system_name);
	frame->start_line = function->start_line;
}

/* Fills @frame with a place in the source; a line of 0 is no place. */
static void place_frame(const struct symfile *f, uint32_t file, uint32_t line, uint32_t column,
			struct symfile_frame *frame)
{
	if (!line)
		return;
	frame->file = file_at(f, file);
	frame->line = line;
	frame->column = column;
}

/* Goes up from @row's scope; returns the frames written, of which the last is the physical function. */
static size_t climb(const struct symfile *f, struct row row, struct symfile_frame *chain,
		    size_t chain_size)
{
	size_t count = 0;
	uint32_t id = row.scope;

	while (count < chain_size) {
		struct symfile_frame *frame = &chain[count++];
		struct scope scope;
		bool file_given;

		*frame = (struct symfile_frame){0};
		place_frame(f, row.file, row.line, row.column, frame);
		if (!find_scope(f, id, &scope, &file_given))
			break;
		name_frame(f, scope.function, frame);
		if (scope.parent == SYMFILE_NONE) {
			frame->start = f->base + scope.start;
			break;
		}

		const struct symfile_disk_function *caller = scope_function(f, scope.parent);

		frame->inlined = true;
		row = (struct row){
			.file = file_given ? scope.file : caller->file,
			.line = scope.line + caller->start_line,
			.column = scope.column,
		};
		id = scope.parent;
	}
	return count;
}

size_t symfile_lookup(const struct symfile *f, uint64_t addr, struct symfile_frame *chain,
		      size_t chain_size)
{
	if (addr < f->base || addr - f->base > UINT32_MAX || !chain_size)
		return 0;

	uint32_t address = (uint32_t)(addr - f->base);
	const struct symfile_disk_symbol *symbol = find_symbol(f, address);
	struct row row;
	size_t count = find_row(f, address, &row) && (row.scope != SYMFILE_NONE || row.line)
			       ? climb(f, row, chain, chain_size)
			       : 0;

	if (!symbol)
		return count;
	if (!count) {
		chain[0] = (struct symfile_frame){0};
		count = 1;
	}

	struct symfile_frame *outermost = &chain[count - 1];
	uint32_t start_line = outermost->start_line;

	if (outermost->inlined)
		return count; /* the chain was cut before its outer end */
	name_frame(f, symbol->function, outermost);
	outermost->start_line = start_line;
	outermost->start = f->base + symbol->origin;
	return count;
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

bool symfile_range_at(const struct symfile *f, size_t index, struct symfile_range *ret)
{
	if (index >= f->symbol_count)
		return false;

	const struct symfile_disk_symbol *s = &f->symbols[index];

	*ret = (struct symfile_range){
		.start = f->base + s->start,
		.end = f->base + (index + 1 < f->symbol_count ? s[1].start : s->start),
		.function = s->function == SYMFILE_NONE
				    ? NULL
				    : text_at(f, function_at(f, s->function)->name),
	};
	return true;
}

uint32_t symfile_row_count(const struct symfile *f)
{
	return f->row_count;
}

bool symfile_is_empty(const struct symfile *f)
{
	return !f->symbol_count && !f->block_count;
}
