// SPDX-License-Identifier: Apache-2.0
/*
 * Run a command as an ordinary user with exactly some capabilities, as a service manager does it: bounding,
 * inheritable, permitted, effective and ambient sets all the same, and no new privileges.
 *
 *	runas UID CAPABILITY[,CAPABILITY...]|none COMMAND [ARGUMENT...]
 *
 * Capabilities by name without "cap_", from the list below.
 */
#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static const struct {
	const char *name;
	int number;
} capabilities[] = {
	{"dac_read_search", 2},	    {"net_bind_service", 10}, {"sys_ptrace", 19}, {"sys_admin", 21},
	{"sys_resource", 24},	    {"syslog", 34},	      {"perfmon", 38},	  {"bpf", 39},
	{"checkpoint_restore", 40},
};

static int fail(const char *what)
{
	fprintf(stderr, "runas: %s: %s\n", what, strerror(errno));
	return 125;
}

static uint64_t parse(char *list)
{
	uint64_t set = 0;

	if (strcmp(list, "none") == 0)
		return 0;
	for (char *name = strtok(list, ","); name; name = strtok(NULL, ",")) {
		size_t i = 0;
		size_t count = sizeof(capabilities) / sizeof(capabilities[0]);
		while (i < count && strcmp(capabilities[i].name, name) != 0)
			i++;
		if (i == count) {
			fprintf(stderr, "runas: unknown capability '%s'\n", name);
			exit(125);
		}
		set |= UINT64_C(1) << capabilities[i].number;
	}
	return set;
}

static int set_capabilities(uint64_t set)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2];

	for (int i = 0; i < 2; i++) {
		uint32_t half = (uint32_t)(set >> (32 * i));
		data[i] = (struct __user_cap_data_struct){half, half, half};
	}
	return (int)syscall(SYS_capset, &header, data);
}

int main(int argc, char **argv)
{
	if (argc < 4) {
		fprintf(stderr, "usage: runas UID CAPABILITIES|none COMMAND [ARGUMENT...]\n");
		return 125;
	}
	unsigned int uid = (unsigned int)strtoul(argv[1], NULL, 10);
	uint64_t set = parse(argv[2]);

	for (int i = 0; prctl(PR_CAPBSET_READ, i) >= 0; i++)
		if (!(set >> i & 1) && prctl(PR_CAPBSET_DROP, i) != 0)
			return fail("PR_CAPBSET_DROP");
	if (prctl(PR_SET_KEEPCAPS, 1) != 0 || setgroups(0, NULL) != 0 ||
	    setresgid(uid, uid, uid) != 0 || setresuid(uid, uid, uid) != 0)
		return fail("becoming the user");
	if (set_capabilities(set) != 0)
		return fail("capset");
	for (int i = 0; i < 64; i++)
		if (set >> i & 1 && prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, i, 0, 0) != 0)
			return fail("PR_CAP_AMBIENT_RAISE");
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		return fail("PR_SET_NO_NEW_PRIVS");
	execvp(argv[3], argv + 3);
	return fail(argv[3]);
}
