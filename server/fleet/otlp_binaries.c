/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mappings of a request as binaries: one for all mappings of one build id, or of one file name where there is none. The
 * last one stands for locations without a mapping.
 *
 * What an address means differs. Ours is an ELF vaddr, and so are those of producers whose mappings begin where the
 * file says. Others send what the program counter was: those mappings begin where kernels put position independent code.
 */
#define XXH_INLINE_ALL
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "base/cleanup.h"
#include "base/hash.h"
#include "server/fleet/otlp_import.h"
#include "server/fleet/otlp_names.h"

#define RUNTIME_LEAST (1ull << 40) /* lowest start of a mapping of position independent code */
#define KERNEL_LEAST  0xfff0000000000000ull
#define SEGMENTS_MAX  64

/* What a mapping says of its binary. */
struct identity {
	const char *name;
	struct build_id id;
	bool has_build_id;
};

static void identify_by(const Otlp__Dictionary *d, int32_t attribute, struct identity *ret)
{
	const char *key = otlp_attribute_key(d, attribute);
	char text[BUILD_ID_HEX_MAX + 64];
	const char *value;
	bool gnu = !strcmp(key, OTLP_BUILD_ID);

	if (!gnu && strcmp(key, OTLP_BUILD_HASH) != 0 && strcmp(key, OTLP_BUILD_GO) != 0 &&
	    strcmp(key, OTLP_BUILD_HTL) != 0)
		return;
	value = otlp_value_text(d, d->attribute_table[attribute]->value, text, sizeof(text));
	if (!value || !*value || (ret->id.length && !gnu))
		return;
	if (!build_id_parse(value, &ret->id)) {
		ret->has_build_id = gnu;
		return;
	}

	/* No hex. Go's is taken as binary_open() takes it from the file. */
	XXH128_canonical_t hash;

	XXH128_canonicalFromHash(&hash, XXH3_128bits(value, strlen(value)));
	ret->id.length = sizeof(hash);
	memcpy(ret->id.bytes, &hash, sizeof(hash));
	ret->has_build_id = !strcmp(key, OTLP_BUILD_GO);
}

static struct identity identify(const Otlp__Dictionary *d, const Otlp__Mapping *m)
{
	struct identity found = {.name = otlp_text(d, m->filename_strindex)};

	for (size_t i = 0; i < m->n_attribute_indices; i++)
		identify_by(d, m->attribute_indices[i], &found);
	if (!*found.name)
		found.name = "[unknown]";
	return found;
}

static uint64_t identity_hash(const struct identity *x)
{
	if (x->id.length)
		return hash_bytes(x->id.bytes, x->id.length);
	return hash_bytes(x->name, strlen(x->name));
}

static bool same_identity(const struct identity *a, const struct identity *b)
{
	if (a->id.length || b->id.length)
		return build_id_equal(&a->id, &b->id);
	return !strcmp(a->name, b->name);
}

static int make_special(const char *name, struct binary **ret)
{
	enum binary_kind kind = BINARY_UNKNOWN;

	if (!strncmp(name, "[kernel", 7))
		kind = BINARY_KERNEL;
	else if (!strcmp(name, "[anon]"))
		kind = BINARY_ANON;
	return binary_create_special(kind, name, ret);
}

/* The segments that the mappings of one binary show, in their order; the same again is left out. */
static size_t collect_segments(const struct otlp_import *m, uint32_t binary,
			       struct binary_segment *ret)
{
	size_t count = 0;

	for (uint32_t i = m->binary_first[binary]; i && count < SEGMENTS_MAX;
	     i = m->mapping_next[i - 1]) {
		const Otlp__Mapping *mapping = m->d->mapping_table[i - 1];
		uint64_t bytes = mapping->memory_limit - mapping->memory_start;
		bool known = false;

		if (mapping->memory_limit <= mapping->memory_start ||
		    mapping->memory_start >= KERNEL_LEAST)
			continue;

		struct binary_segment s = {
			.offset = mapping->file_offset,
			.vaddr = mapping->memory_start >= RUNTIME_LEAST && !m->own
					 ? mapping->file_offset
					 : mapping->memory_start,
			.file_bytes = bytes,
			.memory_bytes = bytes,
			.executable = true,
		};

		for (size_t k = 0; k < count; k++)
			known |= ret[k].vaddr == s.vaddr && ret[k].offset == s.offset;
		if (!known)
			ret[count++] = s;
	}
	return count;
}

static int make_binary(struct otlp_import *m, uint32_t index, const struct identity *x)
{
	auto_free char *name = strndup(x->name, OTLP_TEXT_MAX - 1);
	struct binary_segment segments[SEGMENTS_MAX];

	if (!name)
		return -ENOMEM;
	if (!x->id.length && *name == '[')
		return make_special(name, &m->binaries[index]);

	struct binary_identity identity = {
		.path = name,
		.build_id = x->id,
		.has_build_id = x->has_build_id,
		.segments = segments,
		.segment_count = collect_segments(m, index, segments),
	};

	return binary_create_detached(&identity, &m->binaries[index]);
}

static void place(struct otlp_import *m, size_t mapping, uint32_t binary)
{
	const Otlp__Mapping *from = m->d->mapping_table[mapping];
	struct otlp_place *p = &m->places[mapping];

	p->binary = binary;
	if (m->own || from->memory_start < RUNTIME_LEAST || from->memory_start >= KERNEL_LEAST)
		return;
	p->address = from->memory_start;
	p->vaddr = from->file_offset;
}

/* Gives each mapping its binary. */
static int group(struct otlp_import *m, struct identity *found)
{
	struct idmap ids = {0};
	int err = 0;

	for (size_t i = 0; i < m->d->n_mapping_table && !err; i++) {
		struct identity x = identify(m->d, m->d->mapping_table[i]);
		uint64_t hash = identity_hash(&x);
		struct idmap_probe p = idmap_find(&ids, hash);

		while (p.found && !same_identity(&found[p.id], &x))
			idmap_next(&ids, &p);
		if (!p.found) {
			p.id = (uint32_t)m->binary_count;
			err = idmap_insert(&ids, hash, p.id);
			found[m->binary_count++] = x;
		}
		place(m, i, p.id);
	}
	idmap_release(&ids);
	return err;
}

/* The mappings of each binary as a list, in their order. */
static void chain(struct otlp_import *m)
{
	for (size_t i = m->d->n_mapping_table; i-- > 0;) {
		uint32_t *first = &m->binary_first[m->places[i].binary];

		m->mapping_next[i] = *first;
		*first = (uint32_t)i + 1;
	}
}

int otlp_binaries_make(struct otlp_import *m)
{
	size_t count = m->d->n_mapping_table;
	struct identity *found = arena_array(m->arena, count + 1, sizeof(*found));

	m->places = arena_array(m->arena, count + 1, sizeof(*m->places));
	m->binaries = arena_array(m->arena, count + 1, sizeof(*m->binaries));
	m->binary_first = arena_array(m->arena, count + 1, sizeof(*m->binary_first));
	m->mapping_next = arena_array(m->arena, count + 1, sizeof(*m->mapping_next));
	if (!found || !m->places || !m->binaries || !m->binary_first || !m->mapping_next)
		return arena_error(m->arena);

	int err = group(m, found);

	chain(m);

	for (size_t i = 0; i < m->binary_count && !err; i++)
		err = make_binary(m, (uint32_t)i, &found[i]);
	if (err)
		return err;
	return binary_create_special(BINARY_UNKNOWN, "[unknown]", &m->binaries[m->binary_count]);
}

void otlp_binaries_release(struct otlp_import *m)
{
	for (size_t i = 0; m->binaries && i <= m->binary_count; i++)
		binary_unref(m->binaries[i]);
}
