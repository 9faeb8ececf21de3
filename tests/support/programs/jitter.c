/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A runtime that makes code: `jitter SECONDS [DIRECTORY]` puts a loop into anonymous memory and calls it under the name of
 * first_life() for the first half of its CPU time, then overwrites it and calls it as second_life(). It tells about it in a jitdump,
 * DIRECTORY/jit-PID.dump (default: the working directory), as perf's specification says, mapped executable, unless a third
 * argument forbids that.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

/* push rbp; mov rbp,rsp; mov rcx,rdi; 1: dec rcx; jnz 1b; pop rbp; ret */
static const uint8_t code[] = {0x55, 0x48, 0x89, 0xe5, 0x48, 0x89, 0xf9,
			       0x48, 0xff, 0xc9, 0x75, 0xfb, 0x5d, 0xc3};

static uint64_t now_ns(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void put(FILE *f, uint64_t value, size_t bytes)
{
	if (fwrite(&value, bytes, 1, f) != 1)
		exit(1);
}

static void put_header(FILE *f)
{
	put(f, 0x4A695444, 4);
	put(f, 1, 4);
	put(f, 40, 4);
	put(f, 62, 4); /* EM_X86_64 */
	put(f, 0, 4);
	put(f, (uint64_t)getpid(), 4);
	put(f, now_ns(CLOCK_MONOTONIC), 8);
	put(f, 0, 8);
}

static void put_load(FILE *f, const void *at, const char *name, uint64_t index)
{
	put(f, 0, 4);
	put(f, 16 + 40 + strlen(name) + 1 + sizeof(code), 4);
	put(f, now_ns(CLOCK_MONOTONIC), 8);
	put(f, (uint64_t)getpid(), 4);
	put(f, (uint64_t)getpid(), 4);
	put(f, (uintptr_t)at, 8);
	put(f, (uintptr_t)at, 8);
	put(f, sizeof(code), 8);
	put(f, index, 8);
	fwrite(name, strlen(name) + 1, 1, f);
	fwrite(code, sizeof(code), 1, f);
	fflush(f);
}

int main(int argc, char **argv)
{
	uint64_t half_ns = (uint64_t)(atof(argc > 1 ? argv[1] : "2") * 5e8);
	void *at = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS,
			-1, 0);
	char path[4096];

	snprintf(path, sizeof(path), "%s/jit-%d.dump", argc > 2 ? argv[2] : ".", getpid());

	FILE *f = fopen(path, "w+");

	if (!f || at == MAP_FAILED)
		return 1;
	put_header(f);
	fflush(f);
	if (argc < 4 &&
	    mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, fileno(f), 0) == MAP_FAILED)
		return 1;
	for (int life = 0; life < 2; life++) {
		uint64_t end = now_ns(CLOCK_PROCESS_CPUTIME_ID) + half_ns;

		memcpy(at, code, sizeof(code));
		put_load(f, at, life ? "second_life(int)" : "first_life(int)", (uint64_t)life);
		while (now_ns(CLOCK_PROCESS_CPUTIME_ID) < end)
			((void (*)(uint64_t))at)(1000000);
	}
	return 0;
}
