/* SPDX-License-Identifier: Apache-2.0 */
/*
 * unwind-replay: runs the very unwinder that runs in the kernel over a recorded thread, and prints its frames.
 */
#include <elfutils/libdwfl.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <libiberty/demangle.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "symbolizer/unwind_table.h"
#include "symbolizer/unwind_walk.h"
#include "tests/host/unwind_recording.h"
#include "tests/host/unwind_user.h"

#define FRAMES_MAX 512
#define CHUNK_MAX  1024

enum { EXIT_OK, EXIT_FAILED, EXIT_USAGE };

static const char usage[] =
	"usage: unwind-replay --maps FILE --regs FILE --stack FILE... [--root DIR] [--return-address] [--user]\n";

struct replay {
	struct recording recording;
	bool return_address;
	bool user;
	struct unwind_slab *slab;
	struct unwind_process process;
	void *chunks[CHUNK_MAX];
	Dwfl *dwfl;
	Dwfl_Module **named; /* by module */
};

static int fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
static int fail(const char *format, ...)
{
	va_list args;

	fputs("unwind-replay: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	return EXIT_FAILED;
}

/* --- tables ------------------------------------------------------------------------------------------- */

static int add_chunk(void *arg, uint32_t index, void **ret)
{
	struct replay *r = arg;

	r->chunks[index] = calloc(1, UNWIND_CHUNK_BYTES);
	if (!r->chunks[index])
		return -ENOMEM;
	*ret = r->chunks[index];
	return 0;
}

static int make_tables(struct replay *r)
{
	for (size_t i = 0; i < r->recording.module_count; i++) {
		const struct recording_module *m = &r->recording.modules[i];
		struct unwind_file *f = NULL;

		if (!m->exe)
			continue;

		int error = unwind_table_build(m->fd, -1, &f);

		if (error == -ENOMEM)
			return error;
		error = unwind_slab_set_table(r->slab, m->exe, error ? NULL : f);
		unwind_file_unref(f);
		if (error)
			return error;
	}
	return 0;
}

static int make_process(struct replay *r)
{
	const struct recording *rec = &r->recording;
	auto_free struct unwind_mapping *mappings = calloc(rec->map_count + 1, sizeof(*mappings));
	uint32_t count = 0;

	if (!mappings)
		return -ENOMEM;
	for (size_t i = 0; i < rec->map_count; i++) {
		const struct recording_map *m = &rec->maps[i];

		if (!m->is_executable || (count && m->start < mappings[count - 1].end))
			continue;
		mappings[count++] = (struct unwind_mapping){
			.start = m->start,
			.end = m->end,
			.bias = m->bias,
			.exe = m->module ? rec->modules[m->module - 1].exe : 0,
		};
	}
	return unwind_slab_put_process(r->slab, mappings, count, &r->process);
}

/* --- names -------------------------------------------------------------------------------------------- */

static const Dwfl_Callbacks dwfl_callbacks = {
	.find_elf = dwfl_build_id_find_elf,
	.find_debuginfo = dwfl_standard_find_debuginfo,
	.section_address = dwfl_offline_section_address,
};

static void open_names(struct replay *r)
{
	r->dwfl = dwfl_begin(&dwfl_callbacks);
	r->named = calloc(r->recording.module_count + 1, sizeof(*r->named));
}

/** Print the name of the function at @vaddr, or "?". */
static void print_name(struct replay *r, uint32_t module, uint64_t vaddr)
{
	const struct recording_module *m = &r->recording.modules[module - 1];
	GElf_Off offset;
	GElf_Sym symbol;
	const char *name = NULL;

	if (m->fd >= 0 && r->dwfl && r->named && !r->named[module - 1]) {
		/* One module at a time: all are reported at the addresses of their files, which overlap. */
		Dwfl *own = dwfl_begin(&dwfl_callbacks);
		int fd = dup(m->fd);

		dwfl_report_begin(own);
		r->named[module - 1] = dwfl_report_elf(own, m->name, m->path, fd, 0, true);
		dwfl_report_end(own, NULL, NULL);
	}
	if (r->named && r->named[module - 1])
		name = dwfl_module_addrinfo(r->named[module - 1], vaddr, &offset, &symbol, NULL,
					    NULL, NULL);

	auto_free char *plain = name ? cplus_demangle(name, DMGL_PARAMS | DMGL_ANSI) : NULL;

	fputs(plain ? plain : name ? name : "?", stdout);
}

static void print_frame(struct replay *r, struct unwind_walk *w, uint32_t number)
{
	const struct unwind_state *u = &w->state;
	uint64_t lookup = u->pc - !u->exact;
	const struct recording_map *m = recording_find(&r->recording, lookup);
	uint64_t base = m && m->module && r->recording.modules[m->module - 1].exe ? m->bias : 0;
	const char *name = !m	       ? "[unknown]"
			   : m->module ? r->recording.modules[m->module - 1].name
				       : "[anon]";

	printf("#%u %" PRIx64 " %s+%" PRIx64 " ", number, (uint64_t)u->pc, name,
	       (uint64_t)u->pc - base);
	if (m && m->module)
		print_name(r, m->module, lookup - base);
	else
		putchar('?');
	printf(" sp=%" PRIx64 " bp=%" PRIx64 "\n", (uint64_t)u->regs[7],
	       u->known & 1u << 6 ? (uint64_t)u->regs[6] : 0);
}

/* --- the walk ----------------------------------------------------------------------------------------- */

static int read_memory(void *arg, void *to, uint32_t bytes, uint64_t from)
{
	struct replay *r = arg;

	return recording_read(&r->recording, to, bytes, from);
}

static void walk(struct replay *r)
{
	struct unwind_walk w = {.slab = r->slab, .arg = r, .read = read_memory};
	struct unwind_user user;
	enum unwind_end end = UNWIND_END_NOT_YET;
	struct unwind_start start = {
		.pc = r->recording.pc, .known = r->recording.known, .exact = !r->return_address};

	memcpy(start.regs, r->recording.regs, sizeof(start.regs));
	unwind_walk_begin(&w, &r->process, &start);
	unwind_user_begin(&user, &r->recording, &w.state);
	for (uint32_t number = 0; !end; number++) {
		if (number == FRAMES_MAX) {
			end = UNWIND_END_TRUNC_FRAMES;
			break;
		}
		if (number && !unwind_walk_map(&w)) {
			end = UNWIND_END_FAIL_MAPPING;
			break;
		}
		print_frame(r, &w, number);
		unwind_user_note(&user, &w.state);
		end = unwind_walk_step(&w);
		if (r->user &&
		    (end == UNWIND_END_FAIL_EXPRESSION || end == UNWIND_END_FAIL_REGISTER))
			end = unwind_user_step(&user, &w.state);
	}
	unwind_user_release(&user);
	if (end == UNWIND_END_COMPLETE)
		puts("verdict: complete");
	else
		printf("verdict: %s %s\n", unwind_end_verdict(end), unwind_end_text(end));
}

static int run(struct replay *r)
{
	const struct unwind_slab_options options = {
		.chunk_max = CHUNK_MAX, .arg = r, .add_chunk = add_chunk};
	int error = unwind_slab_create(&options, &r->slab);

	if (!error)
		error = make_tables(r);
	if (!error)
		error = make_process(r);
	if (error)
		return fail("cannot make the unwind tables: %s", strerror(-error));
	open_names(r);
	walk(r);
	return EXIT_OK;
}

/* --- the command line --------------------------------------------------------------------------------- */

static int read_inputs(struct replay *r, const char *maps, const char *regs)
{
	uint32_t line;
	int error = recording_read_maps(&r->recording, maps, &line);

	if (error && line)
		return fail("cannot read line %u of '%s': it is not of the form of /proc/PID/maps",
			    line, maps);
	if (error)
		return fail("cannot read the maps '%s': %s", maps, strerror(-error));
	error = recording_read_regs(&r->recording, regs, &line);
	if (error && line)
		return fail("cannot read line %u of '%s': it is not of the form 'name: hex'", line,
			    regs);
	if (error)
		return fail("cannot read the registers '%s': %s", regs, strerror(-error));
	if (!r->recording.has_pc || !(r->recording.known & 1u << 7))
		return fail("'%s' lacks rip or rsp: a thread cannot be unwound without them", regs);
	return EXIT_OK;
}

struct arguments {
	const char *maps, *regs;
	bool help;
};

static int read_stack(struct replay *r, const char *path)
{
	int error = recording_read_stack(&r->recording, path);

	if (error == -EINVAL)
		return fail("cannot read the stack '%s': it lacks the 8 bytes of its address",
			    path);
	if (error)
		return fail("cannot read the stack '%s': %s", path, strerror(-error));
	return EXIT_OK;
}

static int parse_arguments(struct replay *r, int argc, char **argv, struct arguments *ret)
{
	static const struct option options[] = {
		{"maps", required_argument, NULL, 'm'},	    {"regs", required_argument, NULL, 'r'},
		{"stack", required_argument, NULL, 's'},    {"root", required_argument, NULL, 'd'},
		{"return-address", no_argument, NULL, 'a'}, {"user", no_argument, NULL, 'u'},
		{"help", no_argument, NULL, 'h'},	    {NULL, 0, NULL, 0},
	};
	int option, status = EXIT_OK;

	while (!status && (option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == 'm')
			ret->maps = optarg;
		else if (option == 'r')
			ret->regs = optarg;
		else if (option == 's')
			status = read_stack(r, optarg);
		else if (option == 'd')
			r->recording.root = optarg;
		else if (option == 'a')
			r->return_address = true;
		else if (option == 'u')
			r->user = true;
		else if (option == 'h')
			ret->help = true;
		else
			status = EXIT_USAGE;
	}
	if (!status && !ret->help && (!ret->maps || !ret->regs || optind != argc))
		status = EXIT_USAGE;
	if (status == EXIT_USAGE)
		fputs(usage, stderr);
	return status;
}

int main(int argc, char **argv)
{
	static struct replay r;
	struct arguments a = {0};

	r.recording.root = "/";

	int status = parse_arguments(&r, argc, argv, &a);

	if (status)
		return status;
	if (a.help) {
		fputs(usage, stdout);
		return EXIT_OK;
	}
	status = read_inputs(&r, a.maps, a.regs);
	return status ? status : run(&r);
}
