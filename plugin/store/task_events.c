#include "store/task_events.h"

#include <stdlib.h>
#include <string.h>

#include "protocol/message.h"
#include "catalog/db.h"

#define TELL_ROWS 100u /* of those that are marked untold, in a transaction */
#define TELL_ROOM 32u  /* in the outbox, for one of them and what operators made of it before */

enum statement { UNTOLD, SET_UNTOLD, NEXT_CHANGE, CHANGE_OF_ROW, FORGET_CHANGE, STATEMENTS };

/* In the order in which take_change takes them. The row, the task and its firmware may be gone:
 * `gone` is the deletion of the task that the change was of. */
#define FROM_CHANGE \
	"SELECT c.change_id, c.task_id, c.device_id, coalesce(gone.product_id, f.product_id)," \
	" coalesce(gone.firmware_id, f.firmware_id)," \
	" c.device_id IS NULL AND c.state IS NULL, c.state," \
	" iif(gone.change_id IS NULL, td.progress, 0)" \
	" FROM task_change c LEFT JOIN task_change gone ON gone.change_id = (" \
	"  SELECT min(change_id) FROM task_change" \
	"  WHERE task_id = c.task_id AND device_id IS NULL AND state IS NOT NULL" \
	"  AND change_id > c.change_id)" \
	" LEFT JOIN task t ON t.task_id = c.task_id" \
	" LEFT JOIN firmware f ON f.firmware_id = t.firmware_id" \
	" LEFT JOIN task_device td ON td.task_id = c.task_id AND td.device_id = c.device_id "

/* Who wants but one row takes no more steps: see store_row.c. */
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

struct fw_notices {
	struct fw_writer *writer;
	sqlite3_stmt *statements[STATEMENTS];
	/* the marked row that was told of last: one whose mark an operator's trigger keeps is told of
	 * once in a walk */
	char after_task[FW_ID_MAX + 1], after_device[FW_ID_MAX + 1];
	bool cleared; /* some mark of this walk went */
};

enum fw_status fw_notices_open(
	struct fw_writer *writer, struct fw_notices **out, struct fw_error *error)
{
	struct fw_notices *notices = calloc(1, sizeof(*notices));
	enum fw_status status;

	if (!notices)
		return FW_NOMEM;
	notices->writer = writer;
	status = fw_db_prepare(writer->db, sql, notices->statements, STATEMENTS, error);
	if (status != FW_OK) {
		fw_notices_close(notices);
		return status;
	}
	*out = notices;
	return FW_OK;
}

void fw_notices_close(struct fw_notices *notices)
{
	if (!notices)
		return;
	fw_db_finalize(notices->statements, STATEMENTS);
	free(notices);
}

bool fw_notices_may_tell(struct fw_notices *notices)
{
	struct fw_writer *writer = notices->writer;

	return !writer->rate || fw_pace_take(&writer->events, writer->rate, writer->steady_ms);
}

static enum fw_status queue(struct fw_notices *notices, const struct fw_notice *notice)
{
	struct fw_task_notice body = {.task_id = notice->task_id,
		.firmware_id = notice->firmware_id, .state = fw_rules_state_name(notice->state),
		.error_reason = notice->reason, .progress = notice->progress};
	size_t len = 0;
	char *payload = fw_message_write_task(&body, notices->writer->wall_ms, &len);

	return fw_writer_queue(notices->writer, FW_TOPIC_TASK, fw_slice_of(notice->product_id),
		fw_slice_of(notice->device_id), payload, len, 1);
}

static enum fw_status set_untold(
	struct fw_notices *notices, const struct fw_notice *notice, bool untold)
{
	sqlite3_stmt *statement = fw_db_start(notices->statements[SET_UNTOLD],
		fw_slice_of(notice->task_id), fw_slice_of(notice->device_id));

	fw_db_bind_integer(statement, 3, untold);
	return fw_db_run(statement);
}

/* Tells what an operator made of a row. One that is there, and comes in too large a crowd, is
 * marked instead. */
static enum fw_status queue_or_mark(struct fw_notices *notices, const struct fw_notice *notice)
{
	enum fw_status status;

	if (fw_notices_may_tell(notices))
		return queue(notices, notice);
	status = set_untold(notices, notice, true);
	if (status != FW_OK)
		return status;
	if (sqlite3_changes(notices->writer->db) == 0)
		return queue(notices, notice);
	notices->writer->untold = true;
	return FW_OK;
}

/* The ids of a row, in four columns from `column`. */
static struct fw_notice read_ids(sqlite3_stmt *statement, int column, struct fw_change *row)
{
	fw_db_copy_text(statement, column, row->task_id, sizeof(row->task_id));
	fw_db_copy_text(statement, column + 1, row->device_id, sizeof(row->device_id));
	fw_db_copy_text(statement, column + 2, row->product_id, sizeof(row->product_id));
	fw_db_copy_text(statement, column + 3, row->firmware_id, sizeof(row->firmware_id));
	return (struct fw_notice){.task_id = row->task_id, .device_id = row->device_id,
		.product_id = row->product_id, .firmware_id = row->firmware_id};
}

static enum fw_status take_change(
	struct fw_notices *notices, enum statement which, struct fw_change *change)
{
	sqlite3_stmt *statement = notices->statements[which];
	sqlite3_stmt *forget = notices->statements[FORGET_CHANGE];
	enum fw_status status = fw_db_step(statement);
	struct fw_notice notice;
	bool has_state;

	if (status != FW_OK)
		return status;
	fw_db_bind_integer(forget, 1, sqlite3_column_int64(statement, 0));
	notice = read_ids(statement, 1, change);
	change->sweep = sqlite3_column_int(statement, 5);
	has_state = fw_rules_state_parse(fw_db_text(statement, 6), &notice.state);
	notice.progress = sqlite3_column_int(statement, 7);
	sqlite3_reset(statement);
	status = fw_db_run(forget);
	if (status != FW_OK || !has_state || !change->product_id[0])
		return status;
	return queue_or_mark(notices, &notice);
}

enum fw_status fw_notices_take_change(struct fw_notices *notices, struct fw_change *change)
{
	return take_change(notices, NEXT_CHANGE, change);
}

enum fw_status fw_notices_tell(struct fw_notices *notices, const struct fw_notice *notice)
{
	struct fw_change earlier;
	enum fw_status status;

	fw_db_start(notices->statements[CHANGE_OF_ROW], fw_slice_of(notice->task_id),
		fw_slice_of(notice->device_id));
	do
		status = take_change(notices, CHANGE_OF_ROW, &earlier);
	while (status == FW_OK && fw_writer_room(notices->writer));
	return status == FW_OK || status == FW_NOT_FOUND ? queue(notices, notice) : status;
}

/* The next row that is marked. FW_NOT_FOUND: the walk is over. */
static enum fw_status find_next_untold(struct fw_notices *notices)
{
	sqlite3_stmt *statement = notices->statements[UNTOLD];

	/* empty texts, not NULL: the first row follows them */
	sqlite3_bind_text(statement, 1, notices->after_task, -1, SQLITE_STATIC);
	sqlite3_bind_text(statement, 2, notices->after_device, -1, SQLITE_STATIC);
	return fw_db_step(statement);
}

/* Tells the next row that is marked, as it is now: it may have changed more than once since. */
static enum fw_status tell_next_untold(struct fw_notices *notices)
{
	sqlite3_stmt *statement = notices->statements[UNTOLD];
	enum fw_status status = find_next_untold(notices);
	struct fw_notice notice;
	struct fw_slice words;
	struct fw_change row;
	char *reason = NULL;

	if (status != FW_OK)
		return status;
	notice = read_ids(statement, 0, &row);
	fw_rules_state_parse(fw_db_text(statement, 4), &notice.state);
	notice.progress = sqlite3_column_int(statement, 5);
	words = fw_db_text(statement, 6);
	if (words.at && !(reason = strndup(words.at, words.len)))
		status = FW_NOMEM;
	notice.reason = reason;
	sqlite3_reset(statement);
	fw_slice_copy(fw_slice_of(notice.task_id), notices->after_task, sizeof(notices->after_task));
	fw_slice_copy(fw_slice_of(notice.device_id), notices->after_device, sizeof(notices->after_device));
	if (status == FW_OK)
		status = fw_writer_pass_over(notices->writer, set_untold(notices, &notice, false),
			"that a row was told of");
	notices->cleared |= status == FW_OK && sqlite3_changes(notices->writer->db) > 0;
	if (status == FW_OK)
		status = fw_notices_tell(notices, &notice);
	free(reason);
	return status;
}

enum fw_status fw_notices_tell_untold(struct fw_notices *notices, bool *more)
{
	enum fw_status status = FW_OK;

	*more = false;
	for (unsigned told = 0; status == FW_OK && fw_notices_may_tell(notices); told++) {
		if (told == TELL_ROWS || fw_writer_room(notices->writer) < TELL_ROOM) {
			*more = true;
			return FW_OK;
		}
		status = tell_next_untold(notices);
	}
	if (status != FW_NOT_FOUND)
		return status;
	/* rows before this one may have been marked meanwhile */
	notices->writer->untold = notices->cleared;
	notices->cleared = false;
	notices->after_task[0] = notices->after_device[0] = '\0';
	return FW_OK;
}
