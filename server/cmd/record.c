/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hearth record: profile a command, processes or the machine for a while into a file.
 *
 *	parse -> open the output -> child at its gate -> profiler -> release -> wait -> stop -> name -> encode -> write
 *
 * What can be known to fail is tried before the command runs.
 */
#include "server/cmd/record.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/array.h"
#include "base/buffer.h"
#include "base/clock.h"
#include "profiler/profiler.h"
#include "server/cmd/child.h"
#include "server/cmd/cmd.h"
#include "server/cmd/output.h"
#include "server/encode/encode.h"
#include "server/query/profile.h"
#include "symbolizer/symbolizer.h"

#define PROGRESS_NS	  (500 * NS_PER_MS)
#define AFTER_SIGNAL_NS	  (2 * NS_PER_S) /* what a command gets to end in once it was asked to */
#define SYMBOLIZE_NS	  (60 * NS_PER_S)
#define HURRIED_NS	  (5 * NS_PER_S) /* the same when somebody waits who interrupted */
#define OUTPUT_LIMIT	  (1ull << 30)
#define STATUS_NOT_FOUND  127 /* as shells say it */
#define STATUS_NOT_RUN	  126
#define SYMBOL_CACHE_PATH "/var/lib/hearth/symbols"
#define TABLE_CACHE_PATH  "/var/lib/hearth/unwind"

struct recording {
	struct record_options options;
	struct output output;
	struct child child;
	struct symbolizer *symbolizer;
	struct profiler *profiler;
	struct profile *profile; /* loop thread until the profiler has stopped, then ours */
	int profile_error;	 /* like profile */
	int signal_fd;
	sigset_t old_mask;
	struct pollfd
		*watched; /* the signals, then a pidfd for each process; fd -1 once it has ended */
	size_t watched_count;
	size_t alive; /* processes watched that still live */
	uint64_t start_ns;
	uint64_t end_ns; /* 0 = open */
	bool interrupted;
	bool progress; /* stderr is a terminal */
};

static const int stop_signals[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};

static int open_signals(struct recording *r)
{
	sigset_t mask;

	(void)sigemptyset(&mask);
	for (size_t i = 0; i < ARRAY_SIZE(stop_signals); i++)
		(void)sigaddset(&mask, stop_signals[i]);
	if (sigprocmask(SIG_BLOCK, &mask, &r->old_mask))
		return -errno;
	r->signal_fd = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
	return r->signal_fd < 0 ? -errno : 0;
}

/* Poll entries for the signals and for every process whose end ends the recording. */
static int watch_processes(struct recording *r)
{
	const struct record_options *o = &r->options;

	r->watched = calloc(o->pid_count + 2, sizeof(*r->watched));
	if (!r->watched)
		return cmd_fail("cannot record: out of memory");
	r->watched[r->watched_count++] = (struct pollfd){.fd = r->signal_fd, .events = POLLIN};
	if (o->command)
		r->watched[r->watched_count++] =
			(struct pollfd){.fd = r->child.pidfd, .events = POLLIN};
	for (size_t i = 0; i < o->pid_count; i++) {
		int fd = pidfd_open(o->pids[i], 0);

		if (fd < 0 && errno == ESRCH)
			return cmd_fail("no process %d: it has ended, or never was; see 'ps -e'",
					(int)o->pids[i]);
		if (fd < 0)
			return cmd_fail(
				"cannot watch process %d: %s; give the id of a process, not of a "
				"thread",
				(int)o->pids[i], strerror(errno));
		r->watched[r->watched_count++] = (struct pollfd){.fd = fd, .events = POLLIN};
	}
	r->alive = r->watched_count - 1;
	return EXIT_OK;
}

/* Called on the loop thread. */
static void add_window(struct window *w, void *arg)
{
	struct recording *r = arg;

	if (!r->profile_error)
		r->profile_error = profile_add_window(r->profile, w, NULL);
}

static int create_profile(struct recording *r)
{
	static const char *const all[] = {"comm", "pid", "tid", "thread", NULL};
	static const char *const comm[] = {"comm", NULL};
	struct profile_options options = {.labels = r->options.format == RECORD_PPROF ? all : comm};
	int err = profile_create(&options, &r->profile);

	return err ? cmd_fail("cannot record: %s", strerror(-err)) : EXIT_OK;
}

static int create_symbolizer(struct recording *r)
{
	struct symbolizer_options options = {0};

	if (!access(SYMBOL_CACHE_PATH, W_OK | X_OK))
		options.cache_dir = SYMBOL_CACHE_PATH;

	int err = symbolizer_create(&options, &r->symbolizer);

	return err ? cmd_fail("cannot start the symbolizer: %s", strerror(-err)) : EXIT_OK;
}

static int create_profiler(struct recording *r)
{
	char error[512] = "";
	struct profiler_options options = {
		.frequency_hz = r->options.frequency_hz,
		.pids = r->options.command ? &r->child.pid : r->options.pids,
		.pid_count = r->options.command ? 1 : r->options.pid_count,
		.symbolizer = r->symbolizer,
		.table_dir = TABLE_CACHE_PATH, /* where that cannot be used, they are not kept */
		.on_window = add_window,
		.on_window_arg = r,
	};

	if (!options.pid_count)
		options.pids = NULL;
	cmd_raise_file_limit();
	if (profiler_create(&options, &r->profiler, error, sizeof(error)))
		return cmd_fail("%s", error);
	if (profiler_start(r->profiler, error, sizeof(error)))
		return cmd_fail("%s", error);
	return EXIT_OK;
}

/* Everything up to the first instruction of the command. */
static int set_up(struct recording *r)
{
	const struct record_options *o = &r->options;
	int err = output_open(o->output, &r->output);

	if (err)
		return cmd_fail("cannot write '%s': %s; choose another file with -o", o->output,
				strerror(-err));
	err = open_signals(r);
	if (!err && o->command)
		err = child_prepare(o->command, &r->old_mask, &r->child);
	if (err)
		return cmd_fail("cannot record: %s", strerror(-err));

	int status = watch_processes(r);

	if (!status)
		status = create_profile(r);
	if (!status)
		status = create_symbolizer(r);
	if (!status)
		status = create_profiler(r);
	return status;
}

static int release_command(struct recording *r)
{
	if (!r->options.command)
		return EXIT_OK;

	int err = child_release(&r->child);

	if (!err)
		return EXIT_OK;
	(void)cmd_fail("cannot run '%s': %s; give a program in PATH or a path to one",
		       r->options.command[0], strerror(-err));
	return err == -ENOENT || err == -ENOTDIR ? STATUS_NOT_FOUND : STATUS_NOT_RUN;
}

static void show_progress(const struct recording *r, const char *what)
{
	if (!r->progress)
		return;

	struct profiler_stats stats;
	double seconds = (double)(clock_now_ns() - r->start_ns) / (double)NS_PER_S;

	profiler_stats(r->profiler, &stats);
	fprintf(stderr, "\r\033[K%s %.1f s, %" PRIu64 " samples", what, seconds,
		stats.samples_user + stats.samples_kernel);
	fflush(stderr);
}

/*
 * Takes one signal. From the terminal it has reached the command as well; one sent to us alone is handed on.
 * Returns false if there was none.
 */
static bool take_signal(const struct recording *r)
{
	struct signalfd_siginfo info;

	if (read(r->signal_fd, &info, sizeof(info)) != (ssize_t)sizeof(info))
		return false;
	if (r->child.pid && info.ssi_code <= 0)
		(void)kill(r->child.pid, (int)info.ssi_signo); /* it may have ended meanwhile */
	return true;
}

static void interrupt(struct recording *r)
{
	uint64_t latest_ns = clock_now_ns() + (r->child.pid ? AFTER_SIGNAL_NS : 0);

	r->interrupted = true;
	if (!r->end_ns || r->end_ns > latest_ns)
		r->end_ns = latest_ns;
}

/* Wait until the time is over, the processes have ended or somebody interrupts. */
static void wait_for_end(struct recording *r)
{
	uint64_t now = clock_now_ns();

	if (r->options.duration_ns)
		r->end_ns = now + r->options.duration_ns;
	for (; !r->end_ns || now < r->end_ns; now = clock_now_ns()) {
		uint64_t wait_ns = r->end_ns ? r->end_ns - now : UINT64_MAX;

		if (r->progress && wait_ns > PROGRESS_NS)
			wait_ns = PROGRESS_NS;

		struct timespec timeout = {(time_t)(wait_ns / NS_PER_S),
					   (long)(wait_ns % NS_PER_S)};

		if (ppoll(r->watched, r->watched_count, wait_ns == UINT64_MAX ? NULL : &timeout,
			  NULL) < 0 &&
		    errno != EINTR)
			return;
		if (r->watched[0].revents && take_signal(r))
			interrupt(r);
		for (size_t i = 1; i < r->watched_count; i++) {
			if (r->watched[i].fd < 0 || !r->watched[i].revents)
				continue;
			if (!r->options.command)
				(void)close(r->watched[i].fd); /* nothing was written through it */
			r->watched[i].fd = -1;
			r->alive--;
		}
		if (r->watched_count > 1 && !r->alive)
			return;
		show_progress(r, "recording");
	}
}

static int encode(const struct recording *r, struct buffer *out)
{
	struct encode_options options = {0};

	switch (r->options.format) {
	case RECORD_FOLDED:
		return encode_folded(r->profile, &options, out);
	case RECORD_SPEEDSCOPE:
		return encode_speedscope(r->profile, &options, out);
	case RECORD_HTML:
		options.min_share = -1;
		return encode_html(r->profile, &options, out);
	default:
		return encode_pprof(r->profile, &options, out);
	}
}

/* What the reader of the profile must know, on stderr, terminal or not. */
static void report_gaps(const struct recording *r)
{
	uint64_t lost = 0;

	for (size_t i = 0; i < LOST_REASON_COUNT; i++)
		lost += r->profile->lost[i];
	if (lost)
		(void)cmd_fail("%" PRIu64
			       " samples were lost and are not in the profile of %" PRIu64
			       "; a lower -F helps",
			       lost, r->profile->total_count);
	if (!r->profile->total_count)
		(void)cmd_fail(
			"no samples: what was recorded used no CPU time, or less than %.3g s "
			"of it; try a higher -F or a longer -d",
			1.0 / r->options.frequency_hz);
}

/* Name, encode and write what was sampled. */
static int write_profile(struct recording *r)
{
	auto_buffer out = BUFFER_INIT;

	if (r->profile_error)
		return cmd_fail(
			"cannot keep the samples: %s; record for a shorter time or with a lower "
			"-F",
			strerror(-r->profile_error));
	show_progress(r, "naming");

	uint64_t deadline_ns = clock_now_ns() + (r->interrupted ? HURRIED_NS : SYMBOLIZE_NS);
	int err = profile_symbolize(r->profile, r->symbolizer, deadline_ns);

	out.limit = OUTPUT_LIMIT;
	if (!err)
		err = encode(r, &out);
	if (err)
		return cmd_fail("cannot make the profile: %s", strerror(-err));

	auto_free char *path = strdup(r->output.path);

	err = output_commit(&r->output, out.bytes, out.length);
	if (r->progress)
		fputs("\r\033[K", stderr);
	if (err)
		return cmd_fail("cannot write '%s': %s", r->options.output, strerror(-err));
	if (r->progress && path)
		fprintf(stderr, "%" PRIu64 " samples, %.1f s of CPU time -> %s\n",
			r->profile->total_count,
			(double)r->profile->total_cpu_ns / (double)NS_PER_S, path);
	report_gaps(r);
	return EXIT_OK;
}

/* The recording is over, the command may not be: stand in for it until it has ended. */
static int wait_for_command(struct recording *r)
{
	struct pollfd fds[] = {
		{.fd = r->signal_fd, .events = POLLIN},
		{.fd = r->child.pidfd, .events = POLLIN},
	};

	while (!fds[1].revents) {
		if (poll(fds, ARRAY_SIZE(fds), -1) < 0 && errno != EINTR)
			break;
		if (fds[0].revents)
			(void)take_signal(r); /* whatever it was, the command has it */
	}
	return child_reap(&r->child);
}

static void clean_up(struct recording *r)
{
	profiler_destroy(r->profiler);
	symbolizer_destroy(r->symbolizer);
	profile_destroy(r->profile);
	child_kill(&r->child);
	output_abandon(&r->output);
	for (size_t i = 1; !r->options.command && i < r->watched_count; i++)
		if (r->watched[i].fd >= 0)
			(void)close(r->watched[i].fd); /* nothing was written through it */
	free(r->watched);
	if (r->signal_fd >= 0)
		(void)close(r->signal_fd); /* as above */
}

static int run(struct recording *r)
{
	int status = set_up(r);

	if (!status) {
		r->start_ns = clock_now_ns();
		status = release_command(r);
	}
	if (status)
		return status;

	wait_for_end(r);
	profiler_stop(r->profiler);
	status = write_profile(r);
	if (!r->child.pid)
		return status;

	int command_status = wait_for_command(r);

	return status ? status : command_status;
}

int cmd_record(int argc, char **argv)
{
	struct recording r = {.output = OUTPUT_INIT, .child = CHILD_INIT, .signal_fd = -1};
	int status;

	if (!record_parse(argc, argv, &r.options, &status))
		return status;
	r.progress = isatty(STDERR_FILENO);
	status = run(&r);
	clean_up(&r);
	return status;
}
