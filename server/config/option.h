/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Private to server/config/: what an option is.
 *
 * To add one: a field in struct config, a row in option_table.c. Flag, variable, key, help, --print-config and the
 * check for changes on reload follow.
 */
#ifndef HEARTH_SERVER_CONFIG_OPTION_H
#define HEARTH_SERVER_CONFIG_OPTION_H

#include "server/config/config.h"

/* How often an option may be given. */
enum option_shape {
	OPTION_ONE,
	OPTION_LIST,
	OPTION_MAP, /* of NAME=VALUE */
};

enum option_group {
	OPTION_GROUP_SAMPLING,
	OPTION_GROUP_HISTORY,
	OPTION_GROUP_HTTP,
	OPTION_GROUP_QUERY,
	OPTION_GROUP_FLEET,
	OPTION_GROUP_GENERAL,
	OPTION_GROUP_COUNT,
};

struct option_spec;

/* Sets a field from a text. @name: of an item of a map, else NULL. Returns 0; -EINVAL if it is no such value; -ENOMEM. */
typedef int (*option_set_fn)(const struct option_spec *o, const char *name, const char *text,
			     struct config *c);

struct option_spec {
	const char *name;     /* as in --name; the variable is HEARTH_NAME */
	const char *key;      /* in the file; NULL = name */
	const char *value;    /* what stands for the value in the help; NULL = a switch */
	const char *fallback; /* default, read like any other value; NULL = none */
	const char *expected; /* what a good value is */
	const char *help;
	option_set_fn set;
	size_t offset;	      /* of the field in struct config */
	uint64_t least, most; /* of numbers */
	enum option_shape shape;
	enum option_group group;
	bool reloadable;  /* takes effect on SIGHUP */
	bool not_in_file; /* cannot be said in the file */
};

extern const struct option_spec option_table[];
extern const size_t option_count;

/** A field of type const char *. */
int option_set_text(const struct option_spec *o, const char *name, const char *text,
		    struct config *c);
/** uint32_t, between least and most. */
int option_set_number(const struct option_spec *o, const char *name, const char *text,
		      struct config *c);
/** uint64_t bytes, between least and most. */
int option_set_size(const struct option_spec *o, const char *name, const char *text,
		    struct config *c);
/** uint64_t nanoseconds, between least and most. */
int option_set_time(const struct option_spec *o, const char *name, const char *text,
		    struct config *c);
/** bool: true, yes, on, 1 and their opposites. */
int option_set_switch(const struct option_spec *o, const char *name, const char *text,
		      struct config *c);
/** struct config_items: appends, of a map replaces the item of the same name. */
int option_set_item(const struct option_spec *o, const char *name, const char *text,
		    struct config *c);

/** The option of a key of the file (or of a flag's name); '_' counts as '-'. NULL = there is none. */
const struct option_spec *option_find(const char *key);

/** The name of an option that resembles @key, NULL if none does. */
const char *option_resembling(const char *key);

/** Name of an option's key in the file. */
const char *option_key(const struct option_spec *o);

/** One value from one source. */
struct option_value {
	enum config_source source;
	const char *
		from; /* how the user names the place: "--frequency", "HEARTH_FREQUENCY", "FILE:3: frequency" */
	const char *name; /* of an item of a map, else NULL */
	const char *text;
	uint32_t line; /* in the file */
};

/**
 * Set an option, a list or map from a higher source replacing that below it as the head of config.h says.
 *
 * Returns 0; -EINVAL, -ENOMEM with @error filled.
 */
int option_apply(struct config *c, const struct option_spec *o, const struct option_value *v,
		 struct config_error *error);

/** Take a value of several items apart: "a,b" of a list, "n=v,m=w" or one "n=v" of a map, and apply each. */
int option_apply_joined(struct config *c, const struct option_spec *o, const struct option_value *v,
			struct config_error *error);

/** Fill in an error. Returns -EINVAL. */
int config_wrong(struct config_error *error, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/** Copy a text into the configuration. Returns it, NULL without memory. */
const char *config_text(struct config *c, const char *text);

/** Read a file into the configuration. Returns 0; -EINVAL, -errno with @error filled. */
int config_read_file(struct config *c, const char *path, struct config_error *error);

#endif
