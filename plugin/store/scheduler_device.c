/* What one device is sent next: the first of its open rows, if that may be pushed now.
 *
 * A device has one upgrade under way at a time. A row is pushed only to a device that is online, or
 * once to a device of unknown presence. After a device came back, or its upgrade ended, a push
 * first waits for its report (device.due_at, settles_at), which may show that no push is needed. */
#include "store/scheduler_internal.h"

/* Will a push reach the device? It does when the device is online. Where the broker does not report
 * connections, a device of unknown presence is pushed once (to connection 0), but not right after
 * the start: the first sweep looks at its row again. */
static bool is_reachable(const struct fw_scheduler *scheduler, const struct fw_task_device *row)
{
	const struct fw_transaction *transaction = scheduler->transaction;

	if (row->online || row->offline)
		return row->online;
	return !transaction->context->sees_connections && !row->settles_at &&
		transaction->steady_ms >= transaction->started_ms + FW_SCHEDULER_COME_BACK_MS &&
		!(row->sent && row->connection == 0);
}

/* Steady ms until which a push waits for the device's report. */
static int64_t held_until(const struct fw_task_device *row)
{
	return row->settles_at > row->device_due_at ? row->settles_at : row->device_due_at;
}

/* Looks at the device again at `at` (steady ms). */
static enum fw_status look_again(
	struct fw_scheduler *scheduler, const struct fw_task_device *row, int64_t at)
{
	if (at == row->device_due_at)
		return FW_OK;
	return fw_transaction_pass_over(scheduler->transaction,
		fw_device_set_due(scheduler->devices, fw_slice_of(row->product_id),
			fw_slice_of(row->device_id), at),
		"what a device waits for");
}

/* Nothing is taken for a row that is not sent: no token of its task's rate, no turn in its
 * connection's queue, where it would be in the way of others. */
static enum fw_status push_when_settled(struct fw_scheduler *scheduler, struct fw_task_device *row)
{
	int64_t until = held_until(row);
	bool ready, starts = true;
	enum fw_status status;

	if (!is_reachable(scheduler, row))
		return FW_OK;
	if (until > scheduler->transaction->steady_ms)
		return look_again(scheduler, row, until);
	status = fw_push_check(scheduler->pushes, row);
	if (status != FW_OK)
		return status == FW_NOT_FOUND ? FW_OK : status;
	ready = fw_push_ready(scheduler->pushes, row);
	if (row->managed)
		status = fw_scheduler_rollouts_may_start(scheduler, row, ready, &starts);
	if (status != FW_OK || !starts)
		return status;
	if (!ready)
		return look_again(scheduler, row, fw_push_pace(scheduler->pushes, row));
	return fw_transaction_pass_over(
		scheduler->transaction, fw_push_send(scheduler->pushes, row), "a push");
}

/* Ends the waiting rows of lower versions than the device runs. *ended: some did. */
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
			fw_transition_apply(
				scheduler->rows, &found[i], FW_EVENT_OVERTAKEN, NULL, &changed),
			"a row's end");
		*ended |= changed;
	}
	return status;
}

static enum fw_status push_next(
	struct fw_scheduler *scheduler, struct fw_slice product, struct fw_slice device)
{
	struct fw_task_device found[FW_TASK_DEVICE_ROWS_MAX];
	size_t count = 0;
	bool ended = true;
	enum fw_status status = FW_OK;

	while (status == FW_OK && ended) {
		status = fw_task_devices_find_open(
			scheduler->rows, product, device, found, FW_TASK_DEVICE_ROWS_MAX, &count);
		if (status == FW_OK)
			status = end_overtaken(scheduler, found, count, &ended);
	}
	if (status != FW_OK || !count || !fw_task_device_is_pushable(&found[0]) || found[0].newer)
		return status;
	return push_when_settled(scheduler, &found[0]);
}

enum fw_status fw_scheduler_push_next(
	struct fw_scheduler *scheduler, struct fw_slice product, struct fw_slice device)
{
	struct fw_transaction *transaction = scheduler->transaction;
	uint64_t work = fw_transaction_try(transaction, product, device, "a push");

	fw_scheduler_changed(scheduler);
	return work ? fw_transaction_tried(transaction, push_next(scheduler, product, device), work)
		    : FW_OK;
}

/* Is the device online by another connection than the attempt's, without an answer? */
static bool is_stranded(const struct fw_task_device *row)
{
	return row->state == FW_UPGRADE_PROCESSING && !row->responded_at && row->online &&
		row->connection != row->device_connection;
}

/* Has the device been waited for long enough? After an upgrade's end the time counts only while the
 * device is online. */
static bool was_waited_for(const struct fw_task_device *row, int64_t now)
{
	return row->device_due_at && held_until(row) <= now && (row->online || !row->settles_at);
}

enum fw_status fw_scheduler_settle_and_push(
	struct fw_scheduler *scheduler, struct fw_slice product, struct fw_slice device)
{
	struct fw_task_device first;
	size_t count;
	enum fw_status status =
		fw_task_devices_find_open(scheduler->rows, product, device, &first, 1, &count);

	if (status != FW_OK || !count)
		return status;
	if (was_waited_for(&first, scheduler->transaction->steady_ms)) {
		status = fw_device_settle(scheduler->devices, product, device);
		if (status == FW_OK && is_stranded(&first))
			status = fw_transaction_pass_over(scheduler->transaction,
				fw_transition_apply(
					scheduler->rows, &first, FW_EVENT_INTERRUPTED, NULL, NULL),
				"a row's interruption");
	}
	return status == FW_OK ? fw_scheduler_push_next(scheduler, product, device) : status;
}
