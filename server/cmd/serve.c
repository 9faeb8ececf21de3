/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hearth serve: sample the machine, keep history, answer HTTP.
 *
 *	options -> data directory -> symbolizer -> profiler loaded -> socket bound -> sampling -> ready
 *	signal  -> HTTP answers what waits and closes -> sampling stops -> store closes
 *
 * Everything is opened before it is announced: a start that fails ends with one line and status 1.
 */
#include "server/cmd/serve.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "profiler/privileges.h"
#include "profiler/profiler.h"
#include "server/balance/balance.h"
#include "server/cmd/cmd.h"
#include "server/fleet/push.h"
#include "server/log.h"
#include "server/notify.h"
#include "server/query/history.h"
#include "server/store/store.h"
#include "symbolizer/symbolizer.h"

#define WINDOW_NS     (10 * NS_PER_S)
#define COMPLAINTS_NS (60 * NS_PER_S) /* between two log lines about the same trouble */

/* Until the first look at what is busy. */
#define PREFETCH_AFTER_NS (300 * NS_PER_MS)

/* Called on the profiler's loop thread. */
static void keep_window(struct window *w, void *arg)
{
	struct daemon *d = arg;
	int err = history_append(d->history, w);
	uint64_t now_ns = clock_now_ns();

	if (d->push)
		push_window(d->push, w);
	if (d->balance)
		balance_add_window(d->balance, w);
	query_prefetch_window(&d->engine, w);
	if (!err || (d->complained_ns && now_ns - d->complained_ns < COMPLAINTS_NS))
		return;
	d->complained_ns = now_ns;
	log_error("cannot keep the samples of %llu s: %s; they are lost, sampling goes on",
		  (unsigned long long)((w->wall_end_ns - w->wall_start_ns) / NS_PER_S),
		  strerror(-err));
}

/* mkdir -p. */
static int make_dirs(const char *path)
{
	auto_free char *copy = strdup(path);

	if (!copy)
		return -ENOMEM;
	for (char *at = copy + 1; *at; at++) {
		if (*at != '/')
			continue;
		*at = '\0';
		if (mkdir(copy, 0755) && errno != EEXIST)
			return -errno;
		*at = '/';
	}
	return mkdir(copy, 0755) && errno != EEXIST ? -errno : 0;
}

static int make_symbol_dir(struct daemon *d)
{
	if (asprintf(&d->symbol_dir, "%s/symbols", d->options->data_dir) < 0) {
		d->symbol_dir = NULL;
		return cmd_fail("cannot start: out of memory");
	}

	int err = make_dirs(d->symbol_dir);

	if (!err && access(d->symbol_dir, W_OK | X_OK))
		err = -errno;
	if (err)
		return cmd_fail("cannot write to '%s': %s; choose a directory with --data-dir",
				d->symbol_dir, strerror(-err));
	return EXIT_OK;
}

/* What a missing privilege would let fail later, where the reason is less clear. */
static int check_privileges(const struct daemon *d)
{
	struct privileges p;
	char text[512];

	privileges_read(&p);
	if (d->options->no_sampling || p.sys_admin || (p.bpf && p.perfmon))
		return EXIT_OK;
	privileges_explain(&p, STEP_LOAD_BPF, -EPERM, text, sizeof(text));
	return cmd_fail("%s", text);
}

static int create_symbolizer(struct daemon *d)
{
	struct symbolizer_options options = {.cache_dir = d->symbol_dir};
	int err = symbolizer_create(&options, &d->symbolizer);

	return err ? cmd_fail("cannot start the symbolizer in '%s': %s", d->symbol_dir,
			      strerror(-err))
		   : EXIT_OK;
}

static int create_profiler(struct daemon *d)
{
	auto_free char *table_dir = NULL;
	char error[512] = "";

	if (asprintf(&table_dir, "%s/unwind", d->options->data_dir) < 0)
		table_dir = NULL; /* then tables are not kept */

	struct profiler_options options = {
		.table_dir = table_dir,
		.frequency_hz = d->options->frequency_hz,
		.window_ns = WINDOW_NS,
		.bpf_memory_bytes = d->options->bpf_memory_bytes,
		.cpu_budget = d->options->cpu_budget,
		.symbolizer = d->symbolizer,
		.on_window = keep_window,
		.on_window_arg = d,
	};

	if (d->options->no_sampling)
		return EXIT_OK;
	cmd_raise_file_limit();
	return profiler_create(&options, &d->profiler, error, sizeof(error)) ? cmd_fail("%s", error)
									     : EXIT_OK;
}

static int start_profiler(struct daemon *d)
{
	char error[512] = "";

	if (!d->profiler)
		return EXIT_OK;
	return profiler_start(d->profiler, error, sizeof(error)) ? cmd_fail("%s", error) : EXIT_OK;
}

static int create_server(struct daemon *d)
{
	const struct config *o = d->options;
	struct server_options options = {
		.listen = o->listen,
		.web = o->web,
		.token_file = o->token_file,
		.service =
			{
				.engine = &d->engine,
				.store = d->store,
				.profiler = d->profiler,
				.symbolizer = d->symbolizer,
				.hub = d->hub,
				.push = d->push,
				.balance = d->balance,
				.window_ns = WINDOW_NS,
				.bpf_memory_bytes = o->bpf_memory_bytes,
				.start_wall_ns = clock_wall_now_ns(),
				.listen_host = o->listen.host,
				.check_host = o->listen.loopback,
			},
	};
	int err = server_create(&options, &d->server);

	if (!err)
		return EXIT_OK;
	if (err == -EADDRINUSE)
		return cmd_fail(
			"cannot listen on '%s': the port is in use; stop what listens there, or "
			"choose another with --listen",
			o->listen_text);
	if (err == -EKEYREJECTED)
		return cmd_fail(
			"cannot guard '%s': certificate and key must be PEM and belong "
			"together, and a token file needs tokens of at least 16 characters, "
			"one a line",
			o->listen_text);
	return cmd_fail("cannot listen on '%s': %s; choose another address with --listen",
			o->listen_text, strerror(-err));
}

/* Blocked before there are threads, so that all inherit it and only our wait sees them. */
static void block_signals(struct daemon *d)
{
	const struct sigaction ignore = {.sa_handler = SIG_IGN};

	(void)sigemptyset(&d->signals);
	(void)sigaddset(&d->signals, SIGINT);
	(void)sigaddset(&d->signals, SIGTERM);
	(void)sigaddset(&d->signals, SIGHUP);
	(void)pthread_sigmask(SIG_BLOCK, &d->signals, NULL); /* fails for a bad argument only */
	(void)sigaction(SIGPIPE, &ignore, NULL);	     /* likewise */
}

static int start(struct daemon *d)
{
	int status = check_privileges(d);

	if (!status)
		status = make_symbol_dir(d);
	if (!status)
		status = create_symbolizer(d);
	if (!status)
		status = serve_create_history(d);
	if (!status)
		status = create_profiler(d);
	if (!status && serve_apply(d, d->options))
		status = cmd_fail("cannot start: out of memory");
	if (!status)
		status = serve_fleet_start(d);
	if (!status)
		serve_create_balance(d);
	if (!status)
		status = create_server(d);
	if (!status)
		status = start_profiler(d);
	if (!status && d->balance && d->profiler && balance_start(d->balance))
		log_warn("no balance is kept: cannot read the kernel's accounting");
	return status;
}

/* Once, early: the symbol files of what is busy go before those of all that just is there. */
static void prefetch(struct daemon *d)
{
	struct window *w = NULL;

	if (d->options->no_sampling || profiler_snapshot(d->profiler, &w))
		return;
	query_prefetch_window(&d->engine, w);
	window_unref(w);
}

/* Waits for a signal at most until @due_ns (monotonic; 0 = for ever). Returns it; 0 = it is time. */
static int wait_until(struct daemon *d, uint64_t due_ns)
{
	uint64_t now_ns = clock_now_ns();
	uint64_t left_ns = due_ns > now_ns ? due_ns - now_ns : 0;
	struct timespec left = {(time_t)(left_ns / NS_PER_S), (long)(left_ns % NS_PER_S)};
	int found =
		due_ns ? sigtimedwait(&d->signals, NULL, &left) : sigwaitinfo(&d->signals, NULL);

	if (found < 0 && errno == EINTR)
		return wait_until(d, due_ns);
	return found < 0 ? 0 : found;
}

/* Sleeps until SIGINT or SIGTERM; tells systemd's watchdog that we live meanwhile, and reloads on SIGHUP. */
static int wait_for_end(struct daemon *d)
{
	uint64_t interval_ns = notify_watchdog_ns();
	uint64_t prefetch_ns = clock_now_ns() + PREFETCH_AFTER_NS; /* 0 = done */
	uint64_t watchdog_ns = interval_ns ? clock_now_ns() + interval_ns : 0;

	for (;;) {
		bool is_prefetch = prefetch_ns && (!watchdog_ns || prefetch_ns < watchdog_ns);
		int found = wait_until(d, is_prefetch ? prefetch_ns : watchdog_ns);

		if (found == SIGHUP) {
			serve_reload(d);
		} else if (found) {
			return found;
		} else if (is_prefetch) {
			prefetch(d);
			prefetch_ns = 0;
		} else {
			notify_send("WATCHDOG=1");
			watchdog_ns = clock_now_ns() + interval_ns;
		}
	}
}

static void announce(const struct daemon *d)
{
	const char *host = d->options->listen.host;
	const struct web_config *web = d->options->web;
	bool v6 = strchr(host, ':') != NULL;
	bool guarded = d->options->token_file ||
		       (web && (web->user_count || web->client_auth == WEB_CLIENT_REQUIRED));

	log_info("listening on %s://%s%s%s:%u/", web && web->cert ? "https" : "http", v6 ? "[" : "",
		 *host ? host : "*", v6 ? "]" : "", server_port(d->server));
	if (!d->options->listen.loopback && !guarded)
		log_warn("'%s' can be reached by others without authentication",
			 d->options->listen_text);
	notify_send("READY=1");
}

/* In the order of who needs whom. */
static void stop(struct daemon *d)
{
	server_destroy(d->server);
	if (d->profiler)
		profiler_stop(d->profiler);
	profiler_destroy(d->profiler);
	serve_fleet_stop(d); /* the last window is on its way */
	balance_destroy(d->balance);
	history_destroy(d->history);
	store_destroy(d->store);
	symbolizer_destroy(d->symbolizer);
	free(d->symbol_dir);
}

static void print_help(void)
{
	fputs("usage: hearth serve [OPTION...]\n"
	      "\n"
	      "Samples the whole machine all the time, keeps history, and answers HTTP: a page with flame graphs at\n"
	      "http://127.0.0.1:7979/, pprof at /debug/pprof/profile. Runs until SIGINT or SIGTERM.\n"
	      "\n",
	      stdout);
	config_help(stdout);
	fputs("\n"
	      "Each can be set in the file (data-dir: DIR) and by a variable (HEARTH_DATA_DIR) too. A flag goes before a\n"
	      "variable, a variable before the file. SIGHUP reads all again and applies what can change while running.\n"
	      "Exit status: 0 stopped by a signal, 1 could not run, 2 wrong options.\n",
	      stdout);
}

/* What is to be done instead of running. Returns the exit status; -1 = run. */
static int fulfil(const struct config *c)
{
	switch (c->wish) {
	case CONFIG_HELP:
		print_help();
		return EXIT_OK;
	case CONFIG_CHECK:
		printf("%s: ok\n", c->file ? c->file : "no configuration file");
		return EXIT_OK;
	case CONFIG_PRINT:
		config_print(c, stdout);
		return EXIT_OK;
	default:
		return -1;
	}
}

static int run(struct daemon *d)
{
	log_init((enum log_level)d->options->log_level);
	block_signals(d);

	int status = start(d);

	if (!status) {
		announce(d);

		int found = wait_for_end(d);

		notify_send("STOPPING=1");
		log_info("stopping on %s", found == SIGINT ? "SIGINT" : "SIGTERM");
		(void)pthread_sigmask(SIG_UNBLOCK, &d->signals,
				      NULL); /* a second one ends us at once */
	}
	stop(d);
	return status;
}

int cmd_serve(int argc, char **argv)
{
	struct daemon d = {.argc = argc, .argv = argv};
	struct config_error error;

	if (config_load(argc, argv, &d.options, &error))
		return error.is_wrong ? cmd_usage("serve", "%s", error.text)
				      : cmd_fail("%s", error.text);

	int status = fulfil(d.options);

	if (status < 0)
		status = run(&d);
	config_destroy(d.latest);
	config_destroy(d.options);
	return status;
}
