/* SPDX-License-Identifier: Apache-2.0 */
#include "server/store/segment_file.h"

#include <errno.h>
#include <sqlite3.h>
#include <stdlib.h>

#include "base/array.h"

#define BUSY_TIMEOUT_MS 5000
#define BLOB_BYTES_MAX	(64u << 20)
#define STRING_OF(x)	#x
#define TEXT_OF(x)	STRING_OF(x)

static const char *const set_up = "PRAGMA journal_mode = TRUNCATE;"
				  "PRAGMA synchronous = FULL;"
				  "PRAGMA cache_size = -512;"
				  "PRAGMA trusted_schema = OFF;";

static const char *const create =
	"PRAGMA page_size = 4096;"
	"PRAGMA journal_mode = TRUNCATE;"
	"BEGIN IMMEDIATE;"
	"PRAGMA application_id = " TEXT_OF(
		SEGMENT_APPLICATION_ID) ";"
					"PRAGMA user_version = " TEXT_OF(
						SEGMENT_FORMAT_VERSION) ";"
									"CREATE TABLE block("
									"id INTEGER PRIMARY KEY, start_ns INTEGER NOT NULL,"
									"end_ns INTEGER NOT NULL, windows INTEGER NOT NULL,"
									"samples INTEGER NOT NULL, names BLOB, data BLOB);"
									"COMMIT;";

static const char *const statements[] = {
	("INSERT INTO block(start_ns, end_ns, windows, samples, names, data)"
	 " VALUES(?1, ?2, ?3, ?4, ?5, ?6)"),
	"SELECT id, start_ns, end_ns, windows, samples FROM block WHERE id > ?1 ORDER BY id",
	"SELECT names FROM block WHERE id = ?1",
	"SELECT data FROM block WHERE id = ?1",
};

enum statement {
	INSERT,
	ROWS,
	FETCH_NAMES,
	FETCH_DATA,
	STATEMENT_COUNT,
};

struct segment_file {
	sqlite3 *db;
	sqlite3_stmt *prepared[STATEMENT_COUNT]; /* NULL until used */
	bool sealed;
};

/* What SQLite says, in our terms. */
static int convert(int code)
{
	switch (code & 0xff) {
	case SQLITE_OK:
	case SQLITE_DONE:
	case SQLITE_ROW:
		return 0;
	case SQLITE_NOMEM:
		return -ENOMEM;
	case SQLITE_FULL:
		return -ENOSPC;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return -EBUSY;
	case SQLITE_PERM:
	case SQLITE_AUTH:
	case SQLITE_READONLY:
		return -EACCES;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
	case SQLITE_ERROR: /* a table or column that is not there */
	case SQLITE_MISMATCH:
		return -EBADMSG;
	case SQLITE_TOOBIG:
		return -EFBIG;
	case SQLITE_CANTOPEN:
		return -ENOENT;
	default:
		return -EIO;
	}
}

/* A full disk shows as a failed write where SQLite did not ask for space itself. */
static int convert_last(struct segment_file *f, int code)
{
	int err = convert(code);

	if ((err == -EIO || err == -ENOENT) && sqlite3_system_errno(f->db))
		return -sqlite3_system_errno(f->db);
	return err;
}

static int execute(struct segment_file *f, const char *sql)
{
	return convert_last(f, sqlite3_exec(f->db, sql, NULL, NULL, NULL));
}

static int read_pragma(struct segment_file *f, const char *sql, int64_t *ret)
{
	sqlite3_stmt *statement = NULL;
	int code = sqlite3_prepare_v2(f->db, sql, -1, &statement, NULL);

	if (code == SQLITE_OK)
		code = sqlite3_step(statement);
	if (code == SQLITE_ROW)
		*ret = sqlite3_column_int64(statement, 0);
	sqlite3_finalize(statement);
	if (code == SQLITE_DONE)
		return -EBADMSG;
	return convert_last(f, code);
}

/* An empty file gets its schema: it is new, or making it was cut short. */
static int check_version(struct segment_file *f)
{
	int64_t application = 0;
	int64_t version = 0;
	int64_t pages = 0;
	int err = read_pragma(f, "PRAGMA application_id", &application);

	if (!err)
		err = read_pragma(f, "PRAGMA user_version", &version);
	if (!err)
		err = read_pragma(f, "PRAGMA page_count", &pages);
	if (err)
		return err;
	if (!pages)
		return execute(f, create);
	if (application != SEGMENT_APPLICATION_ID)
		return -EBADMSG;
	f->sealed = version == SEGMENT_FORMAT_SEALED;
	return f->sealed || version == SEGMENT_FORMAT_VERSION ? 0 : -ENOTSUP;
}

int segment_file_open(const char *path, enum segment_open_mode mode, struct segment_file **ret)
{
	CLEANUP(segment_file_closep) struct segment_file *f = calloc(1, sizeof(*f));
	int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE | SQLITE_OPEN_NOFOLLOW;

	if (!f)
		return -ENOMEM;
	/* A reader writes too if it has to undo what a crash left half done. */
	flags |= SQLITE_OPEN_READWRITE | (mode == SEGMENT_CREATE ? SQLITE_OPEN_CREATE : 0);

	int code = sqlite3_open_v2(path, &f->db, flags, NULL);

	if (code != SQLITE_OK)
		return f->db ? convert_last(f, code) : -ENOMEM;
	(void)sqlite3_busy_timeout(f->db, BUSY_TIMEOUT_MS); /* cannot fail */
	(void)sqlite3_limit(f->db, SQLITE_LIMIT_LENGTH, BLOB_BYTES_MAX);

	int err = check_version(f);

	if (!err)
		err = execute(f, set_up);
	if (err)
		return err;
	*ret = take_ptr(f);
	return 0;
}

void segment_file_close(struct segment_file *f)
{
	if (!f)
		return;
	for (size_t i = 0; i < STATEMENT_COUNT; i++)
		sqlite3_finalize(f->prepared[i]);
	(void)sqlite3_close(f->db); /* all statements are gone, so that it cannot be busy */
	free(f);
}

static int prepare(struct segment_file *f, enum statement which, sqlite3_stmt **ret)
{
	if (!f->prepared[which]) {
		int code = sqlite3_prepare_v3(f->db, statements[which], -1,
					      SQLITE_PREPARE_PERSISTENT, &f->prepared[which], NULL);

		if (code != SQLITE_OK)
			return convert_last(f, code);
	}
	*ret = f->prepared[which];
	return 0;
}

static void bind_blob(sqlite3_stmt *s, int index, const struct buffer *bytes)
{
	/* Cannot fail: nothing is copied, the bytes stay until the bindings are cleared. NULL where there are none. */
	(void)sqlite3_bind_blob64(s, index, bytes->bytes, bytes->length, SQLITE_STATIC);
}

int segment_file_append(struct segment_file *f, struct segment_row *row, const struct buffer *names,
			const struct buffer *data)
{
	sqlite3_stmt *s = NULL;
	int err = prepare(f, INSERT, &s);

	if (err)
		return err;
	if (names->length > BLOB_BYTES_MAX || data->length > BLOB_BYTES_MAX)
		return -EFBIG;
	(void)sqlite3_bind_int64(s, 1, (int64_t)row->start_ns); /* these cannot fail: */
	(void)sqlite3_bind_int64(s, 2, (int64_t)row->end_ns);	/* the indices are there */
	(void)sqlite3_bind_int64(s, 3, row->windows);
	(void)sqlite3_bind_int64(s, 4, row->samples);
	bind_blob(s, 5, names);
	bind_blob(s, 6, data);
	err = convert_last(f, sqlite3_step(s));
	(void)sqlite3_reset(s); /* repeats what the step said */
	(void)sqlite3_clear_bindings(s);
	if (!err)
		row->id = sqlite3_last_insert_rowid(f->db);
	return err;
}

int segment_file_begin(struct segment_file *f)
{
	return execute(f, "BEGIN IMMEDIATE");
}

int segment_file_commit(struct segment_file *f)
{
	return execute(f, "COMMIT");
}

int segment_file_seal(struct segment_file *f)
{
	int err = execute(f, "PRAGMA user_version = " TEXT_OF(SEGMENT_FORMAT_SEALED));

	if (!err)
		f->sealed = true;
	return err;
}

bool segment_file_is_sealed(const struct segment_file *f)
{
	return f->sealed;
}

static struct segment_row read_row(sqlite3_stmt *s)
{
	return (struct segment_row){
		.id = sqlite3_column_int64(s, 0),
		.start_ns = (uint64_t)sqlite3_column_int64(s, 1),
		.end_ns = (uint64_t)sqlite3_column_int64(s, 2),
		.windows = (uint32_t)sqlite3_column_int64(s, 3),
		.samples = (uint32_t)sqlite3_column_int64(s, 4),
	};
}

int segment_file_rows(struct segment_file *f, int64_t after, struct segment_row **ret,
		      size_t *ret_count)
{
	auto_free struct segment_row *rows = NULL;
	size_t count = 0;
	size_t capacity = 0;
	sqlite3_stmt *s = NULL;
	int err = prepare(f, ROWS, &s);
	int code = SQLITE_ROW;

	if (err)
		return err;
	(void)sqlite3_bind_int64(s, 1, after); /* the index is there */
	while ((code = sqlite3_step(s)) == SQLITE_ROW && !err) {
		err = array_reserve((void **)&rows, &capacity, count + 1, sizeof(*rows));
		if (!err)
			rows[count++] = read_row(s);
	}
	if (!err)
		err = convert_last(f, code);
	(void)sqlite3_reset(s); /* repeats what the step said */
	if (err)
		return err;
	*ret = take_ptr(rows);
	*ret_count = count;
	return 0;
}

int segment_file_fetch(struct segment_file *f, int64_t id, enum segment_column column,
		       struct buffer *out)
{
	sqlite3_stmt *s = NULL;
	int err = prepare(f, column == SEGMENT_NAMES ? FETCH_NAMES : FETCH_DATA, &s);

	if (err)
		return err;
	(void)sqlite3_bind_int64(s, 1, id); /* the index is there */

	int code = sqlite3_step(s);

	if (code == SQLITE_ROW) {
		const void *bytes = sqlite3_column_blob(s, 0);
		int length = sqlite3_column_bytes(s, 0);

		if (bytes)
			buffer_append(out, bytes, (size_t)length);
		else if (sqlite3_errcode(f->db) == SQLITE_NOMEM)
			err = -ENOMEM;
	} else {
		err = code == SQLITE_DONE ? -ENOENT : convert_last(f, code);
	}
	(void)sqlite3_reset(s); /* repeats what the step said */
	return err ? err : out->error;
}
