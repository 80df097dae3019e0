/* Tells that somebody writes the catalog, so that nobody has to ask all the time. */
#ifndef FW_CATALOG_LOG_WATCH_H
#define FW_CATALOG_LOG_WATCH_H

#include "base/fw.h"

struct fw_log_watch;

/* Starts to watch the log (WAL) of the catalog `db_file` for any process's writes. `written` is
 * called on the watch's own thread, with a write that may not be committed yet. The caller owns
 * *out. FW_OK, FW_NOMEM, or FW_FAILED where the kernel has no watch to give: then who wants to know
 * must ask. Threads and files are those of the calling side (base/io_thread.h). */
enum fw_status fw_log_watch_open(const char *db_file, void (*written)(void *context), void *context,
	struct fw_log_watch **out);

/* The opener's thread. The next write is told, once; what was written before is not. One system
 * call. False when the log is not there; NULL is fine. */
bool fw_log_watch_arm(struct fw_log_watch *watch);

/* The opener's thread. Writes are not told any more: they are the caller's own. NULL is fine. */
void fw_log_watch_disarm(struct fw_log_watch *watch);

/* The opener's thread. `written` is not called after that. NULL is fine. */
void fw_log_watch_close(struct fw_log_watch *watch);

#endif
