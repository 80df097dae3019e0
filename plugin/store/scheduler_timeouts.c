/* Rows whose timeout is over, and devices that were waited for long enough.
 *
 * No timeout is decided beyond the watermark transaction->heard_until_ms: up to it all that devices
 * said is in the catalog. So no device fails whose answer waits in the spool. A row that the
 * catalog's rules do not let end is postponed by a minute, and does not hold up others. */
#include "store/scheduler_internal.h"

#include <stdlib.h>

enum fw_status fw_scheduler_timeouts_find_next(struct fw_scheduler *scheduler)
{
	int64_t of_rows = 0, of_devices = 0, waking = 0;
	enum fw_status status = fw_task_devices_next_due(scheduler->rows, &of_rows);

	if (status == FW_OK)
		status = fw_devices_next_due(scheduler->devices, &of_devices);
	if (status == FW_OK)
		status = fw_task_devices_next_wake(scheduler->rows, &waking);
	if (status != FW_OK)
		return status;
	scheduler->next_due = of_rows < of_devices ? of_rows : of_devices;
	if (waking < scheduler->next_due)
		scheduler->next_due = waking;
	return status;
}

/* Which timeout of the row is over? The upgrade timeout is the last one. Before it there are the
 * response timeout, and the one of FW_ACT_WATCH after the device came back. Of a device behind a
 * gateway that has not answered, the latter is before the response timeout. */
static enum fw_upgrade_event due_event(
	const struct fw_scheduler *scheduler, const struct fw_task_device *row)
{
	if (row->due_at >= row->pushed_clock + row->timeout_ms)
		return FW_EVENT_TIMEOUT;
	if (scheduler->transaction->context->gateways &&
		row->due_at < row->pushed_clock + row->response_timeout_ms)
		return FW_EVENT_INTERRUPTED;
	return row->responded_at ? FW_EVENT_INTERRUPTED : FW_EVENT_NO_RESPONSE;
}

static enum fw_status expire_row(struct fw_scheduler *scheduler, struct fw_task_device *row)
{
	struct fw_slice product = fw_slice_of(row->product_id),
			device = fw_slice_of(row->device_id);
	enum fw_upgrade_event event = due_event(scheduler, row);
	bool had_begun = row->responded_at, changed;
	enum fw_status status = fw_transition_apply(scheduler->rows, row, event, NULL, &changed);

	/* the device may be about to restart into the new version */
	if (status == FW_OK && changed && event == FW_EVENT_TIMEOUT && had_begun)
		status = fw_device_unsettle(scheduler->devices, product, device);
	return status == FW_OK && changed ? fw_scheduler_push_next(scheduler, product, device)
					  : status;
}

static enum fw_status expire_step(struct fw_scheduler *scheduler, bool *done)
{
	struct fw_task_device *found = calloc(FW_SCHEDULER_STEP_ROWS, sizeof(*found));
	size_t count = 0;
	enum fw_status status = found
		? fw_task_devices_find_due(scheduler->rows, found, FW_SCHEDULER_STEP_ROWS, &count)
		: FW_NOMEM;

	*done = count < FW_SCHEDULER_STEP_ROWS;
	for (size_t i = 0; status == FW_OK && i < count; i++) {
		struct fw_task_device row = found[i];

		if (!fw_scheduler_has_room(scheduler)) {
			*done = false;
			break;
		}
		status = fw_transaction_pass_over(
			scheduler->transaction, expire_row(scheduler, &row), "a timeout");
		/* the catalog refused the change, or a trigger kept the row as it was */
		if (status == FW_OK && row.due_at == found[i].due_at)
			status = fw_transaction_pass_over(scheduler->transaction,
				fw_transition_postpone(scheduler->rows, &found[i]), "a timeout");
	}
	free(found);
	return status;
}

/* Looks at devices that were waited for long enough. */
static enum fw_status look_step(struct fw_scheduler *scheduler, bool *done)
{
	struct fw_device_name found[FW_SCHEDULER_STEP_ROWS];
	size_t count;
	enum fw_status status = fw_devices_due(scheduler->devices,
		scheduler->transaction->heard_until_ms, found, FW_SCHEDULER_STEP_ROWS, &count);

	*done = count < FW_SCHEDULER_STEP_ROWS;
	for (size_t i = 0; status == FW_OK && i < count; i++) {
		struct fw_slice product = fw_slice_of(found[i].product),
				device = fw_slice_of(found[i].device);

		if (!fw_scheduler_has_room(scheduler)) {
			*done = false;
			break;
		}
		/* a device whose row an operator's trigger keeps must not hold up others */
		status = fw_transaction_pass_over(scheduler->transaction,
			fw_scheduler_settle_and_push(scheduler, product, device),
			"what a device waits for");
		if (status == FW_OK)
			status = fw_transaction_pass_over(scheduler->transaction,
				fw_device_forget_due(scheduler->devices, product, device,
					scheduler->transaction->heard_until_ms),
				"what a device waits for");
	}
	return status;
}

enum fw_status fw_scheduler_timeouts_expire(struct fw_scheduler *scheduler, bool *more)
{
	bool rows_done = false, devices_done = false, woken = false;
	enum fw_status status = scheduler->next_due == FW_SCHEDULER_UNKNOWN_DUE
		? fw_scheduler_timeouts_find_next(scheduler)
		: FW_OK;

	if (status != FW_OK || scheduler->transaction->heard_until_ms < scheduler->next_due ||
		!fw_scheduler_has_room(scheduler))
		return status;
	status = fw_transaction_begin(scheduler->transaction);
	if (status != FW_OK)
		return status;
	status = expire_step(scheduler, &rows_done);
	if (status == FW_OK)
		status = look_step(scheduler, &devices_done);
	if (status == FW_OK)
		status = fw_scheduler_rollouts_wake(scheduler, &woken);
	status = fw_transaction_end(scheduler->transaction, status, 0);
	*more |= status == FW_OK && !(rows_done && devices_done && woken);
	fw_scheduler_changed(scheduler);
	return status;
}
