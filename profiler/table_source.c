// SPDX-License-Identifier: Apache-2.0
#include "profiler/table_source.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "symbolizer/debugfind.h"
#include "symbolizer/unwind_job.h"

#define TIMEOUT_NS (120 * NS_PER_S) /* by the clock; CPU time has a limit of its own */
#define PATIENCE_NS \
	(1 * NS_PER_S) /* stacks wait for it: until then a worker runs at normal priority */
#define FEW_FDES 8u    /* what start files bring along */

/* Move a fresh table into the cache, from where it is mapped again: then it is no longer memory. */
static void store(const struct table_source *s, const char *name, struct unwind_job_result *job)
{
	struct unwind_file *stored = NULL;
	struct unwind_failure failure;

	if (!s->cache || unwind_cache_store(s->cache, name, job->fd) ||
	    unwind_cache_open(s->cache, name, &stored, &failure) || !stored)
		return;
	unwind_file_unref(job->file);
	job->file = stored;
}

static void make(const struct table_source *s, const struct binary *binary, int debug_fd,
		 const char *name, struct table_outcome *ret)
{
	const struct unwind_job job = {
		.workers = s->workers,
		.elf_fd = binary_fd(binary),
		.debug_fd = debug_fd,
		.stop_fd = s->stop_fd,
		.timeout_ns = TIMEOUT_NS,
		.patience_ns = PATIENCE_NS,
	};
	struct unwind_job_result result;
	struct unwind_failure failure;
	uint64_t start_ns = clock_now_ns();

	unwind_job_run(&job, &result);
	ret->work_ns += clock_now_ns() - start_ns;
	ret->from_cache = false;
	if (result.file) {
		store(s, name, &result);
		(void)close(result.fd); /* mapped or copied by now */
		ret->file = result.file;
		return;
	}
	bool lasts = unwind_job_explain(&result, &failure);
	ret->facts.state = failure.failed ? TABLE_FAILED : TABLE_NONE;
	memcpy(ret->facts.reason, failure.reason, sizeof(ret->facts.reason));
	if (lasts && s->cache)
		(void)unwind_cache_store_failure(s->cache, name, &failure); /* else again */
}

/* From the cache or made. */
static void look(const struct table_source *s, const struct binary *binary, int debug_fd,
		 struct table_outcome *ret)
{
	struct unwind_failure failure;
	char name[FILECACHE_NAME_MAX];

	unwind_cache_name(binary, debug_fd, name);
	if (!s->cache || unwind_cache_open(s->cache, name, &ret->file, &failure)) {
		make(s, binary, debug_fd, name, ret);
		return;
	}
	ret->from_cache = true;
	if (ret->file)
		return;
	ret->facts.state = failure.failed ? TABLE_FAILED : TABLE_NONE;
	memcpy(ret->facts.reason, failure.reason, sizeof(ret->facts.reason));
}

static bool needs_debug_file(const struct table_outcome *o)
{
	if (o->file)
		return unwind_file_header(o->file)->fde_count < FEW_FDES;
	return o->facts.state == TABLE_NONE;
}

/* Look again with the debug file, if there is one; what is worse than before is not taken. */
static void look_again(const struct table_source *s, const struct binary *binary,
		       struct table_outcome *ret)
{
	auto_free struct debugfiles *files = malloc(sizeof(*files)); /* too big for a stack */
	if (!files)
		return;
	debugfind(binary, NULL, files);
	if (files->debug_fd >= 0) {
		struct table_outcome other = {.facts = {.id = ret->facts.id}};

		look(s, binary, files->debug_fd, &other);
		ret->work_ns += other.work_ns;
		if (other.file) {
			unwind_file_unref(ret->file);
			ret->file = other.file;
			ret->from_cache = other.from_cache;
		}
	}
	debugfind_release(files);
}

void table_source_get(const struct table_source *s, struct binary *binary,
		      struct table_outcome *ret)
{
	*ret = (struct table_outcome){.facts = {.id = *binary_build_id(binary)}};
	look(s, binary, -1, ret);
	if (needs_debug_file(ret))
		look_again(s, binary, ret);
	ret->facts.from_cache = ret->from_cache;
	if (ret->file) {
		ret->facts.reason[0] = '\0';
		table_facts_describe(&ret->facts, ret->file);
	}
}
