/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parts of `hearth serve` that speak with other machines.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "server/cmd/cmd.h"
#include "server/cmd/serve.h"
#include "server/fleet/hub.h"

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

int serve_fleet_start(struct daemon *d)
{
	return d->options->hub ? create_hub(d) : EXIT_OK;
}

void serve_fleet_stop(struct daemon *d)
{
	hub_destroy(d->hub);
}
