// SPDX-License-Identifier: Apache-2.0
#include "profiler/jit_names.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/parse.h"
#include "profiler/procfs.h"
#include "symbolizer/jitfile.h"

#define LOOK_AGAIN_NS	  (1 * NS_PER_S) /* for files that are not there; twice as long each time */
#define LOOK_AGAIN_NS_MAX (30 * NS_PER_S)
#define STEPS_MAX	  8		   /* reads for one address */
#define MISS_CHECK_NS	  (10 * NS_PER_MS) /* between checks for an address without a name */

struct jit_names {
	struct jit_account *account; /* borrowed, outlives the object */
	struct jitfile file;
	struct jitmap map;
	size_t counted_bytes; /* in the account */
	uint64_t counted_refused;
	uint64_t look_ns; /* not before this time are files looked for */
	uint64_t look_pause_ns;
	uint64_t read_ns; /* when the file was last looked at */
	bool more;	  /* it was not read to its end */
	bool changed;	  /* names came since the last jit_names_refresh() */
	bool full;	  /* beyond the limits: not read any more */
};

/* What /proc/PID/status says. */
struct identity {
	uint32_t uid; /* effective, as we see it */
	uint32_t pid; /* as the process sees it */
};

/*
 * Take a field of a status file: words are separated by tabs.
 *
 * @index: of the word; -1 = the last one
 */
static int take_number(char *text, const char *name, int index, uint32_t *ret)
{
	char copy[1024], *rest = copy, *word = NULL;
	const char *line = strstr(text, name);
	if (!line)
		return -EBADMSG;

	line += strlen(name);
	size_t length = strcspn(line, "\n");
	if (length >= sizeof(copy))
		return -EBADMSG;
	memcpy(copy, line, length);
	copy[length] = '\0';
	(void)strsep(&rest, "\t"); /* the blank behind the name */
	for (int i = 0; rest && (index < 0 || i <= index); i++)
		word = strsep(&rest, "\t");
	return word ? parse_u32_range(word, 0, UINT32_MAX, ret) : -EBADMSG;
}

static int read_identity(pid_t pid, struct identity *ret)
{
	char text[8192];
	int error = procfs_read_text(pid, "status", text, sizeof(text));
	if (!error)
		error = take_number(text, "\nUid:", 1, &ret->uid);
	if (!error)
		error = take_number(text, "\nNSpid:", -1, &ret->pid);
	return error;
}

/* Keeps a file that was opened if it is the process's own. Returns the descriptor; -errno. */
static int check_owner(int fd, const struct identity *identity)
{
	struct stat status;

	if (fd < 0)
		return -errno;
	if (!fstat(fd, &status) && S_ISREG(status.st_mode) &&
	    (status.st_uid == identity->uid || !status.st_uid))
		return fd;
	(void)close(fd); /* only opened */
	return -EACCES;
}

static int open_perf_map(pid_t pid, const struct identity *identity)
{
	char path[64];
	(void)snprintf(path, sizeof(path), "/proc/%d/root", pid); /* 21 bytes at most */
	auto_close int root = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root < 0)
		return -errno;

	struct open_how how = {
		.flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY | O_NOFOLLOW,
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
	};
	(void)snprintf(path, sizeof(path), "/tmp/perf-%u.map", identity->pid); /* idem */
	return check_owner((int)syscall(SYS_openat2, root, path, &how, sizeof(how)), identity);
}

/* The mapping of a jitdump, by which its writer makes it known. */
static int open_dump(const struct jit_process *process, const struct identity *identity)
{
	char name[32], path[96];

	(void)snprintf(name, sizeof(name), "jit-%u.dump", identity->pid); /* 19 bytes at most */
	for (size_t i = 0; i < process->space->count; i++) {
		const struct mapping *m = &process->space->mappings[i];

		if (strcmp(binary_basename(m->binary), name) != 0)
			continue;
		(void)snprintf(path, sizeof(path), "/proc/%d/map_files/%" PRIx64 "-%" PRIx64,
			       process->pid, m->start, m->end); /* 63 bytes at most */
		return check_owner(open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY),
				   identity);
	}
	return -ENOENT;
}

/* Brings the account up to date; what exceeds its limit is not read any further. */
static void count(struct jit_names *n)
{
	size_t bytes = jitmap_bytes(&n->map);

	n->account->bytes += bytes - n->counted_bytes;
	n->counted_bytes = bytes;
	n->account->refused += n->map.refused - n->counted_refused;
	n->counted_refused = n->map.refused;
	if (n->account->bytes > JIT_BYTES_MAX && !n->full) {
		n->full = true;
		n->account->refused++;
	}
}

static void read_on(struct jit_names *n, uint64_t now_ns)
{
	if (n->file.fd < 0 || n->full)
		return;
	n->read_ns = now_ns;

	int added = jitfile_read(&n->file, &n->map, now_ns, &n->more);
	if (added == -ESTALE) { /* it was written anew */
		jitmap_release(&n->map);
		n->counted_refused = 0;
		n->file.offset = 0;
		added = jitfile_read(&n->file, &n->map, now_ns, &n->more);
		n->changed = true;
	}
	if (added > 0) {
		n->changed = true;
		n->account->ranges += (uint64_t)added;
	}
	count(n);
}

/* Looks for the files of the process, less and less often while there are none. */
static void look(struct jit_names *n, const struct jit_process *process, uint64_t now_ns)
{
	struct identity identity;
	enum jitfile_kind kind = JITFILE_DUMP;

	if (n->file.fd >= 0 || now_ns < n->look_ns)
		return;
	n->look_ns = now_ns + n->look_pause_ns;
	if (n->look_pause_ns < LOOK_AGAIN_NS_MAX)
		n->look_pause_ns *= 2;
	if (read_identity(process->pid, &identity))
		return;

	int fd = open_dump(process, &identity);
	if (fd < 0) {
		kind = JITFILE_PERF_MAP;
		fd = open_perf_map(process->pid, &identity);
	}
	if (fd == -EACCES || fd == -ELOOP)
		n->account->refused++;
	if (fd < 0)
		return;
	if (n->account->files >= JIT_PROCESSES_MAX) {
		n->account->refused++;
		(void)close(fd); /* only opened */
		return;
	}
	n->account->files++;
	n->file = (struct jitfile){.fd = fd, .kind = kind};
	read_on(n, now_ns);
}

static struct jit_names *create(struct jit_account *account)
{
	struct jit_names *n = calloc(1, sizeof(*n));

	if (n) {
		n->account = account;
		n->file.fd = -1;
		n->look_pause_ns = LOOK_AGAIN_NS;
	}
	return n;
}

void jit_names_destroy(struct jit_names *n)
{
	if (!n)
		return;
	if (n->file.fd >= 0) {
		(void)close(n->file.fd); /* only read from */
		n->account->files--;
	}
	n->account->bytes -= n->counted_bytes;
	jitmap_release(&n->map);
	free(n);
}

const struct jitmap_range *jit_names_find(struct jit_names **names, struct jit_account *account,
					  const struct jit_process *process, uint64_t addr,
					  uint64_t time_ns)
{
	uint64_t now_ns = clock_now_ns();

	if (!*names)
		*names = create(account);

	struct jit_names *n = *names;
	if (!n)
		return NULL;

	look(n, process, now_ns);
	const struct jitmap_range *range = jitmap_find(&n->map, addr, time_ns);
	for (int i = 0; i < STEPS_MAX && !range; i++) {
		if (!n->more && now_ns < n->read_ns + MISS_CHECK_NS)
			break;
		read_on(n, now_ns);
		range = jitmap_find(&n->map, addr, time_ns);
	}
	return range;
}

const char *jit_names_text(const struct jit_names *n, const struct jitmap_range *range)
{
	return jitmap_name(&n->map, range);
}

bool jit_names_refresh(struct jit_names *n)
{
	uint64_t now_ns = n ? clock_now_ns() : 0;

	if (!n)
		return false;
	if (now_ns >= n->read_ns + JIT_CHECK_NS)
		read_on(n, now_ns);

	bool changed = n->changed;

	n->changed = false;
	return changed;
}
