/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A recorded thread: its mappings, registers and stacks, and the modules it ran, below a root directory.
 *
 *	maps    lines in the form of /proc/PID/maps
 *	regs    lines `name: hex`; names as in the System V ABI for x86-64; unknown names are passed over
 *	stack   8 bytes of start address (little endian), then the bytes from there on; any number of files
 *
 * Thread rule: one owner.
 */
#ifndef HEARTH_TESTS_UNWIND_RECORDING_H
#define HEARTH_TESTS_UNWIND_RECORDING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bpf/unwind_state.h"
#include "symbolizer/unwind_slab.h"

#define RECORDING_STACKS 16

/** A file that is mapped, once. */
struct recording_module {
	char *path;   /* as in the maps; owned */
	char *name;   /* last component, in `path`; or "[vdso]" */
	int fd;	      /* owned; -1 = could not be opened below the root */
	uint32_t exe; /* number in the slab; 0 = has no segments to map */
};

struct recording_map {
	uint64_t start, end, offset;
	bool is_executable, is_writable;
	uint32_t module; /* index + 1; 0 = none */
	uint64_t bias;	 /* runtime address - ELF vaddr */
};

struct recording_stack {
	uint64_t start;
	uint64_t size;
	uint8_t *bytes; /* owned */
};

struct recording {
	const char *root;
	struct recording_map *maps;
	size_t map_count, map_capacity;
	struct recording_module *modules;
	size_t module_count, module_capacity;
	struct recording_stack stacks[RECORDING_STACKS];
	size_t stack_count;
	uint64_t pc;
	uint64_t regs[UNWIND_REGS];
	uint32_t known;
	bool has_pc;
};

/* Each reader returns 0 or -errno and leaves in @line where it failed, 0 = not at a line. */

/** Read the maps and open the modules below r->root. */
int recording_read_maps(struct recording *r, const char *path, uint32_t *line);

/** Read the registers. */
int recording_read_regs(struct recording *r, const char *path, uint32_t *line);

/** Read one more stack. */
int recording_read_stack(struct recording *r, const char *path);

/** Free what the recording holds. */
void recording_release(struct recording *r);

/** The mapping that covers @addr; NULL if none does. */
const struct recording_map *recording_find(const struct recording *r, uint64_t addr);

/**
 * Read memory: from the stacks, else from files that are mapped and not writable.
 *
 * Returns 0; -EFAULT; -ENODATA where it lies above a recorded stack, so that the recording is what ends.
 */
int recording_read(const struct recording *r, void *to, uint32_t bytes, uint64_t from);

#endif
