/* SPDX-License-Identifier: Apache-2.0 */
#include "symbolizer/unwind_elf.h"

#include <errno.h>
#include <gelf.h>
#include <string.h>

#include "symbolizer/cfi_reader.h"
#include "symbolizer/unwind_rule.h"

#define SECTION_BYTES_MAX \
	(512ull << 20) /* also of one that is stored compressed; the largest known have 10 MB */

static void add_section(struct unwind_elf *e, const struct cfi_section *s,
			enum unwind_source source)
{
	if (!s->size || e->section_count == UNWIND_ELF_SECTIONS)
		return;
	e->sections[e->section_count] = *s;
	if (s->size > SECTION_BYTES_MAX)
		e->sections[e->section_count].size = SECTION_BYTES_MAX;
	e->section_count++;
	e->sources |= source;
}

/** Read the program headers: the executable segments, and PT_GNU_EH_FRAME into @ret_hdr if there is one. */
static int read_segments(struct unwind_elf *e, GElf_Phdr *ret_hdr)
{
	size_t count, size;
	const uint8_t *image = (const uint8_t *)elf_rawfile(e->main, &size);

	if (!image || elf_getphdrnum(e->main, &count))
		return -ENOEXEC;
	for (size_t i = 0; i < count && i < UINT16_MAX; i++) {
		GElf_Phdr ph;

		if (!gelf_getphdr(e->main, (int)i, &ph))
			return -ENOEXEC;
		if (ph.p_type == PT_GNU_EH_FRAME)
			*ret_hdr = ph;
		if (ph.p_type != PT_LOAD || !(ph.p_flags & PF_X) || !ph.p_memsz)
			continue;
		if (ph.p_vaddr + ph.p_memsz < ph.p_vaddr || e->segment_count == UNWIND_ELF_SEGMENTS)
			continue;

		struct unwind_segment s = {.vaddr = ph.p_vaddr, .end = ph.p_vaddr + ph.p_memsz};

		if (ph.p_offset < size) {
			s.bytes = image + ph.p_offset;
			s.file_bytes = size - ph.p_offset;
			if (s.file_bytes > ph.p_filesz)
				s.file_bytes = ph.p_filesz;
			if (s.file_bytes > ph.p_memsz)
				s.file_bytes = ph.p_memsz;
		}
		e->segments[e->segment_count++] = s;
	}
	return 0;
}

/** Add a section by name; inflates it if it is stored compressed. */
static void find_section(struct unwind_elf *e, Elf *elf, const char *wanted, bool is_debug_frame)
{
	size_t names;
	Elf_Scn *scn = NULL;

	if (elf_getshdrstrndx(elf, &names))
		return;
	while ((scn = elf_nextscn(elf, scn))) {
		GElf_Shdr sh;
		GElf_Chdr ch;

		if (!gelf_getshdr(scn, &sh) || sh.sh_type == SHT_NOBITS)
			continue;

		const char *name = elf_strptr(elf, names, sh.sh_name);

		if (!name || strcmp(name, wanted))
			continue;
		if (sh.sh_flags & SHF_COMPRESSED) {
			if (!gelf_getchdr(scn, &ch) || ch.ch_size > SECTION_BYTES_MAX ||
			    elf_compress(scn, 0, 0) < 0)
				continue;
		}

		Elf_Data *data = elf_rawdata(scn, NULL);

		if (data && data->d_buf)
			add_section(e,
				    &(struct cfi_section){
					    .bytes = data->d_buf,
					    .size = data->d_size,
					    .vaddr = sh.sh_addr,
					    .is_debug_frame = is_debug_frame,
				    },
				    elf == e->debug  ? UNWIND_SOURCE_DEBUG_FILE
				    : is_debug_frame ? UNWIND_SOURCE_DEBUG_FRAME
						     : UNWIND_SOURCE_EH_FRAME);
	}
}

/**
 * Where .eh_frame starts, by the header that PT_GNU_EH_FRAME points to (LSB core, 10.6.2). Its end is not known:
 * the walk goes on to the terminator, at most to the end of the segment that holds it.
 */
static void find_by_header(struct unwind_elf *e, const GElf_Phdr *hdr)
{
	size_t size, count;
	const uint8_t *image = (const uint8_t *)elf_rawfile(e->main, &size);
	uint64_t frame;

	if (hdr->p_offset > size || elf_getphdrnum(e->main, &count))
		return;

	struct cfi_section at = {.bytes = image + hdr->p_offset,
				 .size = size - hdr->p_offset < hdr->p_filesz ? size - hdr->p_offset
									      : hdr->p_filesz,
				 .vaddr = hdr->p_vaddr};
	struct cfi_reader r = {at.bytes, at.bytes + at.size, false};
	uint8_t version = cfi_u8(&r), encoding = cfi_u8(&r);

	(void)cfi_unsigned(&r, 2); /* encodings of the search table, which is not needed */
	if (version != 1 || cfi_read_pointer(&r, &at, encoding, hdr->p_vaddr, &frame))
		return;
	for (size_t i = 0; i < count; i++) {
		GElf_Phdr ph;

		if (!gelf_getphdr(e->main, (int)i, &ph) || ph.p_type != PT_LOAD ||
		    frame - ph.p_vaddr >= ph.p_filesz)
			continue;

		uint64_t into = frame - ph.p_vaddr;

		if (ph.p_offset > size || into >= size - ph.p_offset)
			continue;

		uint64_t most = size - ph.p_offset < ph.p_filesz ? size - ph.p_offset : ph.p_filesz;

		add_section(e,
			    &(struct cfi_section){
				    .bytes = image + ph.p_offset + into,
				    .size = most - into,
				    .vaddr = frame,
				    .until_terminator = true,
			    },
			    UNWIND_SOURCE_EH_FRAME_HDR);
		return;
	}
}

static int read_elf(struct unwind_elf *e)
{
	GElf_Ehdr eh;
	GElf_Phdr hdr = {.p_type = PT_NULL};

	if (elf_kind(e->main) != ELF_K_ELF || gelf_getclass(e->main) != ELFCLASS64 ||
	    !gelf_getehdr(e->main, &eh) || eh.e_ident[EI_DATA] != ELFDATA2LSB)
		return -ENOEXEC;
	e->machine = eh.e_machine;
	if (!unwind_arch_find(e->machine))
		return -ENOTSUP;

	int error = read_segments(e, &hdr);

	if (error)
		return error;
	find_section(e, e->main, ".eh_frame", false);
	if (!e->section_count && hdr.p_type == PT_GNU_EH_FRAME)
		find_by_header(e, &hdr);
	find_section(e, e->main, ".debug_frame", true);
	if (e->debug && elf_kind(e->debug) == ELF_K_ELF) {
		find_section(e, e->debug, ".debug_frame", true);
		if (!e->section_count)
			find_section(e, e->debug, ".eh_frame", false);
	}
	return 0;
}

int unwind_elf_open(int fd, int debug_fd, struct unwind_elf *ret)
{
	if (elf_version(EV_CURRENT) == EV_NONE)
		return -ENOTSUP;
	memset(ret, 0, sizeof(*ret));
	ret->main = elf_begin(fd, ELF_C_READ_MMAP, NULL);
	if (!ret->main)
		return -ENOEXEC;
	if (debug_fd >= 0)
		ret->debug = elf_begin(debug_fd, ELF_C_READ_MMAP, NULL);

	int error = read_elf(ret);

	if (error)
		unwind_elf_release(ret);
	return error;
}

int unwind_elf_open_memory(const void *image, size_t size, struct unwind_elf *ret)
{
	if (elf_version(EV_CURRENT) == EV_NONE)
		return -ENOTSUP;
	memset(ret, 0, sizeof(*ret));
	ret->main = elf_memory((char *)(uintptr_t)image, size);
	if (!ret->main)
		return -ENOEXEC;

	int error = read_elf(ret);

	if (error)
		unwind_elf_release(ret);
	return error;
}

void unwind_elf_release(struct unwind_elf *e)
{
	if (!e)
		return;
	(void)elf_end(e->debug);
	(void)elf_end(e->main);
	memset(e, 0, sizeof(*e));
}

const struct unwind_segment *unwind_elf_segment(const struct unwind_elf *e, uint64_t vaddr)
{
	for (uint32_t i = 0; i < e->segment_count; i++)
		if (vaddr - e->segments[i].vaddr < e->segments[i].end - e->segments[i].vaddr)
			return &e->segments[i];
	return NULL;
}
