// SPDX-License-Identifier: Apache-2.0
/*
 * The memory of the unwinder: chunks that the kernel and we share, and the map of processes.
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/membarrier.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/parse.h"
#include "profiler/bpf_side_internal.h"

#define CHUNK_MAP_BYTES (UNWIND_CHUNK_BYTES + 8192u) /* with what the kernel adds */

/* Memory of a map by its fdinfo; 0 if that does not say. */
uint64_t bpf_side_map_memory(int fd)
{
	char path[64], text[1024];
	(void)snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	auto_close int info = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t length = info < 0 ? -1 : read(info, text, sizeof(text) - 1);
	if (length <= 0)
		return 0;

	text[length] = '\0';
	uint64_t bytes;
	char *line = strstr(text, "memlock:");
	char *rest = line ? line + strlen("memlock:") : NULL;
	const char *number = rest ? strsep(&rest, "\n") : NULL;
	return number && !parse_u64(number + strspn(number, "\t "), &bytes) ? bytes : 0;
}

/* --- the unwinder's memory ------------------------------------------------------------------------- */

/* Leave to chunks what the other maps do not take of the budget. */
int bpf_side_fit_chunks(struct bpf_side *side)
{
	uint64_t left =
		side->memory_bytes > side->map_bytes ? side->memory_bytes - side->map_bytes : 0;
	uint32_t fit = (uint32_t)clamp(left / CHUNK_MAP_BYTES, 2, side->chunk_max);

	side->chunk_max = fit;
	side->chunks = calloc(fit, sizeof(side->chunks[0]));
	side->chunk_fds = calloc(fit, sizeof(side->chunk_fds[0]));
	if (!side->chunks || !side->chunk_fds)
		return -ENOMEM;
	for (uint32_t i = 0; i < fit; i++)
		side->chunk_fds[i] = -1;
	return 0;
}

uint32_t bpf_side_chunk_max(const struct bpf_side *side)
{
	return side->chunk_max;
}

int bpf_side_add_chunk(struct bpf_side *side, uint32_t index, void **ret)
{
	LIBBPF_OPTS(bpf_map_create_opts, options, .map_flags = BPF_F_MMAPABLE);

	if (index >= side->chunk_max || side->chunks[index])
		return -ENOSPC;
	auto_close int fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "unwind_chunk", sizeof(uint32_t),
					   UNWIND_CHUNK_BYTES, 1, &options);
	if (fd < 0)
		return fd;
	void *bytes = mmap(NULL, UNWIND_CHUNK_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (bytes == MAP_FAILED)
		return -errno;
	int error = bpf_map_update_elem(bpf_side_chunks_fd(side), &index, &fd, BPF_ANY);
	if (error) {
		(void)munmap(bytes, UNWIND_CHUNK_BYTES); /* just mapped */
		return error;
	}
	(void)__atomic_add_fetch(&side->map_bytes, bpf_side_map_memory(fd), __ATOMIC_RELAXED);
	side->chunks[index] = bytes;
	side->chunk_fds[index] = take_fd(fd);
	*ret = bytes;
	return 0;
}

int bpf_side_put_process(struct bpf_side *side, uint32_t tgid,
			 const struct unwind_process_entry *entry)
{
	return bpf_map_update_elem(bpf_side_processes_fd(side), &tgid, entry, BPF_ANY);
}

void bpf_side_drop_process(struct bpf_side *side, uint32_t tgid)
{
	/* It may not be there: the map may have been full. */
	(void)bpf_map_delete_elem(bpf_side_processes_fd(side), &tgid);
}

void bpf_side_wait_for_programs(struct bpf_side *side)
{
	struct timespec moment = {.tv_nsec = 10 * NS_PER_MS};

	(void)side;
	/*
	 * Programs run as RCU readers, and this membarrier(2) is synchronize_rcu(). It is refused with nohz_full;
	 * a pause is then far longer than any program runs.
	 */
	if (syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0))
		(void)nanosleep(&moment, NULL); /* signals are blocked in our threads */
}

void bpf_side_free_chunks(struct bpf_side *side)
{
	for (uint32_t i = 0; side->chunks && side->chunk_fds && i < side->chunk_max; i++) {
		if (side->chunks[i])
			(void)munmap(side->chunks[i], UNWIND_CHUNK_BYTES); /* mapped by us */
		if (side->chunk_fds[i] >= 0)
			(void)close(side->chunk_fds[i]); /* a map */
	}
	free(side->chunks);
	free(side->chunk_fds);
}
