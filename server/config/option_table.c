// SPDX-License-Identifier: Apache-2.0
/*
 * The options of `hearth serve`, the one place that lists them.
 */
#include <errno.h>
#include <string.h>

#include "base/array.h"
#include "base/clock.h"
#include "base/parse.h"
#include "server/config/option.h"
#include "server/fleet/push.h"
#include "server/http/params.h"
#include "server/log.h"

#define FIELD(field) .offset = offsetof(struct config, field)
#define YEAR_NS	     (366 * 86400 * NS_PER_S)

static int set_listen(const struct option_spec *o, const char *name, const char *text,
		      struct config *c)
{
	(void)name;
	(void)o;
	c->listen_text = config_text(c, text);
	return c->listen_text ? listen_address_parse(text, &c->listen) : -ENOMEM;
}

static int set_directory(const struct option_spec *o, const char *name, const char *text,
			 struct config *c)
{
	return *text ? option_set_text(o, name, text, c) : -EINVAL;
}

static int set_store(const struct option_spec *o, const char *name, const char *text,
		     struct config *c)
{
	bool is_sqlite = !strcmp(text, "sqlite:") || !strcmp(text, "sqlite");

	if (strcmp(text, "memory") && !is_sqlite)
		return -EINVAL;
	return option_set_text(o, name, is_sqlite ? "sqlite:" : text, c);
}

/* A fraction, of what is given in percent. */
static int set_cpu_budget(const struct option_spec *o, const char *name, const char *text,
			  struct config *c)
{
	uint64_t ppm;

	(void)name;
	if (parse_percent(text, &ppm) || ppm < o->least || ppm > o->most)
		return -EINVAL;
	c->cpu_budget = (double)ppm / 1e6;
	return 0;
}

static int set_log_level(const struct option_spec *o, const char *name, const char *text,
			 struct config *c)
{
	static const char *const levels[] = {"error", "warn", "info", "debug"};

	(void)o;
	(void)name;
	for (size_t i = 0; i < ARRAY_SIZE(levels); i++) {
		if (!strcmp(text, levels[i])) {
			c->log_level = (uint32_t)i; /* in the order of enum log_level */
			return 0;
		}
	}
	return -EINVAL;
}

/* Labels that come from what runs; a static one would hide them. */
static bool is_taken_label(const char *name)
{
	static const char *const taken[] = {"comm",   "exe",	"pid",	"tid",
					    "thread", "cgroup", "unit", "container_id"};

	for (size_t i = 0; i < ARRAY_SIZE(taken); i++)
		if (!strcmp(name, taken[i]))
			return true;
	return false;
}

static int set_label(const struct option_spec *o, const char *name, const char *text,
		     struct config *c)
{
	if (!name || !params_is_label(name) || strlen(name) > 128)
		return -EINVAL;
	if (is_taken_label(name) || strlen(text) > 1024)
		return -EINVAL;
	return option_set_item(o, name, text, c);
}

static int set_push(const struct option_spec *o, const char *name, const char *text,
		    struct config *c)
{
	int err = push_check_url(text);

	return err ? err : option_set_text(o, name, text, c);
}

const struct option_spec option_table[] = {
	/* sampling */
	{"frequency", NULL, "HZ", "99", "samples a second from 1 to 10000",
	 "samples a second on each busy CPU", option_set_number, FIELD(frequency_hz), .least = 1,
	 .most = 10000, .group = OPTION_GROUP_SAMPLING},
	{"bpf-memory", NULL, "SIZE", "64M", "a size from 4M to 16G",
	 "most memory of all BPF maps together", option_set_size, FIELD(bpf_memory_bytes),
	 .least = 4ull << 20, .most = 16ull << 30, .group = OPTION_GROUP_SAMPLING},
	{"cpu-budget", NULL, "PERCENT", NULL,
	 "a share from 0.1% to 100% of the machine, such as 1%",
	 "most CPU time of the machine to use: above it fewer samples are taken, that weigh more",
	 set_cpu_budget, .least = 1000, .most = 1000000, .group = OPTION_GROUP_SAMPLING},
	{"no-sampling", NULL, NULL, NULL, "true or false", "serve without sampling this machine",
	 option_set_switch, FIELD(no_sampling), .group = OPTION_GROUP_SAMPLING},
	{"label", "labels", "NAME=VALUE", NULL,
	 "NAME=VALUE with a name of letters, digits and '_' that is no label of Hearth's own",
	 "label of everything sampled here; may be repeated", set_label, FIELD(labels),
	 .shape = OPTION_MAP, .group = OPTION_GROUP_SAMPLING, .reloadable = true},

	/* history */
	{"data-dir", NULL, "DIR", "/var/lib/hearth", "a directory",
	 "where symbol files and history are kept", set_directory, FIELD(data_dir),
	 .group = OPTION_GROUP_HISTORY},
	{"store", NULL, "sqlite:|memory",
	 "sqlite:", "'sqlite:' (in the data directory) or 'memory'", "where history is kept",
	 set_store, FIELD(store), .group = OPTION_GROUP_HISTORY},
	{"disk", NULL, "SIZE", "2G", "a size from 4M to 1024T, such as 2G",
	 "most disk space that history takes", option_set_size, FIELD(disk_bytes),
	 .least = 4ull << 20, .most = 1ull << 50, .group = OPTION_GROUP_HISTORY},
	{"retention", NULL, "TIME", NULL, "a time of at least 10s, such as 30m or 7d",
	 "how long samples are kept (default: while there is room; in memory 1h)", option_set_time,
	 FIELD(retention_ns), .least = 10 * NS_PER_S, .most = UINT64_MAX,
	 .group = OPTION_GROUP_HISTORY},

	/* HTTP */
	{"listen", NULL, "ADDRESS:PORT", "127.0.0.1:7979",
	 "ADDRESS:PORT, such as 127.0.0.1:7979 or [::1]:7979", "where to answer HTTP", set_listen,
	 .group = OPTION_GROUP_HTTP},
	{"insecure", NULL, NULL, NULL, "true or false",
	 "allow an address that others can reach, without authentication", option_set_switch,
	 FIELD(insecure), .group = OPTION_GROUP_HTTP},
	{"web-config", NULL, "FILE", NULL, "a file",
	 "TLS, client certificates and users, in the form of Prometheus' web configuration",
	 option_set_text, FIELD(web_config_file), .group = OPTION_GROUP_HTTP},
	{"token-file", NULL, "FILE", NULL, "a file",
	 "bearer tokens that may ask, one a line; read anew when it changes", option_set_text,
	 FIELD(token_file), .group = OPTION_GROUP_HTTP},

	/* queries */
	{"query-memory", NULL, "SIZE", "256M", "a size from 64K to 64G",
	 "most memory of one query; one that needs more is refused", option_set_size,
	 FIELD(query_memory_bytes), .least = 64ull << 10, .most = 64ull << 30,
	 .group = OPTION_GROUP_QUERY, .reloadable = true},
	{"query-timeout", NULL, "TIME", "1m", "a time from 1ms to 1d",
	 "most time of one query; one that takes longer is refused", option_set_time,
	 FIELD(query_time_ns), .least = NS_PER_MS, .most = 86400 * NS_PER_S,
	 .group = OPTION_GROUP_QUERY, .reloadable = true},
	{"query-range", NULL, "TIME", "366d", "a time from 1s to 3660d",
	 "longest time of history that one query covers", option_set_time, FIELD(query_range_ns),
	 .least = NS_PER_S, .most = 10 * YEAR_NS, .group = OPTION_GROUP_QUERY, .reloadable = true},

	/* fleet */
	{"hub", NULL, NULL, NULL, "true or false",
	 "take in what agents and other producers of OTLP profiles send", option_set_switch,
	 FIELD(hub), .group = OPTION_GROUP_FLEET},
	{"hub-rate", NULL, "SIZE", "8M", "a size from 64K to 16G",
	 "most bytes a second that a client of the hub sends, before compression", option_set_size,
	 FIELD(hub_rate_bytes), .least = 64ull << 10, .most = 16ull << 30,
	 .group = OPTION_GROUP_FLEET},

	{"push", NULL, "URL", NULL, "http://HOST:PORT or https://HOST:PORT",
	 "send every window to this hub, or to any other taker of OTLP profiles", set_push,
	 FIELD(push_url), .group = OPTION_GROUP_FLEET},
	{"push-token-file", NULL, "FILE", NULL, "a file",
	 "file with the bearer token to send along; read anew each time", option_set_text,
	 FIELD(push_token_file), .group = OPTION_GROUP_FLEET},
	{"push-ca-file", NULL, "FILE", NULL, "a file",
	 "certificates to trust instead of the system's", option_set_text, FIELD(push_ca_file),
	 .group = OPTION_GROUP_FLEET},
	{"push-cert-file", NULL, "FILE", NULL, "a file", "certificate to show to the hub",
	 option_set_text, FIELD(push_cert_file), .group = OPTION_GROUP_FLEET},
	{"push-key-file", NULL, "FILE", NULL, "a file", "key of that certificate", option_set_text,
	 FIELD(push_key_file), .group = OPTION_GROUP_FLEET},
	{"spool", NULL, "SIZE", "256M", "a size from 1M to 1T",
	 "most disk space of what waits to be sent", option_set_size, FIELD(spool_bytes),
	 .least = 1ull << 20, .most = 1ull << 40, .group = OPTION_GROUP_FLEET},

	/* general */
	{"log-level", NULL, "LEVEL", "info", "error, warn, info or debug",
	 "least important lines of the log that are written: error, warn, info or debug",
	 set_log_level, .group = OPTION_GROUP_GENERAL, .reloadable = true},
	{"config", NULL, "FILE", NULL, "a file",
	 "YAML file with these options as keys (default " CONFIG_DEFAULT_FILE ", if it is there)",
	 option_set_text, FIELD(file), .group = OPTION_GROUP_GENERAL, .not_in_file = true},
};

const size_t option_count = ARRAY_SIZE(option_table);

_Static_assert(ARRAY_SIZE(option_table) <= CONFIG_OPTIONS_MAX, "origins has a slot for each");
