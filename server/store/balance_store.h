/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keeps texts by their time in an SQLite file of bounded size: the rows of the balance.
 *
 * Thread rule: any thread; calls wait for each other.
 */
#ifndef HEARTH_SERVER_STORE_BALANCE_STORE_H
#define HEARTH_SERVER_STORE_BALANCE_STORE_H

#include <stdint.h>

#include "base/cleanup.h"

struct balance_store;

/**
 * Open or make a file. One that is no such file is replaced: a balance that is lost is no reason not to start.
 *
 * @path: NULL = in memory
 * @limit_bytes: beyond it the oldest rows go
 *
 * Returns 0; -EIO if it can neither be used nor replaced; -ENOMEM.
 */
int balance_store_open(const char *path, uint64_t limit_bytes, struct balance_store **ret);

/** Close; NULL allowed. */
void balance_store_close(struct balance_store *s);

DEFINE_CLEANUP(balance_store_close, struct balance_store *)

/**
 * Keep a text, instead of all others that lie within its time.
 *
 * Returns 0; -EIO, such as for a full disk.
 */
int balance_store_put(struct balance_store *s, uint64_t wall_from_ns, uint64_t wall_to_ns,
		      const char *text);

/**
 * Visit what overlaps a range, oldest first. @visit returns 0 to go on; anything else ends the scan with it.
 *
 * Returns 0; what a visitor returned; -EIO.
 */
int balance_store_scan(struct balance_store *s, uint64_t wall_from_ns, uint64_t wall_to_ns,
		       int (*visit)(const char *text, void *arg), void *arg);

#endif
