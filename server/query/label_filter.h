/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Applies a selector to the label sets of windows.
 *
 * Label sets repeat the same few names and values over and over: a filter remembers the answer for each distinct
 * value, so that a regular expression runs once per value and query, however many samples carry it.
 *
 * Thread rule: one owner at a time; the selector may be shared.
 */
#ifndef HEARTH_SERVER_QUERY_LABEL_FILTER_H
#define HEARTH_SERVER_QUERY_LABEL_FILTER_H

#include <stdint.h>

#include "profiler/window.h"
#include "server/query/selector.h"

struct label_filter;

/**
 * Make a filter.
 *
 * @selector: borrowed, must outlive the filter; NULL matches everything
 * @ret: on success owned by the caller, free with label_filter_destroy()
 *
 * Returns 0; -ENOMEM.
 */
int label_filter_create(const struct selector *selector, struct label_filter **ret);

/** Free; NULL allowed. */
void label_filter_destroy(struct label_filter *f);

/**
 * Say which label sets of a window match.
 *
 * @ret_matches: room for w->label_set_count bytes; 1 = matches, 0 = not
 *
 * Returns 0; -ENOMEM; -E2BIG if a regular expression went beyond its limits on some value.
 */
int label_filter_apply(struct label_filter *f, const struct window *w, uint8_t *ret_matches);

#endif
