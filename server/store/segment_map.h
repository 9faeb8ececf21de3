/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Taking things over from a window's tables into a dictionary, each once.
 *
 * Thread rule: one owner at a time.
 */
#ifndef HEARTH_SERVER_STORE_SEGMENT_MAP_H
#define HEARTH_SERVER_STORE_SEGMENT_MAP_H

#include "server/store/segment_dict.h"

/** From ids of a window to ids of a dictionary, each + 1; 0 = not taken over yet. */
struct segment_map {
	struct segment_dict *dict;   /* borrowed */
	const struct window *window; /* borrowed */
	uint32_t *strings;
	uint32_t *binaries;
	uint32_t *frames;
	uint32_t *stacks;
	uint32_t *label_sets;
	uint32_t *memory; /* owned; all of the above */
};

/** Make an empty map; release with segment_map_release(), after a failure too. Returns 0; -ENOMEM. */
int segment_map_init(struct segment_map *m, struct segment_dict *d, const struct window *w);

/** Free what it holds. */
void segment_map_release(struct segment_map *m);

/**
 * Take stacks over, with their frames, binaries and names, in an order in which each shares much with the one before.
 *
 * @ids: of the window's stacks; put into that order
 *
 * Returns 0; -ENOSPC if a table of the dictionary is full; -ENOMEM.
 */
int segment_map_stacks(struct segment_map *m, uint32_t *ids, size_t count);

/** Take a label set over. Returns 0; -ENOSPC; -EFBIG if it has too many labels; -ENOMEM. */
int segment_map_labels(struct segment_map *m, uint32_t id);

#endif
