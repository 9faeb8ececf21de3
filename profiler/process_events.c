// SPDX-License-Identifier: Apache-2.0
/*
 * What each process event does to the table.
 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "profiler/process_table_internal.h"
#include "profiler/procfs.h"

#define KERNEL_TGID UINT32_MAX /* of mappings of kernel code */

DEFINE_CLEANUP(address_space_unref, struct address_space *)
DEFINE_CLEANUP(binary_unref, struct binary *)

void process_drop_previous(struct process *p)
{
	address_space_unref(take_ptr(p->previous_space));
}

/* A child is what its parent was, until it execs. */
static int apply_fork(struct process_table *t, const struct sideband_event *event)
{
	struct process *parent = process_table_find(t, event->parent_tgid);

	if (event->tgid == event->parent_tgid) {
		if (parent)
			parent->thread_count++;
		return 0;
	}

	/* Adding may make room, at the parent's cost: hold what is inherited before. */
	CLEANUP(address_space_unrefp)
	struct address_space *space = parent ? address_space_ref(parent->space) : NULL;
	CLEANUP(cgroup_labels_unrefp)
	struct cgroup_labels *cgroup =
		parent && parent->cgroup ? cgroup_labels_ref(parent->cgroup) : NULL;
	auto_free char *exe = parent && parent->exe ? strdup(parent->exe) : NULL;
	bool selected = parent && parent->selected, stale = !parent || parent->stale;

	struct process *p = process_table_add(t, event->tgid, event->time_ns);
	if (!p)
		return -ENOMEM;
	p->parent = event->parent_tgid;
	p->selected |= selected;
	p->stale = stale;
	p->cgroup = take_ptr(cgroup);
	p->exe = take_ptr(exe);
	if (space) {
		address_space_unref(p->space);
		p->space = take_ptr(space);
	}
	return 0;
}

static struct process *find_or_add(struct process_table *t, uint32_t tgid, uint64_t now_ns)
{
	struct process *p = process_table_find(t, tgid);

	if (!p) {
		p = process_table_add(t, tgid, now_ns);
		if (p)
			p->stale = true;
	}
	return p;
}

/* All mappings are new from here on, and all of them are logged. */
static int apply_exec(struct process_table *t, const struct sideband_event *event)
{
	CLEANUP(address_space_unrefp) struct address_space *space = NULL;
	if (address_space_create(&t->account, &space))
		return -ENOMEM;
	struct process *p = find_or_add(t, event->tgid, event->time_ns);
	if (!p)
		return -ENOMEM;

	process_drop_previous(p);
	p->previous_space = p->space;
	p->space = take_ptr(space);
	jit_names_destroy(take_ptr(p->jit));
	free(p->exe);
	p->exe = NULL;
	p->serial = ++t->last_serial;
	p->thread_count = 1;
	p->exit_ns = 0;
	p->stale = false;
	p->cgroup_known = false;
	p->maps_retry_ns = p->maps_backoff_ns = 0;
	p->used_ns = event->time_ns;
	return 0;
}

static bool is_file_path(const char *path)
{
	return path[0] == '/' && path[1] != '/'; /* not "//anon" */
}

void process_table_name_executable(struct process_table *t, struct process *p, const char *path)
{
	char stripped[PATH_MAX];

	if (p->exe || !is_file_path(path))
		return;
	(void)snprintf(stripped, sizeof(stripped), "%s", path); /* the kernel's limit as well */
	procfs_strip_deleted(stripped);
	p->exe = strdup(stripped); /* no label if that fails */
	p->serial = ++t->last_serial;
}

static int apply_map(struct process_table *t, const struct sideband_event *event)
{
	if (event->tgid == KERNEL_TGID || !event->bytes)
		return 0;
	struct process *p = find_or_add(t, event->tgid, event->time_ns);
	if (!p)
		return -ENOMEM;

	const struct mapping_place place = {.pid = (pid_t)p->tgid,
					    .parent = (pid_t)p->parent,
					    .start = event->start,
					    .end = event->start + event->bytes};
	char path[PATH_MAX];
	(void)snprintf(path, sizeof(path), "%s", event->file.path); /* the kernel's limit as well */
	procfs_strip_deleted(path);
	struct mapped_file file = event->file;
	file.path = path;
	CLEANUP(binary_unrefp) struct binary *binary = NULL;
	int error = binary_cache_get(t->options.binaries, &place, &file, event->time_ns, &binary);
	if (error)
		return error;

	process_table_name_executable(t, p, event->file.path);
	const struct mapping mapping = {
		.start = place.start, .end = place.end, .offset = event->offset, .binary = binary};
	error = address_space_map(&p->space, &mapping);
	return error == -ENOSPC ? 0 : error; /* counted there */
}

static void apply_exit(struct process_table *t, const struct sideband_event *event)
{
	struct process *p = process_table_find(t, event->tgid);
	if (!p)
		return;

	if (p->thread_count)
		p->thread_count--;
	if (p->thread_count)
		return;
	p->exit_ns = event->time_ns;
	process_drop_previous(p);
}

int process_table_apply(struct process_table *t, const struct sideband_event *event)
{
	switch (event->type) {
	case SIDEBAND_FORK:
		return apply_fork(t, event);
	case SIDEBAND_EXEC:
		return apply_exec(t, event);
	case SIDEBAND_MAP:
		return apply_map(t, event);
	case SIDEBAND_EXIT:
		apply_exit(t, event);
		return 0;
	default:
		return 0;
	}
}
