/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hearth doctor: what this machine allows, what is missing, and the command that mends it.
 *
 *	ok    kernel               6.1.0-35-amd64
 *	FAIL  perf_event_open      Permission denied
 *	                           sysctl -w kernel.perf_event_paranoid=2
 */
#include "server/cmd/doctor.h"

#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <linux/version.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "base/parse.h"
#include "server/cmd/cmd.h"

#define DEFAULT_DATA_DIR "/var/lib/hearth"

struct check {
	const char *name;
	doctor_check_fn run;
};

static const struct check checks[] = {
	{"kernel", doctor_kernel},
	{"kernel types (BTF)", doctor_btf},
	{"BPF programs", doctor_bpf},
	{"BPF ring buffer", doctor_ring_buffer},
	{"bpf_loop", doctor_bpf_loop},
	{"BPF compiler", doctor_bpf_jit},
	{"perf_event_open", doctor_perf_event},
	{"perf_event_paranoid", doctor_paranoid},
	{"sampling clock", doctor_clock},
	{"sampling limits", doctor_perf_limits},
	{"capabilities", doctor_capabilities},
	{"lockdown", doctor_lockdown},
	{"kernel symbols", doctor_kernel_symbols},
	{"processes", doctor_proc},
	{"cgroups", doctor_cgroup},
	{"locked memory", doctor_memlock},
	{"debug files", doctor_debug_files},
	{"data directory", doctor_data_dir},
};

static const char usage[] =
	"usage: hearth doctor [--data-dir DIR]\n"
	"\n"
	"Looks at what this machine allows and prints one line for each thing Hearth needs or profits from: ok,\n"
	"warn (Hearth works but shows less) or FAIL (Hearth cannot sample), with the command that mends it.\n"
	"Changes nothing. Exit status 1 if anything is FAIL.\n"
	"\n"
	"  --data-dir DIR   where `hearth serve` will keep its data (default " DEFAULT_DATA_DIR
	")\n"
	"  -h, --help       this text\n";

void doctor_say(struct doctor_finding *f, enum doctor_level level, const char *value, ...)
{
	va_list args;

	f->level = level;
	va_start(args, value);
	(void)vsnprintf(f->value, sizeof(f->value), value, args); /* a cut value still tells */
	va_end(args);
}

void doctor_mend(struct doctor_finding *f, const char *mend, ...)
{
	va_list args;

	va_start(args, mend);
	(void)vsnprintf(f->mend, sizeof(f->mend), mend, args); /* as above */
	va_end(args);
}

int doctor_read(const char *path, char *text, uint32_t size)
{
	auto_close int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;

	ssize_t length = read(fd, text, size - 1);

	if (length < 0)
		return -errno;
	text[length] = '\0';
	text[strcspn(text, "\n")] = '\0';
	return 0;
}

bool doctor_can(const struct doctor_context *context, unsigned int number)
{
	return context->capabilities >> number & 1;
}

static uint64_t effective_capabilities(void)
{
	auto_fclose FILE *status = fopen("/proc/self/status", "re");
	char line[256];
	uint64_t value = 0;

	while (status && fgets(line, sizeof(line), status)) {
		if (strncmp(line, "CapEff:\t", 8))
			continue;
		line[strcspn(line, "\n")] = '\0';
		(void)parse_hex(line + 8, &value); /* unreadable: none, which is what we then say */
	}
	return value;
}

/* "6.1.0-35-amd64" -> KERNEL_VERSION(6, 1, 0); 0 if it is not of the form. */
static uint32_t kernel_version(void)
{
	struct utsname name = {0};
	uint32_t parts[2] = {0};

	(void)uname(&name); /* fails only for a bad pointer */

	char *at = name.release;

	for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
		char *part = strsep(&at, ".-+");

		if (!part || parse_u32_range(part, 0, 255, &parts[i]))
			return 0;
	}
	return KERNEL_VERSION(parts[0], parts[1], 0);
}

static void print_finding(const char *name, const struct doctor_finding *f)
{
	static const char *const levels[] = {"ok", "warn", "FAIL"};

	printf("%-4s  %-20s  %s\n", levels[f->level], name, f->value);
	if (f->mend[0])
		printf("%-4s  %-20s  -> %s\n", "", "", f->mend);
}

static int run_checks(const struct doctor_context *context)
{
	unsigned int counts[DOCTOR_FAIL + 1] = {0};

	for (size_t i = 0; i < ARRAY_SIZE(checks); i++) {
		struct doctor_finding f = {.level = DOCTOR_OK};

		checks[i].run(context, &f);
		print_finding(checks[i].name, &f);
		counts[f.level]++;
	}

	if (counts[DOCTOR_FAIL]) {
		printf("\nHearth cannot sample this machine: mend what is marked FAIL (%u).\n",
		       counts[DOCTOR_FAIL]);
		return EXIT_FAILED;
	}
	if (counts[DOCTOR_WARN])
		printf("\nHearth can sample this machine; what is marked warn (%u) narrows what it shows.\n",
		       counts[DOCTOR_WARN]);
	else
		printf("\nHearth can sample this machine.\n");
	return EXIT_OK;
}

static int silent(enum libbpf_print_level level, const char *format, va_list args)
{
	(void)level;
	(void)format;
	(void)args;
	return 0;
}

int cmd_doctor(int argc, char **argv)
{
	static const struct option options[] = {
		{"data-dir", required_argument, NULL, 'D'},
		{"help", no_argument, NULL, 'h'},
		{0},
	};
	struct doctor_context context = {.data_dir = DEFAULT_DATA_DIR};
	int option;

	opterr = 0;
	while ((option = getopt_long(argc, argv, ":h", options, NULL)) >= 0) {
		if (option == 'h') {
			fputs(usage, stdout);
			return EXIT_OK;
		}
		if (option == ':')
			return cmd_usage(argv[0], "'%s' wants a value", argv[optind - 1]);
		if (option != 'D')
			return cmd_usage(argv[0], "unknown option '%s'", argv[optind - 1]);
		context.data_dir = optarg;
	}
	if (optind < argc)
		return cmd_usage(argv[0], "unexpected argument '%s'", argv[optind]);
	if (!context.data_dir[0])
		return cmd_usage(argv[0], "--data-dir wants a directory");

	libbpf_set_print(silent);
	context.capabilities = effective_capabilities();
	context.kernel = kernel_version();
	return run_checks(&context);
}
