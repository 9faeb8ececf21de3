/* SPDX-License-Identifier: Apache-2.0 */
#include "symbolizer/unwind_file.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/hash.h"

struct unwind_file {
	atomic_uint refs;
	bool mapped; /* munmap() rather than free() */
	void *bytes;
	size_t size;
	const struct unwind_file_header *header;
	const struct unwind_rule *rules;
	const uint32_t *page_rows;
	const struct unwind_row *rows;
};

static uint64_t checksum_parts(const struct unwind_file_header *header, const void *body,
			       size_t body_size)
{
	struct unwind_file_header h = *header;

	h.checksum = 0;
	return hash_combine(hash_bytes(&h, sizeof(h)), hash_bytes(body, body_size));
}

uint64_t unwind_file_checksum(const void *bytes, size_t size)
{
	struct unwind_file_header h;

	memcpy(&h, bytes, sizeof(h));
	return checksum_parts(&h, (const char *)bytes + sizeof(h), size - sizeof(h));
}

static int validate_rows(const struct unwind_file *f)
{
	const struct unwind_file_header *h = f->header;

	if (f->page_rows[0] != 0 || f->page_rows[h->page_count] != h->row_count)
		return -EBADMSG;
	for (uint32_t p = 0; p < h->page_count; p++) {
		uint32_t first = f->page_rows[p], end = f->page_rows[p + 1];

		if (first > end || end > h->row_count)
			return -EBADMSG;
		for (uint32_t i = first; i < end; i++)
			if (f->rows[i].rule >= h->rule_count ||
			    (i > first && f->rows[i].low <= f->rows[i - 1].low))
				return -EBADMSG;
	}
	return 0;
}

/** Fill in the pointers, checking everything. */
static int validate(struct unwind_file *f)
{
	const struct unwind_file_header *h = f->bytes;

	if (f->size < sizeof(*h) || memcmp(h->magic, UNWIND_FILE_MAGIC, sizeof(h->magic)) ||
	    h->version != UNWIND_FILE_VERSION)
		return -EBADMSG;

	uint64_t rules_end = sizeof(*h) + (uint64_t)h->rule_count * sizeof(struct unwind_rule);
	uint64_t pages_end = rules_end + ((uint64_t)h->page_count + 1) * sizeof(uint32_t);
	uint64_t rows_end = pages_end + (uint64_t)h->row_count * sizeof(struct unwind_row);

	if (rows_end != f->size || h->page_count > UNWIND_DIRECTORY_PAGES ||
	    h->first_page > UINT32_MAX - h->page_count ||
	    h->checksum != unwind_file_checksum(f->bytes, f->size))
		return -EBADMSG;
	f->header = h;
	f->rules = (const void *)((const char *)f->bytes + sizeof(*h));
	f->page_rows = (const void *)((const char *)f->bytes + rules_end);
	f->rows = (const void *)((const char *)f->bytes + pages_end);
	return validate_rows(f);
}

static int open_bytes(void *bytes, size_t size, bool mapped, struct unwind_file **ret)
{
	auto_free struct unwind_file *f = calloc(1, sizeof(*f));

	if (!f)
		return -ENOMEM;
	atomic_init(&f->refs, 1);
	f->bytes = bytes;
	f->size = size;

	int error = validate(f);

	if (error)
		return error;
	f->mapped = mapped;
	*ret = take_ptr(f);
	return 0;
}

int unwind_file_open_memory(void *bytes, size_t size, struct unwind_file **ret)
{
	return open_bytes(bytes, size, false, ret);
}

int unwind_file_open(int fd, struct unwind_file **ret)
{
	struct stat st;

	if (fstat(fd, &st))
		return -EIO;
	if (st.st_size < (off_t)sizeof(struct unwind_file_header))
		return -EBADMSG;

	void *bytes = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);

	if (bytes == MAP_FAILED)
		return errno == ENOMEM ? -ENOMEM : -EIO;

	int error = open_bytes(bytes, (size_t)st.st_size, true, ret);

	if (error)
		(void)munmap(bytes, (size_t)st.st_size); /* cannot fail: what was just mapped */
	return error;
}

struct unwind_file *unwind_file_ref(struct unwind_file *f)
{
	atomic_fetch_add_explicit(&f->refs, 1, memory_order_relaxed);
	return f;
}

void unwind_file_unref(struct unwind_file *f)
{
	if (!f || atomic_fetch_sub_explicit(&f->refs, 1, memory_order_acq_rel) != 1)
		return;
	if (f->mapped)
		(void)munmap(f->bytes, f->size); /* cannot fail: mapped by us */
	else
		free(f->bytes);
	free(f);
}

const struct unwind_file_header *unwind_file_header(const struct unwind_file *f)
{
	return f->header;
}

const void *unwind_file_bytes(const struct unwind_file *f, size_t *ret_size)
{
	*ret_size = f->size;
	return f->bytes;
}

static int write_all(int fd, const char *bytes, size_t size)
{
	while (size) {
		ssize_t count = write(fd, bytes, size);

		if (count < 0 && errno == EINTR)
			continue;
		if (count <= 0)
			return count ? -errno : -EIO;
		bytes += count;
		size -= (size_t)count;
	}
	return 0;
}

int unwind_file_write(const struct unwind_file *f, uint32_t build_us, int fd)
{
	struct unwind_file_header h = *f->header;
	const char *body = (const char *)f->bytes + sizeof(h);

	h.build_us = build_us;
	h.checksum = checksum_parts(&h, body, f->size - sizeof(h));

	int error = write_all(fd, (const char *)&h, sizeof(h));

	return error ? error : write_all(fd, body, f->size - sizeof(h));
}

const struct unwind_rule *unwind_file_row(const struct unwind_file *f, uint32_t index,
					  uint64_t *ret_vaddr)
{
	uint32_t low = 0, high = f->header->page_count;

	while (high - low > 1) {
		uint32_t mid = low + (high - low) / 2;

		if (f->page_rows[mid] <= index)
			low = mid;
		else
			high = mid;
	}
	*ret_vaddr =
		((uint64_t)(f->header->first_page + low) << UNWIND_PAGE_SHIFT) + f->rows[index].low;
	return &f->rules[f->rows[index].rule];
}

/** Index of the last row at or below @low of page number @p, or -1. */
static int64_t find_row(const struct unwind_file *f, uint32_t p, uint16_t row_low)
{
	uint32_t low = f->page_rows[p], high = f->page_rows[p + 1];

	while (low < high) {
		uint32_t mid = low + (high - low) / 2;

		if (f->rows[mid].low <= row_low)
			low = mid + 1;
		else
			high = mid;
	}
	return (int64_t)low - 1; /* the last row of an earlier page if this one starts later */
}

const struct unwind_rule *unwind_file_find(const struct unwind_file *f, uint64_t vaddr)
{
	uint64_t page = (vaddr >> UNWIND_PAGE_SHIFT) - f->header->first_page;

	if (page >= f->header->page_count)
		return NULL;

	int64_t row = find_row(f, (uint32_t)page, (uint16_t)vaddr);

	return row < 0 ? NULL : &f->rules[f->rows[row].rule];
}

/* --- pages for the kernel ------------------------------------------------------------------------- */

struct page_maker {
	const struct unwind_file *f;
	struct unwind_rule *rules;
	uint16_t *lows;
	uint16_t *ids;
	uint32_t row_count;
	uint32_t rule_count;
	uint16_t slots[2 * UNWIND_PAGE_RULES_MAX]; /* hash of file rule -> page rule + 1 */
	uint16_t file_rules[UNWIND_PAGE_RULES_MAX];
};

/** The page's own id of a rule of the file, -1 if there are too many. */
static int page_rule(struct page_maker *m, uint16_t file_rule, const struct unwind_rule *rule)
{
	uint32_t slot = file_rule * 40503u % (2 * UNWIND_PAGE_RULES_MAX);

	for (; m->slots[slot]; slot = (slot + 1) % (2 * UNWIND_PAGE_RULES_MAX))
		if (m->file_rules[m->slots[slot] - 1] == file_rule)
			return m->slots[slot] - 1;
	if (m->rule_count == UNWIND_PAGE_RULES_MAX)
		return -1;
	m->file_rules[m->rule_count] = file_rule;
	m->rules[m->rule_count] = *rule;
	m->slots[slot] = (uint16_t)++m->rule_count;
	return (int)m->rule_count - 1;
}

static int page_add(struct page_maker *m, uint16_t low, uint16_t file_rule,
		    const struct unwind_rule *rule)
{
	int id = page_rule(m, file_rule, rule);

	if (id < 0)
		return -EFBIG;
	if (m->row_count && m->ids[m->row_count - 1] == id)
		return 0;
	if (m->row_count == UNWIND_PAGE_ROWS_MAX)
		return -EFBIG;
	m->lows[m->row_count] = low;
	m->ids[m->row_count++] = (uint16_t)id;
	return 0;
}

/** A row that says nothing and ends within UNWIND_GAP_BYTES. */
static bool is_padding(const struct unwind_file *f, uint32_t row, uint32_t page_end)
{
	return UNWIND_KIND(f->rules[f->rows[row].rule].cfa) == UNWIND_CFA_NONE &&
	       row + 1 < page_end && f->rows[row + 1].low - f->rows[row].low < UNWIND_GAP_BYTES;
}

static int collect_page(struct page_maker *m, uint32_t p)
{
	static const struct unwind_rule none;
	const struct unwind_file *f = m->f;
	uint32_t first = f->page_rows[p], end = f->page_rows[p + 1];
	int error = 0;

	if (first == end || f->rows[first].low) {
		/* The page begins inside the row before it, or before the first row. */
		uint16_t id = first ? f->rows[first - 1].rule : UINT16_MAX;

		error = page_add(m, 0, id, first ? &f->rules[id] : &none);
	}
	for (uint32_t i = first; i < end && !error; i++)
		if (!is_padding(f, i, end) || !m->row_count)
			error = page_add(m, f->rows[i].low, f->rows[i].rule,
					 &f->rules[f->rows[i].rule]);
	return error;
}

/** Put the parts behind each other. */
static int write_page(const struct page_maker *m, void *block, uint32_t *ret_bytes)
{
	bool wide = m->rule_count > 256;
	uint32_t rules_bytes = m->rule_count * (uint32_t)sizeof(struct unwind_rule);
	uint32_t bytes =
		(uint32_t)sizeof(struct unwind_page) + rules_bytes + m->row_count * (wide ? 4 : 3);
	struct unwind_page page = {
		.bytes = bytes,
		.rule_count = (uint16_t)m->rule_count,
		.row_count = (uint16_t)m->row_count,
		.wide = wide,
		.used = 1,
	};
	char *at = block;

	memcpy(at, &page, sizeof(page));
	at += sizeof(page);
	memcpy(at, m->rules, rules_bytes);
	at += rules_bytes;
	memcpy(at, m->lows, m->row_count * sizeof(uint16_t));
	at += m->row_count * sizeof(uint16_t);
	if (wide)
		memcpy(at, m->ids, m->row_count * sizeof(uint16_t));
	for (uint32_t i = 0; i < m->row_count && !wide; i++)
		at[i] = (char)m->ids[i];
	*ret_bytes = bytes;
	return 0;
}

int unwind_file_make_page(const struct unwind_file *f, uint32_t page, void *block,
			  uint32_t *ret_bytes)
{
	if (page - f->header->first_page >= f->header->page_count)
		return -ENOENT;

	auto_free struct unwind_rule *rules = malloc(UNWIND_PAGE_RULES_MAX * sizeof(*rules));
	auto_free uint16_t *lows = malloc(UNWIND_PAGE_ROWS_MAX * sizeof(*lows));
	auto_free uint16_t *ids = malloc(UNWIND_PAGE_ROWS_MAX * sizeof(*ids));
	struct page_maker m = {.f = f, .rules = rules, .lows = lows, .ids = ids};

	if (!rules || !lows || !ids)
		return -ENOMEM;

	int error = collect_page(&m, page - f->header->first_page);

	if (error)
		return error;
	return write_page(&m, block, ret_bytes);
}
