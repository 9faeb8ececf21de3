// SPDX-License-Identifier: Apache-2.0
#include "server/store/balance_store.h"

#include <errno.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/array.h"

#define FORMAT 1 /* in user_version; a file of another one is replaced */

enum { STATEMENT_PUT, STATEMENT_CLEAR, STATEMENT_SCAN, STATEMENT_TRIM, STATEMENT_COUNT };

struct balance_store {
	pthread_mutex_t lock;
	sqlite3 *db;
	sqlite3_stmt *statements[STATEMENT_COUNT];
	uint64_t limit_bytes;
};

static const char *const sources[STATEMENT_COUNT] = {
	[STATEMENT_PUT] = "INSERT OR REPLACE INTO rows (since, until, text) VALUES (?1, ?2, ?3)",
	[STATEMENT_CLEAR] = "DELETE FROM rows WHERE since >= ?1 AND until <= ?2",
	[STATEMENT_SCAN] = "SELECT text FROM rows WHERE since < ?2 AND until > ?1 ORDER BY since",
	[STATEMENT_TRIM] =
		"DELETE FROM rows WHERE since IN (SELECT since FROM rows ORDER BY since LIMIT 64)",
};

static int run(sqlite3 *db, const char *sql)
{
	return sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK ? 0 : -EIO;
}

static int read_format(sqlite3 *db, int *ret)
{
	sqlite3_stmt *s = NULL;
	int err = -EIO;

	if (sqlite3_prepare_v2(db, "PRAGMA user_version", -1, &s, NULL) == SQLITE_OK &&
	    sqlite3_step(s) == SQLITE_ROW) {
		*ret = sqlite3_column_int(s, 0);
		err = 0;
	}
	(void)sqlite3_finalize(s); /* repeats the error of the step */
	return err;
}

static int prepare(struct balance_store *s)
{
	int format = 0;

	/* What a power cut takes is a balance, and the file is made anew then. */
	if (run(s->db, "PRAGMA journal_mode=TRUNCATE; PRAGMA synchronous=OFF") ||
	    read_format(s->db, &format) || (format && format != FORMAT))
		return -EIO;
	if (run(s->db,
		"PRAGMA auto_vacuum=INCREMENTAL; PRAGMA cache_size=-512;"
		"CREATE TABLE IF NOT EXISTS rows (since INTEGER PRIMARY KEY, until INTEGER NOT NULL,"
		" text TEXT NOT NULL) STRICT; PRAGMA user_version=1"))
		return -EIO;
	for (size_t i = 0; i < STATEMENT_COUNT; i++)
		if (sqlite3_prepare_v3(s->db, sources[i], -1, SQLITE_PREPARE_PERSISTENT,
				       &s->statements[i], NULL) != SQLITE_OK)
			return -EIO;
	return 0;
}

static int open_file(struct balance_store *s, const char *path)
{
	int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;

	if (sqlite3_open_v2(path ? path : ":memory:", &s->db, flags, NULL) != SQLITE_OK)
		return -EIO;
	return prepare(s);
}

static void close_file(struct balance_store *s)
{
	for (size_t i = 0; i < STATEMENT_COUNT; i++) {
		(void)sqlite3_finalize(s->statements[i]); /* repeats an error that was seen */
		s->statements[i] = NULL;
	}
	(void)sqlite3_close(s->db); /* nothing is open in it any more */
	s->db = NULL;
}

int balance_store_open(const char *path, uint64_t limit_bytes, struct balance_store **ret)
{
	struct balance_store *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	s->limit_bytes = limit_bytes;
	(void)pthread_mutex_init(&s->lock, NULL); /* cannot fail with default attributes */

	int err = open_file(s, path);

	if (err && path) {
		close_file(s);
		if (!unlink(path))
			err = open_file(s, path);
	}
	if (err) {
		balance_store_close(s);
		return err;
	}
	*ret = s;
	return 0;
}

void balance_store_close(struct balance_store *s)
{
	if (!s)
		return;
	close_file(s);
	(void)pthread_mutex_destroy(&s->lock); /* nobody holds it */
	free(s);
}

static int64_t pragma(struct balance_store *s, const char *sql)
{
	sqlite3_stmt *q = NULL;
	int64_t value = 0;

	if (sqlite3_prepare_v2(s->db, sql, -1, &q, NULL) == SQLITE_OK &&
	    sqlite3_step(q) == SQLITE_ROW)
		value = sqlite3_column_int64(q, 0);
	(void)sqlite3_finalize(q); /* repeats the error of the step */
	return value;
}

static uint64_t bytes_used(struct balance_store *s)
{
	return (uint64_t)(pragma(s, "PRAGMA page_count") - pragma(s, "PRAGMA freelist_count")) *
	       (uint64_t)pragma(s, "PRAGMA page_size");
}

static int step(struct balance_store *s, int which)
{
	int result = sqlite3_step(s->statements[which]);

	(void)sqlite3_reset(s->statements[which]);	    /* repeats the error of the step */
	(void)sqlite3_clear_bindings(s->statements[which]); /* cannot fail */
	return result == SQLITE_DONE ? 0 : -EIO;
}

static void bind_range(sqlite3_stmt *q, uint64_t from_ns, uint64_t to_ns)
{
	uint64_t most = INT64_MAX;

	(void)sqlite3_bind_int64(q, 1, (int64_t)(from_ns < most ? from_ns : most));
	(void)sqlite3_bind_int64(q, 2,
				 (int64_t)(to_ns < most ? to_ns : most)); /* both places exist */
}

static int put(struct balance_store *s, uint64_t from_ns, uint64_t to_ns, const char *text)
{
	sqlite3_stmt *q = s->statements[STATEMENT_PUT];

	bind_range(s->statements[STATEMENT_CLEAR], from_ns, to_ns);
	if (step(s, STATEMENT_CLEAR))
		return -EIO;
	bind_range(q, from_ns, to_ns);
	(void)sqlite3_bind_text(q, 3, text, -1, SQLITE_STATIC); /* fails in the step then */
	if (step(s, STATEMENT_PUT))
		return -EIO;
	while (bytes_used(s) > s->limit_bytes) {
		if (step(s, STATEMENT_TRIM) || !sqlite3_changes(s->db))
			return -EIO;
	}
	return 0;
}

int balance_store_put(struct balance_store *s, uint64_t wall_from_ns, uint64_t wall_to_ns,
		      const char *text)
{
	(void)pthread_mutex_lock(&s->lock); /* not recursive, not error-checking: cannot fail */

	int err = run(s->db, "BEGIN");

	if (!err)
		err = put(s, wall_from_ns, wall_to_ns, text);
	if (!err)
		err = run(s->db, "COMMIT");
	if (err)
		(void)run(s->db, "ROLLBACK"); /* of nothing, if BEGIN failed */
	else
		(void)run(s->db, "PRAGMA incremental_vacuum"); /* only gives room back */
	(void)pthread_mutex_unlock(&s->lock);
	return err;
}

int balance_store_scan(struct balance_store *s, uint64_t wall_from_ns, uint64_t wall_to_ns,
		       int (*visit)(const char *text, void *arg), void *arg)
{
	sqlite3_stmt *q = s->statements[STATEMENT_SCAN];
	int result = SQLITE_ROW;
	int err = 0;

	(void)pthread_mutex_lock(&s->lock); /* cannot fail, see above */
	bind_range(q, wall_from_ns, wall_to_ns);
	while (!err && (result = sqlite3_step(q)) == SQLITE_ROW)
		err = visit((const char *)sqlite3_column_text(q, 0), arg);
	(void)sqlite3_reset(q); /* repeats the error of the step */
	(void)pthread_mutex_unlock(&s->lock);
	return err || result == SQLITE_DONE ? err : -EIO;
}
