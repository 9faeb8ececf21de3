/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The file: a header, then a ring of ids that is mapped and written in place. Losing the end of it when the machine loses
 * power only means that what is sent again is taken again.
 */
#include "server/fleet/seen.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "base/hash.h"
#include "base/idmap.h"

#define MAGIC 0x31204e4545534848ull /* "HHSEEN 1" */

struct ring {
	uint64_t magic;
	uint32_t capacity;
	uint32_t next; /* where the next id goes */
	struct otlp_id ids[];
};

struct seen {
	struct ring *ring; /* mapped */
	size_t mapped_bytes;
	pthread_mutex_t lock;
	/* Guarded by lock: */
	struct idmap ids;	/* places in the ring */
	struct otlp_id *claims; /* owned; of those who are at it */
	size_t claim_count, claim_capacity;
};

static uint64_t hash_of(const struct otlp_id *id)
{
	return hash_bytes(id->bytes, sizeof(id->bytes));
}

static bool is_none(const struct otlp_id *id)
{
	static const struct otlp_id none;

	return !memcmp(id, &none, sizeof(none));
}

static bool find(const struct seen *s, const struct otlp_id *id, uint32_t *ret)
{
	for (struct idmap_probe p = idmap_find(&s->ids, hash_of(id)); p.found;
	     idmap_next(&s->ids, &p))
		if (!memcmp(&s->ring->ids[p.id], id, sizeof(*id))) {
			*ret = p.id;
			return true;
		}
	return false;
}

static int map_ring(struct seen *s, const char *path)
{
	auto_close int fd = path ? open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600)
				 : memfd_create("hearth-seen", MFD_CLOEXEC);

	if (fd < 0)
		return -errno;
	if (ftruncate(fd, (off_t)s->mapped_bytes))
		return -errno;

	void *at = mmap(NULL, s->mapped_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (at == MAP_FAILED)
		return -errno;
	s->ring = at;
	return 0;
}

static int load(struct seen *s, uint32_t capacity)
{
	struct ring *r = s->ring;
	int err = 0;

	if (r->magic != MAGIC || r->capacity != capacity || r->next >= capacity)
		memset(r, 0, s->mapped_bytes);
	r->magic = MAGIC;
	r->capacity = capacity;
	for (uint32_t i = 0; i < capacity && !err; i++)
		if (!is_none(&r->ids[i]))
			err = idmap_insert(&s->ids, hash_of(&r->ids[i]), i);
	return err;
}

DEFINE_CLEANUP(seen_close, struct seen *)

int seen_open(const char *path, uint32_t capacity, struct seen **ret)
{
	CLEANUP(seen_closep) struct seen *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	(void)pthread_mutex_init(&s->lock, NULL); /* cannot fail with default attributes */
	s->mapped_bytes = sizeof(struct ring) + (size_t)capacity * sizeof(struct otlp_id);

	int err = map_ring(s, path);

	if (!err)
		err = load(s, capacity);
	if (err)
		return err;
	*ret = take_ptr(s);
	return 0;
}

void seen_close(struct seen *s)
{
	if (!s)
		return;
	if (s->ring)
		(void)munmap(s->ring, s->mapped_bytes); /* our own mapping */
	idmap_release(&s->ids);
	free(s->claims);
	(void)pthread_mutex_destroy(&s->lock);
	free(s);
}

static int claim(struct seen *s, const struct otlp_id *id)
{
	uint32_t at;

	if (find(s, id, &at))
		return -EALREADY;
	for (size_t i = 0; i < s->claim_count; i++)
		if (!memcmp(&s->claims[i], id, sizeof(*id)))
			return -EBUSY;
	if (array_reserve((void **)&s->claims, &s->claim_capacity, s->claim_count + 1,
			  sizeof(*s->claims)))
		return -ENOMEM;
	s->claims[s->claim_count++] = *id;
	return 0;
}

int seen_claim(struct seen *s, const struct otlp_id *id)
{
	(void)pthread_mutex_lock(&s->lock);

	int err = claim(s, id);

	(void)pthread_mutex_unlock(&s->lock);
	return err;
}

static void remember(struct seen *s, const struct otlp_id *id)
{
	struct ring *r = s->ring;
	uint32_t at = r->next;

	if (!is_none(&r->ids[at]))
		(void)idmap_remove(&s->ids, hash_of(&r->ids[at]), at); /* the oldest */
	r->ids[at] = *id;
	r->next = (at + 1) % r->capacity;
	(void)idmap_insert(&s->ids, hash_of(id), at); /* without memory it may come twice */
}

static void settle(struct seen *s, const struct otlp_id *id, bool taken)
{
	for (size_t i = 0; i < s->claim_count; i++)
		if (!memcmp(&s->claims[i], id, sizeof(*id))) {
			s->claims[i] = s->claims[--s->claim_count];
			break;
		}
	if (taken)
		remember(s, id);
}

void seen_settle(struct seen *s, const struct otlp_id *ids, size_t count, bool taken)
{
	(void)pthread_mutex_lock(&s->lock);
	for (size_t i = 0; i < count; i++)
		settle(s, &ids[i], taken);
	(void)pthread_mutex_unlock(&s->lock);
}
