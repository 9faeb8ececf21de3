/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The configuration of `hearth serve`: one table of options (option_table.c) from which the flags, the HEARTH_*
 * variables, the keys of the YAML file, the defaults and the help are made.
 *
 *	flag  >  environment  >  file  >  default
 *
 * A list (repeated flag, YAML sequence, commas in the environment) replaces that of a source below it; a map
 * (--label NAME=VALUE, YAML mapping) is merged with it name by name.
 *
 * Invariants: a configuration is complete and checked, or it is not there; every text in it lives as long as it
 * does.
 * Thread rule: immutable after load; any thread may read.
 */
#ifndef HEARTH_SERVER_CONFIG_CONFIG_H
#define HEARTH_SERVER_CONFIG_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/cleanup.h"
#include "base/strpool.h"
#include "server/http/server.h"
#include "server/http/web_config.h"

#define CONFIG_DEFAULT_FILE "/etc/hearth/hearth.yaml"
#define CONFIG_FILE_BYTES   (1u << 20) /* a larger file is refused */
#define CONFIG_OPTIONS_MAX  96
#define CONFIG_ITEMS_MAX    64 /* of a list or map */
#define CONFIG_ERROR_BYTES  1024

/** An item of a list or a map. */
struct config_item {
	const char *name; /* of a map; NULL in a list */
	const char *value;
};

struct config_items {
	struct config_item items[CONFIG_ITEMS_MAX];
	uint32_t count;
};

/** Where a value comes from, lowest first. */
enum config_source {
	CONFIG_DEFAULT,
	CONFIG_FILE,
	CONFIG_ENVIRONMENT,
	CONFIG_FLAG,
};

struct config_origin {
	enum config_source source; /* the highest that said something */
	uint32_t line;		   /* in the file; 0 = elsewhere */
	const char *text;	   /* the value as given; "" = none; of lists see the items */
};

/** What the command line asks for besides running. */
enum config_wish {
	CONFIG_RUN,
	CONFIG_HELP,
	CONFIG_CHECK, /* say whether all is well */
	CONFIG_PRINT, /* show what is in force */
};

struct config {
	enum config_wish wish;
	const char *file; /* that was read; NULL = there was none */

	const char *listen_text; /* as given */
	struct listen_address listen;
	bool insecure;
	const char *web_config_file; /* NULL = none */
	const char *token_file;	     /* bearer tokens; NULL = none */
	struct web_config *web;	     /* owned; what web_config_file says */
	const char *data_dir;
	uint32_t frequency_hz;
	bool no_sampling;
	uint64_t bpf_memory_bytes;
	double cpu_budget;     /* fraction of the machine's CPU time; 0 = no limit */
	const char *store;     /* "sqlite:" or "memory" */
	uint64_t retention_ns; /* 0 = as long as there is room */
	uint64_t disk_bytes;
	struct config_items labels; /* static ones */
	uint64_t query_memory_bytes;
	uint64_t query_time_ns;
	uint64_t query_range_ns;
	bool hub;
	uint64_t hub_rate_bytes; /* a second and client */
	const char *push_url;	 /* of a hub; NULL = nothing is sent */
	const char *push_token_file, *push_ca_file, *push_cert_file,
		*push_key_file; /* NULL = none */
	uint64_t spool_bytes;
	uint32_t log_level; /* enum log_level */

	struct config_origin origins[CONFIG_OPTIONS_MAX]; /* by row of the table */
	struct strpool texts;				  /* owns all texts above */
};

/** Why a configuration was refused. */
struct config_error {
	bool is_wrong; /* it says something wrong, so that trying again is no use */
	char text[CONFIG_ERROR_BYTES];
};

/**
 * Read defaults, file, environment and flags, in this order, and check the result.
 *
 * @argv: argv[0] is the command; kept by the caller as long as the result
 * @ret: on success owned by the caller, free with config_destroy(); with CONFIG_HELP only `wish` counts
 * @error: on failure one line for a person, with file and line where they matter
 *
 * Returns 0; -EINVAL for a wrong option, key or value; -errno of reading the file; -ENOMEM.
 */
int config_load(int argc, char **argv, struct config **ret, struct config_error *error);

/** Free; NULL allowed. */
void config_destroy(struct config *c);

DEFINE_CLEANUP(config_destroy, struct config *)

/** Print the options for `hearth serve --help`. */
void config_help(FILE *to);

/** Print all that is in force as YAML that could be loaded again, with where each value comes from. */
void config_print(const struct config *c, FILE *to);

/**
 * Compare two configurations option by option.
 *
 * @changed: called for each option that differs, with its name and whether it takes effect without a restart
 *
 * Returns how many differ.
 */
size_t config_compare(const struct config *before, const struct config *after,
		      void (*changed)(const char *name, bool reloadable, void *arg), void *arg);

#endif
