/* SPDX-License-Identifier: Apache-2.0 */
#include "server/http/request.h"

#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"

/* Whether an Accept-Encoding header lets us send gzip: named and not with a quality of 0. */
static bool accepts_gzip(const char *header)
{
	const char *at = header ? strcasestr(header, "gzip") : NULL;

	if (!at)
		return false;
	at += strlen("gzip");
	at += strspn(at, " \t");
	if (*at != ';')
		return !*at || *at == ',';
	at += 1 + strspn(at + 1, " \t");
	if (strncasecmp(at, "q=", 2) != 0)
		return true;
	return strcspn(at + 2, "123456789") < strcspn(at + 2, ", \t"); /* not "0", "0.0", ... */
}

struct request *request_create(const struct service *service, struct MHD_Connection *connection)
{
	struct request *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	r->service = service;
	r->connection = connection;
	r->start_ns = clock_now_ns();
	r->min_share = -1;
	r->answer.body.limit = ANSWER_BYTES_MAX;
	r->accepts_gzip = accepts_gzip(MHD_lookup_connection_value(
		connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_ACCEPT_ENCODING));
	return r;
}

void request_destroy(struct request *r)
{
	if (!r)
		return;
	query_release(&r->query);
	query_release(&r->base_query);
	for (size_t i = 0; i < r->frame_path_count; i++)
		free(r->frame_path[i]);
	free(r->frame_path);
	free(r->label_text);
	buffer_release(&r->answer.body);
	buffer_release(&r->body);
	free(r);
}

/* What MHD's iterator fills. */
struct collection {
	struct request *r;
	bool too_many;
	bool with_nul;
};

static enum MHD_Result collect_param(void *arg, enum MHD_ValueKind kind, const char *name,
				     size_t name_size, const char *value, size_t value_size)
{
	struct collection *c = arg;
	struct request *r = c->r;

	(void)kind;
	c->with_nul |= strlen(name) != name_size || (value && strlen(value) != value_size);
	if (r->param_count == REQUEST_PARAMS_MAX) {
		c->too_many = true;
		return MHD_NO;
	}
	r->params[r->param_count++] = (struct param){name, value ? value : ""};
	return MHD_YES;
}

static bool is_allowed(const struct route *route, const char *name)
{
	for (const char *const *at = route->params; at && *at; at++)
		if (!strcmp(*at, name))
			return true;
	return false;
}

/* "query, from and to" for the error message. */
static void list_params(const struct route *route, char *text, size_t size)
{
	size_t used = 0;

	text[0] = '\0';
	for (const char *const *at = route->params; at && *at && used < size; at++) {
		const char *separator = at == route->params ? "" : at[1] ? ", " : " and ";

		used += (size_t)snprintf(text + used, size - used, "%s%s", separator, *at);
	}
}

static bool refuse_unknown(struct request *r, const char *name)
{
	char allowed[256];

	list_params(r->route, allowed, sizeof(allowed));
	if (*allowed)
		answer_error(r, MHD_HTTP_BAD_REQUEST, "unknown parameter '%.64s': %s takes %s",
			     name, r->route->path, allowed);
	else
		answer_error(r, MHD_HTTP_BAD_REQUEST,
			     "unknown parameter '%.64s': %s takes no parameters", name,
			     r->route->path);
	return false;
}

static bool check_param(struct request *r, size_t index)
{
	const char *name = r->params[index].name;

	if (!is_allowed(r->route, name))
		return refuse_unknown(r, name);
	for (size_t i = 0; i < index && strcmp(name, "path") != 0; i++)
		if (!strcmp(r->params[i].name, name)) {
			answer_error(r, MHD_HTTP_BAD_REQUEST, "parameter '%s' is given twice",
				     name);
			return false;
		}
	return true;
}

bool request_read_params(struct request *r)
{
	struct collection c = {.r = r};

	(void)MHD_get_connection_values_n(r->connection, MHD_GET_ARGUMENT_KIND, collect_param, &c);
	if (c.too_many) {
		answer_error(r, MHD_HTTP_BAD_REQUEST, "more than %d parameters",
			     REQUEST_PARAMS_MAX);
		return false;
	}
	if (c.with_nul) {
		answer_error(r, MHD_HTTP_BAD_REQUEST, "a parameter holds a NUL character");
		return false;
	}
	for (size_t i = 0; i < r->param_count; i++)
		if (!check_param(r, i))
			return false;
	return true;
}

const char *request_param(const struct request *r, const char *name)
{
	for (size_t i = 0; i < r->param_count; i++)
		if (!strcmp(r->params[i].name, name))
			return r->params[i].value;
	return NULL;
}

void request_client(const struct request *r, char *text, size_t size)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(r->connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
	const struct sockaddr *a = info ? info->client_addr : NULL;
	socklen_t length = a && a->sa_family == AF_INET6 ? sizeof(struct sockaddr_in6)
							 : sizeof(struct sockaddr_in);

	if (!a || getnameinfo(a, length, text, (socklen_t)size, NULL, 0, NI_NUMERICHOST))
		(void)snprintf(text, size, "unknown"); /* fits */
}

void request_defer(struct request *r, request_fn work, uint64_t due_ns)
{
	r->work = work;
	r->job.due_ns = due_ns;
	r->state = REQUEST_DEFERRED;
}
