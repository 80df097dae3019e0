#include "store/scheduler.h"

#include <stdlib.h>
#include <string.h>

#include "catalog/db.h"
#include "store/push.h"
#include "store/waiting_rows.h"

#define ROWS_MAX 32u /* of a device that are looked at, at a time */
/* rows of one transaction, which keeps it in the tens of milliseconds at worst */
#define STEP_ROWS 128u
#define MESSAGES_OF_ROW 32u /* nearly always fewer */
#define UNKNOWN_DUE 0       /* next_due: to be asked again */

enum statement { NEW_DEVICES, FORGET_NEW_DEVICES, CHANGES_WAIT, STATEMENTS };

static const char *const sql[STATEMENTS] = {
	[NEW_DEVICES] = ("SELECT change_id, product_id, device_id FROM device_change ORDER BY "
			 "change_id LIMIT ?1"),
	[FORGET_NEW_DEVICES] = "DELETE FROM device_change WHERE change_id <= ?1",
	[CHANGES_WAIT] =
		"SELECT EXISTS (SELECT 1 FROM task_change) OR EXISTS (SELECT 1 FROM device_change)",
};

struct fw_scheduler {
	struct fw_transaction *transaction;
	struct fw_task_events *events;
	struct fw_task_devices *rows;
	struct fw_devices *devices;
	sqlite3_stmt *statements[STATEMENTS];
	struct fw_waiting_rows *waiting_rows;
	struct fw_push *pushes;
	int64_t next_due;     /* steady ms */
	int64_t data_version; /* at which task_change was last read */
	/* of one device, for the function under way: on the stack they would fill a small one */
	struct fw_task_device found[ROWS_MAX];
};

static enum fw_status find_next_due(struct fw_scheduler *scheduler)
{
	int64_t of_rows = 0, of_devices = 0;
	enum fw_status status = fw_task_devices_next_due(scheduler->rows, &of_rows);

	if (status == FW_OK)
		status = fw_devices_next_due(scheduler->devices, &of_devices);
	if (status == FW_OK)
		scheduler->next_due = of_rows < of_devices ? of_rows : of_devices;
	return status;
}

enum fw_status fw_scheduler_open(
	const struct fw_scheduler_parts *parts, struct fw_scheduler **out, struct fw_error *error)
{
	struct fw_transaction *transaction = parts->transaction;
	struct fw_scheduler *scheduler = calloc(1, sizeof(*scheduler));
	enum fw_status status;

	if (!scheduler)
		return FW_NOMEM;
	scheduler->transaction = transaction;
	scheduler->events = parts->events;
	scheduler->rows = parts->rows;
	scheduler->devices = parts->devices;
	status = fw_db_prepare(transaction->db, sql, scheduler->statements, STATEMENTS, error);
	if (status == FW_OK)
		status = fw_push_open(transaction, parts->rows, &scheduler->pushes, error);
	if (status == FW_OK)
		status = find_next_due(scheduler);
	if (status == FW_OK)
		status = fw_waiting_rows_open(transaction, &scheduler->waiting_rows, error);
	if (status == FW_OK)
		status = fw_waiting_rows_request_running(scheduler->waiting_rows);
	if (status != FW_OK) {
		fw_error_set(error, "cannot read the tasks: %s", sqlite3_errmsg(transaction->db));
		fw_scheduler_close(scheduler);
		return status;
	}
	*out = scheduler;
	return FW_OK;
}

void fw_scheduler_close(struct fw_scheduler *scheduler)
{
	if (!scheduler)
		return;
	fw_waiting_rows_close(scheduler->waiting_rows);
	fw_push_close(scheduler->pushes);
	fw_db_finalize(scheduler->statements, STATEMENTS);
	free(scheduler);
}

static bool may_be_pushed(const struct fw_task_device *row)
{
	return row->state == FW_UPGRADE_WAITING && row->push && row->task_running && row->offered;
}

/* Is the device there to hear it? Nobody knows: then it is tried once, where the broker does not
 * tell of connections. What was sent to connection 0 was sent so. */
static bool may_hear(const struct fw_scheduler *scheduler, const struct fw_task_device *row)
{
	if (row->online || row->offline)
		return row->online;
	return !scheduler->transaction->sees_connections && !row->settles_at &&
		!(row->sent && row->connection == 0);
}

/* Steady ms: until when the device is waited for, to say what it runs. */
static int64_t held_until(const struct fw_task_device *row)
{
	return row->settles_at > row->device_due_at ? row->settles_at : row->device_due_at;
}

static enum fw_status push_when_settled(struct fw_scheduler *scheduler, struct fw_task_device *row)
{
	struct fw_slice product = fw_slice_of(row->product_id),
			device = fw_slice_of(row->device_id);
	int64_t until = held_until(row);

	if (!may_hear(scheduler, row))
		return FW_OK;
	if (until <= scheduler->transaction->steady_ms)
		until = fw_push_place(scheduler->pushes, row);
	if (!until)
		return fw_transaction_pass_over(
			scheduler->transaction, fw_push_send(scheduler->pushes, row), "a push");
	if (until == row->device_due_at)
		return FW_OK;
	return fw_transaction_pass_over(scheduler->transaction,
		fw_device_set_due(scheduler->devices, product, device, until),
		"what a device waits for");
}

/* Rows of tasks to a lower version than the device runs end. *ended: some did. */
static enum fw_status end_overtaken(
	struct fw_scheduler *scheduler, struct fw_task_device *found, size_t count, bool *ended)
{
	enum fw_status status = FW_OK;

	*ended = false;
	for (size_t i = 0; status == FW_OK && i < count; i++) {
		bool changed = false;

		if (found[i].state != FW_UPGRADE_WAITING || !found[i].newer)
			continue;
		status = fw_transaction_pass_over(scheduler->transaction,
			fw_task_devices_apply(
				scheduler->rows, &found[i], FW_EVENT_OVERTAKEN, NULL, &changed),
			"a row's end");
		*ended |= changed;
	}
	return status;
}

enum fw_status fw_scheduler_device(
	struct fw_scheduler *scheduler, struct fw_slice product, struct fw_slice device)
{
	struct fw_task_device *found = scheduler->found;
	size_t count = 0;
	bool ended = true;
	enum fw_status status = FW_OK;

	fw_scheduler_changed(scheduler);
	while (status == FW_OK && ended) {
		status = fw_task_devices_open_of_device(
			scheduler->rows, product, device, found, ROWS_MAX, &count);
		if (status == FW_OK)
			status = end_overtaken(scheduler, found, count, &ended);
	}
	if (status != FW_OK || !count || !may_be_pushed(&found[0]) || found[0].newer)
		return status;
	return push_when_settled(scheduler, &found[0]);
}

/* It is there by another connection than the attempt's, and has not answered. */
static bool is_stranded(const struct fw_task_device *row)
{
	return row->state == FW_UPGRADE_PROCESSING && !row->responded_at && row->online &&
		row->connection != row->device_connection;
}

/* For long enough? An upgrade's end is waited for only while the device is there. */
static bool was_waited_for(const struct fw_task_device *row, int64_t now)
{
	return row->device_due_at && held_until(row) <= now && (row->online || !row->settles_at);
}

enum fw_status fw_scheduler_look(
	struct fw_scheduler *scheduler, struct fw_slice product, struct fw_slice device)
{
	struct fw_task_device first;
	size_t count;
	enum fw_status status =
		fw_task_devices_open_of_device(scheduler->rows, product, device, &first, 1, &count);

	if (status != FW_OK || !count)
		return status;
	if (was_waited_for(&first, scheduler->transaction->steady_ms)) {
		status = fw_device_settle(scheduler->devices, product, device);
		if (status == FW_OK && is_stranded(&first))
			status = fw_transaction_pass_over(scheduler->transaction,
				fw_task_devices_apply(
					scheduler->rows, &first, FW_EVENT_INTERRUPTED, NULL, NULL),
				"a row's interruption");
	}
	return status == FW_OK ? fw_scheduler_device(scheduler, product, device) : status;
}

/* May another row be looked at in this transaction? What operators made of it before is told with
 * it. */
static bool has_room(const struct fw_scheduler *scheduler)
{
	return fw_transaction_room(scheduler->transaction) >= MESSAGES_OF_ROW;
}

/* Looks at the devices of the next waiting rows of the first sweep. *last: the last one, "" for
 * none. */
static enum fw_status sweep_step(
	struct fw_scheduler *scheduler, char last[FW_ID_MAX + 1], bool *done)
{
	struct fw_device_name found[STEP_ROWS];
	size_t count;
	enum fw_status status =
		fw_waiting_rows_find(scheduler->waiting_rows, found, STEP_ROWS, &count);

	*done = count < STEP_ROWS;
	for (size_t i = 0; status == FW_OK && i < count; i++) {
		if (!has_room(scheduler)) {
			*done = false;
			break;
		}
		status = fw_scheduler_device(
			scheduler, fw_slice_of(found[i].product), fw_slice_of(found[i].device));
		memcpy(last, found[i].device, sizeof(found[i].device));
	}
	return status;
}

static enum fw_status sweep_some(struct fw_scheduler *scheduler, bool *more)
{
	bool done = false;
	char last[FW_ID_MAX + 1] = "";
	enum fw_status status;

	if (!fw_waiting_rows_wait(scheduler->waiting_rows) || !has_room(scheduler))
		return FW_OK;
	status = fw_transaction_begin(scheduler->transaction);
	if (status != FW_OK)
		return status;
	status = sweep_step(scheduler, last, &done);
	status = fw_transaction_end(scheduler->transaction, status, 0);
	if (status != FW_OK)
		return status;
	fw_waiting_rows_passed(scheduler->waiting_rows, last[0] ? last : NULL, done);
	*more |= fw_waiting_rows_wait(scheduler->waiting_rows);
	return FW_OK;
}

/* Which timeout of the row is over? Before the upgrade timeout there is one for the answer, and one
 * for a word after its return. */
static enum fw_upgrade_event due_event(const struct fw_task_device *row)
{
	if (row->due_at >= row->pushed_clock + row->timeout_ms)
		return FW_EVENT_TIMEOUT;
	return row->responded_at ? FW_EVENT_INTERRUPTED : FW_EVENT_NO_RESPONSE;
}

static enum fw_status expire(struct fw_scheduler *scheduler, struct fw_task_device *row)
{
	struct fw_slice product = fw_slice_of(row->product_id),
			device = fw_slice_of(row->device_id);
	enum fw_upgrade_event event = due_event(row);
	bool had_begun = row->responded_at, changed;
	enum fw_status status = fw_task_devices_apply(scheduler->rows, row, event, NULL, &changed);

	/* it may be about to restart */
	if (status == FW_OK && changed && event == FW_EVENT_TIMEOUT && had_begun)
		status = fw_device_unsettle(scheduler->devices, product, device);
	return status == FW_OK && changed ? fw_scheduler_device(scheduler, product, device)
					  : status;
}

static enum fw_status expire_step(struct fw_scheduler *scheduler, bool *done)
{
	struct fw_task_device *found = calloc(STEP_ROWS, sizeof(*found));
	size_t count = 0;
	enum fw_status status =
		found ? fw_task_devices_due(scheduler->rows, found, STEP_ROWS, &count) : FW_NOMEM;

	*done = count < STEP_ROWS;
	for (size_t i = 0; status == FW_OK && i < count; i++) {
		struct fw_task_device row = found[i];

		if (!has_room(scheduler)) {
			*done = false;
			break;
		}
		status = fw_transaction_pass_over(
			scheduler->transaction, expire(scheduler, &row), "a timeout");
		/* it was refused, or kept as it was */
		if (status == FW_OK && row.due_at == found[i].due_at)
			status = fw_transaction_pass_over(scheduler->transaction,
				fw_task_devices_postpone(scheduler->rows, &found[i]), "a timeout");
	}
	free(found);
	return status;
}

/* Devices that were waited for long enough. */
static enum fw_status look_step(struct fw_scheduler *scheduler, bool *done)
{
	struct fw_device_name found[STEP_ROWS];
	size_t count;
	enum fw_status status = fw_devices_due(
		scheduler->devices, scheduler->transaction->heard_ms, found, STEP_ROWS, &count);

	*done = count < STEP_ROWS;
	for (size_t i = 0; status == FW_OK && i < count; i++) {
		struct fw_slice product = fw_slice_of(found[i].product),
				device = fw_slice_of(found[i].device);

		if (!has_room(scheduler)) {
			*done = false;
			break;
		}
		/* one whose row an operator's trigger freezes is looked at again and again, and
		 * holds up no other */
		status = fw_transaction_pass_over(scheduler->transaction,
			fw_scheduler_look(scheduler, product, device), "what a device waits for");
		if (status == FW_OK)
			status = fw_transaction_pass_over(scheduler->transaction,
				fw_device_forget_due(scheduler->devices, product, device,
					scheduler->transaction->heard_ms),
				"what a device waits for");
	}
	return status;
}

static enum fw_status expire_due(struct fw_scheduler *scheduler, bool *more)
{
	bool rows_done = false, devices_done = false;
	enum fw_status status =
		scheduler->next_due == UNKNOWN_DUE ? find_next_due(scheduler) : FW_OK;

	if (status != FW_OK || scheduler->transaction->heard_ms < scheduler->next_due ||
		!has_room(scheduler))
		return status;
	status = fw_transaction_begin(scheduler->transaction);
	if (status != FW_OK)
		return status;
	status = expire_step(scheduler, &rows_done);
	if (status == FW_OK)
		status = look_step(scheduler, &devices_done);
	status = fw_transaction_end(scheduler->transaction, status, 0);
	*more |= status == FW_OK && !(rows_done && devices_done);
	fw_scheduler_changed(scheduler);
	return status;
}

/* A device that an operator added may be there already. */
static enum fw_status ask_about_devices(struct fw_scheduler *scheduler)
{
	sqlite3_stmt *statement = scheduler->statements[NEW_DEVICES];
	int64_t last = 0;
	enum fw_status status;

	fw_db_bind_integer(statement, 1, STEP_ROWS);
	while ((status = fw_db_step(statement)) == FW_OK) {
		last = sqlite3_column_int64(statement, 0);
		status = fw_transaction_ask_presence(scheduler->transaction,
			fw_db_text(statement, 1), fw_db_text(statement, 2), false);
		if (status != FW_OK)
			break;
	}
	sqlite3_reset(statement);
	if (status != FW_NOT_FOUND)
		return status;
	fw_db_bind_integer(scheduler->statements[FORGET_NEW_DEVICES], 1, last);
	return fw_db_run(scheduler->statements[FORGET_NEW_DEVICES]);
}

/* The device of a row that was added, continued or stopped, or that is gone, may be waiting for its
 * next upgrade. */
static enum fw_status handle_change(struct fw_scheduler *scheduler, const struct fw_change *change)
{
	if (!change->product_id[0])
		return FW_OK;
	if (change->sweep)
		return fw_waiting_rows_request(scheduler->waiting_rows,
			fw_slice_of(change->task_id), fw_slice_of(change->product_id));
	if (!change->device_id[0])
		return FW_OK;
	return fw_scheduler_device(
		scheduler, fw_slice_of(change->product_id), fw_slice_of(change->device_id));
}

/* One by one: what follows from a change may take later ones of the same row. */
static enum fw_status changes_step(struct fw_scheduler *scheduler)
{
	struct fw_change change;
	size_t count = 0;
	enum fw_status status;

	while ((status = fw_task_events_take_change(scheduler->events, &change)) == FW_OK) {
		status = handle_change(scheduler, &change);
		if (status != FW_OK || ++count == STEP_ROWS || !has_room(scheduler))
			return status;
	}
	if (status != FW_NOT_FOUND)
		return status;
	return count == 0 ? ask_about_devices(scheduler) : FW_OK;
}

/* Is there anything in the queues? Asked only when another connection has committed something. */
static enum fw_status changes_wait(struct fw_scheduler *scheduler, bool *waiting)
{
	int64_t data_version = 0, any = 0;
	enum fw_status status = fw_db_integer(
		scheduler->transaction->db, "PRAGMA data_version", &data_version, NULL);

	*waiting = false;
	if (status != FW_OK || data_version == scheduler->data_version)
		return status;
	status = fw_db_read_integer(scheduler->statements[CHANGES_WAIT], &any);
	if (status != FW_OK)
		return status;
	*waiting = any;
	if (!any)
		scheduler->data_version = data_version;
	return FW_OK;
}

static enum fw_status take_changes(struct fw_scheduler *scheduler, bool *more)
{
	bool waiting;
	enum fw_status status = changes_wait(scheduler, &waiting);

	if (status != FW_OK || !waiting || !has_room(scheduler))
		return status;
	status = fw_transaction_begin(scheduler->transaction);
	if (status != FW_OK)
		return status;
	status = changes_step(scheduler);
	status = fw_transaction_end(scheduler->transaction, status, 0);
	*more |= status == FW_OK;
	return status;
}

static enum fw_status tell_untold(struct fw_scheduler *scheduler, bool *more)
{
	struct fw_transaction *transaction = scheduler->transaction;
	bool again = false;
	enum fw_status status;

	if (!transaction->untold || !has_room(scheduler) ||
		!fw_token_bucket_ready(
			&transaction->events, transaction->rate, fw_clock_now(&transaction->clock)))
		return FW_OK;
	status = fw_transaction_begin(transaction);
	if (status != FW_OK)
		return status;
	status = fw_transaction_end(
		transaction, fw_task_events_tell_untold(scheduler->events, &again), 0);
	*more |= status == FW_OK && again;
	return status;
}

enum fw_status fw_scheduler_work(struct fw_scheduler *scheduler, bool *more)
{
	enum fw_status status;

	*more = false;
	status = take_changes(scheduler, more);
	if (status == FW_OK)
		status = expire_due(scheduler, more);
	if (status == FW_OK)
		status = sweep_some(scheduler, more);
	return status == FW_OK ? tell_untold(scheduler, more) : status;
}

int64_t fw_scheduler_next_due(const struct fw_scheduler *scheduler)
{
	return scheduler->next_due;
}

void fw_scheduler_changed(struct fw_scheduler *scheduler)
{
	scheduler->next_due = UNKNOWN_DUE;
	/* triggers may have queued what the plugin itself changed, and its own commits do not move
	 * PRAGMA data_version */
	scheduler->data_version = 0;
}
