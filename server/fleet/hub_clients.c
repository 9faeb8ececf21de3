/* SPDX-License-Identifier: Apache-2.0 */
#include "server/fleet/hub_clients.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/hash.h"

#define WAIT_MAX_S 60u
#define NS	   1e9

int hub_clients_init(struct hub_clients *c, uint64_t rate_bytes, uint32_t hosts_max)
{
	*c = (struct hub_clients){.rate_bytes = rate_bytes, .hosts_max = hosts_max};
	(void)pthread_mutex_init(&c->lock, NULL); /* cannot fail with default attributes */
	c->clients = calloc(HUB_CLIENTS_MAX, sizeof(*c->clients));
	return c->clients ? 0 : -ENOMEM;
}

void hub_clients_release(struct hub_clients *c)
{
	free(c->clients);
	idmap_release(&c->hosts);
	(void)pthread_mutex_destroy(&c->lock);
}

static uint64_t hash_name(const char *name)
{
	return hash_bytes(name, strlen(name)) | 1; /* never 0 */
}

/* The client's row; a new one may send its burst. With the lock held. */
static struct hub_client *find(struct hub_clients *c, uint64_t hash, uint64_t now_ns)
{
	struct hub_client *oldest = &c->clients[0];

	for (size_t i = 0; i < c->count; i++) {
		if (c->clients[i].hash == hash)
			return &c->clients[i];
		if (c->clients[i].seen_ns < oldest->seen_ns)
			oldest = &c->clients[i];
	}
	if (c->count < HUB_CLIENTS_MAX)
		oldest = &c->clients[c->count++];
	*oldest = (struct hub_client){
		.hash = hash,
		.seen_ns = now_ns,
		.tokens = (double)c->rate_bytes * HUB_BURST_S,
	};
	return oldest;
}

static double refill(const struct hub_clients *c, struct hub_client *client, uint64_t now_ns)
{
	double most = (double)c->rate_bytes * HUB_BURST_S;

	if (now_ns > client->seen_ns) {
		client->tokens += (double)(now_ns - client->seen_ns) / NS * (double)c->rate_bytes;
		client->seen_ns = now_ns;
	}
	if (client->tokens > most)
		client->tokens = most;
	return client->tokens;
}

unsigned int hub_clients_wait_s(struct hub_clients *c, const char *name, uint64_t now_ns)
{
	(void)pthread_mutex_lock(&c->lock);

	double tokens = refill(c, find(c, hash_name(name), now_ns), now_ns);

	(void)pthread_mutex_unlock(&c->lock);
	if (tokens > 0)
		return 0;

	double wait_s = -tokens / (double)c->rate_bytes + 1;

	return wait_s < WAIT_MAX_S ? (unsigned int)wait_s : WAIT_MAX_S;
}

void hub_clients_charge(struct hub_clients *c, const char *name, size_t bytes)
{
	(void)pthread_mutex_lock(&c->lock);
	find(c, hash_name(name), clock_now_ns())->tokens -= (double)bytes;
	(void)pthread_mutex_unlock(&c->lock);
}

bool hub_clients_host(struct hub_clients *c, const char *host)
{
	uint64_t hash = hash_name(host);

	(void)pthread_mutex_lock(&c->lock);

	bool known = idmap_find(&c->hosts, hash).found;

	if (!known && c->hosts.count < c->hosts_max)
		known = !idmap_insert(&c->hosts, hash, c->hosts.count);
	(void)pthread_mutex_unlock(&c->lock);
	return known;
}
