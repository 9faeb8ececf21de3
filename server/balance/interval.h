/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Private to server/balance/: the time between two readings of the kernel's accounting, and the samples that lie in it.
 *
 * Thread rule: the caller's.
 */
#ifndef HEARTH_SERVER_BALANCE_INTERVAL_H
#define HEARTH_SERVER_BALANCE_INTERVAL_H

#include "server/balance/balance_row.h"

/** Between two readings; the last one has no second reading yet. */
struct interval {
	struct accounting before;
	struct accounting after; /* empty while it is open */
	uint64_t to_ns;		 /* UINT64_MAX while it is open */
	struct balance_row row;	 /* what is attributed, by the path in the label */
};

/** Free what an interval holds. */
void interval_release(struct interval *i);

/** Copy a reading. @ret: on success to be freed with accounting_release(). Returns 0; -ENOMEM. */
int accounting_copy(const struct accounting *from, struct accounting *ret);

/** Count a window's samples between two moments in a row, by the path in their label. Returns 0; -ENOMEM. */
int interval_attribute(const struct window *w, uint64_t from_ns, uint64_t to_ns,
		       struct balance_row *row);

/**
 * What an interval that has ended comes to.
 *
 * @attributed: by the paths of labels, which become those of the cgroups that are accounted for
 * @ret: is added to
 *
 * Returns 0; -ENOMEM.
 */
int interval_finish(const struct interval *i, const struct balance_row *attributed,
		    struct balance_row *ret);

#endif
