// SPDX-License-Identifier: Apache-2.0
/*
 * /api/v1/binaries: the ledger. docs/http.md shows the answer.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "server/encode/json.h"
#include "server/http/handlers.h"
#include "server/http/params.h"
#include "server/http/service.h"
#include "server/query/binaries.h"
#include "server/query/mend.h"
#include "server/query/packages.h"

#define BINARIES_DEFAULT 200u
#define PACKAGES_MAX \
	64u /* binaries whose package is looked for: those with the most unnamed time */

static void open_object(struct buffer *out, const char *key)
{
	json_put_key(out, key);
	buffer_putc(out, '{');
}

/* Whether the file lies at its path on this machine, and not in a container or nowhere any more. */
static bool is_of_host(const struct binary *b)
{
	struct stat here, mapped;

	if (stat(binary_path(b), &here))
		return false;
	return binary_fd(b) < 0 || fstat(binary_fd(b), &mapped) ||
	       (here.st_dev == mapped.st_dev && here.st_ino == mapped.st_ino);
}

static void put_use(struct buffer *out, const struct binary_use *use, const struct profile *p)
{
	json_put_seconds(out, "cpu_seconds", use->cpu_ns);
	json_put_seconds(out, "self_cpu_seconds", use->self_cpu_ns);
	json_put_seconds(out, "unnamed_cpu_seconds", use->unnamed_cpu_ns);
	json_put_seconds(out, "unnamed_self_cpu_seconds", use->unnamed_self_cpu_ns);
	json_put_number(out, "frames", use->frame_count);
	json_put_number(out, "unnamed_frames", use->unnamed_frame_count);
	open_object(out, "stacks");
	json_put_number(out, "complete", use->complete_samples);
	json_put_number(out, "truncated", use->truncated_samples);
	json_put_number(out, "failed", use->failed_samples);
	open_object(out, "ends");
	for (size_t i = 0; i < use->end_count; i++)
		json_put_number(out, strpool_get(&p->strings, use->ends[i].marker),
				use->ends[i].samples);
	buffer_puts(out, "}}");
}

static const char *source_word(uint8_t source)
{
	static const char *const words[] = {"absent", "used", "damaged", "too_big", "unknown"};

	return source < ARRAY_SIZE(words) ? words[source] : "unknown";
}

static void put_sources(struct buffer *out, const struct symbuild_report *r)
{
	open_object(out, "sources");
	json_put_text(out, r->has_symtab ? ".symtab" : ".dynsym", source_word(r->own_symbols));
	json_put_text(out, "debug_file", source_word(r->debug_symbols));
	json_put_text(out, ".gnu_debugdata", source_word(r->mini_symbols));
	json_put_text(out, ".gopclntab", source_word(r->go_symbols));
	json_put_text(out, "dwarf", source_word(r->dwarf));
	json_put_text(out, "dwz", source_word(r->alt));
	buffer_putc(out, '}');
}

/* Takes the lines of struct debugfiles apart: "RESULT PLACE PATH". */
static void put_tried(struct buffer *out, char *tried)
{
	char *rest = tried;

	json_put_key(out, "tried");
	buffer_putc(out, '[');
	for (char *line; (line = strsep(&rest, "\n")) && *line;) {
		const char *result = strsep(&line, " ");
		const char *place = strsep(&line, " ");

		json_put_comma(out);
		buffer_putc(out, '{');
		json_put_text(out, "path", line);
		json_put_text(out, "place", place);
		json_put_text(out, "result", result);
		buffer_putc(out, '}');
	}
	buffer_putc(out, ']');
}

static void put_symbols(struct buffer *out, const struct binary *b, struct symbol_facts *f)
{
	static const char *const states[] = {"pending", "quick", "full", "none", "failed"};
	const struct symbuild_report *r = f ? &f->report : NULL;

	json_put_key(out, "symbols");
	if (!f) {
		buffer_puts(out, "null");
		return;
	}
	buffer_putc(out, '{');
	uint64_t symbol_count = r->own_symbol_count + r->debug_symbol_count + r->mini_symbol_count +
				r->go_function_count;
	bool found_some = f->state == SYMBOLS_QUICK || f->state == SYMBOLS_FULL;

	/* Entries of the linkage table have names in any case; they name no function of the file. */
	json_put_text(
		out, "state",
		states[found_some && !symbol_count && !r->functions ? SYMBOLS_NONE : f->state]);
	json_put_text(out, "reason", f->reason);
	json_put_number(out, "symbols", symbol_count);
	json_put_number(out, "functions", r->functions);
	json_put_number(out, "inlined", r->inlined);
	json_put_number(out, "lines", r->line_rows);
	json_put_number(out, "dwarf_version", r->dwarf_version);
	json_put_text(out, "debug_file", f->debug_path);
	json_put_number(out, "file_bytes", f->file_bytes);
	json_put_bool(out, "from_cache", f->from_cache);
	json_put_seconds(out, "build_seconds", f->build_ns);
	put_sources(out, r);
	put_tried(out, f->tried);
	json_put_bool(out, "file_is_open", binary_fd(b) >= 0);
	buffer_putc(out, '}');
}

static void put_table_sources(struct buffer *out, uint16_t sources)
{
	static const char *const names[] = {".eh_frame", ".eh_frame_hdr", ".debug_frame",
					    "debug_file"};

	json_put_key(out, "sources");
	buffer_putc(out, '[');
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (!(sources >> i & 1))
			continue;
		json_put_comma(out);
		json_put_string(out, names[i]);
	}
	buffer_putc(out, ']');
}

static void put_unwind(struct buffer *out, const struct table_facts *f)
{
	static const char *const states[] = {"pending", "ready", "none", "failed"};

	json_put_key(out, "unwind");
	if (!f) {
		buffer_puts(out, "null");
		return;
	}
	buffer_putc(out, '{');
	json_put_text(out, "state", states[f->state]);
	json_put_text(out, "reason", f->reason);
	put_table_sources(out, f->sources);
	json_put_number(out, "rows", f->row_count);
	json_put_number(out, "expression_rows", f->expression_count);
	json_put_number(out, "rules", f->rule_count);
	json_put_number(out, "pages", f->page_count);
	json_put_number(out, "functions", f->fde_count);
	json_put_number(out, "damaged_functions", f->damaged_count);
	json_put_number(out, "bytes", f->bytes);
	json_put_seconds(out, "build_seconds", f->build_ns);
	json_put_bool(out, "from_cache", f->from_cache);
	buffer_putc(out, '}');
}

static void put_one_mend(struct buffer *out, const char *what, const struct mend *m)
{
	json_put_comma(out);
	buffer_putc(out, '{');
	json_put_text(out, "for", what);
	json_put_text(out, "why", m->why);
	json_put_text(out, "command", m->command);
	buffer_putc(out, '}');
}

/* What all binaries share while they are written. */
struct writing {
	const struct service *service;
	const struct binary_ledger *ledger;
	struct package_query packages[PACKAGES_MAX]; /* of the first binaries */
	struct symbol_facts symbols;		     /* of the binary at work */
	struct table_facts table;
	enum distribution distribution;
};

static void put_mends(struct buffer *out, struct writing *w, size_t i,
		      const struct symbol_facts *symbols, const struct table_facts *table)
{
	const struct binary_use *use = &w->ledger->uses[i];
	const struct binary *b = w->ledger->profile->binaries[use->binary];
	struct mend_case c = {
		.kind = binary_kind(b),
		.path = binary_path(b),
		.comm = use->comm,
		.package = i < PACKAGES_MAX ? w->packages[i].name : "",
		.symbols = symbols,
		.distribution = w->distribution,
		.of_host = is_of_host(b),
	};
	struct mend m;

	json_put_key(out, "mend");
	buffer_putc(out, '[');
	if (use->unnamed_frame_count) {
		mend_symbols(&c, &m);
		put_one_mend(out, "symbols", &m);
	}
	if (table && (use->failed_samples || use->truncated_samples) && mend_unwinding(table, &m))
		put_one_mend(out, "unwind", &m);
	buffer_putc(out, ']');
}

static void put_binary(struct buffer *out, struct writing *w, size_t i)
{
	static const char *const kinds[] = {"elf", "kernel", "vdso", "anon", "unknown"};
	const struct binary_use *use = &w->ledger->uses[i];
	const struct binary *b = w->ledger->profile->binaries[use->binary];
	const struct build_id *id = binary_build_id(b);
	struct symbol_facts *symbols = NULL;
	struct table_facts *table = NULL;
	char hex[BUILD_ID_HEX_MAX];

	if (w->service->symbolizer && !symbolizer_facts(w->service->symbolizer, id, &w->symbols))
		symbols = &w->symbols;
	if (w->service->profiler && id->length &&
	    !profiler_table_facts(w->service->profiler, id, &w->table))
		table = &w->table;

	json_put_comma(out);
	buffer_putc(out, '{');
	json_put_text(out, "build_id", build_id_format(id, hex));
	json_put_bool(out, "has_build_id", binary_has_build_id(b));
	json_put_text(out, "path", binary_path(b));
	json_put_text(out, "kind", kinds[binary_kind(b)]);
	put_use(out, use, w->ledger->profile);
	put_mends(out, w, i, symbols, table);
	put_symbols(out, b, symbols);
	put_unwind(out, table);
	buffer_putc(out, '}');
}

/* The packages of the binaries that need mending, if this machine has dpkg. */
static void find_packages(struct writing *w, size_t count)
{
	if (w->distribution != DISTRIBUTION_DEBIAN && w->distribution != DISTRIBUTION_UBUNTU)
		return;
	if (count > PACKAGES_MAX)
		count = PACKAGES_MAX;
	for (size_t i = 0; i < count; i++) {
		const struct binary_use *use = &w->ledger->uses[i];
		const struct binary *b = w->ledger->profile->binaries[use->binary];

		if (use->unnamed_frame_count && binary_kind(b) == BINARY_ELF)
			w->packages[i].path = binary_path(b);
	}
	(void)packages_find(PACKAGES_INFO_DIR, w->packages, count); /* what it finds helps */
}

static void work_binaries(struct request *r)
{
	CLEANUP(binary_ledger_release) struct binary_ledger ledger = {0};
	auto_free struct writing *w = calloc(1, sizeof(*w));
	struct buffer *out = &r->answer.body;
	int err = w ? query_binaries(r->service->engine, &r->query, &ledger) : -ENOMEM;

	if (err) {
		answer_failure(r, err);
		return;
	}

	size_t limit = r->limit ? r->limit : BINARIES_DEFAULT;
	size_t count = limit < ledger.count ? limit : ledger.count;

	w->service = r->service;
	w->ledger = &ledger;
	w->distribution = mend_distribution(NULL);
	find_packages(w, count);
	buffer_putc(out, '{');
	json_put_seconds(out, "from", ledger.profile->wall_from_ns);
	json_put_seconds(out, "to", ledger.profile->wall_to_ns);
	json_put_text(out, "query", r->query.text);
	json_put_seconds(out, "cpu_seconds", ledger.profile->total_cpu_ns);
	json_put_seconds(out, "unnamed_cpu_seconds", ledger.unnamed_cpu_ns);
	json_put_seconds(out, "unnamed_self_cpu_seconds", ledger.unnamed_self_cpu_ns);
	json_put_number(out, "total", ledger.count);
	json_put_key(out, "binaries");
	buffer_putc(out, '[');
	for (size_t i = 0; i < count; i++)
		put_binary(out, w, i);
	buffer_puts(out, "]}\n");
	answer_body(r, MHD_HTTP_OK, "application/json");
}

void handle_binaries(struct request *r)
{
	static const char *const labels[] = {"comm", NULL};

	r->query.labels = labels;
	if (params_selector(r) && params_range(r) && params_view(r))
		request_defer(r, work_binaries, 0);
}
