// SPDX-License-Identifier: Apache-2.0
#include "profiler/cgroup_labels.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/cleanup.h"

#define CONTAINER_HEX 64u /* digits of a container id */
#define TASK_HEX      32u /* digits of an ECS task id */

static bool is_hex(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
}

/* Length of the container id at the start of @text, which ends at @end: 64 hex, or 32 hex, '-', digits. 0 = none. */
static size_t container_id_length(const char *text, const char *end)
{
	size_t hex = 0;
	while (text + hex < end && is_hex(text[hex]))
		hex++;
	if (hex == CONTAINER_HEX)
		return hex;
	if (hex != TASK_HEX || text + hex == end || text[hex] != '-')
		return 0;

	size_t length = hex + 1;
	while (text + length < end && text[length] >= '0' && text[length] <= '9')
		length++;
	return length > hex + 1 && text + length == end ? length : 0;
}

/*
 * A path component names a container as ID, PREFIX-ID (docker-, cri-containerd-, crio-, libpod-), with .scope
 * behind it under systemd; containerd below systemd also writes slice:prefix:ID.
 */
static const char *find_container_id(const char *text, const char *end, size_t *ret_length)
{
	static const char scope[] = ".scope";
	const size_t scope_length = sizeof(scope) - 1;

	if ((size_t)(end - text) > scope_length && !memcmp(end - scope_length, scope, scope_length))
		end -= scope_length;
	for (const char *start = text; start < end; start++) {
		bool at_border = start == text || start[-1] == '-' || start[-1] == ':';
		size_t length = at_border ? container_id_length(start, end) : 0;

		if (length && start + length == end) {
			*ret_length = length;
			return start;
		}
	}
	return NULL;
}

/* LXC and Incus: lxc.payload.NAME (version 4 on), or the older lxc/NAME. */
static const char *find_lxc_name(const char *previous, size_t previous_length, const char *text,
				 const char *end, size_t *ret_length)
{
	static const char payload[] = "lxc.payload.";
	const size_t payload_length = sizeof(payload) - 1;

	if ((size_t)(end - text) > payload_length && !memcmp(text, payload, payload_length)) {
		*ret_length = (size_t)(end - text) - payload_length;
		return text + payload_length;
	}
	if (previous_length == 3 && !memcmp(previous, "lxc", 3)) {
		*ret_length = (size_t)(end - text);
		return text;
	}
	return NULL;
}

static bool is_unit(const char *text, const char *end)
{
	static const char *const suffixes[] = {".service", ".scope", ".socket", ".mount", ".swap"};

	for (size_t i = 0; i < ARRAY_SIZE(suffixes); i++) {
		size_t length = strlen(suffixes[i]);

		if ((size_t)(end - text) > length && !memcmp(end - length, suffixes[i], length))
			return true;
	}
	return false;
}

static int replace_text(char **to, const char *text, size_t length)
{
	char *copy = strndup(text, length);
	if (!copy)
		return -ENOMEM;

	free(*to);
	*to = copy;
	return 0;
}

/* Take what one component of the path says. */
static int take_component(struct cgroup_labels *l, const char *previous, size_t previous_length,
			  const char *text, const char *end)
{
	size_t length = 0;
	const char *id = find_container_id(text, end, &length);
	if (!id)
		id = find_lxc_name(previous, previous_length, text, end, &length);
	if (id) {
		/* Units inside a container are the container's, those outside its runtime's. */
		free(l->unit);
		l->unit = NULL;
		if (is_unit(text, end) && replace_text(&l->unit, text, (size_t)(end - text)))
			return -ENOMEM;
		return replace_text(&l->container_id, id, length);
	}
	if (is_unit(text, end))
		return replace_text(&l->unit, text, (size_t)(end - text));
	return 0;
}

int cgroup_labels_parse(const char *path, struct cgroup_labels **ret)
{
	CLEANUP(cgroup_labels_unrefp) struct cgroup_labels *l = calloc(1, sizeof(*l));
	if (!l)
		return -ENOMEM;
	l->ref_count = 1;
	l->path = strdup(path);
	if (!l->path)
		return -ENOMEM;

	const char *previous = path;
	size_t previous_length = 0;
	for (const char *at = path; *at;) {
		at += strspn(at, "/");
		const char *end = at + strcspn(at, "/");

		if (end > at && take_component(l, previous, previous_length, at, end))
			return -ENOMEM;
		previous = at;
		previous_length = (size_t)(end - at);
		at = end;
	}
	*ret = take_ptr(l);
	return 0;
}

struct cgroup_labels *cgroup_labels_ref(struct cgroup_labels *l)
{
	l->ref_count++;
	return l;
}

void cgroup_labels_unref(struct cgroup_labels *l)
{
	if (!l || --l->ref_count)
		return;
	free(l->path);
	free(l->unit);
	free(l->container_id);
	container_names_release(&l->names);
	free(l->service);
	free(l);
}

/* How much a hierarchy's path is worth; 0 = nothing. */
static int rank_hierarchy(const char *controllers, const char *path)
{
	static const char *const order[] = {"pids",	   "cpu",	   "memory", "cpuacct",
					    "cpu,cpuacct", "name=systemd", ""};

	if (!strcmp(path, "/"))
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(order); i++) {
		if (!strcmp(controllers, order[i]))
			return (int)i + 2;
	}
	return 1;
}

/* Whether @above is @path or a cgroup above it. */
static bool is_above(const char *above, const char *path)
{
	size_t length = strlen(above);

	return !strncmp(above, path, length) && (path[length] == '/' || !path[length]);
}

const char *cgroup_choose_path(char *text)
{
	const char *best = "/";
	const char *accounting = NULL;
	int best_rank = 0;
	char *rest = text;

	/* A line is ID:CONTROLLERS:PATH; the path may hold colons. */
	for (char *line; (line = strsep(&rest, "\n"));) {
		char *controllers = strchr(line, ':');
		char *path = controllers ? strchr(controllers + 1, ':') : NULL;
		if (!path)
			continue;

		*path++ = '\0';
		int rank = rank_hierarchy(controllers + 1, path);
		if (rank > best_rank) {
			best = path;
			best_rank = rank;
		}
		if (rank && strstr(controllers + 1, "cpuacct"))
			accounting = path;
	}
	/* The cgroup that the kernel charges, unless the other one only says it in more detail. */
	return accounting && !is_above(accounting, best) ? accounting : best;
}
