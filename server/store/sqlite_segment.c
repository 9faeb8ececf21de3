/* SPDX-License-Identifier: Apache-2.0 */
#include "server/store/sqlite_segment.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/clock.h"

#define PAGE_BYTES 4096u

uint64_t sqlite_file_bytes(const char *path)
{
	struct stat st;

	if (stat(path, &st))
		return 0;

	uint64_t pages = ((uint64_t)st.st_size + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES;
	uint64_t blocks = (uint64_t)st.st_blocks * 512;

	return pages > blocks ? pages : blocks;
}

void sqlite_segment_free(struct segment *segment)
{
	segment_reader_close(segment->reader);
	pthread_mutex_destroy(&segment->reader_lock);
	free(segment->rows);
	free(segment->path);
	free(segment);
}

int sqlite_segment_new(struct store_sqlite *s, enum tier tier, uint64_t start_ns, uint32_t serial,
		       struct segment **ret)
{
	struct segment *segment = calloc(1, sizeof(*segment));
	time_t seconds = (time_t)(start_ns / NS_PER_S);
	struct tm tm;
	char text[32] = "";

	if (!segment)
		return -ENOMEM;
	if (!gmtime_r(&seconds, &tm) || !strftime(text, sizeof(text), "%Y%m%dT%H%M%SZ", &tm) ||
	    asprintf(&segment->path, "%s/%s-%s-%02" PRIu32 SQLITE_SEGMENT_SUFFIX, s->directory,
		     tier_rules[tier].name, text, serial) < 0) {
		free(segment);
		return -ENOMEM;
	}
	segment->tier = tier;
	segment->start_ns = start_ns;
	segment->serial = serial;
	segment->references = 1;
	pthread_mutex_init(&segment->reader_lock, NULL);
	*ret = segment;
	return 0;
}

static int compare_rows(const void *a, const void *b)
{
	const struct segment_row *x = a;
	const struct segment_row *y = b;

	if (x->start_ns != y->start_ns)
		return x->start_ns < y->start_ns ? -1 : 1;
	return x->id < y->id ? -1 : x->id > y->id;
}

int sqlite_segment_load(struct segment *segment, const char *path)
{
	CLEANUP(segment_reader_closep) struct segment_reader *reader = NULL;
	int err = segment_reader_open(path, &reader);

	if (!err)
		err = segment_reader_rows(reader, &segment->rows, &segment->row_count);
	if (err)
		return err;
	segment->sealed = segment_reader_is_sealed(reader);
	segment->row_capacity = segment->row_count;
	if (segment->row_count)
		qsort(segment->rows, segment->row_count, sizeof(*segment->rows), compare_rows);
	return 0;
}
