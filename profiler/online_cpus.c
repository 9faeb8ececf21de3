// SPDX-License-Identifier: Apache-2.0
#include "profiler/online_cpus.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/parse.h"

#define CPU_LIST_BYTES 4096u

int cpu_list_parse(const char *text, cpu_set_t *ret)
{
	char copy[CPU_LIST_BYTES];
	size_t length = strcspn(text, "\n");
	if (length >= sizeof(copy))
		return -EINVAL;
	memcpy(copy, text, length);
	copy[length] = '\0';

	cpu_set_t set;
	CPU_ZERO(&set);
	char *rest = length ? copy : NULL;
	for (char *range; (range = strsep(&rest, ","));) {
		const char *first = strsep(&range, "-");
		uint32_t low, high;
		int error = parse_u32_range(first, 0, CPUS_MAX - 1, &low);
		if (!error)
			error = parse_u32_range(range ? range : first, 0, CPUS_MAX - 1, &high);
		if (error)
			return error;
		if (high < low)
			return -EINVAL;
		for (uint32_t cpu = low; cpu <= high; cpu++)
			CPU_SET(cpu, &set);
	}
	*ret = set;
	return 0;
}

int online_cpus_read(cpu_set_t *ret)
{
	auto_close int fd = open("/sys/devices/system/cpu/online", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;

	char text[CPU_LIST_BYTES];
	ssize_t length = read(fd, text, sizeof(text) - 1);
	if (length < 0)
		return -errno;
	text[length] = '\0';
	return cpu_list_parse(text, ret);
}
