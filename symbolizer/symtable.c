/* SPDX-License-Identifier: Apache-2.0 */
#include "symbolizer/symtable.h"

#include <stdlib.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/hash.h"

#define RECHECK_NS   (300 * NS_PER_S) /* how often to look for debug files that were not there */
#define ATTEMPTS_MAX 3 /* at a file that crashed its worker, by different copies of it */

struct file_identity symtable_identify(const struct binary *b)
{
	struct stat status;

	if (fstat(binary_fd(b), &status))
		return (struct file_identity){0};
	return (struct file_identity){
		.device = status.st_dev,
		.inode = status.st_ino,
		.size = (uint64_t)status.st_size,
		.seconds = status.st_mtim.tv_sec,
		.nanoseconds = status.st_mtim.tv_nsec,
	};
}

static bool same_file(const struct file_identity *a, const struct file_identity *b)
{
	return a->device == b->device && a->inode == b->inode && a->size == b->size &&
	       a->seconds == b->seconds && a->nanoseconds == b->nanoseconds;
}

static uint64_t hash_id(const struct build_id *id)
{
	return hash_bytes(id->bytes, id->length);
}

uint32_t symtable_find(const struct symbolizer *s, const struct build_id *id)
{
	for (struct idmap_probe p = idmap_find(&s->ids, hash_id(id)); p.found;
	     idmap_next(&s->ids, &p))
		if (build_id_equal(&s->entries[p.id]->id, id))
			return p.id;
	return NO_ENTRY;
}

void symtable_dequeue(struct symbolizer *s, uint32_t index)
{
	struct entry *e = s->entries[index];

	if (e->previous == NO_ENTRY)
		s->queue_first = e->next;
	else
		s->entries[e->previous]->next = e->next;
	if (e->next == NO_ENTRY)
		s->queue_last = e->previous;
	else
		s->entries[e->next]->previous = e->previous;
	s->stats.queue_length--;
}

static void queue_add(struct symbolizer *s, uint32_t index, bool first)
{
	struct entry *e = s->entries[index];

	e->previous = first ? NO_ENTRY : s->queue_last;
	e->next = first ? s->queue_first : NO_ENTRY;
	if (e->previous == NO_ENTRY)
		s->queue_first = index;
	else
		s->entries[e->previous]->next = index;
	if (e->next == NO_ENTRY)
		s->queue_last = index;
	else
		s->entries[e->next]->previous = index;
	s->stats.queue_length++;
}

void symtable_requeue(struct symbolizer *s, uint32_t index)
{
	struct entry *e = s->entries[index];

	e->phase = PHASE_QUEUED;
	queue_add(s, index, e->urgent);
	(void)pthread_cond_broadcast(&s->queued); /* an urgent one is anybody's */
}

void symtable_drop_symbols(struct symbolizer *s, struct entry *e)
{
	if (!e->symbols)
		return;
	s->stats.mapped_bytes -= symfile_bytes(e->symbols);
	symfile_unref(e->symbols);
	e->symbols = NULL;
}

void symtable_set_symbols(struct symbolizer *s, struct entry *e, struct symfile *symbols)
{
	symtable_drop_symbols(s, e);
	e->symbols = symbols;
	if (symbols)
		s->stats.mapped_bytes += symfile_bytes(symbols);
}

/* The settled entry that was used longest ago; with @in_memory only those that hold memory. */
static struct entry *oldest(struct symbolizer *s, bool in_memory)
{
	struct entry *found = NULL;

	for (uint32_t i = 0; i < s->entry_count; i++) {
		struct entry *e = s->entries[i];

		if (e->phase != PHASE_SETTLED || (in_memory && (!e->in_memory || !e->symbols)))
			continue;
		if (!found || e->used_ns < found->used_ns)
			found = e;
	}
	return found;
}

/* Without a cache directory symbol files are memory: keeps that bounded by making them again when wanted. */
void symtable_limit_memory(struct symbolizer *s)
{
	uint64_t bytes = 0;

	for (uint32_t i = 0; i < s->entry_count; i++)
		if (s->entries[i]->in_memory && s->entries[i]->symbols)
			bytes += symfile_bytes(s->entries[i]->symbols);
	while (bytes > s->memory_limit_bytes) {
		struct entry *e = oldest(s, true);

		if (!e)
			return;
		bytes -= symfile_bytes(e->symbols);
		symtable_drop_symbols(s, e);
		e->state = SYMBOLS_PENDING;
		e->settled_ns = 0;
		e->source[0] = '\0';
	}
}

/* An entry for a new binary; takes over the oldest one when there are too many. NO_ENTRY if memory ran out. */
static uint32_t new_entry(struct symbolizer *s, const struct build_id *id)
{
	uint32_t index = s->entry_count;
	struct entry *e;

	if (index < ENTRIES_MAX) {
		e = calloc(1, sizeof(*e));
		if (!e)
			return NO_ENTRY;
		s->entries[index] = e;
	} else {
		e = oldest(s, false);
		if (!e)
			return NO_ENTRY;
		index = symtable_find(s, &e->id);
		(void)idmap_remove(&s->ids, hash_id(&e->id), index); /* it is there */
		symtable_drop_symbols(s, e);
		free(e->debug_path);
		free(e->tried);
	}
	*e = (struct entry){.id = *id, .state = SYMBOLS_PENDING};
	if (idmap_insert(&s->ids, hash_id(id), index)) {
		if (index == s->entry_count)
			free(take_ptr(s->entries[index]));
		else
			e->phase = PHASE_SETTLED; /* a nameless entry that is taken over next */
		return NO_ENTRY;
	}
	if (index == s->entry_count)
		s->entry_count++;
	return index;
}

/* Whether a settled entry is worth another look. */
static bool is_stale(const struct entry *e, const struct binary *b, uint64_t now_ns)
{
	struct file_identity file = symtable_identify(b);

	if (e->state == SYMBOLS_PENDING)
		return true;
	if (e->state == SYMBOLS_FAILED)
		return e->attempts < ATTEMPTS_MAX && !same_file(&file, &e->file_seen);
	return !e->complete && now_ns - e->settled_ns > RECHECK_NS;
}

/* Finds or makes the entry of a binary and queues it if there is something to do. */
uint32_t symtable_want(struct symbolizer *s, struct binary *b, bool urgent)
{
	uint32_t index = symtable_find(s, binary_build_id(b));
	uint64_t now_ns = clock_now_ns();

	if (index == NO_ENTRY)
		index = new_entry(s, binary_build_id(b));
	if (index == NO_ENTRY)
		return NO_ENTRY;

	struct entry *e = s->entries[index];

	e->used_ns = now_ns;
	if (e->phase == PHASE_QUEUED && urgent && s->queue_first != index) {
		symtable_dequeue(s, index);
		queue_add(s, index, true);
	}
	if (e->phase == PHASE_FREE || (e->phase == PHASE_SETTLED && is_stale(e, b, now_ns))) {
		e->phase = PHASE_QUEUED;
		e->binary = binary_ref(b);
		e->urgent = false;
		queue_add(s, index, urgent);
	}
	if (e->phase == PHASE_WORKING)
		e->urgent |= urgent; /* for its second turn, see symtable_requeue() */
	if (e->phase == PHASE_QUEUED) {
		e->urgent |= urgent;
		(void)pthread_cond_broadcast(&s->queued); /* which thread may take it depends */
	}
	return index;
}
