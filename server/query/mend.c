// SPDX-License-Identifier: Apache-2.0
#include "server/query/mend.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/array.h"
#include "base/cleanup.h"

/* Debian's packages whose debug information is no -dbgsym; the first name that begins a package's counts. */
static const struct {
	const char *prefix, *debug;
} debian_dbg[] = {
	{"libc6", "libc6-dbg"},
	{"libc-bin", "libc6-dbg"},
	{"openjdk-17-", "openjdk-17-dbg"},
	{"libpython3.11", "python3.11-dbg"},
	{"python3.11", "python3.11-dbg"},
};

static void say(char *to, size_t size, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static void say(char *to, size_t size, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	(void)vsnprintf(to, size, format, args); /* cut where it does not fit */
	va_end(args);
}

#define WHY(...)     say(ret->why, sizeof(ret->why), __VA_ARGS__)
#define COMMAND(...) say(ret->command, sizeof(ret->command), __VA_ARGS__)

static bool has_word(const char *text, const char *word)
{
	size_t length = strlen(word);

	for (const char *at = text; (at = strstr(at, word)); at += length)
		if ((at == text || strchr(" =\"'", at[-1])) && strchr(" \"'\n", at[length]))
			return true;
	return false;
}

enum distribution mend_distribution(const char *path)
{
	static const struct {
		const char *id;
		enum distribution is;
	} known[] = {
		{"ubuntu", DISTRIBUTION_UBUNTU}, {"debian", DISTRIBUTION_DEBIAN},
		{"fedora", DISTRIBUTION_FEDORA}, {"rhel", DISTRIBUTION_FEDORA},
		{"suse", DISTRIBUTION_SUSE},	 {"arch", DISTRIBUTION_ARCH},
		{"alpine", DISTRIBUTION_ALPINE},
	};
	auto_fclose FILE *f = fopen(path ? path : "/etc/os-release", "re");
	enum distribution found = DISTRIBUTION_UNKNOWN;
	char line[512];

	while (f && fgets(line, sizeof(line), f)) {
		bool is_id = !strncmp(line, "ID=", 3);

		if (!is_id && (strncmp(line, "ID_LIKE=", 8) != 0 || found))
			continue;
		for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
			if (has_word(line, known[i].id)) {
				found = known[i].is;
				break;
			}
		}
	}
	return found;
}

static const char *debian_debug_package(const char *package, char *text, size_t size)
{
	for (size_t i = 0; i < ARRAY_SIZE(debian_dbg); i++)
		if (!strncmp(package, debian_dbg[i].prefix, strlen(debian_dbg[i].prefix)))
			return debian_dbg[i].debug;
	say(text, size, "%s-dbgsym", package);
	return text;
}

/* A path as a word of the shell; nothing if it would need more than quotes. */
static bool is_plain(const char *path)
{
	return !strpbrk(path, "'\\\n\r\t") && *path == '/';
}

static void mend_by_package(const struct mend_case *c, struct mend *ret)
{
	char text[192];

	switch (c->distribution) {
	case DISTRIBUTION_DEBIAN:
	case DISTRIBUTION_UBUNTU:
		if (*c->package)
			COMMAND("apt-get install %s",
				debian_debug_package(c->package, text, sizeof(text)));
		return;
	case DISTRIBUTION_FEDORA:
		if (is_plain(c->path))
			COMMAND("dnf debuginfo-install '%s'", c->path);
		return;
	case DISTRIBUTION_SUSE:
		if (is_plain(c->path))
			COMMAND("zypper install \"$(rpm -qf --qf '%%{NAME}-debuginfo' '%s')\"",
				c->path);
		return;
	case DISTRIBUTION_ALPINE:
		if (is_plain(c->path))
			COMMAND("apk add \"$(apk info -qW '%s')-dbg\"", c->path);
		return;
	case DISTRIBUTION_ARCH: /* serves debug information by debuginfod only */
	case DISTRIBUTION_UNKNOWN:
		return;
	}
}

/* Debian keeps most debug packages in an archive of their own. */
static const char *archive_hint(const struct mend_case *c, const struct mend *m)
{
	if (!strstr(m->command, "-dbgsym"))
		return "";
	return c->distribution == DISTRIBUTION_UBUNTU
		       ? " (from Ubuntu's archive of debug symbols, ddebs)"
		       : " (from Debian's archive debian-debug, suite RELEASE-debug)";
}

static void mend_file(const struct mend_case *c, struct mend *ret)
{
	const struct symbuild_report *r = &c->symbols->report;
	bool mismatch = strstr(c->symbols->tried, "mismatch ") != NULL;

	if (c->of_host)
		mend_by_package(c, ret);
	if (mismatch)
		WHY("its debug file is of another build: bring both to the same version");
	else if (r->dwarf == SYMBUILD_USED)
		WHY("its debug information has no function at these addresses");
	else if (!c->of_host)
		WHY("it has no symbols for these addresses, and no debug file was found in its "
		    "container or here; install its debug package in the image, or here");
	else if (ret->command[0])
		WHY("it has no symbols for these addresses, and its debug package is not installed%s",
		    archive_hint(c, ret));
	else
		WHY("it has no symbols for these addresses; build it with -g and do not strip it, or put "
		    "its debug file below /usr/lib/debug/.build-id");
}

static void mend_jit(const struct mend_case *c, struct mend *ret)
{
	static const struct {
		const char *comm, *command;
	} known[] = {
		{"node", "node --perf-basic-prof"},
		{"java", "jcmd java Compiler.perfmap"},
		{"dotnet", "DOTNET_PerfMapEnabled=1 dotnet"},
		{"python3.12", "python3.12 -X perf"},
		{"python3.13", "python3.13 -X perf"},
		{"ruby", "ruby --yjit --yjit-perf"},
		{"luajit", "luajit -jp"},
	};

	for (size_t i = 0; c->comm && i < ARRAY_SIZE(known); i++)
		if (!strcmp(c->comm, known[i].comm))
			COMMAND("%s", known[i].command);
	WHY("code that was made while running, without a map of its names: let the program write "
	    "/tmp/perf-PID.map");
}

void mend_symbols(const struct mend_case *c, struct mend *ret)
{
	*ret = (struct mend){0};
	if (c->kind == BINARY_ANON) {
		mend_jit(c, ret);
	} else if (c->kind == BINARY_KERNEL) {
		WHY("the kernel hides the addresses of its functions from us, or the code was gone "
		    "when it was looked at");
		COMMAND("hearth doctor");
	} else if (c->kind == BINARY_UNKNOWN) {
		WHY("no mapping covered the address: the memory was gone before it was looked at");
	} else if (!c->symbols) {
		WHY("the file was gone before it was read");
	} else if (c->symbols->state == SYMBOLS_PENDING || c->symbols->state == SYMBOLS_QUICK) {
		WHY("its symbol file is being made");
	} else if (c->symbols->state == SYMBOLS_FAILED) {
		WHY("%s", c->symbols->reason);
	} else {
		mend_file(c, ret);
	}
}

bool mend_unwinding(const struct table_facts *facts, struct mend *ret)
{
	*ret = (struct mend){0};
	if (facts->state == TABLE_NONE) {
		WHY("%s: build it with -fasynchronous-unwind-tables, or with frame pointers",
		    facts->reason);
		return true;
	}
	if (facts->state == TABLE_FAILED) {
		WHY("%s", facts->reason);
		return true;
	}
	if (facts->state == TABLE_READY && facts->damaged_count) {
		WHY("the unwind information of %u of its %u functions cannot be read",
		    facts->damaged_count, facts->fde_count);
		return true;
	}
	return false;
}
