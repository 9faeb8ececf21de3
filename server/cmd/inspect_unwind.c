/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "server/cmd/cmd.h"
#include "server/cmd/inspect.h"
#include "symbolizer/unwind_rule.h"
#include "symbolizer/unwind_table.h"

static int print_rows(const struct unwind_file *f)
{
	uint32_t count = unwind_file_header(f)->row_count;
	char text[UNWIND_RULE_TEXT_BYTES], last[UNWIND_RULE_TEXT_BYTES] = "";

	for (uint32_t i = 0; i < count; i++) {
		uint64_t vaddr;
		const struct unwind_rule *rule = unwind_file_row(f, i, &vaddr);

		/* Rows may differ in what is not printed: where a further register is saved. */
		if (strcmp(unwind_rule_format_x86(rule, text), last) != 0)
			printf("%" PRIx64 " %s\n", vaddr, text);
		memcpy(last, text, sizeof(last));
	}
	if (fflush(stdout) || ferror(stdout))
		return cmd_fail("cannot write the rows to standard output: %s", strerror(errno));
	return EXIT_OK;
}

int inspect_unwind(const char *path)
{
	auto_close int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct unwind_file *f;

	if (fd < 0)
		return cmd_fail("cannot open '%s': %s", path, strerror(errno));

	int error = unwind_table_build(fd, -1, &f);

	if (error)
		return cmd_fail("cannot make the unwind table of '%s': %s", path,
				unwind_table_explain(error));

	int status = print_rows(f);

	unwind_file_unref(f);
	return status;
}
