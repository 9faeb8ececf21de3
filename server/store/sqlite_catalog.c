/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The catalog: which segments there are, what they cover and how large they are.
 */
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/array.h"
#include "base/clock.h"
#include "base/parse.h"
#include "server/log.h"
#include "server/store/sqlite_catalog.h"
#include "server/store/sqlite_segment.h"

#define MINUTE_NS    (60 * NS_PER_S)
#define HOUR_NS	     (60 * MINUTE_NS)
#define DAY_NS	     (24 * HOUR_NS)
#define ASIDE_SUFFIX ".damaged"

const struct tier_rule tier_rules[TIER_COUNT] = {
	[TIER_DETAIL] = {"10s", 0, HOUR_NS, 1},
	[TIER_5M] = {"5m", 5 * MINUTE_NS, DAY_NS, 30},
	[TIER_1H] = {"1h", HOUR_NS, 30 * DAY_NS, 60},
	[TIER_1D] = {"1d", DAY_NS, 360 * DAY_NS, 24},
};

static bool ends_with(const char *text, const char *end)
{
	size_t length = strlen(text);
	size_t end_length = strlen(end);

	return length >= end_length && !strcmp(text + length - end_length, end);
}

static void unref_locked(struct segment *segment)
{
	if (!--segment->references)
		sqlite_segment_free(segment);
}

void sqlite_segment_unref(struct store_sqlite *s, struct segment *segment)
{
	if (!segment)
		return;
	pthread_mutex_lock(&s->lock);
	unref_locked(segment);
	pthread_mutex_unlock(&s->lock);
}

/* Puts a segment into its place; takes over the reference. */
static int insert(struct store_sqlite *s, struct segment *segment)
{
	struct segment_list *list = &s->tiers[segment->tier];

	if (array_reserve((void **)&list->items, &list->capacity, list->count + 1,
			  sizeof(*list->items)))
		return -ENOMEM;

	size_t at = list->count++;

	for (; at; at--) {
		const struct segment *before = list->items[at - 1];

		if (before->start_ns < segment->start_ns ||
		    (before->start_ns == segment->start_ns && before->serial < segment->serial))
			break;
		list->items[at] = list->items[at - 1];
	}
	list->items[at] = segment;
	return 0;
}

static void count_rows(struct store_sqlite *s, const struct segment *segment, int sign)
{
	uint64_t windows = 0;

	for (size_t i = 0; i < segment->row_count; i++)
		windows += segment->rows[i].windows;
	if (segment->tier == TIER_DETAIL)
		s->stats.windows += sign > 0 ? windows : -windows;
}

static void note_aside(struct store_sqlite *s, const char *path)
{
	if (array_reserve((void **)&s->aside, &s->aside_capacity, s->aside_count + 1,
			  sizeof(*s->aside)))
		return;

	struct set_aside *aside = &s->aside[s->aside_count];

	aside->path = strdup(path);
	aside->bytes = sqlite_file_bytes(path);
	if (aside->path)
		s->aside_count++;
}

static const char *reason_text(int err)
{
	return err == -EBADMSG ? "it is damaged" : strerror(-err);
}

static void set_aside_locked(struct store_sqlite *s, const char *path, int err)
{
	auto_free char *renamed = NULL;

	s->stats.damaged++;
	log_warn("cannot read '%s': %s; it is set aside as .damaged, everything else stays", path,
		 reason_text(err));
	if (asprintf(&renamed, "%s" ASIDE_SUFFIX, path) < 0) {
		renamed = NULL;
		return;
	}
	if (!rename(path, renamed))
		note_aside(s, renamed);
}

void sqlite_catalog_set_aside(struct store_sqlite *s, struct segment *segment, int err)
{
	pthread_mutex_lock(&s->lock);

	struct segment_list *list = &s->tiers[segment->tier];

	for (size_t i = 0; i < list->count; i++) {
		if (list->items[i] != segment)
			continue;
		set_aside_locked(s, segment->path, err);
		count_rows(s, segment, -1);
		memmove(list->items + i, list->items + i + 1,
			(--list->count - i) * sizeof(*list->items));
		segment->gone = true;
		unref_locked(segment);
		break;
	}
	pthread_mutex_unlock(&s->lock);
}

static int replace_locked(struct store_sqlite *s, struct segment *old, struct segment *fresh,
			  const char *new_path)
{
	struct segment_list *list = &s->tiers[old->tier];
	size_t at = 0;

	while (at < list->count && list->items[at] != old)
		at++;
	if (at == list->count)
		return -ENOENT;
	if (rename(new_path, fresh->path))
		return -errno;
	count_rows(s, old, -1);
	count_rows(s, fresh, 1);
	list->items[at] = fresh;
	old->gone = true;
	unref_locked(old);
	return 0;
}

int sqlite_catalog_replace(struct store_sqlite *s, struct segment *segment, const char *new_path)
{
	struct segment *fresh;
	int err = sqlite_segment_new(s, segment->tier, segment->start_ns, segment->serial, &fresh);

	if (err)
		return err;
	err = sqlite_segment_load(fresh, new_path);
	fresh->bytes = sqlite_file_bytes(new_path);
	if (!err) {
		pthread_mutex_lock(&s->lock);
		err = replace_locked(s, segment, fresh, new_path);
		pthread_mutex_unlock(&s->lock);
	}
	if (err)
		sqlite_segment_free(fresh);
	return err;
}

void sqlite_catalog_drop(struct store_sqlite *s, enum tier tier, size_t index)
{
	struct segment_list *list = &s->tiers[tier];
	struct segment *segment = list->items[index];
	auto_free char *journal = NULL;

	count_rows(s, segment, -1);
	(void)unlink(
		segment->path); /* what could not be removed is found again at the next start */
	if (asprintf(&journal, "%s-journal", segment->path) >= 0)
		(void)unlink(journal);
	else
		journal = NULL;
	memmove(list->items + index, list->items + index + 1,
		(--list->count - index) * sizeof(*list->items));
	segment->gone = true;
	unref_locked(segment);
}

/* Reads "5m-20260501T120000Z-00.db". */
static bool parse_name(const char *name, enum tier *ret_tier, uint64_t *ret_start_ns,
		       uint32_t *ret_serial)
{
	for (enum tier tier = 0; tier < TIER_COUNT; tier++) {
		const struct tier_rule *rule = &tier_rules[tier];
		size_t length = strlen(rule->name);
		struct tm tm = {0};
		uint64_t serial;

		if (strncmp(name, rule->name, length) || name[length] != '-')
			continue;

		const char *rest = strptime(name + length + 1, "%Y%m%dT%H%M%SZ", &tm);

		if (!rest || *rest++ != '-' || parse_take_u64(&rest, &serial) ||
		    strcmp(rest, SQLITE_SEGMENT_SUFFIX) || serial > UINT32_MAX)
			return false;
		*ret_tier = tier;
		*ret_start_ns = (uint64_t)timegm(&tm) * NS_PER_S;
		*ret_serial = (uint32_t)serial;
		return *ret_start_ns % rule->file_ns == 0;
	}
	return false;
}

/* A segment of another version stays as it is: a newer Hearth may come back. */
static void leave_alone(struct store_sqlite *s, const char *path)
{
	s->foreign_bytes += sqlite_file_bytes(path);
	log_warn("'%s' was written by another version of Hearth (this one reads format %d); it is "
		 "left alone and its history is not shown",
		 path, SEGMENT_FORMAT_VERSION);
}

static int load_file(struct store_sqlite *s, const char *name)
{
	auto_free char *path = NULL;
	struct segment *segment;
	enum tier tier;
	uint64_t start_ns;
	uint32_t serial;

	if (asprintf(&path, "%s/%s", s->directory, name) < 0) {
		path = NULL;
		return -ENOMEM;
	}
	if (ends_with(name, ASIDE_SUFFIX))
		note_aside(s, path);
	if (ends_with(name, SQLITE_SEGMENT_SUFFIX SQLITE_NEW_SUFFIX) ||
	    ends_with(name, SQLITE_SEGMENT_SUFFIX SQLITE_NEW_SUFFIX "-journal"))
		(void)unlink(path); /* sealing was cut short; if it stays, it is tried again */
	if (!parse_name(name, &tier, &start_ns, &serial))
		return 0;

	int err = sqlite_segment_new(s, tier, start_ns, serial, &segment);

	if (err)
		return err;
	err = sqlite_segment_load(segment, path);
	segment->bytes = sqlite_file_bytes(segment->path);
	if (!err)
		err = insert(s, segment);
	if (!err) {
		count_rows(s, segment, 1);
		return 0;
	}
	if (err == -ENOTSUP)
		leave_alone(s, path);
	else if (err != -ENOMEM)
		set_aside_locked(s, path, err);
	sqlite_segment_free(segment);
	return err == -ENOMEM ? err : 0;
}

int sqlite_catalog_load(struct store_sqlite *s)
{
	DIR *directory = opendir(s->directory);
	struct dirent *entry;
	int err = 0;

	if (!directory)
		return -errno;
	while (!err && (entry = readdir(directory)))
		err = load_file(s, entry->d_name);
	(void)closedir(directory); /* only read from */
	return err;
}

void sqlite_catalog_release(struct store_sqlite *s)
{
	for (enum tier tier = 0; tier < TIER_COUNT; tier++) {
		struct segment_list *list = &s->tiers[tier];

		for (size_t i = 0; i < list->count; i++)
			unref_locked(list->items[i]);
		free(list->items);
	}
	for (size_t i = 0; i < s->aside_count; i++)
		free(s->aside[i].path);
	free(s->aside);
}

int sqlite_catalog_take(struct store_sqlite *s, enum tier tier, uint64_t time_ns, bool fresh,
			struct segment **ret)
{
	uint64_t start_ns = time_ns - time_ns % tier_rules[tier].file_ns;
	struct segment *found = NULL;
	uint32_t serial = 0;
	int err = 0;

	pthread_mutex_lock(&s->lock);
	for (size_t i = 0; i < s->tiers[tier].count; i++)
		if (s->tiers[tier].items[i]->start_ns == start_ns)
			found = s->tiers[tier].items[i];
	if (found) {
		serial = found->serial + 1;
		fresh |= found->bytes >= s->segment_bytes || found->sealed;
	}
	if (!found || fresh) {
		err = sqlite_segment_new(s, tier, start_ns, serial, &found);
		/* One that was set aside or left alone keeps its name. */
		while (!err && !access(found->path, F_OK)) {
			sqlite_segment_free(found);
			err = sqlite_segment_new(s, tier, start_ns, ++serial, &found);
		}
		if (!err && insert(s, found)) {
			sqlite_segment_free(found);
			err = -ENOMEM;
		}
	}
	if (!err) {
		found->references++;
		*ret = found;
	}
	pthread_mutex_unlock(&s->lock);
	return err;
}

void sqlite_catalog_settle(struct store_sqlite *s, struct segment *segment, uint64_t promised_bytes)
{
	uint64_t bytes = sqlite_file_bytes(segment->path);

	pthread_mutex_lock(&s->lock);
	segment->bytes = bytes;
	s->promised_bytes -= promised_bytes;
	pthread_mutex_unlock(&s->lock);
}

void sqlite_catalog_add_row(struct store_sqlite *s, struct segment *segment,
			    const struct segment_row *row)
{
	pthread_mutex_lock(&s->lock);
	/* Without memory for the row its samples are on disk, but not seen before the next start. */
	if (!array_reserve((void **)&segment->rows, &segment->row_capacity, segment->row_count + 1,
			   sizeof(*segment->rows))) {
		size_t at = segment->row_count++;

		for (; at && segment->rows[at - 1].start_ns > row->start_ns; at--)
			segment->rows[at] = segment->rows[at - 1];
		segment->rows[at] = *row;
		segment->hidden_count += row->hidden;
		if (segment->tier == TIER_DETAIL)
			s->stats.windows += row->windows;
	}
	pthread_mutex_unlock(&s->lock);
}

void sqlite_catalog_show_rows(struct store_sqlite *s)
{
	struct segment_list *list = &s->tiers[TIER_DETAIL];

	for (size_t i = 0; i < list->count; i++) {
		struct segment *segment = list->items[i];

		for (size_t k = 0; segment->hidden_count && k < segment->row_count; k++) {
			segment->hidden_count -= segment->rows[k].hidden;
			segment->rows[k].hidden = false;
		}
	}
}

uint64_t sqlite_catalog_bytes(const struct store_sqlite *s)
{
	uint64_t bytes = s->foreign_bytes;

	for (enum tier tier = 0; tier < TIER_COUNT; tier++)
		for (size_t i = 0; i < s->tiers[tier].count; i++)
			bytes += s->tiers[tier].items[i]->bytes;
	for (size_t i = 0; i < s->aside_count; i++)
		bytes += s->aside[i].bytes;
	return bytes;
}
