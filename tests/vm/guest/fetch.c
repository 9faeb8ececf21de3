// SPDX-License-Identifier: Apache-2.0
/*
 * One GET on this machine: writes the body to stdout, status 0 for an answer of 200, else the answer on stderr.
 *
 *	fetch PORT PATH
 *
 * HTTP/1.0, so that the body ends with the connection. Resolves no names, which a static program can't.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define SECONDS_MAX 60

static int fail(const char *what)
{
	fprintf(stderr, "fetch: %s: %s\n", what, strerror(errno));
	return 1;
}

/* Copy the body; returns the status of the answer, 0 if there was none. */
static int receive(FILE *from)
{
	char line[8192];
	int status = 0;

	if (!fgets(line, sizeof(line), from) || strncmp(line, "HTTP/1.", 7) != 0)
		return 0;
	status = (int)strtol(line + strlen("HTTP/1.x "), NULL, 10);
	while (fgets(line, sizeof(line), from) && strcmp(line, "\r\n") != 0)
		;

	FILE *to = status == 200 ? stdout : stderr;
	size_t length;
	while ((length = fread(line, 1, sizeof(line), from)) > 0)
		fwrite(line, 1, length, to);
	return status;
}

int main(int argc, char **argv)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

	if (argc != 3) {
		fprintf(stderr, "usage: fetch PORT PATH\n");
		return 2;
	}
	address.sin_port = htons((uint16_t)strtoul(argv[1], NULL, 10));
	alarm(SECONDS_MAX);

	int fd = socket(AF_INET, SOCK_STREAM, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0)
		return fail("connect");
	if (dprintf(fd, "GET %s HTTP/1.0\r\nHost: 127.0.0.1:%s\r\n\r\n", argv[2], argv[1]) < 0)
		return fail("send");

	FILE *stream = fdopen(fd, "r");
	if (!stream)
		return fail("fdopen");
	int status = receive(stream);
	if (status != 200)
		fprintf(stderr, "\nfetch: %s: status %d\n", argv[2], status);
	return status != 200;
}
