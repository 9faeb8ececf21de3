/* SPDX-License-Identifier: Apache-2.0 */
#include "server/http/listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/parse.h"

#define BACKLOG 256

static void free_addresses(struct addrinfo **list)
{
	if (*list)
		freeaddrinfo(*list);
}

/* The addresses of a host; an empty one is every address of the machine. */
static int resolve(const char *host, uint16_t port, struct addrinfo **ret)
{
	const struct addrinfo hints = {
		.ai_socktype = SOCK_STREAM,
		.ai_flags = AI_PASSIVE | AI_NUMERICSERV,
	};
	char service[8];

	(void)snprintf(service, sizeof(service), "%u", port); /* fits */
	return getaddrinfo(*host ? host : "::", service, &hints, ret) ? -EINVAL : 0;
}

static bool is_loopback(const struct sockaddr *a)
{
	if (a->sa_family == AF_INET) {
		const struct sockaddr_in *v4 = (const struct sockaddr_in *)a;

		return ntohl(v4->sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
	}
	return a->sa_family == AF_INET6 &&
	       IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)a)->sin6_addr);
}

static int split(const char *text, struct listen_address *a)
{
	const char *colon = strrchr(text, ':');
	uint32_t port;

	if (!colon || parse_u32_range(colon + 1, 0, UINT16_MAX, &port))
		return -EINVAL;

	size_t length = (size_t)(colon - text);

	if (length && *text == '[') {
		if (text[length - 1] != ']')
			return -EINVAL;
		text++;
		length -= 2;
	} else if (memchr(text, ':', length)) {
		return -EINVAL; /* an IPv6 address without brackets: where does it end? */
	}
	if (length >= sizeof(a->host))
		return -EINVAL;
	memcpy(a->host, text, length);
	a->host[length] = '\0';
	a->port = (uint16_t)port;
	return 0;
}

int listen_address_parse(const char *text, struct listen_address *ret)
{
	struct listen_address a = {.loopback = true};
	CLEANUP(free_addresses) struct addrinfo *list = NULL;
	int err = split(text, &a);

	if (!err)
		err = resolve(a.host, a.port, &list);
	if (err)
		return err;
	for (const struct addrinfo *at = list; at; at = at->ai_next)
		a.loopback = a.loopback && is_loopback(at->ai_addr);
	*ret = a;
	return 0;
}

static int open_one(const struct addrinfo *info, bool dual, int *ret_fd)
{
	auto_close int fd =
		socket(info->ai_family, info->ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int on = 1;
	int v6_only = !dual;

	if (fd < 0)
		return -errno;
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)))
		return -errno;
	if (info->ai_family == AF_INET6 &&
	    setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &v6_only, sizeof(v6_only)))
		return -errno;
	if (bind(fd, info->ai_addr, info->ai_addrlen) || listen(fd, BACKLOG))
		return -errno;
	*ret_fd = take_fd(fd);
	return 0;
}

int listen_open(const struct listen_address *address, int *ret_fd, uint16_t *ret_port)
{
	CLEANUP(free_addresses) struct addrinfo *list = NULL;
	struct sockaddr_storage bound;
	socklen_t length = sizeof(bound);
	int err = resolve(address->host, address->port, &list);

	if (err)
		return err;
	err = -EADDRNOTAVAIL;
	for (const struct addrinfo *at = list; at && err; at = at->ai_next)
		err = open_one(at, !*address->host, ret_fd);
	if (err)
		return err;
	if (getsockname(*ret_fd, (struct sockaddr *)&bound, &length))
		return -errno;
	*ret_port = ntohs(bound.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&bound)->sin6_port
						      : ((struct sockaddr_in *)&bound)->sin_port);
	return 0;
}
