/* SPDX-License-Identifier: Apache-2.0 */
#include <dwarf.h>

#include "symbolizer/dwarf.h"
#include "symbolizer/dwarf_value.h"

int dwarf_form_bytes(uint16_t form, const struct dwarf_abbrevs *shape)
{
	switch (form) {
	case DW_FORM_flag_present:
	case DW_FORM_implicit_const:
		return 0;
	case DW_FORM_data1:
	case DW_FORM_ref1:
	case DW_FORM_flag:
	case DW_FORM_strx1:
	case DW_FORM_addrx1:
		return 1;
	case DW_FORM_data2:
	case DW_FORM_ref2:
	case DW_FORM_strx2:
	case DW_FORM_addrx2:
		return 2;
	case DW_FORM_strx3:
	case DW_FORM_addrx3:
		return 3;
	case DW_FORM_data4:
	case DW_FORM_ref4:
	case DW_FORM_ref_sup4:
	case DW_FORM_strx4:
	case DW_FORM_addrx4:
		return 4;
	case DW_FORM_data8:
	case DW_FORM_ref8:
	case DW_FORM_ref_sig8:
	case DW_FORM_ref_sup8:
		return 8;
	case DW_FORM_data16:
		return 16;
	case DW_FORM_addr:
		return shape->address_bytes;
	case DW_FORM_ref_addr: /* DWARF 2 sized it like an address */
		return shape->version == 2 ? shape->address_bytes : shape->offset_bytes;
	case DW_FORM_strp:
	case DW_FORM_line_strp:
	case DW_FORM_sec_offset:
	case DW_FORM_strp_sup:
	case DW_FORM_GNU_ref_alt:
	case DW_FORM_GNU_strp_alt:
		return shape->offset_bytes;
	default:
		return -1;
	}
}

void dwarf_skip_form(struct cursor *c, const struct dwarf_unit *unit, uint16_t form)
{
	int bytes = dwarf_form_bytes(form, unit->abbrevs);

	if (bytes >= 0) {
		cursor_skip(c, (uint64_t)bytes);
		return;
	}
	switch (form) {
	case DW_FORM_exprloc:
	case DW_FORM_block:
		cursor_skip(c, cursor_uleb(c));
		break;
	case DW_FORM_block1:
		cursor_skip(c, cursor_u8(c));
		break;
	case DW_FORM_block2:
		cursor_skip(c, cursor_u16(c));
		break;
	case DW_FORM_block4:
		cursor_skip(c, cursor_u32(c));
		break;
	case DW_FORM_sdata:
	case DW_FORM_udata:
	case DW_FORM_ref_udata:
	case DW_FORM_strx:
	case DW_FORM_addrx:
	case DW_FORM_loclistx:
	case DW_FORM_rnglistx:
	case DW_FORM_GNU_addr_index:
	case DW_FORM_GNU_str_index:
		cursor_skip_leb(c);
		break;
	case DW_FORM_string:
		(void)cursor_string(c);
		break;
	case DW_FORM_indirect: {
		uint64_t inner = cursor_uleb(c);

		/* One level: nobody nests them, and nobody shall make us recurse. */
		if (inner == DW_FORM_indirect || inner == DW_FORM_implicit_const ||
		    inner > UINT16_MAX)
			cursor_fail(c);
		else
			dwarf_skip_form(c, unit, (uint16_t)inner);
		break;
	}
	default:
		cursor_fail(c);
	}
}

struct dwarf_value dwarf_read_form(struct cursor *c, const struct dwarf_unit *unit,
				   const struct dwarf_attribute *attribute)
{
	struct dwarf_value value = {.form = attribute->form};

	if (value.form == DW_FORM_indirect) {
		uint64_t inner = cursor_uleb(c);

		if (inner == DW_FORM_indirect || inner == DW_FORM_implicit_const ||
		    inner > UINT16_MAX)
			cursor_fail(c);
		value.form = (uint16_t)inner;
	}

	int bytes = dwarf_form_bytes(value.form, unit->abbrevs);

	switch (value.form) {
	case DW_FORM_flag_present:
		value.number = 1;
		return value;
	case DW_FORM_implicit_const:
		value.number = (uint64_t)attribute->implicit;
		return value;
	case DW_FORM_data16:
		cursor_skip(c, 16);
		return value;
	case DW_FORM_sdata:
		value.number = (uint64_t)cursor_sleb(c);
		return value;
	case DW_FORM_udata:
	case DW_FORM_ref_udata:
	case DW_FORM_strx:
	case DW_FORM_addrx:
	case DW_FORM_rnglistx:
	case DW_FORM_loclistx:
	case DW_FORM_GNU_addr_index:
	case DW_FORM_GNU_str_index:
		value.number = cursor_uleb(c);
		return value;
	case DW_FORM_string:
		value.text = cursor_string(c);
		return value;
	}
	if (bytes == 3)
		value.number = cursor_u24(c);
	else if (bytes > 0)
		value.number = cursor_sized(c, (unsigned int)bytes);
	else
		dwarf_skip_form(c, unit, value.form);
	return value;
}

/* Entry @index of the string offset table. */
static const char *string_at_index(const struct dwarf_unit *unit, uint64_t index)
{
	uint64_t offset;

	if (__builtin_mul_overflow(index, (uint64_t)unit->offset_bytes, &offset) ||
	    __builtin_add_overflow(offset, unit->str_offsets_base, &offset))
		return NULL;

	struct cursor c = cursor_at(unit->file->str_offsets, offset);
	uint64_t at = cursor_offset(&c, unit->offset_bytes);

	return c.bad ? NULL : slice_string(unit->file->str, at);
}

const char *dwarf_value_string(const struct dwarf_unit *unit, struct dwarf_value value)
{
	const struct dwarf_file *f = unit->file;

	switch (value.form) {
	case DW_FORM_string:
		return value.text;
	case DW_FORM_strp:
		return slice_string(f->str, value.number);
	case DW_FORM_line_strp:
		return slice_string(f->line_str, value.number);
	case DW_FORM_strp_sup:
	case DW_FORM_GNU_strp_alt:
		return f->alt ? slice_string(f->alt->str, value.number) : NULL;
	case DW_FORM_strx:
	case DW_FORM_strx1:
	case DW_FORM_strx2:
	case DW_FORM_strx3:
	case DW_FORM_strx4:
	case DW_FORM_GNU_str_index:
		return string_at_index(unit, value.number);
	default:
		return NULL;
	}
}

bool dwarf_addr_at(const struct dwarf_unit *unit, uint64_t index, uint64_t *ret)
{
	const struct dwarf_unit *owner = unit->skeleton ? unit->skeleton : unit;
	uint64_t offset;

	if (__builtin_mul_overflow(index, (uint64_t)unit->address_bytes, &offset) ||
	    __builtin_add_overflow(offset, owner->addr_base, &offset))
		return false;

	struct cursor c = cursor_at(owner->file->addr, offset);

	*ret = cursor_sized(&c, unit->address_bytes);
	return !c.bad;
}

bool dwarf_value_address(const struct dwarf_unit *unit, struct dwarf_value value, uint64_t *ret)
{
	switch (value.form) {
	case DW_FORM_addr:
		*ret = value.number;
		return true;
	case DW_FORM_addrx:
	case DW_FORM_addrx1:
	case DW_FORM_addrx2:
	case DW_FORM_addrx3:
	case DW_FORM_addrx4:
	case DW_FORM_GNU_addr_index:
		return dwarf_addr_at(unit, value.number, ret);
	default:
		return false;
	}
}

bool dwarf_value_is_number(struct dwarf_value value)
{
	switch (value.form) {
	case DW_FORM_data1:
	case DW_FORM_data2:
	case DW_FORM_data4:
	case DW_FORM_data8:
	case DW_FORM_sdata:
	case DW_FORM_udata:
	case DW_FORM_implicit_const:
		return true;
	default:
		return false;
	}
}

struct dwarf_ref dwarf_value_ref(const struct dwarf_unit *unit, struct dwarf_value value)
{
	switch (value.form) {
	case DW_FORM_ref1:
	case DW_FORM_ref2:
	case DW_FORM_ref4:
	case DW_FORM_ref8:
	case DW_FORM_ref_udata:
		return (struct dwarf_ref){unit->file, unit->offset + value.number};
	case DW_FORM_ref_addr:
		return (struct dwarf_ref){unit->file, value.number};
	case DW_FORM_ref_sup4:
	case DW_FORM_ref_sup8:
	case DW_FORM_GNU_ref_alt:
		return (struct dwarf_ref){unit->file->alt, value.number};
	default:
		return (struct dwarf_ref){0};
	}
}
