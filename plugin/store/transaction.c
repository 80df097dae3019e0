/* The writing connection: its transactions, and what they publish.
 *
 * A transaction marks the catalog (plugin_writing) when it begins, so that triggers let the plugin
 * do what operators may not, and takes the mark away when it commits. In the same statement it
 * stores how far the spool is applied, and the clock. What it wants published waits in a queue: a
 * commit sends it, a rollback drops it, so nothing is published that is not in the catalog. */
#include "store/transaction.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "catalog/db.h"
#include "upgrade/places.h"

#define REFUSED_LINE_EVERY_MS 60000
#define LOCKED_MS 50 /* that a statement waits for a lock */

const char fw_transaction_rolls_back[] =
	"a trigger rolls the whole transaction back: let it RAISE(ABORT) instead";

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
		fw_db_copy_text(statement, 3, saved.boot_id, sizeof(saved.boot_id));
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

enum fw_status fw_transaction_open(
	struct fw_transaction *transaction, sqlite3 *db, bool sync_full, struct fw_error *error)
{
	enum fw_status status;

	transaction->db = db;
	sqlite3_busy_timeout(db, LOCKED_MS);
	status = fw_db_exec(transaction->db,
		sync_full ? "PRAGMA synchronous = FULL" : "PRAGMA synchronous = NORMAL", error);
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
	if (status != FW_OK)
		return status;
	fw_checkpoint_init(&transaction->checkpoint, transaction->db);
	return resume_clock(transaction, error);
}

void fw_transaction_close(struct fw_transaction *transaction)
{
	fw_queue_free(&transaction->queue);
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
	status = fw_checkpoint_allows(&transaction->checkpoint);
	if (status != FW_OK) {
		transaction->error = transaction->checkpoint.error;
		return status;
	}
	status = fw_db_run(transaction->statements[BEGIN]);
	if (status != FW_OK) {
		snprintf(transaction->error.text, sizeof(transaction->error.text), "%s",
			sqlite3_errmsg(transaction->db));
		return status;
	}
	transaction->number++;
	transaction->ended_at_poison = transaction->passed_over = false;
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
	fw_db_bind_integer(statement, 2, fw_clock_at(&transaction->clock, boot_ms));
	fw_db_bind_integer(statement, 3, fw_now_ms());
	fw_db_bind_integer(statement, 4, boot_ms);
	sqlite3_bind_text(statement, 5, transaction->boot_id, -1, SQLITE_STATIC);
	return fw_db_run(statement);
}

/* Logged once there is room for the line, too. */
static void log_dropped(struct fw_transaction *transaction)
{
	if (!transaction->dropped || !fw_outbox_room(transaction->context->outbox))
		return;
	fw_transaction_log(transaction, FW_LOG_ERROR,
		"%zu messages did not fit into the queue to the broker, and were not published",
		transaction->dropped);
	transaction->dropped = 0;
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
	transaction->dropped += fw_queue_send(&transaction->queue, transaction->context->outbox);
	log_dropped(transaction);
	fw_outcomes_count(&transaction->outcomes, transaction->context->counters);
	fw_places_transaction_ended(transaction->context->places, true);
	fw_checkpoint_when_due(&transaction->checkpoint);
	return FW_OK;
}

void fw_transaction_rollback(struct fw_transaction *transaction)
{
	snprintf(transaction->error.text, sizeof(transaction->error.text), "%s",
		sqlite3_errmsg(transaction->db));
	fw_queue_drop(&transaction->queue, 0);
	transaction->outcomes = (struct fw_outcomes){.any = false};
	fw_places_transaction_ended(transaction->context->places, false);
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

uint64_t fw_transaction_try(struct fw_transaction *transaction, struct fw_slice product,
	struct fw_slice device, const char *what)
{
	uint64_t kind = fw_hash(0, what, strlen(what));
	uint64_t work = fw_hash_device(kind, product, device) | 1u;

	if (!fw_poison_has(&transaction->poison, work, fw_boot_ms()))
		return work;
	transaction->passed_over = true;
	fw_transaction_log_passed_over(transaction, what, fw_transaction_rolls_back);
	return 0;
}

enum fw_status fw_transaction_tried(
	struct fw_transaction *transaction, enum fw_status status, uint64_t work)
{
	if (!transaction->ended_at_poison && fw_transaction_was_ended(transaction, status)) {
		fw_poison_add(&transaction->poison, work, fw_boot_ms());
		transaction->ended_at_poison = true;
	}
	return status;
}

enum fw_status fw_transaction_save(struct fw_transaction *transaction)
{
	transaction->queue.saved = transaction->queue.count;
	transaction->outcomes_before = transaction->outcomes;
	return fw_db_exec(transaction->db, "SAVEPOINT uplink", NULL);
}

enum fw_status fw_transaction_restore(struct fw_transaction *transaction)
{
	fw_queue_drop(&transaction->queue, transaction->queue.saved);
	transaction->outcomes = transaction->outcomes_before;
	return fw_db_exec(transaction->db, "ROLLBACK TO uplink", NULL);
}

enum fw_status fw_transaction_release(struct fw_transaction *transaction)
{
	return fw_db_exec(transaction->db, "RELEASE uplink", NULL);
}

bool fw_transaction_was_ended(const struct fw_transaction *transaction, enum fw_status status)
{
	return status == FW_INVALID && sqlite3_get_autocommit(transaction->db);
}

void fw_transaction_log_passed_over(
	struct fw_transaction *transaction, const char *what, const char *why)
{
	if (fw_boot_ms() < transaction->next_refused_line)
		return;
	transaction->next_refused_line = fw_boot_ms() + REFUSED_LINE_EVERY_MS;
	fw_transaction_log(transaction, FW_LOG_WARNING,
		"the catalog's rules refuse %s, which is passed over: %s", what, why);
}

enum fw_status fw_transaction_pass_over(
	struct fw_transaction *transaction, enum fw_status status, const char *what)
{
	if (status != FW_INVALID || fw_transaction_was_ended(transaction, status))
		return status;
	fw_transaction_log_passed_over(transaction, what, sqlite3_errmsg(transaction->db));
	return FW_OK;
}

enum fw_status fw_transaction_tried_or_passed_over(
	struct fw_transaction *transaction, enum fw_status status, const char *what, uint64_t work)
{
	return fw_transaction_tried(
		transaction, fw_transaction_pass_over(transaction, status, what), work);
}

/* Takes over the payload of `message` in every case. */
static enum fw_status queue_message(struct fw_transaction *transaction, enum fw_topic_kind kind,
	struct fw_slice product, struct fw_slice device, struct fw_outgoing message)
{
	char topic[FW_TOPIC_BUFFER];

	if (message.payload && fw_topic_format(topic, sizeof(topic), kind, product, device))
		message.topic = strdup(topic);
	if (message.topic && fw_queue_add(&transaction->queue, message))
		return FW_OK;
	free(message.topic);
	free(message.payload);
	return FW_NOMEM;
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
	/* terminated, and with room for whatever ids an old catalog may have */
	char *key = calloc(1, product.len + device.len + 2);
	struct fw_outgoing item = {.kind = FW_OUTGOING_PRESENCE, .payload = key, .online = online};

	if (!key)
		return FW_NOMEM;
	item.len = fw_device_key(key, product, device).len;
	if (fw_queue_add(&transaction->queue, item))
		return FW_OK;
	free(key);
	return FW_NOMEM;
}

size_t fw_transaction_room(const struct fw_transaction *transaction)
{
	size_t room = fw_outbox_room(transaction->context->outbox);
	size_t taken = transaction->queue.count + FW_OUTBOX_RESERVE;

	return room > taken ? room - taken : 0;
}

/* payload: NULL when out of memory */
__attribute__((format(printf, 2, 0))) static struct fw_outgoing make_log_line(
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
		fw_outbox_put(transaction->context->outbox, line);
}

void fw_transaction_queue_log(
	struct fw_transaction *transaction, enum fw_log_level level, const char *format, ...)
{
	struct fw_outgoing line;
	va_list arguments;

	va_start(arguments, format);
	line = make_log_line(level, format, arguments);
	va_end(arguments);
	if (line.payload && !fw_queue_add(&transaction->queue, line))
		free(line.payload);
}
