/* Carries out what follows from operators' changes: rows, tasks and devices that they added,
 * changed or deleted.
 *
 * Triggers of the catalog queue each change in the tables task_change and device_change. The queues
 * are read only after PRAGMA data_version shows that another connection has committed, or after a
 * transaction of the plugin whose triggers may have queued something (fw_scheduler_changed). */
#include "store/scheduler_internal.h"

#include <string.h>

enum statement { NEW_DEVICES, FORGET_NEW_DEVICES, CHANGES_WAIT, STATEMENTS };
_Static_assert(STATEMENTS == FW_SCHEDULER_CHANGES_STATEMENTS, "as many as struct fw_scheduler has");

static const char *const sql[STATEMENTS] = {
	[NEW_DEVICES] = ("SELECT change_id, product_id, device_id FROM device_change ORDER BY "
			 "change_id LIMIT ?1"),
	[FORGET_NEW_DEVICES] = "DELETE FROM device_change WHERE change_id <= ?1",
	[CHANGES_WAIT] =
		"SELECT EXISTS (SELECT 1 FROM task_change) OR EXISTS (SELECT 1 FROM device_change)",
};

enum fw_status fw_scheduler_changes_prepare(struct fw_scheduler *scheduler, struct fw_error *error)
{
	return fw_db_prepare(
		scheduler->transaction->db, sql, scheduler->changes, STATEMENTS, error);
}

/* Asks whether devices that an operator added are online already. */
static enum fw_status ask_about_devices(struct fw_scheduler *scheduler)
{
	sqlite3_stmt *statement = scheduler->changes[NEW_DEVICES];
	int64_t last = 0;
	enum fw_status status;

	fw_db_bind_integer(statement, 1, FW_SCHEDULER_STEP_ROWS);
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
	fw_db_bind_integer(scheduler->changes[FORGET_NEW_DEVICES], 1, last);
	return fw_db_run(scheduler->changes[FORGET_NEW_DEVICES]);
}

static enum fw_status sweep_task(struct fw_scheduler *scheduler, const struct fw_change *change)
{
	struct fw_slice task_id = fw_slice_of(change->task_id),
			product = fw_slice_of(change->product_id);
	bool managed = false;
	enum fw_status status = fw_rollouts_changed(scheduler->rollouts, task_id, &managed);

	/* fw_rollouts_changed may have woken retries */
	fw_scheduler_changed(scheduler);
	if (status != FW_OK || managed)
		return status;
	return fw_waiting_rows_request(scheduler->waiting_rows, task_id, product);
}

/* Reviews the row's task before the row may start: a task that had no open rows was not reviewed,
 * and may have to pause. Once a task in a step: all of the operators' changes are there already. */
static enum fw_status review_once(struct fw_scheduler *scheduler, const struct fw_change *change,
	char reviewed[FW_ID_MAX + 1])
{
	struct fw_slice task_id = fw_slice_of(change->task_id);
	enum fw_status status = fw_rollouts_watch(scheduler->rollouts, task_id);

	if (status != FW_OK || strcmp(reviewed, change->task_id) == 0)
		return status;
	fw_slice_copy(task_id, reviewed, FW_ID_MAX + 1);
	return fw_rollouts_review(scheduler->rollouts, task_id);
}

/* After a change of a row, its device may wait for its next upgrade, and the stage of its task may
 * have more places. */
static enum fw_status handle_change(struct fw_scheduler *scheduler, const struct fw_change *change,
	char reviewed[FW_ID_MAX + 1])
{
	enum fw_status status;

	if (!change->product_id[0])
		return FW_OK;
	if (change->sweep)
		return sweep_task(scheduler, change);
	if (!change->device_id[0])
		return FW_OK;
	status = review_once(scheduler, change, reviewed);
	return status == FW_OK ? fw_scheduler_push_next(scheduler, fw_slice_of(change->product_id),
					 fw_slice_of(change->device_id))
			       : status;
}

/* One by one: handling a change may take later changes of the same row out of the queue. */
static enum fw_status changes_step(struct fw_scheduler *scheduler)
{
	struct fw_change change;
	char reviewed[FW_ID_MAX + 1] = "";
	size_t count = 0;
	enum fw_status status;

	while ((status = fw_task_events_take_change(scheduler->events, &change)) == FW_OK) {
		status = handle_change(scheduler, &change, reviewed);
		if (status != FW_OK || ++count == FW_SCHEDULER_STEP_ROWS ||
			!fw_scheduler_has_room(scheduler))
			return status;
	}
	if (status != FW_NOT_FOUND)
		return status;
	return count == 0 ? ask_about_devices(scheduler) : FW_OK;
}

/* *waiting: there is something in the queues. They are read only when another connection has
 * committed something. */
static enum fw_status changes_wait(struct fw_scheduler *scheduler, bool *waiting)
{
	int64_t data_version = 0, any = 0;
	enum fw_status status = fw_db_integer(
		scheduler->transaction->db, "PRAGMA data_version", &data_version, NULL);

	*waiting = false;
	if (status != FW_OK || data_version == scheduler->data_version)
		return status;
	status = fw_db_read_integer(scheduler->changes[CHANGES_WAIT], &any);
	if (status != FW_OK)
		return status;
	*waiting = any;
	if (!any)
		scheduler->data_version = data_version;
	return FW_OK;
}

enum fw_status fw_scheduler_changes_take(struct fw_scheduler *scheduler, bool *more)
{
	bool waiting;
	enum fw_status status = changes_wait(scheduler, &waiting);

	if (status != FW_OK || !waiting || !fw_scheduler_has_room(scheduler))
		return status;
	status = fw_transaction_begin(scheduler->transaction);
	if (status != FW_OK)
		return status;
	status = changes_step(scheduler);
	status = fw_transaction_end(scheduler->transaction, status, 0);
	*more |= status == FW_OK;
	return status;
}
