/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernel's own accounting of CPU time: /proc/stat (proc(5)) for the machine, and a cgroup hierarchy: version 2's
 * cpu.stat (Documentation/admin-guide/cgroup-v2.rst), or version 1's cpuacct.usage
 * (Documentation/admin-guide/cgroup-v1/cpuacct.rst).
 *
 * A cgroup's usage contains that of the cgroups below it, also of those that are gone.
 *
 * Thread rule: one owner at a time.
 */
#ifndef HEARTH_SERVER_BALANCE_ACCOUNTING_H
#define HEARTH_SERVER_BALANCE_ACCOUNTING_H

#include <stddef.h>
#include <stdint.h>

#define ACCOUNTING_GROUPS_MAX \
	512u /* cgroups told apart; those further down count for the ones above them */
#define ACCOUNTING_PATH_MAX  1024u
#define ACCOUNTING_NO_PARENT UINT32_MAX

/** Columns of the first line of /proc/stat, in their order. */
enum account_kind {
	ACCOUNT_USER,
	ACCOUNT_NICE,
	ACCOUNT_SYSTEM,
	ACCOUNT_IDLE,
	ACCOUNT_IOWAIT,
	ACCOUNT_IRQ,
	ACCOUNT_SOFTIRQ,
	ACCOUNT_STEAL,
	ACCOUNT_KIND_COUNT,
};

struct account_group {
	char *path;	   /* owned; below the root of the hierarchy, "/" = the root */
	uint32_t parent;   /* index; ACCOUNTING_NO_PARENT for the root */
	uint64_t usage_ns; /* since it was made, with all below it */
};

/** One reading. */
struct accounting {
	uint64_t wall_ns;
	uint64_t cpu_ns[ACCOUNT_KIND_COUNT]; /* since boot, of all CPUs */
	struct account_group *groups;	     /* owned; the root first, parents before children */
	size_t group_count;
	size_t group_capacity;
};

/** Which hierarchy is read. */
enum account_hierarchy {
	ACCOUNT_NO_HIERARCHY,
	ACCOUNT_CPUACCT, /* version 1 */
	ACCOUNT_UNIFIED, /* version 2 */
};

struct accounting_source {
	enum account_hierarchy hierarchy;
	int root_fd; /* owned; -1 = none */
	int stat_fd; /* owned; /proc/stat */
};

/** Find out what there is to read. @root, @stat: NULL = the usual places. Returns 0; -errno of /proc/stat. */
int accounting_open(const char *root, const char *stat, struct accounting_source *ret);

/** Close; NULL allowed. */
void accounting_close(struct accounting_source *s);

/** Name of a hierarchy for people. */
const char *account_hierarchy_name(enum account_hierarchy h);

/** Read. @ret: on success to be freed with accounting_release(). Returns 0; -errno of /proc/stat; -ENOMEM. */
int accounting_read(const struct accounting_source *s, struct accounting *ret);

/** Free what a reading holds; NULL allowed. */
void accounting_release(struct accounting *a);

/** Index of the cgroup with a path, of the deepest one above it if there is none; ACCOUNTING_NO_PARENT without any. */
uint32_t accounting_find(const struct accounting *a, const char *path);

#endif
