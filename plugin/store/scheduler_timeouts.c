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

/* A row that the catalog's rules, or a trigger, keep as it is looks due again in a minute. */
static enum fw_status expire_or_postpone(
	struct fw_scheduler *scheduler, const struct fw_task_device *found)
{
	static const char what[] = "a timeout", delay[] = "a timeout's delay";
	struct fw_transaction *transaction = scheduler->transaction;
	struct fw_slice product = fw_slice_of(found->product_id),
			device = fw_slice_of(found->device_id);
	struct fw_task_device row = *found;
	enum fw_status status = FW_OK;
	uint64_t work;

	work = fw_transaction_try(transaction, product, device, what);
	if (work)
		status = fw_transaction_tried_or_passed_over(
			transaction, expire_row(scheduler, &row), what, work);
	if (status != FW_OK || row.due_at != found->due_at)
		return status;
	work = fw_transaction_try(transaction, product, device, delay);
	if (!work)
		return FW_OK;
	row = *found;
	return fw_transaction_tried_or_passed_over(
		transaction, fw_transition_postpone(scheduler->rows, &row), delay, work);
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
		if (!fw_scheduler_has_room(scheduler)) {
			*done = false;
			break;
		}
		status = expire_or_postpone(scheduler, &found[i]);
	}
	free(found);
	return status;
}

/* A device whose row an operator's trigger keeps must not hold up others. */
static enum fw_status look_at(
	struct fw_scheduler *scheduler, struct fw_slice product, struct fw_slice device)
{
	static const char what[] = "what a device waits for", end[] = "the end of a device's wait";
	struct fw_transaction *transaction = scheduler->transaction;
	enum fw_status status = FW_OK;
	uint64_t work;

	work = fw_transaction_try(transaction, product, device, what);
	if (work)
		status = fw_transaction_tried_or_passed_over(transaction,
			fw_scheduler_settle_and_push(scheduler, product, device), what, work);
	if (status != FW_OK)
		return status;
	work = fw_transaction_try(transaction, product, device, end);
	if (!work)
		return FW_OK;
	return fw_transaction_tried_or_passed_over(transaction,
		fw_device_forget_due(
			scheduler->devices, product, device, transaction->heard_until_ms),
		end, work);
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
		if (!fw_scheduler_has_room(scheduler)) {
			*done = false;
			break;
		}
		status = look_at(
			scheduler, fw_slice_of(found[i].product), fw_slice_of(found[i].device));
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
