/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which Debian package a file of this machine belongs to, from dpkg's own lists (dpkg(1): /var/lib/dpkg/info).
 *
 * Thread rule: any thread; no state.
 */
#ifndef HEARTH_SERVER_QUERY_PACKAGES_H
#define HEARTH_SERVER_QUERY_PACKAGES_H

#include <stddef.h>

#define PACKAGE_NAME_MAX  128
#define PACKAGES_INFO_DIR "/var/lib/dpkg/info"

struct package_query {
	const char *path;	     /* borrowed; NULL = nothing to look for */
	char name[PACKAGE_NAME_MAX]; /* filled; "" = of no package, or unknown */
};

/**
 * Look for files in all lists, in one pass. A path below /usr is the same file without /usr (merged directories).
 *
 * @info_dir: PACKAGES_INFO_DIR, or another for tests; that there is none is no failure
 * @queries: name is filled in
 *
 * Returns 0; -ENOMEM; -EFBIG if the lists are unreasonably long: what was found until then is filled in.
 */
int packages_find(const char *info_dir, struct package_query *queries, size_t count);

#endif
