/* SPDX-License-Identifier: Apache-2.0 */
#include "server/http/self.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/parse.h"

static void count_fds(struct self_stats *s)
{
	DIR *dir = opendir("/proc/self/fd");
	uint32_t count = 0;

	if (!dir)
		return;
	while (readdir(dir))
		count++;
	closedir(dir);
	s->open_fds = count > 3 ? count - 3 : 0; /* ".", ".." and the directory itself */
}

/* Unix time of the boot, from the "btime" line. */
static uint64_t boot_seconds(void)
{
	auto_fclose FILE *file = fopen("/proc/stat", "re");
	char line[4096];
	uint64_t seconds = 0;

	while (file && fgets(line, sizeof(line), file)) {
		const char *at = line + strlen("btime ");

		if (!strncmp(line, "btime ", strlen("btime ")) && !parse_take_u64(&at, &seconds))
			break;
	}
	return seconds;
}

/* Numbers of the fields behind the command's parenthesis, the first of which is the third of proc_pid_stat(5). */
#define FIELD_THREADS 17
#define FIELD_START   19
#define FIELD_BYTES   20
#define FIELD_PAGES   21

static uint64_t stat_field(const char *fields, int index)
{
	uint64_t value = 0;

	for (int i = 0; i < index && *fields; i++) {
		fields += strcspn(fields, " ");
		fields += strspn(fields, " ");
	}
	return parse_take_u64(&fields, &value) ? 0 : value;
}

static void read_stat(struct self_stats *s)
{
	auto_fclose FILE *file = fopen("/proc/self/stat", "re");
	char line[1024];

	if (!file || !fgets(line, sizeof(line), file))
		return;

	const char *fields = strrchr(line, ')');

	if (!fields || fields[1] != ' ')
		return;
	fields += 2;
	s->threads = (uint32_t)stat_field(fields, FIELD_THREADS);
	s->virtual_bytes = stat_field(fields, FIELD_BYTES);
	s->resident_bytes = stat_field(fields, FIELD_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
	s->start_wall_seconds = (double)boot_seconds() + (double)stat_field(fields, FIELD_START) /
								 (double)sysconf(_SC_CLK_TCK);
}

static uint64_t timeval_ns(struct timeval t)
{
	return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_usec * NS_PER_US;
}

void self_stats(struct self_stats *ret)
{
	struct rusage usage;
	struct rlimit limit;

	*ret = (struct self_stats){.cpu_ns = clock_process_cpu_ns()};
	if (!getrusage(RUSAGE_CHILDREN, &usage))
		ret->children_cpu_ns = timeval_ns(usage.ru_utime) + timeval_ns(usage.ru_stime);
	if (!getrlimit(RLIMIT_NOFILE, &limit))
		ret->max_fds = limit.rlim_cur;
	count_fds(ret);
	read_stat(ret);
}
