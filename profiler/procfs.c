// SPDX-License-Identifier: Apache-2.0
#include "profiler/procfs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/parse.h"

#define PROC_PATH_BYTES	  64u
#define KERNEL_PF_KTHREAD 0x00200000u /* field 9 of stat */

static void cleanup_closedirp(DIR **dir)
{
	if (*dir)
		(void)closedir(*dir); /* only read */
}

static void proc_path(char path[static PROC_PATH_BYTES], pid_t pid, const char *name)
{
	(void)snprintf(path, PROC_PATH_BYTES, "/proc/%d/%s", (int)pid, name); /* short names only */
}

void procfs_strip_deleted(char *path)
{
	static const char mark[] = " (deleted)";
	size_t length = strlen(path), mark_length = sizeof(mark) - 1;

	if (length > mark_length && !strcmp(path + length - mark_length, mark))
		path[length - mark_length] = '\0';
}

/* The kernel writes a newline in a path as \012 and nothing else that way (fs/proc/task_mmu.c: seq_path). */
static void unescape_newlines(char *path)
{
	char *to = path;

	for (const char *from = path; *from; to++) {
		bool newline = !strncmp(from, "\\012", 4);

		*to = newline ? '\n' : *from;
		from += newline ? 4 : 1;
	}
	*to = '\0';
}

/*
 * Cut the text at @end and parse what is before it in hexadecimal. Returns what follows; NULL if it is no number
 * or @end is not there.
 */
static char *take_hex(char *text, char end, uint64_t *ret)
{
	char *rest = text ? strchr(text, end) : NULL;
	if (!rest)
		return NULL;

	*rest = '\0';
	return parse_hex(text, ret) ? NULL : rest + 1;
}

int procfs_parse_mapping(char *line, struct procfs_mapping *ret)
{
	struct procfs_mapping m = {0};
	uint64_t major, minor;

	char *at = take_hex(take_hex(line, '-', &m.start), ' ', &m.end);
	if (!at || m.end <= m.start || strlen(at) < 5 || at[4] != ' ')
		return -EBADMSG;
	m.executable = at[2] == 'x';
	at = take_hex(take_hex(take_hex(at + 5, ' ', &m.offset), ':', &major), ' ', &minor);
	if (!at)
		return -EBADMSG;

	char *end = at + strspn(at, "0123456789");
	char *path = end + strspn(end, " ");
	if (end == at || (*end && *end != ' '))
		return -EBADMSG;
	*end = '\0';
	if (parse_u64(at, &m.inode))
		return -EBADMSG;

	procfs_strip_deleted(path);
	unescape_newlines(path);
	m.device_major = (uint32_t)major;
	m.device_minor = (uint32_t)minor;
	m.path = path;
	*ret = m;
	return 0;
}

/* Fields of stat behind the name, counted from the state (proc(5) numbers it 3). */
enum stat_field {
	STAT_PARENT = 1,
	STAT_FLAGS = 6,
	STAT_THREADS = 17,
	STAT_START = 19,
	STAT_FIELDS = 20,
};

int procfs_parse_stat(char *text, struct procfs_stat *ret)
{
	/* The name is in parentheses and may hold anything, parentheses too: fields count from the last one. */
	char *rest = strrchr(text, ')');
	if (!rest || rest[1] != ' ')
		return -EBADMSG;

	const char *fields[STAT_FIELDS];
	size_t count = 0;
	rest += 2;
	for (char *field; count < STAT_FIELDS && (field = strsep(&rest, " \n"));)
		fields[count++] = field;

	uint64_t flags;
	struct procfs_stat stat = {0};
	uint32_t parent;
	if (count < STAT_FIELDS || parse_u32_range(fields[STAT_PARENT], 0, INT_MAX, &parent) ||
	    parse_u64(fields[STAT_FLAGS], &flags) ||
	    parse_u32_range(fields[STAT_THREADS], 0, INT_MAX, &stat.thread_count) ||
	    parse_u64(fields[STAT_START], &stat.start_ticks))
		return -EBADMSG;
	stat.parent = (pid_t)parent;
	stat.is_kernel_thread = flags & KERNEL_PF_KTHREAD;
	*ret = stat;
	return 0;
}

int procfs_read_maps(pid_t pid, procfs_mapping_fn fn, void *arg)
{
	char path[PROC_PATH_BYTES];
	proc_path(path, pid, "maps");
	auto_fclose FILE *file = fopen(path, "re");
	if (!file)
		return -errno;

	auto_free char *line = NULL;
	size_t capacity = 0;
	ssize_t length;
	int result = 0;
	errno = 0;
	while (!result && (length = getline(&line, &capacity, file)) > 0) {
		struct procfs_mapping mapping;

		if (line[length - 1] == '\n')
			line[length - 1] = '\0';
		if (!procfs_parse_mapping(line, &mapping))
			result = fn(&mapping, arg);
		errno = 0;
	}
	return result ? result : -errno;
}

int procfs_read_text(pid_t pid, const char *name, char *text, size_t text_bytes)
{
	char path[PROC_PATH_BYTES];
	proc_path(path, pid, name);
	auto_close int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;

	size_t used = 0;
	while (used < text_bytes) {
		ssize_t got = read(fd, text + used, text_bytes - used);

		if (got < 0)
			return -errno;
		if (!got) {
			text[used] = '\0';
			return 0;
		}
		used += (size_t)got;
	}
	return -EFBIG;
}

int procfs_read_stat(pid_t pid, struct procfs_stat *ret)
{
	char text[1024];
	int error = procfs_read_text(pid, "stat", text, sizeof(text));

	return error ? error : procfs_parse_stat(text, ret);
}

int procfs_read_exe(pid_t pid, char **ret)
{
	char path[PROC_PATH_BYTES], target[PATH_MAX];
	proc_path(path, pid, "exe");
	ssize_t length = readlink(path, target, sizeof(target) - 1);
	if (length < 0)
		return -errno;

	target[length] = '\0';
	procfs_strip_deleted(target);
	*ret = strdup(target);
	return *ret ? 0 : -ENOMEM;
}

int procfs_for_each(procfs_process_fn fn, void *arg)
{
	CLEANUP(cleanup_closedirp) DIR *dir = opendir("/proc");
	if (!dir)
		return -errno;

	int result = 0;
	for (const struct dirent *entry; !result && (entry = readdir(dir));) {
		uint32_t pid;

		if (!parse_u32_range(entry->d_name, 1, INT_MAX, &pid))
			result = fn((pid_t)pid, arg);
	}
	return result;
}
