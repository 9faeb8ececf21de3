/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who sends: how much each client may, and which hosts there are.
 *
 * Thread rule: any thread may call everything but init and release.
 */
#ifndef HEARTH_SERVER_FLEET_HUB_CLIENTS_H
#define HEARTH_SERVER_FLEET_HUB_CLIENTS_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/idmap.h"

#define HUB_CLIENTS_MAX 4096u /* remembered; who was not seen the longest makes room */
#define HUB_BURST_S	8u    /* a client may send at once what it may send in so many seconds */

struct hub_client {
	uint64_t hash; /* of its name; 0 = free */
	uint64_t seen_ns;
	double tokens; /* bytes that it may still send; below 0 = it has to wait */
};

struct hub_clients {
	uint64_t rate_bytes; /* a second */
	uint32_t hosts_max;
	pthread_mutex_t lock;
	/* Guarded by lock: */
	struct hub_client *clients; /* HUB_CLIENTS_MAX */
	size_t count;
	struct idmap hosts; /* by the hash of their names */
};

/** Returns 0; -ENOMEM. */
int hub_clients_init(struct hub_clients *c, uint64_t rate_bytes, uint32_t hosts_max);

/** Free what it holds. */
void hub_clients_release(struct hub_clients *c);

/**
 * Whether a client may send now. What it sends is not known yet: a batch too many is allowed and waited for afterwards.
 *
 * @now_ns: monotonic
 *
 * Returns 0, or the seconds to wait.
 */
unsigned int hub_clients_wait_s(struct hub_clients *c, const char *name, uint64_t now_ns);

/** Charge a client for what it sent. */
void hub_clients_charge(struct hub_clients *c, const char *name, size_t bytes);

/** Whether a host is known or there is room for one more. */
bool hub_clients_host(struct hub_clients *c, const char *host);

#endif
