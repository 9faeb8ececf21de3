// SPDX-License-Identifier: Apache-2.0
#include "profiler/perf_ring.h"

#include <errno.h>
#include <linux/perf_event.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>

#include "base/cleanup.h"

/*
 * The reader wakes by the clock; a ring filled to this part of it wakes it earlier. Not at every event: the wake-up
 * is an interrupt, and costs the process that forks more than its event does.
 */
#define WAKEUP_SHARE 8u

struct perf_ring {
	int fd;
	size_t page_bytes;
	size_t data_bytes;
	struct perf_event_mmap_page *page; /* control page, the data right behind it */
	unsigned char
		record[PERF_RING_RECORD_MAX]; /* a record that wraps around is put together here */
};

DEFINE_CLEANUP(perf_ring_close, struct perf_ring *)

static int open_event(int cpu, size_t wakeup_bytes)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_SOFTWARE,
		.config = PERF_COUNT_SW_DUMMY,
		.size = sizeof(attr),
		.sample_type = PERF_SAMPLE_TIME,
		.sample_id_all = 1,
		.mmap = 1,
		.mmap2 = 1,
		.build_id = 1,
		.comm = 1,
		.comm_exec = 1,
		.task = 1,
		.ksymbol = 1,
		.use_clockid = 1,
		.clockid = CLOCK_MONOTONIC,
		.watermark = 1,
		.wakeup_watermark = (uint32_t)wakeup_bytes,
	};

	int fd = (int)syscall(SYS_perf_event_open, &attr, -1, cpu, -1, PERF_FLAG_FD_CLOEXEC);
	if (fd < 0 && errno == EINVAL) {
		attr.build_id = 0; /* before 5.12 */
		fd = (int)syscall(SYS_perf_event_open, &attr, -1, cpu, -1, PERF_FLAG_FD_CLOEXEC);
	}
	return fd < 0 ? -errno : fd;
}

int perf_ring_open(int cpu, size_t data_bytes, struct perf_ring **ret)
{
	size_t page_bytes = (size_t)sysconf(_SC_PAGESIZE);
	if (data_bytes < page_bytes || (data_bytes & (data_bytes - 1)))
		return -EINVAL;
	CLEANUP(perf_ring_closep) struct perf_ring *ring = calloc(1, sizeof(*ring));
	if (!ring)
		return -ENOMEM;

	ring->page_bytes = page_bytes;
	ring->data_bytes = data_bytes;
	ring->fd = open_event(cpu, data_bytes / WAKEUP_SHARE);
	if (ring->fd < 0)
		return ring->fd;

	void *memory = mmap(NULL, ring->page_bytes + data_bytes, PROT_READ | PROT_WRITE, MAP_SHARED,
			    ring->fd, 0);
	if (memory == MAP_FAILED)
		return -errno;
	ring->page = memory;
	*ret = take_ptr(ring);
	return 0;
}

void perf_ring_close(struct perf_ring *ring)
{
	if (!ring)
		return;
	if (ring->page)
		(void)munmap(ring->page, ring->page_bytes + ring->data_bytes); /* ours, whole */
	if (ring->fd >= 0)
		(void)close(ring->fd); /* nothing was written through it */
	free(ring);
}

int perf_ring_fd(const struct perf_ring *ring)
{
	return ring->fd;
}

/* The record at @tail, in one piece; NULL if it cannot be one. */
static const struct perf_event_header *record_at(struct perf_ring *ring, uint64_t tail,
						 uint64_t head)
{
	const unsigned char *data = (const unsigned char *)ring->page + ring->page_bytes;
	size_t at = tail & (ring->data_bytes - 1);
	const struct perf_event_header *header = (const void *)(data + at);

	/* Records are multiples of 8 bytes, so that a header never wraps. */
	if (header->size < sizeof(*header) || header->size > head - tail)
		return NULL;
	size_t before_end = ring->data_bytes - at;
	if (header->size <= before_end)
		return header;

	size_t size = header->size;
	memcpy(ring->record, data + at, before_end);
	memcpy(ring->record + before_end, data, size - before_end);
	return (const void *)ring->record;
}

int perf_ring_drain(struct perf_ring *ring, perf_ring_record_fn fn, void *arg)
{
	uint64_t head = __atomic_load_n(&ring->page->data_head, __ATOMIC_ACQUIRE);
	uint64_t tail = ring->page->data_tail;
	int result = 0;

	while (tail < head && !result) {
		const struct perf_event_header *header = record_at(ring, tail, head);
		if (!header) {
			tail = head;
			result = -EBADMSG;
			break;
		}
		tail += header->size;
		result = fn(header, header->size, arg);
	}
	__atomic_store_n(&ring->page->data_tail, tail, __ATOMIC_RELEASE);
	return result;
}
