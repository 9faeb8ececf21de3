/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Makes windows of what was read from segments: each holds only what its samples refer to.
 *
 * Thread rule: one owner at a time; the windows are free.
 */
#ifndef HEARTH_SERVER_STORE_SEGMENT_WINDOW_H
#define HEARTH_SERVER_STORE_SEGMENT_WINDOW_H

#include <stdbool.h>

#include "profiler/window.h"
#include "server/store/segment_block.h"

/**
 * Make a window.
 *
 * @from: times, losses and samples; samples are put into the order of their time; one of more weight than a
 *        window's sample can have becomes several
 * @with_stacks: false = all samples get one empty stack
 * @ret: on success one reference, drop with window_unref()
 *
 * Returns 0; -EFBIG if there are too many samples; -ENOMEM.
 */
int segment_window_make(const struct segment_dict *d, struct segment_window *from, bool with_stacks,
			struct window **ret);

/**
 * Make a window that borrows the tables of the dictionary instead of copying what it needs of them.
 *
 * @ret: on success release with segment_window_release_view(); valid until the dictionary changes; cannot be kept by
 *       references
 *
 * Returns as segment_window_make().
 */
int segment_window_view(const struct segment_dict *d, struct segment_window *from,
			struct window *ret);

/** Free what a view owns. */
void segment_window_release_view(struct window *view);

#endif
