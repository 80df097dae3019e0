/* Reports that some process writes the catalog, so that the store need not poll for commits. */
#ifndef FW_CATALOG_LOG_WATCH_H
#define FW_CATALOG_LOG_WATCH_H

#include "base/fw.h"

struct fw_log_watch;

/* Starts to watch the log (WAL) of the catalog `db_file` for any process's writes. `written` is
 * called on the watch's own thread, with a write that may not be committed yet. The caller owns
 * *out. FW_OK, FW_NOMEM, or FW_FAILED where the kernel grants no watch: then the caller must poll.
 * Threads and files are those of the calling side (base/io_thread.h). */
enum fw_status fw_log_watch_open(const char *db_file, void (*written)(void *context), void *context,
	struct fw_log_watch **out);

/* The opener's thread. Reports the next write, once; earlier ones are not reported. One system
 * call. False when the log does not exist; NULL is fine. */
bool fw_log_watch_arm(struct fw_log_watch *watch);

/* The opener's thread. Reports no write until armed again: the caller is about to write itself.
 * NULL is fine. */
void fw_log_watch_disarm(struct fw_log_watch *watch);

/* The opener's thread. `written` is not called after that. NULL is fine. */
void fw_log_watch_close(struct fw_log_watch *watch);

#endif
