/* SPDX-License-Identifier: Apache-2.0 */
#include "symbolizer/symbolizer.h"

#include <errno.h>
#include <stdlib.h>

/* Knows no symbols yet: every binary is answered for with SYMBOLS_NONE. */
struct symbolizer {
	struct symbolizer_stats stats;
};

int symbolizer_create(const struct symbolizer_options *options, struct symbolizer **ret)
{
	(void)options;
	*ret = calloc(1, sizeof(**ret));
	return *ret ? 0 : -ENOMEM;
}

void symbolizer_destroy(struct symbolizer *s)
{
	free(s);
}

int symbolizer_want(struct symbolizer *s, struct binary *b)
{
	(void)s;
	(void)b;
	return 0;
}

enum symbol_state symbolizer_get(struct symbolizer *s, struct binary *b, uint64_t deadline_ns,
				 struct symfile **ret)
{
	(void)s;
	(void)b;
	(void)deadline_ns;
	*ret = NULL;
	return SYMBOLS_NONE;
}

void symbolizer_reason(struct symbolizer *s, const struct binary *b, char *text, size_t size)
{
	(void)s;
	(void)b;
	if (size)
		text[0] = '\0';
}

void symbolizer_stats(struct symbolizer *s, struct symbolizer_stats *ret)
{
	*ret = s->stats;
}

void symfile_unref(struct symfile *f)
{
	(void)f;
}

size_t symfile_lookup(const struct symfile *f, uint64_t addr, struct symfile_frame *chain,
		      size_t chain_size)
{
	(void)f;
	(void)addr;
	(void)chain;
	(void)chain_size;
	return 0;
}
