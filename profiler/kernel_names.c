// SPDX-License-Identifier: Apache-2.0
#include "profiler/kernel_names.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "symbolizer/ksyms.h"

#define RELOAD_NS   (10 * NS_PER_S) /* reading costs some 50 ms: at most this often */
#define MODULES_MAX 1024u

struct kernel_names {
	struct ksyms *ksyms; /* NULL = could not be read */
	bool stale;
	uint64_t loaded_ns;
	struct binary *image;
	struct binary **modules; /* "[name]" each, one reference each */
	size_t module_count, module_capacity;
};

DEFINE_CLEANUP(kernel_names_destroy, struct kernel_names *)

int kernel_names_create(struct kernel_names **ret)
{
	CLEANUP(kernel_names_destroyp) struct kernel_names *k = calloc(1, sizeof(*k));
	if (!k)
		return -ENOMEM;

	int error = binary_create_special(BINARY_KERNEL, "[kernel.kallsyms]", &k->image);
	if (error)
		return error;
	k->loaded_ns = clock_now_ns();
	(void)ksyms_load("/proc/kallsyms", &k->ksyms); /* nameless then */
	*ret = take_ptr(k);
	return 0;
}

void kernel_names_destroy(struct kernel_names *k)
{
	if (!k)
		return;
	for (size_t i = 0; i < k->module_count; i++)
		binary_unref(k->modules[i]);
	free(k->modules);
	binary_unref(k->image);
	ksyms_destroy(k->ksyms);
	free(k);
}

void kernel_names_mark_stale(struct kernel_names *k)
{
	k->stale = true;
}

/* The binary of a module, made when first seen; the image's if there are too many. */
static struct binary *module_binary(struct kernel_names *k, const char *module)
{
	char name[128];
	(void)snprintf(name, sizeof(name), "[%s]",
		       module); /* module names have 55 characters at most */

	for (size_t i = 0; i < k->module_count; i++) {
		if (!strcmp(binary_path(k->modules[i]), name))
			return k->modules[i];
	}
	if (k->module_count >= MODULES_MAX ||
	    array_reserve((void **)&k->modules, &k->module_capacity, k->module_count + 1,
			  sizeof(k->modules[0])) ||
	    binary_create_special(BINARY_KERNEL, name, &k->modules[k->module_count]))
		return k->image;
	return k->modules[k->module_count++];
}

static void reload(struct kernel_names *k, uint64_t now_ns)
{
	struct ksyms *newer;

	k->loaded_ns = now_ns;
	k->stale = false;
	if (ksyms_load("/proc/kallsyms", &newer))
		return; /* the old state is better than none */
	ksyms_destroy(k->ksyms);
	k->ksyms = newer;
}

void kernel_names_find(struct kernel_names *k, uint64_t addr, uint64_t now_ns,
		       struct kernel_name *ret)
{
	struct ksym symbol;
	bool may_reload = now_ns - k->loaded_ns >= RELOAD_NS;

	if (k->stale && may_reload) {
		reload(k, now_ns);
		may_reload = false;
	}
	int error = k->ksyms ? ksyms_lookup(k->ksyms, addr, &symbol) : -ENOENT;
	if (error && may_reload) {
		reload(k, now_ns);
		error = k->ksyms ? ksyms_lookup(k->ksyms, addr, &symbol) : -ENOENT;
	}

	*ret = (struct kernel_name){.binary = k->image};
	if (error)
		return;
	ret->function = symbol.name;
	if (symbol.module)
		ret->binary = module_binary(k, symbol.module);
}
