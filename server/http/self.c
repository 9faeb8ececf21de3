/* SPDX-License-Identifier: Apache-2.0 */
#include "server/http/self.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"

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
static double boot_time(void)
{
	auto_fclose FILE *file = fopen("/proc/stat", "re");
	char line[256];
	unsigned long long seconds = 0;

	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "btime %llu", &seconds) == 1)
			break;
	return (double)seconds;
}

/* Fields 20, 22, 23 and 24 of proc_pid_stat(5); those before are skipped behind the command's parenthesis. */
static void read_stat(struct self_stats *s)
{
	auto_fclose FILE *file = fopen("/proc/self/stat", "re");
	char line[1024];
	unsigned long long threads = 0;
	unsigned long long start = 0;
	unsigned long long bytes = 0;
	unsigned long long pages = 0;

	if (!file || !fgets(line, sizeof(line), file))
		return;

	const char *rest = strrchr(line, ')');

	if (!rest ||
	    sscanf(rest + 1,
		   " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %llu %*d "
		   "%llu %llu %llu",
		   &threads, &start, &bytes, &pages) != 4)
		return;
	s->threads = (uint32_t)threads;
	s->virtual_bytes = bytes;
	s->resident_bytes = pages * (uint64_t)sysconf(_SC_PAGESIZE);
	s->start_wall_seconds = boot_time() + (double)start / (double)sysconf(_SC_CLK_TCK);
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
