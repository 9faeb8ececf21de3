/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs a fuzz target without a fuzzer: over every file of its corpus, each cut short and with bytes changed in ways
 * that are the same every time. What it speaks is TAP.
 *
 *	replay_NAME CORPUS_DIR [MUTATIONS]
 */
#include "fuzz/fuzz.h"

#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/stat.h>

#define FILE_BYTES_MAX 65536
#define MUTATIONS      1000

/* splitmix64 */
static uint64_t next_random(uint64_t *state)
{
	uint64_t z = (*state += 0x9e3779b97f4a7c15ull);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	return z ^ (z >> 31);
}

/* From a block of its own, so that ASan sees its end. */
static void run(const uint8_t *bytes, size_t size)
{
	uint8_t *copy = malloc(size ? size : 1);

	if (!copy)
		abort();
	memcpy(copy, bytes, size);
	(void)LLVMFuzzerTestOneInput(copy, size);
	free(copy);
}

static void mutate(const uint8_t *bytes, size_t size, uint64_t *random)
{
	static const uint8_t interesting[] = {0, 1, 0x7f, 0x80, 0xff, 0x40, 0x20, 8};
	uint8_t *copy = malloc(size);
	size_t length = next_random(random) % 8 ? size : next_random(random) % size;

	if (!copy)
		abort();
	memcpy(copy, bytes, size);
	for (uint64_t changes = 1 + next_random(random) % 6; changes; changes--) {
		uint64_t how = next_random(random);

		copy[next_random(random) % size] =
			how % 2 ? (uint8_t)(how >> 8) : interesting[how >> 8 & 7];
	}
	run(copy, length);
	free(copy);
}

static bool replay(const char *path, unsigned long mutations)
{
	static uint8_t bytes[FILE_BYTES_MAX];
	FILE *file = fopen(path, "re");
	uint64_t random = 1;

	if (!file)
		return false;

	size_t size = fread(bytes, 1, sizeof(bytes), file);

	(void)fclose(file); /* only read from */
	run(bytes, size);
	for (unsigned long i = 0; size && i < mutations; i++)
		mutate(bytes, size, &random);
	return true;
}

int main(int argc, char **argv)
{
	unsigned long mutations = argc > 2 ? strtoul(argv[2], NULL, 10) : MUTATIONS;
	DIR *dir = argc > 1 ? opendir(argv[1]) : NULL;
	int count = 0;

	if (!dir) {
		fprintf(stderr, "usage: %s CORPUS_DIR [MUTATIONS]\n", argv[0]);
		return 2;
	}
	(void)setvbuf(stdout, NULL, _IOLBF, 0);
	run((const uint8_t *)"", 0);
	for (struct dirent *entry; (entry = readdir(dir));) {
		char path[4096];

		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "%s/%s", argv[1], entry->d_name);
		printf("%s %d - %s\n", replay(path, mutations) ? "ok" : "not ok", ++count, path);
	}
	(void)closedir(dir);
	printf("1..%d\n", count);
	return count ? 0 : 1;
}
