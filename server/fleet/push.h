/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sending windows to a hub, or to anything else that takes OTLP profiles.
 *
 *	push_window() -> queue -> writer thread: otlp_encode, gzip -> spool -> sender thread: POST -> gone
 *
 * A batch leaves the spool when it was taken, or refused for what it is. Everything else is tried again, after a time that
 * doubles, with jitter, or that the other side asked for.
 *
 * Thread rule: any thread may call push_window() and push_stats(); create and destroy by one.
 */
#ifndef HEARTH_SERVER_FLEET_PUSH_H
#define HEARTH_SERVER_FLEET_PUSH_H

#include <stdbool.h>
#include <stdint.h>

#include "profiler/window.h"
#include "server/fleet/spool.h"

struct push;

struct push_options {
	const char *url;  /* http(s)://[user:password@]host[:port][/path]; copied */
	const char *host; /* name of this machine; copied */
	const char *spool_dir;
	uint64_t spool_bytes;
	const char *token_file; /* bearer token, read before every batch; NULL = none; copied */
	const char *ca_file;	/* who is trusted; NULL = the system's; copied */
	const char *cert_file, *key_file; /* of this client; NULL = none; copied */
};

struct push_stats {
	uint64_t windows;	  /* taken from the profiler */
	uint64_t windows_dropped; /* the queue was full, or they could not be written */
	uint64_t batches_sent;
	uint64_t batches_refused;   /* for what they are, by the other side */
	uint64_t profiles_rejected; /* in batches that were taken */
	uint64_t attempts_failed;
	uint64_t bytes_sent;	  /* of bodies that were taken */
	unsigned int last_status; /* of HTTP; 0 = no answer */
	struct spool_stats spool;
};

/** Whether a text is a URL to push to. Returns 0; -EINVAL; -ENOMEM. */
int push_check_url(const char *url);

/** @ret: on success owned by the caller, free with push_destroy(). Returns 0; -errno of the spool; -ENOMEM. */
int push_create(const struct push_options *options, struct push **ret);

/** Write what is queued, send for a moment longer, then free; NULL allowed. What is not sent stays in the spool. */
void push_destroy(struct push *p);

/** Send a window; keeps a reference. Never waits. */
void push_window(struct push *p, struct window *w);

/** Figures since create. */
void push_stats(struct push *p, struct push_stats *ret);

/**
 * How long to wait before the next attempt.
 *
 * @failures: attempts that failed one after the other, at least 1
 * @asked_s: what the other side asked for; 0 = nothing
 * @random: any number, for the jitter
 */
uint64_t push_backoff_ns(unsigned int failures, uint64_t asked_s, uint32_t random);

#endif
