#include "store/scheduler.h"

#include <stdlib.h>
#include <string.h>

#include "catalog/db.h"
#include "store/push.h"
#include "store/waiting_rows.h"

#define ROWS_MAX 32u        /* of a device that are looked at, at a time */
#define STEP_ROWS 128u      /* rows of one transaction, which keeps it in the tens of milliseconds at worst */
#define MESSAGES_OF_ROW 32u /* nearly always fewer */
#define UNKNOWN_DUE 0       /* next_due: to be asked again */

enum statement { NEW_DEVICES, FORGET_NEW_DEVICES, CHANGES_WAIT, STATEMENTS };

static const char *const sql[STATEMENTS] = {
	[NEW_DEVICES] = "SELECT change_id, product_id, device_id FROM device_change ORDER BY change_id LIMIT ?1",
	[FORGET_NEW_DEVICES] = "DELETE FROM device_change WHERE change_id <= ?1",
	[CHANGES_WAIT] = "SELECT EXISTS (SELECT 1 FROM task_change) OR EXISTS (SELECT 1 FROM device_change)",
};

struct fw_schedule {
	struct fw_writer *writer;
	struct fw_notices *notices;
	struct fw_rows *rows;
	struct fw_devices *devices;
	sqlite3_stmt *statements[STATEMENTS];
	struct fw_sweeps *sweeps;
	struct fw_pushes *pushes;
	int64_t next_due;         /* steady ms */
	int64_t data_version;     /* at which task_change was last read */
};

static enum fw_status find_next_due(struct fw_schedule *schedule)
{
	int64_t of_rows = 0, of_devices = 0;
	enum fw_status status = fw_rows_next_due(schedule->rows, &of_rows);

	if (status == FW_OK)
		status = fw_devices_next_due(schedule->devices, &of_devices);
	if (status == FW_OK)
		schedule->next_due = of_rows < of_devices ? of_rows : of_devices;
	return status;
}

enum fw_status fw_schedule_open(const struct fw_schedule_parts *parts, struct fw_schedule **out,
	struct fw_error *error)
{
	struct fw_writer *writer = parts->writer;
	struct fw_schedule *schedule = calloc(1, sizeof(*schedule));
	enum fw_status status;

	if (!schedule)
		return FW_NOMEM;
	schedule->writer = writer;
	schedule->notices = parts->notices;
	schedule->rows = parts->rows;
	schedule->devices = parts->devices;
	status = fw_db_prepare(writer->db, sql, schedule->statements, STATEMENTS, error);
	if (status == FW_OK)
		status = fw_pushes_open(writer, parts->rows, &schedule->pushes, error);
	if (status == FW_OK)
		status = find_next_due(schedule);
	if (status == FW_OK)
		status = fw_sweeps_open(writer, &schedule->sweeps, error);
	if (status == FW_OK)
		status = fw_sweeps_request_running(schedule->sweeps);
	if (status != FW_OK) {
		fw_error_set(error, "cannot read the tasks: %s", sqlite3_errmsg(writer->db));
		fw_schedule_close(schedule);
		return status;
	}
	*out = schedule;
	return FW_OK;
}

void fw_schedule_close(struct fw_schedule *schedule)
{
	if (!schedule)
		return;
	fw_sweeps_close(schedule->sweeps);
	fw_pushes_close(schedule->pushes);
	fw_db_finalize(schedule->statements, STATEMENTS);
	free(schedule);
}

static bool may_be_pushed(const struct fw_row *row)
{
	return row->state == FW_ROW_WAITING && row->push && row->task_running && row->offered;
}

/* Is the device there to hear it? Nobody knows: then it is tried once, where the broker does not tell of connections. What was sent to
 * connection 0 was sent so. */
static bool may_hear(const struct fw_schedule *schedule, const struct fw_row *row)
{
	if (row->online || row->offline)
		return row->online;
	return !schedule->writer->sees_connections && !row->settles_at && !(row->sent && row->connection == 0);
}

/* Steady ms: until when the device is waited for, to say what it runs. */
static int64_t held_until(const struct fw_row *row)
{
	return row->settles_at > row->device_due_at ? row->settles_at : row->device_due_at;
}

static enum fw_status push_when_settled(struct fw_schedule *schedule, struct fw_row *row)
{
	struct fw_slice product = fw_slice_of(row->product_id), device = fw_slice_of(row->device_id);
	int64_t until = held_until(row);

	if (!may_hear(schedule, row))
		return FW_OK;
	if (until <= schedule->writer->steady_ms)
		until = fw_pushes_place(schedule->pushes, row);
	if (!until)
		return fw_writer_pass_over(schedule->writer, fw_pushes_send(schedule->pushes, row), "a push");
	if (until == row->device_due_at)
		return FW_OK;
	return fw_writer_pass_over(schedule->writer, fw_device_set_due(schedule->devices, product, device, until), "what a device waits for");
}

/* Rows of tasks to a lower version than the device runs end. *ended: some did. */
static enum fw_status end_overtaken(struct fw_schedule *schedule, struct fw_row *found, size_t count, bool *ended)
{
	enum fw_status status = FW_OK;

	*ended = false;
	for (size_t i = 0; status == FW_OK && i < count; i++) {
		bool changed = false;

		if (found[i].state != FW_ROW_WAITING || !found[i].newer)
			continue;
		status = fw_writer_pass_over(schedule->writer, fw_rows_apply(schedule->rows, &found[i], FW_EVENT_OVERTAKEN, NULL, &changed), "a row's end");
		*ended |= changed;
	}
	return status;
}

enum fw_status fw_schedule_device(struct fw_schedule *schedule, struct fw_slice product, struct fw_slice device)
{
	struct fw_row found[ROWS_MAX];
	size_t count = 0;
	bool ended = true;
	enum fw_status status = FW_OK;

	fw_schedule_changed(schedule);
	while (status == FW_OK && ended) {
		status = fw_rows_open_of_device(schedule->rows, product, device, found, ROWS_MAX, &count);
		if (status == FW_OK)
			status = end_overtaken(schedule, found, count, &ended);
	}
	if (status != FW_OK || !count || !may_be_pushed(&found[0]) || found[0].newer)
		return status;
	return push_when_settled(schedule, &found[0]);
}

/* It is there by another connection than the attempt's, and has not answered. */
static bool is_stranded(const struct fw_row *row)
{
	return row->state == FW_ROW_PROCESSING && !row->responded_at && row->online && row->connection != row->device_connection;
}

/* For long enough? An upgrade's end is waited for only while the device is there. */
static bool was_waited_for(const struct fw_row *row, int64_t now)
{
	return row->device_due_at && held_until(row) <= now && (row->online || !row->settles_at);
}

enum fw_status fw_schedule_look(struct fw_schedule *schedule, struct fw_slice product, struct fw_slice device)
{
	struct fw_row first;
	size_t count;
	enum fw_status status = fw_rows_open_of_device(schedule->rows, product, device, &first, 1, &count);

	if (status != FW_OK || !count)
		return status;
	if (was_waited_for(&first, schedule->writer->steady_ms)) {
		status = fw_device_settle(schedule->devices, product, device);
		if (status == FW_OK && is_stranded(&first))
			status = fw_writer_pass_over(schedule->writer, fw_rows_apply(schedule->rows, &first, FW_EVENT_INTERRUPTED, NULL, NULL), "a row's interruption");
	}
	return status == FW_OK ? fw_schedule_device(schedule, product, device) : status;
}

/* May another row be looked at in this transaction? What operators made of it before is told with it. */
static bool has_room(const struct fw_schedule *schedule)
{
	return fw_writer_room(schedule->writer) >= MESSAGES_OF_ROW;
}

/* Looks at the devices of the next waiting rows of the first sweep. *last: the last one, "" for
 * none. */
static enum fw_status sweep_step(
	struct fw_schedule *schedule, char last[FW_ID_MAX + 1], bool *done)
{
	struct fw_device_name found[STEP_ROWS];
	size_t count;
	enum fw_status status = fw_sweeps_find(schedule->sweeps, found, STEP_ROWS, &count);

	*done = count < STEP_ROWS;
	for (size_t i = 0; status == FW_OK && i < count; i++) {
		if (!has_room(schedule)) {
			*done = false;
			break;
		}
		status = fw_schedule_device(
			schedule, fw_slice_of(found[i].product), fw_slice_of(found[i].device));
		memcpy(last, found[i].device, sizeof(found[i].device));
	}
	return status;
}

static enum fw_status go_on_sweeping(struct fw_schedule *schedule, bool *more)
{
	bool done = false;
	char last[FW_ID_MAX + 1] = "";
	enum fw_status status;

	if (!fw_sweeps_wait(schedule->sweeps) || !has_room(schedule))
		return FW_OK;
	status = fw_writer_begin(schedule->writer);
	if (status != FW_OK)
		return status;
	status = sweep_step(schedule, last, &done);
	status = fw_writer_end(schedule->writer, status, 0);
	if (status != FW_OK)
		return status;
	fw_sweeps_passed(schedule->sweeps, last[0] ? last : NULL, done);
	*more |= fw_sweeps_wait(schedule->sweeps);
	return FW_OK;
}

/* Which timeout of the row is over? Before the upgrade timeout there is one for the answer, and one for a word after its return. */
static enum fw_row_event due_event(const struct fw_row *row)
{
	if (row->due_at >= row->pushed_clock + row->timeout_ms)
		return FW_EVENT_TIMEOUT;
	return row->responded_at ? FW_EVENT_INTERRUPTED : FW_EVENT_NO_RESPONSE;
}

static enum fw_status expire(struct fw_schedule *schedule, struct fw_row *row)
{
	struct fw_slice product = fw_slice_of(row->product_id), device = fw_slice_of(row->device_id);
	enum fw_row_event event = due_event(row);
	bool had_begun = row->responded_at, changed;
	enum fw_status status = fw_rows_apply(schedule->rows, row, event, NULL, &changed);

	/* it may be about to restart */
	if (status == FW_OK && changed && event == FW_EVENT_TIMEOUT && had_begun)
		status = fw_device_unsettle(schedule->devices, product, device);
	return status == FW_OK && changed ? fw_schedule_device(schedule, product, device) : status;
}

static enum fw_status expire_step(struct fw_schedule *schedule, bool *done)
{
	struct fw_row *found = calloc(STEP_ROWS, sizeof(*found));
	size_t count = 0;
	enum fw_status status = found ? fw_rows_due(schedule->rows, found, STEP_ROWS, &count) : FW_NOMEM;

	*done = count < STEP_ROWS;
	for (size_t i = 0; status == FW_OK && i < count; i++) {
		struct fw_row row = found[i];

		if (!has_room(schedule)) {
			*done = false;
			break;
		}
		status = fw_writer_pass_over(schedule->writer, expire(schedule, &row), "a timeout");
		/* it was refused, or kept as it was */
		if (status == FW_OK && row.due_at == found[i].due_at)
			status = fw_writer_pass_over(schedule->writer, fw_rows_postpone(schedule->rows, &found[i]), "a timeout");
	}
	free(found);
	return status;
}

/* Devices that were waited for long enough. */
static enum fw_status look_step(struct fw_schedule *schedule, bool *done)
{
	struct fw_device_name found[STEP_ROWS];
	size_t count;
	enum fw_status status = fw_devices_due(schedule->devices, schedule->writer->heard_ms, found, STEP_ROWS, &count);

	*done = count < STEP_ROWS;
	for (size_t i = 0; status == FW_OK && i < count; i++) {
		struct fw_slice product = fw_slice_of(found[i].product), device = fw_slice_of(found[i].device);

		if (!has_room(schedule)) {
			*done = false;
			break;
		}
		/* one whose row an operator's trigger freezes is looked at again and again, and holds up no other */
		status = fw_writer_pass_over(schedule->writer, fw_schedule_look(schedule, product, device), "what a device waits for");
		if (status == FW_OK)
			status = fw_writer_pass_over(schedule->writer,
				fw_device_forget_due(schedule->devices, product, device, schedule->writer->heard_ms), "what a device waits for");
	}
	return status;
}

static enum fw_status expire_due(struct fw_schedule *schedule, bool *more)
{
	bool rows_done = false, devices_done = false;
	enum fw_status status = schedule->next_due == UNKNOWN_DUE ? find_next_due(schedule) : FW_OK;

	if (status != FW_OK || schedule->writer->heard_ms < schedule->next_due || !has_room(schedule))
		return status;
	status = fw_writer_begin(schedule->writer);
	if (status != FW_OK)
		return status;
	status = expire_step(schedule, &rows_done);
	if (status == FW_OK)
		status = look_step(schedule, &devices_done);
	status = fw_writer_end(schedule->writer, status, 0);
	*more |= status == FW_OK && !(rows_done && devices_done);
	fw_schedule_changed(schedule);
	return status;
}

/* A device that an operator added may be there already. */
static enum fw_status ask_about_devices(struct fw_schedule *schedule)
{
	sqlite3_stmt *statement = schedule->statements[NEW_DEVICES];
	int64_t last = 0;
	enum fw_status status;

	fw_db_bind_integer(statement, 1, STEP_ROWS);
	while ((status = fw_db_step(statement)) == FW_OK) {
		last = sqlite3_column_int64(statement, 0);
		status = fw_writer_ask_presence(schedule->writer, fw_db_text(statement, 1), fw_db_text(statement, 2), false);
		if (status != FW_OK)
			break;
	}
	sqlite3_reset(statement);
	if (status != FW_NOT_FOUND)
		return status;
	fw_db_bind_integer(schedule->statements[FORGET_NEW_DEVICES], 1, last);
	return fw_db_run(schedule->statements[FORGET_NEW_DEVICES]);
}

/* The device of a row that was added, continued or stopped, or that is gone, may be waiting for its next upgrade. */
static enum fw_status carry_on(struct fw_schedule *schedule, const struct fw_change *change)
{
	if (!change->product_id[0])
		return FW_OK;
	if (change->sweep)
		return fw_sweeps_request(schedule->sweeps, fw_slice_of(change->task_id), fw_slice_of(change->product_id));
	if (!change->device_id[0])
		return FW_OK;
	return fw_schedule_device(schedule, fw_slice_of(change->product_id), fw_slice_of(change->device_id));
}

/* One by one: what follows from a change may take later ones of the same row. */
static enum fw_status changes_step(struct fw_schedule *schedule)
{
	struct fw_change change;
	size_t count = 0;
	enum fw_status status;

	while ((status = fw_notices_take_change(schedule->notices, &change)) == FW_OK) {
		status = carry_on(schedule, &change);
		if (status != FW_OK || ++count == STEP_ROWS || !has_room(schedule))
			return status;
	}
	if (status != FW_NOT_FOUND)
		return status;
	return count == 0 ? ask_about_devices(schedule) : FW_OK;
}

/* Is there anything in the queues? Asked only when another connection has committed something. */
static enum fw_status changes_wait(struct fw_schedule *schedule, bool *waiting)
{
	int64_t data_version = 0, any = 0;
	enum fw_status status = fw_db_integer(schedule->writer->db, "PRAGMA data_version", &data_version, NULL);

	*waiting = false;
	if (status != FW_OK || data_version == schedule->data_version)
		return status;
	status = fw_db_read_integer(schedule->statements[CHANGES_WAIT], &any);
	if (status != FW_OK)
		return status;
	*waiting = any;
	if (!any)
		schedule->data_version = data_version;
	return FW_OK;
}

static enum fw_status take_changes(struct fw_schedule *schedule, bool *more)
{
	bool waiting;
	enum fw_status status = changes_wait(schedule, &waiting);

	if (status != FW_OK || !waiting || !has_room(schedule))
		return status;
	status = fw_writer_begin(schedule->writer);
	if (status != FW_OK)
		return status;
	status = changes_step(schedule);
	status = fw_writer_end(schedule->writer, status, 0);
	*more |= status == FW_OK;
	return status;
}

static enum fw_status tell_untold(struct fw_schedule *schedule, bool *more)
{
	struct fw_writer *writer = schedule->writer;
	bool again = false;
	enum fw_status status;

	if (!writer->untold || !has_room(schedule) || !fw_pace_ready(&writer->events, writer->rate, fw_clock_now(&writer->clock)))
		return FW_OK;
	status = fw_writer_begin(writer);
	if (status != FW_OK)
		return status;
	status = fw_writer_end(writer, fw_notices_tell_untold(schedule->notices, &again), 0);
	*more |= status == FW_OK && again;
	return status;
}

enum fw_status fw_schedule_work(struct fw_schedule *schedule, bool *more)
{
	enum fw_status status;

	*more = false;
	status = take_changes(schedule, more);
	if (status == FW_OK)
		status = expire_due(schedule, more);
	if (status == FW_OK)
		status = go_on_sweeping(schedule, more);
	return status == FW_OK ? tell_untold(schedule, more) : status;
}

int64_t fw_schedule_next_due(const struct fw_schedule *schedule)
{
	return schedule->next_due;
}

void fw_schedule_changed(struct fw_schedule *schedule)
{
	schedule->next_due = UNKNOWN_DUE;
	/* triggers may have queued what the plugin itself changed, and its own commits do not move PRAGMA data_version */
	schedule->data_version = 0;
}
