// SPDX-License-Identifier: Apache-2.0
/*
 * The part of the configuration that can change while `hearth serve` runs.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "profiler/profiler.h"
#include "server/cmd/serve.h"
#include "server/log.h"
#include "server/notify.h"

#define HOST_MAX 256

/* Labels of everything sampled here: the machine's name, and those of the configuration. */
static int apply_labels(struct daemon *d, const struct config *c)
{
	struct profiler_label labels[CONFIG_ITEMS_MAX + 1];
	char host[HOST_MAX] = "";
	size_t count = 0;
	bool has_host = false;

	if (!d->profiler)
		return 0;
	for (uint32_t i = 0; i < c->labels.count; i++) {
		const struct config_item *item = &c->labels.items[i];

		labels[count++] = (struct profiler_label){item->name, item->value};
		has_host = has_host || !strcmp(item->name, "host");
	}
	if (!has_host && !gethostname(host, sizeof(host) - 1) && *host)
		labels[count++] = (struct profiler_label){"host", host};
	return profiler_set_labels(d->profiler, labels, count);
}

int serve_apply(struct daemon *d, const struct config *c)
{
	log_set_level(c->log_level);
	query_set_limits(&d->engine, c->query_memory_bytes, c->query_time_ns, c->query_range_ns);
	return apply_labels(d, c);
}

struct changes {
	size_t restart;
};

/* What can change is compared with what was read last, what cannot with what we were started with. */
static void say_restart(const char *name, bool reloadable, void *arg)
{
	struct changes *changes = arg;

	if (reloadable)
		return;
	changes->restart++;
	log_warn("configuration: '%s' was changed and takes effect with the next start", name);
}

static void say_applied(const char *name, bool reloadable, void *arg)
{
	(void)arg;
	if (reloadable)
		log_info("configuration: '%s' was changed and is in force", name);
}

static void tell_systemd(void)
{
	char text[64];

	/* sd_notify(3): the time makes it possible to tell an old READY from the one that follows. */
	(void)snprintf(text, sizeof(text), "RELOADING=1\nMONOTONIC_USEC=%llu",
		       (unsigned long long)(clock_now_ns() / NS_PER_US)); /* fits */
	notify_send(text);
}

void serve_reload(struct daemon *d)
{
	struct changes changes = {0};
	struct config_error error;
	struct config *c;

	tell_systemd();
	if (config_load(d->argc, d->argv, &c, &error)) {
		log_error("cannot reload the configuration: %s; the old one stays in force",
			  error.text);
		notify_send("READY=1");
		return;
	}
	if (serve_apply(d, c))
		log_error("cannot apply the labels of the configuration: out of memory; the old "
			  "ones stay in force");
	(void)config_compare(d->options, c, say_restart, &changes);
	(void)config_compare(d->latest ? d->latest : d->options, c, say_applied, &changes);
	log_info("configuration reloaded%s%s%s", c->file ? " from '" : "", c->file ? c->file : "",
		 c->file ? "'" : "");
	config_destroy(d->latest);
	d->latest = c;
	notify_send("READY=1");
}
