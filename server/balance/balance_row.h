/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A row of the balance: what the kernel accounted for in an interval, beside what samples account for. Rows add up:
 * those of ten seconds to those of five minutes, those of a range to its answer.
 *
 * Thread rule: one owner at a time.
 */
#ifndef HEARTH_SERVER_BALANCE_BALANCE_ROW_H
#define HEARTH_SERVER_BALANCE_BALANCE_ROW_H

#include "base/buffer.h"
#include "base/idmap.h"
#include "base/strpool.h"
#include "profiler/window.h"
#include "server/balance/accounting.h"

#define BALANCE_GROUPS_MAX 4096u /* of an answer; further ones count for "(others)" */

struct balance_group {
	uint32_t path;	    /* string id */
	uint64_t kernel_ns; /* of the cgroup itself, without those below it */
	uint64_t attributed_ns;
};

struct balance_row {
	uint64_t wall_from_ns, wall_to_ns;
	uint64_t covered_ns; /* of that time; less than the difference where there are gaps */
	uint64_t attributed_ns;
	uint64_t samples;
	uint64_t lost_ns[LOST_REASON_COUNT]; /* CPU time that lost samples stand for */
	uint64_t cpu_ns[ACCOUNT_KIND_COUNT];
	struct strpool paths;
	struct balance_group *groups; /* owned; one a path */
	size_t group_count, group_capacity;
	struct idmap by_path; /* string id -> group */
};

/** Free what a row holds; NULL allowed. A zeroed one is an empty row. */
void balance_row_release(struct balance_row *r);

/** Add CPU time to a cgroup. Returns 0; -ENOMEM. */
int balance_row_add(struct balance_row *r, const char *path, uint64_t kernel_ns,
		    uint64_t attributed_ns);

/** Add a row to another. Returns 0; -ENOMEM. */
int balance_row_merge(struct balance_row *to, const struct balance_row *from);

/** Append a row as text, see balance_row.c. Cgroups without any time are left out. */
void balance_row_write(const struct balance_row *r, struct buffer *out);

/** Add a row that was written to @to. Returns 0; -EBADMSG if it is none; -ENOMEM. */
int balance_row_read(const char *text, struct balance_row *to);

#endif
