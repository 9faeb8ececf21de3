/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/host/unwind_recording.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "base/parse.h"
#include "symbolizer/binary.h"
#include "symbolizer/unwind_rule.h"

#define STACK_BYTES_MAX (1ull << 30)
#define STACK_REACH \
	(8ull << 20) /* how far a stack may go on above its copy, where the maps do not tell */

/* --- modules ------------------------------------------------------------------------------------------ */

static int open_below(const char *root, const char *path)
{
	char full[8192];
	int length = snprintf(full, sizeof(full), "%s/%s", root, path);

	if (length < 0 || (size_t)length >= sizeof(full))
		return -1;
	return open(full, O_RDONLY | O_CLOEXEC);
}

/** Index + 1 of the module at @path; opened if it is new. */
static int find_module(struct recording *r, const char *path, uint32_t *ret)
{
	for (size_t i = 0; i < r->module_count; i++) {
		if (!strcmp(r->modules[i].path, path)) {
			*ret = (uint32_t)i + 1;
			return 0;
		}
	}
	if (array_reserve((void **)&r->modules, &r->module_capacity, r->module_count + 1,
			  sizeof(*r->modules)))
		return -ENOMEM;

	struct recording_module *m = &r->modules[r->module_count];

	m->path = strdup(path);
	if (!m->path)
		return -ENOMEM;

	char *slash = strrchr(m->path, '/');

	m->name = slash ? slash + 1 : m->path;
	m->fd = open_below(r->root, path);
	m->exe = 0;
	*ret = (uint32_t)++r->module_count;
	return 0;
}

/**
 * Runtime address - ELF vaddr of a mapping, by the segment that its offset lies in; mappings start at whole pages,
 * so that may be a little before the segment. Executable segments first: two segments may share a page of the file.
 */
static int find_bias(const struct binary *b, const struct recording_map *m, uint64_t *ret)
{
	size_t count;
	const struct binary_segment *s = binary_segments(b, &count);

	for (int pass = 0; pass < 2; pass++) {
		for (size_t i = 0; i < count; i++) {
			if (s[i].executable != (pass == 0))
				continue;
			if (m->offset < (s[i].offset & ~4095ull) ||
			    m->offset >= s[i].offset + s[i].file_bytes)
				continue;
			*ret = m->start - m->offset - (s[i].vaddr - s[i].offset);
			return 0;
		}
	}
	return -ENOENT;
}

/** Find where the module of a mapping is loaded; numbers it if that worked. */
static void place_module(struct recording *r, struct recording_map *map)
{
	struct recording_module *m = &r->modules[map->module - 1];
	struct binary *b;
	int fd = m->fd < 0 ? -1 : fcntl(m->fd, F_DUPFD_CLOEXEC, 0);

	if (fd < 0)
		return;
	if (binary_open(fd, m->path, 0, &b)) {
		(void)close(fd); /* a duplicate, read-only */
		return;
	}
	if (!find_bias(b, map, &map->bias))
		m->exe = map->module;
	binary_unref(b);
}

/* --- maps --------------------------------------------------------------------------------------------- */

static int compare_maps(const void *a, const void *b)
{
	const struct recording_map *x = a, *y = b;

	return x->start < y->start ? -1 : x->start > y->start;
}

static int add_map(struct recording *r, char *line)
{
	struct recording_map m = {0};
	char perms[8];
	int name_at = 0;

	if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %7s %" SCNx64 " %*s %*s %n", &m.start, &m.end,
		   perms, &m.offset, &name_at) < 4 ||
	    m.start >= m.end || strlen(perms) < 3)
		return -EINVAL;
	m.is_writable = perms[1] == 'w';
	m.is_executable = perms[2] == 'x';

	char *name = name_at ? line + name_at : line + strlen(line);
	size_t length = strlen(name);
	const char *deleted = " (deleted)";

	while (length && (name[length - 1] == '\n' || name[length - 1] == '\r'))
		name[--length] = '\0';
	if (length > strlen(deleted) && !strcmp(name + length - strlen(deleted), deleted))
		name[length - strlen(deleted)] = '\0';

	int error = 0;

	if (name[0] == '/' || !strcmp(name, "[vdso]"))
		error = find_module(r, name, &m.module);
	if (error)
		return error;
	if (m.module && m.is_executable)
		place_module(r, &m);
	if (array_reserve((void **)&r->maps, &r->map_capacity, r->map_count + 1, sizeof(*r->maps)))
		return -ENOMEM;
	r->maps[r->map_count++] = m;
	return 0;
}

int recording_read_maps(struct recording *r, const char *path, uint32_t *line)
{
	auto_fclose FILE *f = fopen(path, "re");
	auto_free char *text = NULL;
	size_t size = 0;

	*line = 0;
	if (!f)
		return -errno;
	while (getline(&text, &size, f) >= 0) {
		(*line)++;
		if (text[strspn(text, " \t\r\n")] == '\0')
			continue;

		int error = add_map(r, text);

		if (error)
			return error;
	}
	*line = 0;
	if (r->map_count)
		qsort(r->maps, r->map_count, sizeof(*r->maps), compare_maps);
	return ferror(f) ? -EIO : 0;
}

const struct recording_map *recording_find(const struct recording *r, uint64_t addr)
{
	for (size_t i = 0; i < r->map_count; i++)
		if (addr - r->maps[i].start < r->maps[i].end - r->maps[i].start)
			return &r->maps[i];
	return NULL;
}

/* --- registers ---------------------------------------------------------------------------------------- */

int recording_read_regs(struct recording *r, const char *path, uint32_t *line)
{
	auto_fclose FILE *f = fopen(path, "re");
	auto_free char *text = NULL;
	size_t size = 0;

	*line = 0;
	if (!f)
		return -errno;
	while (getline(&text, &size, f) >= 0) {
		char name[32], digits[32];
		uint64_t value;

		(*line)++;
		if (text[strspn(text, " \t\r\n")] == '\0')
			continue;
		if (sscanf(text, " %31[^: \t] : %31s", name, digits) != 2 ||
		    parse_hex(digits, &value))
			return -EINVAL;

		int reg = unwind_reg_number_x86(name);

		if (reg == 16) {
			r->pc = value;
			r->has_pc = true;
		} else if (reg >= 0) {
			r->regs[reg] = value;
			r->known |= 1u << reg;
		}
	}
	*line = 0;
	return ferror(f) ? -EIO : 0;
}

/* --- memory ------------------------------------------------------------------------------------------- */

int recording_read_stack(struct recording *r, const char *path)
{
	auto_close int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	uint64_t start;

	if (fd < 0)
		return -errno;
	if (r->stack_count == RECORDING_STACKS)
		return -E2BIG;
	if (fstat(fd, &st))
		return -errno;
	if (st.st_size < 8 || (uint64_t)st.st_size > STACK_BYTES_MAX ||
	    pread(fd, &start, 8, 0) != 8)
		return -EINVAL;

	struct recording_stack *s = &r->stacks[r->stack_count];

	*s = (struct recording_stack){.start = start, .size = (uint64_t)st.st_size - 8};
	s->bytes = malloc(s->size ? s->size : 1);
	if (!s->bytes)
		return -ENOMEM;
	r->stack_count++;
	for (uint64_t done = 0; done < s->size;) {
		ssize_t n = pread(fd, s->bytes + done, s->size - done, (off_t)(8 + done));

		if (n <= 0)
			return n ? -errno : -EIO;
		done += (uint64_t)n;
	}
	return 0;
}

/** Whether @addr may belong to a stack whose copy ends below it. */
static bool is_above_copy(const struct recording *r, uint64_t addr)
{
	for (size_t i = 0; i < r->stack_count; i++) {
		const struct recording_stack *s = &r->stacks[i];
		const struct recording_map *m = recording_find(r, s->start);
		uint64_t end = m ? m->end : s->start + s->size + STACK_REACH;

		if (addr + 8 > s->start + s->size && addr >= s->start && addr < end)
			return true;
	}
	return false;
}

static int read_file(const struct recording *r, void *to, uint32_t bytes, uint64_t from)
{
	const struct recording_map *m = recording_find(r, from);

	if (!m || !m->module || m->is_writable || bytes > m->end - from ||
	    r->modules[m->module - 1].fd < 0)
		return -EFAULT;

	ssize_t n = pread(r->modules[m->module - 1].fd, to, bytes,
			  (off_t)(from - m->start + m->offset));

	return n == (ssize_t)bytes ? 0 : -EFAULT;
}

int recording_read(const struct recording *r, void *to, uint32_t bytes, uint64_t from)
{
	for (size_t i = 0; i < r->stack_count; i++) {
		const struct recording_stack *s = &r->stacks[i];
		uint64_t into = from - s->start;

		if (into < s->size && bytes <= s->size - into) {
			memcpy(to, s->bytes + into, bytes);
			return 0;
		}
	}
	if (!read_file(r, to, bytes, from))
		return 0;
	return is_above_copy(r, from) ? -ENODATA : -EFAULT;
}

void recording_release(struct recording *r)
{
	for (size_t i = 0; i < r->module_count; i++) {
		if (r->modules[i].fd >= 0)
			(void)close(r->modules[i].fd); /* read-only */
		free(r->modules[i].path);
	}
	for (size_t i = 0; i < r->stack_count; i++)
		free(r->stacks[i].bytes);
	free(r->modules);
	free(r->maps);
	*r = (struct recording){0};
}
