/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Folded stacks, the exchange format of flame graph tools:
 *
 *	comm;_start;main;work;helper_[i] 42
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "base/utf8.h"
#include "server/encode/encode.h"

/* A finished stack as text in one shared buffer, with its count. */
struct folded_row {
	size_t start;
	size_t length;
	uint64_t count;
};

static const char *suffix_of(uint8_t kind)
{
	switch (kind) {
	case KIND_KERNEL:
		return "_[k]";
	case KIND_INLINED:
		return "_[i]";
	case KIND_JIT:
		return "_[j]";
	default:
		return "";
	}
}

/* Keeps the line and the separators unambiguous. */
static void put_name(struct buffer *out, const char *name)
{
	size_t start = out->length;

	utf8_put_clean(out, name);
	for (size_t i = start; i < out->length; i++) {
		unsigned char c = (unsigned char)out->bytes[i];

		if (c == ';')
			out->bytes[i] = ':';
		else if (c < ' ' || c == 0x7f)
			out->bytes[i] = ' ';
	}
}

static void put_frame(struct buffer *out, const struct profile *p, uint32_t id)
{
	const struct profile_frame *frame = &p->frames[id];

	for (uint32_t i = frame->line_count; i-- > 0;) {
		uint32_t function = p->lines[frame->line_first + i].function;
		const struct profile_function *f = &p->functions[function];

		buffer_putc(out, ';');
		put_name(out, strpool_get(&p->strings, f->name));
		buffer_puts(out, suffix_of(f->kind));
	}
}

static void put_stack(struct buffer *out, const struct profile *p, const struct profile_sample *s)
{
	const struct profile_stack *stack = &p->stacks[s->stack];
	const char *comm = profile_label_value(p, s->labels, "comm");

	put_name(out, comm && *comm ? comm : "[unknown]");
	for (uint32_t i = stack->count; i-- > 0;)
		put_frame(out, p, p->stack_frames[stack->first + i]);
}

static int compare_rows(const void *a, const void *b, void *arg)
{
	const struct folded_row *x = a;
	const struct folded_row *y = b;
	const char *text = arg;
	size_t shorter = x->length < y->length ? x->length : y->length;
	int order = memcmp(text + x->start, text + y->start, shorter);

	if (order)
		return order;
	return x->length < y->length ? -1 : x->length > y->length;
}

/* Writes sorted rows, equal ones added up. */
static void put_rows(struct buffer *out, const struct folded_row *rows, size_t count,
		     const char *text)
{
	for (size_t i = 0; i < count;) {
		uint64_t sum = rows[i].count;
		size_t next = i + 1;

		while (next < count && !compare_rows(&rows[i], &rows[next], (void *)text))
			sum += rows[next++].count;
		buffer_append(out, text + rows[i].start, rows[i].length);
		buffer_putc(out, ' ');
		buffer_put_u64(out, sum);
		buffer_putc(out, '\n');
		i = next;
	}
}

int encode_folded(const struct profile *p, const struct encode_options *options, struct buffer *out)
{
	auto_buffer text = BUFFER_INIT;
	auto_free struct folded_row *rows = calloc(p->sample_count + 1, sizeof(*rows));

	(void)options; /* nothing here applies */
	if (!rows)
		return -ENOMEM;

	text.limit = out->limit;
	for (size_t i = 0; i < p->sample_count; i++) {
		rows[i].start = text.length;
		put_stack(&text, p, &p->samples[i]);
		rows[i].length = text.length - rows[i].start;
		rows[i].count = p->samples[i].count;
	}
	if (text.error)
		return text.error;

	if (p->sample_count)
		qsort_r(rows, p->sample_count, sizeof(*rows), compare_rows, text.bytes);
	put_rows(out, rows, p->sample_count, text.bytes);
	return out->error;
}
