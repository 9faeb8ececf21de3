/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One HTTP request on its way: parameters in, answer out.
 *
 *	MHD thread: request_create() -> route's handler -> answer, or request_defer()
 *	worker:	    the deferred work -> answer
 *	MHD thread: answer_send()
 *
 * A handler runs on a thread that serves other connections too: whatever takes longer than parsing is deferred.
 *
 * Thread rule: one thread at a time, in the order above.
 */
#ifndef HEARTH_SERVER_HTTP_REQUEST_H
#define HEARTH_SERVER_HTTP_REQUEST_H

#include <microhttpd.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "server/http/scheduler.h"
#include "server/query/query.h"

#define REQUEST_PARAMS_MAX 64
#define REQUEST_URL_MAX	   8192
#define REQUEST_BODY_MAX   65536u
#define ANSWER_HEADERS_MAX 8
#define ANSWER_HEADER_MAX  256
#define ANSWER_BYTES_MAX   (256u << 20)
#define REQUEST_LABELS_MAX 32
#define REQUEST_PATH_MAX   1024 /* frames in a path */

struct request;
struct service;

typedef void (*request_fn)(struct request *r);

enum route_flags {
	ROUTE_PLAIN_ERRORS = 1u << 0, /* as text/plain with X-Go-Pprof, for `go tool pprof` */
	ROUTE_HUB = 1u << 1,	      /* there only where a hub is; runs on the hub's threads */
	ROUTE_BODY = 1u << 2,	      /* reads a body, of at most ROUTE_BODY_MAX */
};

#define ROUTE_BODY_MAX (16u << 20)

/** A row of the route table. */
struct route {
	const char *path; /* one '*' stands for a name without '/' */
	const char *name; /* the handler in metrics */
	request_fn handle;
	const char *const
		*params;     /* names allowed in the query string, NULL-terminated; NULL = none */
	const char *methods; /* as in the Allow header */
	unsigned int flags;  /* enum route_flags */
};

struct param {
	const char *name; /* borrowed from the connection, like value */
	const char *value;
};

struct answer_header {
	const char *name;
	char value[ANSWER_HEADER_MAX];
};

struct answer {
	unsigned int status; /* 0 = not answered yet */
	const char *content_type;
	struct buffer body;
	const void *constant; /* instead of body: bytes that live for ever; NULL = none */
	size_t constant_bytes;
	bool encoded; /* the bytes are gzip and the client is told so */
	struct answer_header headers[ANSWER_HEADERS_MAX];
	size_t header_count;
};

enum request_state {
	REQUEST_NEW,	  /* headers are there, the body may still come */
	REQUEST_DEFERRED, /* suspended: belongs to the scheduler */
	REQUEST_DONE,	  /* has its answer */
};

struct request {
	struct job job; /* first: the scheduler's hook */
	const struct service *service;
	struct MHD_Connection *connection;
	const struct route *route; /* never NULL after dispatch; errors have rows of their own */
	const char *path;
	const char *method;
	char name[128]; /* what '*' stands for in the path */
	bool accepts_gzip;
	enum request_state state;
	request_fn work; /* for the worker */
	uint64_t start_ns;
	uint64_t due_ns;    /* monotonic: when the samples that were asked for are complete */
	size_t body_bytes;  /* received so far */
	size_t body_kept;   /* of them, counted against all requests' */
	struct buffer body; /* of routes that read one; its error says that it was refused */

	struct param params[REQUEST_PARAMS_MAX];
	size_t param_count;

	struct query query; /* filled by handlers for their work */
	struct query base_query;
	const char *labels[REQUEST_LABELS_MAX + 1];
	char *label_text;  /* owned; what labels point into */
	char **frame_path; /* owned with its strings */
	size_t frame_path_count;
	unsigned int format;
	double min_share;
	size_t limit;
	uint64_t step_ns;

	struct answer answer;
};

/** Make a request for a connection. Returns NULL without memory. */
struct request *request_create(const struct service *service, struct MHD_Connection *connection);

/** Free; NULL allowed. Not while it is deferred. */
void request_destroy(struct request *r);

/**
 * Read the parameters of the query string. Answers 400 if there are too many, one twice, one not in route->params,
 * or one with a NUL.
 *
 * Returns false if it answered.
 */
bool request_read_params(struct request *r);

/** Value of a parameter, NULL if it is not there. */
const char *request_param(const struct request *r, const char *name);

/** Address of the client as text, without its port; "unknown" if there is none. */
void request_client(const struct request *r, char *text, size_t size);

/** Run @work on a worker instead of answering now; not before @due_ns (monotonic), 0 = soon. */
void request_defer(struct request *r, request_fn work, uint64_t due_ns);

/** Answer with the body that was put into r->answer.body. */
void answer_body(struct request *r, unsigned int status, const char *content_type);

/** Answer with a short text. */
void answer_text(struct request *r, unsigned int status, const char *text);

/** Answer with an error: JSON, or plain text where the route says so. */
void answer_error(struct request *r, unsigned int status, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/** Answer for a failure of query or encoder, as -errno. */
void answer_failure(struct request *r, int err);

/** Say when to try again instead of the second that errors say by themselves. */
void answer_retry_after(struct request *r, unsigned int seconds);

/** Add a header; a value that does not fit is cut. */
void answer_header(struct request *r, const char *name, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/** Compress the body if that pays and the client takes it. */
void answer_compress(struct request *r);

/** Hand the answer to MHD. */
enum MHD_Result answer_send(struct request *r);

#endif
