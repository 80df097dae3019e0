#include "store/transaction.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "catalog/db.h"

#define REFUSED_LINE_EVERY_MS 60000
#define CHECKPOINT_PAGES 4000    /* 16 MiB: under load a transaction writes up to a third of it */
#define LOG_MOST_PAGES (1 << 18) /* 1 GiB */
#define HINDERED_MS 1000         /* between checkpoints while a reader hinders them */
#define PINNED_MS 60000          /* a reader for which checkpoints stand still so long does not end */

enum statement { BEGIN, MARK, UNMARK, COMMIT, STATEMENTS };

static const char *const sql[STATEMENTS] = {
	[BEGIN] = "BEGIN IMMEDIATE",
	[MARK] = "UPDATE catalog_state SET plugin_writing = 1",
	[UNMARK] = ("UPDATE catalog_state SET plugin_writing = 0, applied_sequence = max(applied_sequence, ?1),"
		" clock_ms = ?2, clock_wall_ms = ?3, clock_boot_ms = ?4, clock_boot_id = ?5"),
	[COMMIT] = "COMMIT",
};

static enum fw_status resume_clock(struct fw_writer *writer, struct fw_error *error)
{
	struct fw_clock_moment now, saved = {0};
	sqlite3_stmt *statement = NULL;
	int64_t steady_ms = 0;
	int code = sqlite3_prepare_v2(writer->db, "SELECT clock_ms, clock_wall_ms, clock_boot_ms, clock_boot_id FROM catalog_state", -1, &statement, NULL);

	if (code == SQLITE_OK)
		code = sqlite3_step(statement);
	if (code == SQLITE_ROW) {
		steady_ms = sqlite3_column_int64(statement, 0);
		saved.wall_ms = sqlite3_column_int64(statement, 1);
		saved.boot_ms = sqlite3_column_int64(statement, 2);
		snprintf(saved.boot_id, sizeof(saved.boot_id), "%s", (const char *)sqlite3_column_text(statement, 3));
	} else {
		fw_error_set(error, "cannot read the saved clock: %s", sqlite3_errmsg(writer->db));
	}
	sqlite3_finalize(statement);
	if (code != SQLITE_ROW)
		return fw_db_status(code);
	fw_clock_read(&now);
	fw_clock_resume(&writer->clock, steady_ms, &saved, &now);
	writer->started_ms = writer->watched_ms = fw_clock_now(&writer->clock);
	memcpy(writer->boot_id, now.boot_id, sizeof(writer->boot_id));
	return FW_OK;
}

static int note_log(void *context, sqlite3 *db, const char *name, int pages)
{
	struct fw_writer *writer = context;

	(void)db;
	(void)name;
	/* it was started over */
	if (pages < writer->log_pages)
		writer->checkpoint_at = CHECKPOINT_PAGES;
	writer->log_pages = pages;
	return SQLITE_OK;
}

static void note_checkpoint(struct fw_writer *writer, int done)
{
	writer->tried_at = fw_boot_ms();
	if (done != writer->log_done)
		writer->moved_at = writer->tried_at;
	writer->log_done = done;
}

bool fw_writer_pinned(const struct fw_writer *writer)
{
	return writer->log_done < writer->log_pages / 2 || writer->tried_at - writer->moved_at >= PINNED_MS;
}

const char *fw_writer_hindrance(const struct fw_writer *writer)
{
	if (fw_writer_pinned(writer))
		return "because some connection keeps a read transaction open: end it";
	return "because read transactions overlap without end: let those who read make a pause, or read a copy (VACUUM INTO)";
}

/* Each time the log has grown by so much. SQLite's own way is at every commit once it is so long, which is the same unless a reader keeps
 * the log from being started over: then every commit would wait for the disk, and with it the spool's writes on the broker thread. */
static void checkpoint_when_due(struct fw_writer *writer)
{
	int total = 0, done = 0;

	if (writer->log_pages < writer->checkpoint_at || fw_boot_ms() < writer->next_checkpoint)
		return;
	writer->checkpoint = fw_db_status(sqlite3_wal_checkpoint_v2(writer->db, NULL, SQLITE_CHECKPOINT_PASSIVE, &total, &done));
	note_checkpoint(writer, done);
	if (writer->checkpoint == FW_BUSY)
		writer->checkpoint = FW_OK;
	if (writer->checkpoint != FW_OK)
		snprintf(writer->trouble, sizeof(writer->trouble), "its log cannot be brought into it: %s", sqlite3_errmsg(writer->db));
	else
		writer->checkpoint_at = writer->log_pages + CHECKPOINT_PAGES;
	writer->next_checkpoint = writer->checkpoint != FW_OK || done < total ? fw_boot_ms() + HINDERED_MS : 0;
}

void fw_writer_empty_log(struct fw_writer *writer)
{
	sqlite3_wal_checkpoint_v2(writer->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
}

/* A connection that reads on and on keeps SQLite from starting the log over (sqlite.org/wal.html, "Avoiding Excessively Large WAL
 * Files"). Rather than fill the disk uplinks stay in the spool, which needs a small part of the room. */
static enum fw_status bound_log(struct fw_writer *writer)
{
	int total = 0, done = 0;

	if (writer->log_pages < writer->log_most)
		return FW_OK;
	if (fw_boot_ms() >= writer->next_checkpoint) {
		writer->next_checkpoint = fw_boot_ms() + HINDERED_MS;
		if (sqlite3_wal_checkpoint_v2(writer->db, NULL, SQLITE_CHECKPOINT_RESTART, &total, &done) == SQLITE_OK) {
			writer->log_pages = 0;
			writer->checkpoint_at = CHECKPOINT_PAGES;
			writer->next_checkpoint = 0;
			return FW_OK;
		}
		note_checkpoint(writer, done);
	}
	snprintf(writer->trouble, sizeof(writer->trouble), "its log has grown to %d MiB, %s", writer->log_most >> 8, fw_writer_hindrance(writer));
	return FW_FAILED;
}

enum fw_status fw_writer_open(struct fw_writer *writer, const char *path, bool sync_full, struct fw_error *error)
{
	enum fw_status status = fw_db_open(path, 50, &writer->db, error);

	if (status == FW_OK)
		status = fw_db_exec(writer->db, sync_full ? "PRAGMA synchronous = FULL" : "PRAGMA synchronous = NORMAL", error);
	/* the log is cut back to the size at which it is checkpointed when a long reader made it grow */
	if (status == FW_OK)
		status = fw_db_exec(writer->db, "PRAGMA foreign_keys = OFF; PRAGMA recursive_triggers = OFF; PRAGMA cache_size = -16384;"
			" PRAGMA journal_size_limit = 16384000", error);
	if (status == FW_OK)
		status = fw_db_prepare(writer->db, sql, writer->statements, STATEMENTS, error);
	if (status == FW_OK)
		sqlite3_wal_hook(writer->db, note_log, writer); /* in place of SQLite's own checkpoints */
	writer->checkpoint_at = CHECKPOINT_PAGES;
	writer->log_most = LOG_MOST_PAGES;
	return status == FW_OK ? resume_clock(writer, error) : status;
}

/* All but the first `kept`. */
static void drop_queued(struct fw_writer *writer, size_t kept)
{
	while (writer->queued_count > kept) {
		struct fw_outgoing *last = &writer->queued[--writer->queued_count];

		free(last->topic);
		free(last->payload);
	}
}

void fw_writer_close(struct fw_writer *writer)
{
	drop_queued(writer, 0);
	free(writer->queued);
	writer->queued = NULL;
	fw_db_finalize(writer->statements, STATEMENTS);
	sqlite3_close(writer->db);
	writer->db = NULL;
}

enum fw_status fw_writer_applied(struct fw_writer *writer, uint64_t *out, struct fw_error *error)
{
	int64_t applied = 0;
	enum fw_status status = fw_db_integer(writer->db, "SELECT applied_sequence FROM catalog_state", &applied, error);

	*out = (uint64_t)applied;
	return status;
}

enum fw_status fw_writer_begin(struct fw_writer *writer)
{
	enum fw_status status;

	/* the last rollback may have failed for want of memory */
	if (!sqlite3_get_autocommit(writer->db))
		fw_writer_rollback(writer);
	/* a disk that fails shows itself here first: only a checkpoint asks it (sqlite.org/pragma.html, "synchronous") */
	if (writer->checkpoint != FW_OK)
		checkpoint_when_due(writer);
	status = writer->checkpoint == FW_OK ? bound_log(writer) : writer->checkpoint;
	if (status != FW_OK)
		return status;
	status = fw_db_run(writer->statements[BEGIN]);
	if (status != FW_OK) {
		snprintf(writer->trouble, sizeof(writer->trouble), "%s", sqlite3_errmsg(writer->db));
		return status;
	}
	writer->transaction++;
	writer->wall_ms = fw_now_ms();
	writer->steady_ms = fw_clock_now(&writer->clock);
	status = fw_db_run(writer->statements[MARK]);
	if (status != FW_OK)
		fw_writer_rollback(writer);
	return status;
}

static enum fw_status unmark(struct fw_writer *writer, uint64_t applied)
{
	sqlite3_stmt *statement = writer->statements[UNMARK];
	int64_t boot_ms = fw_boot_ms();

	fw_db_bind_integer(statement, 1, (int64_t)applied);
	fw_db_bind_integer(statement, 2, boot_ms + writer->clock.offset);
	fw_db_bind_integer(statement, 3, fw_now_ms());
	fw_db_bind_integer(statement, 4, boot_ms);
	sqlite3_bind_text(statement, 5, writer->boot_id, -1, SQLITE_STATIC);
	return fw_db_run(statement);
}

enum fw_status fw_writer_commit(struct fw_writer *writer, uint64_t applied)
{
	enum fw_status status = unmark(writer, applied);

	if (status == FW_OK)
		status = fw_db_run(writer->statements[COMMIT]);
	if (status != FW_OK) {
		fw_writer_rollback(writer);
		return status;
	}
	for (size_t i = 0; i < writer->queued_count; i++)
		fw_outbox_put(writer->outbox, writer->queued[i]);
	writer->queued_count = 0;
	checkpoint_when_due(writer);
	return FW_OK;
}

void fw_writer_rollback(struct fw_writer *writer)
{
	snprintf(writer->trouble, sizeof(writer->trouble), "%s", sqlite3_errmsg(writer->db));
	drop_queued(writer, 0);
	if (!sqlite3_get_autocommit(writer->db))
		fw_db_exec(writer->db, "ROLLBACK", NULL);
}

enum fw_status fw_writer_end(struct fw_writer *writer, enum fw_status status, uint64_t applied)
{
	if (status == FW_OK)
		return fw_writer_commit(writer, applied);
	fw_writer_rollback(writer);
	return status;
}

enum fw_status fw_writer_save(struct fw_writer *writer)
{
	writer->queued_before = writer->queued_count;
	return fw_db_exec(writer->db, "SAVEPOINT uplink", NULL);
}

enum fw_status fw_writer_restore(struct fw_writer *writer)
{
	drop_queued(writer, writer->queued_before);
	return fw_db_exec(writer->db, "ROLLBACK TO uplink", NULL);
}

enum fw_status fw_writer_release(struct fw_writer *writer)
{
	return fw_db_exec(writer->db, "RELEASE uplink", NULL);
}

enum fw_status fw_writer_pass_over(struct fw_writer *writer, enum fw_status status, const char *what)
{
	if (status != FW_INVALID || sqlite3_get_autocommit(writer->db))
		return status;
	if (fw_boot_ms() < writer->next_refused_line)
		return FW_OK;
	writer->next_refused_line = fw_boot_ms() + REFUSED_LINE_EVERY_MS;
	fw_writer_log(writer, FW_LOG_WARNING, "the catalog's rules refuse %s, which is passed over: %s", what, sqlite3_errmsg(writer->db));
	return FW_OK;
}

static bool make_room(struct fw_writer *writer)
{
	size_t room = writer->queued_room ? writer->queued_room * 2 : 64;
	struct fw_outgoing *larger;

	if (writer->queued_count < writer->queued_room)
		return true;
	larger = realloc(writer->queued, room * sizeof(*larger));
	if (!larger)
		return false;
	writer->queued = larger;
	writer->queued_room = room;
	return true;
}

enum fw_status fw_writer_queue(struct fw_writer *writer, enum fw_topic_kind kind, struct fw_slice product, struct fw_slice device,
	char *payload, size_t len, int qos)
{
	return fw_writer_queue_expiring(writer, kind, product, device, payload, len, qos, 0);
}

enum fw_status fw_writer_queue_expiring(struct fw_writer *writer, enum fw_topic_kind kind, struct fw_slice product, struct fw_slice device,
	char *payload, size_t len, int qos, uint32_t expiry_seconds)
{
	char topic[FW_TOPIC_BUFFER];
	char *copy = NULL;

	if (payload && fw_topic_format(topic, sizeof(topic), kind, product, device) && make_room(writer))
		copy = strdup(topic);
	if (!copy) {
		free(payload);
		return FW_NOMEM;
	}
	writer->queued[writer->queued_count++] = (struct fw_outgoing){.kind = FW_OUTGOING_MESSAGE, .topic = copy, .payload = payload, .len = len,
		.qos = qos, .expiry_seconds = expiry_seconds};
	return FW_OK;
}

enum fw_status fw_writer_ask_presence(struct fw_writer *writer, struct fw_slice product, struct fw_slice device, bool online)
{
	char *key = NULL;
	int len = -1;

	if (make_room(writer))
		len = asprintf(&key, "%.*s/%.*s", (int)product.len, product.at, (int)device.len, device.at);
	if (len < 0)
		return FW_NOMEM;
	writer->queued[writer->queued_count++] = (struct fw_outgoing){.kind = FW_OUTGOING_PRESENCE, .payload = key, .len = (size_t)len, .qos = online};
	return FW_OK;
}

size_t fw_writer_room(const struct fw_writer *writer)
{
	size_t room = fw_outbox_room(writer->outbox);
	size_t taken = writer->queued_count + FW_OUTBOX_RESERVE;

	return room > taken ? room - taken : 0;
}

void fw_writer_log(struct fw_writer *writer, enum fw_log_level level, const char *format, ...)
{
	char *text = NULL;
	va_list arguments;
	int len;

	va_start(arguments, format);
	len = vasprintf(&text, format, arguments);
	va_end(arguments);
	if (len < 0)
		return;
	/* what operators and SQLite say may have any bytes */
	fw_make_line(text);
	fw_outbox_put(writer->outbox, (struct fw_outgoing){.kind = FW_OUTGOING_LOG, .payload = text, .len = (size_t)len, .qos = (int)level});
}
