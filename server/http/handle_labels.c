/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/cleanup.h"
#include "server/encode/json.h"
#include "server/http/handlers.h"
#include "server/http/params.h"
#include "server/http/service.h"
#include "server/query/series.h"

static void put_texts(struct buffer *out, const struct label_list *l, size_t count)
{
	buffer_putc(out, '[');
	for (size_t i = 0; i < count; i++) {
		json_put_comma(out);
		json_put_string(out, strpool_get(&l->strings, l->items[i].text));
	}
	buffer_putc(out, ']');
}

static void put_samples(struct buffer *out, const struct label_list *l, size_t count)
{
	buffer_putc(out, '[');
	for (size_t i = 0; i < count; i++) {
		json_put_comma(out);
		buffer_put_u64(out, l->items[i].samples);
	}
	buffer_putc(out, ']');
}

/* {"labels": [...], "samples": [...]} or {"label": NAME, "values": [...], "samples": [...]}. */
static void work_labels(struct request *r)
{
	CLEANUP(label_list_release) struct label_list list = {0};
	struct buffer *out = &r->answer.body;
	bool names = !*r->name;
	int err = query_labels(r->service->engine, &r->query, names ? NULL : r->name, &list);

	if (err) {
		answer_failure(r, err);
		return;
	}

	size_t count = r->limit && r->limit < list.count ? r->limit : list.count;

	buffer_putc(out, '{');
	if (!names)
		json_put_text(out, "label", r->name);
	json_put_key(out, names ? "labels" : "values");
	put_texts(out, &list, count);
	json_put_key(out, "samples");
	put_samples(out, &list, count);
	json_put_number(out, "count", list.count);
	buffer_puts(out, "}\n");
	answer_body(r, MHD_HTTP_OK, "application/json");
}

void handle_labels(struct request *r)
{
	if (params_selector(r) && params_range(r) && params_view(r))
		request_defer(r, work_labels, 0);
}

void handle_label_values(struct request *r)
{
	if (!params_is_label(r->name)) {
		answer_error(r, MHD_HTTP_BAD_REQUEST, "bad label name '%.64s'", r->name);
		return;
	}
	handle_labels(r);
}
