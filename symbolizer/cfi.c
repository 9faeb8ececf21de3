/* SPDX-License-Identifier: Apache-2.0 */
#include "symbolizer/cfi.h"

#include <errno.h>

#include "symbolizer/cfi_reader.h"

#define CIE_CACHE_SIZE	 16 /* on the stack; files have a handful */
#define AUGMENTATION_MAX 16

enum {
	DW_EH_PE_absptr = 0x00,
	DW_EH_PE_uleb128 = 0x01,
	DW_EH_PE_udata2 = 0x02,
	DW_EH_PE_udata4 = 0x03,
	DW_EH_PE_udata8 = 0x04,
	DW_EH_PE_sleb128 = 0x09,
	DW_EH_PE_sdata2 = 0x0a,
	DW_EH_PE_sdata4 = 0x0b,
	DW_EH_PE_sdata8 = 0x0c,
	DW_EH_PE_format = 0x0f,
	DW_EH_PE_pcrel = 0x10,
	DW_EH_PE_datarel = 0x30,
	DW_EH_PE_application = 0x70,
	DW_EH_PE_indirect = 0x80,
	DW_EH_PE_omit = 0xff,
};

struct walk {
	const struct cfi_section *section;
	const struct cfi_handler *handler;
	struct cfi_stats *stats;
	struct cfi_cie cies[CIE_CACHE_SIZE]; /* direct-mapped by offset */
	struct cfi_row row;		     /* state of the FDE at hand */
};

/** The head of a CIE or FDE. */
struct entry {
	uint64_t offset;	/* in the section */
	uint64_t id;		/* CIE id or pointer */
	uint64_t id_offset;	/* where that field is */
	uint64_t terminator;	/* 1: a zero length */
	struct cfi_reader body; /* behind the id */
	uint8_t offset_bytes;
};

static int read_value(struct cfi_reader *r, uint8_t encoding, uint64_t *ret)
{
	switch (encoding & DW_EH_PE_format) {
	case DW_EH_PE_absptr:
	case DW_EH_PE_udata8:
	case DW_EH_PE_sdata8:
		*ret = cfi_unsigned(r, 8);
		break;
	case DW_EH_PE_uleb128:
		*ret = cfi_uleb(r);
		break;
	case DW_EH_PE_sleb128:
		*ret = (uint64_t)cfi_sleb(r);
		break;
	case DW_EH_PE_udata2:
		*ret = cfi_unsigned(r, 2);
		break;
	case DW_EH_PE_udata4:
		*ret = cfi_unsigned(r, 4);
		break;
	case DW_EH_PE_sdata2:
		*ret = (uint64_t)cfi_signed(r, 2);
		break;
	case DW_EH_PE_sdata4:
		*ret = (uint64_t)cfi_signed(r, 4);
		break;
	default:
		return -EBADMSG;
	}
	return r->bad ? -EBADMSG : 0;
}

int cfi_read_pointer(struct cfi_reader *r, const struct cfi_section *section, uint8_t encoding,
		     uint64_t data_base, uint64_t *ret)
{
	uint64_t base = 0, value;

	switch (encoding & (DW_EH_PE_application | DW_EH_PE_indirect)) {
	case 0:
		break;
	case DW_EH_PE_pcrel:
		base = section->vaddr + (uint64_t)(r->at - section->bytes);
		break;
	case DW_EH_PE_datarel:
		if (!data_base)
			return -EBADMSG;
		base = data_base;
		break;
	default:
		return -EBADMSG;
	}

	int error = read_value(r, encoding, &value);

	if (!error)
		*ret = base + value;
	return error;
}

/** Read the head at @offset. Returns 0 with *@ret_next behind the entry; -EBADMSG if the section ends in it. */
static int read_entry(const struct cfi_section *s, uint64_t offset, struct entry *ret,
		      uint64_t *ret_next)
{
	struct cfi_reader r = {s->bytes + offset, s->bytes + s->size, false};
	uint64_t length = cfi_unsigned(&r, 4);
	bool wide = length == 0xffffffff;

	*ret = (struct entry){.offset = offset, .offset_bytes = wide ? 8 : 4};
	if (wide)
		length = cfi_unsigned(&r, 8);
	if (r.bad || length > cfi_left(&r))
		return -EBADMSG;
	*ret_next = (uint64_t)(r.at - s->bytes) + length;
	if (!length) {
		ret->terminator = 1;
		return 0;
	}
	r.end = r.at + length;
	ret->id_offset = (uint64_t)(r.at - s->bytes);
	ret->id = cfi_unsigned(&r, ret->offset_bytes);
	ret->body = r;
	return r.bad ? -EBADMSG : 0;
}

static bool is_cie(const struct cfi_section *s, const struct entry *e)
{
	if (!s->is_debug_frame)
		return !e->id;
	return e->id == (e->offset_bytes == 8 ? UINT64_MAX : UINT32_MAX);
}

/** Read the data of a "z" augmentation. */
static int read_augmentation(struct cfi_reader *r, const struct cfi_section *s, const char *letters,
			     struct cfi_cie *cie)
{
	uint64_t length = cfi_uleb(r), ignored;
	const uint8_t *bytes = cfi_bytes(r, length);

	if (!bytes)
		return -EBADMSG;
	cie->has_augmentation_data = true;

	struct cfi_reader data = {bytes, bytes + length, false};

	for (; *letters; letters++) {
		switch (*letters) {
		case 'R':
			cie->fde_encoding = cfi_u8(&data);
			break;
		case 'L':
			(void)cfi_u8(&data);
			break;
		case 'P': {
			uint8_t encoding = cfi_u8(&data);

			if (read_value(&data, encoding, &ignored))
				return -EBADMSG;
			break;
		}
		case 'S':
			cie->initial.signal_frame = true;
			break;
		case 'B': /* arm64: return addresses signed with the B key */
		case 'G': /* arm64: tagged stack memory */
			break;
		default:
			return -EBADMSG;
		}
	}
	(void)s;
	return data.bad ? -EBADMSG : 0;
}

static int read_cie_fields(const struct cfi_section *s, struct cfi_reader *r, struct cfi_cie *cie)
{
	uint8_t version = cfi_u8(r);

	if (version != 1 && version != 3 && version != 4)
		return -EBADMSG;

	const uint8_t *letters = r->at;
	size_t most = cfi_left(r) < AUGMENTATION_MAX ? cfi_left(r) : AUGMENTATION_MAX;
	const uint8_t *nul = memchr(letters, 0, most);

	if (!nul)
		return -EBADMSG;
	r->at = nul + 1;
	if (version == 4) {
		cie->address_bytes = cfi_u8(r);
		if (cie->address_bytes != 8 || cfi_u8(r) != 0)
			return -EBADMSG;
	}
	cie->code_factor = cfi_uleb(r);
	cie->data_factor = cfi_sleb(r);

	uint64_t ra_reg = version == 1 ? cfi_u8(r) : cfi_uleb(r);

	if (r->bad || ra_reg >= CFI_REGS)
		return -EBADMSG;
	cie->initial.ra_reg = (uint8_t)ra_reg;
	if (!*letters)
		return 0;
	if (*letters != 'z')
		return -EBADMSG;
	return read_augmentation(r, s, (const char *)letters + 1, cie);
}

/** Read the CIE at @offset into @cie. */
static int read_cie(const struct cfi_section *s, uint64_t offset, struct cfi_cie *cie)
{
	struct entry e;
	uint64_t next, end;

	memset(cie, 0, sizeof(*cie));
	cie->offset = offset;
	cie->address_bytes = 8;
	if (offset >= s->size || read_entry(s, offset, &e, &next) || e.terminator || !is_cie(s, &e))
		return -EBADMSG;

	int error = read_cie_fields(s, &e.body, cie);

	if (error)
		return error;
	if (cfi_left(&e.body) > CFI_CIE_BYTES_MAX)
		return -EBADMSG;

	struct cfi_program program = {
		.section = s,
		.cie = cie,
		.begin = e.body.at,
		.end = e.body.end,
	};
	struct cfi_row row = cie->initial;

	error = cfi_execute(&program, &row, NULL, &end);
	if (error)
		return error;
	cie->initial = row;
	cie->valid = true;
	return 0;
}

/** The CIE at @offset, read now or before; NULL if it is damaged. */
static const struct cfi_cie *find_cie(struct walk *w, uint64_t offset)
{
	struct cfi_cie *cie = &w->cies[(offset ^ offset >> 8) / 4 % CIE_CACHE_SIZE];

	if (cie->offset != offset && read_cie(w->section, offset, cie)) {
		w->stats->damaged++;
		cie->valid = false;
	}
	return cie->valid ? cie : NULL;
}

static int walk_fde(struct walk *w, struct entry *e)
{
	const struct cfi_section *s = w->section;
	uint64_t cie_offset = s->is_debug_frame ? e->id : e->id_offset - e->id;
	const struct cfi_cie *cie = find_cie(w, cie_offset);
	uint64_t start, length, end;

	if (!cie)
		return -EBADMSG;
	if (cfi_read_pointer(&e->body, s, cie->fde_encoding, 0, &start) ||
	    read_value(&e->body, cie->fde_encoding & DW_EH_PE_format, &length))
		return -EBADMSG;
	if (cie->has_augmentation_data)
		(void)cfi_bytes(&e->body, cfi_uleb(&e->body));
	if (e->body.bad || start + length < start)
		return -EBADMSG;
	if (!length || !w->handler->fde(w->handler->arg, start, start + length))
		return 0;

	struct cfi_program program = {
		.section = s,
		.cie = cie,
		.begin = e->body.at,
		.end = e->body.end,
		.start = start,
		.limit = start + length,
	};

	w->row = cie->initial;

	int error = cfi_execute(&program, &w->row, w->handler, &end);

	w->handler->fde_end(w->handler->arg, end);
	return error;
}

void cfi_walk(const struct cfi_section *section, const struct cfi_handler *handler,
	      struct cfi_stats *stats)
{
	struct walk w = {.section = section, .handler = handler, .stats = stats};
	uint64_t offset = 0, next;

	for (size_t i = 0; i < CIE_CACHE_SIZE; i++)
		w.cies[i].offset = UINT64_MAX;
	for (; offset < section->size; offset = next) {
		struct entry e;

		if (read_entry(section, offset, &e, &next)) {
			stats->damaged++;
			return;
		}
		if (e.terminator && section->until_terminator)
			return;
		if (e.terminator)
			continue; /* files that were linked together may carry one between them */
		if (is_cie(section, &e)) {
			stats->cies++;
			continue;
		}
		stats->fdes++;
		if (walk_fde(&w, &e))
			stats->damaged++;
	}
}
