/* The store thread's connection and its transactions. For the store's own files; store thread only.
 */
#ifndef FW_STORE_TRANSACTION_H
#define FW_STORE_TRANSACTION_H

#include <sqlite3.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/token_bucket.h"
#include "protocol/topic.h"
#include "store/checkpoint.h"
#include "store/context.h"
#include "store/outcomes.h"
#include "store/poison.h"
#include "store/queue.h"

/* Room of the outbox that transactions leave to log lines, and to the rare report that has more
 * messages than room was asked for. */
#define FW_OUTBOX_RESERVE 512u

struct fw_transaction {
	sqlite3 *db;
	const struct fw_store_context *context; /* borrowed */
	struct fw_checkpoint checkpoint;
	struct fw_clock clock;
	char boot_id[FW_BOOT_ID_MAX];
	struct fw_queue queue;
	/* rows that were sent or ended in the open transaction, and up to the savepoint: counted at
	 * commit */
	struct fw_outcomes outcomes, outcomes_before;
	struct fw_token_bucket event_rate; /* of the task events that are queued */
	bool untold;                       /* some rows may be marked untold */
	uint64_t number;                   /* of the open transaction, from 1 */
	int64_t wall_ms, steady_ms;        /* the time of the open transaction */
	/* the watermark, steady ms: what devices said until then is in the catalog; no timeout is
	 * decided beyond it */
	int64_t heard_until_ms;
	int64_t started_ms; /* steady ms: what was pushed before, an earlier run pushed */
	/* steady ms: since then no device has come or gone unnoticed; INT64_MAX: one may have */
	int64_t presence_complete_since_ms;
	int64_t next_refused_line; /* boot ms: not before */
	struct fw_poison poison;   /* at what triggers ended transactions */
	bool ended_at_poison;      /* the open or last one, by what was tried in it */
	bool passed_over;          /* something was not tried in the open or last one */
	/* messages of committed transactions that did not fit into the outbox, not logged yet */
	size_t dropped;
	struct fw_error error; /* why the last transaction failed, for the log */
	sqlite3_stmt *statements[4];
};

/* Takes over `db`, a connection to the catalog. The caller has set transaction->context before: log
 * lines need it even when there is no catalog. `sync_full`: a commit waits until the disk has it.
 * FW_OK, or an error with a message in `error`; fw_transaction_close is due in both cases. */
enum fw_status fw_transaction_open(
	struct fw_transaction *transaction, sqlite3 *db, bool sync_full, struct fw_error *error);
void fw_transaction_close(struct fw_transaction *transaction);

/* *out: the sequence of the last spool record that is in the catalog. FW_OK, or an error with a
 * message in `error`. */
enum fw_status fw_transaction_applied(
	struct fw_transaction *transaction, uint64_t *out, struct fw_error *error);

/* FW_OK; FW_BUSY when another connection holds the lock; FW_FAILED when SQLite's log has become too
 * large because a reader keeps it from being started over; or another error. Between begin and
 * commit catalog_state.plugin_writing is 1, so that the catalog's triggers let the plugin do what
 * operators may not. */
enum fw_status fw_transaction_begin(struct fw_transaction *transaction);
/* `applied`: the sequence up to which the spool is in the catalog with this transaction; 0: as
 * before. FW_OK; or an error, and all is rolled back. */
enum fw_status fw_transaction_commit(struct fw_transaction *transaction, uint64_t applied);
void fw_transaction_rollback(struct fw_transaction *transaction);
/* Ends a transaction by the `status` of its work: commits FW_OK, rolls back anything else. FW_OK,
 * or the error of the work or the commit. */
enum fw_status fw_transaction_end(
	struct fw_transaction *transaction, enum fw_status status, uint64_t applied);

/* A savepoint in the open transaction (sqlite.org/lang_savepoint.html), one at a time. _restore
 * undoes what was written and queued since _save; _release ends the savepoint in either case.
 * FW_OK, or an error of SQLite: then the transaction is to be rolled back. */
enum fw_status fw_transaction_save(struct fw_transaction *transaction);
enum fw_status fw_transaction_restore(struct fw_transaction *transaction);
enum fw_status fw_transaction_release(struct fw_transaction *transaction);

/* A statement that the catalog's rules or an operator's trigger refuse is undone alone
 * (sqlite.org/lang_conflict.html, "ABORT"). It is passed over, so that one row does not hold up
 * others, and logged at most once a minute. FW_OK then; otherwise `status`. `what` was to be
 * written. */
enum fw_status fw_transaction_pass_over(
	struct fw_transaction *transaction, enum fw_status status, const char *what);

/* Has a trigger ended the open transaction (RAISE(ROLLBACK)), so that nothing of it is left?
 * `status` is that of its last statement. */
bool fw_transaction_was_ended(const struct fw_transaction *transaction, enum fw_status status);

/* Before `what` is done for a device; or for a task (in place of `device`, of no product). 0: a
 * trigger has ended the transaction of that within the last minute. So it is passed over, as it
 * must not hold up others, and logged at most once a minute. Else a number for
 * fw_transaction_tried. */
uint64_t fw_transaction_try(struct fw_transaction *transaction, struct fw_slice product,
	struct fw_slice device, const char *what);
/* What was tried has this `status`. Returns that. Of what is tried within each other, the innermost
 * is passed over next time. */
enum fw_status fw_transaction_tried(
	struct fw_transaction *transaction, enum fw_status status, uint64_t work);
/* The same, and fw_transaction_pass_over. */
enum fw_status fw_transaction_tried_or_passed_over(
	struct fw_transaction *transaction, enum fw_status status, const char *what, uint64_t work);

/* Why that is passed over by which a trigger ended a transaction, for the log. */
extern const char fw_transaction_rolls_back[];

/* Logs that `what` was to be written, and is passed over since `why`; at most once a minute. */
void fw_transaction_log_passed_over(
	struct fw_transaction *transaction, const char *what, const char *why);

/* Queues a message for a device's topic, to be published after the commit. `payload` is malloc'd
 * and taken over in every case. FW_OK; FW_NOMEM, also for a NULL payload. */
enum fw_status fw_transaction_queue(struct fw_transaction *transaction, enum fw_topic_kind kind,
	struct fw_slice product, struct fw_slice device, char *payload, size_t len, int qos);

/* The same, for an `upgrade`. It expires after expiry_seconds: so long the broker keeps it for an
 * offline session. `blind`: the device's presence is unknown (FW_OUTGOING_BLIND). */
enum fw_status fw_transaction_queue_upgrade(struct fw_transaction *transaction,
	struct fw_slice product, struct fw_slice device, char *payload, size_t len,
	uint32_t expiry_seconds, bool blind);

/* Queues the question whether a device is online; `online`: the catalog says so. The answer comes
 * as fw_store_note_presence, if the device is online or the catalog is wrong. FW_OK or FW_NOMEM. */
enum fw_status fw_transaction_ask_presence(struct fw_transaction *transaction,
	struct fw_slice product, struct fw_slice device, bool online);

/* How many more messages may be queued now. */
size_t fw_transaction_room(const struct fw_transaction *transaction);
/* Room for those of a row of task_device, its queued changes included: nearly always fewer. */
#define FW_TRANSACTION_ROOM_OF_ROW 32u

/* Hands a log line to the broker thread, which writes it; not part of a transaction, and kept when
 * that is rolled back: for what was seen or refused. Without memory there is no line. */
void fw_transaction_log(struct fw_transaction *transaction, enum fw_log_level level,
	const char *format, ...) __attribute__((format(printf, 3, 4)));

/* The same, for what the open transaction has done: written when it is committed, dropped when it
 * is rolled back. */
void fw_transaction_queue_log(struct fw_transaction *transaction, enum fw_log_level level,
	const char *format, ...) __attribute__((format(printf, 3, 4)));

#endif
