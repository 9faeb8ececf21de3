/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "server/encode/gzip.h"
#include "server/http/handlers.h"
#include "web/assets.h"

/* Everything comes from us, nothing inline, nobody frames us. */
#define PAGE_POLICY                                                                       \
	"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; " \
	"connect-src 'self'; font-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

/* Whether an If-None-Match header names the tag, weakly or strongly. */
static bool has_tag(const char *header, const char *etag)
{
	return header && (!strcmp(header, "*") || strstr(header, etag));
}

void handle_page(struct request *r)
{
	const struct web_asset *asset = web_asset_find(r->path);
	struct answer *a = &r->answer;

	if (!asset) {
		answer_error(r, MHD_HTTP_NOT_FOUND, "there is no '%.128s' here", r->path);
		return;
	}
	answer_header(r, MHD_HTTP_HEADER_ETAG, "%s", asset->etag);
	answer_header(r, MHD_HTTP_HEADER_CACHE_CONTROL, "%s",
		      asset->immutable ? "public, max-age=31536000, immutable" : "no-cache");
	answer_header(r, "Content-Security-Policy", "%s", PAGE_POLICY);

	const char *known = MHD_lookup_connection_value(r->connection, MHD_HEADER_KIND,
							MHD_HTTP_HEADER_IF_NONE_MATCH);

	if (has_tag(known, asset->etag)) {
		a->constant = "";
		answer_body(r, MHD_HTTP_NOT_MODIFIED, asset->content_type);
		return;
	}
	if (r->accepts_gzip) {
		a->constant = asset->gzip;
		a->constant_bytes = asset->gzip_bytes;
		a->encoded = true;
	} else if (gunzip_append(&a->body, asset->gzip, asset->gzip_bytes, asset->plain_bytes)) {
		answer_error(r, MHD_HTTP_SERVICE_UNAVAILABLE, "out of memory: try again");
		return;
	}
	answer_body(r, MHD_HTTP_OK, asset->content_type);
}
