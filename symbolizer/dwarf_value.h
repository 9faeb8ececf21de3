/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Values of DWARF attributes and the address ranges they give; the second half of symbolizer/dwarf.h.
 *
 * Thread rule: one owner at a time.
 */
#ifndef HEARTH_SYMBOLIZER_DWARF_VALUE_H
#define HEARTH_SYMBOLIZER_DWARF_VALUE_H

#include "symbolizer/dwarf.h"

/* --- dwarf_form.c --- */

/** Bytes a form always takes; -1 if it varies or is unknown. */
int dwarf_form_bytes(uint16_t form, const struct dwarf_abbrevs *shape_of);

/** Go over a value. An unknown form makes the cursor bad. */
void dwarf_skip_form(struct cursor *c, const struct dwarf_unit *unit, uint16_t form);

/** Read a value. An unknown form makes the cursor bad. */
struct dwarf_value dwarf_read_form(struct cursor *c, const struct dwarf_unit *unit,
				   const struct dwarf_attribute *attribute);

/** Text of a value, borrowed from the sections; NULL if it is none or lies outside. */
const char *dwarf_value_string(const struct dwarf_unit *unit, struct dwarf_value value);

/** Address of a value, through .debug_addr if need be. Returns false if it is none. */
bool dwarf_value_address(const struct dwarf_unit *unit, struct dwarf_value value, uint64_t *ret);

/** Whether a value is a number rather than an address, a string or a reference. */
bool dwarf_value_is_number(struct dwarf_value value);

/** Entry that a value refers to; `file` NULL if none. */
struct dwarf_ref dwarf_value_ref(const struct dwarf_unit *unit, struct dwarf_value value);

/** Entry @index of .debug_addr. Returns false if it lies outside. */
bool dwarf_addr_at(const struct dwarf_unit *unit, uint64_t index, uint64_t *ret);

/* --- dwarf_ranges.c --- */

struct dwarf_entry; /* symbolizer/dwarf_build.h */

/** Takes one range, ELF vaddrs, @high exclusive. Returns 0, or an error that ends the listing. */
typedef int dwarf_range_fn(void *context, uint64_t low, uint64_t high);

/**
 * List the ranges of an entry by its attributes (absent ones with form 0).
 *
 * Returns 0; -EBADMSG if the list is damaged (what came before it was listed); what @each returned.
 */
int dwarf_list_ranges(const struct dwarf_unit *unit, const struct dwarf_entry *entry,
		      dwarf_range_fn *each, void *context);

static inline void dwarf_skip_entry(struct cursor *c, const struct dwarf_unit *unit,
				    const struct dwarf_abbrev *abbrev)
{
	const struct dwarf_skip *skip = unit->abbrevs->skips + abbrev->skip_first;

	for (uint32_t i = 0; i < abbrev->skip_count; i++) {
		cursor_skip(c, skip[i].bytes);
		if (skip[i].form)
			dwarf_skip_form(c, unit, skip[i].form);
	}
}

#endif
