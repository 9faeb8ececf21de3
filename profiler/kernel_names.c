// SPDX-License-Identifier: Apache-2.0
#include "profiler/kernel_names.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "symbolizer/ksyms.h"

#define RELOAD_NS     (10 * NS_PER_S)  /* reading costs some 60 ms: at most this often */
#define RELOAD_NS_MAX (640 * NS_PER_S) /* and less and less often while that does not help */
#define MODULES_MAX   1024u
#define CHANGED_MAX   256u /* changed places told apart; more = all of the kernel */

struct range {
	uint64_t start, end;
};

struct kernel_names {
	struct ksyms *ksyms; /* NULL = not read yet, or could not be */

	/* Reading goes on in a thread of its own: it takes longer than a round of the loop may. */
	pthread_t reader;
	bool is_reading;      /* the thread was started and not joined */
	atomic_bool has_read; /* it is about to end */
	struct ksyms *read;   /* its result, owned, valid once it is joined; NULL = failed */

	uint64_t loaded_ns;
	uint64_t reload_ns;		   /* until the next reading, at least */
	struct range changed[CHANGED_MAX]; /* since it was read */
	size_t changed_count;
	struct binary *image;
	struct binary **modules; /* "[name]" each, one reference each */
	size_t module_count, module_capacity;
};

DEFINE_CLEANUP(kernel_names_destroy, struct kernel_names *)

static void *read_symbols(void *arg)
{
	struct kernel_names *k = arg;

	if (ksyms_load("/proc/kallsyms", &k->read))
		k->read = NULL;
	k->has_read = true;
	return NULL;
}

static void start_reading(struct kernel_names *k, uint64_t now_ns)
{
	sigset_t all, before;

	k->loaded_ns = now_ns;
	k->changed_count = 0;
	k->has_read = false;
	/* Signals are for the threads of the program, not for ours. */
	(void)sigfillset(&all); /* these do not fail for valid arguments */
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	k->is_reading = !pthread_create(&k->reader, NULL, read_symbols, k);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
}

/* Take what the thread has read, if it is done, or if @wait. The old state is better than none. */
static void finish_reading(struct kernel_names *k, bool wait)
{
	if (!k->is_reading || (!wait && !k->has_read))
		return;
	(void)pthread_join(k->reader, NULL); /* it is ours and not joined yet */
	k->is_reading = false;
	if (!k->read)
		return;
	ksyms_destroy(k->ksyms);
	k->ksyms = take_ptr(k->read);
}

int kernel_names_create(struct kernel_names **ret)
{
	CLEANUP(kernel_names_destroyp) struct kernel_names *k = calloc(1, sizeof(*k));
	if (!k)
		return -ENOMEM;

	int error = binary_create_special(BINARY_KERNEL, "[kernel.kallsyms]", &k->image);
	if (error)
		return error;
	k->reload_ns = RELOAD_NS;
	start_reading(k, clock_now_ns());
	*ret = take_ptr(k);
	return 0;
}

void kernel_names_destroy(struct kernel_names *k)
{
	if (!k)
		return;
	finish_reading(k, true);
	for (size_t i = 0; i < k->module_count; i++)
		binary_unref(k->modules[i]);
	free(k->modules);
	binary_unref(k->image);
	ksyms_destroy(k->ksyms);
	free(k);
}

void kernel_names_mark_changed(struct kernel_names *k, uint64_t start, uint64_t bytes)
{
	struct range range = {.start = start, .end = start + bytes};

	k->reload_ns = RELOAD_NS; /* reading will help now */
	if (k->changed_count == CHANGED_MAX) {
		k->changed_count = 0;
		range = (struct range){.start = 0, .end = UINT64_MAX};
	}
	k->changed[k->changed_count++] = range;
}

static bool has_changed(const struct kernel_names *k, uint64_t addr)
{
	for (size_t i = 0; i < k->changed_count; i++) {
		if (addr >= k->changed[i].start && addr < k->changed[i].end)
			return true;
	}
	return false;
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

static int look_up(const struct kernel_names *k, uint64_t addr, struct ksym *ret)
{
	return k->ksyms ? ksyms_lookup(k->ksyms, addr, ret) : -ENOENT;
}

void kernel_names_find(struct kernel_names *k, uint64_t addr, uint64_t now_ns,
		       struct kernel_name *ret)
{
	struct ksym symbol;

	finish_reading(k, !k->ksyms);
	int error = has_changed(k, addr) ? -ESTALE : look_up(k, addr, &symbol);
	if (error && !k->is_reading && now_ns > k->loaded_ns + k->reload_ns) {
		start_reading(k, now_ns);
		if (k->reload_ns < RELOAD_NS_MAX)
			k->reload_ns *= 2;
	}

	*ret = (struct kernel_name){.binary = k->image};
	if (error)
		return; /* no name is better than one that may be another's */
	ret->function = symbol.name;
	if (symbol.module)
		ret->binary = module_binary(k, symbol.module);
}
