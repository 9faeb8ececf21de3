/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/utf8.h"
#include "server/fleet/otlp_import.h"
#include "server/fleet/otlp_names.h"

#define MEMORY_LIMIT_BYTES (256u << 20)

static void import_destroy(struct otlp_import *m)
{
	if (!m)
		return;
	otlp_import_release(m);
	otlp_binaries_release(m);
	free(m);
}

DEFINE_CLEANUP(import_destroy, struct otlp_import *)

/* Whether all of it was made by otlp_encode(). */
static bool is_own(const Otlp__Request *request)
{
	for (size_t i = 0; i < request->n_resource_profiles; i++) {
		const Otlp__ResourceProfiles *resource = request->resource_profiles[i];

		for (size_t k = 0; k < resource->n_scope_profiles; k++) {
			const Otlp__Scope *scope = resource->scope_profiles[k]->scope;

			if (!scope || strcmp(scope->name, OTLP_SCOPE) != 0)
				return false;
		}
	}
	return true;
}

static int import(const void *bytes, size_t length, struct otlp_import *m)
{
	int err = otlp_check(m->request, m->d, m->result);

	if (err)
		return err;
	m->own = is_own(m->request);
	err = otlp_binaries_make(m);
	if (!err)
		err = otlp_import_all(m, bytes, length);
	return err ? err : otlp_import_finish(m);
}

static int decode(const void *bytes, size_t length, struct arena *arena,
		  const struct otlp_options *options, struct otlp_result *ret)
{
	static const Otlp__Dictionary empty = OTLP__DICTIONARY__INIT;
	CLEANUP(import_destroyp) struct otlp_import *m = calloc(1, sizeof(*m));
	Otlp__Request *request = otlp__request__unpack(&arena->protobuf, length, bytes);

	if (!request && arena_error(arena))
		return arena_error(arena);
	if (!request)
		return otlp_malformed(
			ret, "the body is no ExportProfilesServiceRequest in protobuf form");
	if (!m)
		return -ENOMEM;
	m->request = request;
	m->d = request->dictionary ? request->dictionary : &empty;
	m->options = options;
	m->arena = arena;
	m->result = ret;
	return import(bytes, length, m);
}

int otlp_decode(const void *bytes, size_t length, const struct otlp_options *options,
		struct otlp_result *ret)
{
	CLEANUP(arena_release) struct arena arena;

	*ret = (struct otlp_result){0};
	arena_init(&arena,
		   options->memory_limit_bytes ? options->memory_limit_bytes : MEMORY_LIMIT_BYTES);
	return decode(bytes, length, &arena, options, ret);
}

void otlp_result_release(struct otlp_result *r)
{
	for (size_t i = 0; i < r->window_count; i++)
		window_unref(r->windows[i]);
	free(r->windows);
	*r = (struct otlp_result){0};
}

void otlp_encode_response(uint64_t rejected, const char *reason, struct buffer *out)
{
	Otlp__Response response = OTLP__RESPONSE__INIT;
	Otlp__PartialSuccess partial = OTLP__PARTIAL_SUCCESS__INIT;
	auto_buffer clean = BUFFER_INIT;

	if (reason) {
		utf8_put_clean(&clean, reason);
		partial.error_message = (char *)buffer_terminate(&clean); /* only read */
		partial.rejected_profiles = (int64_t)rejected;
		response.partial_success = &partial;
		if (!partial.error_message) {
			out->error = -ENOMEM;
			return;
		}
	}

	char *to = buffer_reserve(out, otlp__response__get_packed_size(&response));

	if (to)
		out->length += otlp__response__pack(&response, (uint8_t *)to);
}
