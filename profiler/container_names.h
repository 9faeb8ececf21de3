/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a container is called, from the files that its runtime keeps about it: no socket, no API.
 *
 *	containerd	/run/containerd/io.containerd.runtime.v2.task/NAMESPACE/ID/config.json	  annotations (OCI)
 *	CRI-O, Podman	/run/containers/storage/overlay-containers/ID/userdata/config.json	  annotations (OCI)
 *			/var/lib/containers/storage/overlay-containers/ID/userdata/config.json
 *	Docker		/var/lib/docker/containers/ID/config.v2.json				  Name, Config.Labels
 *	kubelet		/var/log/containers/POD_NAMESPACE_CONTAINER-ID.log			  the name of the link
 *
 * The files are read on the host, or below /proc/1/root where we run in a container ourselves.
 *
 * Thread rule: any thread; no state.
 */
#ifndef HEARTH_PROFILER_CONTAINER_NAMES_H
#define HEARTH_PROFILER_CONTAINER_NAMES_H

#include "base/cleanup.h"

#define CONTAINER_FILE_BYTES  (4u << 20) /* a larger description is not read */
#define CONTAINER_LINKS_MAX   16384u	 /* links of kubelet looked at */
#define CONTAINER_NAME_LENGTH 253u	 /* a longer name is cut; Kubernetes allows no more */

/** NULL = unknown. */
struct container_names {
	char *container;
	char *pod;
	char *pod_namespace;
	char *service; /* of Docker Compose */
};

/**
 * Find the names of a container.
 *
 * @root: put in front of all paths; NULL = the host's, wherever that is
 * @id: as in the cgroup path; one that is no file name finds nothing
 * @ret: filled in with what is known; free with container_names_release()
 */
void container_names_find(const char *root, const char *id, struct container_names *ret);

/** Free what @n holds; NULL allowed. */
void container_names_release(struct container_names *n);

#endif
