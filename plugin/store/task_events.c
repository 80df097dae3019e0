/* Task events: the message `task` for each new state of a row.
 *
 * A state that the plugin writes is announced in the transaction that writes it. A state that an
 * operator writes is queued by a trigger in table task_change, and announced when the change is
 * taken; earlier changes of a row are always announced before later ones. Above the rate a row is
 * marked untold instead. A walk over the marked rows announces each with its state at that time. */
#include "store/task_events.h"

#include <stdlib.h>
#include <string.h>

#include "catalog/db.h"
#include "protocol/message.h"

#define ANNOUNCED_ROWS 100u /* rows marked untold that are announced in a transaction */

enum statement { UNTOLD, SET_UNTOLD, NEXT_CHANGE, CHANGE_OF_ROW, FORGET_CHANGE, STATEMENTS };

/* The columns that take_change reads, in its order. The row, the task and its firmware may be
 * deleted by now: `gone` is the change that deleted the task. */
#define FROM_CHANGE                                                                                \
	"SELECT c.change_id, c.task_id, c.device_id, coalesce(gone.product_id, f.product_id),"     \
	" coalesce(gone.firmware_id, f.firmware_id),"                                              \
	" c.device_id IS NULL AND c.state IS NULL, c.state,"                                       \
	" iif(gone.change_id IS NULL, td.progress, 0)"                                             \
	" FROM task_change c LEFT JOIN task_change gone ON gone.change_id = ("                     \
	"  SELECT min(change_id) FROM task_change"                                                 \
	"  WHERE task_id = c.task_id AND device_id IS NULL AND state IS NOT NULL"                  \
	"  AND change_id > c.change_id)"                                                           \
	" LEFT JOIN task t ON t.task_id = c.task_id"                                               \
	" LEFT JOIN firmware f ON f.firmware_id = t.firmware_id"                                   \
	" LEFT JOIN task_device td ON td.task_id = c.task_id AND td.device_id = c.device_id "

/* No LIMIT: callers stop stepping (store/task_device.c). */
static const char *const sql[STATEMENTS] = {
	[UNTOLD] = "SELECT td.task_id, td.device_id, f.product_id, t.firmware_id, td.state,"
		   " td.progress, td.error_reason FROM task_device td"
		   " CROSS JOIN task t ON t.task_id = td.task_id"
		   " CROSS JOIN firmware f ON f.firmware_id = t.firmware_id"
		   " WHERE td.untold = 1 AND (td.task_id, td.device_id) > (?1, ?2)"
		   " ORDER BY td.task_id, td.device_id",
	[SET_UNTOLD] = "UPDATE task_device SET untold = ?3 WHERE task_id = ?1 AND device_id = ?2",
	[NEXT_CHANGE] = FROM_CHANGE "ORDER BY c.change_id",
	[CHANGE_OF_ROW] = FROM_CHANGE "WHERE c.task_id = ?1 AND c.device_id = ?2"
				      " AND c.state IS NOT NULL ORDER BY c.change_id",
	[FORGET_CHANGE] = "DELETE FROM task_change WHERE change_id = ?1",
};

struct fw_task_events {
	struct fw_transaction *transaction;
	sqlite3_stmt *statements[STATEMENTS];
	/* The marked row that was announced last in this walk. So a row whose mark an operator's
	 * trigger keeps is announced once a walk. */
	char after_task[FW_ID_MAX + 1], after_device[FW_ID_MAX + 1];
	bool cleared; /* this walk has cleared some mark */
};

enum fw_status fw_task_events_open(
	struct fw_transaction *transaction, struct fw_task_events **out, struct fw_error *error)
{
	struct fw_task_events *events = calloc(1, sizeof(*events));
	enum fw_status status;

	if (!events)
		return FW_NOMEM;
	events->transaction = transaction;
	status = fw_db_prepare(transaction->db, sql, events->statements, STATEMENTS, error);
	if (status != FW_OK) {
		fw_task_events_close(events);
		return status;
	}
	*out = events;
	return FW_OK;
}

void fw_task_events_close(struct fw_task_events *events)
{
	if (!events)
		return;
	fw_db_finalize(events->statements, STATEMENTS);
	free(events);
}

bool fw_task_events_may_announce(struct fw_task_events *events)
{
	struct fw_transaction *transaction = events->transaction;

	return fw_token_bucket_take(
		&transaction->event_rate, transaction->context->rate, transaction->steady_ms);
}

static enum fw_status queue_event(struct fw_task_events *events, const struct fw_task_event *event)
{
	struct fw_task_event_message body = {.task_id = event->task_id,
		.firmware_id = event->firmware_id,
		.state = fw_state_machine_state_name(event->state),
		.error_reason = event->reason,
		.progress = event->progress};
	size_t len = 0;
	char *payload = fw_message_write_task(&body, events->transaction->wall_ms, &len);

	return fw_transaction_queue(events->transaction, FW_TOPIC_TASK,
		fw_slice_of(event->product_id), fw_slice_of(event->device_id), payload, len, 1);
}

static enum fw_status set_untold(
	struct fw_task_events *events, const struct fw_task_event *event, bool untold)
{
	sqlite3_stmt *statement = fw_db_start(events->statements[SET_UNTOLD],
		fw_slice_of(event->task_id), fw_slice_of(event->device_id));

	fw_db_bind_integer(statement, 3, untold);
	return fw_db_run(statement);
}

/* Queues the event of an operator's change. Above the rate the row is marked untold instead. Where
 * it cannot be marked, as it is gone or a trigger keeps it as it was, the event is queued all the
 * same. */
static enum fw_status announce_or_mark(
	struct fw_task_events *events, const struct fw_task_event *event)
{
	enum fw_status status;
	bool marked;

	if (fw_task_events_may_announce(events))
		return queue_event(events, event);
	status = set_untold(events, event, true);
	marked = status == FW_OK && sqlite3_changes(events->transaction->db) > 0;
	status = fw_transaction_pass_over(
		events->transaction, status, "that a row is to be told of later");
	if (status != FW_OK)
		return status;
	events->transaction->untold |= marked;
	return marked ? FW_OK : queue_event(events, event);
}

/* The ids of a row, in four columns from `column`. */
static struct fw_task_event read_ids(sqlite3_stmt *statement, int column, struct fw_change *row)
{
	fw_db_copy_text(statement, column, row->task_id, sizeof(row->task_id));
	fw_db_copy_text(statement, column + 1, row->device_id, sizeof(row->device_id));
	fw_db_copy_text(statement, column + 2, row->product_id, sizeof(row->product_id));
	fw_db_copy_text(statement, column + 3, row->firmware_id, sizeof(row->firmware_id));
	return (struct fw_task_event){.task_id = row->task_id,
		.device_id = row->device_id,
		.product_id = row->product_id,
		.firmware_id = row->firmware_id};
}

static enum fw_status take_change(
	struct fw_task_events *events, enum statement which, struct fw_change *change)
{
	sqlite3_stmt *statement = events->statements[which];
	sqlite3_stmt *forget = events->statements[FORGET_CHANGE];
	enum fw_status status = fw_db_step(statement);
	struct fw_task_event event;
	bool has_state;

	if (status != FW_OK)
		return status;
	fw_db_bind_integer(forget, 1, sqlite3_column_int64(statement, 0));
	event = read_ids(statement, 1, change);
	change->sweep = sqlite3_column_int(statement, 5);
	has_state = fw_state_machine_state_parse(fw_db_text(statement, 6), &event.state);
	event.progress = sqlite3_column_int(statement, 7);
	sqlite3_reset(statement);
	status = fw_db_run(forget);
	if (status != FW_OK || !has_state || !change->product_id[0])
		return status;
	/* no operator makes a row fail */
	fw_outcomes_note(&events->transaction->outcomes, event.state, FW_FAILURE_NONE);
	return announce_or_mark(events, &event);
}

enum fw_status fw_task_events_take_change(struct fw_task_events *events, struct fw_change *change)
{
	return take_change(events, NEXT_CHANGE, change);
}

enum fw_status fw_task_events_announce(
	struct fw_task_events *events, const struct fw_task_event *event)
{
	struct fw_change earlier;
	enum fw_status status;

	fw_db_start(events->statements[CHANGE_OF_ROW], fw_slice_of(event->task_id),
		fw_slice_of(event->device_id));
	do
		status = take_change(events, CHANGE_OF_ROW, &earlier);
	while (status == FW_OK && fw_transaction_room(events->transaction));
	return status == FW_OK || status == FW_NOT_FOUND ? queue_event(events, event) : status;
}

/* The next row that is marked. FW_NOT_FOUND: the walk is over. */
static enum fw_status find_next_untold(struct fw_task_events *events)
{
	sqlite3_stmt *statement = events->statements[UNTOLD];

	/* empty texts, not NULL: the first row follows them */
	sqlite3_bind_text(statement, 1, events->after_task, -1, SQLITE_STATIC);
	sqlite3_bind_text(statement, 2, events->after_device, -1, SQLITE_STATIC);
	return fw_db_step(statement);
}

/* Announces the next marked row with its state now: it may have changed more than once since. */
static enum fw_status announce_next_untold(struct fw_task_events *events)
{
	sqlite3_stmt *statement = events->statements[UNTOLD];
	enum fw_status status = find_next_untold(events);
	struct fw_task_event event;
	struct fw_slice words;
	struct fw_change row;
	char *reason = NULL;

	if (status != FW_OK)
		return status;
	event = read_ids(statement, 0, &row);
	fw_state_machine_state_parse(fw_db_text(statement, 4), &event.state);
	event.progress = sqlite3_column_int(statement, 5);
	words = fw_db_text(statement, 6);
	if (words.at && !(reason = strndup(words.at, words.len)))
		status = FW_NOMEM;
	event.reason = reason;
	sqlite3_reset(statement);
	fw_slice_copy(fw_slice_of(event.task_id), events->after_task, sizeof(events->after_task));
	fw_slice_copy(
		fw_slice_of(event.device_id), events->after_device, sizeof(events->after_device));
	if (status == FW_OK)
		status = fw_transaction_pass_over(events->transaction,
			set_untold(events, &event, false), "that a row was told of");
	events->cleared |= status == FW_OK && sqlite3_changes(events->transaction->db) > 0;
	if (status == FW_OK)
		status = fw_task_events_announce(events, &event);
	free(reason);
	return status;
}

enum fw_status fw_task_events_announce_untold(struct fw_task_events *events, bool *more)
{
	enum fw_status status = FW_OK;

	*more = false;
	for (unsigned announced = 0; status == FW_OK && fw_task_events_may_announce(events);
		announced++) {
		if (announced == ANNOUNCED_ROWS ||
			fw_transaction_room(events->transaction) < FW_TRANSACTION_ROOM_OF_ROW) {
			*more = true;
			return FW_OK;
		}
		status = announce_next_untold(events);
	}
	if (status != FW_NOT_FOUND)
		return status;
	/* rows before this one may have been marked meanwhile */
	events->transaction->untold = events->cleared;
	events->cleared = false;
	events->after_task[0] = events->after_device[0] = '\0';
	return FW_OK;
}
