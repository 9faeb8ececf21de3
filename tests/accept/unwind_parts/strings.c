/* SPDX-License-Identifier: Apache-2.0 */
/* Burns CPU time in the string functions of libc, which are written by hand for each processor: strings SECONDS */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define BYTES 65536

static volatile size_t sink;

__attribute__((noinline)) static size_t work(char *a, char *b)
{
	size_t n = 0;

	memset(a, 'x', BYTES);
	a[BYTES - 1] = '\0';
	memcpy(b, a, BYTES);
	n += strlen(a) + (size_t)strcmp(a, b) + (size_t)memcmp(a, b, BYTES);
	n += (size_t)(strchr(a, 'y') != NULL) + (size_t)(strrchr(a, 'x') - a);
	n += (size_t)(memchr(a, 'z', BYTES) != NULL) + (size_t)(strstr(a, "xxy") != NULL);
	memmove(a + 1, a, BYTES - 2);
	(void)strncpy(b, a, BYTES);
	n += strspn(a, "x") + strcspn(b, "yz") + strnlen(a, BYTES);
	for (int i = 0; i < 200; i++)
		n += (size_t)snprintf(b, 100, "%d %s %f", i, "some text", i * 0.5) +
		     (size_t)atoi(b);
	return n;
}

int main(int argc, char **argv)
{
	time_t end = time(NULL) + (argc > 1 ? atoi(argv[1]) : 5);
	char *a = malloc(BYTES), *b = malloc(BYTES);

	while (a && b && time(NULL) < end)
		sink += work(a, b);
	free(a);
	free(b);
	return 0;
}
