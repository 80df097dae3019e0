/* The lock of a catalog: one broker writes it. For the store's own files. */
#ifndef FW_CATALOG_LOCK_H
#define FW_CATALOG_LOCK_H

#include "base/fw.h"

/* On the I/O thread. Two writers of one spool would overwrite each other: another broker, or with
 * per_listener_settings this plugin a second time. Locks `{db_file}-lock`, a file of its own, since
 * closing any descriptor of the catalog would drop SQLite's locks on it
 * (sqlite.org/howtocorrupt.html). FW_OK, FW_NOMEM, or FW_FAILED with a message in `error`. In every
 * case *fd is set, to -1 or to what the caller is to close: that unlocks. */
enum fw_status fw_lock_catalog(const char *db_file, int *fd, struct fw_error *error);

#endif
