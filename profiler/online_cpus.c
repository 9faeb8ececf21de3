// SPDX-License-Identifier: Apache-2.0
#include "profiler/online_cpus.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/cleanup.h"

#define CPU_LIST_BYTES 4096u

/* Parse a number at *text and move on. Returns 0; -EINVAL; -ERANGE. */
static int take_cpu(const char **text, unsigned long *ret)
{
	char *end;
	if (!isdigit((unsigned char)**text))
		return -EINVAL;

	errno = 0;
	*ret = strtoul(*text, &end, 10);
	*text = end;
	return errno || *ret >= CPUS_MAX ? -ERANGE : 0;
}

int cpu_list_parse(const char *text, cpu_set_t *ret)
{
	cpu_set_t set;
	CPU_ZERO(&set);

	while (*text && *text != '\n') {
		unsigned long first, last;
		int error = take_cpu(&text, &first);
		if (error)
			return error;
		last = first;
		if (*text == '-') {
			text++;
			error = take_cpu(&text, &last);
			if (error)
				return error;
		}
		if (last < first || (*text && *text != ',' && *text != '\n'))
			return -EINVAL;
		for (unsigned long cpu = first; cpu <= last; cpu++)
			CPU_SET(cpu, &set);
		if (*text == ',')
			text++;
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
