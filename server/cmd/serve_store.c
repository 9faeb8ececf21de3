// SPDX-License-Identifier: Apache-2.0
/*
 * What `hearth serve` keeps: the history, and the balance beside it.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "profiler/profiler.h"
#include "server/balance/balance.h"
#include "server/cmd/cmd.h"
#include "server/cmd/serve.h"
#include "server/log.h"
#include "server/query/history.h"
#include "server/store/store.h"

/* Part of the disk budget that the rows of the balance may take besides. */
#define BALANCE_SHARE 128

static int snapshot(void *arg, struct window **ret)
{
	struct daemon *d = arg;

	return profiler_snapshot(d->profiler, ret);
}

static int create_memory_store(struct daemon *d)
{
	struct store_memory_options options = {.retention_ns = d->options->retention_ns};
	int err = store_memory_create(&options, &d->store);

	return err ? cmd_fail("cannot start: %s", strerror(-err)) : EXIT_OK;
}

static int create_sqlite_store(struct daemon *d)
{
	auto_free char *directory = NULL;

	if (asprintf(&directory, "%s/history", d->options->data_dir) < 0) {
		directory = NULL;
		return cmd_fail("cannot start: out of memory");
	}

	struct store_sqlite_options options = {
		.directory = directory,
		.limit_bytes = d->options->disk_bytes,
		.retention_ns = d->options->retention_ns,
		/* A hub answers when it has written, so that what it took in is kept. */
		.write_behind = !(d->options->hub && d->options->no_sampling),
	};
	int err = store_sqlite_create(&options, &d->store);

	if (err == -EBUSY)
		return cmd_fail(
			"cannot keep history in '%s': another hearth uses it; choose another "
			"directory with --data-dir",
			directory);
	return err ? cmd_fail("cannot keep history in '%s': %s; choose another directory with "
			      "--data-dir, or --store memory",
			      directory, strerror(-err))
		   : EXIT_OK;
}

int serve_create_history(struct daemon *d)
{
	int status = !strcmp(d->options->store, "memory") ? create_memory_store(d)
							  : create_sqlite_store(d);

	if (status)
		return status;

	int err =
		history_create(d->store, d->options->no_sampling ? NULL : snapshot, d, &d->history);

	d->engine.history = d->history;
	d->engine.symbolizer = d->symbolizer;
	return err ? cmd_fail("cannot start: %s", strerror(-err)) : EXIT_OK;
}

void serve_create_balance(struct daemon *d)
{
	auto_free char *path = NULL;
	bool in_memory = !strcmp(d->options->store, "memory");

	if (asprintf(&path, "%s/balance.sqlite", d->options->data_dir) < 0)
		path = NULL;

	struct balance_options options = {
		.path = in_memory ? NULL : path,
		.limit_bytes = d->options->disk_bytes / BALANCE_SHARE,
		.snapshot = d->options->no_sampling ? NULL : snapshot,
		.snapshot_arg = d,
	};
	int err = path ? balance_create(&options, &d->balance) : -ENOMEM;

	if (err)
		log_warn("no balance is kept: '%s': %s", path ? path : "", strerror(-err));
}
