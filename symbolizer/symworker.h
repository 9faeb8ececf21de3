/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The worker process: the only place where foreign ELF files and their debug information are parsed.
 *
 *	daemon                                              forker (see symworkers.h)
 *	starts `hearth symbol-worker`, socket as fd 3  -->
 *	FORK limits + a socket                         -->  forks a worker, a child of the daemon, with that socket
 *	                                               <--  FORKED pid
 *	                                                    worker: locks itself in: limits, seccomp
 *	JOB + ELF, debug, alt, dwp, two output fds     -->  quick symbol file from the ELF symbols
 *	                                               <--  DONE (quick)
 *	                                                    full symbol file with DWARF
 *	opens it, if it is a .dwo                      <--  SPLIT directory, name
 *	FILE + fd, or none                             -->
 *	                                               <--  DONE (full), exits
 *	or
 *	TABLE + ELF, debug, one output fd              -->  unwind table
 *	                                               <--  DONE, exits
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

#include "symbolizer/sandbox.h"
#include "symbolizer/symbuild.h"

#define SYMWORKER_COMMAND   "symbol-worker"
#define SYMWORKER_SOCKET_FD 3
#define SYMWORKER_TEXT_MAX  (2 * 4096 + 2)

enum symworker_message_kind {
	SYMWORKER_FORK,
	SYMWORKER_FORKED,
	SYMWORKER_JOB,
	SYMWORKER_TABLE,
	SYMWORKER_DONE,
	SYMWORKER_SPLIT,
	SYMWORKER_FILE,
};

/** Descriptors that come with a JOB or TABLE, in this order; those marked so in `files` are there. */
enum symworker_file {
	SYMWORKER_ELF,
	SYMWORKER_DEBUG,
	SYMWORKER_ALT,
	SYMWORKER_DWP,
	SYMWORKER_QUICK_OUT,
	SYMWORKER_FULL_OUT, /* of TABLE: the table */
	SYMWORKER_FILE_COUNT,
};

struct symworker_message {
	uint32_t kind;
	uint32_t files; /* JOB, TABLE: bit (1 << enum symworker_file) for each descriptor passed */
	int32_t pid;	/* FORKED */
	int32_t error;	/* FORKED, DONE of a TABLE: 0 or -errno */
	struct sandbox_limits limits; /* FORK */
	uint32_t quick;		      /* DONE: of the quick file */
	uint32_t
		directory_length; /* SPLIT: `text` is the directory, a NUL, the name, a NUL; UINT32_MAX = no directory */
	uint64_t dwo_id;	       /* SPLIT */
	struct symbuild_report report; /* DONE */
	char text[SYMWORKER_TEXT_MAX]; /* SPLIT only; not sent with the others */
};

/** Bytes of a message without its text. */
#define SYMWORKER_HEAD_BYTES (offsetof(struct symworker_message, text))

/** Run the process that forks workers: `hearth symbol-worker`, started by symworkers.h only. */
int symworker_main(int argc, char **argv);

#endif
