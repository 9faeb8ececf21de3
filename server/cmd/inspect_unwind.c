/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "server/cmd/cmd.h"
#include "server/cmd/inspect.h"
#include "symbolizer/debugfind.h"
#include "symbolizer/unwind_rule.h"
#include "symbolizer/unwind_table.h"

static int print_rows(const struct unwind_file *f)
{
	const struct unwind_arch *arch = unwind_arch_find(unwind_file_header(f)->machine);
	uint32_t count = unwind_file_header(f)->row_count;
	char text[UNWIND_RULE_TEXT_BYTES], last[UNWIND_RULE_TEXT_BYTES] = "";

	for (uint32_t i = 0; i < count; i++) {
		uint64_t vaddr;
		const struct unwind_rule *rule = unwind_file_row(f, i, &vaddr);

		/* Rows may differ in what is not printed: where a further register is saved. */
		if (strcmp(arch->format(rule, text), last) != 0)
			printf("%" PRIx64 " %s\n", vaddr, text);
		memcpy(last, text, sizeof(last));
	}
	if (fflush(stdout) || ferror(stdout))
		return cmd_fail("cannot write the rows to standard output: %s", strerror(errno));
	return EXIT_OK;
}

int inspect_table(struct binary *binary, struct table_outcome *ret)
{
	struct table_source source = {.stop_fd = -1};
	int err = symworkers_create(NULL, &source.workers);

	if (err)
		return err;
	table_source_get(&source, binary, ret);
	symworkers_destroy(source.workers);
	return 0;
}

static int open_binary(const char *path, struct binary **ret)
{
	auto_close int fd = debugfind_open_regular(path);

	if (fd < 0)
		return cmd_fail("cannot open '%s': %s", path,
				fd == -EINVAL ? "it is no regular file" : strerror(-fd));

	auto_free char *full =
		realpath(path, NULL); /* debug links are relative to the real place */
	int err = binary_open(fd, full ? full : path, 0, ret);

	if (err)
		return cmd_fail("cannot make the unwind table of '%s': %s", path,
				unwind_table_explain(err));
	(void)take_fd(fd);
	return EXIT_OK;
}

int inspect_unwind(const char *path)
{
	struct table_outcome outcome = {0};
	struct binary *binary;
	int status = open_binary(path, &binary);

	if (status)
		return status;

	int err = inspect_table(binary, &outcome);

	binary_unref(binary);
	if (err || !outcome.file)
		return cmd_fail("cannot make the unwind table of '%s': %s", path,
				err ? strerror(-err) : outcome.facts.reason);
	status = print_rows(outcome.file);
	unwind_file_unref(outcome.file);
	return status;
}
