/* SPDX-License-Identifier: Apache-2.0 */
#include <bpf/libbpf.h>
#include <elfutils/libdwfl.h>
#include <microhttpd.h>
#include <stdio.h>
#include <sys/utsname.h>

#include "server/cmd/cmd.h"
#include "version.h"

int cmd_version(int argc, char **argv)
{
	struct utsname kernel = {0};

	if (argc > 1)
		return cmd_usage(argv[0], "unexpected argument '%s'", argv[1]);
	(void)uname(&kernel); /* fails only for a bad pointer */

	printf("hearth %s (%s)\n", HEARTH_VERSION, HEARTH_REVISION);
	printf("libbpf %s, elfutils %s, libmicrohttpd %s, linux %s %s\n",
	       libbpf_version_string() + 1, dwfl_version(NULL), MHD_get_version(), kernel.release,
	       kernel.machine);
	return EXIT_OK;
}
