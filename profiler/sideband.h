/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Process events as the kernel writes them into a perf ring: parsing of one record.
 *
 * The event is opened with mmap2, build_id, comm, comm_exec, task, ksymbol and sample_id_all with
 * PERF_SAMPLE_TIME alone, so that each record ends in its time (8 bytes). Layouts: perf_event_open(2) and
 * enum perf_event_type in include/uapi/linux/perf_event.h:
 *
 *	MMAP2   pid tid | addr len pgoff | maj min ino ino_generation, or build_id_size . .. build_id[20]
 *	        | prot flags | filename
 *	COMM    pid tid | comm		(misc bit COMM_EXEC: an exec, not a change of name)
 *	FORK    pid ppid tid ptid time	(EXIT has the same form)
 *	KSYMBOL addr len type flags | name
 *	LOST    id lost
 *
 * Thread rule: any.
 */
#ifndef HEARTH_PROFILER_SIDEBAND_H
#define HEARTH_PROFILER_SIDEBAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "symbolizer/binary.h"

enum sideband_type {
	SIDEBAND_MAP,	  /* an executable mapping was made */
	SIDEBAND_COMM,	  /* a thread changed its name */
	SIDEBAND_EXEC,	  /* a process replaced its address space */
	SIDEBAND_FORK,	  /* a process or thread was made */
	SIDEBAND_EXIT,	  /* a thread ended */
	SIDEBAND_KSYMBOL, /* kernel code came or went */
	SIDEBAND_LOST,	  /* the ring was full: events are missing */
	SIDEBAND_OTHER,	  /* nothing of interest */
};

/** What a mapping says about its file. */
struct mapped_file {
	const char *path;	  /* as the process sees it, or "//anon", "[vdso]"...; borrowed */
	struct build_id build_id; /* length 0 if the record has none: then the next four hold */
	uint32_t device_major;
	uint32_t device_minor;
	uint64_t inode; /* 0 with no device = no file */
	uint64_t inode_generation;
};

struct sideband_event {
	enum sideband_type type;
	uint64_t time_ns; /* CLOCK_MONOTONIC */
	uint32_t tgid;
	uint32_t tid;
	uint32_t parent_tgid; /* FORK, EXIT */
	uint64_t start;	      /* MAP, KSYMBOL */
	uint64_t bytes;
	uint64_t offset;	 /* MAP: in the file */
	struct mapped_file file; /* MAP */
	uint64_t lost_count;	 /* LOST */
};

/**
 * Parse a record.
 *
 * @record: starts with struct perf_event_header; strings in @ret point into it
 * @size: bytes at @record
 *
 * Returns 0 (with SIDEBAND_OTHER for types we did not ask for); -EBADMSG if the record is cut or its strings do
 * not end.
 */
int sideband_parse(const void *record, size_t size, struct sideband_event *ret);

/**
 * Whether the time of an event can be right, seen at @now_ns (CLOCK_MONOTONIC).
 *
 * The kernel stamps events by the clock that it may read in an NMI, which runs a little ahead of CLOCK_MONOTONIC while that
 * is being corrected, and between CPUs (ktime_get_mono_fast_ns(), kernel/time/timekeeping.c): such an event waits until
 * its time has come. One from far ahead is damaged.
 */
bool sideband_time_is_sane(const struct sideband_event *event, uint64_t now_ns);

#endif
