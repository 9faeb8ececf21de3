/* SPDX-License-Identifier: Apache-2.0 */
#include "symbolizer/elfstream.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include "base/cleanup.h"
#include "symbolizer/elfpack.h"

#define STEP_BYTES (2u << 20) /* unpacked at a time; a multiple of any page size */

/** What a kind of compression brings. */
struct elfstream_codec {
	void *(*create)(struct slice packed);
	void (*destroy)(void *decoder);
	/* Unpacks exactly @length bytes to @to. Returns 0; -EBADMSG. */
	int (*unpack)(void *decoder, uint8_t *to, size_t length);
	/* Bytes of the packed ones that will not be read again. */
	size_t (*consumed)(void *decoder);
};

static void *zlib_create(struct slice packed)
{
	z_stream *z = calloc(1, sizeof(*z));

	if (!z || inflateInit(z) != Z_OK) {
		free(z);
		return NULL;
	}
	z->next_in = (Bytef *)packed.bytes; /* zlib does not write there */
	z->avail_in = packed.length > UINT32_MAX ? UINT32_MAX : (uInt)packed.length;
	return z;
}

static void zlib_destroy(void *decoder)
{
	(void)inflateEnd(decoder); /* only frees */
	free(decoder);
}

static int zlib_unpack(void *decoder, uint8_t *to, size_t length)
{
	z_stream *z = decoder;

	z->next_out = to;
	z->avail_out = (uInt)length;
	while (z->avail_out) {
		int status = inflate(z, Z_NO_FLUSH);

		if (status != Z_OK)
			return status == Z_STREAM_END && !z->avail_out ? 0 : -EBADMSG;
	}
	return 0;
}

static size_t zlib_consumed(void *decoder)
{
	return ((z_stream *)decoder)->total_in;
}

struct zstd_decoder {
	ZSTD_DStream *stream;
	ZSTD_inBuffer in;
};

static void *zstd_create(struct slice packed)
{
	struct zstd_decoder *d = calloc(1, sizeof(*d));

	if (!d)
		return NULL;
	d->stream = ZSTD_createDStream();
	d->in = (ZSTD_inBuffer){packed.bytes, packed.length, 0};
	if (d->stream)
		return d;
	free(d);
	return NULL;
}

static void zstd_destroy(void *decoder)
{
	(void)ZSTD_freeDStream(((struct zstd_decoder *)decoder)->stream); /* only frees */
	free(decoder);
}

static int zstd_unpack(void *decoder, uint8_t *to, size_t length)
{
	struct zstd_decoder *d = decoder;
	ZSTD_outBuffer out = {to, length, 0};

	while (out.pos < out.size) {
		size_t before_in = d->in.pos, before_out = out.pos;

		if (ZSTD_isError(ZSTD_decompressStream(d->stream, &out, &d->in)))
			return -EBADMSG;
		if (d->in.pos == before_in && out.pos == before_out)
			return -EBADMSG; /* it ends before its time */
	}
	return 0;
}

static size_t zstd_consumed(void *decoder)
{
	return ((struct zstd_decoder *)decoder)->in.pos;
}

static const struct elfstream_codec zlib_codec = {zlib_create, zlib_destroy, zlib_unpack,
						  zlib_consumed};
static const struct elfstream_codec zstd_codec = {zstd_create, zstd_destroy, zstd_unpack,
						  zstd_consumed};

DEFINE_CLEANUP(elfstream_release, struct elfstream *)

int elfstream_open(const struct elffile *f, const ElfW(Shdr) * section, struct elfstream *ret)
{
	struct elfstream s = {0};
	CLEANUP(elfstream_releasep) struct elfstream *owner = &s;
	struct elfpack pack;

	*ret = s;
	if (!section || section->sh_type == SHT_NOBITS) {
		(void)take_ptr(owner);
		return 0;
	}

	int err = elfpack_read(f, section, &pack);

	if (err)
		return err;
	if (pack.kind == ELFPACK_NONE) {
		s.bytes = pack.data;
		s.ready = pack.data.length;
		*ret = s;
		(void)take_ptr(owner);
		return 0;
	}
	/* zlib counts its input in 32 bits; nobody has 4 GiB of compressed DWARF in a section. */
	if (pack.length > ELFFILE_UNPACKED_MAX || pack.data.length > UINT32_MAX)
		return -EFBIG;
	s.codec = pack.kind == ELFPACK_ZSTD ? &zstd_codec : &zlib_codec;
	s.packed = pack.data;
	s.decoder = s.codec->create(pack.data);
	if (!s.decoder)
		return -ENOMEM;

	/* Addresses only; pages become memory as they are filled. */
	void *room = mmap(NULL, pack.length ? pack.length : 1, PROT_NONE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (room == MAP_FAILED)
		return -ENOMEM;
	s.bytes = (struct slice){room, pack.length};
	*ret = s;
	(void)take_ptr(owner);
	return 0;
}

void elfstream_release(struct elfstream *s)
{
	if (!s)
		return;
	if (s->decoder)
		s->codec->destroy(s->decoder);
	if (s->codec && s->bytes.bytes)
		(void)munmap((void *)s->bytes.bytes, s->bytes.length ? s->bytes.length : 1);
	*s = (struct elfstream){0};
}

int elfstream_fill(struct elfstream *s, uint64_t until)
{
	if (until > s->bytes.length)
		until = s->bytes.length;
	while (s->ready < until) {
		uint8_t *to = (uint8_t *)s->bytes.bytes + s->ready;
		size_t left = s->bytes.length - s->ready;
		size_t length = left < STEP_BYTES ? left : STEP_BYTES;

		if (mprotect(to, length, PROT_READ | PROT_WRITE))
			return -ENOMEM;

		int err = s->codec->unpack(s->decoder, to, length);

		if (err)
			return err;
		s->ready += length;
	}
	return 0;
}

/* Gives pages of @bytes between two offsets back to the kernel. */
static void forget(struct slice bytes, size_t from, size_t until, bool anonymous)
{
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
	uintptr_t first = ((uintptr_t)bytes.bytes + from + page - 1) & -page;
	uintptr_t last = ((uintptr_t)bytes.bytes + until) & -page;

	if (last <= first)
		return;
	/* Hints both: at worst the memory stays in use. File pages can be read again if need be. */
	if (anonymous)
		(void)mmap((void *)first, last - first, PROT_NONE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
	else
		(void)madvise((void *)first, last - first, MADV_DONTNEED);
}

void elfstream_drop(struct elfstream *s, uint64_t until)
{
	if (until > s->ready)
		until = s->ready;
	if (until < s->dropped + STEP_BYTES)
		return; /* not worth a system call */

	/* Steps begin and end at pages of their own: what is dropped again from a page's middle was not dropped. */
	forget(s->bytes, s->dropped, until, s->codec);
	s->dropped = until & ~((uint64_t)sysconf(_SC_PAGESIZE) - 1);
	if (s->codec) {
		size_t consumed = s->codec->consumed(s->decoder);

		forget(s->packed, s->packed_dropped, consumed, false);
		s->packed_dropped = consumed;
	}
}
