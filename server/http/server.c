/* SPDX-License-Identifier: Apache-2.0 */
#include "server/http/server.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/parse.h"
#include "server/http/auth.h"
#include "server/http/handlers.h"
#include "server/http/host_check.h"
#include "server/http/listen.h"

#define HTTP_THREADS	  2u
#define QUERY_THREADS	  2u
#define CONNECTIONS_MAX	  1024u
#define CONNECTION_IDLE_S 30u
#define CONNECTION_BYTES  32768u /* for the request's line and headers */
#define STOP_GRACE_NS	  (2 * NS_PER_S)
#define TLS_OPTIONS_MAX	  8
#define INGEST_THREADS	  2u
#define INGEST_READY	  256u
#define BODIES_BYTES_MAX  (256u << 20) /* of all requests together */

struct server {
	struct service service;
	struct MHD_Daemon *daemon;
	struct auth *auth; /* NULL = all may ask */
	uint16_t port;
	atomic_uint open_requests;
	atomic_size_t bodies_bytes; /* kept now */
};

static enum MHD_Result finish(struct request *r)
{
	answer_compress(r);
	r->state = REQUEST_DONE;
	return answer_send(r);
}

static void refuse_job(struct request *r, int err)
{
	if (err == -EAGAIN)
		answer_error(r, MHD_HTTP_TOO_MANY_REQUESTS,
			     "too many requests wait for their samples already: try again later");
	else if (err == -EBUSY)
		answer_error(r, MHD_HTTP_SERVICE_UNAVAILABLE,
			     "too many queries are queued already: try again in a moment");
	else
		answer_error(r, MHD_HTTP_SERVICE_UNAVAILABLE, "the server is stopping");
}

static struct scheduler *lane_of(const struct request *r)
{
	return (r->route->flags & ROUTE_HUB) && r->service->ingest ? r->service->ingest
								   : r->service->scheduler;
}

static bool is_gone(void *arg)
{
	return scheduler_has_gone(arg);
}

/* A query ends when its client has gone, or its time is over: of both the worker is told between two windows. */
static void limit_query(struct request *r, struct query *q)
{
	uint64_t limit_ns = atomic_load(&r->service->engine->limit_time_ns);

	q->deadline_ns = limit_ns ? clock_now_ns() + limit_ns : 0;
	q->is_gone = is_gone;
	q->is_gone_arg = &r->job;
}

/* On a worker: the work, then back to the connection's own thread. */
static void run_job(struct job *job, void *arg)
{
	struct request *r = (struct request *)job;

	(void)arg;
	r->state = REQUEST_NEW;
	limit_query(r, &r->query);
	limit_query(r, &r->base_query);
	r->work(r);
	if (r->state == REQUEST_DEFERRED) { /* again, for later */
		int err = scheduler_submit(lane_of(r), job);

		if (!err)
			return;
		refuse_job(r, err);
	}
	answer_compress(r);
	r->state = REQUEST_DONE;
	MHD_resume_connection(r->connection);
}

static void give_up_job(struct job *job, enum give_up_reason reason, void *arg)
{
	struct request *r = (struct request *)job;

	(void)arg;
	if (reason == GIVE_UP_STOPPING)
		answer_error(r, MHD_HTTP_SERVICE_UNAVAILABLE, "the server is stopping");
	else
		answer_error(r, MHD_HTTP_SERVICE_UNAVAILABLE, "the client has gone");
	r->state = REQUEST_DONE;
	MHD_resume_connection(r->connection);
}

/* Suspended before it is submitted: a worker may be done with it before we return. */
static enum MHD_Result defer(struct request *r)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(r->connection, MHD_CONNECTION_INFO_CONNECTION_FD);

	r->job.fd = info ? info->connect_fd : -1;
	MHD_suspend_connection(r->connection);

	int err = scheduler_submit(lane_of(r), &r->job);

	if (!err)
		return MHD_YES;
	refuse_job(r, err);
	r->state = REQUEST_DONE;
	MHD_resume_connection(r->connection);
	return MHD_YES;
}

static bool is_method_allowed(struct request *r)
{
	const char *at = strstr(r->route->methods, r->method);
	size_t length = strlen(r->method);

	if (at && length && (at[length] == ',' || !at[length]))
		return true;
	answer_error(r, MHD_HTTP_METHOD_NOT_ALLOWED, "%.16s is not possible here, only %s",
		     r->method, r->route->methods);
	answer_header(r, MHD_HTTP_HEADER_ALLOW, "%s", r->route->methods);
	return false;
}

static void dispatch(struct request *r)
{
	if (!host_check(r))
		return;
	if (!r->route->handle) {
		answer_error(r, MHD_HTTP_NOT_FOUND, "there is no '%.128s' here", r->path);
		return;
	}
	if ((r->route->flags & ROUTE_HUB) && !r->service->hub) {
		answer_error(r, MHD_HTTP_NOT_FOUND,
			     "this server takes in nothing from others: start it with --hub");
		return;
	}
	if (!is_method_allowed(r))
		return;
	if (r->route->params && !request_read_params(r))
		return;
	r->route->handle(r);
}

static bool keeps_body(const struct request *r)
{
	return (r->route->flags & ROUTE_BODY) &&
	       (!(r->route->flags & ROUTE_HUB) || r->service->hub);
}

static size_t body_max(const struct request *r)
{
	return keeps_body(r) ? ROUTE_BODY_MAX : REQUEST_BODY_MAX;
}

/*
 * Keeps a piece of the body where the route reads one, else only its length. Of a body that is refused the rest is read and
 * forgotten, so that the client hears why; false closes the connection.
 */
static bool take_body(struct server *s, struct request *r, const char *upload, size_t *upload_size)
{
	size_t length = *upload_size;

	*upload_size = 0;
	r->body_bytes += length;
	if (r->body_bytes > body_max(r)) {
		r->body.error = -EFBIG;
		return keeps_body(r) && r->body_bytes <= 2 * body_max(r);
	}
	if (!keeps_body(r) || r->body.error)
		return true;
	if (atomic_fetch_add(&s->bodies_bytes, length) + length > BODIES_BYTES_MAX) {
		atomic_fetch_sub(&s->bodies_bytes, length);
		r->body.error = -ENOMEM;
		return true;
	}
	r->body_kept += length;
	buffer_append(&r->body, upload, length);
	return true;
}

/* What can be refused on the headers alone; MHD then closes the connection instead of reading the body. */
static bool refuse_early(struct request *r)
{
	const char *length = MHD_lookup_connection_value(r->connection, MHD_HEADER_KIND,
							 MHD_HTTP_HEADER_CONTENT_LENGTH);
	uint64_t bytes = 0;

	if (!length || (!parse_u64(length, &bytes) && bytes <= body_max(r)))
		return false;
	answer_error(r, MHD_HTTP_CONTENT_TOO_LARGE, "a body of more than %zu bytes", body_max(r));
	return true;
}

static enum MHD_Result begin(struct server *s, struct MHD_Connection *connection, const char *path,
			     const char *method, void **state)
{
	struct request *r = request_create(&s->service, connection);

	if (!r)
		return MHD_NO; /* closes the connection */
	atomic_fetch_add(&s->open_requests, 1);
	*state = r;
	r->path = path;
	r->method = method;
	r->route = route_find(path, r->name, sizeof(r->name));
	if (!r->route)
		r->route = route_unknown(path);
	return !auth_check(s->auth, r) || refuse_early(r) ? finish(r) : MHD_YES;
}

static enum MHD_Result on_request(void *arg, struct MHD_Connection *connection, const char *path,
				  const char *method, const char *version, const char *upload,
				  size_t *upload_size, void **state)
{
	struct request *r = *state;

	(void)version;
	if (!r)
		return begin(arg, connection, path, method, state);
	if (*upload_size)
		return take_body(arg, r, upload, upload_size) ? MHD_YES : MHD_NO;
	if (r->state == REQUEST_DONE)
		return answer_send(r);

	dispatch(r);
	return r->state == REQUEST_DEFERRED ? defer(r) : finish(r);
}

static void on_completed(void *arg, struct MHD_Connection *connection, void **state,
			 enum MHD_RequestTerminationCode code)
{
	struct server *s = arg;
	struct request *r = *state;

	(void)connection;
	(void)code;
	if (!r)
		return;
	http_stats_count(s->service.http, r->route ? r->route->name : "unknown", r->answer.status,
			 clock_now_ns() - r->start_ns);
	atomic_fetch_sub(&s->bodies_bytes, r->body_kept);
	request_destroy(r);
	*state = NULL;
	atomic_fetch_sub(&s->open_requests, 1);
}

/* MHD tells what clients do wrong; they get their 400, and the log is not theirs to fill. */
static void ignore_log(void *arg, const char *format, va_list args)
{
	(void)arg;
	(void)format;
	(void)args;
}

/*
 * Decoded in place, as MHD does by itself, but for a path with an escaped NUL: it would end there and pass for a shorter
 * one, so it stays as it came and names nothing.
 */
static size_t unescape(void *arg, struct MHD_Connection *connection, char *text)
{
	(void)arg;
	(void)connection;
	if (text[0] == '/' && strstr(text, "%00"))
		return strlen(text);
	return MHD_http_unescape(text);
}

#define TLS_PRIORITIES	 "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2:%SERVER_PRECEDENCE"
#define TLS13_PRIORITIES "NORMAL:-VERS-ALL:+VERS-TLS1.3:%SERVER_PRECEDENCE"

/* Fills in what TLS takes; the list stays empty without it. */
static void set_tls(const struct web_config *web, struct MHD_OptionItem *items)
{
	size_t count = 0;

	if (web && web->cert) {
		const char *priorities = web->tls13_only ? TLS13_PRIORITIES : TLS_PRIORITIES;

		items[count++] = (struct MHD_OptionItem){MHD_OPTION_HTTPS_MEM_CERT, 0, web->cert};
		items[count++] = (struct MHD_OptionItem){MHD_OPTION_HTTPS_MEM_KEY, 0, web->key};
		items[count++] = (struct MHD_OptionItem){MHD_OPTION_HTTPS_PRIORITIES, 0,
							 (char *)priorities}; /* only read */
		if (web->client_auth != WEB_CLIENT_NONE)
			items[count++] = (struct MHD_OptionItem){MHD_OPTION_HTTPS_MEM_TRUST, 0,
								 web->client_ca};
	}
	items[count] = (struct MHD_OptionItem){MHD_OPTION_END, 0, NULL};
}

static int start_daemon(struct server *s, const struct web_config *web, int fd)
{
	bool tls = web && web->cert;
	unsigned int flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME |
			     MHD_USE_ERROR_LOG | (tls ? MHD_USE_TLS : 0);
	struct MHD_OptionItem items[TLS_OPTIONS_MAX];

	set_tls(web, items);
	s->daemon = MHD_start_daemon(
		flags, 0, NULL, NULL, on_request, s, MHD_OPTION_EXTERNAL_LOGGER, ignore_log, NULL,
		MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_THREAD_POOL_SIZE, HTTP_THREADS,
		MHD_OPTION_CONNECTION_LIMIT, CONNECTIONS_MAX, MHD_OPTION_CONNECTION_TIMEOUT,
		CONNECTION_IDLE_S, MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_BYTES,
		MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_NOTIFY_COMPLETED, on_completed, s,
		MHD_OPTION_UNESCAPE_CALLBACK, unescape, NULL, MHD_OPTION_ARRAY, items,
		MHD_OPTION_END);
	if (s->daemon)
		return 0;
	return tls ? -EKEYREJECTED : -ENOMEM;
}

static int create_auth(struct server *s, const struct server_options *options)
{
	bool users = options->web && (options->web->user_count || options->web->client_auth);

	if (!users && !options->token_file)
		return 0;
	return auth_create(options->web, options->token_file, &s->auth) ? -EKEYREJECTED : 0;
}

int server_create(const struct server_options *options, struct server **ret)
{
	const struct scheduler_options scheduling = {
		.workers = QUERY_THREADS,
		.run = run_job,
		.give_up = give_up_job,
	};
	const struct scheduler_options ingesting = {
		.workers = INGEST_THREADS,
		.ready_limit = INGEST_READY,
		.run = run_job,
		.give_up = give_up_job,
	};
	auto_close int fd = -1;
	struct server *s = calloc(1, sizeof(*s));
	int err;

	if (!s)
		return -ENOMEM;
	s->service = options->service;
	err = listen_open(&options->listen, &fd, &s->port);
	if (!err)
		err = http_stats_create(&s->service.http);
	if (!err)
		err = scheduler_create(&scheduling, &s->service.scheduler);
	if (!err && s->service.hub)
		err = scheduler_create(&ingesting, &s->service.ingest);
	if (!err)
		err = create_auth(s, options);
	if (!err)
		err = start_daemon(s, options->web, fd);
	if (err) {
		server_destroy(s);
		return err;
	}
	(void)take_fd(fd); /* the daemon closes it */
	*ret = s;
	return 0;
}

/* Waits until the answers are out, but not for slow readers. */
static void drain(struct server *s)
{
	const struct timespec pause = {.tv_nsec = 5 * NS_PER_MS};
	uint64_t until_ns = clock_now_ns() + STOP_GRACE_NS;

	while (atomic_load(&s->open_requests) && clock_now_ns() < until_ns)
		(void)clock_nanosleep(CLOCK_MONOTONIC, 0, &pause,
				      NULL); /* a signal only hurries us */
}

void server_destroy(struct server *s)
{
	if (!s)
		return;
	if (s->daemon) {
		int fd = MHD_quiesce_daemon(s->daemon);

		if (fd >= 0)
			(void)close(fd); /* nothing was written through it */
		scheduler_stop(s->service.scheduler);
		if (s->service.ingest)
			scheduler_stop(s->service.ingest);
		drain(s);
		MHD_stop_daemon(s->daemon);
	}
	scheduler_destroy(s->service.scheduler);
	scheduler_destroy(s->service.ingest);
	http_stats_destroy(s->service.http);
	auth_destroy(s->auth);
	free(s);
}

uint16_t server_port(const struct server *s)
{
	return s->port;
}
