/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The words that users see for the profiler's enums, in JSON and as metric labels.
 *
 * Thread rule: constant data.
 */
#ifndef HEARTH_SERVER_QUERY_NAMES_H
#define HEARTH_SERVER_QUERY_NAMES_H

#include "profiler/window.h"

/** Why a sample was lost: "ring_full", "stack_table", ... */
const char *lost_reason_name(enum lost_reason reason);

/** How the unwinding of a stack ended: "complete", "truncated", "failed". */
const char *stack_verdict_name(enum stack_verdict verdict);

#endif
