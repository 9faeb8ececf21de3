/* SPDX-License-Identifier: Apache-2.0 */
/*
 * speedscope's own file format (https://www.speedscope.app/file-format-schema.json), one "sampled" profile whose
 * weights are CPU nanoseconds. Their pprof importer drops inlined frames; this keeps them.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "server/encode/encode.h"
#include "server/encode/json.h"
#include "server/query/keytable.h"
#include "version.h"

struct speedscope {
	const struct profile *p;
	struct keytable keys;
	uint32_t *map;	 /* key by function */
	uint32_t *comms; /* key of the comm by label set */
};

static void speedscope_release(struct speedscope *s)
{
	keytable_release(&s->keys);
	free(s->map);
	free(s->comms);
}

static int speedscope_prepare(struct speedscope *s)
{
	int err = keytable_map(&s->keys, s->p, &s->map);

	s->comms = calloc(s->p->label_set_count + 1, sizeof(*s->comms));
	if (!err && !s->comms)
		err = -ENOMEM;
	for (size_t i = 0; !err && i < s->p->label_set_count; i++) {
		const char *comm = profile_label_value(s->p, (uint32_t)i, "comm");

		err = keytable_add(&s->keys, comm && *comm ? comm : "[unknown]", "", KIND_LABEL,
				   &s->comms[i]);
	}
	return err;
}

static void put_frames(struct buffer *out, const struct speedscope *s)
{
	const struct strpool *strings = &s->keys.strings;

	json_put_key(out, "frames");
	buffer_putc(out, '[');
	for (size_t i = 0; i < s->keys.count; i++) {
		const struct function_key *key = &s->keys.keys[i];
		/* There is no field for the binary: it stands in where the source is not known. */
		uint32_t file = key->file ? key->file : key->binary;

		json_put_comma(out);
		buffer_putc(out, '{');
		json_put_text(out, "name", strpool_get(strings, key->name));
		if (file)
			json_put_text(out, "file", strpool_get(strings, file));
		if (key->file && key->line)
			json_put_number(out, "line", key->line);
		buffer_putc(out, '}');
	}
	buffer_putc(out, ']');
}

static void put_stack(struct buffer *out, const struct speedscope *s,
		      const struct profile_sample *sample)
{
	const struct profile *p = s->p;
	const struct profile_stack *stack = &p->stacks[sample->stack];

	json_put_comma(out);
	buffer_putc(out, '[');
	buffer_put_u64(out, s->comms[sample->labels]);
	for (uint32_t i = stack->count; i-- > 0;) {
		const struct profile_frame *frame = &p->frames[p->stack_frames[stack->first + i]];

		for (uint32_t j = frame->line_count; j-- > 0;) {
			buffer_putc(out, ',');
			buffer_put_u64(out, s->map[p->lines[frame->line_first + j].function]);
		}
	}
	buffer_putc(out, ']');
}

static void put_profile(struct buffer *out, const struct speedscope *s, const char *name)
{
	const struct profile *p = s->p;

	json_put_comma(out);
	buffer_putc(out, '{');
	json_put_text(out, "type", "sampled");
	json_put_text(out, "name", name);
	json_put_text(out, "unit", "nanoseconds");
	json_put_number(out, "startValue", 0);
	json_put_number(out, "endValue", p->total_cpu_ns);

	json_put_key(out, "samples");
	buffer_putc(out, '[');
	for (size_t i = 0; i < p->sample_count; i++)
		put_stack(out, s, &p->samples[i]);
	buffer_putc(out, ']');

	json_put_key(out, "weights");
	buffer_putc(out, '[');
	for (size_t i = 0; i < p->sample_count; i++) {
		json_put_comma(out);
		buffer_put_u64(out, p->samples[i].cpu_ns);
	}
	buffer_puts(out, "]}");
}

int encode_speedscope(const struct profile *p, const struct encode_options *options,
		      struct buffer *out)
{
	CLEANUP(speedscope_release) struct speedscope s = {.p = p};
	const char *name = options->query && *options->query ? options->query : "cpu";
	int err = speedscope_prepare(&s);

	if (err)
		return err;

	buffer_putc(out, '{');
	json_put_text(out, "$schema", "https://www.speedscope.app/file-format-schema.json");
	json_put_text(out, "name", name);
	json_put_text(out, "exporter", "hearth@" HEARTH_VERSION);
	json_put_number(out, "activeProfileIndex", 0);
	json_put_key(out, "shared");
	buffer_putc(out, '{');
	put_frames(out, &s);
	buffer_putc(out, '}');
	json_put_key(out, "profiles");
	buffer_putc(out, '[');
	put_profile(out, &s, name);
	buffer_puts(out, "]}\n");
	return out->error;
}
