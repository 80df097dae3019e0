/* Finds, reads and writes the rows of table task_device.
 *
 * A row is read together with what the state machine asks of its task, firmware and device, by one
 * statement for each way of finding rows. All statements give the same columns: ROW tells which,
 * and which member takes each. */
#include "store/task_device_internal.h"

#include <stdlib.h>
#include <string.h>

#include "catalog/rollout_row.h"

/* The columns of a row, each with the member that takes it. Before these there are state and
 * failure, which are parsed. */
#define ROW(TEXT, INT, INT64)                                                                      \
	TEXT(task_id, "td.task_id")                                                                \
	TEXT(device_id, "td.device_id")                                                            \
	TEXT(product_id, "f.product_id")                                                           \
	TEXT(firmware_id, "t.firmware_id")                                                         \
	TEXT(version, "f.version")                                                                 \
	TEXT(device_version, "d.version")                                                          \
	INT(failed_by_device, "td.failed_by = 'device'")                                           \
	INT(push, "t.mode = 'push'")                                                               \
	INT(task_running, "t.state = 'running'")                                                   \
	INT(task_stopped, "t.state = 'stopped'")                                                   \
	INT(downgrade, "t.allow_downgrade")                                                        \
	INT(offered, "f.state = 'ready' AND p.firmware_enabled")                                   \
	INT(online, "d.presence = 'online'")                                                       \
	INT(offline, "d.presence = 'offline'")                                                     \
	INT(was_online, "td.was_online")                                                           \
	INT(untold, "td.untold")                                                                   \
	INT(newer,                                                                                 \
		"t.allow_downgrade = 0 AND f.version_order < ("                                    \
		"  SELECT runs.version_order FROM firmware runs"                                   \
		"  WHERE runs.product_id = f.product_id AND runs.version = d.version)")            \
	INT(sent, "td.connection IS NOT NULL")                                                     \
	INT64(connection, "td.connection")                                                         \
	INT64(device_connection, "d.connection")                                                   \
	INT64(device_oldest, "d.oldest_connection")                                                \
	INT(progress, "td.progress")                                                               \
	INT64(attempts, "td.attempts")                                                             \
	INT64(interruptions, "td.interruptions")                                                   \
	INT64(attempt_limit, "t.attempt_limit")                                                    \
	INT64(pushed_at, "td.pushed_at")                                                           \
	INT64(responded_at, "td.responded_at")                                                     \
	INT64(completed_at, "td.completed_at")                                                     \
	INT64(interrupted_at, "td.interrupted_at")                                                 \
	INT64(due_at, "td.due_at")                                                                 \
	INT64(pushed_clock, "td.pushed_clock")                                                     \
	INT64(device_due_at, "d.due_at")                                                           \
	INT64(settles_at, "d.settles_at")                                                          \
	INT64(response_timeout_ms, "t.response_timeout_seconds * 1000")                            \
	INT64(timeout_ms, "t.timeout_seconds * 1000")                                              \
	INT(managed,                                                                               \
		"f.min_version_order IS NOT NULL OR td.deferred_until IS NOT NULL"                 \
		" OR " FW_ROLLOUT_IS_MANAGED)                                                      \
	INT(complete_proves, "t.gate = 'complete'")                                                \
	INT(proved, "td.proved_epoch IS NOT NULL")                                                 \
	INT(bad, "td.bad_epoch IS NOT NULL")                                                       \
	INT(in_turns, "td.lined")                                                                  \
	INT64(turn, "td.turn")                                                                     \
	INT64(retries, "td.retries")                                                               \
	INT64(verified_at, "td.verified_at")                                                       \
	INT64(retry_at, "td.retry_at")                                                             \
	INT64(deferred_until, "td.deferred_until")                                                 \
	INT64(first_told_at, "td.first_told_at")                                                   \
	INT64(wake_clock, "td.wake_clock")                                                         \
	INT64(trial_clock, "td.trial_clock")                                                       \
	INT64(lost_clock, "td.lost_clock")                                                         \
	INT64(trial_ms, "t.trial_seconds * 1000")                                                  \
	INT64(lost_ms, "t.lost_seconds * 1000")                                                    \
	INT64(retry_limit, "t.retry_limit")                                                        \
	INT64(retry_ms, "t.retry_seconds * 1000")                                                  \
	INT(retry_any, "t.retry_on = 'any'")                                                       \
	INT64(defer_ms, "iif(t.defer_seconds IS NULL, -1, t.defer_seconds * 1000)")                \
	INT64(task_created_at, "t.created_at")                                                     \
	INT64(task_position, "t.position")
#define SELECTED(member, expression) ", " expression
#define COLUMNS "SELECT td.state, td.failure" ROW(SELECTED, SELECTED, SELECTED)

/* CROSS JOIN keeps the order of the tables (sqlite.org/optoverview.html): from the row to its task,
 * firmware, product and device, each by its key. */
#define JOIN_REST                                                                                  \
	" CROSS JOIN firmware f ON f.firmware_id = t.firmware_id CROSS JOIN product p ON "         \
	"p.product_id = f.product_id"                                                              \
	" LEFT JOIN device d ON d.product_id = f.product_id AND d.device_id = td.device_id "
#define FROM_ROW                                                                                   \
	COLUMNS " FROM task_device td CROSS JOIN task t ON t.task_id = td.task_id" JOIN_REST
/* A device has few rows, a firmware may have thousands of tasks. So `own` finds the device's tasks
 * by an index alone, and td is read only for tasks of the firmware. */
#define FROM_DEVICE                                                                                \
	COLUMNS " FROM task_device own CROSS JOIN task t ON t.task_id = own.task_id"               \
		" CROSS JOIN task_device td ON td.task_id = own.task_id AND td.device_id = "       \
		"own.device_id" JOIN_REST

/* The columns that are written from the members of the same names. A TIME of 0 becomes NULL. */
#define WRITTEN(NUMBER, TIME)                                                                      \
	NUMBER(progress)                                                                           \
	NUMBER(interruptions)                                                                      \
	NUMBER(retries)                                                                            \
	NUMBER(was_online)                                                                         \
	NUMBER(untold)                                                                             \
	TIME(pushed_at)                                                                            \
	TIME(responded_at)                                                                         \
	TIME(completed_at)                                                                         \
	TIME(interrupted_at)                                                                       \
	TIME(due_at)                                                                               \
	TIME(pushed_clock)                                                                         \
	TIME(verified_at)                                                                          \
	TIME(deferred_until)                                                                       \
	TIME(first_told_at)                                                                        \
	TIME(wake_clock)                                                                           \
	TIME(trial_clock)                                                                          \
	TIME(lost_clock)
#define ASSIGNED(member) ", " #member " = ?"
/* SQLite numbers a ? on from the highest number before it: sqlite.org/lang_expr.html#varparam */
#define WRITE                                                                                      \
	"UPDATE task_device SET failed_by = ?3, failure = ?4, connection = ?5,"                    \
	" error_reason = CASE WHEN ?6 THEN ?7 ELSE error_reason END,"                              \
	" from_version = CASE WHEN ?8 THEN ?9 ELSE from_version END" WRITTEN(ASSIGNED, ASSIGNED)
#define FIRST_WRITTEN 10
/* 0: none; 1: as it was; 2: that of now */
#define EPOCH(column)                                                                              \
	", " column " = CASE ? WHEN 0 THEN NULL WHEN 1 THEN " column " ELSE"                       \
	" (SELECT epoch FROM task_count c WHERE c.task_id = ?1) END"
#define WRITE_COUNTED                                                                              \
	WRITE ", state = ?, attempts = ?, retry_at = ?" EPOCH("proved_epoch") EPOCH("bad_epoch")
#define OF_ROW " WHERE task_id = ?1 AND device_id = ?2"

/* No LIMIT: callers stop stepping. With LIMIT, SQLite builds a sorter that costs more than the
 * query. */
static const char *const sql[FW_TASK_DEVICE_STATEMENTS] = {
	[FW_TASK_DEVICE_OF_FIRMWARE] = FROM_DEVICE
	"WHERE own.device_id = ?2 AND t.firmware_id = ?1 AND f.product_id = ?3"
	" ORDER BY CASE td.state WHEN 'processing' THEN 0 WHEN 'waiting' THEN 1 ELSE 2 END,"
	" CASE td.state WHEN 'waiting' THEN t.created_at ELSE -t.created_at END,"
	" CASE td.state WHEN 'waiting' THEN t.position ELSE -t.position END",
	[FW_TASK_DEVICE_OPEN] = FROM_ROW
	"WHERE td.device_id = ?2 AND td.state IN ('waiting', 'processing') AND f.product_id = ?1",
	[FW_TASK_DEVICE_SENT] = FROM_ROW
	"WHERE td.device_id = ?2 AND td.connection IS NOT NULL AND f.product_id = ?1",
	[FW_TASK_DEVICE_DUE] = FROM_ROW "WHERE td.due_at <= ?1 ORDER BY td.due_at",
	[FW_TASK_DEVICE_WRITE] = WRITE OF_ROW,
	[FW_TASK_DEVICE_WRITE_COUNTED] = WRITE_COUNTED OF_ROW,
	[FW_TASK_DEVICE_NEXT_DUE] =
		"SELECT due_at FROM task_device WHERE due_at IS NOT NULL ORDER BY due_at LIMIT 1",
	[FW_TASK_DEVICE_WAKING] = FROM_ROW "WHERE td.wake_clock <= ?1 ORDER BY td.wake_clock",
	[FW_TASK_DEVICE_NEXT_WAKE] = "SELECT wake_clock FROM task_device WHERE wake_clock IS NOT "
				     "NULL ORDER BY wake_clock LIMIT 1",
	[FW_TASK_DEVICE_ON_TRIAL] = FROM_ROW
	"WHERE td.device_id = ?2 AND td.trial_clock IS NOT NULL AND f.product_id = ?1",
	[FW_TASK_DEVICE_LOST] = FROM_ROW
	"WHERE td.device_id = ?2 AND td.state = 'failed' AND td.failure = 'lost' AND "
	"f.product_id = ?1",
};

enum fw_status fw_task_devices_open(struct fw_transaction *transaction,
	struct fw_task_events *events, struct fw_rollouts *rollouts, struct fw_task_devices **out,
	struct fw_error *error)
{
	struct fw_task_devices *rows = calloc(1, sizeof(*rows));
	enum fw_status status;

	if (!rows)
		return FW_NOMEM;
	rows->transaction = transaction;
	rows->events = events;
	rows->rollouts = rollouts;
	status = fw_db_prepare(
		transaction->db, sql, rows->statements, FW_TASK_DEVICE_STATEMENTS, error);
	if (status != FW_OK) {
		fw_task_devices_close(rows);
		return status;
	}
	*out = rows;
	return FW_OK;
}

void fw_task_devices_close(struct fw_task_devices *rows)
{
	if (!rows)
		return;
	fw_db_finalize(rows->statements, FW_TASK_DEVICE_STATEMENTS);
	free(rows);
}

#define READ_TEXT(member, expression)                                                              \
	fw_db_copy_text(statement, column++, row->member, sizeof(row->member));
#define READ_INT(member, expression) row->member = sqlite3_column_int(statement, column++);
#define READ_INT64(member, expression) row->member = sqlite3_column_int64(statement, column++);

static struct fw_task_device_counted counted_of(const struct fw_task_device *row)
{
	return (struct fw_task_device_counted){
		row->state, row->attempts, row->retry_at, row->proved, row->bad};
}

static void read_row(sqlite3_stmt *statement, struct fw_task_device *row)
{
	int column = 0;

	memset(row, 0, sizeof(*row));
	fw_state_machine_state_parse(fw_db_text(statement, column++), &row->state);
	row->failure = fw_state_machine_failure_parse(fw_db_text(statement, column++));
	ROW(READ_TEXT, READ_INT, READ_INT64)
	row->stored = counted_of(row);
}

static enum fw_status collect(
	sqlite3_stmt *statement, struct fw_task_device *found, size_t most, size_t *count)
{
	enum fw_status status;

	*count = 0;
	while ((status = fw_db_step(statement)) == FW_OK) {
		read_row(statement, &found[(*count)++]);
		if (*count == most)
			break;
	}
	sqlite3_reset(statement);
	return status == FW_NOT_FOUND ? FW_OK : status;
}

static enum fw_status collect_by(struct fw_task_devices *rows, enum fw_task_device_statement which,
	struct fw_slice first, struct fw_slice second, struct fw_task_device *found, size_t most,
	size_t *count)
{
	return collect(fw_db_start(rows->statements[which], first, second), found, most, count);
}

enum fw_status fw_task_devices_find_of_firmware(struct fw_task_devices *rows,
	struct fw_slice product, struct fw_slice firmware_id, struct fw_slice device,
	struct fw_task_device *found, size_t most, size_t *count)
{
	fw_db_bind_text(rows->statements[FW_TASK_DEVICE_OF_FIRMWARE], 3, product);
	return collect_by(
		rows, FW_TASK_DEVICE_OF_FIRMWARE, firmware_id, device, found, most, count);
}

/* Among the open rows of a device: the one under way, what may be pushed, the others. */
static int rank_of(const struct fw_task_device *row)
{
	return row->state == FW_UPGRADE_PROCESSING ? 0 : fw_task_device_is_pushable(row) ? 1 : 2;
}

static bool comes_before(const struct fw_task_device *row, const struct fw_task_device *other)
{
	int rank = rank_of(row), other_rank = rank_of(other);

	if (rank != other_rank)
		return rank < other_rank;
	if (row->task_created_at != other->task_created_at)
		return row->task_created_at < other->task_created_at;
	return row->task_position < other->task_position;
}

/* Puts the row in its place among the `count` in `found`; of more than `most` the last is left
 * out. Returns how many there are. */
static size_t insert_row(
	struct fw_task_device *found, size_t count, size_t most, const struct fw_task_device *row)
{
	size_t at = count;

	while (at > 0 && comes_before(row, &found[at - 1]))
		at--;
	if (at == most)
		return count;
	if (count < most)
		count++;
	memmove(&found[at + 1], &found[at], (count - 1 - at) * sizeof(*found));
	found[at] = *row;
	return count;
}

/* Sorted here: SQLite would build a record of all columns for its sorter first, which is a fifth of
 * the query, and nearly always for one row. */
enum fw_status fw_task_devices_find_open(struct fw_task_devices *rows, struct fw_slice product,
	struct fw_slice device, struct fw_task_device *found, size_t most, size_t *count)
{
	sqlite3_stmt *statement =
		fw_db_start(rows->statements[FW_TASK_DEVICE_OPEN], product, device);
	struct fw_task_device row;
	enum fw_status status;

	*count = 0;
	while ((status = fw_db_step(statement)) == FW_OK) {
		read_row(statement, &row);
		*count = insert_row(found, *count, most, &row);
	}
	sqlite3_reset(statement);
	return status == FW_NOT_FOUND ? FW_OK : status;
}

enum fw_status fw_task_devices_find_sent(struct fw_task_devices *rows, struct fw_slice product,
	struct fw_slice device, struct fw_task_device *found, size_t most, size_t *count)
{
	return collect_by(rows, FW_TASK_DEVICE_SENT, product, device, found, most, count);
}

enum fw_status fw_task_devices_find_due(
	struct fw_task_devices *rows, struct fw_task_device *found, size_t most, size_t *count)
{
	sqlite3_stmt *statement = rows->statements[FW_TASK_DEVICE_DUE];

	fw_db_bind_integer(statement, 1, rows->transaction->heard_until_ms);
	return collect(statement, found, most, count);
}

enum fw_status fw_task_devices_find_waking(
	struct fw_task_devices *rows, struct fw_task_device *found, size_t most, size_t *count)
{
	sqlite3_stmt *statement = rows->statements[FW_TASK_DEVICE_WAKING];

	fw_db_bind_integer(statement, 1, rows->transaction->heard_until_ms);
	return collect(statement, found, most, count);
}

enum fw_status fw_task_devices_find_on_trial(struct fw_task_devices *rows, struct fw_slice product,
	struct fw_slice device, struct fw_task_device *found, size_t most, size_t *count)
{
	return collect_by(rows, FW_TASK_DEVICE_ON_TRIAL, product, device, found, most, count);
}

enum fw_status fw_task_devices_find_lost(struct fw_task_devices *rows, struct fw_slice product,
	struct fw_slice device, struct fw_task_device *found, size_t most, size_t *count)
{
	return collect_by(rows, FW_TASK_DEVICE_LOST, product, device, found, most, count);
}

enum fw_status fw_task_devices_next_wake(struct fw_task_devices *rows, int64_t *wake)
{
	enum fw_status status;

	*wake = INT64_MAX;
	status = fw_db_read_integer(rows->statements[FW_TASK_DEVICE_NEXT_WAKE], wake);
	return status == FW_NOT_FOUND ? FW_OK : status;
}

enum fw_status fw_task_devices_next_due(struct fw_task_devices *rows, int64_t *due)
{
	enum fw_status status;

	*due = INT64_MAX;
	status = fw_db_read_integer(rows->statements[FW_TASK_DEVICE_NEXT_DUE], due);
	return status == FW_NOT_FOUND ? FW_OK : status;
}

#define BIND_NUMBER(member) fw_db_bind_integer(statement, parameter++, row->member);
#define BIND_TIME(member) fw_db_bind_time(statement, parameter++, row->member);

/* Returns the number of the next parameter. */
static int bind_row(sqlite3_stmt *statement, const struct fw_task_device *row,
	const struct fw_task_device_change *change)
{
	const char *failed_by = NULL, *failure = NULL;
	int parameter = FIRST_WRITTEN;

	if (row->state == FW_UPGRADE_FAILED) {
		failed_by = row->failed_by_device ? "device" : "broker";
		failure = fw_state_machine_failure_name(row->failure);
	}
	fw_db_start(statement, fw_slice_of(row->task_id), fw_slice_of(row->device_id));
	fw_db_bind_text(statement, 3, fw_slice_of(failed_by));
	fw_db_bind_text(statement, 4, fw_slice_of(failure));
	if (row->sent)
		fw_db_bind_integer(statement, 5, row->connection);
	else
		sqlite3_bind_null(statement, 5);
	fw_db_bind_integer(statement, 6, change->reason_set);
	fw_db_bind_text(statement, 7, change->reason);
	fw_db_bind_integer(statement, 8, change->from_version_set);
	fw_db_bind_text(statement, 9, fw_slice_of(row->device_version));
	WRITTEN(BIND_NUMBER, BIND_TIME)
	return parameter;
}

static void bind_counted(sqlite3_stmt *statement, int parameter, const struct fw_task_device *row,
	const struct fw_task_device_change *change)
{
	fw_db_bind_text(
		statement, parameter++, fw_slice_of(fw_state_machine_state_name(row->state)));
	BIND_NUMBER(attempts)
	BIND_TIME(retry_at)
	fw_db_bind_integer(statement, parameter++, row->proved + change->proved_now);
	fw_db_bind_integer(statement, parameter++, row->bad + change->bad_now);
}

static bool counts_otherwise(
	const struct fw_task_device *row, const struct fw_task_device_change *change)
{
	const struct fw_task_device_counted *stored = &row->stored;

	return row->state != stored->state || row->attempts != stored->attempts ||
		row->retry_at != stored->retry_at || row->proved != stored->proved ||
		row->bad != stored->bad || change->proved_now || change->bad_now;
}

enum fw_status fw_task_devices_write(struct fw_task_devices *rows, struct fw_task_device *row,
	const struct fw_task_device_change *change)
{
	bool counted = counts_otherwise(row, change);
	sqlite3_stmt *statement =
		rows->statements[counted ? FW_TASK_DEVICE_WRITE_COUNTED : FW_TASK_DEVICE_WRITE];
	int parameter = bind_row(statement, row, change);
	enum fw_status status;

	if (counted)
		bind_counted(statement, parameter, row, change);
	status = fw_db_run(statement);
	if (status != FW_OK)
		return status;
	if (sqlite3_changes(rows->transaction->db) == 0)
		return FW_NOT_FOUND;
	row->stored = counted_of(row);
	return FW_OK;
}
