/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One connection to a hub, by libcurl.
 *
 * Thread rule: one owner at a time.
 */
#ifndef HEARTH_SERVER_FLEET_PUSH_SEND_H
#define HEARTH_SERVER_FLEET_PUSH_SEND_H

#include <curl/curl.h>
#include <stdatomic.h>

#include "server/fleet/push.h"

#define PUSH_REASON_MAX 256

struct push_sender {
	CURL *curl;
	char *url; /* owned: base without a slash at its end */
	const struct push_options *options;
	const atomic_bool *stop; /* ends a transfer */
};

/** What came back. */
struct push_reply {
	unsigned int status;	      /* of HTTP; 0 = none came */
	uint64_t retry_after_s;	      /* 0 = nothing was said */
	struct buffer body;	      /* its beginning; owned by the caller */
	char reason[PUSH_REASON_MAX]; /* why none came; never with a secret in it */
};

/** Returns 0; -ENOMEM. @options: borrowed. */
int push_sender_init(struct push_sender *s, const struct push_options *options,
		     const atomic_bool *stop);

/** Free what it holds. */
void push_sender_release(struct push_sender *s);

/** A request to send. */
struct push_request {
	const char *path;   /* behind the base */
	const char *method; /* "POST", "PUT", "HEAD" */
	const char *content_type;
	const void *body;
	size_t length;
	bool gzip;
};

/** Send it and wait for the answer. Never fails but as the reply says. */
void push_send(struct push_sender *s, const struct push_request *request, struct push_reply *ret);

#endif
