/* SPDX-License-Identifier: Apache-2.0 */
#include "server/log.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/parse.h"

static _Atomic enum log_level most_verbose = LOG_LEVEL_INFO;
static bool to_journal;

/* systemd.exec(5): JOURNAL_STREAM is "DEVICE:INODE" of the stream that journald reads. */
static bool is_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	uint64_t device;
	uint64_t inode;
	struct stat st;

	return stream && !parse_take_u64(&stream, &device) && *stream == ':' &&
	       !parse_u64(stream + 1, &inode) && !fstat(STDERR_FILENO, &st) &&
	       st.st_dev == device && st.st_ino == inode;
}

void log_init(enum log_level level)
{
	most_verbose = level;
	to_journal = is_journal();
}

void log_set_level(enum log_level level)
{
	most_verbose = level;
}

static void put_time(struct buffer *out)
{
	uint64_t now_ns = clock_wall_now_ns();
	time_t seconds = (time_t)(now_ns / NS_PER_S);
	struct tm tm;
	char text[32];

	if (!gmtime_r(&seconds, &tm) || !strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm))
		return;
	buffer_printf(out, "ts=%s.%03uZ ", text, (unsigned int)(now_ns % NS_PER_S / NS_PER_MS));
}

static void put_quoted(struct buffer *out, const char *text)
{
	buffer_putc(out, '"');
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		if (c == '"' || c == '\\')
			buffer_printf(out, "\\%c", c);
		else if (c < ' ' || c == 0x7f)
			buffer_printf(out, "\\x%02x", c);
		else
			buffer_putc(out, (char)c);
	}
	buffer_putc(out, '"');
}

void log_write(enum log_level level, const char *message, ...)
{
	static const char *const names[] = {"error", "warn", "info", "debug"};
	static const int priorities[] = {3, 4, 6, 7}; /* syslog(3) */
	auto_buffer line = BUFFER_INIT;
	auto_buffer text = BUFFER_INIT;
	va_list args;

	if (level > most_verbose)
		return;
	va_start(args, message);
	buffer_vprintf(&text, message, args);
	va_end(args);
	if (!buffer_terminate(&text))
		return;

	if (to_journal)
		buffer_printf(&line, "<%d>", priorities[level]);
	else
		put_time(&line);
	buffer_printf(&line, "level=%s msg=", names[level]);
	put_quoted(&line, text.bytes);
	buffer_putc(&line, '\n');
	if (!line.error && write(STDERR_FILENO, line.bytes, line.length) < 0)
		return; /* there is nowhere left to complain */
}
