/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Windows as OTLP profiles, and back. The protocol is in otlp.proto, what labels are called in otlp_names.h.
 *
 *	otlp_encode()	a window of this machine -> ExportProfilesServiceRequest
 *	otlp_decode()	any producer's request	 -> windows
 *
 * A window of ours comes back as it was: every sample with its time, CPU, labels and verdict, every frame with the
 * binary's build id and address. Of others, samples of CPU time are taken; a frame that came with names keeps them.
 *
 * Thread rule: any thread.
 */
#ifndef HEARTH_SERVER_FLEET_OTLP_H
#define HEARTH_SERVER_FLEET_OTLP_H

#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "profiler/window.h"

#define OTLP_ID_BYTES 16

/** Names one profile for ever, so that one that comes twice is seen once. */
struct otlp_id {
	uint8_t bytes[OTLP_ID_BYTES];
};

/** Who sends. */
struct otlp_source {
	const char *host; /* host.name of samples without a label `host` */
	struct otlp_id
		batch; /* of this window; the last 4 bytes are replaced by a profile's number */
};

/**
 * Append a window as a request.
 *
 * Returns 0; -ENOMEM; -EFBIG at the buffer's limit.
 */
int otlp_encode(const struct window *w, const struct otlp_source *source, struct buffer *out);

#define OTLP_REASON_MAX 256

struct otlp_options {
	const char *default_host;  /* for resources that name none; NULL = none gets a label */
	uint64_t wall_now_ns;	   /* what lies after it is refused; 0 = nothing is */
	uint64_t oldest_wall_ns;   /* what lies before it is refused */
	size_t memory_limit_bytes; /* of the request in memory; 0 = 256 MiB */

	/* Whether a profile is to be taken; NULL = all are. Returns 0; -EALREADY: it is there; -errno ends decoding. */
	int (*claim)(const struct otlp_id *id, void *arg);
	void *arg;
};

/** What became of a request. */
struct otlp_result {
	struct window **windows; /* by start; one reference each */
	size_t window_count;
	uint64_t profiles;	 /* taken */
	uint64_t repeated;	 /* were there already */
	uint64_t rejected;	 /* not taken */
	uint64_t samples;	 /* in the windows */
	uint64_t labels_dropped; /* attributes beyond the limit of a sample */
	char reason
		[OTLP_REASON_MAX]; /* why the first was rejected, or what is wrong with the request; "" */
};

/**
 * Make windows of a request (not compressed).
 *
 * @ret: release with otlp_result_release(), also after a failure
 *
 * Returns 0, also if profiles were rejected; -EBADMSG if the request is malformed, with the reason; -EFBIG if it is
 * too large; -ENOMEM; what options->claim returned.
 */
int otlp_decode(const void *bytes, size_t length, const struct otlp_options *options,
		struct otlp_result *ret);

/** Free what @r holds. */
void otlp_result_release(struct otlp_result *r);

/** Append the answer to a request, ExportProfilesServiceResponse. @reason: NULL = everything was taken. */
void otlp_encode_response(uint64_t rejected, const char *reason, struct buffer *out);

#endif
