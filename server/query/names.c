/* SPDX-License-Identifier: Apache-2.0 */
#include "server/query/names.h"

const char *lost_reason_name(enum lost_reason reason)
{
	static const char *const names[LOST_REASON_COUNT] = {
		[LOST_RING_FULL] = "ring_full",
		[LOST_STACK_TABLE] = "stack_table",
		[LOST_WINDOW_FULL] = "window_full",
		[LOST_NO_MEMORY] = "no_memory",
		[LOST_LATE] = "late",
	};
	const char *name = (unsigned int)reason < LOST_REASON_COUNT ? names[reason] : NULL;

	return name ? name : "other";
}

const char *stack_verdict_name(enum stack_verdict verdict)
{
	static const char *const names[STACK_VERDICT_COUNT] = {
		[STACK_COMPLETE] = "complete",
		[STACK_TRUNCATED] = "truncated",
		[STACK_FAILED] = "failed",
	};
	const char *name = (unsigned int)verdict < STACK_VERDICT_COUNT ? names[verdict] : NULL;

	return name ? name : "other";
}
