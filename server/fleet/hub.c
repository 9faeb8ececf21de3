/* SPDX-License-Identifier: Apache-2.0 */
#include "server/fleet/hub.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "server/encode/gzip.h"
#include "server/fleet/hub_clients.h"
#include "server/fleet/otlp_import.h"
#include "server/fleet/seen.h"
#include "server/log.h"

#define RATE_BYTES (8u << 20)
#define HOSTS_MAX  100000u
#define SEEN_COUNT \
	(1u << 18)	  /* 4 MiB; 10,000 hosts that send every 10 s come back within minutes */
#define WAITING_MAX   64u /* windows that the store has not written: then nothing more is taken */
#define BUSY_S	      5u
#define COMPLAINTS_NS (60 * NS_PER_S)

struct hub {
	struct store *store;
	uint64_t retention_ns;
	struct seen *seen;
	struct hub_clients clients;
	atomic_uint_fast64_t batches, refused, body_bytes, plain_bytes;
	atomic_uint_fast64_t profiles, repeated, rejected, samples, labels_dropped;
	atomic_uint_fast64_t complained_ns;
};

/* The claims of a batch, to be settled. */
struct claims {
	struct hub *hub;
	struct otlp_id *ids; /* owned */
	size_t count, capacity;
};

DEFINE_CLEANUP(hub_destroy, struct hub *)

int hub_create(const struct hub_options *options, struct hub **ret)
{
	CLEANUP(hub_destroyp) struct hub *h = calloc(1, sizeof(*h));

	if (!h)
		return -ENOMEM;
	h->store = options->store;
	h->retention_ns = options->retention_ns;

	int err = hub_clients_init(&h->clients,
				   options->rate_bytes ? options->rate_bytes : RATE_BYTES,
				   options->hosts_max ? options->hosts_max : HOSTS_MAX);

	if (!err)
		err = seen_open(options->seen_path, SEEN_COUNT, &h->seen);
	if (err)
		return err;
	*ret = take_ptr(h);
	return 0;
}

void hub_destroy(struct hub *h)
{
	if (!h)
		return;
	seen_close(h->seen);
	hub_clients_release(&h->clients);
	free(h);
}

static void refuse(struct hub_answer *a, unsigned int status, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static void refuse(struct hub_answer *a, unsigned int status, const char *format, ...)
{
	va_list args;

	a->status = status;
	a->retry_after_s = status == 429 || status == 503 ? BUSY_S : 0;
	va_start(args, format);
	(void)vsnprintf(a->error, sizeof(a->error), format, args); /* a long reason is cut */
	va_end(args);
}

static int claim(const struct otlp_id *id, void *arg)
{
	struct claims *c = arg;

	if (array_reserve((void **)&c->ids, &c->capacity, c->count + 1, sizeof(*c->ids)))
		return -ENOMEM;

	int err = seen_claim(c->hub->seen, id);

	if (!err)
		c->ids[c->count++] = *id;
	return err;
}

/* Whether there is room for the hosts of a window. */
static bool check_hosts(struct hub *h, const struct window *w)
{
	for (uint32_t i = 0; i < w->label_set_count; i++) {
		const struct window_label_set *set = &w->label_sets[i];

		for (uint32_t k = set->first; k < set->first + set->count; k++)
			if (!strcmp(strpool_get(&w->strings, w->labels[k].name), "host") &&
			    !hub_clients_host(&h->clients,
					      strpool_get(&w->strings, w->labels[k].value)))
				return false;
	}
	return true;
}

static void complain(struct hub *h, int err)
{
	uint64_t now_ns = clock_now_ns();

	if (h->complained_ns && now_ns - h->complained_ns < COMPLAINTS_NS)
		return;
	h->complained_ns = now_ns;
	log_error("cannot keep what the fleet sends: %s; senders are told to try again",
		  strerror(-err));
}

/*
 * Returns 0; -EDQUOT if there are too many hosts; -errno of the store if nothing was kept. Once a part is in the store the
 * batch must not come again: what fails then is rejected.
 */
static int keep(struct hub *h, struct otlp_result *r)
{
	bool some = false;

	for (size_t i = 0; i < r->window_count; i++)
		if (!check_hosts(h, r->windows[i]))
			return -EDQUOT;
	for (size_t i = 0; i < r->window_count; i++) {
		struct window *w = r->windows[i];
		int err = w->sample_count ? store_append(h->store, w) : 0;

		if (!err) {
			some = true;
			continue;
		}
		complain(h, err);
		if (!some && err != -EFBIG)
			return err;
		r->samples -= w->sample_count;
		otlp_reject(r, "the store cannot keep %u samples: %s", w->sample_count,
			    strerror(-err));
	}
	return 0;
}

static void refuse_kept(int err, struct hub_answer *a)
{
	if (err == -EDQUOT) {
		refuse(a, 429, "samples of more different hosts than this hub takes");
		return;
	}
	refuse(a, 503, "the store cannot keep it: %s", strerror(-err));
}

static void refuse_decoded(int err, const struct otlp_result *r, struct hub_answer *a)
{
	if (err == -EBADMSG)
		refuse(a, 400, "%s", r->reason);
	else if (err == -EFBIG)
		refuse(a, 413, "the batch is too large to be taken in at once: send smaller ones");
	else if (err == -EBUSY)
		refuse(a, 503, "the same profile is being taken in at this moment");
	else
		refuse(a, 503, "cannot take it in: %s", strerror(-err));
}

static void count(struct hub *h, const struct otlp_result *r)
{
	h->profiles += r->profiles;
	h->repeated += r->repeated;
	h->rejected += r->rejected;
	h->samples += r->samples;
	h->labels_dropped += r->labels_dropped;
}

static void answer(const struct otlp_result *r, struct hub_answer *a)
{
	otlp_encode_response(r->rejected, r->rejected ? r->reason : NULL, &a->body);
	if (a->body.error)
		refuse(a, 503, "out of memory");
	else
		a->status = 200;
}

static void take(struct hub *h, const void *bytes, size_t length, const char *client,
		 struct hub_answer *a)
{
	uint64_t now_ns = clock_wall_now_ns();
	struct claims claims = {.hub = h};
	struct otlp_options options = {
		.default_host = client,
		.wall_now_ns = now_ns,
		.oldest_wall_ns =
			h->retention_ns && h->retention_ns < now_ns ? now_ns - h->retention_ns : 0,
		.claim = claim,
		.arg = &claims,
	};
	struct otlp_result r;
	int err = otlp_decode(bytes, length, &options, &r);

	if (err) {
		refuse_decoded(err, &r, a);
	} else {
		err = keep(h, &r);
		if (err)
			refuse_kept(err, a);
	}
	seen_settle(h->seen, claims.ids, claims.count, !err);
	free(claims.ids);
	if (!err) {
		count(h, &r);
		answer(&r, a);
	}
	otlp_result_release(&r);
}

static void unpack(struct hub *h, const struct hub_batch *batch, struct hub_answer *a)
{
	auto_buffer plain = BUFFER_INIT;

	if (!batch->gzip) {
		hub_clients_charge(&h->clients, batch->client, batch->length);
		h->plain_bytes += batch->length;
		take(h, batch->body, batch->length, batch->client, a);
		return;
	}
	plain.limit = HUB_PLAIN_MAX;

	int err = gunzip_append_untrusted(&plain, batch->body, batch->length);

	hub_clients_charge(&h->clients, batch->client, plain.length);
	h->plain_bytes += plain.length;
	if (err == -EBADMSG)
		refuse(a, 400, "the body is no gzip, though Content-Encoding says so");
	else if (err == -EFBIG)
		refuse(a, 413, "more than %u MiB when decompressed: send smaller batches",
		       HUB_PLAIN_MAX >> 20);
	else if (err)
		refuse(a, 503, "cannot take it in: %s", strerror(-err));
	else
		take(h, plain.bytes, plain.length, batch->client, a);
}

void hub_take(struct hub *h, const struct hub_batch *batch, struct hub_answer *ret)
{
	struct store_stats store;
	unsigned int wait_s = hub_clients_wait_s(&h->clients, batch->client, clock_now_ns());

	*ret = (struct hub_answer){0};
	h->body_bytes += batch->length;
	store_stats(h->store, &store);
	if (wait_s) {
		refuse(ret, 429, "'%.64s' sends more than %llu bytes a second", batch->client,
		       (unsigned long long)h->clients.rate_bytes);
		ret->retry_after_s = wait_s;
	} else if (store.waiting > WAITING_MAX) {
		refuse(ret, 429, "the store is behind: %llu windows wait to be written",
		       (unsigned long long)store.waiting);
	} else {
		unpack(h, batch, ret);
	}
	if (ret->status == 200)
		h->batches++;
	else
		h->refused++;
}

void hub_stats(struct hub *h, struct hub_stats *ret)
{
	*ret = (struct hub_stats){
		.batches = h->batches,
		.batches_refused = h->refused,
		.body_bytes = h->body_bytes,
		.plain_bytes = h->plain_bytes,
		.profiles = h->profiles,
		.profiles_repeated = h->repeated,
		.profiles_rejected = h->rejected,
		.samples = h->samples,
		.labels_dropped = h->labels_dropped,
	};
	(void)pthread_mutex_lock(&h->clients.lock);
	ret->hosts = h->clients.hosts.count;
	ret->clients = h->clients.count;
	(void)pthread_mutex_unlock(&h->clients.lock);
}
