/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "server/encode/gzip.h"
#include "server/encode/json.h"
#include "server/http/request.h"
#include "server/http/service.h"

#define GZIP_LEVEL    3
#define GZIP_LEAST    1024u
#define TEXT_PLAIN    "text/plain; charset=utf-8"
#define RETRY_AFTER_S "1"

static void destroy_response(struct MHD_Response **response)
{
	if (*response)
		MHD_destroy_response(*response);
}

void answer_header(struct request *r, const char *name, const char *format, ...)
{
	struct answer *a = &r->answer;
	va_list args;

	if (a->header_count == ANSWER_HEADERS_MAX)
		return;

	struct answer_header *header = &a->headers[a->header_count++];

	header->name = name;
	va_start(args, format);
	(void)vsnprintf(header->value, sizeof(header->value), format, args); /* cut, as promised */
	va_end(args);
}

void answer_body(struct request *r, unsigned int status, const char *content_type)
{
	r->answer.status = status;
	r->answer.content_type = content_type;
}

void answer_text(struct request *r, unsigned int status, const char *text)
{
	buffer_clear(&r->answer.body);
	buffer_puts(&r->answer.body, text);
	answer_body(r, status, TEXT_PLAIN);
}

void answer_error(struct request *r, unsigned int status, const char *format, ...)
{
	struct buffer *body = &r->answer.body;
	char text[512];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(text, sizeof(text), format, args); /* a long reason is cut */
	va_end(args);

	r->answer.header_count = 0;
	r->answer.constant = NULL;
	r->answer.encoded = false;
	buffer_clear(body);
	if (status == MHD_HTTP_TOO_MANY_REQUESTS || status == MHD_HTTP_SERVICE_UNAVAILABLE)
		answer_header(r, MHD_HTTP_HEADER_RETRY_AFTER, RETRY_AFTER_S);
	if (r->route && (r->route->flags & ROUTE_PLAIN_ERRORS)) {
		for (char *c = text; *c; c++) /* one line, whatever the request held */
			if ((unsigned char)*c < ' ')
				*c = ' ';
		buffer_printf(body, "%s\n", text);
		answer_header(r, "X-Go-Pprof", "1");
		answer_body(r, status, TEXT_PLAIN);
		return;
	}
	buffer_putc(body, '{');
	json_put_text(body, "error", text);
	buffer_puts(body, "}\n");
	answer_body(r, status, "application/json");
}

void answer_retry_after(struct request *r, unsigned int seconds)
{
	struct answer *a = &r->answer;

	for (size_t i = 0; i < a->header_count; i++)
		if (!strcmp(a->headers[i].name, MHD_HTTP_HEADER_RETRY_AFTER)) {
			(void)snprintf(a->headers[i].value, sizeof(a->headers[i].value), "%u",
				       seconds); /* fits */
			return;
		}
	answer_header(r, MHD_HTTP_HEADER_RETRY_AFTER, "%u", seconds);
}

void answer_failure(struct request *r, int err)
{
	switch (err) {
	case -EFBIG:
		answer_error(
			r, MHD_HTTP_BAD_REQUEST,
			"the profile needs more than %lu KiB: ask for a shorter range, a narrower "
			"selector or fewer labels, or raise --query-memory",
			atomic_load(&r->service->engine->limit_bytes) >> 10);
		return;
	case -ETIMEDOUT:
		answer_error(
			r, MHD_HTTP_SERVICE_UNAVAILABLE,
			"the query took longer than %.3g s: ask for a shorter range or a narrower "
			"selector, or raise --query-timeout",
			(double)atomic_load(&r->service->engine->limit_time_ns) / NS_PER_S);
		return;
	case -ECANCELED:
		answer_error(r, MHD_HTTP_SERVICE_UNAVAILABLE, "the client has gone");
		return;
	case -E2BIG:
		answer_error(
			r, MHD_HTTP_BAD_REQUEST,
			"a regular expression of the selector needs too much work: make it simpler");
		return;
	case -ENOENT:
		answer_error(r, MHD_HTTP_NOT_FOUND, "there is no such path in the flame graph");
		return;
	case -ENOMEM:
		answer_error(r, MHD_HTTP_SERVICE_UNAVAILABLE,
			     "out of memory: ask for less, or try again");
		return;
	default:
		answer_error(r, MHD_HTTP_INTERNAL_SERVER_ERROR, "the query failed: %s",
			     strerror(-err));
	}
}

static bool is_compressible(const char *content_type)
{
	return !strncmp(content_type, "text/", 5) ||
	       !strncmp(content_type, "application/json", 16) ||
	       !strncmp(content_type, "image/svg+xml", 13);
}

void answer_compress(struct request *r)
{
	struct answer *a = &r->answer;
	auto_buffer packed = BUFFER_INIT;

	if (!r->accepts_gzip || a->constant || a->encoded || a->body.error ||
	    a->body.length < GZIP_LEAST || !is_compressible(a->content_type))
		return;
	if (gzip_append(&packed, a->body.bytes, a->body.length, GZIP_LEVEL))
		return; /* plain will do */

	size_t limit = a->body.limit;

	buffer_release(&a->body);
	a->body = packed;
	a->body.limit = limit;
	packed = BUFFER_INIT;
	a->encoded = true;
}

static struct MHD_Response *make_response(struct answer *a)
{
	size_t length;

	if (a->constant)
		return MHD_create_response_from_buffer(a->constant_bytes,
						       (void *)a->constant, /* only read */
						       MHD_RESPMEM_PERSISTENT);

	char *bytes = buffer_steal(&a->body, &length);

	if (!bytes)
		return NULL;

	struct MHD_Response *response =
		MHD_create_response_from_buffer(length, bytes, MHD_RESPMEM_MUST_FREE);

	if (!response)
		free(bytes);
	return response;
}

static bool has_header(const struct answer *a, const char *name)
{
	for (size_t i = 0; i < a->header_count; i++)
		if (!strcmp(a->headers[i].name, name))
			return true;
	return false;
}

static bool add(struct MHD_Response *response, const char *name, const char *value)
{
	return MHD_add_response_header(response, name, value) == MHD_YES;
}

static bool add_headers(struct MHD_Response *response, const struct request *r)
{
	const struct answer *a = &r->answer;
	bool added = add(response, MHD_HTTP_HEADER_CONTENT_TYPE, a->content_type) &&
		     add(response, "X-Content-Type-Options", "nosniff") &&
		     add(response, "Referrer-Policy", "no-referrer") &&
		     add(response, "X-Frame-Options", "DENY") &&
		     add(response, "Cross-Origin-Resource-Policy", "same-origin");

	if (added && !has_header(a, "Content-Security-Policy"))
		added = add(response, "Content-Security-Policy",
			    "default-src 'none'; frame-ancestors 'none'");
	if (added && !has_header(a, MHD_HTTP_HEADER_CACHE_CONTROL))
		added = add(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
	if (added && a->encoded)
		added = add(response, MHD_HTTP_HEADER_CONTENT_ENCODING, "gzip");
	if (added && (a->constant || is_compressible(a->content_type)))
		added = add(response, MHD_HTTP_HEADER_VARY, "Accept-Encoding");
	for (size_t i = 0; added && i < a->header_count; i++)
		added = add(response, a->headers[i].name, a->headers[i].value);
	return added;
}

enum MHD_Result answer_send(struct request *r)
{
	struct answer *a = &r->answer;

	if (a->body.error)
		answer_failure(r, a->body.error);

	CLEANUP(destroy_response) struct MHD_Response *response = make_response(a);

	if (!response || !add_headers(response, r))
		return MHD_NO; /* without memory for an answer the connection is closed */
	return MHD_queue_response(r->connection, a->status, response);
}
