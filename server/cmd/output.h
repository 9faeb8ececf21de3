/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a command writes its result: a file that appears complete or not at all, or stdout.
 *
 * The file is made beside its final place when it is opened, so that a place that cannot be written is known before
 * the work starts, and renamed when it is complete. What is no regular file (a pipe, /dev/null) is written to as it is.
 *
 * Thread rule: one owner at a time.
 */
#ifndef HEARTH_SERVER_CMD_OUTPUT_H
#define HEARTH_SERVER_CMD_OUTPUT_H

#include <stddef.h>

struct output {
	int fd;		 /* owned, unless it is stdout; -1 = closed */
	char *path;	 /* owned; final place, "-" = stdout */
	char *temporary; /* owned; place until then, NULL = written in place */
};

#define OUTPUT_INIT ((struct output){.fd = -1})

/**
 * Open a place to write to.
 *
 * @path: "-" = stdout; a symbolic link is followed, the file it points to is replaced
 * @ret: on success an open output, end it with output_commit() or output_abandon()
 *
 * Returns 0; -errno of making the file; -EISDIR.
 */
int output_open(const char *path, struct output *ret);

/**
 * Write everything and put the file into its place.
 *
 * @o: closed afterwards, whatever the result; after a failure the old file, if there was one, is as it was
 *
 * Returns 0; -errno of writing.
 */
int output_commit(struct output *o, const void *bytes, size_t length);

/** Close and leave nothing behind; does nothing on a closed output. */
void output_abandon(struct output *o);

#endif
