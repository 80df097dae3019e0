#include "store/task_device.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "catalog/db.h"

#define POSTPONE_MS 60000

enum statement { OF_FIRMWARE, OPEN_OF_DEVICE, SENT_TO_DEVICE, DUE, WRITE, NEXT_DUE, STATEMENTS };

/* The order in which read_row takes them. CROSS JOIN keeps the order of the tables
 * (sqlite.org/optoverview.html): from the row to its task, firmware, product and device, each by
 * its key. */
#define COLUMNS                                                                                    \
	"SELECT td.task_id, td.device_id, f.product_id, t.firmware_id, f.version, d.version, "     \
	"td.state, td.failed_by = 'device',"                                                       \
	" t.mode = 'push', t.state = 'running', f.state = 'ready' AND p.firmware_enabled, "        \
	"d.presence = 'online', d.presence = 'offline',"                                           \
	" td.progress, td.attempts, td.pushed_at, td.responded_at, td.completed_at, "              \
	"td.interrupted_at, td.due_at, td.pushed_clock,"                                           \
	" t.response_timeout_seconds * 1000, t.timeout_seconds * 1000, td.was_online, "            \
	"td.failure, td.connection IS NOT NULL, td.connection,"                                    \
	" td.interruptions, td.untold, t.attempt_limit, t.allow_downgrade, d.connection, "         \
	"d.oldest_connection, d.due_at, d.settles_at,"                                             \
	" t.allow_downgrade = 0 AND f.version_order < ("                                           \
	"  SELECT runs.version_order FROM firmware runs WHERE runs.product_id = f.product_id AND " \
	"runs.version = d.version)"
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

/* Who wants but some rows takes no more steps: with a LIMIT, SQLite sorts in a table of its own,
 * which takes longer to make than all else. */
static const char *const sql[STATEMENTS] = {
	/* the row under way first, then those that wait, oldest first, then those that ended,
	   newest first */
	[OF_FIRMWARE] = FROM_DEVICE
	"WHERE own.device_id = ?2 AND t.firmware_id = ?1 AND f.product_id = ?3"
	" ORDER BY CASE td.state WHEN 'processing' THEN 0 WHEN 'waiting' THEN 1 ELSE 2 END,"
	" CASE td.state WHEN 'waiting' THEN t.created_at ELSE -t.created_at END,"
	" CASE td.state WHEN 'waiting' THEN t.position ELSE -t.position END",
	[OPEN_OF_DEVICE] = FROM_ROW
	"WHERE td.device_id = ?2 AND td.state IN ('waiting', 'processing') AND f.product_id = ?1"
	" ORDER BY td.state = 'processing' DESC, td.state = 'processing' OR t.mode = 'push' AND "
	"t.state = 'running' AND f.state = 'ready' AND p.firmware_enabled DESC,"
	" t.created_at, t.position",
	[SENT_TO_DEVICE] = FROM_ROW
	"WHERE td.device_id = ?2 AND td.connection IS NOT NULL AND f.product_id = ?1",
	[DUE] = FROM_ROW "WHERE td.due_at <= ?1 ORDER BY td.due_at",
	[WRITE] = "UPDATE task_device SET state = ?3, progress = ?4, failed_by = ?5, attempts = "
		  "?6, pushed_at = ?7, responded_at = ?8,"
		  " completed_at = ?9, interrupted_at = ?10, due_at = ?11, pushed_clock = ?12, "
		  "was_online = ?17, failure = ?18, connection = ?19,"
		  " interruptions = ?20, untold = ?21,"
		  " error_reason = CASE WHEN ?13 THEN ?14 ELSE error_reason END, from_version = "
		  "CASE WHEN ?15 THEN ?16 ELSE from_version END"
		  " WHERE task_id = ?1 AND device_id = ?2",
	[NEXT_DUE] =
		"SELECT due_at FROM task_device WHERE due_at IS NOT NULL ORDER BY due_at LIMIT 1",
};

struct fw_task_devices {
	struct fw_transaction *transaction;
	struct fw_task_events *events;
	sqlite3_stmt *statements[STATEMENTS];
};

enum fw_status fw_task_devices_open(struct fw_transaction *transaction,
	struct fw_task_events *events, struct fw_task_devices **out, struct fw_error *error)
{
	struct fw_task_devices *rows = calloc(1, sizeof(*rows));
	enum fw_status status;

	if (!rows)
		return FW_NOMEM;
	rows->transaction = transaction;
	rows->events = events;
	status = fw_db_prepare(transaction->db, sql, rows->statements, STATEMENTS, error);
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
	fw_db_finalize(rows->statements, STATEMENTS);
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

static void read_row(sqlite3_stmt *statement, struct fw_task_device *row)
{
	int column;

	memset(row, 0, sizeof(*row));
	column = read_names(statement, row);
	fw_state_machine_state_parse(fw_db_text(statement, column++), &row->state);
	row->failed_by_device = sqlite3_column_int(statement, column++);
	row->push = sqlite3_column_int(statement, column++);
	row->task_running = sqlite3_column_int(statement, column++);
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

static enum fw_status collect_by(struct fw_task_devices *rows, enum statement which,
	struct fw_slice first, struct fw_slice second, struct fw_task_device *found, size_t most,
	size_t *count)
{
	return collect(fw_db_start(rows->statements[which], first, second), found, most, count);
}

enum fw_status fw_task_devices_of_firmware(struct fw_task_devices *rows, struct fw_slice product,
	struct fw_slice firmware_id, struct fw_slice device, struct fw_task_device *found,
	size_t most, size_t *count)
{
	fw_db_bind_text(rows->statements[OF_FIRMWARE], 3, product);
	return collect_by(rows, OF_FIRMWARE, firmware_id, device, found, most, count);
}

enum fw_status fw_task_devices_open_of_device(struct fw_task_devices *rows, struct fw_slice product,
	struct fw_slice device, struct fw_task_device *found, size_t most, size_t *count)
{
	return collect_by(rows, OPEN_OF_DEVICE, product, device, found, most, count);
}

enum fw_status fw_task_devices_sent_to_device(struct fw_task_devices *rows, struct fw_slice product,
	struct fw_slice device, struct fw_task_device *found, size_t most, size_t *count)
{
	return collect_by(rows, SENT_TO_DEVICE, product, device, found, most, count);
}

enum fw_status fw_task_devices_due(
	struct fw_task_devices *rows, struct fw_task_device *found, size_t most, size_t *count)
{
	sqlite3_stmt *statement = rows->statements[DUE];

	fw_db_bind_integer(statement, 1, rows->transaction->heard_ms);
	return collect(statement, found, most, count);
}

enum fw_status fw_task_devices_next_due(struct fw_task_devices *rows, int64_t *due)
{
	enum fw_status status;

	*due = INT64_MAX;
	status = fw_db_read_integer(rows->statements[NEXT_DUE], due);
	return status == FW_NOT_FOUND ? FW_OK : status;
}

/* What of a write is not in the row: its error_reason and from_version, when they change. */
struct change {
	bool reason_set;
	struct fw_slice reason; /* empty: NULL */
	bool from_version_set;
};

/* FW_NOT_FOUND: a trigger of the operator's lets the row be as it was
 * (sqlite.org/lang_createtrigger.html, "RAISE(IGNORE)"). */
static enum fw_status write_row(
	struct fw_task_devices *rows, const struct fw_task_device *row, const struct change *change)
{
	sqlite3_stmt *statement = rows->statements[WRITE];
	const char *failed_by = row->failed_by_device ? "device" : "broker";
	enum fw_status status;

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
	fw_db_bind_integer(statement, 13, change->reason_set);
	fw_db_bind_text(statement, 14, change->reason);
	fw_db_bind_integer(statement, 15, change->from_version_set);
	fw_db_bind_text(statement, 16, fw_slice_of(row->device_version));
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
	status = fw_db_run(statement);
	return status == FW_OK && sqlite3_changes(rows->transaction->db) == 0 ? FW_NOT_FOUND
									      : status;
}

static void start_attempt(const struct fw_transaction *transaction, struct fw_task_device *row,
	const struct fw_upgrade_input *input)
{
	row->attempts++;
	row->pushed_at = transaction->wall_ms;
	row->pushed_clock = transaction->steady_ms;
	row->responded_at = row->completed_at = row->interrupted_at = 0;
	row->progress = 0;
	row->was_online = row->online;
	row->sent = true;
	row->connection = input->connection;
	row->due_at = transaction->steady_ms + row->timeout_ms;
	if (row->push && row->response_timeout_ms < row->timeout_ms)
		row->due_at = transaction->steady_ms + row->response_timeout_ms;
}

static void resume_attempt(const struct fw_transaction *transaction, struct fw_task_device *row)
{
	if (!row->pushed_at)
		row->pushed_at = transaction->wall_ms;
	row->pushed_clock = transaction->steady_ms;
	row->completed_at = 0;
	row->due_at = transaction->steady_ms + row->timeout_ms;
}

/* A word of this attempt: the connection by which it came is the attempt's from now on. */
static void note_response(const struct fw_transaction *transaction, struct fw_task_device *row,
	const struct fw_upgrade_input *input)
{
	if (!row->responded_at)
		row->responded_at = transaction->wall_ms;
	if (row->state != FW_UPGRADE_PROCESSING)
		return;
	row->due_at = row->pushed_clock + row->timeout_ms;
	row->sent = true;
	if (input->connection)
		row->connection = input->connection;
}

static void finish(const struct fw_transaction *transaction, struct fw_task_device *row)
{
	row->completed_at = transaction->wall_ms;
	row->due_at = 0;
	if (row->state == FW_UPGRADE_SUCCESS)
		row->progress = 100;
}

/* `reported`: the device has told its version since, so that what was sent is void. */
static void requeue(struct fw_task_device *row, bool reported)
{
	row->due_at = row->pushed_clock = row->responded_at = row->interrupted_at =
		row->completed_at = 0;
	row->progress = 0;
	row->sent = row->sent && !reported;
}

static void watch(const struct fw_transaction *transaction, struct fw_task_device *row)
{
	int64_t until = transaction->steady_ms + row->response_timeout_ms;

	if (until < row->due_at)
		row->due_at = until;
}

/* What was sent while nobody knew whether the device is there, or by an earlier run of the broker,
 * may never have reached it: that is not the device's doing. */
static bool counts_interruption(
	const struct fw_transaction *transaction, const struct fw_task_device *row)
{
	return row->connection != 0 && row->pushed_clock >= transaction->started_ms;
}

/* Did the message come by another connection than the attempt's? A device with several: who
 * answered goes on as long as its connection stands, whatever the others say; who did not is sent
 * it again by one that came later. */
static bool is_elsewhere(const struct fw_task_device *row, int64_t connection, bool stands)
{
	return connection && connection != row->connection &&
		(!stands || (!row->responded_at && connection > row->connection));
}

static unsigned facts_of(const struct fw_transaction *transaction, const struct fw_task_device *row,
	const struct fw_upgrade_input *input)
{
	bool stands = row->online &&
		fw_task_device_connection_stands(
			row->connection, row->device_oldest, row->device_connection);
	bool elsewhere = is_elsewhere(row, input->connection, stands);
	bool present = stands && row->pushed_clock >= transaction->presence_complete_since_ms;
	bool used_up = counts_interruption(transaction, row) &&
		row->interruptions + 1 >= row->attempt_limit;

	return (row->push ? FW_FACT_PUSH : 0u) | (row->failed_by_device ? FW_FACT_BY_DEVICE : 0u) |
		(present ? FW_FACT_PRESENT : 0u) | (row->progress == 100 ? FW_FACT_SAID_DONE : 0u) |
		(row->responded_at ? FW_FACT_ANSWERED : 0u) | (elsewhere ? FW_FACT_ELSEWHERE : 0u) |
		(used_up ? FW_FACT_USED_UP : 0u) | (row->downgrade ? FW_FACT_DOWNGRADE : 0u) |
		(row->failure == FW_FAILURE_RESPONSE ? FW_FACT_NO_VERDICT : 0u);
}

static void act(const struct fw_transaction *transaction, struct fw_task_device *row,
	const struct fw_upgrade_step *step, const struct fw_upgrade_input *input, bool reported)
{
	if ((step->actions & FW_ACT_COUNT) && counts_interruption(transaction, row))
		row->interruptions++;
	if (step->actions & FW_ACT_START)
		start_attempt(transaction, row, input);
	if (step->actions & FW_ACT_RESUME)
		resume_attempt(transaction, row);
	if (step->actions & FW_ACT_RESPONDED)
		note_response(transaction, row, input);
	if ((step->actions & FW_ACT_PROGRESS) && input->progress > row->progress)
		row->progress = input->progress;
	if (step->actions & FW_ACT_WATCH)
		watch(transaction, row);
	if (step->actions & FW_ACT_REQUEUE)
		requeue(row, reported);
	if (step->actions & FW_ACT_FINISH)
		finish(transaction, row);
	row->failure = step->failure;
	row->failed_by_device =
		step->failure == FW_FAILURE_DEVICE || step->failure == FW_FAILURE_REFUSED;
	/* a last word: nothing that comes late can be meant for another upgrade */
	if (row->failed_by_device || row->state == FW_UPGRADE_SUCCESS)
		row->sent = false;
}

/* The broker's reason or the device's own; empty when the row has none (any more). */
static struct fw_slice reason_of(const struct fw_task_device *row,
	const struct fw_upgrade_step *step, const struct fw_upgrade_input *input, char *buffer,
	size_t size)
{
	struct fw_slice version =
		input->version.len ? input->version : fw_slice_of(row->device_version);
	const char *connection = step->reason ? strchr(step->reason, '%') : NULL;
	int len;

	if (!step->reason && step->state != FW_UPGRADE_FAILED)
		return (struct fw_slice){NULL, 0};
	if (!step->reason)
		return input->reason.len ? input->reason : FW_SLICE("the device gave no reason");
	if (!connection)
		return fw_slice_of(step->reason);
	if (connection[1] == 'd')
		len = snprintf(buffer, size, "%.*s%lld%s", (int)(connection - step->reason),
			step->reason, (long long)row->interruptions, connection + 2);
	else
		len = snprintf(buffer, size, "%.*s%.*s%s", (int)(connection - step->reason),
			step->reason, (int)version.len, version.at, connection + 2);
	return (struct fw_slice){buffer, len < 0 ? 0 : (size_t)len};
}

static enum fw_status announce(
	struct fw_task_devices *rows, const struct fw_task_device *row, struct fw_slice reason)
{
	char *copy = reason.len ? strndup(reason.at, reason.len) : NULL;
	struct fw_task_event notice = {.task_id = row->task_id,
		.device_id = row->device_id,
		.product_id = row->product_id,
		.firmware_id = row->firmware_id,
		.state = row->state,
		.progress = row->progress,
		.reason = copy};
	enum fw_status status = FW_NOMEM;

	if (copy || !reason.len)
		status = fw_task_events_tell(rows->events, &notice);
	free(copy);
	return status;
}

/* One step of the table; *moved: it was written, and the state is another one now. */
static enum fw_status take_step(struct fw_task_devices *rows, struct fw_task_device *row,
	enum fw_upgrade_event event, const struct fw_upgrade_input *input, bool *moved)
{
	struct fw_upgrade_step step =
		fw_state_machine_step(row->state, event, facts_of(rows->transaction, row, input));
	const struct fw_task_device before = *row;
	char buffer[FW_VERSION_BUFFER + 64];
	struct change change;
	enum fw_status status;

	*moved = false;
	if (!step.legal)
		return FW_OK;
	row->state = step.state;
	if (step.state != before.state)
		row->untold = !fw_task_events_may_tell(rows->events);
	act(rows->transaction, row, &step, input, event == FW_EVENT_REPORTED_OTHER);
	change = (struct change){
		.reason_set = step.state != before.state || step.failure != before.failure,
		.reason = reason_of(row, &step, input, buffer, sizeof(buffer)),
		.from_version_set = step.actions & FW_ACT_START};
	status = write_row(rows, row, &change);
	if (status != FW_OK)
		*row = before;
	if (status != FW_OK || step.state == before.state)
		return status == FW_NOT_FOUND ? FW_OK : status;
	*moved = true;
	rows->transaction->untold |= row->untold;
	return row->untold ? FW_OK : announce(rows, row, change.reason);
}

enum fw_status fw_task_devices_apply(struct fw_task_devices *rows, struct fw_task_device *row,
	enum fw_upgrade_event event, const struct fw_upgrade_input *input, bool *changed)
{
	static const struct fw_upgrade_input nothing;
	bool moved, stopped;
	enum fw_status status = take_step(rows, row, event, input ? input : &nothing, &moved);

	/* a stopped task has no waiting rows */
	if (status == FW_OK && moved && row->state == FW_UPGRADE_WAITING && !row->task_running)
		status = take_step(rows, row, FW_EVENT_STOP, &nothing, &stopped);
	if (changed)
		*changed = moved;
	return status;
}

static enum fw_status write_times(struct fw_task_devices *rows, const struct fw_task_device *row)
{
	enum fw_status status = write_row(rows, row, &(struct change){0});

	return status == FW_NOT_FOUND ? FW_OK : status;
}

enum fw_status fw_task_devices_interrupted(struct fw_task_devices *rows, struct fw_task_device *row)
{
	if (row->state != FW_UPGRADE_PROCESSING || row->interrupted_at)
		return FW_OK;
	row->interrupted_at = rows->transaction->wall_ms;
	return write_times(rows, row);
}

enum fw_status fw_task_devices_forget_sending(
	struct fw_task_devices *rows, struct fw_task_device *row)
{
	if (!row->sent)
		return FW_OK;
	row->sent = false;
	return write_times(rows, row);
}

enum fw_status fw_task_devices_postpone(struct fw_task_devices *rows, struct fw_task_device *row)
{
	row->due_at = rows->transaction->steady_ms + POSTPONE_MS;
	return write_times(rows, row);
}
