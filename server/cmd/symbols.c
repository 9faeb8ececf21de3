/* SPDX-License-Identifier: Apache-2.0 */
#include "server/cmd/symbols.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "server/cmd/cmd.h"
#include "symbolizer/reason.h"
#include "symbolizer/symcache.h"

/* Of the 10 s a file may take in all; more by the clock where others keep the machine busy. */
#define JOB_CPU_SECONDS 8
#define JOB_TIMEOUT_NS	(30 * NS_PER_S)

DEFINE_CLEANUP(symcache_destroy, struct symcache *)
DEFINE_CLEANUP(symworkers_destroy, struct symworkers *)

static const char *explain(int error)
{
	switch (error) {
	case -ENOEXEC:
		return "it is no 64-bit little-endian ELF file";
	case -EINVAL:
		return "it is no regular file";
	case -EBADMSG:
		return "it belongs to another build: their build ids differ";
	default:
		return strerror(-error);
	}
}

static int open_binary(const char *path, struct symbols *s)
{
	auto_close int fd = debugfind_open_regular(path);

	if (fd < 0)
		return cmd_fail("cannot open '%s': %s", path, explain(fd));

	auto_free char *full =
		realpath(path, NULL); /* debug links are relative to the real place */
	int err = binary_open(fd, full ? full : path, 0, &s->binary);

	if (err)
		return cmd_fail("cannot read '%s': %s", path, explain(err));
	(void)take_fd(fd);
	return EXIT_OK;
}

static int find_files(const struct symbols_options *options, struct symbols *s)
{
	if (!options->debug_file) {
		debugfind(s->binary, NULL, &s->files);
		return EXIT_OK;
	}

	int err = debugfind_given(s->binary, options->debug_file, NULL, &s->files);

	if (err)
		return cmd_fail("cannot use '%s' as debug file of '%s': %s", options->debug_file,
				options->binary, explain(err));
	return EXIT_OK;
}

static int open_cache(const struct symbols_options *options, struct symcache **ret)
{
	const char *dir = options->cache_dir ? options->cache_dir : SYMBOLS_DEFAULT_CACHE;
	int err = symcache_create(dir, 0, ret);

	if (err && options->cache_dir)
		return cmd_fail("cannot use '%s' as cache directory: %s", dir, strerror(-err));
	return EXIT_OK;
}

/* Makes the symbol file; what a worker could not do in full the ELF symbols stand in for. */
static int run_job(struct symbols *s, const char *path, struct symcache *cache, const char *name)
{
	CLEANUP(symworkers_destroyp) struct symworkers *workers = NULL;
	int err = symworkers_create(NULL, &workers);

	if (err)
		return cmd_fail("cannot read the symbols of '%s': %s", path, strerror(-err));

	struct symjob job = {
		.workers = workers,
		.binary = s->binary,
		.files = &s->files,
		.cpu_seconds = JOB_CPU_SECONDS,
		.timeout_ns = JOB_TIMEOUT_NS,
		.stop_fd = -1,
	};
	char reason[REASON_BYTES];

	symjob_run(&job, &s->job);
	reason_describe(&s->job, &s->files, reason, sizeof(reason));
	if (s->job.full) {
		s->symbols = take_ptr(s->job.full);
		if (cache && !s->job.report.split_missing)
			(void)symcache_store(cache, name,
					     s->job.full_fd); /* made again next time */
		return EXIT_OK;
	}
	if (s->job.quick && !symfile_is_empty(s->job.quick)) {
		s->symbols = take_ptr(s->job.quick);
		(void)cmd_fail("only ELF symbols of '%s' are used: %s", path, reason);
		return EXIT_OK;
	}
	return cmd_fail("cannot read the symbols of '%s': %s", path, reason);
}

int symbols_load(const struct symbols_options *options, struct symbols *ret)
{
	CLEANUP(symcache_destroyp) struct symcache *cache = NULL;
	char name[SYMCACHE_NAME_MAX];
	size_t length;

	*ret = (struct symbols){.files = DEBUGFILES_NONE, .job = {.full_fd = -1}};

	int status = open_binary(options->binary, ret);

	if (!status)
		status = find_files(options, ret);
	if (!status)
		status = open_cache(options, &cache);
	if (status)
		return status;

	symcache_name(ret->binary, &ret->files, name);
	if (!cache || symcache_open(cache, name, &ret->symbols))
		return run_job(ret, options->binary, cache, name);

	const void *note = symfile_note(ret->symbols, &length);

	ret->job.end = SYMJOB_DONE;
	if (length == sizeof(ret->job.report))
		memcpy(&ret->job.report, note, length);
	return EXIT_OK;
}

void symbols_release(struct symbols *s)
{
	symfile_unref(s->symbols);
	symfile_unref(s->job.quick);
	symfile_unref(s->job.full);
	if (s->job.full_fd >= 0)
		(void)close(s->job.full_fd); /* mapped or copied by now */
	debugfind_release(&s->files);
	binary_unref(s->binary);
}
