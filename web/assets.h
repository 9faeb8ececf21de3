/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The files of the web page, linked into the binary, compressed at build time.
 *
 * Invariants: constant data. Thread rule: any thread.
 */
#ifndef HEARTH_WEB_ASSETS_H
#define HEARTH_WEB_ASSETS_H

#include <stdbool.h>
#include <stddef.h>

struct web_asset {
	const char *path;	  /* as requested: "/", "/app-3f2a91c0.js" */
	const char *content_type; /* "text/html; charset=utf-8" */
	const char *etag;	  /* quoted hash of the content */
	const void *gzip;	  /* the content, gzip */
	size_t gzip_bytes;
	size_t plain_bytes; /* uncompressed size */
	bool immutable;	    /* the path carries the hash: may be cached forever */
};

/** The asset of a request path; constant; NULL = not there. */
const struct web_asset *web_asset_find(const char *path);

/**
 * The single-file page of the `html` export, gzip: a complete document with script and style inlined and the
 * marker `"@HEARTH_PROFILE@"` once, which the flame graph JSON replaces.
 */
const struct web_asset *web_asset_export(void);

#endif
