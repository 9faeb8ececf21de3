/* SPDX-License-Identifier: Apache-2.0 */
#include "symbolizer/debugfind.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <zlib.h>

#include "base/cleanup.h"
#include "symbolizer/elfhead.h"
#include "symbolizer/elfsection.h"

#define LINK_BYTES_MAX 4352 /* a name of PATH_MAX and what follows it */

static const char *const default_dirs[] = {"/usr/lib/debug", NULL};

/* Whose files: below a process's root, or the host's (`root_fd` -1). */
struct place {
	int root_fd;
};

DEFINE_CLEANUP(elfhead_release, struct elfhead *)

void debugfind_note(struct debugfiles *files, const char *result, const char *place,
		    const char *path)
{
	size_t at = strlen(files->tried);
	size_t room = sizeof(files->tried) - at;
	int length = snprintf(files->tried + at, room, "%s %s %s\n", result, place, path);

	/* A name with a line break would pass for two. */
	if (length < 0 || (size_t)length >= room || strchr(path, '\n'))
		files->tried[at] = '\0';
}

static void note_candidate(struct debugfiles *files, struct place place, int fd, bool accepted)
{
	const char *result = accepted	     ? "found"
			     : fd >= 0	     ? "mismatch"
			     : fd == -ENOENT ? "missing"
					     : "unreadable";

	debugfind_note(files, result, place.root_fd < 0 ? "host" : "process", files->debug_path);
}

/* Keeps a descriptor if it is of a regular file. */
static int check_regular(int fd)
{
	struct stat status;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &status) || !S_ISREG(status.st_mode)) {
		(void)close(fd); /* only opened */
		return -EINVAL;
	}
	return fd;
}

int debugfind_open_regular(const char *path)
{
	return check_regular(open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
}

static int open_in(struct place place, const char *path)
{
	if (place.root_fd < 0)
		return debugfind_open_regular(path);

	struct open_how how = {
		.flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY,
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
	};

	return check_regular((int)syscall(SYS_openat2, place.root_fd, path, &how, sizeof(how)));
}

/* The root of a binary's process: -1 where that is unknown or gone. */
static int open_root(const struct binary *b)
{
	char path[64];

	if (!binary_root_pid(b))
		return -1;
	snprintf(path, sizeof(path), "/proc/%d/root", binary_root_pid(b));
	return open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

static bool same_file(int a, int b)
{
	struct stat x, y;

	return !fstat(a, &x) && !fstat(b, &y) && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

enum match { MATCH_YES, MATCH_NO, MATCH_UNKNOWN };

static enum match match_build_id(int fd, const struct build_id *id)
{
	struct elfhead head;

	if (elfhead_read(fd, &head))
		return MATCH_NO;

	CLEANUP(elfhead_releasep) struct elfhead *owner = &head;

	if (owner->build_id_source == BUILD_ID_HASH)
		return MATCH_UNKNOWN;
	return build_id_equal(&owner->build_id, id) ? MATCH_YES : MATCH_NO;
}

static enum match match_crc(int fd, uint32_t wanted)
{
	auto_free uint8_t *bytes = malloc(1u << 20);
	struct stat status;
	uLong crc = crc32(0, NULL, 0);
	ssize_t count;

	if (!bytes || fstat(fd, &status) || (uint64_t)status.st_size > DEBUGFIND_CRC_MAX)
		return MATCH_UNKNOWN;
	for (off_t at = 0; (count = pread(fd, bytes, 1u << 20, at)) > 0; at += count)
		crc = crc32(crc, bytes, (uInt)count);
	return count < 0 ? MATCH_UNKNOWN : crc == wanted ? MATCH_YES : MATCH_NO;
}

/* Whether an opened candidate belongs to the binary; closes it if not. */
static bool check_candidate(const struct binary *b, int fd, const uint32_t *crc,
			    struct debugfiles *files)
{
	enum match match = MATCH_NO;

	if (fd < 0)
		return false;
	if (!same_file(fd, binary_fd(b))) {
		match = binary_has_build_id(b) ? match_build_id(fd, binary_build_id(b))
					       : MATCH_UNKNOWN;
		if (match == MATCH_UNKNOWN && crc)
			match = match_crc(fd, *crc);
		if (match != MATCH_YES)
			files->debug_mismatch = true;
	}
	if (match == MATCH_YES) {
		files->debug_fd = fd;
		return true;
	}
	(void)close(fd); /* only read from */
	return false;
}

/* Takes the file at files->debug_path if it belongs to the binary. @crc: NULL = only the build id tells. */
static bool try_path(const struct binary *b, struct place place, const uint32_t *crc,
		     struct debugfiles *files)
{
	int fd = open_in(place, files->debug_path);
	bool accepted = check_candidate(b, fd, crc, files);

	note_candidate(files, place, fd, accepted);
	return accepted;
}

/* DIR/.build-id/xx/yyyy.debug; false if the id is too short for that or the path too long. */
static bool build_id_path(const char *dir, const struct build_id *id, char *path)
{
	char text[BUILD_ID_HEX_MAX];

	if (id->length < 2)
		return false;
	build_id_format(id, text);
	return snprintf(path, DEBUGFIND_PATH_MAX, "%s/.build-id/%.2s/%s.debug", dir, text,
			text + 2) < DEBUGFIND_PATH_MAX;
}

static bool find_by_build_id(const struct binary *b, struct place place, const char *const *dirs,
			     struct debugfiles *files)
{
	if (!binary_has_build_id(b))
		return false;
	for (; *dirs; dirs++)
		if (build_id_path(*dirs, binary_build_id(b), files->debug_path) &&
		    try_path(b, place, NULL, files))
			return true;
	return false;
}

/* Directory of a path, with a slash in front and none behind, in a buffer of DEBUGFIND_PATH_MAX. */
static void directory_of(const char *path, char *directory)
{
	const char *slash = strrchr(path, '/');
	size_t length = slash ? (size_t)(slash - path) : 0;

	if (length >= DEBUGFIND_PATH_MAX)
		length = 0;
	memcpy(directory, path, length);
	directory[length] = '\0';
}

static bool find_by_link(const struct binary *b, struct place place, const char *const *dirs,
			 struct debugfiles *files)
{
	char link[LINK_BYTES_MAX + 1], directory[DEBUGFIND_PATH_MAX];
	char *path = files->debug_path;
	size_t length;
	uint32_t crc;

	if (elfsection_read(binary_fd(b), ".gnu_debuglink", link, LINK_BYTES_MAX, &length))
		return false;

	size_t crc_at = (strnlen(link, length) + 4) & ~3ul;

	if (crc_at + sizeof(crc) > length || strchr(link, '/'))
		return false;
	memcpy(&crc, link + crc_at, sizeof(crc));
	directory_of(binary_path(b), directory);

	static const char *const beside[] = {"", "/.debug", NULL};

	for (const char *const *s = beside; *s; s++)
		if (snprintf(path, DEBUGFIND_PATH_MAX, "%s%s/%s", directory, *s, link) <
			    DEBUGFIND_PATH_MAX &&
		    try_path(b, place, &crc, files))
			return true;
	for (; *dirs; dirs++)
		if (snprintf(path, DEBUGFIND_PATH_MAX, "%s%s/%s", *dirs, directory, link) <
			    DEBUGFIND_PATH_MAX &&
		    try_path(b, place, &crc, files))
			return true;
	return false;
}

static bool accept_alt(int fd, const struct build_id *id, struct debugfiles *files)
{
	if (fd < 0)
		return false;
	if (match_build_id(fd, id) == MATCH_YES) {
		files->alt_fd = fd;
		return true;
	}
	(void)close(fd); /* only read from */
	return false;
}

/* The supplementary file that @fd, found as @path, refers to. */
static bool find_alt(int fd, const char *path, struct place place, const char *const *dirs,
		     struct debugfiles *files)
{
	char link[LINK_BYTES_MAX + 1], directory[DEBUGFIND_PATH_MAX];
	struct build_id id = {0};
	size_t length;

	if (elfsection_read(fd, ".gnu_debugaltlink", link, LINK_BYTES_MAX, &length))
		return false;

	size_t name_bytes = strnlen(link, length) + 1;

	files->alt_wanted = true;
	if (name_bytes >= length || length - name_bytes > BUILD_ID_BYTES_MAX)
		return false;
	id.length = (uint8_t)(length - name_bytes);
	memcpy(id.bytes, link + name_bytes, id.length);

	for (; *dirs; dirs++)
		if (build_id_path(*dirs, &id, files->alt_path) &&
		    accept_alt(open_in(place, files->alt_path), &id, files))
			return true;
	directory_of(path, directory);

	int count = link[0] == '/' ? snprintf(files->alt_path, DEBUGFIND_PATH_MAX, "%s", link)
				   : snprintf(files->alt_path, DEBUGFIND_PATH_MAX, "%s/%s",
					      directory, link);

	return count < DEBUGFIND_PATH_MAX &&
	       accept_alt(open_in(place, files->alt_path), &id, files);
}

static void find_dwp(const struct binary *b, struct place place, struct debugfiles *files)
{
	char path[DEBUGFIND_PATH_MAX];

	if (files->dwp_fd < 0 &&
	    snprintf(path, sizeof(path), "%s.dwp", binary_path(b)) < (int)sizeof(path))
		files->dwp_fd = open_in(place, path);
	if (files->dwp_fd < 0)
		files->dwp_fd = -1;
}

/* What belongs to a debug file, or to the binary itself if there is no other. */
static void find_rest(const struct binary *b, const struct place *places, size_t place_count,
		      const char *const *dirs, struct debugfiles *files)
{
	bool separate = files->debug_fd >= 0;
	bool found = false;

	for (size_t i = 0; !found && i < place_count; i++)
		found = find_alt(separate ? files->debug_fd : binary_fd(b),
				 separate ? files->debug_path : binary_path(b), places[i], dirs,
				 files);
	if (!found)
		files->alt_path[0] = '\0';
	for (size_t i = 0; i < place_count; i++)
		find_dwp(b, places[i], files);
}

void debugfind(const struct binary *b, const char *const *dirs, struct debugfiles *ret)
{
	auto_close int root_fd = open_root(b);
	struct place places[2] = {{root_fd}, {-1}};
	size_t first = root_fd < 0; /* only the host's */
	bool found = false;

	*ret = DEBUGFILES_NONE;
	if (!dirs)
		dirs = default_dirs;
	for (size_t i = first; !found && i < 2; i++)
		found = find_by_build_id(b, places[i], dirs, ret);
	for (size_t i = first; !found && i < 2; i++)
		found = find_by_link(b, places[i], dirs, ret);
	if (!found)
		ret->debug_path[0] = '\0';
	find_rest(b, places + first, 2 - first, dirs, ret);
}

int debugfind_given(const struct binary *b, const char *path, const char *const *dirs,
		    struct debugfiles *ret)
{
	auto_close int fd = debugfind_open_regular(path);
	struct elfhead head;

	*ret = DEBUGFILES_NONE;
	if (fd < 0)
		return fd;

	int err = elfhead_read(fd, &head);

	if (err)
		return err;

	bool other = binary_has_build_id(b) && head.build_id_source != BUILD_ID_HASH &&
		     !build_id_equal(&head.build_id, binary_build_id(b));

	elfhead_release(&head);
	if (other)
		return -EBADMSG;
	if (snprintf(ret->debug_path, DEBUGFIND_PATH_MAX, "%s", path) >= DEBUGFIND_PATH_MAX)
		return -ENAMETOOLONG;
	ret->debug_fd = take_fd(fd);
	find_rest(b, &(struct place){-1}, 1, dirs ? dirs : default_dirs, ret);
	return 0;
}

void debugfind_release(struct debugfiles *files)
{
	const int fds[] = {files->debug_fd, files->alt_fd, files->dwp_fd};

	for (size_t i = 0; i < sizeof(fds) / sizeof(*fds); i++)
		if (fds[i] >= 0)
			(void)close(fds[i]); /* only read from */
	*files = DEBUGFILES_NONE;
}

int debugfind_split(const struct binary *b, const char *directory, const char *name)
{
	auto_close int root_fd = open_root(b);
	char path[DEBUGFIND_PATH_MAX];
	size_t length = strlen(name);
	bool absolute = name[0] == '/' || !directory;

	if (length < 4 || strcmp(name + length - 4, ".dwo") != 0)
		return -EACCES;

	int count = absolute ? snprintf(path, sizeof(path), "%s", name)
			     : snprintf(path, sizeof(path), "%s/%s", directory, name);

	if (count >= (int)sizeof(path))
		return -ENAMETOOLONG;

	int fd = root_fd >= 0 ? open_in((struct place){root_fd}, path) : -ENOENT;

	return fd >= 0 ? fd : open_in((struct place){-1}, path);
}
