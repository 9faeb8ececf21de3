/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Labels that everything sampled carries, whatever ran: the machine's name, those of the configuration.
 *
 * Invariants: immutable after create.
 * Thread rule: one owner at a time.
 */
#ifndef HEARTH_PROFILER_STATIC_LABELS_H
#define HEARTH_PROFILER_STATIC_LABELS_H

#include <stddef.h>

#include "base/cleanup.h"
#include "profiler/profiler.h"

struct static_labels {
	struct profiler_label *labels; /* owned with their texts */
	size_t count;
};

/**
 * Copy labels.
 *
 * @ret: on success owned by the caller, free with static_labels_destroy()
 *
 * Returns 0; -E2BIG if there are more than PROFILER_LABELS_MAX; -ENOMEM.
 */
int static_labels_create(const struct profiler_label *labels, size_t count,
			 struct static_labels **ret);

/** Free; NULL allowed. */
void static_labels_destroy(struct static_labels *l);

DEFINE_CLEANUP(static_labels_destroy, struct static_labels *)

#endif
