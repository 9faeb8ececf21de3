// SPDX-License-Identifier: Apache-2.0
/*
 * A row as text, numbers in nanoseconds:
 *
 *	FROM TO COVERED ATTRIBUTED SAMPLES
 *	LOST...		one for each reason
 *	CPU...		one for each kind of struct accounting
 *	KERNEL ATTRIBUTED PATH		for each cgroup; a line break in a path reads '?'
 */
#include "server/balance/balance_row.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "base/parse.h"

static const char others[] = "(others)";

void balance_row_release(struct balance_row *r)
{
	if (!r)
		return;
	strpool_release(&r->paths);
	idmap_release(&r->by_path);
	free(r->groups);
	*r = (struct balance_row){0};
}

static struct balance_group *find(struct balance_row *r, uint32_t path)
{
	struct idmap_probe p = idmap_find(&r->by_path, path);

	while (p.found && r->groups[p.id].path != path)
		idmap_next(&r->by_path, &p);
	return p.found ? &r->groups[p.id] : NULL;
}

int balance_row_add(struct balance_row *r, const char *path, uint64_t kernel_ns,
		    uint64_t attributed_ns)
{
	uint32_t id;

	if (strpool_add(&r->paths, r->group_count < BALANCE_GROUPS_MAX ? path : others, &id))
		return -ENOMEM;

	struct balance_group *g = find(r, id);

	if (!g) {
		if (array_reserve((void **)&r->groups, &r->group_capacity, r->group_count + 1,
				  sizeof(r->groups[0])) ||
		    idmap_insert(&r->by_path, id, (uint32_t)r->group_count))
			return -ENOMEM;
		g = &r->groups[r->group_count++];
		*g = (struct balance_group){.path = id};
	}
	g->kernel_ns += kernel_ns;
	g->attributed_ns += attributed_ns;
	return 0;
}

int balance_row_merge(struct balance_row *to, const struct balance_row *from)
{
	if (!to->covered_ns || from->wall_from_ns < to->wall_from_ns)
		to->wall_from_ns = from->wall_from_ns;
	if (from->wall_to_ns > to->wall_to_ns)
		to->wall_to_ns = from->wall_to_ns;
	to->covered_ns += from->covered_ns;
	to->attributed_ns += from->attributed_ns;
	to->samples += from->samples;
	for (int i = 0; i < LOST_REASON_COUNT; i++)
		to->lost_ns[i] += from->lost_ns[i];
	for (int i = 0; i < ACCOUNT_KIND_COUNT; i++)
		to->cpu_ns[i] += from->cpu_ns[i];
	for (size_t i = 0; i < from->group_count; i++) {
		const struct balance_group *g = &from->groups[i];

		if (balance_row_add(to, strpool_get(&from->paths, g->path), g->kernel_ns,
				    g->attributed_ns))
			return -ENOMEM;
	}
	return 0;
}

static void put_numbers(struct buffer *out, const uint64_t *numbers, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		buffer_put_u64(out, numbers[i]);
		buffer_putc(out, i + 1 < count ? ' ' : '\n');
	}
}

void balance_row_write(const struct balance_row *r, struct buffer *out)
{
	const uint64_t head[] = {r->wall_from_ns, r->wall_to_ns, r->covered_ns, r->attributed_ns,
				 r->samples};

	put_numbers(out, head, ARRAY_SIZE(head));
	put_numbers(out, r->lost_ns, LOST_REASON_COUNT);
	put_numbers(out, r->cpu_ns, ACCOUNT_KIND_COUNT);
	for (size_t i = 0; i < r->group_count; i++) {
		const struct balance_group *g = &r->groups[i];

		if (!g->kernel_ns && !g->attributed_ns)
			continue;
		buffer_put_u64(out, g->kernel_ns);
		buffer_putc(out, ' ');
		buffer_put_u64(out, g->attributed_ns);
		buffer_putc(out, ' ');
		for (const char *c = strpool_get(&r->paths, g->path); *c; c++)
			buffer_putc(out, *c == '\n' ? '?' : *c);
		buffer_putc(out, '\n');
	}
}

static int take_numbers(const char **text, uint64_t *numbers, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (parse_take_u64(text, &numbers[i]) || **text != (i + 1 < count ? ' ' : '\n'))
			return -EBADMSG;
		++*text;
	}
	return 0;
}

static int take_group(const char **text, struct balance_row *to)
{
	char path[ACCOUNTING_PATH_MAX];
	uint64_t numbers[2];

	for (size_t i = 0; i < 2; i++) {
		if (parse_take_u64(text, &numbers[i]) || **text != ' ')
			return -EBADMSG;
		++*text;
	}

	size_t length = strcspn(*text, "\n");

	if (length >= sizeof(path) || (*text)[length] != '\n')
		return -EBADMSG;
	memcpy(path, *text, length);
	path[length] = '\0';
	*text += length + 1;
	return balance_row_add(to, path, numbers[0], numbers[1]);
}

int balance_row_read(const char *text, struct balance_row *to)
{
	CLEANUP(balance_row_release) struct balance_row r = {0};
	uint64_t head[5];
	int err = take_numbers(&text, head, ARRAY_SIZE(head));

	if (!err)
		err = take_numbers(&text, r.lost_ns, LOST_REASON_COUNT);
	if (!err)
		err = take_numbers(&text, r.cpu_ns, ACCOUNT_KIND_COUNT);
	while (!err && *text)
		err = take_group(&text, &r);
	if (err)
		return err;
	r.wall_from_ns = head[0];
	r.wall_to_ns = head[1];
	r.covered_ns = head[2];
	r.attributed_ns = head[3];
	r.samples = head[4];
	return balance_row_merge(to, &r);
}
