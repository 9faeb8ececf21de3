// SPDX-License-Identifier: Apache-2.0
#include "profiler/container_names.h"

#include <dirent.h>
#include <fcntl.h>
#include <jansson.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/array.h"

/* Directories of runtimes: each holds DIRECTORY/ID/FILE. */
static const struct {
	const char *directory, *file;
} bundles[] = {
	{"/run/containerd/io.containerd.runtime.v2.task/k8s.io", "config.json"},
	{"/run/containerd/io.containerd.runtime.v2.task/moby", "config.json"},
	{"/run/containerd/io.containerd.runtime.v2.task/default", "config.json"},
	{"/run/k3s/containerd/io.containerd.runtime.v2.task/k8s.io", "config.json"},
	{"/run/containers/storage/overlay-containers", "userdata/config.json"},
	{"/var/lib/containers/storage/overlay-containers", "userdata/config.json"},
	{"/var/lib/docker/containers", "config.v2.json"},
};

/* The keys under which names stand, in annotations and labels alike; the first that is there counts. */
static const char *const container_keys[] = {
	"io.kubernetes.cri.container-name", "io.kubernetes.container.name",	 "nerdctl/name",
	"io.podman.annotations.name",	    "io.kubernetes.cri-o.ContainerName", NULL};
static const char *const pod_keys[] = {"io.kubernetes.cri.sandbox-name", "io.kubernetes.pod.name",
				       NULL};
static const char *const namespace_keys[] = {"io.kubernetes.cri.sandbox-namespace",
					     "io.kubernetes.pod.namespace", NULL};
static const char *const service_keys[] = {"com.docker.compose.service",
					   "io.podman.compose.service", NULL};

void container_names_release(struct container_names *n)
{
	if (!n)
		return;
	free(n->container);
	free(n->pod);
	free(n->pod_namespace);
	free(n->service);
	*n = (struct container_names){0};
}

/* Keep a name, unless one is there already; without memory it stays unknown. */
static void keep(char **to, const char *text, size_t length)
{
	if (*to || !text || !length)
		return;
	*to = strndup(text, length < CONTAINER_NAME_LENGTH ? length : CONTAINER_NAME_LENGTH);
}

static void keep_first(char **to, const json_t *object, const char *const *keys)
{
	for (; *keys; keys++) {
		const char *text = json_string_value(json_object_get(object, *keys));

		if (text)
			keep(to, text, strlen(text));
	}
}

static void take_keys(struct container_names *n, const json_t *object)
{
	keep_first(&n->container, object, container_keys);
	keep_first(&n->pod, object, pod_keys);
	keep_first(&n->pod_namespace, object, namespace_keys);
	keep_first(&n->service, object, service_keys);
}

static void take_description(struct container_names *n, const json_t *root)
{
	const char *name = json_string_value(json_object_get(root, "Name"));

	take_keys(n, json_object_get(root, "annotations"));
	take_keys(n, json_object_get(json_object_get(root, "Config"), "Labels"));
	if (name) /* Docker writes "/name" */
		keep(&n->container, name + (*name == '/'), strlen(name + (*name == '/')));
}

static json_t *load(const char *path)
{
	auto_close int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) || !S_ISREG(st.st_mode) || st.st_size > CONTAINER_FILE_BYTES)
		return NULL;
	return json_loadfd(fd, JSON_REJECT_DUPLICATES, NULL);
}

static void read_bundles(const char *root, const char *id, struct container_names *ret)
{
	for (size_t i = 0; i < ARRAY_SIZE(bundles); i++) {
		char path[PATH_MAX];

		if (snprintf(path, sizeof(path), "%s%s/%s/%s", root, bundles[i].directory, id,
			     bundles[i].file) >= (int)sizeof(path))
			continue;

		json_t *description = load(path);

		if (description)
			take_description(ret, description);
		json_decref(description);
	}
}

/* POD_NAMESPACE_CONTAINER-ID.log; none of the names holds an underscore. */
static bool take_link(const char *link, const char *id, struct container_names *n)
{
	size_t tail = strlen(id) + strlen("-.log");
	size_t length = strlen(link);
	const char *first = strchr(link, '_');
	const char *second = first ? strchr(first + 1, '_') : NULL;

	if (!second || length <= tail || link[length - tail] != '-' ||
	    strncmp(link + length - tail + 1, id, strlen(id)) != 0 ||
	    strcmp(link + length - 4, ".log") != 0)
		return false;
	keep(&n->pod, link, (size_t)(first - link));
	keep(&n->pod_namespace, first + 1, (size_t)(second - first - 1));
	keep(&n->container, second + 1, (size_t)(link + length - tail - second - 1));
	return true;
}

static void read_links(const char *root, const char *id, struct container_names *ret)
{
	char path[PATH_MAX];

	(void)snprintf(path, sizeof(path), "%s/var/log/containers", root); /* fits */

	DIR *dir = opendir(path);
	struct dirent *entry;
	unsigned int count = 0;

	if (!dir)
		return;
	while ((entry = readdir(dir)) && count++ < CONTAINER_LINKS_MAX)
		if (take_link(entry->d_name, id, ret))
			break;
	(void)closedir(dir); /* only read from */
}

void container_names_find(const char *root, const char *id, struct container_names *ret)
{
	static const char *const hosts[] = {"", "/proc/1/root"};

	*ret = (struct container_names){0};
	if (!*id || *id == '.' || strchr(id, '/') || strlen(id) > NAME_MAX)
		return;
	for (size_t i = 0; i < (root ? 1 : ARRAY_SIZE(hosts)) && !ret->container; i++) {
		const char *at = root ? root : hosts[i];

		read_bundles(at, id, ret);
		if (!ret->pod)
			read_links(at, id, ret);
	}
}
