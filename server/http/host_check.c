/* SPDX-License-Identifier: Apache-2.0 */
#include "server/http/host_check.h"

#include <string.h>
#include <strings.h>

#include "base/array.h"
#include "server/http/service.h"

bool host_is_local(const char *host, const char *own)
{
	static const char *const names[] = {"localhost", "127.0.0.1", "[::1]"};
	size_t length = *host == '[' ? strcspn(host, "]") + 1 : strcspn(host, ":");

	if (length > strlen(host))
		return false;
	if (host[length] && (host[length] != ':' ||
			     strspn(host + length + 1, "0123456789") != strlen(host + length + 1)))
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (strlen(names[i]) == length && !strncasecmp(host, names[i], length))
			return true;
	if (!own || !*own)
		return false;

	/* An IPv6 address stands in brackets in the header, without them in the options. */
	size_t skip = *host == '[';

	return strlen(own) == length - 2 * skip &&
	       !strncasecmp(host + skip, own, length - 2 * skip);
}

/* A page of somebody else may send a form here; its browser says where it comes from. */
static bool is_foreign_origin(const struct request *r, const char *host)
{
	const char *origin =
		MHD_lookup_connection_value(r->connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_ORIGIN);
	const char *at = origin ? strstr(origin, "://") : NULL;

	if (!origin || !strcmp(r->method, "GET") || !strcmp(r->method, "HEAD"))
		return false;
	return !at || !host || strcasecmp(at + 3, host) != 0;
}

bool host_check(struct request *r)
{
	const char *host =
		MHD_lookup_connection_value(r->connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_HOST);

	if (is_foreign_origin(r, host)) {
		answer_error(r, MHD_HTTP_FORBIDDEN,
			     "requests from pages of other servers are refused");
		return false;
	}
	/* Without one it is no browser: they always send it. */
	if (!r->service->check_host || !host || host_is_local(host, r->service->listen_host))
		return true;
	answer_error(
		r, MHD_HTTP_FORBIDDEN,
		"this server answers to 'localhost' only, not to '%.64s': open it as localhost, or "
		"listen on that name",
		host);
	return false;
}
