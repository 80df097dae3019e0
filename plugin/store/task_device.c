/* Finds, reads and writes the rows of table task_device.
 *
 * A row is read together with what the state machine asks of its task, firmware and device, by one
 * statement for each way of finding rows. All statements give the same columns, which read_row
 * takes in their order. */
#include "store/task_device_internal.h"

#include <stdlib.h>
#include <string.h>

#include "catalog/rollout_row.h"

/* The order in which read_row takes them. CROSS JOIN keeps the order of the tables
 * (sqlite.org/optoverview.html): from the row to its task, firmware, product and device, each by
 * its key. */
#define COLUMNS                                                                                    \
	"SELECT td.task_id, td.device_id, f.product_id, t.firmware_id, f.version, d.version, "     \
	"td.state, td.failed_by = 'device',"                                                       \
	" t.mode = 'push', t.state = 'running', t.state = 'stopped', "                             \
	"f.state = 'ready' AND p.firmware_enabled, "                                               \
	"d.presence = 'online', d.presence = 'offline',"                                           \
	" td.progress, td.attempts, td.pushed_at, td.responded_at, td.completed_at, "              \
	"td.interrupted_at, td.due_at, td.pushed_clock,"                                           \
	" t.response_timeout_seconds * 1000, t.timeout_seconds * 1000, td.was_online, "            \
	"td.failure, td.connection IS NOT NULL, td.connection,"                                    \
	" td.interruptions, td.untold, t.attempt_limit, t.allow_downgrade, d.connection, "         \
	"d.oldest_connection, d.due_at, d.settles_at,"                                             \
	" t.allow_downgrade = 0 AND f.version_order < ("                                           \
	"  SELECT runs.version_order FROM firmware runs WHERE runs.product_id = f.product_id AND " \
	"runs.version = d.version),"                                                               \
	" f.min_version_order IS NOT NULL OR td.deferred_until IS NOT NULL OR"                     \
	" " FW_ROLLOUT_IS_MANAGED ","                                                              \
	" t.gate = 'complete', td.proved_epoch IS NOT NULL, td.bad_epoch IS NOT NULL, td.turn, "   \
	"td.lined,"                                                                                \
	" td.retries, td.verified_at, td.retry_at, td.deferred_until, td.first_told_at,"           \
	" td.wake_clock, td.trial_clock, td.lost_clock, t.trial_seconds * 1000,"                   \
	" t.lost_seconds * 1000, t.retry_limit, t.retry_seconds * 1000, t.retry_on = 'any',"       \
	" iif(t.defer_seconds IS NULL, -1, t.defer_seconds * 1000)"
#define JOIN_REST                                                                                  \
	" CROSS JOIN firmware f ON f.firmware_id = t.firmware_id CROSS JOIN product p ON "         \
	"p.product_id = f.product_id"                                                              \
	" LEFT JOIN device d ON d.product_id = f.product_id AND d.device_id = td.device_id "
#define FROM_ROW                                                                                   \
	COLUMNS " FROM task_device td CROSS JOIN task t ON t.task_id = td.task_id" JOIN_REST
/* A device has few rows, a firmware may have thousands of tasks. The index alone tells the device's
 * tasks; td is read for those of the firmware. */
#define FROM_DEVICE                                                                                \
	COLUMNS " FROM task_device own CROSS JOIN task t ON t.task_id = own.task_id"               \
		" CROSS JOIN task_device td ON td.task_id = own.task_id AND td.device_id = "       \
		"own.device_id" JOIN_REST

/* No LIMIT: callers stop stepping. With LIMIT, SQLite builds a sorter that costs more than the
 * query. */
static const char *const sql[FW_TASK_DEVICE_STATEMENTS] = {
	/* the row under way first, then those that wait, oldest first, then those that ended,
	   newest first */
	[FW_TASK_DEVICE_OF_FIRMWARE] = FROM_DEVICE
	"WHERE own.device_id = ?2 AND t.firmware_id = ?1 AND f.product_id = ?3"
	" ORDER BY CASE td.state WHEN 'processing' THEN 0 WHEN 'waiting' THEN 1 ELSE 2 END,"
	" CASE td.state WHEN 'waiting' THEN t.created_at ELSE -t.created_at END,"
	" CASE td.state WHEN 'waiting' THEN t.position ELSE -t.position END",
	[FW_TASK_DEVICE_OPEN] = FROM_ROW
	"WHERE td.device_id = ?2 AND td.state IN ('waiting', 'processing') AND f.product_id = ?1"
	" ORDER BY td.state = 'processing' DESC, td.state = 'processing' OR t.mode = 'push' AND "
	"t.state = 'running' AND f.state = 'ready' AND p.firmware_enabled DESC,"
	" t.created_at, t.position",
	[FW_TASK_DEVICE_SENT] = FROM_ROW
	"WHERE td.device_id = ?2 AND td.connection IS NOT NULL AND f.product_id = ?1",
	[FW_TASK_DEVICE_DUE] = FROM_ROW "WHERE td.due_at <= ?1 ORDER BY td.due_at",
	[FW_TASK_DEVICE_WRITE] =
		"UPDATE task_device SET state = ?3, progress = ?4, failed_by = ?5, attempts = "
		"?6, pushed_at = ?7, responded_at = ?8,"
		" completed_at = ?9, interrupted_at = ?10, due_at = ?11, pushed_clock = ?12, "
		"was_online = ?17, failure = ?18, connection = ?19,"
		" interruptions = ?20, untold = ?21,"
		" retries = ?22, verified_at = ?23, retry_at = ?24, deferred_until = ?25,"
		" first_told_at = ?26, wake_clock = ?27, trial_clock = ?28, lost_clock = ?29,"
		" proved_epoch = CASE ?30 WHEN 0 THEN NULL WHEN 1 THEN proved_epoch ELSE"
		" (SELECT epoch FROM task_count c WHERE c.task_id = ?1) END,"
		" bad_epoch = CASE ?31 WHEN 0 THEN NULL WHEN 1 THEN bad_epoch ELSE"
		" (SELECT epoch FROM task_count c WHERE c.task_id = ?1) END,"
		" error_reason = CASE WHEN ?13 THEN ?14 ELSE error_reason END, from_version = "
		"CASE WHEN ?15 THEN ?16 ELSE from_version END"
		" WHERE task_id = ?1 AND device_id = ?2",
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

/* The texts, in the first columns; how many these are. */
static int read_names(sqlite3_stmt *statement, struct fw_task_device *row)
{
	int column = 0;

	fw_db_copy_text(statement, column++, row->task_id, sizeof(row->task_id));
	fw_db_copy_text(statement, column++, row->device_id, sizeof(row->device_id));
	fw_db_copy_text(statement, column++, row->product_id, sizeof(row->product_id));
	fw_db_copy_text(statement, column++, row->firmware_id, sizeof(row->firmware_id));
	fw_db_copy_text(statement, column++, row->version, sizeof(row->version));
	fw_db_copy_text(statement, column++, row->device_version, sizeof(row->device_version));
	return column;
}

/* What the rollout asks, in the columns from `column` on. */
static void read_rollout(sqlite3_stmt *statement, struct fw_task_device *row, int column)
{
	row->managed = sqlite3_column_int(statement, column++);
	row->complete_proves = sqlite3_column_int(statement, column++);
	row->proved = sqlite3_column_int(statement, column++);
	row->bad = sqlite3_column_int(statement, column++);
	row->turn = sqlite3_column_int64(statement, column++);
	row->in_turns = sqlite3_column_int(statement, column++);
	row->retries = sqlite3_column_int64(statement, column++);
	row->verified_at = sqlite3_column_int64(statement, column++);
	row->retry_at = sqlite3_column_int64(statement, column++);
	row->deferred_until = sqlite3_column_int64(statement, column++);
	row->first_told_at = sqlite3_column_int64(statement, column++);
	row->wake_clock = sqlite3_column_int64(statement, column++);
	row->trial_clock = sqlite3_column_int64(statement, column++);
	row->lost_clock = sqlite3_column_int64(statement, column++);
	row->trial_ms = sqlite3_column_int64(statement, column++);
	row->lost_ms = sqlite3_column_int64(statement, column++);
	row->retry_limit = sqlite3_column_int64(statement, column++);
	row->retry_ms = sqlite3_column_int64(statement, column++);
	row->retry_any = sqlite3_column_int(statement, column++);
	row->defer_ms = sqlite3_column_int64(statement, column++);
}

static void read_row(sqlite3_stmt *statement, struct fw_task_device *row)
{
	int column;

	memset(row, 0, sizeof(*row));
	column = read_names(statement, row);
	fw_state_machine_state_parse(fw_db_text(statement, column++), &row->state);
	row->failed_by_device = sqlite3_column_int(statement, column++);
	row->push = sqlite3_column_int(statement, column++);
	row->task_running = sqlite3_column_int(statement, column++);
	row->task_stopped = sqlite3_column_int(statement, column++);
	row->offered = sqlite3_column_int(statement, column++);
	row->online = sqlite3_column_int(statement, column++);
	row->offline = sqlite3_column_int(statement, column++);
	row->progress = sqlite3_column_int(statement, column++);
	row->attempts = sqlite3_column_int64(statement, column++);
	row->pushed_at = sqlite3_column_int64(statement, column++);
	row->responded_at = sqlite3_column_int64(statement, column++);
	row->completed_at = sqlite3_column_int64(statement, column++);
	row->interrupted_at = sqlite3_column_int64(statement, column++);
	row->due_at = sqlite3_column_int64(statement, column++);
	row->pushed_clock = sqlite3_column_int64(statement, column++);
	row->response_timeout_ms = sqlite3_column_int64(statement, column++);
	row->timeout_ms = sqlite3_column_int64(statement, column++);
	row->was_online = sqlite3_column_int(statement, column++);
	row->failure = fw_state_machine_failure_parse(fw_db_text(statement, column++));
	row->sent = sqlite3_column_int(statement, column++);
	row->connection = sqlite3_column_int64(statement, column++);
	row->interruptions = sqlite3_column_int64(statement, column++);
	row->untold = sqlite3_column_int(statement, column++);
	row->attempt_limit = sqlite3_column_int64(statement, column++);
	row->downgrade = sqlite3_column_int(statement, column++);
	row->device_connection = sqlite3_column_int64(statement, column++);
	row->device_oldest = sqlite3_column_int64(statement, column++);
	row->device_due_at = sqlite3_column_int64(statement, column++);
	row->settles_at = sqlite3_column_int64(statement, column++);
	row->newer = sqlite3_column_int(statement, column++);
	read_rollout(statement, row, column);
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

enum fw_status fw_task_devices_of_firmware(struct fw_task_devices *rows, struct fw_slice product,
	struct fw_slice firmware_id, struct fw_slice device, struct fw_task_device *found,
	size_t most, size_t *count)
{
	fw_db_bind_text(rows->statements[FW_TASK_DEVICE_OF_FIRMWARE], 3, product);
	return collect_by(
		rows, FW_TASK_DEVICE_OF_FIRMWARE, firmware_id, device, found, most, count);
}

enum fw_status fw_task_devices_open_of_device(struct fw_task_devices *rows, struct fw_slice product,
	struct fw_slice device, struct fw_task_device *found, size_t most, size_t *count)
{
	return collect_by(rows, FW_TASK_DEVICE_OPEN, product, device, found, most, count);
}

enum fw_status fw_task_devices_sent_to_device(struct fw_task_devices *rows, struct fw_slice product,
	struct fw_slice device, struct fw_task_device *found, size_t most, size_t *count)
{
	return collect_by(rows, FW_TASK_DEVICE_SENT, product, device, found, most, count);
}

enum fw_status fw_task_devices_due(
	struct fw_task_devices *rows, struct fw_task_device *found, size_t most, size_t *count)
{
	sqlite3_stmt *statement = rows->statements[FW_TASK_DEVICE_DUE];

	fw_db_bind_integer(statement, 1, rows->transaction->heard_until_ms);
	return collect(statement, found, most, count);
}

enum fw_status fw_task_devices_waking(
	struct fw_task_devices *rows, struct fw_task_device *found, size_t most, size_t *count)
{
	sqlite3_stmt *statement = rows->statements[FW_TASK_DEVICE_WAKING];

	fw_db_bind_integer(statement, 1, rows->transaction->heard_until_ms);
	return collect(statement, found, most, count);
}

enum fw_status fw_task_devices_on_trial(struct fw_task_devices *rows, struct fw_slice product,
	struct fw_slice device, struct fw_task_device *found, size_t most, size_t *count)
{
	return collect_by(rows, FW_TASK_DEVICE_ON_TRIAL, product, device, found, most, count);
}

enum fw_status fw_task_devices_lost(struct fw_task_devices *rows, struct fw_slice product,
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

static void bind_row(sqlite3_stmt *statement, const struct fw_task_device *row)
{
	const char *failed_by = row->failed_by_device ? "device" : "broker";

	fw_db_bind_text(statement, 1, fw_slice_of(row->task_id));
	fw_db_bind_text(statement, 2, fw_slice_of(row->device_id));
	fw_db_bind_text(statement, 3, fw_slice_of(fw_state_machine_state_name(row->state)));
	fw_db_bind_integer(statement, 4, row->progress);
	fw_db_bind_text(
		statement, 5, fw_slice_of(row->state == FW_UPGRADE_FAILED ? failed_by : NULL));
	fw_db_bind_integer(statement, 6, row->attempts);
	fw_db_bind_time(statement, 7, row->pushed_at);
	fw_db_bind_time(statement, 8, row->responded_at);
	fw_db_bind_time(statement, 9, row->completed_at);
	fw_db_bind_time(statement, 10, row->interrupted_at);
	fw_db_bind_time(statement, 11, row->due_at);
	fw_db_bind_time(statement, 12, row->pushed_clock);
	fw_db_bind_integer(statement, 17, row->was_online);
	fw_db_bind_text(statement, 18,
		fw_slice_of(row->state == FW_UPGRADE_FAILED
				? fw_state_machine_failure_name(row->failure)
				: NULL));
	if (row->sent)
		fw_db_bind_integer(statement, 19, row->connection);
	else
		sqlite3_bind_null(statement, 19);
	fw_db_bind_integer(statement, 20, row->interruptions);
	fw_db_bind_integer(statement, 21, row->untold);
	fw_db_bind_integer(statement, 22, row->retries);
	fw_db_bind_time(statement, 23, row->verified_at);
	fw_db_bind_time(statement, 24, row->retry_at);
	fw_db_bind_time(statement, 25, row->deferred_until);
	fw_db_bind_time(statement, 26, row->first_told_at);
	fw_db_bind_time(statement, 27, row->wake_clock);
	fw_db_bind_time(statement, 28, row->trial_clock);
	fw_db_bind_time(statement, 29, row->lost_clock);
}

enum fw_status fw_task_devices_write(struct fw_task_devices *rows, const struct fw_task_device *row,
	const struct fw_task_device_change *change)
{
	sqlite3_stmt *statement = rows->statements[FW_TASK_DEVICE_WRITE];
	enum fw_status status;

	bind_row(statement, row);
	fw_db_bind_integer(statement, 13, change->reason_set);
	fw_db_bind_text(statement, 14, change->reason);
	fw_db_bind_integer(statement, 15, change->from_version_set);
	fw_db_bind_text(statement, 16, fw_slice_of(row->device_version));
	fw_db_bind_integer(statement, 30, row->proved + change->proved_now);
	fw_db_bind_integer(statement, 31, row->bad + change->bad_now);
	status = fw_db_run(statement);
	return status == FW_OK && sqlite3_changes(rows->transaction->db) == 0 ? FW_NOT_FOUND
									      : status;
}
