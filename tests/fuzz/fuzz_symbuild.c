/* SPDX-License-Identifier: Apache-2.0 */
/* An ELF file with symbols and DWARF, also as its own debug, supplementary and package file, to a symbol file. */
#include "fuzz/fuzz.h"

#include "symbolizer/symbuild.h"
#include "symbolizer/symfile.h"

/* A .dwo that a skeleton unit asks for is the file itself. */
static int give_split(void *context, const char *directory, const char *name, uint64_t dwo_id)
{
	fuzz_sink += strlen(name) + (directory ? strlen(directory) : 0) + dwo_id;
	return dup(*(int *)context);
}

static void build(const struct symbuild_input *input)
{
	struct symbuild_report report;
	struct symfile *f;
	int out = fuzz_memfd("", 0);

	if (!symbuild(input, out, &report)) {
		if (symfile_open(out, &f))
			abort(); /* what we write we can read */

		struct symfile_frame chain[SYMFILE_CHAIN_MAX];
		struct symfile_range range;

		for (size_t i = 0; i < 64 && symfile_range_at(f, i, &range); i++)
			fuzz_sink += symfile_lookup(f, range.start, chain, SYMFILE_CHAIN_MAX);
		symfile_unref(f);
	}
	(void)close(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int fd = fuzz_memfd(data, size);
	struct symbuild_input input = {
		.elf_fd = fd,
		.debug_fd = -1,
		.alt_fd = fd,
		.dwp_fd = size % 2 ? fd : -1,
		.split = give_split,
		.split_context = &fd,
	};

	build(&input);
	input.debug_fd = fd;
	input.quick = true;
	build(&input);
	(void)close(fd);
	return 0;
}
