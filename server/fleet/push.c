/* SPDX-License-Identifier: Apache-2.0 */
#include "server/fleet/push.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "otlp.pb-c.h"
#include "server/encode/gzip.h"
#include "server/fleet/otlp.h"
#include "server/fleet/push_send.h"
#include "server/log.h"

#define QUEUE_MAX     8u /* windows that wait to be written */
#define GZIP_LEVEL    4
#define BACKOFF_NS    NS_PER_S /* after the first failure */
#define BACKOFF_MAX_S 60u
#define ASKED_MAX_S   3600u
#define LINGER_NS     (3 * NS_PER_S) /* of the sender, when all ends */
#define COMPLAINTS_NS (60 * NS_PER_S)

struct push {
	struct push_options options; /* texts owned */
	struct spool *spool;
	struct push_sender sender; /* sender thread only */
	pthread_t writer_thread, sender_thread;
	bool has_writer, has_sender;
	atomic_bool abort; /* ends a transfer */

	pthread_mutex_t lock;
	pthread_cond_t changed;
	/* Guarded by lock: */
	struct window *queue[QUEUE_MAX]; /* oldest first; one reference each */
	unsigned int queue_count;
	bool stopping;	   /* nothing new comes */
	bool written;	   /* the writer has ended */
	uint64_t until_ns; /* monotonic: when the sender gives up */
	struct push_stats stats;

	/* Sender thread only: */
	unsigned int failures; /* one after the other */
	uint64_t complained_ns;
};

uint64_t push_backoff_ns(unsigned int failures, uint64_t asked_s, uint32_t random)
{
	unsigned int doublings = failures - 1 < 6 ? failures - 1 : 6;
	uint64_t most_ns = BACKOFF_NS << doublings;

	if (most_ns > BACKOFF_MAX_S * NS_PER_S)
		most_ns = BACKOFF_MAX_S * NS_PER_S;
	if (asked_s > ASKED_MAX_S)
		asked_s = ASKED_MAX_S;

	/* Between a half and the whole; what was asked for is the least, and not all come back at once. */
	uint64_t wait_ns = most_ns / 2 + (most_ns / 2) * (random >> 8) / (UINT32_MAX >> 8);

	return asked_s ? asked_s * NS_PER_S + wait_ns / 4 : wait_ns;
}

/* --- writing to the spool ------------------------------------------------------------------------- */

static int write_window(struct push *p, const struct window *w)
{
	struct otlp_source source = {.host = p->options.host};
	auto_buffer plain = BUFFER_INIT;
	auto_buffer packed = BUFFER_INIT;

	if (getrandom(source.batch.bytes, sizeof(source.batch.bytes), 0) !=
	    sizeof(source.batch.bytes))
		return -EIO;

	int err = otlp_encode(w, &source, &plain);

	if (!err)
		err = gzip_append(&packed, plain.bytes, plain.length, GZIP_LEVEL);
	return err ? err : spool_put(p->spool, w->wall_start_ns, packed.bytes, packed.length);
}

/* The oldest window that waits; NULL when there will be none any more. */
static struct window *next_window(struct push *p)
{
	struct window *w = NULL;

	(void)pthread_mutex_lock(&p->lock);
	while (!p->queue_count && !p->stopping)
		(void)pthread_cond_wait(&p->changed, &p->lock);
	if (p->queue_count) {
		w = p->queue[0];
		memmove(p->queue, p->queue + 1, --p->queue_count * sizeof(struct window *));
	}
	(void)pthread_mutex_unlock(&p->lock);
	return w;
}

static void *write_on(void *arg)
{
	struct push *p = arg;
	uint64_t complained_ns = 0;

	for (struct window *w; (w = next_window(p));) {
		int err = w->sample_count ? write_window(p, w) : 0;

		window_unref(w);
		(void)pthread_mutex_lock(&p->lock);
		p->stats.windows_dropped += err != 0;
		(void)pthread_cond_broadcast(&p->changed);
		(void)pthread_mutex_unlock(&p->lock);
		if (!err || (complained_ns && clock_now_ns() - complained_ns < COMPLAINTS_NS))
			continue;
		complained_ns = clock_now_ns();
		log_error("cannot spool a window for the hub: %s; the hub will miss it",
			  strerror(-err));
	}
	(void)pthread_mutex_lock(&p->lock);
	p->written = true;
	(void)pthread_cond_broadcast(&p->changed);
	(void)pthread_mutex_unlock(&p->lock);
	return NULL;
}

/* --- sending -------------------------------------------------------------------------------------- */

/* Whether trying again is no use: it is the batch that is wrong, not the moment. */
static bool is_final(unsigned int status)
{
	return status == 400 || status == 413 || status == 415 || status == 422;
}

static uint64_t rejected_in(const struct buffer *body)
{
	Otlp__Response *r =
		otlp__response__unpack(NULL, body->length, (const uint8_t *)body->bytes);
	uint64_t rejected = 0;

	if (r && r->partial_success && r->partial_success->rejected_profiles > 0)
		rejected = (uint64_t)r->partial_success->rejected_profiles;
	otlp__response__free_unpacked(r, NULL);
	return rejected;
}

static void complain(struct push *p, const struct push_reply *reply)
{
	uint64_t now_ns = clock_now_ns();
	bool refused = is_final(reply->status);

	if (p->complained_ns && now_ns - p->complained_ns < COMPLAINTS_NS)
		return;
	p->complained_ns = now_ns;
	if (reply->status)
		log_warn("the hub answers %u; %s", reply->status,
			 refused ? "the batch is let go of"
				 : "batches are kept and sent again later");
	else
		log_warn("cannot reach the hub: %s; batches are kept and sent again later",
			 reply->reason);
}

static void settle(struct push *p, uint64_t number, size_t bytes, const struct push_reply *reply)
{
	bool taken = reply->status >= 200 && reply->status < 300;
	bool refused = is_final(reply->status);

	if (!taken)
		complain(p, reply);
	else if (p->complained_ns)
		log_info("the hub takes batches again");
	if (taken)
		p->complained_ns = 0;
	if (taken || refused)
		spool_remove(p->spool, number);
	p->failures = taken || refused ? 0 : p->failures + 1;

	(void)pthread_mutex_lock(&p->lock);
	p->stats.last_status = reply->status;
	p->stats.batches_sent += taken;
	p->stats.batches_refused += refused;
	p->stats.attempts_failed += !taken && !refused;
	p->stats.bytes_sent += taken ? bytes : 0;
	p->stats.profiles_rejected += taken ? rejected_in(&reply->body) : 0;
	(void)pthread_mutex_unlock(&p->lock);
}

/* Sends the oldest batch. Returns how long to wait; 0 = go on; UINT64_MAX = until there is something. */
static uint64_t send_one(struct push *p)
{
	struct push_reply reply;
	auto_buffer body = BUFFER_INIT;
	uint64_t number;
	uint32_t random = 0;
	int err = spool_oldest(p->spool, &number, &body);

	if (err == -ENOENT)
		return UINT64_MAX;
	if (err) {
		log_warn("cannot read a batch for the hub: %s; it is let go of", strerror(-err));
		return BACKOFF_NS;
	}

	struct push_request request = {
		.path = "/v1development/profiles",
		.method = "POST",
		.content_type = "application/x-protobuf",
		.body = body.bytes,
		.length = body.length,
		.gzip = true,
	};

	push_send(&p->sender, &request, &reply);
	settle(p, number, body.length, &reply);
	buffer_release(&reply.body);
	if (!p->failures)
		return 0;
	if (getrandom(&random, sizeof(random), GRND_NONBLOCK) != sizeof(random))
		random = (uint32_t)clock_now_ns(); /* good enough for jitter */
	return push_backoff_ns(p->failures, reply.retry_after_s, random);
}

/* Sleeps. Returns false when the sender has to end. */
static bool wait_for(struct push *p, uint64_t wait_ns)
{
	uint64_t due_ns = wait_ns == UINT64_MAX ? UINT64_MAX : clock_now_ns() + wait_ns;
	struct spool_stats spool;
	bool go_on = true;

	(void)pthread_mutex_lock(&p->lock);
	for (;;) {
		spool_stats(p->spool, &spool);
		if (p->stopping && p->written &&
		    (!spool.files || p->failures || clock_now_ns() >= p->until_ns)) {
			go_on = false;
			break;
		}
		if (!wait_ns || (wait_ns == UINT64_MAX && spool.files) || clock_now_ns() >= due_ns)
			break;
		if (due_ns == UINT64_MAX) {
			(void)pthread_cond_wait(&p->changed, &p->lock);
			continue;
		}

		struct timespec due = {(time_t)(due_ns / NS_PER_S), (long)(due_ns % NS_PER_S)};

		(void)pthread_cond_timedwait(&p->changed, &p->lock, &due);
	}
	(void)pthread_mutex_unlock(&p->lock);
	return go_on;
}

static void *send_on(void *arg)
{
	struct push *p = arg;
	uint64_t wait_ns = 0;

	while (wait_for(p, wait_ns))
		wait_ns = send_one(p);
	return NULL;
}

/* --- life ----------------------------------------------------------------------------------------- */

static int copy_text(const char **text)
{
	if (!*text)
		return 0;
	*text = strdup(*text);
	return *text ? 0 : -ENOMEM;
}

static int copy_options(struct push *p, const struct push_options *from)
{
	const char **texts[] = {&p->options.url,     &p->options.host,	    &p->options.token_file,
				&p->options.ca_file, &p->options.cert_file, &p->options.key_file};
	int err = 0;

	p->options = *from;
	p->options.spool_dir = NULL;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		if (err)
			*texts[i] = NULL; /* not ours */
		else
			err = copy_text(texts[i]);
	}
	return err;
}

static int start_threads(struct push *p)
{
	int err = -pthread_create(&p->writer_thread, NULL, write_on, p);

	p->has_writer = !err;
	if (!err)
		err = -pthread_create(&p->sender_thread, NULL, send_on, p);
	p->has_sender = p->has_writer && !err;
	return err;
}

DEFINE_CLEANUP(push_destroy, struct push *)

int push_create(const struct push_options *options, struct push **ret)
{
	CLEANUP(push_destroyp) struct push *p = calloc(1, sizeof(*p));
	pthread_condattr_t monotonic;

	if (!p)
		return -ENOMEM;
	(void)pthread_mutex_init(&p->lock, NULL); /* none of these can fail with these attributes */
	(void)pthread_condattr_init(&monotonic);
	(void)pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&p->changed, &monotonic);
	(void)pthread_condattr_destroy(&monotonic);

	int err = copy_options(p, options);

	if (!err)
		err = spool_open(options->spool_dir, options->spool_bytes, &p->spool);
	if (!err)
		err = push_sender_init(&p->sender, &p->options, &p->abort);
	if (!err)
		err = start_threads(p);
	if (err)
		return err;
	*ret = take_ptr(p);
	return 0;
}

/* The sender gets a moment for what is new; then its transfer is cut off. */
static void stop_threads(struct push *p)
{
	(void)pthread_mutex_lock(&p->lock);
	p->stopping = true;
	p->until_ns = clock_now_ns() + LINGER_NS;
	(void)pthread_cond_broadcast(&p->changed);
	(void)pthread_mutex_unlock(&p->lock);
	if (p->has_writer)
		(void)pthread_join(p->writer_thread, NULL); /* our own thread */
	if (!p->has_sender)
		return;

	struct timespec until;

	(void)clock_gettime(CLOCK_REALTIME, &until); /* cannot fail */
	until.tv_sec += (time_t)(LINGER_NS / NS_PER_S);
	if (!pthread_timedjoin_np(p->sender_thread, NULL, &until))
		return;
	atomic_store(&p->abort, true);
	(void)pthread_join(p->sender_thread, NULL); /* our own thread */
}

void push_destroy(struct push *p)
{
	if (!p)
		return;
	stop_threads(p);
	push_sender_release(&p->sender);
	spool_close(p->spool);
	for (unsigned int i = 0; i < p->queue_count; i++)
		window_unref(p->queue[i]);
	free((char *)p->options.url);
	free((char *)p->options.host);
	free((char *)p->options.token_file);
	free((char *)p->options.ca_file);
	free((char *)p->options.cert_file);
	free((char *)p->options.key_file);
	(void)pthread_cond_destroy(&p->changed);
	(void)pthread_mutex_destroy(&p->lock);
	free(p);
}

void push_window(struct push *p, struct window *w)
{
	(void)pthread_mutex_lock(&p->lock);
	p->stats.windows++;
	if (p->queue_count < QUEUE_MAX && !p->stopping)
		p->queue[p->queue_count++] = window_ref(w);
	else
		p->stats.windows_dropped++;
	(void)pthread_cond_broadcast(&p->changed);
	(void)pthread_mutex_unlock(&p->lock);
}

void push_stats(struct push *p, struct push_stats *ret)
{
	(void)pthread_mutex_lock(&p->lock);
	*ret = p->stats;
	(void)pthread_mutex_unlock(&p->lock);
	spool_stats(p->spool, &ret->spool);
}
