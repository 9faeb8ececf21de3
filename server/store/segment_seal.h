/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sealing: a segment that gets no more windows is written anew in less space, in the same form.
 *
 * While windows come one by one, each makes a block, and ids are given in the order in which things are met. Once all is
 * known, one dictionary stands in the first block, the most used label sets and series have the smallest numbers,
 * and a block holds the windows of some minutes, compressed as well as zstd can. Samples stay as they are.
 *
 * Thread rule: as for the reader.
 */
#ifndef HEARTH_SERVER_STORE_SEGMENT_SEAL_H
#define HEARTH_SERVER_STORE_SEGMENT_SEAL_H

#include <stdbool.h>

#include "server/store/segment_reader.h"

struct segment_seal_options {
	uint64_t block_ns; /* windows that start in the same slot of this length share a block */
	bool (*stop)(void *arg); /* asked now and then whether to give up; NULL = never */
	void *stop_arg;
};

/**
 * Write a segment anew.
 *
 * @from: its dictionary is read to its end; nobody else uses it meanwhile
 * @path: of the new file, which is not there yet; on disk when this returns 0
 *
 * Returns 0; -ENODATA if there is nothing in it; -EEXIST; -ECANCELED; -EBADMSG if not all came through; -ENOMEM; others as
 * segment_file_append() and segment_reader_dict(). After a failure the new file may be there in part.
 */
int segment_seal(struct segment_reader *from, const char *path,
		 const struct segment_seal_options *options);

#endif
