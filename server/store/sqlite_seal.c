/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sealing of files that get no more windows: each is written anew in less space (see segment_seal.h), and the new file
 * takes the place of the old one by a rename, so that at any moment there is exactly one of them.
 *
 * Whoever reads the old file meanwhile goes on with it: its reader is open before the file goes, and stays open as long
 * as there are references to the segment. What comes late for a sealed file gets another file of the same span.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "server/log.h"
#include "server/store/segment_seal.h"
#include "server/store/sqlite_catalog.h"
#include "server/store/sqlite_plan.h"

#define BLOCK_NS (300 * NS_PER_S) /* of detail: as long as the finest sums */

/* Whether a segment gets no more windows: its time has passed, or another file goes on with it. */
static bool is_over(const struct store_sqlite *s, const struct segment_list *list, size_t index)
{
	const struct segment *segment = list->items[index];
	uint64_t end_ns = segment->start_ns + tier_rules[segment->tier].file_ns;
	bool is_last =
		index + 1 == list->count || list->items[index + 1]->start_ns != segment->start_ns;

	return s->writers[segment->tier].segment != segment && !segment->hidden_count &&
	       segment->row_count && (!is_last || end_ns <= sqlite_settled_ns(s));
}

/* Picks a segment to seal, so that nobody writes to it any more. Returns a reference, or NULL. */
static struct segment *pick(struct store_sqlite *s)
{
	struct segment *found = NULL;

	pthread_mutex_lock(&s->lock);
	for (enum tier tier = 0; tier < TIER_COUNT; tier++)
		for (size_t i = 0; i < s->tiers[tier].count && !found; i++)
			if (!s->tiers[tier].items[i]->sealed && is_over(s, &s->tiers[tier], i))
				found = s->tiers[tier].items[i];
	if (found) {
		found->sealed = true; /* whatever comes of it, it is tried once */
		found->references++;
	}
	pthread_mutex_unlock(&s->lock);
	return found;
}

static bool is_stopping(void *arg)
{
	struct store_sqlite *s = arg;

	pthread_mutex_lock(&s->lock);

	bool stopping = s->stopping;

	pthread_mutex_unlock(&s->lock);
	return stopping;
}

static int write_new(struct store_sqlite *s, const struct segment *segment, const char *path)
{
	CLEANUP(segment_reader_closep) struct segment_reader *reader = NULL;
	uint64_t slot_ns = tier_rules[segment->tier].slot_ns;
	struct segment_seal_options options = {
		.block_ns = slot_ns ? slot_ns : BLOCK_NS,
		.stop = is_stopping,
		.stop_arg = s,
	};
	int err = segment_reader_open(segment->path, &reader);

	return err ? err : segment_seal(reader, path, &options);
}

/* Opens the reader of a segment whose file is about to go, for those that have a reference. */
static int hold_open(struct segment *segment)
{
	int err = 0;

	pthread_mutex_lock(&segment->reader_lock);
	if (!segment->reader)
		err = segment_reader_open(segment->path, &segment->reader);
	segment->readings += !err;
	pthread_mutex_unlock(&segment->reader_lock);
	return err;
}

static void let_go(struct segment *segment)
{
	pthread_mutex_lock(&segment->reader_lock);
	segment->readings--;
	pthread_mutex_unlock(&segment->reader_lock);
}

static void unlink_with_journal(const char *path)
{
	auto_free char *journal = NULL;

	(void)unlink(path); /* what stays is removed at the next start */
	if (asprintf(&journal, "%s-journal", path) < 0)
		journal = NULL;
	else
		(void)unlink(journal); /* likewise */
}

/* A rename is durable when the directory is. */
static void sync_directory(const struct store_sqlite *s)
{
	auto_close int fd = open(s->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd >= 0)
		(void)fsync(fd); /* until it is, the old file may come back, which is as good */
}

static int seal_segment(struct store_sqlite *s, struct segment *segment)
{
	auto_free char *path = NULL;

	if (asprintf(&path, "%s" SQLITE_NEW_SUFFIX, segment->path) < 0) {
		path = NULL;
		return -ENOMEM;
	}
	unlink_with_journal(path);

	int err = write_new(s, segment, path);

	if (!err)
		err = hold_open(segment);
	if (!err) {
		err = sqlite_catalog_replace(s, segment, path);
		let_go(segment);
	}
	unlink_with_journal(path);
	if (!err)
		sync_directory(s);
	return err;
}

/* Sealing takes room for a while: the old file and the new one are there together. */
static int seal_in_budget(struct store_sqlite *s, struct segment *segment)
{
	pthread_mutex_lock(&s->lock);

	uint64_t bytes = segment->bytes + SQLITE_SEAL_OVERHEAD_BYTES;

	pthread_mutex_unlock(&s->lock);

	int err = sqlite_budget_reserve(s, bytes);

	if (err)
		return err;
	err = seal_segment(s, segment);
	pthread_mutex_lock(&s->lock);
	s->promised_bytes -= bytes;
	if (err == -ECANCELED || err == -ENOSPC)
		segment->sealed = false; /* later */
	pthread_mutex_unlock(&s->lock);
	return err;
}

int sqlite_seal(struct store_sqlite *s)
{
	struct segment *segment;
	int err = 0;

	while (!err && (segment = pick(s))) {
		err = seal_in_budget(s, segment);
		if (err == -EBADMSG || err == -EIO)
			sqlite_catalog_set_aside(s, segment, err);
		else if (err && err != -ECANCELED && err != -ENOSPC && err != -ENOENT)
			log_warn("cannot seal '%s': %s; it stays as it is", segment->path,
				 strerror(-err));
		sqlite_segment_unref(s, segment);
		if (err != -ECANCELED && err != -ENOSPC)
			err = 0;
	}
	return err;
}
