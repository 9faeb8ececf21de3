// SPDX-License-Identifier: Apache-2.0
#include "profiler/binary_cache.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/idmap.h"

#define RETRY_NS (5 * NS_PER_S) /* a file that could not be opened is tried again this much later */

DEFINE_CLEANUP(binary_unref, struct binary *)
DEFINE_CLEANUP(binary_cache_destroy, struct binary_cache *)

/** What an entry is found by. */
struct file_key {
	uint64_t hash;
	struct build_id build_id; /* length 0: the rest counts */
	uint64_t device, inode, size;
	uint64_t changed_ns;
};

struct entry {
	struct file_key key;
	struct binary *binary; /* one reference */
	uint64_t used;	       /* tick of the last use */
	uint64_t retry_ns;     /* not opened yet: when to try again; 0 = it is open */
};

struct binary_cache {
	struct symbolizer *symbolizer; /* borrowed; NULL allowed */
	struct entry *entries;
	size_t count, capacity;
	struct idmap ids;
	uint64_t tick; /* counts uses */
	uint64_t failures;
	struct binary *anon, *vdso, *unknown;
};

int binary_cache_create(struct symbolizer *symbolizer, struct binary_cache **ret)
{
	CLEANUP(binary_cache_destroyp) struct binary_cache *c = calloc(1, sizeof(*c));
	if (!c)
		return -ENOMEM;

	c->symbolizer = symbolizer;
	int error = binary_create_special(BINARY_ANON, "[anon]", &c->anon);
	if (!error)
		error = binary_create_special(BINARY_UNKNOWN, "[unknown]", &c->unknown);
	if (!error && binary_create_special(BINARY_VDSO, "[vdso]", &c->vdso))
		error = binary_create_special(BINARY_UNKNOWN, "[vdso]", &c->vdso);
	if (error)
		return error;
	*ret = take_ptr(c);
	return 0;
}

void binary_cache_destroy(struct binary_cache *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < c->count; i++)
		binary_unref(c->entries[i].binary);
	binary_unref(c->anon);
	binary_unref(c->vdso);
	binary_unref(c->unknown);
	idmap_release(&c->ids);
	free(c->entries);
	free(c);
}

static void set_build_id_key(struct file_key *key, const struct build_id *id)
{
	*key = (struct file_key){.build_id = *id, .hash = hash_bytes(id->bytes, id->length)};
}

static int set_file_key(struct file_key *key, int fd)
{
	struct stat st;
	if (fstat(fd, &st))
		return -errno;

	*key = (struct file_key){.device = st.st_dev,
				 .inode = st.st_ino,
				 .size = (uint64_t)st.st_size,
				 .changed_ns = (uint64_t)st.st_mtim.tv_sec * NS_PER_S +
					       (uint64_t)st.st_mtim.tv_nsec};
	key->hash = hash_combine(hash_combine(key->device, key->inode),
				 hash_combine(key->size, key->changed_ns));
	return 0;
}

static bool keys_equal(const struct file_key *a, const struct file_key *b)
{
	return build_id_equal(&a->build_id, &b->build_id) && a->device == b->device &&
	       a->inode == b->inode && a->size == b->size && a->changed_ns == b->changed_ns;
}

static struct entry *find(struct binary_cache *c, const struct file_key *key)
{
	for (struct idmap_probe p = idmap_find(&c->ids, key->hash); p.found;
	     idmap_next(&c->ids, &p)) {
		struct entry *e = &c->entries[p.id];

		if (keys_equal(&e->key, key)) {
			e->used = ++c->tick;
			return e;
		}
	}
	return NULL;
}

/* Drop the entry that was not used for the longest time; the last one moves into its place. */
static void evict(struct binary_cache *c)
{
	size_t oldest = 0;
	for (size_t i = 1; i < c->count; i++) {
		if (c->entries[i].used < c->entries[oldest].used)
			oldest = i;
	}

	struct entry *gone = &c->entries[oldest];
	size_t last = c->count - 1;
	(void)idmap_remove(&c->ids, gone->key.hash, (uint32_t)oldest);
	binary_unref(gone->binary);
	if (oldest != last) {
		(void)idmap_remove(&c->ids, c->entries[last].key.hash, (uint32_t)last);
		*gone = c->entries[last];
		/* One was just removed, so that there is room. */
		(void)idmap_insert(&c->ids, gone->key.hash, (uint32_t)oldest);
	}
	c->count--;
}

static int add(struct binary_cache *c, const struct file_key *key, struct binary *binary,
	       uint64_t retry_ns)
{
	if (c->count >= BINARY_CACHE_MAX)
		evict(c);
	if (array_reserve((void **)&c->entries, &c->capacity, c->count + 1,
			  sizeof(c->entries[0])) ||
	    idmap_insert(&c->ids, key->hash, (uint32_t)c->count))
		return -ENOMEM;
	c->entries[c->count++] = (struct entry){
		.key = *key, .binary = binary_ref(binary), .used = ++c->tick, .retry_ns = retry_ns};
	return 0;
}

/* --- opening -------------------------------------------------------------------------------------- */

/* Whether the build id that the kernel read (20 bytes at most) is that of the file. */
static bool build_id_agrees(const struct build_id *from_kernel, const struct binary *b)
{
	const struct build_id *id = binary_build_id(b);

	return from_kernel->length && from_kernel->length <= id->length &&
	       !memcmp(from_kernel->bytes, id->bytes, from_kernel->length);
}

/* Whether the link of a map_files entry still names the file that was mapped there. */
static bool link_names(const char *link, const char *path)
{
	static const char deleted[] = " (deleted)";
	char target[PATH_MAX];
	ssize_t length = readlink(link, target, sizeof(target) - 1);
	size_t path_length = strlen(path);

	if (length < 0 || (size_t)length < path_length || memcmp(target, path, path_length))
		return false;
	target[length] = '\0';
	return !target[path_length] || !strcmp(target + path_length, deleted);
}

/*
 * Where to look for a file. A process that is gone, or has replaced itself, may have left another file at the
 * same address or path, so that what is found is checked: by build id, or by name where there is none.
 */
enum source {
	SOURCE_MAP_FILES,
	SOURCE_ROOT,
	SOURCE_PARENT_ROOT,
	SOURCE_HOST,
	SOURCE_COUNT,
};

static int open_source(enum source source, const struct mapping_place *place,
		       const struct mapped_file *file)
{
	char path[PATH_MAX + 64];
	pid_t root = source == SOURCE_PARENT_ROOT ? place->parent : place->pid;

	if (source == SOURCE_MAP_FILES) {
		(void)snprintf(path, sizeof(path), "/proc/%d/map_files/%lx-%lx", (int)place->pid,
			       (unsigned long)place->start, (unsigned long)place->end);
		if (!file->build_id.length && !link_names(path, file->path))
			return -ENOENT;
		int fd = open(path, O_RDONLY | O_CLOEXEC);
		return fd < 0 ? -errno : fd;
	}
	if (file->path[0] != '/')
		return -ENOENT;
	if (source != SOURCE_HOST && root <= 0)
		return -ENOENT;

	if (source == SOURCE_HOST)
		(void)snprintf(path, sizeof(path), "%s", file->path);
	else
		(void)snprintf(path, sizeof(path), "/proc/%d/root%s", (int)root, file->path);
	/* Not a device or a pipe that somebody put there: no side effects, no waiting. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return -errno;
	struct stat st;
	if (fstat(fd, &st) || !S_ISREG(st.st_mode)) {
		(void)close(fd); /* not what we came for */
		return -ENOENT;
	}
	return fd;
}

/*
 * Whether a file without a build id in its mapping may be taken from @source: the inode must be the one that was
 * mapped. (Devices are not compared: overlayfs and btrfs show others in stat(2).)
 */
static bool inode_agrees(int fd, const struct mapped_file *file)
{
	struct stat st;

	return !fstat(fd, &st) && st.st_ino == file->inode;
}

/*
 * Open the file, or find it among those that are open.
 *
 * Returns 0 with a reference in @ret and whether it is new to the cache in @ret_key; -ENOEXEC if the right file is
 * no ELF file; -ENOENT if no source has it; -ENOMEM.
 */
static int open_file(struct binary_cache *c, const struct mapping_place *place,
		     const struct mapped_file *file, struct binary **ret)
{
	for (enum source source = 0; source < SOURCE_COUNT; source++) {
		auto_close int fd = open_source(source, place, file);
		struct file_key key;
		if (fd < 0 || set_file_key(&key, fd))
			continue;
		if (!file->build_id.length && source != SOURCE_MAP_FILES && !inode_agrees(fd, file))
			continue;

		const struct entry *known = find(c, &key);
		if (known &&
		    (!file->build_id.length || build_id_agrees(&file->build_id, known->binary))) {
			*ret = binary_ref(known->binary);
			return 0;
		}

		CLEANUP(binary_unrefp) struct binary *binary = NULL;
		int error = binary_open(fd, file->path, (int)place->pid, &binary);
		if (error == -ENOEXEC && !file->build_id.length)
			return -ENOEXEC;
		if (error == -ENOMEM)
			return -ENOMEM;
		if (error)
			continue;
		(void)take_fd(fd); /* the binary owns it now */
		if (file->build_id.length && !build_id_agrees(&file->build_id, binary))
			continue;
		*ret = take_ptr(binary);
		return 0;
	}
	return -ENOENT;
}

/* Remember a binary under its file, and under its build id, if these are new. Returns the one to use. */
static struct binary *remember(struct binary_cache *c, struct binary *binary)
{
	struct binary *use = binary;
	struct file_key key;

	set_build_id_key(&key, binary_build_id(binary));
	struct entry *same = find(c, &key);
	if (same && !same->retry_ns) {
		use = same->binary;
	} else if (same) {
		binary_unref(same->binary); /* the stand-in for when it could not be opened */
		same->binary = binary_ref(binary);
		same->retry_ns = 0;
	} else {
		(void)add(c, &key, binary, 0); /* without it the file is opened once more */
	}
	if (use == binary && c->symbolizer)
		(void)symbolizer_want(c->symbolizer,
				      binary); /* it asks again when it is looked up */

	if (!set_file_key(&key, binary_fd(binary)) && !find(c, &key))
		(void)add(c, &key, use, 0); /* as above */
	return use;
}

/* --- the way in ----------------------------------------------------------------------------------- */

/* The binary of memory that has no file; NULL if it has one. Borrowed. */
static struct binary *special_binary(const struct binary_cache *c, const struct mapped_file *file)
{
	if (!strcmp(file->path, "[vdso]"))
		return c->vdso;
	if (file->path[0] != '/' ||
	    file->path[1] == '/') /* [heap], anon_inode:..., //anon, //toolong */
		return c->anon;
	return NULL;
}

/* A stand-in for a file that is no ELF file, or is not there; found again by the mapping's own key. */
static int stand_in(struct binary_cache *c, const struct mapped_file *file, struct file_key *key,
		    uint64_t retry_ns, struct binary **ret)
{
	enum binary_kind kind = retry_ns == UINT64_MAX ? BINARY_ANON : BINARY_UNKNOWN;
	struct entry *old = find(c, key);
	if (old) {
		old->retry_ns = retry_ns;
		*ret = binary_ref(old->binary);
		return 0;
	}

	int error = binary_create_special(kind, file->path, ret);
	if (error)
		return error;
	(void)add(c, key, *ret, retry_ns); /* without it the next mapping makes another */
	return 0;
}

/* Key of what the mapping itself says of its file. */
static void set_mapping_key(struct file_key *key, const struct mapped_file *file)
{
	if (file->build_id.length) {
		set_build_id_key(key, &file->build_id);
		return;
	}
	*key = (struct file_key){
		.device = (uint64_t)file->device_major << 32 | file->device_minor,
		.inode = file->inode,
		.changed_ns = file->inode_generation,
		.size = UINT64_MAX, /* no opened file has this size */
	};
	key->hash = hash_combine(hash_combine(key->device, key->inode),
				 hash_bytes(file->path, strlen(file->path)));
}

int binary_cache_get(struct binary_cache *c, const struct mapping_place *place,
		     const struct mapped_file *file, uint64_t now_ns, struct binary **ret)
{
	struct binary *special = special_binary(c, file);
	if (special) {
		*ret = binary_ref(special);
		return 0;
	}

	struct file_key key;
	set_mapping_key(&key, file);
	const struct entry *known = find(c, &key);
	if (known && (!known->retry_ns ? file->build_id.length : known->retry_ns > now_ns)) {
		*ret = binary_ref(known->binary);
		return 0;
	}

	struct binary *opened = NULL;
	int error = open_file(c, place, file, &opened);
	if (!error) {
		*ret = binary_ref(remember(c, opened));
		binary_unref(opened);
		return 0;
	}
	if (error == -ENOMEM)
		return error;
	if (error != -ENOEXEC)
		c->failures++;
	return stand_in(c, file, &key, error == -ENOEXEC ? UINT64_MAX : now_ns + RETRY_NS, ret);
}

struct binary *binary_cache_unknown(struct binary_cache *c)
{
	return c->unknown;
}

size_t binary_cache_count(const struct binary_cache *c)
{
	return c->count;
}

uint64_t binary_cache_failures(const struct binary_cache *c)
{
	return c->failures;
}
