/* SPDX-License-Identifier: Apache-2.0 */
#include "web/assets.h"

#include <string.h>

/* Made by build.mjs: every file of the page, ended by a row without a path. */
extern const struct web_asset web_assets_table[];

/* Requests cannot reach it: they start with a slash. */
#define EXPORT_PATH "export.html"

static const struct web_asset *find(const char *path)
{
	for (const struct web_asset *a = web_assets_table; a->path; a++)
		if (!strcmp(a->path, path))
			return a;
	return NULL;
}

const struct web_asset *web_asset_find(const char *path)
{
	return path[0] == '/' ? find(path) : NULL;
}

const struct web_asset *web_asset_export(void)
{
	return find(EXPORT_PATH);
}
