/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Holds the CPU time that samples stand for against the kernel's accounting, interval by interval, and keeps both.
 *
 *	reading -- interval -- reading -- interval -- reading	 by a thread, every ten seconds
 *	   window   |   window   |   window   |			 as they close: each sample counts in the interval
 *								 that its time lies in
 *
 * An interval whose samples have all come is a row. Rows older than an hour are added up to five minutes.
 *
 * Thread rule: any thread may call everything but create and destroy.
 */
#ifndef HEARTH_SERVER_BALANCE_BALANCE_H
#define HEARTH_SERVER_BALANCE_BALANCE_H

#include "server/balance/balance_row.h"
#include "server/query/history.h"

struct balance;

struct balance_options {
	const char *path;     /* of the file with the rows; NULL = in memory */
	uint64_t limit_bytes; /* of that file; 0 = 16 MiB */
	history_snapshot_fn
		snapshot; /* of the open window, for answers about the present; NULL = none */
	void *snapshot_arg;
};

/**
 * Open the file: questions about what it holds can be answered.
 *
 * @ret: on success owned by the caller, free with balance_destroy()
 *
 * Returns 0; -ENOMEM; -EIO of making the file.
 */
int balance_create(const struct balance_options *options, struct balance **ret);

/**
 * Take the first reading, with which the first interval begins, and go on. To be called when sampling has begun, so
 * that the first interval is sampled from its start.
 *
 * Returns 0; -errno of reading /proc/stat or making the thread; -ENOMEM.
 */
int balance_start(struct balance *b);

/** Stop and free; NULL allowed. */
void balance_destroy(struct balance *b);

/** Count the samples of a window that closed. Windows come in the order of their time. */
void balance_add_window(struct balance *b, const struct window *w);

/** Which cgroup hierarchy is read. */
enum account_hierarchy balance_hierarchy(const struct balance *b);

/**
 * Add up all there is about a range: rows that overlap it, and what is not a row yet.
 *
 * @ret: on success to be freed with balance_row_release(); its times are those of the rows
 *
 * Returns 0; -ENOMEM; -EIO of the file.
 */
int balance_query(struct balance *b, uint64_t wall_from_ns, uint64_t wall_to_ns,
		  struct balance_row *ret);

#endif
