/* When SQLite's log (WAL) is copied into the catalog, and how large it may become. For the store's
 * own files; store thread only, outside a transaction.
 *
 * SQLite's automatic checkpoint runs at every commit once the log is long enough. While a reader
 * keeps the log from being started over, each commit would then wait for the disk, and so would the
 * spool's writes on the broker thread. So it is off, and a checkpoint runs each time the log has
 * grown by 16 MiB. At 1 GiB no transaction begins until the log can be started over: uplinks stay
 * in the spool, which needs less room. */
#ifndef FW_STORE_CHECKPOINT_H
#define FW_STORE_CHECKPOINT_H

#include <stdbool.h>
#include <stdint.h>

#include <sqlite3.h>

#include "base/fw.h"

struct fw_checkpoint {
	sqlite3 *db;
	int log_pages; /* at the last commit */
	int due_pages; /* with so many the next checkpoint is due */
	int most_pages;
	int done_pages;     /* so many the last checkpoint could copy */
	int64_t not_before; /* boot ms, of the next one */
	/* boot ms of the last one, and of the last one that got farther than the one before it */
	int64_t tried_at, moved_at;
	/* of the last one; what failed is in `error` */
	enum fw_status status;
	struct fw_error error;
};

/* Takes the place of SQLite's automatic checkpoints on `db`, which is borrowed. `checkpoint` may
 * not move until `db` is closed. */
void fw_checkpoint_init(struct fw_checkpoint *checkpoint, sqlite3 *db);

/* After each commit. */
void fw_checkpoint_when_due(struct fw_checkpoint *checkpoint);

/* May a transaction begin? FW_OK; FW_FAILED when a reader keeps the log, which has reached its
 * bound, from being started over; or the error of the last checkpoint, which is repeated first:
 * with synchronous = NORMAL only a checkpoint syncs, and so shows that the disk fails
 * (sqlite.org/pragma.html, "synchronous"). `error` then says why. */
enum fw_status fw_checkpoint_allows(struct fw_checkpoint *checkpoint);

/* Is one reader that does not end the reason why SQLite's log is not started over? It pins a page
 * of the log, beyond which no checkpoint gets. Otherwise readers overlap: checkpoints get farther,
 * but there is never a moment without a reader. */
bool fw_checkpoint_is_pinned(const struct fw_checkpoint *checkpoint);
/* The same reason, and what to do, for the end of a log line. Static. */
const char *fw_checkpoint_hindrance(const struct fw_checkpoint *checkpoint);

/* The catalog's file was removed or replaced. Copies the log into the old file, wherever that is
 * now, and empties it, so that SQLite does not replay it into the new file: a log does not name its
 * database (sqlite.org/howtocorrupt.html, section 4.2). */
void fw_checkpoint_empty_log(struct fw_checkpoint *checkpoint);

#endif
