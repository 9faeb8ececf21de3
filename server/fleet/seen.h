/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which profiles have been taken in, so that one that is sent twice counts once: the ids of the last so many, in a file
 * that outlives the process.
 *
 *	seen_claim()	before a profile is taken in
 *	seen_settle()	afterwards: it is kept, or it may come again
 *
 * Thread rule: any thread may call everything but open and close.
 */
#ifndef HEARTH_SERVER_FLEET_SEEN_H
#define HEARTH_SERVER_FLEET_SEEN_H

#include <stdbool.h>
#include <stddef.h>

#include "server/fleet/otlp.h"

struct seen;

/**
 * Open or make the file. One that is damaged or of another size is made anew.
 *
 * @path: NULL = in memory only
 * @capacity: ids that are remembered; 16 bytes each on disk
 * @ret: on success owned by the caller, free with seen_close()
 *
 * Returns 0; -errno of the file; -ENOMEM.
 */
int seen_open(const char *path, uint32_t capacity, struct seen **ret);

/** Close; NULL allowed. */
void seen_close(struct seen *s);

/** Returns 0: it is new, and the caller's to settle; -EALREADY: it was taken; -EBUSY: somebody is at it; -ENOMEM. */
int seen_claim(struct seen *s, const struct otlp_id *id);

/** End claims. @taken: remember them; false = forget. */
void seen_settle(struct seen *s, const struct otlp_id *ids, size_t count, bool taken);

#endif
