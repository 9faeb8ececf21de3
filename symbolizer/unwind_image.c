/* SPDX-License-Identifier: Apache-2.0 */
#include "symbolizer/unwind_image.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "base/buffer.h"
#include "base/cleanup.h"

static bool is_expression(const struct unwind_rule *rule)
{
	return UNWIND_KIND(rule->cfa) == UNWIND_CFA_EXPR ||
	       UNWIND_KIND(rule->bp) == UNWIND_REG_EXPR || UNWIND_KIND(rule->ra) == UNWIND_REG_EXPR;
}

static uint32_t count_expressions(const struct unwind_image *image)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < image->row_count; i++)
		count += is_expression(&image->rules[image->rows[i].rule]);
	return count;
}

/** Append page_rows[]: for each page, and for the end, the first row that starts there or later. */
static void append_pages(struct buffer *to, const struct unwind_image *image, uint32_t page_count)
{
	uint32_t row = 0;

	for (uint32_t page = 0; page <= page_count; page++) {
		while (row < image->row_count && image->rows[row].at >> UNWIND_PAGE_SHIFT < page)
			row++;
		if (page == page_count)
			row = image->row_count;
		buffer_append(to, &row, sizeof(row));
	}
}

static void append_rows(struct buffer *to, const struct unwind_image *image)
{
	for (uint32_t i = 0; i < image->row_count; i++) {
		struct unwind_row row = {(uint16_t)image->rows[i].at,
					 (uint16_t)image->rows[i].rule};

		buffer_append(to, &row, sizeof(row));
	}
}

int unwind_image_make(const struct unwind_image *image, struct unwind_file **ret)
{
	auto_buffer to = BUFFER_INIT;
	struct unwind_file_header h = {
		.magic = UNWIND_FILE_MAGIC,
		.version = UNWIND_FILE_VERSION,
		.machine = image->machine,
		.sources = image->sources,
		.rule_count = image->rule_count,
		.first_page = (uint32_t)(image->base >> UNWIND_PAGE_SHIFT),
		.page_count = (uint32_t)((image->end - image->base) >> UNWIND_PAGE_SHIFT) + 1,
		.row_count = image->row_count,
		.fde_count = (uint32_t)image->stats.fdes,
		.damaged_count = (uint32_t)image->stats.damaged,
		.expression_count = count_expressions(image),
	};

	buffer_append(&to, &h, sizeof(h));
	buffer_append(&to, image->rules, image->rule_count * sizeof(*image->rules));
	append_pages(&to, image, h.page_count);
	append_rows(&to, image);
	if (to.error)
		return to.error;
	h.checksum = unwind_file_checksum(to.bytes, to.length);
	memcpy(to.bytes, &h, sizeof(h));

	size_t size;
	auto_free char *bytes = buffer_steal(&to, &size);

	if (!bytes)
		return -ENOMEM;

	int error = unwind_file_open_memory(bytes, size, ret);

	if (!error)
		(void)take_ptr(bytes);
	return error;
}
