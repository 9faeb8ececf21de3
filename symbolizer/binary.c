/* SPDX-License-Identifier: Apache-2.0 */
#include "symbolizer/binary.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/hash.h"
#include "base/parse.h"
#include "symbolizer/debugfind.h"
#include "symbolizer/elfhead.h"

#define VDSO_BYTES_MAX (1u << 20)

struct binary {
	atomic_uint references;
	enum binary_kind kind;
	atomic_int fd;	      /* -1 for kinds without a file */
	atomic_bool detached; /* the file has not been looked for yet */
	bool has_build_id;
	int root_pid;
	char *path;	     /* owned */
	struct elfhead head; /* zero for kinds without a file */
};

static struct binary *binary_new(enum binary_kind kind, const char *path)
{
	struct binary *b = calloc(1, sizeof(*b));

	if (!b)
		return NULL;
	b->references = 1;
	b->kind = kind;
	b->fd = -1;
	b->path = strdup(path);
	if (b->path)
		return b;
	free(b);
	return NULL;
}

DEFINE_CLEANUP(binary_unref, struct binary *)

int binary_open(int fd, const char *path, int root_pid, struct binary **ret)
{
	CLEANUP(binary_unrefp) struct binary *b = binary_new(BINARY_ELF, path);

	if (!b)
		return -ENOMEM;

	int err = elfhead_read(fd, &b->head);

	if (err)
		return err;
	b->fd = fd;
	b->has_build_id = b->head.build_id_source != BUILD_ID_HASH;
	b->root_pid = root_pid;
	*ret = take_ptr(b);
	return 0;
}

/* Length of the mapping that the vDSO image lies in, from /proc/self/maps; 0 if it is not there. */
static size_t vdso_bytes(uintptr_t image)
{
	auto_fclose FILE *maps = fopen("/proc/self/maps", "re");
	char line[512];

	while (maps && fgets(line, sizeof(line), maps)) {
		const char *at = line;
		uint64_t start;
		uint64_t end;

		if (parse_take_hex(&at, &start) || start != image || *at++ != '-' ||
		    parse_take_hex(&at, &end))
			continue;
		return end > start && end - start <= VDSO_BYTES_MAX ? end - start : 0;
	}
	return 0;
}

/* A memfd with this process's vDSO, which is every 64-bit process's; -errno. */
static int dump_vdso(void)
{
	uintptr_t image = getauxval(AT_SYSINFO_EHDR);
	size_t length = image ? vdso_bytes(image) : 0;

	if (!length)
		return -ENOENT;

	auto_close int fd = memfd_create("hearth-vdso", MFD_CLOEXEC);

	if (fd < 0)
		return -errno;
	if (write(fd, (const void *)image, length) != (ssize_t)length)
		return -EIO;
	return take_fd(fd);
}

int binary_create_special(enum binary_kind kind, const char *name, struct binary **ret)
{
	CLEANUP(binary_unrefp) struct binary *b = binary_new(kind, name);

	if (!b)
		return -ENOMEM;
	if (kind == BINARY_VDSO) {
		auto_close int fd = dump_vdso();

		if (fd < 0)
			return fd;

		int err = elfhead_read(fd, &b->head);

		if (err)
			return err;
		b->fd = take_fd(fd);
		b->has_build_id = b->head.build_id_source != BUILD_ID_HASH;
	}
	*ret = take_ptr(b);
	return 0;
}

int binary_create_detached(const struct binary_identity *identity, struct binary **ret)
{
	CLEANUP(binary_unrefp) struct binary *b = binary_new(BINARY_ELF, identity->path);
	size_t bytes = identity->segment_count * sizeof(*identity->segments);

	if (!b)
		return -ENOMEM;
	if (bytes) {
		b->head.segments = malloc(bytes);
		if (!b->head.segments)
			return -ENOMEM;
		memcpy(b->head.segments, identity->segments, bytes);
	}
	b->head.segment_count = identity->segment_count;
	b->head.build_id = identity->build_id;
	b->has_build_id = identity->has_build_id;
	b->detached = identity->build_id.length > 0;
	*ret = take_ptr(b);
	return 0;
}

DEFINE_CLEANUP(elfhead_release, struct elfhead *)

/* The file at the path if it is still the same code; -1 if not. */
static int open_same(const struct binary *b)
{
	struct elfhead found = {0};
	CLEANUP(elfhead_releasep) struct elfhead *head = &found;
	struct stat status;

	/* The path may be somebody else's idea: a device must not even be opened. */
	if (stat(b->path, &status) || !S_ISREG(status.st_mode))
		return -1;

	auto_close int fd = debugfind_open_regular(b->path);

	if (fd < 0 || elfhead_read(fd, head) || !build_id_equal(&head->build_id, &b->head.build_id))
		return -1;
	return take_fd(fd);
}

/* Several threads may look at once; the first to find the file keeps it. */
static void attach(struct binary *b)
{
	auto_close int fd = open_same(b);
	int none = -1;

	if (fd >= 0 && atomic_compare_exchange_strong(&b->fd, &none, fd))
		fd = -1;
	atomic_store(&b->detached, false);
}

struct binary *binary_ref(struct binary *b)
{
	atomic_fetch_add_explicit(&b->references, 1, memory_order_relaxed);
	return b;
}

void binary_unref(struct binary *b)
{
	if (!b || atomic_fetch_sub_explicit(&b->references, 1, memory_order_acq_rel) != 1)
		return;
	if (b->fd >= 0)
		(void)close(b->fd); /* only read from */
	elfhead_release(&b->head);
	free(b->path);
	free(b);
}

enum binary_kind binary_kind(const struct binary *b)
{
	return b->kind;
}

const char *binary_path(const struct binary *b)
{
	return b->path;
}

const char *binary_basename(const struct binary *b)
{
	const char *slash = strrchr(b->path, '/');

	return slash && slash[1] ? slash + 1 : b->path;
}

const struct build_id *binary_build_id(const struct binary *b)
{
	return &b->head.build_id;
}

bool binary_has_build_id(const struct binary *b)
{
	return b->has_build_id;
}

bool binary_same_code(const struct binary *a, const struct binary *b)
{
	if (a == b)
		return true;
	if (binary_kind(a) != binary_kind(b))
		return false;
	if (a->head.build_id.length || b->head.build_id.length)
		return build_id_equal(&a->head.build_id, &b->head.build_id);
	return !strcmp(binary_path(a), binary_path(b));
}

uint64_t binary_code_hash(const struct binary *b)
{
	const char *path = binary_path(b);
	uint64_t hash = b->head.build_id.length
				? hash_bytes(b->head.build_id.bytes, b->head.build_id.length)
				: hash_bytes(path, strlen(path));

	return hash_combine(hash, binary_kind(b));
}

int binary_fd(const struct binary *b)
{
	if (atomic_load(&b->detached))
		attach((struct binary *)
			       b); /* a cache of what the path leads to: no visible state */
	return b->fd;
}

int binary_root_pid(const struct binary *b)
{
	return b->root_pid;
}

const struct binary_segment *binary_segments(const struct binary *b, size_t *ret_count)
{
	*ret_count = b->head.segment_count;
	return b->head.segments;
}

int binary_offset_to_vaddr(const struct binary *b, uint64_t offset, uint64_t *ret_vaddr)
{
	const struct binary_segment *found = NULL;

	for (size_t i = 0; i < b->head.segment_count; i++) {
		const struct binary_segment *s = &b->head.segments[i];

		if (offset < s->offset || offset - s->offset >= s->file_bytes)
			continue;
		if (!found || (s->executable && !found->executable))
			found = s;
	}
	if (!found)
		return -ENOENT;
	*ret_vaddr = offset - found->offset + found->vaddr;
	return 0;
}
