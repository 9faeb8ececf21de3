/* SPDX-License-Identifier: Apache-2.0 */
#include "symbolizer/jitfile.h"

#include <elf.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "symbolizer/cursor.h"

#define CHUNK_BYTES	    (64u << 10) /* more than any record without its code, or a line that is kept */

#define DUMP_MAGIC	    0x4A695444u
#define DUMP_HEADER_BYTES   40u
#define DUMP_ARCH_TIMESTAMP 1u /* flag: times are the processor's own */
#define DUMP_PREFIX_BYTES   16u
#define DUMP_CODE_LOAD	    0u
#define DUMP_CODE_MOVE	    1u
#define DUMP_RECORD_MAX	    (1u << 30)

/* A call of jitfile_read(). */
struct reading {
	struct jitfile *f;
	struct jitmap *map;
	uint64_t size; /* of the file */
	size_t length; /* of the chunk at f->offset */
	int added;
	uint8_t *chunk; /* CHUNK_BYTES */
};

static int add(struct reading *r, const struct jitmap_range *range, const char *name, size_t length)
{
	int err = jitmap_add(r->map, range, name, length);

	r->added += !err;
	return err;
}

/* --- perf map ------------------------------------------------------------------------------------- */

/* A hex number and the spaces behind it. Returns what follows; NULL if there is none. */
static const char *take_hex(const char *at, const char *end, uint64_t *ret)
{
	uint64_t value = 0;
	int digits = 0;

	if (end - at > 2 && at[0] == '0' && (at[1] == 'x' || at[1] == 'X'))
		at += 2;
	for (; at < end && digits <= 16; at++, digits++) {
		char c = *at;

		if (c >= '0' && c <= '9')
			value = value << 4 | (uint64_t)(c - '0');
		else if ((c | 32) >= 'a' && (c | 32) <= 'f')
			value = value << 4 | (uint64_t)((c | 32) - 'a' + 10);
		else
			break;
	}
	if (!digits || digits > 16 || at == end || (*at != ' ' && *at != '\t'))
		return NULL;
	while (at < end && (*at == ' ' || *at == '\t'))
		at++;
	*ret = value;
	return at;
}

static int take_line(struct reading *r, const char *line, const char *end)
{
	struct jitmap_range range = {.time_ns = r->f->checked_ns};
	uint64_t size;
	const char *name = take_hex(line, end, &range.start);

	if (name)
		name = take_hex(name, end, &size);
	if (end > line && end[-1] == '\r')
		end--;
	if (!name || name >= end || size > UINT64_MAX - range.start)
		return 0;
	range.end = range.start + size;
	return add(r, &range, name, (size_t)(end - name));
}

/* Takes the whole lines of a chunk; what is left of a line waits for the next one. */
static int take_lines(struct reading *r)
{
	const char *text = (const char *)r->chunk, *at = text, *end = text + r->length;
	const char *newline;

	while (at < end && (newline = memchr(at, '\n', (size_t)(end - at)))) {
		int err = r->f->skipping ? 0 : take_line(r, at, newline);

		if (err)
			return err;
		r->f->skipping = false;
		at = newline + 1;
	}
	if (at == text && r->length == CHUNK_BYTES) { /* a line of that length is nonsense */
		r->f->skipping = true;
		at = end;
	}
	r->f->offset += (uint64_t)(at - text);
	return at == text ? -EAGAIN : 0;
}

/* --- jitdump -------------------------------------------------------------------------------------- */

static int take_dump_header(struct reading *r)
{
	struct cursor c = {.at = r->chunk, .end = r->chunk + r->length};

	if (r->length < DUMP_HEADER_BYTES)
		return -EAGAIN;

	uint32_t magic = cursor_u32(&c);
	uint32_t version = cursor_u32(&c);
	uint32_t header_bytes = cursor_u32(&c);

	cursor_skip(&c, 4 + 4 + 4 + 8); /* machine, padding, pid, time */
	r->f->own_times = !(cursor_u64(&c) & DUMP_ARCH_TIMESTAMP);
	if (magic != DUMP_MAGIC || version != 1 || header_bytes < DUMP_HEADER_BYTES ||
	    header_bytes > CHUNK_BYTES) {
		r->f->bad = true;
		return -EAGAIN;
	}
	r->f->offset = header_bytes;
	return 0;
}

static int take_load(struct reading *r, struct cursor c, uint64_t time_ns)
{
	struct jitmap_range range = {.time_ns = time_ns};

	cursor_skip(&c, 4 + 4 + 8); /* pid, tid, vma */
	range.start = cursor_u64(&c);

	uint64_t size = cursor_u64(&c);

	cursor_skip(&c, 8); /* index */

	const char *name = cursor_string(&c);

	if (!name || size > UINT64_MAX - range.start)
		return 0;
	range.end = range.start + size;
	return add(r, &range, name, strlen(name));
}

static int take_move(struct reading *r, struct cursor c, uint64_t time_ns)
{
	struct jitmap_range range = {.time_ns = time_ns};

	cursor_skip(&c, 4 + 4 + 8); /* pid, tid, vma */

	uint64_t from = cursor_u64(&c);

	range.start = cursor_u64(&c);

	uint64_t size = cursor_u64(&c);

	/* What moves may have been loaded in this very chunk. */
	int err = jitmap_settle(r->map);
	const struct jitmap_range *old = jitmap_find(r->map, from, time_ns);

	if (err || c.bad || !old || size > UINT64_MAX - range.start)
		return err;
	range.end = range.start + size;

	const char *name = jitmap_name(r->map, old);

	return add(r, &range, name, strlen(name));
}

/* Takes the record at the start of the chunk. */
static int take_record(struct reading *r)
{
	struct cursor c = {.at = r->chunk, .end = r->chunk + r->length};

	if (!r->f->offset)
		return take_dump_header(r);

	uint32_t id = cursor_u32(&c);
	uint32_t bytes = cursor_u32(&c);
	uint64_t time_ns = cursor_u64(&c);

	if (c.bad)
		return -EAGAIN;
	if (bytes < DUMP_PREFIX_BYTES || bytes > DUMP_RECORD_MAX) {
		r->f->bad = true;
		return -EAGAIN;
	}
	if (bytes > r->size - r->f->offset)
		return -EAGAIN; /* still being written */
	if (bytes < r->length)
		c.end = r->chunk + bytes;
	if (!r->f->own_times)
		time_ns = r->f->checked_ns;

	int err = id == DUMP_CODE_LOAD	 ? take_load(r, c, time_ns)
		  : id == DUMP_CODE_MOVE ? take_move(r, c, time_ns)
					 : 0;

	r->f->offset += bytes;
	return err;
}

/* Takes the records that begin in a chunk and fit into it but for their code. */
static int take_records(struct reading *r)
{
	uint8_t *chunk = r->chunk;
	size_t length = r->length;
	uint64_t begin = r->f->offset;
	int err = 0;

	while (!err) {
		uint64_t at = r->f->offset - begin;

		/* One that may not be whole is read again from its start, but for the first. */
		if (at &&
		    (at >= length || (length - at < CHUNK_BYTES / 2 && begin + length < r->size)))
			break;
		r->chunk = chunk + at;
		r->length = length - at;
		err = take_record(r);
	}
	r->chunk = chunk;
	return err == -EAGAIN && r->f->offset > begin && !r->f->bad ? 0 : err;
}

/* --- both ----------------------------------------------------------------------------------------- */

static int read_chunks(struct reading *r, bool *ret_more)
{
	for (uint64_t done = 0; done < JITFILE_STEP_BYTES; done += CHUNK_BYTES) {
		ssize_t length = r->f->offset < r->size ? pread(r->f->fd, r->chunk, CHUNK_BYTES,
								(off_t)r->f->offset)
							: 0;

		if (length < 0 && errno != EINTR)
			return -errno;
		if (!length)
			return 0;
		r->length = length > 0 ? (size_t)length : 0;

		int err = r->f->kind == JITFILE_PERF_MAP ? take_lines(r) : take_records(r);

		if (err)
			return err == -EAGAIN ? 0 : err;
	}
	*ret_more = true;
	return 0;
}

int jitfile_read(struct jitfile *f, struct jitmap *map, uint64_t now_ns, bool *ret_more)
{
	uint64_t limit = f->kind == JITFILE_PERF_MAP ? JITFILE_MAP_BYTES : JITFILE_DUMP_BYTES;
	struct stat status;

	*ret_more = false;
	if (f->bad)
		return 0;
	if (fstat(f->fd, &status))
		return -errno;
	if ((uint64_t)status.st_size < f->offset)
		return -ESTALE;

	struct reading r = {.f = f, .map = map, .size = (uint64_t)status.st_size};

	f->cut = r.size > limit;
	if (f->cut)
		r.size = limit;
	if (r.size <= f->offset) {
		f->checked_ns = now_ns;
		return 0;
	}

	auto_free uint8_t *chunk = malloc(CHUNK_BYTES);

	if (!chunk)
		return -ENOMEM;
	r.chunk = chunk;

	int err = read_chunks(&r, ret_more);

	if (!err)
		err = jitmap_settle(map);
	if (!err && !*ret_more)
		f->checked_ns = now_ns;
	return err ? err : r.added;
}
