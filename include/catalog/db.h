/* SQLite's C API, narrowed to what catalog/ and store/ use. Each connection belongs to one thread.
 */
#ifndef FW_CATALOG_DB_H
#define FW_CATALOG_DB_H

#include <sqlite3.h>

#include "base/fw.h"

/* Opens an existing or new file; for writing even where only reads follow, because SQLite must be
 * able to recover the log that a crash left. Its temporary files are beside it
 * (catalog/temp_vfs.h). `busy_ms`: how long a statement waits for a lock.
 * FW_OK, or an error with a message in `error`; then *out is NULL. Close with sqlite3_close. */
enum fw_status fw_db_open(const char *path, int busy_ms, sqlite3 **out, struct fw_error *error);

/* Bytes of the log ("-wal") beside the database at `path`; 0 when there is none, -1 when out of
 * memory. */
int64_t fw_db_log_bytes(const char *path);

/* SQLite's result codes as ours (sqlite.org/rescode.html). SQLITE_CONSTRAINT is FW_INVALID. */
enum fw_status fw_db_status(int code);

/* Runs statements without results; the error says what SQLite said. `error` may be NULL. */
enum fw_status fw_db_exec(sqlite3 *db, const char *sql, struct fw_error *error);

/* The integer that a query of one row and column gives, such as a PRAGMA. FW_OK, FW_NOT_FOUND (no
 * row), or an error as above. */
enum fw_status fw_db_integer(sqlite3 *db, const char *sql, int64_t *out, struct fw_error *error);

/* Prepares a module's statements: texts in, statements out, in the same order. `statements` begins
 * as NULLs. After an error some are prepared: fw_db_finalize takes all of them, and NULLs. */
enum fw_status fw_db_prepare(sqlite3 *db, const char *const *sql, sqlite3_stmt **statements,
	size_t count, struct fw_error *error);
void fw_db_finalize(sqlite3_stmt **statements, size_t count);

/* Binding and reading. An empty slice binds NULL; other text is borrowed until the parameter is
 * bound anew (SQLITE_STATIC), so it must outlive the statement's run. */
void fw_db_bind_text(sqlite3_stmt *statement, int index, struct fw_slice text);
void fw_db_bind_integer(sqlite3_stmt *statement, int index, int64_t value);
void fw_db_bind_time(sqlite3_stmt *statement, int index, int64_t time); /* 0 binds NULL */
/* borrowed until the next step or reset; empty for NULL */
struct fw_slice fw_db_text(sqlite3_stmt *statement, int column);

/* Binds the two ids that most statements begin with, as ?1 and ?2; returns `statement`. */
sqlite3_stmt *fw_db_start(sqlite3_stmt *statement, struct fw_slice first, struct fw_slice second);

/* Copies text that the schema keeps within `size` bytes, terminated; empty for NULL. Longer text,
 * which somebody wrote around the schema, counts as none. */
void fw_db_copy_text(sqlite3_stmt *statement, int column, char *buffer, size_t size);

/* One step: FW_OK with a row, FW_NOT_FOUND when there is none (the statement is then reset). */
enum fw_status fw_db_step(sqlite3_stmt *statement);

/* Is there a row? FW_OK, FW_NOT_FOUND, or an error; the statement is reset. */
enum fw_status fw_db_exists(sqlite3_stmt *statement);

/* The integer in the first column of the next row. FW_OK, FW_NOT_FOUND (*out is left alone), or an
 * error; the statement is reset. */
enum fw_status fw_db_read_integer(sqlite3_stmt *statement, int64_t *out);

/* Runs a statement that gives no rows, and resets it. */
enum fw_status fw_db_run(sqlite3_stmt *statement);

#endif
