/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include <dwarf.h>

#include "symbolizer/dwarf.h"
#include "symbolizer/dwarf_build.h"
#include "symbolizer/dwarf_value.h"

struct listing {
	const struct dwarf_unit *unit;
	dwarf_range_fn *each;
	void *context;
	uint64_t base;
	unsigned int count;
};

static int list(struct listing *l, uint64_t low, uint64_t high)
{
	if (l->count++ >= DWARF_RANGES_MAX)
		return -EBADMSG;
	return high > low ? l->each(l->context, low, high) : 0;
}

/* .debug_ranges of DWARF 2 to 4: pairs of addresses, relative to a base. */
static int list_old(struct listing *l, struct slice section, uint64_t offset)
{
	struct cursor c = cursor_at(section, offset);
	uint64_t highest = l->unit->address_bytes == 8 ? UINT64_MAX : UINT32_MAX;

	while (!c.bad) {
		uint64_t low = cursor_sized(&c, l->unit->address_bytes);
		uint64_t high = cursor_sized(&c, l->unit->address_bytes);
		int err = 0;

		if (c.bad)
			break;
		if (!low && !high)
			return 0;
		if (low == highest)
			l->base = high;
		else
			err = list(l, low + l->base, high + l->base);
		if (err)
			return err;
	}
	return -EBADMSG;
}

/* One entry of .debug_rnglists (DWARF 5, 2.17.3). Returns 1 at the end of the list. */
static int list_entry(struct listing *l, struct cursor *c)
{
	const struct dwarf_unit *unit = l->unit;
	uint64_t low = 0, high = 0;

	switch (cursor_u8(c)) {
	case DW_RLE_end_of_list:
		return 1;
	case DW_RLE_base_addressx:
		return dwarf_addr_at(unit, cursor_uleb(c), &l->base) ? 0 : -EBADMSG;
	case DW_RLE_base_address:
		l->base = cursor_sized(c, unit->address_bytes);
		return 0;
	case DW_RLE_offset_pair:
		low = l->base + cursor_uleb(c);
		high = l->base + cursor_uleb(c);
		break;
	case DW_RLE_start_end:
		low = cursor_sized(c, unit->address_bytes);
		high = cursor_sized(c, unit->address_bytes);
		break;
	case DW_RLE_start_length:
		low = cursor_sized(c, unit->address_bytes);
		high = low + cursor_uleb(c);
		break;
	case DW_RLE_startx_endx: {
		uint64_t first = cursor_uleb(c), second = cursor_uleb(c);

		if (!dwarf_addr_at(unit, first, &low) || !dwarf_addr_at(unit, second, &high))
			return -EBADMSG;
		break;
	}
	case DW_RLE_startx_length:
		if (!dwarf_addr_at(unit, cursor_uleb(c), &low))
			return -EBADMSG;
		high = low + cursor_uleb(c);
		break;
	default:
		return -EBADMSG;
	}
	return c->bad ? -EBADMSG : list(l, low, high);
}

static int list_new(struct listing *l, struct slice section, uint64_t offset)
{
	struct cursor c = cursor_at(section, offset);

	while (!c.bad) {
		int result = list_entry(l, &c);

		if (result)
			return result > 0 ? 0 : result;
	}
	return -EBADMSG;
}

static int list_indirect(struct listing *l, const struct dwarf_value *ranges)
{
	const struct dwarf_unit *unit = l->unit;
	const struct dwarf_unit *skeleton = unit->skeleton ? unit->skeleton : unit;
	uint64_t offset = ranges->number;

	l->base = skeleton->low_pc;
	if (unit->version < 5) {
		if (unit->file->is_split)
			offset += skeleton->ranges_base;
		return list_old(l, skeleton->file->ranges, offset);
	}
	if (ranges->form != DW_FORM_rnglistx)
		return list_new(l, unit->file->rnglists, offset);

	uint64_t at;

	if (__builtin_mul_overflow(offset, (uint64_t)unit->offset_bytes, &at) ||
	    __builtin_add_overflow(at, unit->rnglists_base, &at))
		return -EBADMSG;

	struct cursor c = cursor_at(unit->file->rnglists, at);

	offset = cursor_offset(&c, unit->offset_bytes);
	if (c.bad || __builtin_add_overflow(offset, unit->rnglists_base, &offset))
		return -EBADMSG;
	return list_new(l, unit->file->rnglists, offset);
}

int dwarf_list_ranges(const struct dwarf_unit *unit, const struct dwarf_entry *entry,
		      dwarf_range_fn *each, void *context)
{
	const struct dwarf_value *low = &entry->low_pc;
	const struct dwarf_value *high = &entry->high_pc;
	const struct dwarf_value *ranges = &entry->ranges;
	struct listing l = {.unit = unit, .each = each, .context = context};
	uint64_t start, end;

	if (ranges->form)
		return list_indirect(&l, ranges);
	if (!low->form || !high->form || !dwarf_value_address(unit, *low, &start))
		return 0;
	if (dwarf_value_is_number(*high)) /* since DWARF 4: the length */
		end = start + high->number;
	else if (!dwarf_value_address(unit, *high, &end))
		return -EBADMSG;
	return list(&l, start, end);
}
