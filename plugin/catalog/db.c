/* The only place where SQLite's result codes become ours. A statement that has no further row, or
 * failed, is reset here, so that it holds no lock. */
#include "catalog/db.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "catalog/temp_vfs.h"

enum fw_status fw_db_status(int code)
{
	switch (code & 0xff) {
	case SQLITE_OK:
	case SQLITE_DONE:
	case SQLITE_ROW:
		return FW_OK;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return FW_BUSY;
	case SQLITE_NOMEM:
		return FW_NOMEM;
	case SQLITE_FULL:
		return FW_FULL;
	case SQLITE_IOERR:
	case SQLITE_CANTOPEN:
	case SQLITE_READONLY:
	case SQLITE_PERM:
	case SQLITE_PROTOCOL:
		return FW_IO;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return FW_CORRUPT;
	case SQLITE_CONSTRAINT:
	case SQLITE_TOOBIG:
	case SQLITE_MISMATCH:
		return FW_INVALID;
	default:
		return FW_FAILED;
	}
}

static enum fw_status fail(sqlite3 *db, int code, struct fw_error *error)
{
	if (error)
		fw_error_set(error, "%s", db ? sqlite3_errmsg(db) : sqlite3_errstr(code));
	return fw_db_status(code);
}

enum fw_status fw_db_open(const char *path, int busy_ms, sqlite3 **out, struct fw_error *error)
{
	sqlite3 *db = NULL;
	int code = sqlite3_open_v2(path, &db,
		SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX,
		fw_temp_vfs_name(path));

	*out = NULL;
	if (code != SQLITE_OK) {
		enum fw_status status = fail(db, code, error);
		sqlite3_close(db);
		return status;
	}
	sqlite3_extended_result_codes(db, 1);
	sqlite3_busy_timeout(db, busy_ms);
	sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	*out = db;
	return FW_OK;
}

enum fw_status fw_db_exec(sqlite3 *db, const char *sql, struct fw_error *error)
{
	int code = sqlite3_exec(db, sql, NULL, NULL, NULL);

	return code == SQLITE_OK ? FW_OK : fail(db, code, error);
}

enum fw_status fw_db_integer(sqlite3 *db, const char *sql, int64_t *out, struct fw_error *error)
{
	sqlite3_stmt *statement = NULL;
	int code = sqlite3_prepare_v2(db, sql, -1, &statement, NULL);
	enum fw_status status = FW_OK;

	if (code == SQLITE_OK)
		code = sqlite3_step(statement);
	if (code == SQLITE_ROW)
		*out = sqlite3_column_int64(statement, 0);
	else
		status = code == SQLITE_DONE ? FW_NOT_FOUND : fail(db, code, error);
	sqlite3_finalize(statement);
	return status;
}

enum fw_status fw_db_prepare(sqlite3 *db, const char *const *sql, sqlite3_stmt **statements,
	size_t count, struct fw_error *error)
{
	for (size_t i = 0; i < count; i++) {
		int code = sqlite3_prepare_v3(
			db, sql[i], -1, SQLITE_PREPARE_PERSISTENT, &statements[i], NULL);

		if (code != SQLITE_OK)
			return fail(db, code, error);
	}
	return FW_OK;
}

void fw_db_finalize(sqlite3_stmt **statements, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		sqlite3_finalize(statements[i]);
		statements[i] = NULL;
	}
}

void fw_db_bind_text(sqlite3_stmt *statement, int index, struct fw_slice text)
{
	if (text.len)
		sqlite3_bind_text(statement, index, text.at, (int)text.len, SQLITE_STATIC);
	else
		sqlite3_bind_null(statement, index);
}

void fw_db_bind_integer(sqlite3_stmt *statement, int index, int64_t value)
{
	sqlite3_bind_int64(statement, index, value);
}

void fw_db_bind_time(sqlite3_stmt *statement, int index, int64_t time)
{
	if (time)
		sqlite3_bind_int64(statement, index, time);
	else
		sqlite3_bind_null(statement, index);
}

sqlite3_stmt *fw_db_start(sqlite3_stmt *statement, struct fw_slice first, struct fw_slice second)
{
	fw_db_bind_text(statement, 1, first);
	fw_db_bind_text(statement, 2, second);
	return statement;
}

void fw_db_copy_text(sqlite3_stmt *statement, int column, char *buffer, size_t size)
{
	fw_slice_copy(fw_db_text(statement, column), buffer, size);
}

struct fw_slice fw_db_text(sqlite3_stmt *statement, int column)
{
	const char *text = (const char *)sqlite3_column_text(statement, column);

	return (struct fw_slice){text, text ? (size_t)sqlite3_column_bytes(statement, column) : 0};
}

enum fw_status fw_db_step(sqlite3_stmt *statement)
{
	int code = sqlite3_step(statement);

	if (code == SQLITE_ROW)
		return FW_OK;
	sqlite3_reset(statement);
	return code == SQLITE_DONE ? FW_NOT_FOUND : fw_db_status(code);
}

enum fw_status fw_db_exists(sqlite3_stmt *statement)
{
	enum fw_status status = fw_db_step(statement);

	if (status == FW_OK)
		sqlite3_reset(statement);
	return status;
}

enum fw_status fw_db_read_integer(sqlite3_stmt *statement, int64_t *out)
{
	enum fw_status status = fw_db_step(statement);

	if (status == FW_OK) {
		*out = sqlite3_column_int64(statement, 0);
		sqlite3_reset(statement);
	}
	return status;
}

enum fw_status fw_db_run(sqlite3_stmt *statement)
{
	int code = sqlite3_step(statement);

	/* sqlite3_reset would only repeat the code of the step */
	sqlite3_reset(statement);
	return fw_db_status(code);
}

int64_t fw_db_log_bytes(const char *path)
{
	struct stat log;
	int64_t bytes = 0;
	char *log_path;

	if (asprintf(&log_path, "%s-wal", path) < 0)
		return -1;
	if (stat(log_path, &log) == 0)
		bytes = log.st_size;
	free(log_path);
	return bytes;
}
