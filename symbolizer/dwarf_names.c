/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include <dwarf.h>

#include "base/array.h"
#include "base/hash.h"
#include "symbolizer/dwarf_build.h"

/* A number as it stands in DW_AT_decl_line and the like; what does not fit reads as unknown. */
static uint32_t small_number(struct dwarf_value value)
{
	return dwarf_value_is_number(value) && value.number < UINT32_MAX ? (uint32_t)value.number
									 : 0;
}

void dwarf_read_entry(struct cursor *c, const struct dwarf_unit *unit,
		      const struct dwarf_abbrev *abbrev, struct dwarf_entry *ret)
{
	const struct dwarf_attribute *a = unit->abbrevs->attributes + abbrev->attribute_first;

	*ret = (struct dwarf_entry){0};
	for (uint32_t i = 0; i < abbrev->attribute_count; i++, a++) {
		switch (a->name) {
		case DW_AT_name:
			ret->name = dwarf_read_form(c, unit, a);
			break;
		case DW_AT_linkage_name:
		case DW_AT_MIPS_linkage_name:
			ret->linkage_name = dwarf_read_form(c, unit, a);
			break;
		case DW_AT_abstract_origin:
			ret->origin = dwarf_read_form(c, unit, a);
			break;
		case DW_AT_specification:
			ret->specification = dwarf_read_form(c, unit, a);
			break;
		case DW_AT_low_pc:
			ret->low_pc = dwarf_read_form(c, unit, a);
			break;
		case DW_AT_high_pc:
			ret->high_pc = dwarf_read_form(c, unit, a);
			break;
		case DW_AT_ranges:
			ret->ranges = dwarf_read_form(c, unit, a);
			break;
		case DW_AT_decl_line:
			ret->decl_line = small_number(dwarf_read_form(c, unit, a));
			break;
		case DW_AT_call_file:
			ret->call_file = small_number(dwarf_read_form(c, unit, a));
			break;
		case DW_AT_call_line:
			ret->call_line = small_number(dwarf_read_form(c, unit, a));
			break;
		case DW_AT_call_column:
			ret->call_column = small_number(dwarf_read_form(c, unit, a));
			break;
		default:
			dwarf_skip_form(c, unit, a->form);
		}
	}
}

/* What is gathered on the way from an entry to its origins; what comes first stays. */
struct naming {
	const char *linkage_name;
	const char *name;
	uint32_t line;
};

static void gather(struct naming *n, const struct dwarf_unit *unit, const struct dwarf_entry *entry)
{
	if (!n->linkage_name && entry->linkage_name.form)
		n->linkage_name = dwarf_value_string(unit, entry->linkage_name);
	if (!n->name && entry->name.form)
		n->name = dwarf_value_string(unit, entry->name);
	if (!n->line)
		n->line = entry->decl_line;
}

/* Where an entry refers to for what it does not say itself. */
static struct dwarf_ref entry_ref(struct dwarf_builder *b, const struct dwarf_unit *unit,
				  const struct dwarf_entry *entry)
{
	struct dwarf_value value = entry->origin.form ? entry->origin : entry->specification;
	struct dwarf_ref ref = dwarf_value_ref(unit, value);

	if (value.form && !ref.file)
		b->counts.alt_missing++;
	return ref;
}

static bool read_at(struct dwarf_ref ref, const struct dwarf_unit **ret_unit,
		    struct dwarf_entry *ret)
{
	struct dwarf_unit *unit = dwarf_find_unit(ref.file, ref.offset);

	if (!unit || dwarf_unit_load(unit))
		return false;

	struct cursor c = cursor_at((struct slice){unit->file->info.bytes, unit->end}, ref.offset);
	const struct dwarf_abbrev *abbrev = dwarf_find_abbrev(unit->abbrevs, cursor_uleb(&c));

	if (c.bad || !abbrev)
		return false;
	dwarf_read_entry(&c, unit, abbrev, ret);
	*ret_unit = unit;
	return !c.bad;
}

static void follow(struct dwarf_builder *b, struct naming *n, struct dwarf_ref ref)
{
	for (int hop = 0; hop < DWARF_HOPS_MAX && ref.file; hop++) {
		const struct dwarf_unit *unit;
		struct dwarf_entry entry;

		if (!read_at(ref, &unit, &entry))
			return;
		gather(n, unit, &entry);
		ref = entry_ref(b, unit, &entry);
	}
}

static int add_function(struct dwarf_builder *b, const struct naming *n, uint32_t *ret)
{
	const char *name = n->linkage_name && *n->linkage_name ? n->linkage_name : n->name;
	uint32_t id;
	int err = symtable_text(&b->table->names, name, &id);

	return err ? err : symtable_function(b->table, id, n->line, ret);
}

/* The usual inlined call says nothing but where its function is: each such place is looked at once. */
static int known_function(struct dwarf_builder *b, struct dwarf_ref ref, uint32_t *ret)
{
	uint64_t hash = hash_combine(ref.offset, ref.file->index);

	for (struct idmap_probe p = idmap_find(&b->known_ids, hash); p.found;
	     idmap_next(&b->known_ids, &p)) {
		const struct dwarf_known *known = &b->known[p.id];

		if (known->offset == ref.offset && known->file == ref.file->index) {
			*ret = known->function;
			return 0;
		}
	}

	struct naming n = {0};

	follow(b, &n, ref);

	int err = add_function(b, &n, ret);

	if (!err && array_reserve((void **)&b->known, &b->known_capacity, b->known_count + 1,
				  sizeof(*b->known)))
		err = -ENOMEM;
	if (!err)
		err = idmap_insert(&b->known_ids, hash, (uint32_t)b->known_count);
	if (!err)
		b->known[b->known_count++] =
			(struct dwarf_known){ref.offset, ref.file->index, *ret};
	return err;
}

int dwarf_entry_function(struct dwarf_builder *b, const struct dwarf_unit *unit,
			 const struct dwarf_entry *entry, uint32_t *ret)
{
	struct dwarf_ref ref = entry_ref(b, unit, entry);
	struct naming n = {0};

	gather(&n, unit, entry);
	if (ref.file && !n.linkage_name && !n.name && !n.line)
		return known_function(b, ref, ret);
	follow(b, &n, ref);
	return add_function(b, &n, ret);
}
