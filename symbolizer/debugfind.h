/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finding the separate files that hold a binary's debug information, in this order:
 *
 *	1. DIR/.build-id/xx/yyyy.debug by the binary's build id, below the process's own root, then the host's
 *	2. the name in .gnu_debuglink, beside the binary, in .debug/ beside it and in DIR/its-path, same roots; its
 *	   build id or, where the binary has none, the CRC-32 of the whole file must agree
 *	3. for either: dwz's supplementary file by the name and build id in .gnu_debugaltlink, and FILE.dwp
 *
 * DIR is /usr/lib/debug unless told otherwise. Paths below a process's root are resolved within it (openat2(2)), so
 * that a link in a container never leads out of it. Only regular files are opened.
 *
 * Thread rule: any thread; no state.
 */
#ifndef HEARTH_SYMBOLIZER_DEBUGFIND_H
#define HEARTH_SYMBOLIZER_DEBUGFIND_H

#include <stdint.h>

#include "symbolizer/binary.h"

#define DEBUGFIND_PATH_MAX    4096
#define DEBUGFIND_TRIED_BYTES 2048	   /* of the list of what was tried */
#define DEBUGFIND_CRC_MAX     (4ull << 30) /* bytes of a file whose CRC is taken */

/** The files found; -1 and "" where there is none. */
struct debugfiles {
	int debug_fd, alt_fd, dwp_fd; /* owned */
	char debug_path[DEBUGFIND_PATH_MAX];
	char alt_path[DEBUGFIND_PATH_MAX];
	/*
	 * Where was looked, in this order: a line each of "RESULT PLACE PATH\n". RESULT: found, missing, mismatch (of
	 * another build), unreadable. PLACE: process (below its root), host, or what else there is to ask. Ends with a
	 * whole line, NUL-terminated.
	 */
	char tried[DEBUGFIND_TRIED_BYTES];
	bool debug_mismatch; /* a file was there but belongs to another build */
	bool alt_wanted;     /* there is a .gnu_debugaltlink */
};

#define DEBUGFILES_NONE ((struct debugfiles){.debug_fd = -1, .alt_fd = -1, .dwp_fd = -1})

/**
 * Find the files of a binary.
 *
 * @debug_dirs: NULL-terminated; NULL = "/usr/lib/debug"
 * @ret: release with debugfind_release()
 */
void debugfind(const struct binary *b, const char *const *debug_dirs, struct debugfiles *ret);

/**
 * Take a certain file for the debug file, and find what belongs to it.
 *
 * @path: on the host
 *
 * Returns 0; -EBADMSG if it carries another build id than the binary; -ENOEXEC if it is no ELF file; -errno of opening.
 */
int debugfind_given(const struct binary *b, const char *path, const char *const *debug_dirs,
		    struct debugfiles *ret);

/** Append a line to @files->tried, unless it does not fit; @place and @result without blanks. */
void debugfind_note(struct debugfiles *files, const char *result, const char *place,
		    const char *path);

/** Close the files. */
void debugfind_release(struct debugfiles *files);

/**
 * Open a file that debug information names, such as a .dwo, below the root of the binary's process, then the host's.
 *
 * @directory: put in front of a relative @name; NULL allowed
 *
 * Returns a file descriptor, owned by the caller; -errno. Only names that end in ".dwo" are opened: -EACCES else.
 */
int debugfind_split(const struct binary *b, const char *directory, const char *name);

/** Open a regular file for reading, following no FIFO or device. Returns a descriptor; -errno, -EINVAL if not regular. */
int debugfind_open_regular(const char *path);

#endif
