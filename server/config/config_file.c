// SPDX-License-Identifier: Apache-2.0
/*
 * The YAML file: one mapping from keys to values, a value being a scalar, a sequence of scalars or a mapping of
 * scalars, as the option's shape says. What is not of this form is refused with its line: anchors, aliases and tags
 * too, which could make a small file large or mean what they do not show.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <yaml.h>

#include "base/cleanup.h"
#include "server/config/option.h"

struct reader {
	struct config *c;
	const char *path;
	struct config_error *error;
	yaml_parser_t parser;
	yaml_event_t event;
	bool has_event;
	bool seen[CONFIG_OPTIONS_MAX];
};

static uint32_t line_of(const struct reader *r)
{
	return (uint32_t)r->event.start_mark.line + 1;
}

static int refuse(struct reader *r, const char *what)
{
	return config_wrong(r->error, "%s:%u: %s", r->path, line_of(r), what);
}

/* The parser's own complaint. */
static int refuse_syntax(struct reader *r)
{
	const yaml_parser_t *p = &r->parser;

	if (p->error == YAML_MEMORY_ERROR) {
		(void)config_wrong(r->error, "cannot read '%s': out of memory", r->path);
		r->error->is_wrong = false;
		return -ENOMEM;
	}
	if (p->error == YAML_READER_ERROR)
		return config_wrong(r->error, "%s: byte %zu: %s", r->path, p->problem_offset + 1,
				    p->problem);
	return config_wrong(r->error, "%s:%zu: %s", r->path, p->problem_mark.line + 1, p->problem);
}

/* Go on to the next event. */
static int next(struct reader *r)
{
	if (r->has_event)
		yaml_event_delete(&r->event);
	r->has_event = false;
	if (!yaml_parser_parse(&r->parser, &r->event))
		return refuse_syntax(r);
	r->has_event = true;
	return 0;
}

/* What the event adds to a plain value. */
static bool has_decoration(const yaml_event_t *e)
{
	switch (e->type) {
	case YAML_SCALAR_EVENT:
		return e->data.scalar.anchor || e->data.scalar.tag;
	case YAML_SEQUENCE_START_EVENT:
		return e->data.sequence_start.anchor || e->data.sequence_start.tag;
	case YAML_MAPPING_START_EVENT:
		return e->data.mapping_start.anchor || e->data.mapping_start.tag;
	default:
		return e->type == YAML_ALIAS_EVENT;
	}
}

static const char *scalar_text(const struct reader *r)
{
	return (const char *)r->event.data.scalar.value;
}

/* Whether the event is a scalar that says nothing: `key:`, `key: ~`, `key: null`. */
static bool is_null(const struct reader *r)
{
	const char *text = scalar_text(r);

	return r->event.data.scalar.style == YAML_PLAIN_SCALAR_STYLE &&
	       (!*text || !strcmp(text, "~") || !strcmp(text, "null"));
}

/* A scalar of which all bytes count. */
static int expect_scalar(struct reader *r, const char *what)
{
	if (has_decoration(&r->event))
		return refuse(
			r, "anchors, aliases and tags are not supported; write the value itself");
	if (r->event.type != YAML_SCALAR_EVENT)
		return refuse(r, what);
	if (strlen(scalar_text(r)) != r->event.data.scalar.length)
		return refuse(r, "a text holds a NUL");
	return 0;
}

static int apply(struct reader *r, const struct option_spec *o, const char *item_name)
{
	char from[512];
	struct option_value v = {.source = CONFIG_FILE,
				 .from = from,
				 .name = item_name,
				 .text = scalar_text(r),
				 .line = line_of(r)};

	(void)snprintf(from, sizeof(from), "'%s' in %s:%u", option_key(o), r->path,
		       line_of(r)); /* cut */
	return option_apply(r->c, o, &v, r->error);
}

static int read_list(struct reader *r, const struct option_spec *o)
{
	int err;

	if (r->event.type == YAML_SCALAR_EVENT && !is_null(r))
		return apply(r, o, NULL); /* a list of one may go without brackets */
	if (r->event.type != YAML_SEQUENCE_START_EVENT)
		return refuse(r, "expected a list: '- VALUE' on lines of their own");
	while (!(err = next(r)) && r->event.type != YAML_SEQUENCE_END_EVENT) {
		err = expect_scalar(r, "expected a value without parts");
		if (!err)
			err = apply(r, o, NULL);
		if (err)
			return err;
	}
	return err;
}

static int read_map(struct reader *r, const struct option_spec *o)
{
	int err;

	if (r->event.type == YAML_SCALAR_EVENT && is_null(r))
		return 0;
	if (r->event.type != YAML_MAPPING_START_EVENT)
		return refuse(r, "expected 'NAME: VALUE' on lines of their own");
	while (!(err = next(r)) && r->event.type != YAML_MAPPING_END_EVENT) {
		auto_free char *name = NULL;

		err = expect_scalar(r, "expected a name");
		if (err)
			return err;
		name = strdup(scalar_text(r));
		if (!name)
			return refuse(r, "out of memory");
		err = next(r);
		if (!err)
			err = expect_scalar(r, "expected a value without parts");
		if (!err && is_null(r))
			err = refuse(r, "the name has no value");
		if (!err)
			err = apply(r, o, name);
		if (err)
			return err;
	}
	return err;
}

static int read_value(struct reader *r, const struct option_spec *o)
{
	if (has_decoration(&r->event))
		return refuse(
			r, "anchors, aliases and tags are not supported; write the value itself");
	if (o->shape == OPTION_LIST)
		return read_list(r, o);
	if (o->shape == OPTION_MAP)
		return read_map(r, o);

	int err = expect_scalar(r, "expected a single value");

	if (!err && is_null(r))
		err = refuse(r, "the key has no value; leave it out for the default");
	return err ? err : apply(r, o, NULL);
}

static int unknown_key(struct reader *r)
{
	const char *key = scalar_text(r);
	const char *near = option_resembling(key);

	return config_wrong(r->error, "%s:%u: unknown key '%.64s'%s%s%s", r->path, line_of(r), key,
			    near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
}

static int read_entry(struct reader *r)
{
	int err = expect_scalar(r, "expected a key");

	if (err)
		return err;

	const struct option_spec *o = option_find(scalar_text(r));

	if (!o)
		return unknown_key(r);
	if (r->seen[o - option_table])
		return config_wrong(r->error, "%s:%u: '%s' is there twice", r->path, line_of(r),
				    option_key(o));
	r->seen[o - option_table] = true;
	err = next(r);
	return err ? err : read_value(r, o);
}

static int read_document(struct reader *r)
{
	int err = next(r); /* after the start of the document */

	if (err)
		return err;
	if (r->event.type == YAML_SCALAR_EVENT && is_null(r))
		return next(r);
	if (r->event.type != YAML_MAPPING_START_EVENT)
		return refuse(r, "expected 'KEY: VALUE' lines");
	if (has_decoration(&r->event))
		return refuse(
			r, "anchors, aliases and tags are not supported; write the value itself");
	while (!(err = next(r)) && r->event.type != YAML_MAPPING_END_EVENT) {
		err = read_entry(r);
		if (err)
			return err;
	}
	return err ? err : next(r);
}

/* stream start, then at most one document */
static int read_stream(struct reader *r)
{
	int err = next(r);

	if (!err)
		err = next(r);
	if (err || r->event.type == YAML_STREAM_END_EVENT)
		return err;
	err = read_document(r); /* ends at the end of the document */
	if (!err)
		err = next(r);
	if (!err && r->event.type != YAML_STREAM_END_EVENT)
		err = refuse(r, "a second document begins; there may be one only");
	return err;
}

static int fail_reading(struct config_error *error, const char *path, int err)
{
	(void)config_wrong(error, "cannot read '%s': %s", path, strerror(-err));
	error->is_wrong = false;
	return err;
}

/* The content of a file. */
static int load(const char *path, char **ret_bytes, size_t *ret_length, struct config_error *error)
{
	auto_close int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	auto_free char *bytes = malloc(CONFIG_FILE_BYTES + 1);
	size_t length = 0;
	ssize_t got;

	if (fd < 0)
		return fail_reading(error, path, -errno);
	if (!bytes)
		return fail_reading(error, path, -ENOMEM);
	while (length <= CONFIG_FILE_BYTES &&
	       (got = read(fd, bytes + length, CONFIG_FILE_BYTES + 1 - length)) != 0) {
		if (got < 0)
			return fail_reading(error, path, -errno);
		length += (size_t)got;
	}
	if (length > CONFIG_FILE_BYTES)
		return config_wrong(error, "%s: the file is larger than 1 MiB", path);
	*ret_bytes = take_ptr(bytes);
	*ret_length = length;
	return 0;
}

int config_read_file(struct config *c, const char *path, struct config_error *error)
{
	struct reader r = {.c = c, .path = path, .error = error};
	auto_free char *bytes = NULL;
	size_t length = 0;
	int err = load(path, &bytes, &length, error);

	if (err)
		return err;
	if (!yaml_parser_initialize(&r.parser))
		return fail_reading(error, path, -ENOMEM);
	yaml_parser_set_input_string(&r.parser, (const unsigned char *)bytes, length);
	err = read_stream(&r);
	if (r.has_event)
		yaml_event_delete(&r.event);
	yaml_parser_delete(&r.parser);
	return err;
}
