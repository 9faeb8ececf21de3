/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Private to the pprof encoder: the message tree while it is put together. Messages live in arrays, one of each
 * kind; label and location lists are shared by the samples that have them in common.
 */
#ifndef HEARTH_SERVER_ENCODE_PPROF_H
#define HEARTH_SERVER_ENCODE_PPROF_H

#include <stddef.h>
#include <stdint.h>

#include "base/idmap.h"
#include "base/strpool.h"
#include "profile.pb-c.h"
#include "server/query/profile.h"

/* Labels of one label set. */
struct pprof_label_list {
	Pprof__Label **labels; /* into label_refs */
	size_t count;
};

struct pprof {
	const struct profile *p;
	struct strpool strings;	   /* ids are indices into string_table */
	uint32_t *string_map;	   /* by string id of the profile: id + 1; 0 = not mapped yet */
	struct idmap function_ids; /* to functions, by content */
	uint32_t *function_map;	   /* by function of the profile: index into functions */

	Pprof__Mapping *mappings;
	uint32_t *mapping_slots; /* by binary and segment: index into mappings + 1; 0 = none yet */
	uint32_t *slot_starts;	 /* by binary: its first slot */
	struct pprof_heat *heat; /* by mapping */
	size_t mapping_count;

	Pprof__Function *functions;
	size_t function_count;
	Pprof__Location *locations; /* by frame */
	Pprof__Line *lines;	    /* by line */
	Pprof__Line **line_refs;
	uint64_t *location_ids; /* by stack frame */

	Pprof__Label *labels; /* by label pair */
	Pprof__Label **label_refs;
	struct pprof_label_list *label_lists; /* by label set */

	Pprof__Sample *samples;
	int64_t *values; /* two per sample */
};

/** Index of a text in string_table. Returns 0; -ENOMEM. */
int pprof_string(struct pprof *b, const char *text, int64_t *ret);

/** Index of a string of the profile in string_table. Returns 0; -ENOMEM. */
int pprof_profile_string(struct pprof *b, uint32_t id, int64_t *ret);

/** Make the mappings, hottest executable first, and point the locations to them. Returns 0; -ENOMEM. */
int pprof_build_mappings(struct pprof *b);

#endif
