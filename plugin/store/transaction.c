/* The writing connection: its transactions, what they publish, and SQLite's log.
 *
 * A transaction marks the catalog (plugin_writing) when it begins, so that triggers let the plugin
 * do what operators may not, and takes the mark away when it commits. In the same statement it
 * stores how far the spool is applied, and the clock. What it wants published waits in a list: a
 * commit puts it into the outbox, a rollback drops it, so nothing is published that is not in the
 * catalog.
 *
 * SQLite's own checkpoints are off. A checkpoint runs whenever the log has grown by
 * CHECKPOINT_PAGES. When a reader keeps the log from being started over and the log reaches its
 * bound, no transaction begins: uplinks stay in the spool, which needs less room. */
#include "store/transaction.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "catalog/db.h"

#define REFUSED_LINE_EVERY_MS 60000
#define CHECKPOINT_PAGES 4000    /* 16 MiB; under load a transaction writes up to a third of that */
#define LOG_MOST_PAGES (1 << 18) /* 1 GiB */
#define HINDERED_MS 1000         /* between checkpoints while a reader hinders them */
/* where no checkpoint has got farther for so long, one reader pins the log */
#define PINNED_MS 60000

enum statement { BEGIN, MARK, UNMARK, COMMIT, STATEMENTS };

static const char *const sql[STATEMENTS] = {
	[BEGIN] = "BEGIN IMMEDIATE",
	[MARK] = "UPDATE catalog_state SET plugin_writing = 1",
	[UNMARK] = ("UPDATE catalog_state SET plugin_writing = 0, applied_sequence = "
		    "max(applied_sequence, ?1),"
		    " clock_ms = ?2, clock_wall_ms = ?3, clock_boot_ms = ?4, clock_boot_id = ?5"),
	[COMMIT] = "COMMIT",
};

static enum fw_status resume_clock(struct fw_transaction *transaction, struct fw_error *error)
{
	struct fw_clock_moment now, saved = {0};
	sqlite3_stmt *statement = NULL;
	int64_t steady_ms = 0;
	int code = sqlite3_prepare_v2(transaction->db,
		"SELECT clock_ms, clock_wall_ms, clock_boot_ms, clock_boot_id FROM catalog_state",
		-1, &statement, NULL);

	if (code == SQLITE_OK)
		code = sqlite3_step(statement);
	if (code == SQLITE_ROW) {
		steady_ms = sqlite3_column_int64(statement, 0);
		saved.wall_ms = sqlite3_column_int64(statement, 1);
		saved.boot_ms = sqlite3_column_int64(statement, 2);
		snprintf(saved.boot_id, sizeof(saved.boot_id), "%s",
			(const char *)sqlite3_column_text(statement, 3));
	} else {
		fw_error_set(
			error, "cannot read the saved clock: %s", sqlite3_errmsg(transaction->db));
	}
	sqlite3_finalize(statement);
	if (code != SQLITE_ROW)
		return fw_db_status(code);
	fw_clock_read(&now);
	fw_clock_resume(&transaction->clock, steady_ms, &saved, &now);
	transaction->started_ms = transaction->presence_complete_since_ms =
		fw_clock_now(&transaction->clock);
	memcpy(transaction->boot_id, now.boot_id, sizeof(transaction->boot_id));
	return FW_OK;
}

/* The WAL hook: after each commit, with the pages that the log has
 * (sqlite.org/c3ref/wal_hook.html). */
static int note_log(void *context, sqlite3 *db, const char *name, int pages)
{
	struct fw_transaction *transaction = context;

	(void)db;
	(void)name;
	/* the log was started over */
	if (pages < transaction->log_pages)
		transaction->checkpoint_at = CHECKPOINT_PAGES;
	transaction->log_pages = pages;
	return SQLITE_OK;
}

static void note_checkpoint(struct fw_transaction *transaction, int done)
{
	transaction->tried_at = fw_boot_ms();
	if (done != transaction->log_done)
		transaction->moved_at = transaction->tried_at;
	transaction->log_done = done;
}

bool fw_transaction_pinned(const struct fw_transaction *transaction)
{
	return transaction->log_done < transaction->log_pages / 2 ||
		transaction->tried_at - transaction->moved_at >= PINNED_MS;
}

const char *fw_transaction_hindrance(const struct fw_transaction *transaction)
{
	if (fw_transaction_pinned(transaction))
		return "because some connection keeps a read transaction open: end it";
	return "because read transactions overlap without end: let those who read make a pause, or "
	       "read a copy (VACUUM INTO)";
}

/* Checkpoints each time the log has grown by CHECKPOINT_PAGES. SQLite's own automatic checkpoint
 * runs at every commit once the log is that long. While a reader keeps the log from being started
 * over, each commit would then wait for the disk, and so would the spool's writes on the broker
 * thread. */
static void checkpoint_when_due(struct fw_transaction *transaction)
{
	int total = 0, done = 0;

	if (transaction->log_pages < transaction->checkpoint_at ||
		fw_boot_ms() < transaction->next_checkpoint)
		return;
	transaction->checkpoint = fw_db_status(sqlite3_wal_checkpoint_v2(
		transaction->db, NULL, SQLITE_CHECKPOINT_PASSIVE, &total, &done));
	note_checkpoint(transaction, done);
	if (transaction->checkpoint == FW_BUSY)
		transaction->checkpoint = FW_OK;
	if (transaction->checkpoint != FW_OK)
		snprintf(transaction->error_text, sizeof(transaction->error_text),
			"its log cannot be brought into it: %s", sqlite3_errmsg(transaction->db));
	else
		transaction->checkpoint_at = transaction->log_pages + CHECKPOINT_PAGES;
	transaction->next_checkpoint =
		transaction->checkpoint != FW_OK || done < total ? fw_boot_ms() + HINDERED_MS : 0;
}

void fw_transaction_empty_log(struct fw_transaction *transaction)
{
	sqlite3_wal_checkpoint_v2(transaction->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
}

/* FW_FAILED while the log has reached its bound and a reader keeps it from being started over
 * (sqlite.org/wal.html, "Avoiding Excessively Large WAL Files"). */
static enum fw_status bound_log(struct fw_transaction *transaction)
{
	int total = 0, done = 0;

	if (transaction->log_pages < transaction->log_most)
		return FW_OK;
	if (fw_boot_ms() >= transaction->next_checkpoint) {
		transaction->next_checkpoint = fw_boot_ms() + HINDERED_MS;
		if (sqlite3_wal_checkpoint_v2(transaction->db, NULL, SQLITE_CHECKPOINT_RESTART,
			    &total, &done) == SQLITE_OK) {
			transaction->log_pages = 0;
			transaction->checkpoint_at = CHECKPOINT_PAGES;
			transaction->next_checkpoint = 0;
			return FW_OK;
		}
		note_checkpoint(transaction, done);
	}
	snprintf(transaction->error_text, sizeof(transaction->error_text),
		"its log has grown to %d MiB, %s", transaction->log_most >> 8,
		fw_transaction_hindrance(transaction));
	return FW_FAILED;
}

enum fw_status fw_transaction_open(struct fw_transaction *transaction, const char *path,
	bool sync_full, struct fw_error *error)
{
	enum fw_status status = fw_db_open(path, 50, &transaction->db, error);

	if (status == FW_OK)
		status = fw_db_exec(transaction->db,
			sync_full ? "PRAGMA synchronous = FULL" : "PRAGMA synchronous = NORMAL",
			error);
	/* when the log is started over, it is truncated to the size at which it is checkpointed */
	if (status == FW_OK)
		status = fw_db_exec(transaction->db,
			"PRAGMA foreign_keys = OFF; PRAGMA recursive_triggers = OFF; PRAGMA "
			"cache_size = -16384;"
			" PRAGMA journal_size_limit = 16384000",
			error);
	if (status == FW_OK)
		status = fw_db_prepare(
			transaction->db, sql, transaction->statements, STATEMENTS, error);
	if (status == FW_OK)
		/* in place of SQLite's own checkpoints */
		sqlite3_wal_hook(transaction->db, note_log, transaction);
	transaction->checkpoint_at = CHECKPOINT_PAGES;
	transaction->log_most = LOG_MOST_PAGES;
	return status == FW_OK ? resume_clock(transaction, error) : status;
}

/* Drops all queued messages but the first `kept`. */
static void drop_queued(struct fw_transaction *transaction, size_t kept)
{
	while (transaction->queued_count > kept) {
		struct fw_outgoing *last = &transaction->queued[--transaction->queued_count];

		free(last->topic);
		free(last->payload);
	}
}

void fw_transaction_close(struct fw_transaction *transaction)
{
	drop_queued(transaction, 0);
	free(transaction->queued);
	transaction->queued = NULL;
	fw_db_finalize(transaction->statements, STATEMENTS);
	sqlite3_close(transaction->db);
	transaction->db = NULL;
}

enum fw_status fw_transaction_applied(
	struct fw_transaction *transaction, uint64_t *out, struct fw_error *error)
{
	int64_t applied = 0;
	enum fw_status status = fw_db_integer(
		transaction->db, "SELECT applied_sequence FROM catalog_state", &applied, error);

	*out = (uint64_t)applied;
	return status;
}

enum fw_status fw_transaction_begin(struct fw_transaction *transaction)
{
	enum fw_status status;

	/* the last rollback may have failed, out of memory */
	if (!sqlite3_get_autocommit(transaction->db))
		fw_transaction_rollback(transaction);
	/* A failed checkpoint is repeated first: with synchronous = NORMAL only a checkpoint syncs,
	 * and so shows that the disk fails (sqlite.org/pragma.html, "synchronous"). */
	if (transaction->checkpoint != FW_OK)
		checkpoint_when_due(transaction);
	status =
		transaction->checkpoint == FW_OK ? bound_log(transaction) : transaction->checkpoint;
	if (status != FW_OK)
		return status;
	status = fw_db_run(transaction->statements[BEGIN]);
	if (status != FW_OK) {
		snprintf(transaction->error_text, sizeof(transaction->error_text), "%s",
			sqlite3_errmsg(transaction->db));
		return status;
	}
	transaction->number++;
	transaction->wall_ms = fw_now_ms();
	transaction->steady_ms = fw_clock_now(&transaction->clock);
	status = fw_db_run(transaction->statements[MARK]);
	if (status != FW_OK)
		fw_transaction_rollback(transaction);
	return status;
}

/* Clears plugin_writing, and stores the progress of the spool and the clock. */
static enum fw_status unmark(struct fw_transaction *transaction, uint64_t applied)
{
	sqlite3_stmt *statement = transaction->statements[UNMARK];
	int64_t boot_ms = fw_boot_ms();

	fw_db_bind_integer(statement, 1, (int64_t)applied);
	fw_db_bind_integer(statement, 2, boot_ms + transaction->clock.offset);
	fw_db_bind_integer(statement, 3, fw_now_ms());
	fw_db_bind_integer(statement, 4, boot_ms);
	sqlite3_bind_text(statement, 5, transaction->boot_id, -1, SQLITE_STATIC);
	return fw_db_run(statement);
}

enum fw_status fw_transaction_commit(struct fw_transaction *transaction, uint64_t applied)
{
	enum fw_status status = unmark(transaction, applied);

	if (status == FW_OK)
		status = fw_db_run(transaction->statements[COMMIT]);
	if (status != FW_OK) {
		fw_transaction_rollback(transaction);
		return status;
	}
	for (size_t i = 0; i < transaction->queued_count; i++)
		fw_outbox_put(transaction->outbox, transaction->queued[i]);
	if (transaction->queued_count)
		fw_outbox_wake(transaction->outbox);
	transaction->queued_count = 0;
	fw_outcomes_count(&transaction->outcomes, transaction->counters);
	fw_places_transaction_ended(transaction->places, true);
	checkpoint_when_due(transaction);
	return FW_OK;
}

void fw_transaction_rollback(struct fw_transaction *transaction)
{
	snprintf(transaction->error_text, sizeof(transaction->error_text), "%s",
		sqlite3_errmsg(transaction->db));
	drop_queued(transaction, 0);
	transaction->outcomes = (struct fw_outcomes){.any = false};
	fw_places_transaction_ended(transaction->places, false);
	if (!sqlite3_get_autocommit(transaction->db))
		fw_db_exec(transaction->db, "ROLLBACK", NULL);
}

enum fw_status fw_transaction_end(
	struct fw_transaction *transaction, enum fw_status status, uint64_t applied)
{
	if (status == FW_OK)
		return fw_transaction_commit(transaction, applied);
	fw_transaction_rollback(transaction);
	return status;
}

enum fw_status fw_transaction_save(struct fw_transaction *transaction)
{
	transaction->queued_before = transaction->queued_count;
	transaction->outcomes_before = transaction->outcomes;
	return fw_db_exec(transaction->db, "SAVEPOINT uplink", NULL);
}

enum fw_status fw_transaction_restore(struct fw_transaction *transaction)
{
	drop_queued(transaction, transaction->queued_before);
	transaction->outcomes = transaction->outcomes_before;
	return fw_db_exec(transaction->db, "ROLLBACK TO uplink", NULL);
}

enum fw_status fw_transaction_release(struct fw_transaction *transaction)
{
	return fw_db_exec(transaction->db, "RELEASE uplink", NULL);
}

enum fw_status fw_transaction_pass_over(
	struct fw_transaction *transaction, enum fw_status status, const char *what)
{
	if (status != FW_INVALID || sqlite3_get_autocommit(transaction->db))
		return status;
	if (fw_boot_ms() < transaction->next_refused_line)
		return FW_OK;
	transaction->next_refused_line = fw_boot_ms() + REFUSED_LINE_EVERY_MS;
	fw_transaction_log(transaction, FW_LOG_WARNING,
		"the catalog's rules refuse %s, which is passed over: %s", what,
		sqlite3_errmsg(transaction->db));
	return FW_OK;
}

static bool make_room(struct fw_transaction *transaction)
{
	size_t room = transaction->queued_room ? transaction->queued_room * 2 : 64;
	struct fw_outgoing *larger;

	if (transaction->queued_count < transaction->queued_room)
		return true;
	larger = realloc(transaction->queued, room * sizeof(*larger));
	if (!larger)
		return false;
	transaction->queued = larger;
	transaction->queued_room = room;
	return true;
}

/* Takes over the payload of `message` in every case. */
static enum fw_status queue_message(struct fw_transaction *transaction, enum fw_topic_kind kind,
	struct fw_slice product, struct fw_slice device, struct fw_outgoing message)
{
	char topic[FW_TOPIC_BUFFER];

	if (message.payload && fw_topic_format(topic, sizeof(topic), kind, product, device) &&
		make_room(transaction))
		message.topic = strdup(topic);
	if (!message.topic) {
		free(message.payload);
		return FW_NOMEM;
	}
	transaction->queued[transaction->queued_count++] = message;
	return FW_OK;
}

enum fw_status fw_transaction_queue(struct fw_transaction *transaction, enum fw_topic_kind kind,
	struct fw_slice product, struct fw_slice device, char *payload, size_t len, int qos)
{
	return queue_message(transaction, kind, product, device,
		(struct fw_outgoing){.payload = payload, .len = len, .qos = qos});
}

enum fw_status fw_transaction_queue_upgrade(struct fw_transaction *transaction,
	struct fw_slice product, struct fw_slice device, char *payload, size_t len,
	uint32_t expiry_seconds, bool blind)
{
	return queue_message(transaction, FW_TOPIC_UPGRADE, product, device,
		(struct fw_outgoing){.kind = blind ? FW_OUTGOING_BLIND : FW_OUTGOING_MESSAGE,
			.payload = payload,
			.len = len,
			.qos = 1,
			.expiry_seconds = expiry_seconds});
}

enum fw_status fw_transaction_ask_presence(struct fw_transaction *transaction,
	struct fw_slice product, struct fw_slice device, bool online)
{
	char *key = NULL;
	int len = -1;

	if (make_room(transaction))
		len = asprintf(&key, "%.*s/%.*s", (int)product.len, product.at, (int)device.len,
			device.at);
	if (len < 0)
		return FW_NOMEM;
	transaction->queued[transaction->queued_count++] = (struct fw_outgoing){
		.kind = FW_OUTGOING_PRESENCE, .payload = key, .len = (size_t)len, .online = online};
	return FW_OK;
}

size_t fw_transaction_room(const struct fw_transaction *transaction)
{
	size_t room = fw_outbox_room(transaction->outbox);
	size_t taken = transaction->queued_count + FW_OUTBOX_RESERVE;

	return room > taken ? room - taken : 0;
}

/* payload: NULL when out of memory */
static struct fw_outgoing make_log_line(
	enum fw_log_level level, const char *format, va_list arguments)
{
	struct fw_outgoing line = {.kind = FW_OUTGOING_LOG, .level = level};
	int len = vasprintf(&line.payload, format, arguments);

	if (len < 0)
		return (struct fw_outgoing){.kind = FW_OUTGOING_LOG};
	/* texts of operators and of SQLite may have any bytes */
	fw_make_line(line.payload);
	line.len = (size_t)len;
	return line;
}

void fw_transaction_log(
	struct fw_transaction *transaction, enum fw_log_level level, const char *format, ...)
{
	struct fw_outgoing line;
	va_list arguments;

	va_start(arguments, format);
	line = make_log_line(level, format, arguments);
	va_end(arguments);
	if (line.payload)
		fw_outbox_put(transaction->outbox, line);
}

void fw_transaction_queue_log(
	struct fw_transaction *transaction, enum fw_log_level level, const char *format, ...)
{
	struct fw_outgoing line;
	va_list arguments;

	va_start(arguments, format);
	line = make_log_line(level, format, arguments);
	va_end(arguments);
	if (line.payload && make_room(transaction))
		transaction->queued[transaction->queued_count++] = line;
	else
		free(line.payload);
}
