/* SPDX-License-Identifier: Apache-2.0 */
#define XXH_INLINE_ALL
#include "symbolizer/elfhead.h"

#include <elf.h>
#include <errno.h>
#include <link.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include "base/array.h"
#include "base/cleanup.h"

/* The class of this machine, as <link.h> picks it for ElfW(). */
#if __ELF_NATIVE_CLASS == 64
#define NATIVE_CLASS ELFCLASS64
#else
#define NATIVE_CLASS ELFCLASS32
#endif
#define NATIVE_DATA	    (__BYTE_ORDER == __LITTLE_ENDIAN ? ELFDATA2LSB : ELFDATA2MSB)

#define PROGRAM_HEADERS_MAX 4096  /* of which at most ELFHEAD_SEGMENTS_MAX PT_LOADs count */
#define NOTE_BYTES_MAX	    16384 /* of one segment or section; a build id stands near its start */
#define NOTE_AREAS_MAX	    64	  /* note segments and sections looked at */
#define SECTIONS_MAX	    65536
#define HASH_BYTES	    4096  /* of the head and of the tail of a file without build id */
#define TEXT_HASH_BYTES	    65536 /* of its first executable segment */
#define GO_NOTE_TYPE	    4
#define GNU_NOTE_NAME	    "GNU"
#define GO_NOTE_NAME	    "Go\0" /* with its NUL and one more: namesz is 4 */

/* All of @length bytes or nothing: 0; -ENOEXEC if the file ends before; -EIO. */
static int read_exactly(int fd, void *bytes, size_t length, uint64_t offset)
{
	size_t done = 0;

	if (offset > INT64_MAX - length)
		return -ENOEXEC;
	while (done < length) {
		ssize_t count =
			pread(fd, (char *)bytes + done, length - done, (off_t)(offset + done));

		if (count < 0 && errno == EINTR)
			continue;
		if (count < 0)
			return -EIO;
		if (!count)
			return -ENOEXEC;
		done += (size_t)count;
	}
	return 0;
}

static int read_header(int fd, ElfW(Ehdr) * ret)
{
	ElfW(Ehdr) header;
	int err = read_exactly(fd, &header, sizeof(header), 0);

	if (err)
		return err;
	if (memcmp(header.e_ident, ELFMAG, SELFMAG) || header.e_ident[EI_CLASS] != NATIVE_CLASS ||
	    header.e_ident[EI_DATA] != NATIVE_DATA)
		return -ENOEXEC;
	if (header.e_phnum && header.e_phentsize != sizeof(ElfW(Phdr)))
		return -ENOEXEC;
	*ret = header;
	return 0;
}

/* Keeps what a segment says only if it does not wrap around: later sums need no check. */
static int add_segment(struct elfhead *head, size_t *capacity, const ElfW(Phdr) * p)
{
	uint64_t end;

	if (head->segment_count == ELFHEAD_SEGMENTS_MAX || !p->p_memsz)
		return 0;
	if (__builtin_add_overflow(p->p_offset, p->p_filesz, &end) ||
	    __builtin_add_overflow(p->p_vaddr, p->p_memsz, &end) || p->p_filesz > p->p_memsz)
		return 0;
	if (array_reserve((void **)&head->segments, capacity, head->segment_count + 1,
			  sizeof(*head->segments)))
		return -ENOMEM;
	head->segments[head->segment_count++] = (struct binary_segment){
		.offset = p->p_offset,
		.vaddr = p->p_vaddr,
		.file_bytes = p->p_filesz,
		.memory_bytes = p->p_memsz,
		.executable = p->p_flags & PF_X,
	};
	return 0;
}

int elfhead_find_build_id(const void *notes, size_t length, uint64_t align, struct build_id *ret_id,
			  enum build_id_source *ret_source)
{
	const uint8_t *bytes = notes;
	size_t unit = align == 8 ? 8 : 4;
	int result = -ENOENT;

	for (size_t at = 0; at + sizeof(ElfW(Nhdr)) <= length;) {
		ElfW(Nhdr) note;

		memcpy(&note, bytes + at, sizeof(note));
		at += sizeof(note);

		size_t name_bytes = ((size_t)note.n_namesz + unit - 1) / unit * unit;
		size_t data_bytes = ((size_t)note.n_descsz + unit - 1) / unit * unit;

		if (note.n_namesz > length - at || note.n_descsz > length - at ||
		    name_bytes > length - at || note.n_descsz > length - at - name_bytes)
			break;

		const uint8_t *name = bytes + at, *data = name + name_bytes;

		if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == sizeof(GNU_NOTE_NAME) &&
		    !memcmp(name, GNU_NOTE_NAME, sizeof(GNU_NOTE_NAME)) && note.n_descsz &&
		    note.n_descsz <= BUILD_ID_BYTES_MAX) {
			*ret_id = (struct build_id){.length = (uint8_t)note.n_descsz};
			memcpy(ret_id->bytes, data, note.n_descsz);
			*ret_source = BUILD_ID_GNU;
			return 0;
		}
		if (note.n_type == GO_NOTE_TYPE && note.n_namesz == sizeof(GO_NOTE_NAME) &&
		    !memcmp(name, GO_NOTE_NAME, sizeof(GO_NOTE_NAME)) && note.n_descsz) {
			XXH128_canonical_t hash;

			XXH128_canonicalFromHash(&hash, XXH3_128bits(data, note.n_descsz));
			*ret_id = (struct build_id){.length = sizeof(hash)};
			memcpy(ret_id->bytes, &hash, sizeof(hash));
			*ret_source = BUILD_ID_GO;
			result = 0; /* a GNU id further on is better */
		}
		if (data_bytes > length - at - name_bytes)
			break;
		at += name_bytes + data_bytes;
	}
	return result;
}

/* Looks for a build id in one note area; a Go id found before is replaced by a GNU one only. */
static int search_notes(int fd, uint64_t offset, uint64_t length, uint64_t align,
			struct elfhead *head)
{
	auto_free uint8_t *notes = NULL;
	size_t wanted = length < NOTE_BYTES_MAX ? (size_t)length : NOTE_BYTES_MAX;

	if (!wanted)
		return 0;
	notes = malloc(wanted);
	if (!notes)
		return -ENOMEM;

	int err = read_exactly(fd, notes, wanted, offset);

	if (err == -ENOEXEC)
		return 0; /* a note outside the file is no reason to refuse it */
	if (err)
		return err;

	struct build_id id;
	enum build_id_source source;

	if (!elfhead_find_build_id(notes, wanted, align, &id, &source) &&
	    source < head->build_id_source) {
		head->build_id = id;
		head->build_id_source = source;
	}
	return 0;
}

static int read_program_headers(int fd, const ElfW(Ehdr) * header, struct elfhead *head)
{
	size_t capacity = 0, areas = 0;
	size_t count =
		header->e_phnum < PROGRAM_HEADERS_MAX ? header->e_phnum : PROGRAM_HEADERS_MAX;

	for (size_t i = 0; i < count; i++) {
		ElfW(Phdr) p;
		uint64_t offset;

		if (__builtin_add_overflow(header->e_phoff, i * sizeof(p), &offset))
			return -ENOEXEC;

		int err = read_exactly(fd, &p, sizeof(p), offset);

		if (!err && p.p_type == PT_LOAD)
			err = add_segment(head, &capacity, &p);
		if (!err && p.p_type == PT_NOTE && areas++ < NOTE_AREAS_MAX)
			err = search_notes(fd, p.p_offset, p.p_filesz, p.p_align, head);
		if (err)
			return err;
	}
	return 0;
}

/* Section headers are optional: whatever is wrong with them only means that no id is found there. */
static int search_sections(int fd, const ElfW(Ehdr) * header, struct elfhead *head)
{
	ElfW(Shdr) sections[64];
	size_t areas = 0, count = header->e_shnum, batch = ARRAY_SIZE(sections);

	if (!header->e_shoff || header->e_shentsize != sizeof(*sections))
		return 0;
	if (!count && !read_exactly(fd, sections, sizeof(*sections), header->e_shoff))
		count = sections[0].sh_size < SECTIONS_MAX ? sections[0].sh_size : SECTIONS_MAX;

	for (size_t at = 0; at < count; at += batch) {
		uint64_t offset;
		size_t left = count - at < batch ? count - at : batch;

		if (__builtin_add_overflow(header->e_shoff, at * sizeof(*sections), &offset) ||
		    read_exactly(fd, sections, left * sizeof(*sections), offset))
			return 0;
		for (size_t i = 0; i < left; i++) {
			if (sections[i].sh_type != SHT_NOTE || areas++ >= NOTE_AREAS_MAX)
				continue;

			int err = search_notes(fd, sections[i].sh_offset, sections[i].sh_size,
					       sections[i].sh_addralign, head);

			if (err)
				return err;
		}
	}
	return 0;
}

/* Adds up to @length bytes from @offset to the hash; a file that ends early just gives fewer. */
static int hash_part(int fd, XXH3_state_t *state, uint64_t offset, uint64_t length)
{
	uint8_t bytes[HASH_BYTES];

	while (length) {
		size_t wanted = length < sizeof(bytes) ? (size_t)length : sizeof(bytes);
		ssize_t count =
			offset > INT64_MAX - wanted ? 0 : pread(fd, bytes, wanted, (off_t)offset);

		if (count < 0 && errno == EINTR)
			continue;
		if (count < 0)
			return -EIO;
		if (!count)
			return 0;
		(void)XXH3_128bits_update(state, bytes, (size_t)count); /* cannot fail */
		offset += (uint64_t)count;
		length -= (uint64_t)count;
	}
	return 0;
}

/* Identity for a file without build id: its size, head, tail and the head of its code. */
static int hash_file(int fd, struct elfhead *head)
{
	auto_free XXH3_state_t *state = NULL;
	void *aligned = NULL;
	uint64_t size = head->file_bytes;

	if (posix_memalign(&aligned, 64, sizeof(*state)))
		return -ENOMEM;
	state = aligned;
	(void)XXH3_128bits_reset(state);		       /* cannot fail */
	(void)XXH3_128bits_update(state, &size, sizeof(size)); /* cannot fail */

	int err = hash_part(fd, state, 0, HASH_BYTES);

	if (!err)
		err = hash_part(fd, state, size > HASH_BYTES ? size - HASH_BYTES : 0, HASH_BYTES);
	for (size_t i = 0; !err && i < head->segment_count; i++) {
		const struct binary_segment *s = &head->segments[i];

		if (!s->executable)
			continue;
		err = hash_part(fd, state, s->offset,
				s->file_bytes < TEXT_HASH_BYTES ? s->file_bytes : TEXT_HASH_BYTES);
		break;
	}
	if (err)
		return err;

	XXH128_canonical_t hash;

	XXH128_canonicalFromHash(&hash, XXH3_128bits_digest(state));
	head->build_id = (struct build_id){.length = sizeof(hash)};
	memcpy(head->build_id.bytes, &hash, sizeof(hash));
	return 0;
}

DEFINE_CLEANUP(elfhead_release, struct elfhead *)

int elfhead_read(int fd, struct elfhead *ret)
{
	struct elfhead head = {.build_id_source = BUILD_ID_HASH};
	CLEANUP(elfhead_releasep) struct elfhead *owner = &head;
	ElfW(Ehdr) header;
	struct stat status;

	if (fstat(fd, &status))
		return -EIO;
	if (!S_ISREG(status.st_mode))
		return -ENOEXEC;

	int err = read_header(fd, &header);

	if (err)
		return err;
	head.type = header.e_type;
	head.machine = header.e_machine;
	head.file_bytes = (uint64_t)status.st_size;

	err = read_program_headers(fd, &header, &head);
	if (!err && head.build_id_source != BUILD_ID_GNU)
		err = search_sections(fd, &header, &head);
	if (!err && head.build_id_source == BUILD_ID_HASH)
		err = hash_file(fd, &head);
	if (err)
		return err;

	*ret = head;
	(void)take_ptr(owner);
	return 0;
}

void elfhead_release(struct elfhead *h)
{
	if (!h)
		return;
	free(h->segments);
	*h = (struct elfhead){0};
}
