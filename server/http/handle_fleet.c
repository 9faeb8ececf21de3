/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What agents and other producers send.
 */
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"
#include "server/fleet/hub.h"
#include "server/http/handlers.h"
#include "server/http/service.h"

static const char *header(const struct request *r, const char *name)
{
	return MHD_lookup_connection_value(r->connection, MHD_HEADER_KIND, name);
}

/* Whether a header's value is @wanted, parameters aside. */
static bool is_value(const char *value, const char *wanted)
{
	size_t length = value ? strcspn(value, "; \t") : 0;

	return length == strlen(wanted) && !strncasecmp(value, wanted, length);
}

/* On a worker. */
static void take_batch(struct request *r)
{
	char client[64];
	struct hub_batch batch = {
		.body = r->body.bytes,
		.length = r->body.length,
		.gzip = is_value(header(r, MHD_HTTP_HEADER_CONTENT_ENCODING), "gzip"),
		.client = client,
	};
	struct hub_answer answer;

	request_client(r, client, sizeof(client));
	hub_take(r->service->hub, &batch, &answer);
	buffer_release(&r->body);
	if (answer.status != MHD_HTTP_OK) {
		buffer_release(&answer.body);
		answer_error(r, answer.status, "%s", answer.error);
		if (answer.retry_after_s)
			answer_retry_after(r, answer.retry_after_s);
		return;
	}
	buffer_append(&r->answer.body, answer.body.bytes, answer.body.length);
	buffer_release(&answer.body);
	answer_body(r, MHD_HTTP_OK, "application/x-protobuf");
}

/* What can be said of a body without looking into it. Returns whether it is fine. */
static bool check_body(struct request *r)
{
	const char *encoding = header(r, MHD_HTTP_HEADER_CONTENT_ENCODING);

	if (!is_value(header(r, MHD_HTTP_HEADER_CONTENT_TYPE), "application/x-protobuf"))
		answer_error(r, MHD_HTTP_UNSUPPORTED_MEDIA_TYPE,
			     "OTLP is taken as application/x-protobuf only");
	else if (encoding && !is_value(encoding, "gzip") && !is_value(encoding, "identity"))
		answer_error(r, MHD_HTTP_UNSUPPORTED_MEDIA_TYPE,
			     "the encoding '%.32s' is not known here: send gzip", encoding);
	else if (r->body.error == -EFBIG)
		answer_error(r, MHD_HTTP_CONTENT_TOO_LARGE, "a body of more than %u bytes",
			     ROUTE_BODY_MAX);
	else if (r->body.error)
		answer_error(r, MHD_HTTP_SERVICE_UNAVAILABLE,
			     "too many bodies are being received: try again");
	else
		return true;
	return false;
}

void handle_otlp(struct request *r)
{
	if (check_body(r))
		request_defer(r, take_batch, 0);
}
