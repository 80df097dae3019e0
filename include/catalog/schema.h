/* Making, checking and migrating the catalog file. On the I/O thread (base/io_thread.h), at start.
 */
#ifndef FW_CATALOG_SCHEMA_H
#define FW_CATALOG_SCHEMA_H

#include "base/fw.h"

struct sqlite3;

#define FW_APPLICATION_ID 0x4D6F4657 /* "MoFW": sqlite.org/pragma.html#pragma_application_id */

/* Makes the catalog at `path` ready for use: checks it, makes it when it is missing or empty, and
 * brings an older one to this plugin's schema in one transaction: the missing migrations, and the
 * views and triggers if they differ. Writes nothing when all is current.
 *
 * FW_OK; then *db is the connection by which it was done, which saves its reader SQLite's look at
 * the whole schema: close it with sqlite3_close. NULL for `db`: it is closed. Else a message is in
 * `error`, and the file is as it was: FW_CORRUPT (no SQLite database, another program's, or
 * damaged), FW_NEWER (made by a newer plugin), FW_BUSY (locked for longer than some seconds),
 * FW_IO, FW_FULL, FW_NOMEM. */
enum fw_status fw_schema_prepare(const char *path, struct sqlite3 **db, struct fw_error *error);

#endif
