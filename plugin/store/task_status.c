/* Publishes a task's status, when the task has changed and its last message is a second old.
 *
 * Writers of rows report which tasks changed (fw_task_status_note); the table task_log shows what
 * operators and the rules did to a task. A deleted task leaves no row there: after a change of the
 * catalog's generation all published tasks are read again, and those that are gone are found. */
#include "store/task_status.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/table.h"
#include "catalog/db.h"
#include "protocol/message.h"

#define EVERY_MS 1000
#define MESSAGES_MAX 64u /* of one round */

enum statement { LAST_LOG, LOG_AFTER, ALL, STATUS, GENERATION, STATEMENTS };

static const char *const sql[STATEMENTS] = {
	[LAST_LOG] = "SELECT coalesce(max(log_id), 0) FROM task_log",
	[LOG_AFTER] = "SELECT log_id, task_id, what, detail,"
		      " who = 'operator' OR what = 'ended' FROM task_log"
		      " WHERE log_id > ?1 ORDER BY log_id LIMIT 256",
	[ALL] = "SELECT task_id FROM task",
	[STATUS] = "SELECT t.state, t.paused_reason, t.stage,"
		   " (SELECT max(1, count(*)) FROM task_stage s WHERE s.task_id = t.task_id),"
		   " c.waiting, c.processing, c.success, c.failed, c.canceled,"
		   " c.started, c.proved, c.bad"
		   " FROM task t CROSS JOIN task_count c ON c.task_id = t.task_id"
		   " WHERE t.task_id = ?1",
	[GENERATION] = "SELECT generation FROM catalog_state",
};

struct entry {
	int64_t published_ms; /* boot ms; 0: never */
	bool changed;
};

struct fw_task_status {
	struct fw_transaction *transaction;
	struct fw_table *tasks; /* task_id to struct entry */
	size_t changed;         /* how many of them are marked changed */
	int64_t log_id;         /* read up to here */
	int64_t data_version, generation;
	uint64_t own; /* transactions of the store at the last look */
	sqlite3_stmt *statements[STATEMENTS];
};

static enum fw_status note_all(struct fw_task_status *status)
{
	sqlite3_stmt *statement = status->statements[ALL];
	enum fw_status found, noted = FW_OK;

	while ((found = fw_db_step(statement)) == FW_OK && noted == FW_OK)
		noted = fw_task_status_note(status, fw_db_text(statement, 0));
	sqlite3_reset(statement);
	return found == FW_NOT_FOUND ? noted : found;
}

enum fw_status fw_task_status_open(
	struct fw_transaction *transaction, struct fw_task_status **out, struct fw_error *error)
{
	struct fw_task_status *status = calloc(1, sizeof(*status));
	enum fw_status opened = FW_NOMEM;

	if (!status)
		return FW_NOMEM;
	status->transaction = transaction;
	status->tasks = fw_table_new(0);
	if (status->tasks)
		opened = fw_db_prepare(transaction->db, sql, status->statements, STATEMENTS, error);
	if (opened == FW_OK)
		opened = fw_db_read_integer(status->statements[LAST_LOG], &status->log_id);
	if (opened == FW_OK)
		opened = note_all(status);
	if (opened != FW_OK) {
		fw_task_status_close(status);
		return opened;
	}
	*out = status;
	return FW_OK;
}

void fw_task_status_close(struct fw_task_status *status)
{
	if (!status)
		return;
	fw_table_clear(status->tasks, free);
	fw_table_free(status->tasks);
	fw_db_finalize(status->statements, STATEMENTS);
	free(status);
}

enum fw_status fw_task_status_note(struct fw_task_status *status, struct fw_slice task_id)
{
	struct entry *entry = status ? fw_table_get(status->tasks, task_id) : NULL;

	if (!status)
		return FW_OK;
	if (!entry) {
		entry = calloc(1, sizeof(*entry));
		if (!entry || fw_table_put(status->tasks, task_id, entry, NULL) != FW_OK) {
			free(entry);
			return FW_NOMEM;
		}
	}
	status->changed += !entry->changed;
	entry->changed = true;
	return FW_OK;
}

/* Logs what operators did to a task, and its end. What the rules did is logged where they do it. */
static void log_change(struct fw_task_status *status, sqlite3_stmt *statement)
{
	struct fw_slice task_id = fw_db_text(statement, 1), what = fw_db_text(statement, 2),
			detail = fw_db_text(statement, 3);

	if (sqlite3_column_int(statement, 4))
		fw_transaction_log(status->transaction, FW_LOG_NOTICE, "task %.*s: %.*s%s%.*s",
			(int)task_id.len, task_id.at, (int)what.len, what.at,
			detail.len ? ", " : "", (int)detail.len, detail.at ? detail.at : "");
}

static enum fw_status read_log(struct fw_task_status *status)
{
	sqlite3_stmt *statement = status->statements[LOG_AFTER];
	enum fw_status found, noted = FW_OK;

	fw_db_bind_integer(statement, 1, status->log_id);
	while ((found = fw_db_step(statement)) == FW_OK && noted == FW_OK) {
		noted = fw_task_status_note(status, fw_db_text(statement, 1));
		log_change(status, statement);
		status->log_id = sqlite3_column_int64(statement, 0);
	}
	sqlite3_reset(statement);
	return found == FW_NOT_FOUND ? noted : found;
}

/* Marks all tasks as changed when the generation moved: a task may be deleted, which shows when it
 * is published. */
static enum fw_status look_for_deleted(struct fw_task_status *status)
{
	struct fw_table_walk walk = {.bucket = 0};
	int64_t generation = 0;
	enum fw_status read = fw_db_read_integer(status->statements[GENERATION], &generation);

	if (read != FW_OK || generation == status->generation)
		return read;
	status->generation = generation;
	while (fw_table_next(status->tasks, &walk)) {
		struct entry *entry = walk.value;

		status->changed += !entry->changed;
		entry->changed = true;
	}
	return FW_OK;
}

static enum fw_status publish(
	struct fw_task_status *status, struct fw_slice task_id, char *payload, size_t len)
{
	struct fw_outgoing message = {.kind = FW_OUTGOING_RETAINED, .payload = payload, .len = len};

	if (!payload ||
		asprintf(&message.topic, "$SYS/broker/firmware/tasks/%.*s", (int)task_id.len,
			task_id.at) < 0) {
		free(payload);
		return FW_NOMEM;
	}
	fw_outbox_put(status->transaction->context->outbox, message);
	return FW_OK;
}

static char *write_status(sqlite3_stmt *statement, size_t *len)
{
	struct fw_slice reason = fw_db_text(statement, 1);
	char text[1024 + 1];
	struct fw_task_message message = {.state = (const char *)sqlite3_column_text(statement, 0),
		.reason = fw_slice_copy(reason, text, sizeof(text)) && reason.len ? text : NULL,
		.stage = sqlite3_column_int64(statement, 2),
		.stages = sqlite3_column_int64(statement, 3)};

	for (int i = 0; i < FW_TASK_MESSAGE_COUNTS; i++)
		message.counts[i] = sqlite3_column_int64(statement, 4 + i);
	return message.state ? fw_message_write_task_status(&message, fw_now_ms(), len) : NULL;
}

/* *gone: the task is no more. */
static enum fw_status publish_task(
	struct fw_task_status *status, struct fw_slice task_id, bool *gone)
{
	sqlite3_stmt *statement = status->statements[STATUS];
	char *payload;
	size_t len = 0;
	enum fw_status found;

	fw_db_bind_text(statement, 1, task_id);
	found = fw_db_step(statement);
	*gone = found == FW_NOT_FOUND;
	/* an empty payload takes the retained message away (MQTT 3.1.1, section 3.3.1.3) */
	payload = found == FW_OK ? write_status(statement, &len) : calloc(1, 1);
	sqlite3_reset(statement);
	if (found == FW_OK || *gone)
		return publish(status, task_id, payload, len);
	free(payload);
	return found;
}

static enum fw_status publish_changed(struct fw_task_status *status, bool *more)
{
	struct fw_table_walk walk = {.bucket = 0};
	int64_t now = fw_boot_ms();
	size_t count = 0;
	enum fw_status published;

	while (status->changed && fw_table_next(status->tasks, &walk)) {
		struct entry *entry = walk.value;
		bool gone;

		if (!entry->changed ||
			(entry->published_ms && now - entry->published_ms < EVERY_MS))
			continue;
		if (count++ == MESSAGES_MAX ||
			fw_transaction_room(status->transaction) < MESSAGES_MAX) {
			*more = true;
			break;
		}
		published = publish_task(status, walk.key, &gone);
		if (published != FW_OK)
			return published;
		entry->changed = false;
		entry->published_ms = now;
		status->changed--;
		if (gone) {
			fw_table_remove(status->tasks, walk.key);
			free(entry);
		}
	}
	return FW_OK;
}

enum fw_status fw_task_status_work(struct fw_task_status *status, bool *more)
{
	int64_t data_version = 0;
	enum fw_status done =
		fw_db_integer(status->transaction->db, "PRAGMA data_version", &data_version, NULL);

	if (done == FW_OK &&
		(data_version != status->data_version ||
			status->own != status->transaction->number)) {
		done = read_log(status);
		if (done == FW_OK)
			done = look_for_deleted(status);
		status->data_version = data_version;
		status->own = status->transaction->number;
	}
	return done == FW_OK ? publish_changed(status, more) : done;
}
