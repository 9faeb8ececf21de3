/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The dictionary of a request that is being made from a window.
 *
 *	window			dictionary
 *	frame i			location i + 1
 *	stack i			stack i + 1
 *	executable segment	mapping
 *	name of a frame		function
 *	label			attribute
 *
 * All executable segments of a binary are sent, hit or not, so that a binary looks the same in every batch.
 *
 * Thread rule: one owner at a time.
 */
#ifndef HEARTH_SERVER_FLEET_OTLP_TABLES_H
#define HEARTH_SERVER_FLEET_OTLP_TABLES_H

#include "base/idmap.h"
#include "base/strpool.h"
#include "otlp.pb-c.h"
#include "profiler/window.h"
#include "server/fleet/arena.h"

/** A table under construction; element 0 is the zero value. */
struct otlp_table {
	void **items; /* in the arena's memory; the array is owned */
	size_t count, capacity;
};

struct otlp_tables {
	const struct window *w;
	struct arena *arena;	/* borrowed: all messages lie there */
	struct strpool strings; /* ids are indices */
	uint32_t *string_map;	/* window's string id -> ours + 1 */
	struct idmap attribute_ids;
	struct otlp_table attributes, mappings, functions;
	uint32_t *function_map; /* window's string id -> function */
	uint32_t *mapping_base; /* window's binary -> its first mapping */
	Otlp__Location **locations;
	Otlp__Stack **stacks;
};

/** Begin with the zero values. Returns 0; -ENOMEM. Release after a failure too. */
int otlp_tables_init(struct otlp_tables *t, const struct window *w, struct arena *arena);

/** Free what is not the arena's. */
void otlp_tables_release(struct otlp_tables *t);

/** Index of a string, made UTF-8. Returns 0; -ENOMEM. */
int otlp_tables_string(struct otlp_tables *t, const char *text, int32_t *ret);

/** Index of a string of the window. Returns 0; -ENOMEM. */
int otlp_tables_window_string(struct otlp_tables *t, uint32_t id, int32_t *ret);

/** Index of an attribute with a text. Returns 0; -ENOMEM. */
int otlp_tables_text(struct otlp_tables *t, const char *key, const char *text, int32_t *ret);

/** Index of an attribute with a number. Returns 0; -ENOMEM. */
int otlp_tables_number(struct otlp_tables *t, const char *key, int64_t number, int32_t *ret);

/** Make mappings, locations and stacks of all that the window has. Returns 0; -ENOMEM. */
int otlp_tables_build(struct otlp_tables *t);

/** Hang the tables below a dictionary message. Returns 0; -ENOMEM. */
int otlp_tables_finish(struct otlp_tables *t, Otlp__Dictionary *d);

/** A message in the arena, initialised; NULL without memory. */
#define OTLP_NEW(arena, type, init)                               \
	({                                                        \
		type *made_ = arena_alloc(arena, sizeof(*made_)); \
		if (made_)                                        \
			init(made_);                              \
		made_;                                            \
	})

#endif
