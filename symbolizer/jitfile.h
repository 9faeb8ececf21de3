/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading what a runtime writes about its code while it writes: each call goes on where the last one stopped, and reads a
 * bounded amount.
 *
 *	perf map	text, a line a range: `START SIZE NAME`, numbers in hex; later lines replace earlier ones
 *	jitdump		records with the time of each: code loaded, code moved; its bytes and debug information are passed over
 *
 * Sources: Linux, tools/perf/Documentation/jit-interface.txt and jitdump-specification.txt.
 * Thread rule: one owner at a time.
 */
#ifndef HEARTH_SYMBOLIZER_JITFILE_H
#define HEARTH_SYMBOLIZER_JITFILE_H

#include <stdbool.h>
#include <stdint.h>

#include "symbolizer/jitmap.h"

#define JITFILE_STEP_BYTES (4u << 20)	 /* read by a call at most */
#define JITFILE_MAP_BYTES  (64ull << 20) /* of a perf map; the rest is not read */
#define JITFILE_DUMP_BYTES (8ull << 30)	 /* of a jitdump, code included */

enum jitfile_kind {
	JITFILE_PERF_MAP,
	JITFILE_DUMP,
};

struct jitfile {
	int fd; /* borrowed */
	enum jitfile_kind kind;
	uint64_t offset;     /* up to which it was read */
	uint64_t checked_ns; /* when that was last its end */
	bool own_times;	     /* jitdump: times are of the monotonic clock */
	bool skipping;	     /* perf map: within a line that is too long */
	bool bad;	     /* no such file after all: nothing more is read */
	bool cut;	     /* it is larger than the limit */
};

/**
 * Read on.
 *
 * @now_ns: monotonic; what a perf map says holds since the call before this one
 * @ret_more: whether there is more to read at once
 *
 * Returns how many ranges were added; -ENOMEM; -ESTALE if the file has become shorter: begin again; -errno of reading.
 */
int jitfile_read(struct jitfile *f, struct jitmap *map, uint64_t now_ns, bool *ret_more);

#endif
