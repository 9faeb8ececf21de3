/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a line of kallsyms looks like, and what is made of it:
 *
 *	ffffffff81000000 T _stext                            text of the image: kept
 *	ffffffff82000000 R __start_rodata                    no text: ends the symbol before it
 *	ffffffffc0201000 t e1000_probe	[e1000]              text of a module
 *	ffffffffc0123abc t bpf_prog_6deef7357e7b4530_dump	[bpf]
 *	0000000000000000 A fixed_percpu_data                 all addresses 0: not allowed to see them
 *
 * Symbols have no sizes: one reaches to the next, but never further than a function can sensibly be, so that
 * the gap behind a module is not named after the module's last function.
 */
#include "symbolizer/ksyms.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "base/strpool.h"

#define LINE_BYTES_MAX	  1024 /* KSYM_NAME_LEN is 512; a longer line is skipped */
#define READ_BYTES	  65536
#define SYMBOLS_MAX	  (4u << 20)
#define NAME_BYTES_MAX	  (512u << 20)
#define SYMBOL_BYTES_MAX  (256u << 10) /* longest function of the image or a module */
#define PROGRAM_BYTES_MAX (4u << 20)   /* longest BPF program */

/* 16 bytes a symbol. `name` 0 = something that is no text starts here. */
struct entry {
	uint64_t start;
	uint32_t name;	 /* offset in `names` */
	uint16_t module; /* id in `modules`; 0 = kernel image */
	uint8_t rank;	 /* among aliases: higher is better */
};

struct ksyms {
	struct entry *entries; /* sorted by start, one an address */
	size_t entry_count;
	size_t symbol_count; /* entries with a name */
	char *names;	     /* NUL-terminated strings; offset 0 is "" */
	size_t name_bytes;
	struct strpool modules;
	uint16_t bpf_module; /* id of "bpf"; 0 = none */
};

struct loader {
	struct ksyms *k;
	size_t entry_capacity;
	size_t name_capacity;
	bool in_order;	  /* entries came sorted so far */
	bool any_address; /* an address other than 0 was seen */
	bool last_is_gap; /* the last entry has no name */
};

DEFINE_CLEANUP(ksyms_destroy, struct ksyms *)

static bool is_text(char type)
{
	return type == 't' || type == 'T' || type == 'w' || type == 'W';
}

/* Global before weak before local; then as few leading underscores as possible. */
static uint8_t rank_of(char type, const char *name)
{
	uint8_t underscores = 0;

	while (name[underscores] == '_' && underscores < 15)
		underscores++;
	return (uint8_t)((type == 'T' ? 0x20 : type == 't' ? 0 : 0x10) | (15 - underscores));
}

/* Padding in front of functions: no instruction pointer is ever in there. */
static bool is_padding(const char *name)
{
	return !strncmp(name, "__pfx_", 6) || !strncmp(name, "__cfi_", 6);
}

static int add_name(struct loader *l, const char *name, uint32_t *ret)
{
	struct ksyms *k = l->k;
	size_t length = strlen(name) + 1;

	if (k->name_bytes + length > NAME_BYTES_MAX)
		return -EFBIG;
	if (array_reserve((void **)&k->names, &l->name_capacity, k->name_bytes + length, 1))
		return -ENOMEM;
	memcpy(k->names + k->name_bytes, name, length);
	*ret = (uint32_t)k->name_bytes;
	k->name_bytes += length;
	return 0;
}

static int add_entry(struct loader *l, struct entry entry)
{
	struct ksyms *k = l->k;

	if (k->entry_count >= SYMBOLS_MAX)
		return -EFBIG;
	if (array_reserve((void **)&k->entries, &l->entry_capacity, k->entry_count + 1,
			  sizeof(*k->entries)))
		return -ENOMEM;
	if (k->entry_count && entry.start <= k->entries[k->entry_count - 1].start)
		l->in_order = false;
	l->last_is_gap = !entry.name;
	k->entries[k->entry_count++] = entry;
	return 0;
}

/* Reads hex digits up to a space. Returns what follows the space; NULL if the text is of another form. */
static char *take_address(char *text, uint64_t *ret)
{
	uint64_t value = 0;
	char *at = text;

	for (; *at && *at != ' '; at++) {
		char c = *at;
		int digit = c >= '0' && c <= '9'   ? c - '0'
			    : c >= 'a' && c <= 'f' ? c - 'a' + 10
						   : -1;

		if (digit < 0 || at - text >= 16)
			return NULL;
		value = value << 4 | (unsigned int)digit;
	}
	if (at == text || !*at)
		return NULL;
	*ret = value;
	return at + 1;
}

/* "ext4" of "\t[ext4]", in place; NULL if there is no module. */
static char *module_of(char *name)
{
	char *tab = strchr(name, '\t');

	if (!tab)
		return NULL;
	*tab = '\0';
	if (tab[1] != '[')
		return NULL;

	char *end = strchr(tab + 2, ']');

	if (!end)
		return NULL;
	*end = '\0';
	return tab + 2;
}

static int load_line(struct loader *l, char *line)
{
	uint64_t start;
	char *type = take_address(line, &start);

	if (!type || !type[0] || type[1] != ' ' || !type[2])
		return 0; /* not of the form: nothing to learn from it */
	if (start)
		l->any_address = true;

	char *name = type + 2;
	char *module = module_of(name);

	if (!start || *type == 'A' || *type == 'a' || *type == 'U' || is_padding(name))
		return 0;
	if (!is_text(*type))
		return l->last_is_gap ? 0 : add_entry(l, (struct entry){.start = start});

	struct entry entry = {.start = start, .rank = rank_of(*type, name)};

	if (module) {
		uint32_t id;

		if (strpool_add(&l->k->modules, module, &id))
			return -ENOMEM;
		if (id > UINT16_MAX)
			return -EFBIG;
		entry.module = (uint16_t)id;
		if (!strcmp(module, "bpf"))
			l->k->bpf_module = entry.module;
	}

	int err = add_name(l, name, &entry.name);

	return err ? err : add_entry(l, entry);
}

/* Feeds the lines of @fd one by one; a line longer than the limit is skipped whole. */
static int load_lines(struct loader *l, int fd)
{
	auto_free char *bytes = malloc(READ_BYTES + LINE_BYTES_MAX + 1);
	size_t kept = 0;
	bool skipping = false;

	if (!bytes)
		return -ENOMEM;
	for (;;) {
		ssize_t count = read(fd, bytes + kept, READ_BYTES);

		if (count < 0 && errno == EINTR)
			continue;
		if (count < 0)
			return -errno;
		if (!count)
			break;

		char *at = bytes, *end = bytes + kept + count;

		for (char *newline; (newline = memchr(at, '\n', (size_t)(end - at)));
		     at = newline + 1) {
			*newline = '\0';

			bool skip = skipping || newline - at > LINE_BYTES_MAX;
			int err = skip ? 0 : load_line(l, at);

			if (err)
				return err;
			skipping = false;
		}
		kept = (size_t)(end - at);
		if (kept > LINE_BYTES_MAX) {
			skipping = true;
			kept = 0;
		}
		memmove(bytes, at, kept);
	}
	bytes[kept] = '\0';
	return kept && !skipping ? load_line(l, bytes) : 0;
}

/* By address; at one address names before none, then the better alias first, then by position. */
static int compare_entries(const void *left, const void *right)
{
	const struct entry *a = left, *b = right;

	if (a->start != b->start)
		return a->start < b->start ? -1 : 1;
	if (!a->name != !b->name)
		return a->name ? -1 : 1;
	if (a->rank != b->rank)
		return a->rank > b->rank ? -1 : 1;
	return a->name < b->name ? -1 : a->name > b->name;
}

/* One entry an address, and memory cut to what is used. */
static void finish(struct loader *l)
{
	struct ksyms *k = l->k;
	size_t kept = 0;

	if (!l->in_order)
		qsort(k->entries, k->entry_count, sizeof(*k->entries), compare_entries);
	for (size_t i = 0; i < k->entry_count; i++) {
		if (kept && k->entries[kept - 1].start == k->entries[i].start)
			continue;
		k->entries[kept++] = k->entries[i];
		if (k->entries[i].name)
			k->symbol_count++;
	}
	k->entry_count = kept;

	struct entry *entries = kept ? realloc(k->entries, kept * sizeof(*entries)) : NULL;
	char *names = realloc(k->names, k->name_bytes);

	if (entries)
		k->entries = entries;
	if (names)
		k->names = names;
}

int ksyms_load(const char *path, struct ksyms **ret)
{
	auto_close int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;

	CLEANUP(ksyms_destroyp) struct ksyms *k = calloc(1, sizeof(*k));

	if (!k)
		return -ENOMEM;

	struct loader l = {.k = k, .in_order = true};
	uint32_t none;
	int err = add_name(&l, "", &none);

	if (!err)
		err = load_lines(&l, fd);
	if (err)
		return err;
	if (!l.any_address)
		return -EPERM;

	finish(&l);
	*ret = take_ptr(k);
	return 0;
}

void ksyms_destroy(struct ksyms *k)
{
	if (!k)
		return;
	free(k->entries);
	free(k->names);
	strpool_release(&k->modules);
	free(k);
}

int ksyms_lookup(const struct ksyms *k, uint64_t addr, struct ksym *ret)
{
	size_t low = 0, high = k->entry_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (k->entries[middle].start <= addr)
			low = middle + 1;
		else
			high = middle;
	}
	if (!low || !k->entries[low - 1].name)
		return -ENOENT;

	const struct entry *e = &k->entries[low - 1];
	uint64_t limit =
		e->module && e->module == k->bpf_module ? PROGRAM_BYTES_MAX : SYMBOL_BYTES_MAX;

	if (addr - e->start >= limit)
		return -ENOENT;
	*ret = (struct ksym){
		.name = k->names + e->name,
		.module = e->module ? strpool_get(&k->modules, e->module) : NULL,
		.start = e->start,
	};
	return 0;
}

size_t ksyms_count(const struct ksyms *k)
{
	return k->symbol_count;
}
