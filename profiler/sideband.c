// SPDX-License-Identifier: Apache-2.0
#include "profiler/sideband.h"

#include <errno.h>
#include <linux/perf_event.h>
#include <string.h>

#include "base/clock.h"

#define MMAP2_BUILD_ID_MAX 20u /* size of the field in the record */
#define AHEAD_MAX_NS	   (100 * NS_PER_MS)

struct mmap2_record {
	struct perf_event_header header;
	uint32_t pid, tid;
	uint64_t start, bytes, offset;
	union {
		struct {
			uint32_t major, minor;
			uint64_t inode, inode_generation;
		};
		struct {
			uint8_t build_id_size, reserved[3];
			uint8_t build_id[MMAP2_BUILD_ID_MAX];
		};
	};
	uint32_t protection, flags;
	/* filename */
};

struct comm_record {
	struct perf_event_header header;
	uint32_t pid, tid;
	/* comm */
};

struct task_record {
	struct perf_event_header header;
	uint32_t pid, parent_pid, tid, parent_tid;
	uint64_t time_ns;
};

struct ksymbol_record {
	struct perf_event_header header;
	uint64_t start;
	uint32_t bytes;
	uint16_t type, flags;
	/* name */
};

struct lost_record {
	struct perf_event_header header;
	uint64_t id, lost;
};

_Static_assert(sizeof(struct mmap2_record) == 72, "as the kernel lays it out");
_Static_assert(sizeof(struct task_record) == 32, "as the kernel lays it out");

/* Whether the @size bytes at @record hold a fixed part of @fixed bytes, then a string, then the time. */
static bool string_ends(const void *record, size_t size, size_t fixed)
{
	const char *text = (const char *)record + fixed;

	return size > fixed + sizeof(uint64_t) &&
	       memchr(text, '\0', size - fixed - sizeof(uint64_t)) != NULL;
}

static int parse_mmap2(const void *record, size_t size, struct sideband_event *ret)
{
	const struct mmap2_record *m = record;
	if (!string_ends(record, size, sizeof(*m)) || m->bytes > UINT64_MAX - m->start)
		return -EBADMSG;

	ret->type = SIDEBAND_MAP;
	ret->tgid = m->pid;
	ret->tid = m->tid;
	ret->start = m->start;
	ret->bytes = m->bytes;
	ret->offset = m->offset;
	ret->file.path = (const char *)(m + 1);
	if (!(m->header.misc & PERF_RECORD_MISC_MMAP_BUILD_ID)) {
		ret->file.device_major = m->major;
		ret->file.device_minor = m->minor;
		ret->file.inode = m->inode;
		ret->file.inode_generation = m->inode_generation;
		return 0;
	}
	if (m->build_id_size > MMAP2_BUILD_ID_MAX)
		return -EBADMSG;
	ret->file.build_id.length = m->build_id_size;
	memcpy(ret->file.build_id.bytes, m->build_id, m->build_id_size);
	return 0;
}

static int parse_comm(const void *record, size_t size, struct sideband_event *ret)
{
	const struct comm_record *c = record;
	if (!string_ends(record, size, sizeof(*c)))
		return -EBADMSG;

	ret->type = c->header.misc & PERF_RECORD_MISC_COMM_EXEC ? SIDEBAND_EXEC : SIDEBAND_COMM;
	ret->tgid = c->pid;
	ret->tid = c->tid;
	return 0;
}

static int parse_task(const void *record, size_t size, struct sideband_event *ret)
{
	const struct task_record *t = record;
	if (size < sizeof(*t) + sizeof(uint64_t))
		return -EBADMSG;

	ret->type = t->header.type == PERF_RECORD_FORK ? SIDEBAND_FORK : SIDEBAND_EXIT;
	ret->tgid = t->pid;
	ret->tid = t->tid;
	ret->parent_tgid = t->parent_pid;
	return 0;
}

/*
 * The time stands behind the name, not at the end of the record: where several events listen, the kernel adds the
 * size of the trailer once for each of them and never takes it back (perf_event_ksymbol_output(),
 * kernel/events/core.c), and what comes after the trailer was never written.
 */
static int parse_ksymbol(const void *record, size_t size, struct sideband_event *ret)
{
	const struct ksymbol_record *k = record;
	const char *name = (const char *)(k + 1);
	if (!string_ends(record, size, sizeof(*k)))
		return -EBADMSG;

	size_t name_room = (strlen(name) + 1 + 7) & ~(size_t)7;
	if (sizeof(*k) + name_room + sizeof(uint64_t) > size)
		return -EBADMSG;
	memcpy(&ret->time_ns, name + name_room, sizeof(uint64_t));
	ret->type = SIDEBAND_KSYMBOL;
	ret->start = k->start;
	ret->bytes = k->bytes;
	return 0;
}

static int parse_lost(const void *record, size_t size, struct sideband_event *ret)
{
	const struct lost_record *l = record;
	if (size < sizeof(*l) + sizeof(uint64_t))
		return -EBADMSG;

	ret->type = SIDEBAND_LOST;
	ret->lost_count = l->lost;
	return 0;
}

int sideband_parse(const void *record, size_t size, struct sideband_event *ret)
{
	const struct perf_event_header *header = record;
	if (size < sizeof(*header) + sizeof(uint64_t) || header->size != size)
		return -EBADMSG;

	struct sideband_event event = {.type = SIDEBAND_OTHER};
	memcpy(&event.time_ns, (const char *)record + size - sizeof(uint64_t), sizeof(uint64_t));

	int error = 0;
	switch (header->type) {
	case PERF_RECORD_MMAP2:
		error = parse_mmap2(record, size, &event);
		break;
	case PERF_RECORD_COMM:
		error = parse_comm(record, size, &event);
		break;
	case PERF_RECORD_FORK:
	case PERF_RECORD_EXIT:
		error = parse_task(record, size, &event);
		break;
	case PERF_RECORD_KSYMBOL:
		error = parse_ksymbol(record, size, &event);
		break;
	case PERF_RECORD_LOST:
		error = parse_lost(record, size, &event);
		break;
	default:
		break;
	}
	if (!error)
		*ret = event;
	return error;
}

bool sideband_time_is_sane(const struct sideband_event *event, uint64_t now_ns)
{
	return event->time_ns <= now_ns || event->time_ns - now_ns <= AHEAD_MAX_NS;
}
