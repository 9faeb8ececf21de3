/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>

#include <dwarf.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "base/hash.h"
#include "symbolizer/dwarf.h"
#include "symbolizer/dwarf_value.h"

DEFINE_CLEANUP(dwarf_abbrevs_free, struct dwarf_abbrevs *)

static int add_skip(struct dwarf_abbrevs *t, struct dwarf_skip skip)
{
	if (array_reserve((void **)&t->skips, &t->skip_capacity, t->skip_count + 1,
			  sizeof(*t->skips)))
		return -ENOMEM;
	t->skips[t->skip_count++] = skip;
	return 0;
}

/* Sums up forms of fixed size, so that an entry is skipped in as few steps as it has variable parts. */
static int plan_skipping(struct dwarf_abbrevs *t, struct dwarf_abbrev *abbrev)
{
	struct dwarf_skip skip = {0};

	abbrev->skip_first = (uint32_t)t->skip_count;
	for (uint32_t i = 0; i < abbrev->attribute_count; i++) {
		uint16_t form = t->attributes[abbrev->attribute_first + i].form;
		int bytes = dwarf_form_bytes(form, t);

		if (bytes >= 0 && skip.bytes < UINT16_MAX - 16) {
			skip.bytes = (uint16_t)(skip.bytes + bytes);
			continue;
		}
		skip.form = form;
		if (add_skip(t, skip))
			return -ENOMEM;
		skip = (struct dwarf_skip){0};
	}
	if (skip.bytes && add_skip(t, skip))
		return -ENOMEM;
	abbrev->skip_count = (uint32_t)t->skip_count - abbrev->skip_first;
	return 0;
}

static int read_attributes(struct cursor *c, struct dwarf_abbrevs *t, struct dwarf_abbrev *abbrev)
{
	abbrev->attribute_first = (uint32_t)t->attribute_count;
	for (;;) {
		uint64_t name = cursor_uleb(c), form = cursor_uleb(c);
		struct dwarf_attribute attribute = {(uint16_t)name, (uint16_t)form, 0};

		if (form == DW_FORM_implicit_const)
			attribute.implicit = cursor_sleb(c);
		if (c->bad || name > UINT16_MAX || form > UINT16_MAX)
			return -EBADMSG;
		if (!name && !form)
			break;
		if (t->attribute_count >= DWARF_ABBREVS_MAX)
			return -EBADMSG;
		if (array_reserve((void **)&t->attributes, &t->attribute_capacity,
				  t->attribute_count + 1, sizeof(*t->attributes)))
			return -ENOMEM;
		t->attributes[t->attribute_count++] = attribute;
	}
	abbrev->attribute_count = (uint32_t)t->attribute_count - abbrev->attribute_first;
	return plan_skipping(t, abbrev);
}

static int compare_abbrevs(const void *left, const void *right)
{
	const struct dwarf_abbrev *a = left, *b = right;

	return a->code < b->code ? -1 : a->code > b->code;
}

static int read_table(struct slice section, struct dwarf_abbrevs *t)
{
	struct cursor c = cursor_at(section, t->offset);

	t->dense = true;
	while (!c.bad) {
		struct dwarf_abbrev abbrev = {.code = cursor_uleb(&c)};

		if (!abbrev.code)
			break;

		uint64_t tag = cursor_uleb(&c);

		abbrev.tag = tag > UINT16_MAX ? 0 : (uint16_t)tag;
		abbrev.has_children = cursor_u8(&c);
		if (t->count >= DWARF_ABBREVS_MAX)
			return -EBADMSG;

		int err = read_attributes(&c, t, &abbrev);

		if (err)
			return err;
		if (array_reserve((void **)&t->items, &t->capacity, t->count + 1,
				  sizeof(*t->items)))
			return -ENOMEM;
		t->items[t->count++] = abbrev;
		if (abbrev.code != t->count)
			t->dense = false;
	}
	if (c.bad)
		return -EBADMSG;
	if (!t->dense)
		qsort(t->items, t->count, sizeof(*t->items), compare_abbrevs);
	return 0;
}

int dwarf_unit_abbrevs(struct dwarf_unit *unit)
{
	struct dwarf_file *f = unit->file;
	uint64_t hash =
		hash_combine(unit->abbrev_offset,
			     unit->address_bytes << 8 | unit->offset_bytes << 4 | unit->version);

	if (unit->abbrevs)
		return 0;
	for (struct idmap_probe p = idmap_find(&f->table_ids, hash); p.found;
	     idmap_next(&f->table_ids, &p)) {
		struct dwarf_abbrevs *t = f->tables[p.id];

		if (t->offset == unit->abbrev_offset && t->address_bytes == unit->address_bytes &&
		    t->offset_bytes == unit->offset_bytes && t->version == unit->version) {
			unit->abbrevs = t;
			return 0;
		}
	}

	CLEANUP(dwarf_abbrevs_freep) struct dwarf_abbrevs *t = calloc(1, sizeof(*t));

	if (!t)
		return -ENOMEM;
	t->offset = unit->abbrev_offset;
	t->address_bytes = unit->address_bytes;
	t->offset_bytes = unit->offset_bytes;
	t->version = unit->version;

	int err = read_table(f->abbrev, t);

	if (!err && array_reserve((void **)&f->tables, &f->table_capacity, f->table_count + 1,
				  sizeof(struct dwarf_abbrevs *)))
		err = -ENOMEM;
	if (!err)
		err = idmap_insert(&f->table_ids, hash, (uint32_t)f->table_count);
	if (err)
		return err;
	unit->abbrevs = f->tables[f->table_count++] = take_ptr(t);
	return 0;
}

void dwarf_abbrevs_free(struct dwarf_abbrevs *t)
{
	if (!t)
		return;
	free(t->items);
	free(t->attributes);
	free(t->skips);
	free(t);
}

const struct dwarf_abbrev *dwarf_find_abbrev(const struct dwarf_abbrevs *t, uint64_t code)
{
	if (t->dense)
		return code - 1 < t->count ? &t->items[code - 1] : NULL;

	size_t low = 0, high = t->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (t->items[middle].code < code)
			low = middle + 1;
		else
			high = middle;
	}
	return low < t->count && t->items[low].code == code ? &t->items[low] : NULL;
}
