/* A connection for the control plane: SQL in, JSON out. What it writes is an operator's
 * (plugin_writing 0), so that every trigger applies. One thread at a time.
 *
 * A column of a query has the name of its JSON member. A name that ends with '?' is a boolean, one
 * that ends with "{}" is JSON text; the mark is not part of the member's name. */
#ifndef FW_CATALOG_ADMIN_H
#define FW_CATALOG_ADMIN_H

#include <jansson.h>

#include "base/fw.h"

struct fw_admin;

/* On the I/O thread's side (base/io_thread.h). `path` is a migrated catalog; `busy_ms`: how long a
 * statement waits for a lock; `deadline_ms`: how long all that is read between begin and end may
 * take. FW_OK, FW_NOMEM, or an error with a message in `error`. The caller owns *out. */
enum fw_status fw_admin_open(const char *path, int busy_ms, int deadline_ms, struct fw_admin **out,
	struct fw_error *error);
void fw_admin_close(struct fw_admin *admin); /* NULL is fine */

/* Any thread: the statement under way ends as soon as it can, and so do all later ones. */
void fw_admin_stop(struct fw_admin *admin);

/* A transaction: to read, with the deadline, or to write, without one. FW_OK or FW_BUSY, or an
 * error as below. */
enum fw_status fw_admin_begin(struct fw_admin *admin, bool writes);
/* Ends it in any case: commits when `commit`, else rolls back. FW_OK, or why the commit failed. */
enum fw_status fw_admin_end(struct fw_admin *admin, bool commit);

/* Runs one statement. `args`: an array, bound to ?1 and so on (an object or array as its text),
 * stolen; NULL is FW_NOMEM. `rows` NULL: none are wanted; else *rows is a new array of objects, on
 * success. FW_INVALID: a constraint or a trigger refuses. FW_BUSY: locked, or the deadline is over.
 * FW_FULL, FW_IO, FW_CORRUPT, FW_NOMEM, FW_FAILED. fw_admin_message says why. */
enum fw_status fw_admin_query(struct fw_admin *admin, const char *sql, json_t *args, json_t **rows);

/* The same without arguments and rows. */
enum fw_status fw_admin_exec(struct fw_admin *admin, const char *sql);

/* Rows that the last INSERT, UPDATE or DELETE changed itself, without those of triggers. */
int64_t fw_admin_changes(struct fw_admin *admin);

/* Why the last call failed: the sentence of a trigger or a constraint as it stands in the schema,
 * or what SQLite says. Valid until the next call. */
const char *fw_admin_message(const struct fw_admin *admin);

#endif
