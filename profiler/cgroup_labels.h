/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a cgroup says about who runs in it: systemd unit and container id, read out of its path.
 *
 * Thread rule: the parsers any; the cache loop thread only.
 */
#ifndef HEARTH_PROFILER_CGROUP_LABELS_H
#define HEARTH_PROFILER_CGROUP_LABELS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/cleanup.h"
#include "base/idmap.h"
#include "profiler/container_names.h"

#define CGROUP_CACHE_MAX 8192u /* cgroups remembered */

/** Labels of a cgroup; immutable, reference counted, loop thread only. NULL texts are unknown. */
struct cgroup_labels {
	char *path; /* below the root of its hierarchy, starts with / */
	char *unit; /* systemd unit: nginx.service, session-3.scope */
	char *container_id; /* 64 hex digits; ECS: 32 hex digits, a dash, digits; LXC: the container's name */
	/* Filled in by the cache, see container_names.h: */
	struct container_names names;
	char *service; /* what a person would call it: Compose's name, the container's, or the unit's without .service */
	uint32_t ref_count;
};

struct cgroup_cache {
	struct cgroup_labels **labels; /* one reference each; a slot may be NULL */
	uint64_t *v2_ids;	       /* id in the version 2 hierarchy; 0 = read from /proc */
	size_t count, label_capacity, v2_id_capacity;
	struct idmap by_path;
	struct idmap by_v2_id;
	int v2_mount; /* root of the version 2 hierarchy, or -1 */
};

/**
 * Read the labels out of a cgroup path.
 *
 * Knows docker, containerd, CRI-O, podman (libpod), buildkit, ECS, LXC and Kubernetes with the cgroupfs and the
 * systemd driver, nested in each other too: the innermost container counts.
 *
 * @ret: on success one reference, drop with cgroup_labels_unref()
 *
 * Returns 0; -ENOMEM.
 */
int cgroup_labels_parse(const char *path, struct cgroup_labels **ret);

/** Take another reference. Returns @l. */
struct cgroup_labels *cgroup_labels_ref(struct cgroup_labels *l);

/** Drop a reference; NULL allowed. */
void cgroup_labels_unref(struct cgroup_labels *l);

DEFINE_CLEANUP(cgroup_labels_unref, struct cgroup_labels *)

/**
 * Choose a path from the text of /proc/PID/cgroup (cgroups(7)): that of version 2 if it is not the root; else
 * that of systemd's named hierarchy, memory, cpu, pids; else any that is not the root; else "/".
 *
 * @text: changed
 *
 * Returns the path, inside @text or a constant.
 */
const char *cgroup_choose_path(char *text);

/** Make an empty cache. Never fails: without a version 2 hierarchy ids are not resolved. */
void cgroup_cache_init(struct cgroup_cache *c);

/** Free everything; NULL allowed. */
void cgroup_cache_release(struct cgroup_cache *c);

/**
 * Find the labels of a process.
 *
 * @v2_id: its cgroup in the version 2 hierarchy, as a sample says; tried first, works when the process is gone
 * @pid: read /proc/PID/cgroup if the id says nothing (root cgroup, unknown)
 * @ret: on success one reference, drop with cgroup_labels_unref()
 *
 * Returns 0; -ENOENT if the process is gone and its id unknown; -ENOMEM.
 */
int cgroup_cache_get(struct cgroup_cache *c, uint64_t v2_id, pid_t pid, struct cgroup_labels **ret);

#endif
