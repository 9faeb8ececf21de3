/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parts of `hearth serve` that speak with other machines.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "server/cmd/cmd.h"
#include "server/cmd/serve.h"
#include "server/fleet/hub.h"
#include "server/fleet/push.h"

static int create_hub(struct daemon *d)
{
	auto_free char *seen = NULL;

	if (asprintf(&seen, "%s/taken", d->options->data_dir) < 0) {
		seen = NULL;
		return cmd_fail("cannot start: out of memory");
	}

	struct hub_options options = {
		.store = d->store,
		.seen_path = seen,
		.rate_bytes = d->options->hub_rate_bytes,
		.retention_ns = d->options->retention_ns,
	};
	int err = hub_create(&options, &d->hub);

	return err ? cmd_fail("cannot start the hub with '%s': %s; choose another directory with "
			      "--data-dir",
			      seen, strerror(-err))
		   : EXIT_OK;
}

static int create_push(struct daemon *d)
{
	const struct config *c = d->options;
	char host[256] = "";
	auto_free char *spool = NULL;

	if (asprintf(&spool, "%s/spool", c->data_dir) < 0) {
		spool = NULL;
		return cmd_fail("cannot start: out of memory");
	}
	(void)gethostname(host, sizeof(host) - 1); /* else the hub takes the address */

	struct push_options options = {
		.url = c->push_url,
		.host = *host ? host : NULL,
		.spool_dir = spool,
		.spool_bytes = c->spool_bytes,
		.token_file = c->push_token_file,
		.ca_file = c->push_ca_file,
		.cert_file = c->push_cert_file,
		.key_file = c->push_key_file,
	};
	int err = push_create(&options, &d->push);

	return err ? cmd_fail("cannot spool in '%s': %s; choose another directory with --data-dir",
			      spool, strerror(-err))
		   : EXIT_OK;
}

int serve_fleet_start(struct daemon *d)
{
	int status = d->options->hub ? create_hub(d) : EXIT_OK;

	if (!status && d->options->push_url)
		status = create_push(d);
	return status;
}

void serve_fleet_stop(struct daemon *d)
{
	push_destroy(d->push);
	hub_destroy(d->hub);
}
