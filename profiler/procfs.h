/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading processes from /proc.
 *
 * Thread rule: any.
 */
#ifndef HEARTH_PROFILER_PROCFS_H
#define HEARTH_PROFILER_PROCFS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/** A line of /proc/PID/maps. */
struct procfs_mapping {
	uint64_t start;
	uint64_t end; /* exclusive */
	uint64_t offset;
	uint32_t device_major;
	uint32_t device_minor;
	uint64_t inode;
	bool executable;
	const char
		*path; /* "" = anonymous; " (deleted)" stripped, \012 turned back into a newline */
};

/** What /proc/PID/stat says. */
struct procfs_stat {
	pid_t parent;
	uint32_t thread_count;
	uint64_t start_ticks; /* since boot, in units of 1/sysconf(_SC_CLK_TCK) s */
	bool is_kernel_thread;
};

/** Called with each mapping, borrowed until it returns. A value other than 0 ends the reading. */
typedef int (*procfs_mapping_fn)(const struct procfs_mapping *mapping, void *arg);

/** Cut off the " (deleted)" that the kernel puts behind the path of a file without a name. */
void procfs_strip_deleted(char *path);

/** Parse a line of maps without its newline; @line is changed. Returns 0; -EBADMSG. */
int procfs_parse_mapping(char *line, struct procfs_mapping *ret);

/** Parse the text of a stat file; @text is changed. Returns 0; -EBADMSG. */
int procfs_parse_stat(char *text, struct procfs_stat *ret);

/** Read all mappings. Returns 0; what @fn returned to end it; -ENOENT, -ESRCH if the process is gone; -errno. */
int procfs_read_maps(pid_t pid, procfs_mapping_fn fn, void *arg);

/** Read /proc/PID/stat. Returns 0; -ENOENT, -ESRCH if the process is gone; -EBADMSG; -errno. */
int procfs_read_stat(pid_t pid, struct procfs_stat *ret);

/**
 * Read the path of the executable.
 *
 * @ret: on success owned by the caller, free with free(); " (deleted)" stripped
 *
 * Returns 0; -ENOENT (gone, or a kernel thread); -ENOMEM; -errno.
 */
int procfs_read_exe(pid_t pid, char **ret);

/** Read a small file below /proc/PID as text. Returns 0; -EFBIG if it does not fit; -errno. */
int procfs_read_text(pid_t pid, const char *name, char *text, size_t text_bytes);

/** Called with each process in /proc. A value other than 0 ends the listing. */
typedef int (*procfs_process_fn)(pid_t pid, void *arg);

/** List all processes. Returns 0; what @fn returned to end it; -errno. */
int procfs_for_each(procfs_process_fn fn, void *arg);

#endif
