/* The store thread's connection and its transactions. For the store's own files; store thread only.
 */
#ifndef FW_STORE_TRANSACTION_H
#define FW_STORE_TRANSACTION_H

#include <sqlite3.h>

#include "base/clock.h"
#include "base/counter.h"
#include "base/log.h"
#include "base/token_bucket.h"
#include "files/hosting.h"
#include "protocol/topic.h"
#include "store/outbox.h"
#include "store/outcomes.h"
#include "upgrade/places.h"

/* Room of the outbox that transactions leave to log lines. */
#define FW_OUTBOX_RESERVE 512u

struct fw_transaction {
	sqlite3 *db;
	struct fw_clock clock;
	char boot_id[FW_BOOT_ID_MAX];
	struct fw_outbox *outbox;      /* borrowed */
	struct fw_counters *counters;  /* borrowed */
	struct fw_hosting *hosting;    /* borrowed */
	struct fw_places *places;      /* borrowed */
	struct fw_task_status *status; /* borrowed; NULL: nobody is told of tasks */
	/* messages a second to one connection, and events to whoever listens; 0: as many as
	 * there are */
	int64_t rate;
	bool gateways;                 /* a connection may be that of many devices */
	struct fw_token_bucket events; /* task events that were queued */
	bool untold;                   /* some rows are marked untold */
	bool sees_connections;         /* who is not known to be online is not */
	/* connections of this run of the broker have this number or a higher one */
	uint64_t first_connection;
	bool closed; /* what devices say adds no device (option registration) */
	/* what the open transaction wants published: sent when it is committed, dropped when it is
	 * rolled back */
	struct fw_outgoing *queued;
	size_t queued_count, queued_room, queued_before; /* before: at the savepoint */
	/* what ended in it, and at the savepoint: counted when it is committed */
	struct fw_outcomes outcomes, outcomes_before;
	uint64_t number;            /* of the open transaction, from 1 */
	int64_t wall_ms, steady_ms; /* the time of the open transaction */
	/* steady time: what devices said until then is in the catalog; no timeout is decided
	 * beyond it */
	int64_t heard_until_ms;
	/* steady time of the start: what was pushed earlier, an earlier run of the broker pushed */
	int64_t started_ms;
	/* steady time: since then no device has come or gone unnoticed; INT64_MAX: one may have
	 * now */
	int64_t presence_complete_since_ms;
	/* pages in SQLite's log at the last commit, and when the next checkpoint is due */
	int log_pages, checkpoint_at;
	/* how the last one went: until it succeeds no transaction begins */
	enum fw_status checkpoint;
	/* from so many pages on no transaction begins until the log can be started over */
	int log_most;
	int64_t next_checkpoint; /* boot ms: not before */
	/* pages of the log that the last checkpoint could bring into the catalog */
	int log_done;
	/* boot ms of the last checkpoint, and of the last one that got farther than the one
	 * before it */
	int64_t tried_at, moved_at;
	int64_t next_refused_line; /* boot ms: not before */
	char error_text[256];      /* what SQLite said when the last transaction failed */
	sqlite3_stmt *statements[4];
};

/* Opens the catalog for writing. `sync_full`: a commit waits until the disk has it. FW_OK, or an
 * error with a message in `error`; fw_transaction_close is due in both cases. */
enum fw_status fw_transaction_open(struct fw_transaction *transaction, const char *path,
	bool sync_full, struct fw_error *error);
void fw_transaction_close(struct fw_transaction *transaction);

/* The sequence of the last spool record in the catalog. */
enum fw_status fw_transaction_applied(
	struct fw_transaction *transaction, uint64_t *out, struct fw_error *error);

/* FW_BUSY when another connection holds the lock; FW_FAILED when SQLite's log has become too large
 * because a reader keeps it from being started over. Between begin and commit the mark
 * plugin_writing is set, so that the catalog's triggers let the plugin do what operators may not.
 */
enum fw_status fw_transaction_begin(struct fw_transaction *transaction);
/* `applied`: the spool sequence this transaction has brought the catalog to; 0: not changed by it.
 * On failure all is rolled back. */
enum fw_status fw_transaction_commit(struct fw_transaction *transaction, uint64_t applied);
void fw_transaction_rollback(struct fw_transaction *transaction);
/* How a transaction ends whose work went so: commits FW_OK, rolls back anything else. What became
 * of it. */
enum fw_status fw_transaction_end(
	struct fw_transaction *transaction, enum fw_status status, uint64_t applied);

/* A savepoint in the open transaction (sqlite.org/lang_savepoint.html), one at a time: what was
 * done and queued since can be undone. Restored or not, it is to be released. */
enum fw_status fw_transaction_save(struct fw_transaction *transaction);
enum fw_status fw_transaction_restore(struct fw_transaction *transaction);
enum fw_status fw_transaction_release(struct fw_transaction *transaction);

/* A statement that the catalog's rules refuse, an operator's triggers among them, is undone alone
 * (sqlite.org/lang_conflict.html, "ABORT"): told, now and then, and passed over, so that one row
 * holds up no other. FW_OK then; otherwise `status`. `what`: that was to be written. */
enum fw_status fw_transaction_pass_over(
	struct fw_transaction *transaction, enum fw_status status, const char *what);

/* The catalog's file was replaced by another one. What the log holds goes into the old file,
 * wherever it is now, so that SQLite does not take the log for that of the file in its place: a log
 * does not say whose it is (sqlite.org/howtocorrupt.html, section 4.2). */
void fw_transaction_empty_log(struct fw_transaction *transaction);

/* What keeps SQLite's log from being started over, and what to do, for the end of a line. One
 * reader that does not end pins one page: no checkpoint gets beyond it. Readers that overlap let it
 * move on, but never leave a moment in which the log has none. */
bool fw_transaction_pinned(const struct fw_transaction *transaction); /* by one reader */
const char *fw_transaction_hindrance(const struct fw_transaction *transaction);

/* Queues a message for a device's topic; payload is malloc'd and taken over in every case. NULL
 * payload or no memory: FW_NOMEM. */
enum fw_status fw_transaction_queue(struct fw_transaction *transaction, enum fw_topic_kind kind,
	struct fw_slice product, struct fw_slice device, char *payload, size_t len, int qos);

/* The same, for an `upgrade`. It is void after so many seconds: the broker keeps it no longer for a
 * session that is away. `blind`: nobody knows whether the device is there. */
enum fw_status fw_transaction_queue_upgrade(struct fw_transaction *transaction,
	struct fw_slice product, struct fw_slice device, char *payload, size_t len,
	uint32_t expiry_seconds, bool blind);

/* Queues the question whether a device is online; the answer, if it is or `online` (as the catalog
 * has it) is wrong, comes as fw_store_note_presence. */
enum fw_status fw_transaction_ask_presence(struct fw_transaction *transaction,
	struct fw_slice product, struct fw_slice device, bool online);

/* How many more messages may be queued now. */
size_t fw_transaction_room(const struct fw_transaction *transaction);

/* A log line, written by the broker thread later; not part of a transaction. */
void fw_transaction_log(struct fw_transaction *transaction, enum fw_log_level level,
	const char *format, ...) __attribute__((format(printf, 3, 4)));

#endif
