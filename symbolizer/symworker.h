/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The worker process: the only place where debug information of foreign files is parsed.
 *
 *	parent                                              worker
 *	starts `hearth symbol-worker`, socket as fd 3  -->  locks itself in: limits, seccomp, lowest priority
 *	JOB + ELF, debug, alt, dwp, two output fds     -->  quick symbol file from the ELF symbols
 *	                                               <--  DONE (quick)
 *	                                                    full symbol file with DWARF
 *	opens it, if it is a .dwo                      <--  SPLIT directory, name
 *	FILE + fd, or none                             -->
 *	                                               <--  DONE (full), exits
 *
 * Messages are datagrams of a SOCK_SEQPACKET socket. A worker that dies before its last DONE has crashed; the parent
 * kills one that takes too long. It opens nothing itself and has no network: the filter lets through what it takes to
 * read, write, map and end.
 *
 * Thread rule: symworker_main() is a process's main function.
 */
#ifndef HEARTH_SYMBOLIZER_SYMWORKER_H
#define HEARTH_SYMBOLIZER_SYMWORKER_H

#include <stdint.h>

#include "symbolizer/symbuild.h"

#define SYMWORKER_COMMAND   "symbol-worker"
#define SYMWORKER_SOCKET_FD 3
#define SYMWORKER_TEXT_MAX  (2 * 4096 + 2)

enum symworker_message_kind {
	SYMWORKER_JOB,
	SYMWORKER_DONE,
	SYMWORKER_SPLIT,
	SYMWORKER_FILE,
};

/** Descriptors that come with a JOB, in this order; those marked so in `files` are there. */
enum symworker_file {
	SYMWORKER_ELF,
	SYMWORKER_DEBUG,
	SYMWORKER_ALT,
	SYMWORKER_DWP,
	SYMWORKER_QUICK_OUT,
	SYMWORKER_FULL_OUT,
	SYMWORKER_FILE_COUNT,
};

struct symworker_message {
	uint32_t kind;
	uint32_t files;	       /* JOB: bit (1 << enum symworker_file) for each descriptor passed */
	uint64_t memory_bytes; /* JOB: most memory to use */
	uint32_t cpu_seconds;  /* JOB: most CPU time to use */
	uint32_t background;   /* JOB: run at the lowest priority */
	uint32_t quick;	       /* DONE: of the quick file */
	uint32_t
		directory_length; /* SPLIT: `text` is the directory, a NUL, the name, a NUL; UINT32_MAX = no directory */
	uint64_t dwo_id;	       /* SPLIT */
	struct symbuild_report report; /* DONE */
	char text[SYMWORKER_TEXT_MAX]; /* SPLIT only; not sent with the others */
};

/** Bytes of a message without its text. */
#define SYMWORKER_HEAD_BYTES (offsetof(struct symworker_message, text))

/** Run the worker: `hearth symbol-worker`, started by the parent only. Returns the exit status. */
int symworker_main(int argc, char **argv);

#endif
