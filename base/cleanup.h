/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scope-bound ownership.
 *
 * A local that owns something says so where it is declared and lets go of it on every way out of its
 * scope. Handing ownership on is explicit: take_ptr() and take_fd() leave an empty owner behind.
 *
 *	auto_free char *name = strdup(from);
 *	auto_close int fd = open(path, O_RDONLY | O_CLOEXEC);
 *	CLEANUP(foo_destroyp) struct foo *foo = NULL;	(foo_destroyp made by DEFINE_CLEANUP(foo_destroy, struct foo *))
 *
 * Thread rule: none; everything here works on locals.
 */
#ifndef HEARTH_BASE_CLEANUP_H
#define HEARTH_BASE_CLEANUP_H

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define CLEANUP(function) __attribute__((cleanup(function)))

/** Make `functionp`, the CLEANUP() form of a destroyer that accepts NULL. */
#define DEFINE_CLEANUP(function, type)                                       \
	static inline __attribute__((unused)) void function##p(type *object) \
	{                                                                    \
		function(*object);                                           \
	}

static inline void cleanup_freep(void *pointer)
{
	free(*(void **)pointer);
}

static inline void cleanup_closep(const int *fd)
{
	if (*fd >= 0)
		(void)close(*fd); /* nothing was written through it that anybody waits for */
}

static inline void cleanup_fclosep(FILE **file)
{
	if (*file)
		(void)fclose(*file); /* read-only streams, see above */
}

#define auto_free   CLEANUP(cleanup_freep)
#define auto_close  CLEANUP(cleanup_closep)
#define auto_fclose CLEANUP(cleanup_fclosep)

/** Hand over what a pointer owns: yields its value and leaves NULL. */
#define take_ptr(pointer)                       \
	({                                      \
		__auto_type taken_ = (pointer); \
		(pointer) = NULL;               \
		taken_;                         \
	})

/** Hand over a file descriptor: yields its value and leaves -1. */
#define take_fd(fd)                \
	({                         \
		int taken_ = (fd); \
		(fd) = -1;         \
		taken_;            \
	})

#endif
