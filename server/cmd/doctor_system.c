/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The checks of hearth doctor that read settings, files and directories.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/capability.h>
#include <linux/magic.h>
#include <linux/version.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/array.h"
#include "base/buffer.h"
#include "base/cleanup.h"
#include "base/parse.h"
#include "server/cmd/doctor.h"

#define DEBUG_DIR	      "/usr/lib/debug/.build-id"
#define FREE_BYTES_LEAST      (256ull << 20)
#define INITIAL_PID_NAMESPACE 0xEFFFFFFCu /* PROC_PID_INIT_INO, include/linux/proc_ns.h */

struct capability {
	unsigned int number;
	const char *name;
	const char *without; /* what is lost */
};

static const struct capability wanted[] = {
	{CAP_BPF, "bpf", "no sampling"},
	{CAP_PERFMON, "perfmon", "no sampling"},
	{CAP_SYS_PTRACE, "sys_ptrace", "no names for the code of others"},
	{CAP_CHECKPOINT_RESTORE, "checkpoint_restore", "none for deleted files"},
	{CAP_DAC_READ_SEARCH, "dac_read_search", "none from unreadable files"},
	{CAP_SYSLOG, "syslog", "no kernel names"},
};

void doctor_capabilities(const struct doctor_context *context, struct doctor_finding *ret)
{
	auto_buffer missing = BUFFER_INIT;
	enum doctor_level level = DOCTOR_WARN;

	for (size_t i = 0; i < ARRAY_SIZE(wanted); i++) {
		const struct capability *c = &wanted[i];

		/* CAP_SYS_ADMIN stands in for the ones that were split off it. */
		if (doctor_can(context, c->number) ||
		    (doctor_can(context, CAP_SYS_ADMIN) &&
		     (c->number == CAP_BPF || c->number == CAP_PERFMON || c->number == CAP_SYSLOG ||
		      c->number == CAP_CHECKPOINT_RESTORE)))
			continue;
		buffer_printf(&missing, "%s%s (%s)", missing.length ? ", " : "", c->name,
			      c->without);
		if (c->number == CAP_BPF || c->number == CAP_PERFMON)
			level = DOCTOR_FAIL;
	}

	const char *list = buffer_terminate(&missing);

	if (list && !*list) {
		doctor_say(ret, DOCTOR_OK, "all that are needed");
		return;
	}
	doctor_say(ret, level, "missing: %s", list ? list : "(out of memory)");
	doctor_mend(ret, "run as root, or with AmbientCapabilities= as in deploy/hearth.service");
}

/*
 * Whether a function has its address there. The first lines tell nothing: before 6.15 they are per-CPU variables,
 * whose addresses are offsets and begin at 0 for everybody. Returns -ENOENT if there is no function at all.
 */
static int function_address_shown(bool *ret)
{
	auto_fclose FILE *symbols = fopen("/proc/kallsyms", "re");
	char line[512];

	if (!symbols)
		return -errno;
	while (fgets(line, sizeof(line), symbols)) {
		const char *rest = line;
		uint64_t address;

		if (parse_take_hex(&rest, &address) ||
		    (strncmp(rest, " T ", 3) && strncmp(rest, " t ", 3)))
			continue;
		*ret = address != 0;
		return 0;
	}
	return -ENOENT;
}

void doctor_kernel_symbols(const struct doctor_context *context, struct doctor_finding *ret)
{
	char restrict_level[16] = "?";
	bool shown = false;
	int err = function_address_shown(&shown);

	(void)doctor_read("/proc/sys/kernel/kptr_restrict", restrict_level,
			  sizeof(restrict_level)); /* stays "?" */
	if (err) {
		doctor_say(ret, DOCTOR_WARN, "/proc/kallsyms: %s",
			   err == -ENOENT ? "no functions in it" : strerror(-err));
		doctor_mend(
			ret,
			"systemd: ProtectKernelTunables=no; else a kernel with CONFIG_KALLSYMS=y");
		return;
	}
	if (shown) {
		doctor_say(ret, DOCTOR_OK, "readable (kptr_restrict=%s)", restrict_level);
		return;
	}
	doctor_say(ret, DOCTOR_WARN, "addresses are hidden (kptr_restrict=%s): no kernel names",
		   restrict_level);
	if (restrict_level[0] == '2')
		doctor_mend(ret, "sysctl -w kernel.kptr_restrict=1");
	else if (!doctor_can(context, CAP_SYSLOG))
		doctor_mend(ret, "run as root, or with CAP_SYSLOG (systemd: ProtectKernelLogs=no)");
	else
		doctor_mend(ret,
			    "something masks /proc/kallsyms, as container runtimes do: show the "
			    "container the host's");
}

void doctor_lockdown(const struct doctor_context *context, struct doctor_finding *ret)
{
	char text[128];

	(void)context;
	if (doctor_read("/sys/kernel/security/lockdown", text, sizeof(text))) {
		doctor_say(ret, DOCTOR_OK, "none");
		return;
	}
	if (strstr(text, "[confidentiality]")) {
		doctor_say(ret, DOCTOR_FAIL, "confidentiality: BPF may not read kernel memory");
		doctor_mend(ret, "boot with lockdown=integrity or lockdown=none");
		return;
	}
	doctor_say(ret, DOCTOR_OK, "%s", strstr(text, "[integrity]") ? "integrity" : "none");
}

void doctor_cgroup(const struct doctor_context *context, struct doctor_finding *ret)
{
	struct statfs root;

	(void)context;
	if (statfs("/sys/fs/cgroup", &root) || root.f_type == SYSFS_MAGIC) {
		doctor_say(ret, DOCTOR_WARN, "not mounted: no accounting to balance against");
		doctor_mend(ret, "mount -t cgroup2 cgroup2 /sys/fs/cgroup");
		return;
	}
	if (root.f_type == CGROUP2_SUPER_MAGIC) {
		doctor_say(ret, DOCTOR_OK, "version 2");
		return;
	}
	doctor_say(ret, DOCTOR_WARN,
		   "version 1: containers are labelled, but CPU time is not balanced per "
		   "cgroup");
	doctor_mend(ret, "boot with systemd.unified_cgroup_hierarchy=1");
}

void doctor_memlock(const struct doctor_context *context, struct doctor_finding *ret)
{
	struct rlimit limit = {0};
	bool counted = context->kernel && context->kernel < KERNEL_VERSION(5, 11, 0);

	(void)getrlimit(RLIMIT_MEMLOCK, &limit); /* fails only for a bad pointer */
	if (!counted) {
		doctor_say(ret, DOCTOR_OK, "BPF memory is counted in the cgroup");
		return;
	}
	if (limit.rlim_cur == RLIM_INFINITY || doctor_can(context, CAP_SYS_RESOURCE)) {
		doctor_say(ret, DOCTOR_OK, "no limit");
		return;
	}
	doctor_say(ret, DOCTOR_FAIL, "limited to %" PRIu64 " bytes", (uint64_t)limit.rlim_cur);
	doctor_mend(ret, "ulimit -l unlimited (systemd: LimitMEMLOCK=infinity)");
}

/* Whether the mappings of a process can be read: 0; -errno of trying; -ESRCH for a kernel thread, which has none. */
static int try_maps(const char *pid)
{
	char path[64];
	char byte;

	(void)snprintf(path, sizeof(path), "/proc/%.20s/maps", pid); /* a number always fits */

	auto_close int fd = open(path, O_RDONLY | O_CLOEXEC);

	ssize_t length = fd < 0 ? -1 : read(fd, &byte, 1);

	if (length < 0)
		return -errno;
	return length ? 0 : -ESRCH;
}

void doctor_proc(const struct doctor_context *context, struct doctor_finding *ret)
{
	DIR *dir = opendir("/proc");
	unsigned int readable = 0;
	unsigned int refused = 0;

	for (const struct dirent *entry; dir && (entry = readdir(dir));) {
		if (entry->d_name[0] < '0' || entry->d_name[0] > '9')
			continue;

		int err = try_maps(entry->d_name);

		readable += !err;
		refused += err == -EACCES || err == -EPERM; /* others are about its end */
	}
	if (dir)
		(void)closedir(dir); /* was only read */

	struct stat pid_namespace;

	if (access("/proc/1", F_OK)) {
		doctor_say(ret, DOCTOR_WARN, "those of others are hidden");
		doctor_mend(ret, "mount -o remount,hidepid=0 /proc, or grant CAP_SYS_PTRACE");
	} else if (refused && !doctor_can(context, CAP_SYS_PTRACE)) {
		doctor_say(ret, DOCTOR_WARN, "mappings of %u cannot be read, of %u they can",
			   refused, readable);
		doctor_mend(ret, "run as root, or grant CAP_SYS_PTRACE");
	} else if (!stat("/proc/self/ns/pid", &pid_namespace) &&
		   pid_namespace.st_ino != INITIAL_PID_NAMESPACE) {
		doctor_say(ret, DOCTOR_WARN, "only those of this PID namespace have names");
		doctor_mend(ret, "in a container: share the host's PID namespace (hostPID: true, "
				 "--pid=host)");
	} else {
		doctor_say(ret, DOCTOR_OK, "mappings of %u readable, %u refused", readable,
			   refused);
	}
	(void)context;
}

/* Files in one directory below DEBUG_DIR. */
static unsigned int count_files(int parent, const char *name)
{
	int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	unsigned int count = 0;

	if (!dir) {
		if (fd >= 0)
			(void)close(fd); /* was only opened */
		return 0;
	}
	for (const struct dirent *entry; (entry = readdir(dir));)
		count += entry->d_name[0] != '.';
	(void)closedir(dir); /* was only read; closes fd as well */
	return count;
}

void doctor_debug_files(const struct doctor_context *context, struct doctor_finding *ret)
{
	DIR *dir = opendir(DEBUG_DIR);
	unsigned int count = 0;

	(void)context;
	for (const struct dirent *entry; dir && (entry = readdir(dir));)
		if (entry->d_name[0] != '.')
			count += count_files(dirfd(dir), entry->d_name);
	if (dir)
		(void)closedir(dir); /* was only read */
	if (count) {
		doctor_say(ret, DOCTOR_OK, "%u in " DEBUG_DIR, count);
		return;
	}
	doctor_say(ret, DOCTOR_WARN,
		   "none in " DEBUG_DIR ": no inlined functions or lines for system libraries");
	doctor_mend(ret, "apt-get install libc6-dbg, and the -dbg or -dbgsym package of what you "
			 "profile");
}

/* The directory itself, or the nearest one above it that exists, into @existing. */
static void nearest_existing(const char *path, char *existing, size_t size)
{
	(void)snprintf(existing, size, "%s",
		       path); /* a cut path does not exist, and says so below */
	while (access(existing, F_OK) && strcmp(existing, "/") && strcmp(existing, ".")) {
		char *slash = strrchr(existing, '/');

		if (!slash)
			(void)snprintf(existing, size, ".");
		else
			slash[slash == existing] = '\0';
	}
}

void doctor_data_dir(const struct doctor_context *context, struct doctor_finding *ret)
{
	char existing[4096];
	struct stat st;
	struct statvfs space;

	nearest_existing(context->data_dir, existing, sizeof(existing));

	bool there = !strcmp(existing, context->data_dir);
	int err = stat(existing, &st) || statvfs(existing, &space) ? errno : 0;

	if (!err && !S_ISDIR(st.st_mode))
		err = ENOTDIR;
	if (!err && faccessat(AT_FDCWD, existing, W_OK | X_OK, AT_EACCESS))
		err = errno;
	if (err) {
		doctor_say(ret, DOCTOR_WARN, "%.100s: %s", existing, strerror(err));
		doctor_mend(
			ret,
			"install -d -m 750 -o $(id -un) '%.200s', or choose another with --data-dir",
			context->data_dir);
		return;
	}

	uint64_t free_bytes = (uint64_t)space.f_bavail * space.f_frsize;

	doctor_say(ret, DOCTOR_OK, "%.100s %s, %" PRIu64 " MiB free", context->data_dir,
		   there ? "is writable" : "can be made", free_bytes >> 20);
	if (free_bytes < FREE_BYTES_LEAST) {
		ret->level = DOCTOR_WARN;
		doctor_mend(ret, "free some disk, or choose another place with --data-dir");
	}
}
