/* SPDX-License-Identifier: Apache-2.0 */
#define XXH_INLINE_ALL
#include "symbolizer/symfile_write.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>
#include <xxhash.h>

#include "base/array.h"
#include "base/buffer.h"
#include "base/cleanup.h"
#include "base/hash.h"
#include "symbolizer/demangle.h"

struct writer {
	const struct symtable *t;
	struct buffer sections[SYMFILE_SECTION_COUNT];
	struct strpool strings; /* each string of the file once */
	uint32_t *offsets;	/* by string id: where it lies; 0 = not yet */
	size_t offset_capacity;
	size_t row_count;	  /* written */
	uint32_t *function_ids;	  /* by index in the table: id in the file */
	uint32_t *function_order; /* by id in the file: index in the table */
	uint32_t function_count;  /* in the file */
};

/* A function and how often the file will name it. */
struct usage {
	uint32_t count;
	uint32_t function;
};

static void put_uleb(struct buffer *b, uint64_t value)
{
	do {
		buffer_putc(b, (char)((value & 0x7f) | (value > 0x7f ? 0x80 : 0)));
		value >>= 7;
	} while (value);
}

static void put_sleb(struct buffer *b, int64_t value)
{
	for (;;) {
		uint8_t byte = value & 0x7f;
		bool last;

		value >>= 7; /* arithmetic */
		last = (value == 0 && !(byte & 0x40)) || (value == -1 && (byte & 0x40));
		buffer_putc(b, (char)(byte | (last ? 0 : 0x80)));
		if (last)
			return;
	}
}

/* Where a string lies in the file; added when it is new. */
static int put_string(struct writer *w, const char *text, uint32_t *ret)
{
	struct buffer *strings = &w->sections[SYMFILE_STRINGS];
	uint32_t id;
	int err = strpool_add(&w->strings, text, &id);

	if (err)
		return err;
	if (!id) {
		*ret = 0;
		return 0;
	}
	if (id >= w->offset_capacity || !w->offsets[id]) {
		size_t before = w->offset_capacity;

		if (array_reserve((void **)&w->offsets, &w->offset_capacity, (size_t)id + 1,
				  sizeof(*w->offsets)))
			return -ENOMEM;
		if (w->offset_capacity > before)
			memset(w->offsets + before, 0,
			       (w->offset_capacity - before) * sizeof(*w->offsets));
		w->offsets[id] = (uint32_t)strings->length;
		buffer_append(strings, text, strlen(text) + 1);
		if (strings->error)
			return strings->error;
	}
	*ret = w->offsets[id];
	return 0;
}

/* Most used first: small numbers are written short. */
static int compare_usage(const void *left, const void *right)
{
	const struct usage *a = left, *b = right;

	if (a->count != b->count)
		return a->count > b->count ? -1 : 1;
	return a->function < b->function ? -1 : a->function > b->function;
}

/* By name: the function to stand for those of which only the name is known (ELF symbols); SYMFILE_NONE = none. */
static int choose_twins(const struct symtable *t, uint32_t **ret)
{
	uint32_t *twins = malloc(strpool_count(&t->names) * sizeof(*twins));

	if (!twins)
		return -ENOMEM;
	memset(twins, 0xff, strpool_count(&t->names) * sizeof(*twins));
	for (size_t i = 0; i < t->function_count; i++)
		if (t->functions[i].start_line && twins[t->functions[i].name] == SYMFILE_NONE)
			twins[t->functions[i].name] = (uint32_t)i;
	*ret = twins;
	return 0;
}

/* Numbers the functions of the file: those in use, most used first, without twins. */
static int number_functions(struct writer *w)
{
	const struct symtable *t = w->t;
	auto_free struct usage *usages = calloc(t->function_count + 1, sizeof(*usages));
	auto_free uint32_t *twins = NULL;

	w->function_ids = calloc(t->function_count + 1, sizeof(*w->function_ids));
	w->function_order = calloc(t->function_count + 1, sizeof(*w->function_order));
	if (!usages || !w->function_ids || !w->function_order || choose_twins(t, &twins))
		return -ENOMEM;

	for (size_t i = 0; i < t->function_count; i++) {
		uint32_t twin = twins[t->functions[i].name];
		bool merged = !t->functions[i].start_line && twin != SYMFILE_NONE;

		usages[i].function = (uint32_t)i;
		w->function_ids[i] = merged ? twin : (uint32_t)i; /* an index as yet */
	}
	for (size_t i = 0; i < t->scope_count; i++)
		usages[t->scopes[i].function].count++;
	for (size_t i = 0; i < t->symbol_count; i++)
		if (t->symbols[i].function != SYMFILE_NONE)
			usages[w->function_ids[t->symbols[i].function]].count++;
	/* A scope keeps its own function: lines count from that one's. */
	for (size_t i = 0; i < t->function_count; i++)
		if (w->function_ids[i] != i && usages[i].count)
			w->function_ids[i] = (uint32_t)i;

	qsort(usages, t->function_count, sizeof(*usages), compare_usage);
	while (w->function_count < t->function_count && usages[w->function_count].count) {
		w->function_order[w->function_count] = usages[w->function_count].function;
		w->function_count++;
	}

	auto_free uint32_t *ids = calloc(t->function_count + 1, sizeof(*ids));

	if (!ids)
		return -ENOMEM;
	for (uint32_t i = 0; i < w->function_count; i++)
		ids[w->function_order[i]] = i;
	for (size_t i = 0; i < t->function_count; i++)
		w->function_ids[i] = ids[w->function_ids[i]];
	return 0;
}

static int put_functions(struct writer *w)
{
	const struct symtable *t = w->t;
	auto_buffer name = BUFFER_INIT, clean = BUFFER_INIT;

	for (uint32_t i = 0; i < w->function_count; i++) {
		const struct symtable_function *function = &t->functions[w->function_order[i]];
		const char *raw = strpool_get(&t->names, function->name);
		struct symfile_disk_function disk = {
			.start_line = function->start_line,
			.file = function->file,
		};

		buffer_clear(&name);
		buffer_clear(&clean);
		demangle(raw, &name);
		demangle_clean(raw, strlen(raw), &clean);

		const char *text = buffer_terminate(&name);
		const char *system_name = buffer_terminate(&clean);
		int err = text && system_name ? put_string(w, text, &disk.name) : -ENOMEM;

		if (!err && strcmp(text, system_name))
			err = put_string(w, system_name, &disk.system_name);
		if (err)
			return err;
		buffer_append(&w->sections[SYMFILE_FUNCTIONS], &disk, sizeof(disk));
	}
	return 0;
}

static int put_files(struct writer *w)
{
	auto_buffer path = BUFFER_INIT;

	for (uint32_t i = 0; i < strpool_count(&w->t->files); i++) {
		const char *raw = strpool_get(&w->t->files, i);
		uint32_t offset;

		buffer_clear(&path);
		demangle_clean(raw, strlen(raw), &path);

		const char *text = buffer_terminate(&path);
		int err = text ? put_string(w, text, &offset) : -ENOMEM;

		if (err)
			return err;
		buffer_append(&w->sections[SYMFILE_FILES], &offset, sizeof(offset));
	}
	return 0;
}

static void put_symbols(struct writer *w)
{
	for (size_t i = 0; i < w->t->symbol_count; i++) {
		const struct symtable_symbol *s = &w->t->symbols[i];
		struct symfile_disk_symbol disk = {
			.start = s->start,
			.function = s->function == SYMFILE_NONE ? SYMFILE_NONE
								: w->function_ids[s->function],
			.origin = s->origin,
		};

		buffer_append(&w->sections[SYMFILE_SYMBOLS], &disk, sizeof(disk));
	}
}

static void put_scopes(struct writer *w)
{
	const struct symtable *t = w->t;
	struct buffer *scopes = &w->sections[SYMFILE_SCOPES];

	for (size_t i = 0; i < t->scope_count; i++) {
		const struct symtable_scope *s = &t->scopes[i];

		if (i % SYMFILE_SCOPE_STRIDE == 0) {
			uint32_t offset = (uint32_t)scopes->length;

			buffer_append(&w->sections[SYMFILE_SCOPE_INDEX], &offset, sizeof(offset));
		}
		if (s->parent == SYMFILE_NONE) {
			put_uleb(scopes, 0);
			put_uleb(scopes, w->function_ids[s->function]);
			put_uleb(scopes, s->line);
			continue;
		}

		const struct symtable_function *caller =
			&t->functions[t->scopes[s->parent].function];
		bool file_given = s->file != caller->file;

		put_uleb(scopes,
			 (i - s->parent) << SCOPE_FLAG_BITS | (file_given ? SCOPE_FILE_GIVEN : 0));
		put_uleb(scopes, w->function_ids[s->function]);
		if (file_given)
			put_uleb(scopes, s->file);
		put_sleb(scopes, (int64_t)s->line - caller->start_line);
		put_uleb(scopes, s->column);
	}
}

/* The state that rows are written relative to. */
struct row_writer {
	struct writer *w;
	struct symtable_row before;
	size_t count;
};

static void put_row(struct row_writer *r, const struct symtable_row *row)
{
	static const struct symtable_row nothing = {.scope = SYMFILE_NONE};
	static const struct symtable_function unknown;
	const struct symtable *t = r->w->t;
	struct buffer *rows = &r->w->sections[SYMFILE_ROWS];

	if (r->count++ % SYMFILE_BLOCK_ROWS == 0) {
		struct symfile_disk_block block = {row->start, (uint32_t)rows->length};

		buffer_append(&r->w->sections[SYMFILE_BLOCKS], &block, sizeof(block));
		r->before = nothing;
		r->before.start = row->start;
	}

	const struct symtable_row *before = &r->before;
	const struct symtable_function *function =
		row->scope == SYMFILE_NONE ? &unknown
					   : &t->functions[t->scopes[row->scope].function];
	bool scope_changed = row->scope != before->scope;
	bool file_given = row->file != function->file;
	bool column_same = row->column == before->column;

	put_uleb(rows, (uint64_t)(row->start - before->start) << ROW_FLAG_BITS |
			       (scope_changed ? ROW_SCOPE_CHANGED : 0) |
			       (file_given ? ROW_FILE_GIVEN : 0) |
			       (column_same ? ROW_COLUMN_SAME : 0));
	if (scope_changed)
		put_sleb(rows, (int64_t)(int32_t)(row->scope - before->scope));
	if (file_given)
		put_uleb(rows, row->file);
	put_sleb(rows, (int64_t)row->line - (scope_changed ? function->start_line : before->line));
	if (!column_same)
		put_uleb(rows, row->column);
	r->before = *row;
}

/* The rows of all chunks in order; what a chunk shares with those before it is left out. */
static void put_rows(struct writer *w)
{
	const struct symtable *t = w->t;
	struct row_writer r = {.w = w};
	uint32_t end = 0; /* of what has been written */

	for (size_t i = 0; i < t->chunk_count; i++) {
		const struct symtable_chunk *chunk = &t->chunks[i];

		if (chunk->end <= end)
			continue;
		if (r.count && chunk->start > end)
			put_row(&r, &(struct symtable_row){.start = end, .scope = SYMFILE_NONE});
		for (uint32_t j = 0; j < chunk->count; j++) {
			struct symtable_row row = t->rows[chunk->first + j];
			uint32_t next = j + 1 < chunk->count ? t->rows[chunk->first + j + 1].start
							     : chunk->end;

			if (next <= end)
				continue;
			if (row.start < end)
				row.start = end;
			put_row(&r, &row);
		}
		end = chunk->end;
	}
	if (r.count)
		put_row(&r, &(struct symtable_row){.start = end, .scope = SYMFILE_NONE});
	w->row_count = r.count;
}

static int write_all(int fd, const void *bytes, size_t length)
{
	const char *at = bytes;

	while (length) {
		ssize_t count = write(fd, at, length);

		if (count < 0 && errno == EINTR)
			continue;
		if (count < 0)
			return -errno;
		at += count;
		length -= (size_t)count;
	}
	return 0;
}

/* The header, with the checksum over itself and the sections, each padded. */
static int finish(struct writer *w, int fd)
{
	static const char padding[8];
	struct symfile_disk_header header = {
		.magic = SYMFILE_MAGIC,
		.version = SYMFILE_VERSION,
		.header_bytes = sizeof(header),
		.file_bytes = sizeof(header),
		.base = w->t->base,
		.scope_count = (uint32_t)w->t->scope_count,
		.row_count = (uint32_t)w->row_count,
	};
	auto_free XXH3_state_t *hash = NULL;
	void *aligned = NULL;

	for (size_t i = 0; i < SYMFILE_SECTION_COUNT; i++) {
		struct buffer *section = &w->sections[i];

		if (section->error)
			return section->error;
		header.section_bytes[i] = (uint32_t)section->length;
		buffer_append(section, padding, -section->length % 8);
		header.file_bytes += section->length;
	}
	if (posix_memalign(&aligned, 64, sizeof(*hash)))
		return -ENOMEM;
	hash = aligned;
	(void)XXH3_64bits_reset(hash); /* cannot fail, and neither can the updates */
	(void)XXH3_64bits_update(hash, &header.base,
				 sizeof(header) - offsetof(struct symfile_disk_header, base));
	for (size_t i = 0; i < SYMFILE_SECTION_COUNT; i++)
		(void)XXH3_64bits_update(hash, w->sections[i].bytes, w->sections[i].length);
	header.checksum = XXH3_64bits_digest(hash);

	int err = write_all(fd, &header, sizeof(header));

	for (size_t i = 0; !err && i < SYMFILE_SECTION_COUNT; i++)
		err = write_all(fd, w->sections[i].bytes, w->sections[i].length);
	return err;
}

int symfile_write(const struct symtable *t, int fd)
{
	struct writer w = {.t = t};

	for (size_t i = 0; i < SYMFILE_SECTION_COUNT; i++)
		w.sections[i].limit = UINT32_MAX - 8;
	buffer_putc(&w.sections[SYMFILE_STRINGS], '\0');

	int err = number_functions(&w);

	if (!err)
		err = put_functions(&w);

	if (!err)
		err = put_files(&w);
	if (!err) {
		put_symbols(&w);
		put_scopes(&w);
		put_rows(&w);
		buffer_append(&w.sections[SYMFILE_NOTE], t->note, t->note_bytes);
		err = finish(&w, fd);
	}

	for (size_t i = 0; i < SYMFILE_SECTION_COUNT; i++)
		buffer_release(&w.sections[i]);
	strpool_release(&w.strings);
	free(w.offsets);
	free(w.function_ids);
	free(w.function_order);
	return err;
}
