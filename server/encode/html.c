/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The page with a flame graph inside, as one file without any reference to the outside. The JSON may stand in the
 * script element as it is: json_put_string() escapes what could end it.
 */
#include <errno.h>
#include <string.h>

#include "base/buffer.h"
#include "server/encode/encode.h"
#include "server/encode/gzip.h"
#include "web/assets.h"

#define MARKER "\"@HEARTH_PROFILE@\""

int encode_html(const struct profile *p, const struct encode_options *options, struct buffer *out)
{
	const struct web_asset *page = web_asset_export();
	auto_buffer text = BUFFER_INIT;
	int err = page ? gunzip_append(&text, page->gzip, page->gzip_bytes, page->plain_bytes)
		       : -EBADMSG;

	if (err)
		return err == -EBADMSG ? -EIO : err;

	const char *marker = memmem(text.bytes, text.length, MARKER, strlen(MARKER));

	if (!marker)
		return -EIO;

	const char *rest = marker + strlen(MARKER);
	struct encode_options whole = *options;

	/* There is no server that could be asked for what is folded away. */
	if (whole.min_share < 0)
		whole.min_share = 0;
	buffer_append(out, text.bytes, (size_t)(marker - text.bytes));
	err = encode_flamegraph(p, &whole, out);
	if (err)
		return err;
	if (out->length && out->bytes[out->length - 1] == '\n')
		out->length--;
	buffer_append(out, rest, text.length - (size_t)(rest - text.bytes));
	return out->error;
}
