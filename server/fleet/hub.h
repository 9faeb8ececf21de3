/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The hub: takes in what agents and other producers of OTLP profiles send, and puts it into the store.
 *
 *	body -> gunzip, bounded -> otlp_decode -> store_append of each window -> answer
 *
 * What is answered with 200 was kept, as far as the store keeps anything. A batch that fails may be sent again: what of it
 * was kept is not kept twice.
 *
 * Thread rule: any thread may call everything but create and destroy.
 */
#ifndef HEARTH_SERVER_FLEET_HUB_H
#define HEARTH_SERVER_FLEET_HUB_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"
#include "server/store/store.h"

#define HUB_PLAIN_MAX (64u << 20) /* decompressed */
#define HUB_ERROR_MAX 320

struct hub;

struct hub_options {
	struct store *store;   /* borrowed */
	const char *seen_path; /* file of profiles taken in; NULL = in memory */
	uint64_t rate_bytes;   /* a second and client, decompressed; 0 = 8 MiB */
	uint32_t hosts_max;    /* different hosts; 0 = 100,000 */
	uint64_t retention_ns; /* what is older is not taken; 0 = everything is */
};

struct hub_stats {
	uint64_t batches;	  /* answered with 200 */
	uint64_t batches_refused; /* with another status */
	uint64_t body_bytes;	  /* as they came */
	uint64_t plain_bytes;	  /* decompressed */
	uint64_t profiles;	  /* taken */
	uint64_t profiles_repeated;
	uint64_t profiles_rejected;
	uint64_t samples; /* taken */
	uint64_t labels_dropped;
	uint64_t hosts;	  /* known now */
	uint64_t clients; /* known now */
};

/** A request. */
struct hub_batch {
	const void *body;
	size_t length;
	bool gzip;
	const char *client; /* whose rate it counts to, and host of samples that name none */
};

/** The answer to it. */
struct hub_answer {
	unsigned int status;	    /* of HTTP */
	unsigned int retry_after_s; /* with 429 and 503 */
	char error[HUB_ERROR_MAX];  /* with everything but 200 */
	struct buffer body; /* with 200: ExportProfilesServiceResponse; owned by the caller */
};

/** @ret: on success owned by the caller, free with hub_destroy(). Returns 0; -ENOMEM; -errno of the file. */
int hub_create(const struct hub_options *options, struct hub **ret);

/** Free; NULL allowed. */
void hub_destroy(struct hub *h);

/** Take in a batch. */
void hub_take(struct hub *h, const struct hub_batch *batch, struct hub_answer *ret);

/** Counters since create. */
void hub_stats(struct hub *h, struct hub_stats *ret);

#endif
