/* SPDX-License-Identifier: Apache-2.0 */
#include "server/store/segment_reader.h"

#include <errno.h>
#include <stdlib.h>

#define FILE_BYTES (640u << 10) /* what SQLite keeps for an open file, cache included */

struct segment_reader {
	struct segment_file *file;
	struct segment_dict dict;
	int64_t dict_id; /* the dictionary holds everything up to this block */
	int error;	 /* the dictionary could not be read on, and never will be */
};

int segment_reader_open(const char *path, struct segment_reader **ret)
{
	CLEANUP(segment_reader_closep) struct segment_reader *r = calloc(1, sizeof(*r));

	if (!r)
		return -ENOMEM;
	segment_dict_init_reading(&r->dict);

	int err = segment_file_open(path, SEGMENT_READ, &r->file);

	if (err)
		return err;
	*ret = take_ptr(r);
	return 0;
}

void segment_reader_close(struct segment_reader *r)
{
	if (!r)
		return;
	segment_file_close(r->file);
	segment_dict_release(&r->dict);
	free(r);
}

bool segment_reader_is_sealed(const struct segment_reader *r)
{
	return segment_file_is_sealed(r->file);
}

int segment_reader_rows(struct segment_reader *r, struct segment_row **ret, size_t *ret_count)
{
	return segment_file_rows(r->file, 0, ret, ret_count);
}

static int read_names(struct segment_reader *r, int64_t id)
{
	auto_buffer names = BUFFER_INIT;
	int err = segment_file_fetch(r->file, id, SEGMENT_NAMES, &names);

	if (err)
		return err;
	if (names.length)
		r->error = segment_dict_read(&r->dict, names.bytes, names.length);
	if (!r->error)
		r->dict_id = id;
	return r->error;
}

int segment_reader_dict(struct segment_reader *r, int64_t id, const struct segment_dict **ret)
{
	if (r->error)
		return r->error;
	if (r->dict_id < id) {
		auto_free struct segment_row *rows = NULL;
		size_t count = 0;
		int err = segment_file_rows(r->file, r->dict_id, &rows, &count);

		for (size_t i = 0; i < count && !err; i++)
			err = read_names(r, rows[i].id);
		if (err)
			return err;
		if (r->dict_id < id)
			return -EBADMSG;
	}
	*ret = &r->dict;
	return 0;
}

int segment_reader_block(struct segment_reader *r, int64_t id, bool without_times,
			 struct segment_block_reader *ret)
{
	auto_buffer data = BUFFER_INIT;
	int err = segment_file_fetch(r->file, id, SEGMENT_DATA, &data);

	if (err)
		return err == -ENOENT ? -EBADMSG : err;
	return segment_block_open(&r->dict, data.bytes, data.length, without_times, ret);
}

size_t segment_reader_bytes(const struct segment_reader *r)
{
	return sizeof(*r) + segment_dict_bytes(&r->dict) + FILE_BYTES;
}
