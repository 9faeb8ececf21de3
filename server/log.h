/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The log: logfmt lines on stderr, one per event, for `hearth serve` only.
 *
 *	ts=2026-05-01T12:00:00.123Z level=info msg="listening" url=http://127.0.0.1:7979
 *
 * Under journald, which has its own time, a line is `<6>level=info msg=...` instead: the prefix is the priority.
 *
 * Thread rule: any thread; log_init() once, before the others start; log_set_level() by one.
 */
#ifndef HEARTH_SERVER_LOG_H
#define HEARTH_SERVER_LOG_H

enum log_level {
	LOG_LEVEL_ERROR,
	LOG_LEVEL_WARN,
	LOG_LEVEL_INFO,
	LOG_LEVEL_DEBUG,
};

/** Set the most verbose level that is written, and look whether journald reads us. */
void log_init(enum log_level level);

/** Change the most verbose level that is written. */
void log_set_level(enum log_level level);

/**
 * Write one line.
 *
 * @message: what happened, as printf(3); quoted and escaped
 */
void log_write(enum log_level level, const char *message, ...)
	__attribute__((format(printf, 2, 3)));

#define log_error(...) log_write(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warn(...)  log_write(LOG_LEVEL_WARN, __VA_ARGS__)
#define log_info(...)  log_write(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...) log_write(LOG_LEVEL_DEBUG, __VA_ARGS__)

#endif
