/* SPDX-License-Identifier: Apache-2.0 */
#include "server/store/store.h"

int store_append(struct store *s, struct window *w)
{
	return s->ops->append(s, w);
}

int store_scan(struct store *s, const struct store_scan *scan, store_visit_fn visit, void *arg)
{
	return s->ops->scan(s, scan, visit, arg);
}

void store_stats(struct store *s, struct store_stats *ret)
{
	s->ops->stats(s, ret);
}

void store_destroy(struct store *s)
{
	if (s)
		s->ops->destroy(s);
}
