/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The step that user space adds where a rule does not hold what is needed: by all registers and by expressions.
 *
 * The unwinder knows few registers of a caller, the complete step all of them; so the complete one is taken along
 * from the first frame, when it is needed at all, held against what the unwinder found.
 *
 * Thread rule: one owner.
 */
#ifndef HEARTH_TESTS_UNWIND_USER_H
#define HEARTH_TESTS_UNWIND_USER_H

#include "symbolizer/unwind_full.h"
#include "tests/host/unwind_recording.h"

struct unwind_user {
	const struct recording *recording; /* borrowed */
	struct unwind_frame *frames; /* as the unwinder found them, the first with all registers */
	size_t frame_count, frame_capacity;
	size_t complete;	 /* frames[complete] has all registers that are to be had */
	struct unwind_elf *elfs; /* by module; opened when first needed */
	bool *opened;
};

/** Start with an unwinder that just began. */
void unwind_user_begin(struct unwind_user *user, const struct recording *r,
		       const struct unwind_state *u);

/** Take note of a frame the unwinder reached, the first included. */
void unwind_user_note(struct unwind_user *user, const struct unwind_state *u);

/** Take the step that the unwinder could not. Returns as unwind_walk_step(). */
enum unwind_end unwind_user_step(struct unwind_user *user, struct unwind_state *u);

/** Free what it holds. */
void unwind_user_release(struct unwind_user *user);

#endif
