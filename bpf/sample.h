/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the kernel side sends to user space: the only contract between the two.
 *
 * Records travel through ring buffers (one per CPU, shared when there are more CPUs than rings). Each starts with
 * struct record_header. A stack is sent once an epoch as a RECORD_STACK; every sample is a small RECORD_SAMPLE
 * that names its stack by id:
 *
 *	RECORD_STACK   header | id, counts, verdicts | kernel frames, leaf first | user frames, leaf first
 *	RECORD_SAMPLE  header | time, id of the stack, process, thread, cgroup, comms
 *
 * Where the unwinder lacks something (a process it does not know yet, a page that is not loaded, a rule only user
 * space can evaluate) both are replaced by one record with all that is needed to unwind later:
 *
 *	RECORD_STASH   header | the sample | registers | kernel frames | a slice of the stack
 *
 * Promises of the kernel side:
 *  - An id is used in a sample only after the stack with that id was submitted in the same epoch.
 *  - Ids are 64-bit hashes of the content, seeded with the epoch, the process and its start time: the same id
 *    means the same addresses in the same process.
 *  - What could not be sent is counted in struct sampler_counters, once per sample.
 *
 * Both sides are built from one source tree, so there is no version; sizes are asserted below.
 */
#ifndef HEARTH_BPF_SAMPLE_H
#define HEARTH_BPF_SAMPLE_H

#include <linux/types.h>

#include "bpf/unwind_format.h"

/*
 * Most frames of one stack. bpf_get_stack() gives at most kernel.perf_event_max_stack (127 unless changed), which is
 * all that user stacks get without unwind tables.
 */
#define SAMPLE_KERNEL_FRAMES_MAX 127
#define SAMPLE_HELPER_FRAMES_MAX 127
#define SAMPLE_USER_FRAMES_MAX	 512
#define SAMPLE_FRAMES_MAX	 (SAMPLE_KERNEL_FRAMES_MAX + SAMPLE_USER_FRAMES_MAX)

#define SAMPLE_COMM_BYTES	 16 /* TASK_COMM_LEN, terminating NUL included */

/*
 * Set in a user frame that is the exact place of execution: the leaf of a thread that was interrupted, or a frame
 * interrupted by a signal. All others are return addresses, looked up one byte earlier. No user address has it.
 * Of the kernel frames the first is exact, all others are return addresses; none carries the bit.
 */
#define SAMPLE_FRAME_EXACT (1ull << 63)

enum record_type {
	RECORD_STACK = 1,
	RECORD_SAMPLE = 2,
	RECORD_STASH = 3,
};

struct record_header {
	__u32 type;  /* enum record_type */
	__u32 bytes; /* of the whole record, header included */
};

/* How collecting one part of a stack ended. */
enum unwind_verdict {
	UNWIND_COMPLETE, /* reached the outermost frame, as far as the method can know */
	UNWIND_TRUNCATED,
	UNWIND_FAILED, /* the frames so far are right */
};

/* Why it ended early. */
enum unwind_reason {
	UNWIND_REASON_NONE,
	UNWIND_REASON_FRAME_LIMIT, /* more frames than the record holds */
	UNWIND_REASON_HELPER,	   /* bpf_get_stack() refused */
	UNWIND_REASON_COUNT,
};

/* From here on a reason is UNWIND_REASON_TABLES + enum unwind_end: how unwinding by tables ended. */
#define UNWIND_REASON_TABLES 16

/* Followed by the frames: kernel_count, then user_count words. */
struct stack_record {
	struct record_header header;
	__u64 id;
	__u32 epoch;
	__u16 kernel_count;  /* kernel frames, first */
	__u16 user_count;    /* user frames, behind them */
	__u8 kernel_verdict; /* enum unwind_verdict */
	__u8 kernel_reason;  /* enum unwind_reason */
	__u8 user_verdict;
	__u8 user_reason;
	__u32 reserved;
};

/* sample_record.flags */
#define SAMPLE_IN_KERNEL (1u << 0) /* the CPU ran kernel code */

struct sample_record {
	struct record_header header;
	__u64 time_ns;		 /* CLOCK_MONOTONIC */
	__u64 stack_id;		 /* stack_record.id of the same epoch */
	__u64 start_boottime_ns; /* when the process started, CLOCK_BOOTTIME: names it together with tgid */
	__u64 cgroup_id;	 /* of the version 2 hierarchy; 1 or 0 where that is not in use */
	__u32 tgid;
	__u32 tid;
	__u32 epoch;
	__u32 cpu;
	__u16 weight; /* sampling periods this sample stands for */
	__u16 flags;
	__u32 reserved;
	char thread_comm[SAMPLE_COMM_BYTES];
	char process_comm[SAMPLE_COMM_BYTES]; /* of the thread group's leader */
};

#define STASH_STACK_BYTES (64u << 10) /* most of a stack that is sent */
#define STASH_REGS	  17	      /* by DWARF number; the last is the pc */
#define STASH_REG_SP	  7	      /* x86-64 */

/* Followed by stack_bytes of the stack, from its stack pointer on. */
struct stash_record {
	struct record_header header;
	struct sample_record sample; /* its stack_id is 0 */
	__u64 exec_id;		     /* see struct unwind_process_entry */
	__u64 regs[STASH_REGS];
	__u32 stack_bytes;
	__u16 kernel_count;
	__u8 kernel_verdict; /* enum unwind_verdict */
	__u8 kernel_reason;  /* enum unwind_reason */
	__u8 exact; /* the pc is where the thread was interrupted, not where its system call returns to */
	__u8 why; /* enum unwind_end: what the kernel side lacked */
	__u16 reserved[3];
	__u32 miss_exe; /* UNWIND_END_MISS_PAGE: which page of which executable */
	__u32 miss_page;
	__u64 kernel_frames[SAMPLE_KERNEL_FRAMES_MAX];
};

/* Counters of one CPU since load; they only grow. Samples count as many times as they weigh. */
struct sampler_counters {
	__u64 ticks;	      /* of the clock while the CPU was not idle */
	__u64 run_ns;	      /* spent on the ticks that were sampled */
	__u64 samples_user;   /* sent, the CPU ran user code */
	__u64 samples_kernel; /* sent, the CPU ran kernel code */
	__u64 lost_ring_full; /* samples not sent because a ring had no room for them or their stack */
	__u64 lost_internal; /* samples not sent because a map look-up failed; always 0 on a sound kernel */
	__u64 stacks_sent;
	__u64 stacks_known; /* samples whose stack had been sent in this epoch already */
	__u64 stashes_sent;
	__u64 stash_bytes;
	__u64 stashes_limited;	       /* not sent for the limit on the bytes of a CPU per second */
	__u64 stashes_limited_process; /* not sent for the same limit of a process */
	__u64 stashes_lost;	       /* not sent because their ring was full */
	__u64 ends[UNWIND_END_COUNT];  /* user stacks by how the unwinder ended, before any stash */
	__u64 stash_second; /* for the limit: the second at hand and the bytes sent in it */
	__u64 stash_second_bytes;
};

_Static_assert(sizeof(struct record_header) == 8, "header is two words");
_Static_assert(sizeof(struct stack_record) == 32, "no hidden padding");
_Static_assert(sizeof(struct sample_record) == 96, "no hidden padding");
_Static_assert(sizeof(struct stash_record) % 8 == 0, "the stack is aligned");
_Static_assert(UNWIND_REASON_COUNT <= UNWIND_REASON_TABLES &&
		       UNWIND_REASON_TABLES + UNWIND_END_COUNT <= 0xff,
	       "reasons do not overlap and fit a byte");
_Static_assert(sizeof(struct stack_record) % 8 == 0, "frames are aligned");
_Static_assert(sizeof(struct stack_record) + SAMPLE_FRAMES_MAX * 8 <= 32 << 10,
	       "a per-CPU map value holds at most 32 KiB");
_Static_assert(SAMPLE_KERNEL_FRAMES_MAX <= 0xffff && SAMPLE_USER_FRAMES_MAX <= 0xffff,
	       "counts are 16 bits wide");

#endif
