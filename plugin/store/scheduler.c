/* The scheduler's round of work: operators' changes, what is due, rollouts, a part of a sweep, and
 * task events that were held back.
 *
 * Each part is a transaction of its own, of so few rows that it takes some tens of milliseconds at
 * worst. The outbox takes a bounded number of messages, so a part ends early when it is nearly
 * full; what is left is done in a later round. A sweep walks the waiting rows of one task once. */
#include "store/scheduler_internal.h"

#include <stdlib.h>
#include <string.h>

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
	scheduler->rollouts = parts->rollouts;
	scheduler->devices = parts->devices;
	status = fw_scheduler_changes_prepare(scheduler, error);
	if (status == FW_OK)
		status = fw_push_open(transaction, parts->rows, &scheduler->pushes, error);
	if (status == FW_OK)
		status = fw_scheduler_timeouts_find_next(scheduler);
	if (status == FW_OK)
		status = fw_start_lines_open(transaction, &scheduler->lines, error);
	if (status == FW_OK)
		status = fw_waiting_rows_open(transaction, &scheduler->waiting_rows, error);
	scheduler->first_sweep_at = transaction->started_ms +
		(transaction->context->sees_connections ? 0 : FW_SCHEDULER_COME_BACK_MS);
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
	fw_start_lines_close(scheduler->lines);
	fw_db_finalize(scheduler->changes, FW_SCHEDULER_CHANGES_STATEMENTS);
	free(scheduler);
}

bool fw_scheduler_has_room(const struct fw_scheduler *scheduler)
{
	return fw_transaction_room(scheduler->transaction) >= FW_TRANSACTION_ROOM_OF_ROW;
}

/* Looks at the devices of the next waiting rows of the sweep under way. *last: the last one, "" for
 * none. */
static enum fw_status sweep_step(
	struct fw_scheduler *scheduler, char last[FW_ID_MAX + 1], bool *done)
{
	struct fw_device_name found[FW_SCHEDULER_STEP_ROWS];
	size_t count;
	enum fw_status status = fw_waiting_rows_find(
		scheduler->waiting_rows, found, FW_SCHEDULER_STEP_ROWS, &count);

	*done = count < FW_SCHEDULER_STEP_ROWS;
	for (size_t i = 0; status == FW_OK && i < count; i++) {
		if (!fw_scheduler_has_room(scheduler)) {
			*done = false;
			break;
		}
		status = fw_scheduler_push_next(
			scheduler, fw_slice_of(found[i].product), fw_slice_of(found[i].device));
		memcpy(last, found[i].device, sizeof(found[i].device));
	}
	return status;
}

/* Sweeps all running tasks once after a start. Tasks with rules of their own are called anew:
 * devices of unknown presence were passed over until now. */
static enum fw_status begin_first_sweep(struct fw_scheduler *scheduler)
{
	enum fw_status status = FW_OK;

	if (scheduler->first_sweep_at > fw_clock_now(&scheduler->transaction->clock))
		return FW_OK;
	status = fw_waiting_rows_request_running(scheduler->waiting_rows);
	if (status != FW_OK)
		return status;
	scheduler->first_sweep_at = INT64_MAX;
	fw_rollouts_call_all(scheduler->rollouts);
	return FW_OK;
}

static enum fw_status sweep_some(struct fw_scheduler *scheduler, bool *more)
{
	bool done = false;
	char last[FW_ID_MAX + 1] = "";
	enum fw_status status;

	if (!fw_waiting_rows_wait(scheduler->waiting_rows) || !fw_scheduler_has_room(scheduler))
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

static enum fw_status send_untold(struct fw_scheduler *scheduler, bool *more)
{
	struct fw_transaction *transaction = scheduler->transaction;
	bool again = false;
	enum fw_status status;

	if (!transaction->untold || !fw_scheduler_has_room(scheduler) ||
		!fw_token_bucket_ready(&transaction->event_rate, transaction->context->rate,
			fw_clock_now(&transaction->clock)))
		return FW_OK;
	status = fw_transaction_begin(transaction);
	if (status != FW_OK)
		return status;
	status = fw_transaction_end(
		transaction, fw_task_events_announce_untold(scheduler->events, &again), 0);
	*more |= status == FW_OK && again;
	return status;
}

enum fw_status fw_scheduler_work(struct fw_scheduler *scheduler, bool *more)
{
	enum fw_status status;

	*more = false;
	status = fw_scheduler_changes_take(scheduler, more);
	if (status == FW_OK)
		status = fw_scheduler_timeouts_expire(scheduler, more);
	if (status == FW_OK)
		status = begin_first_sweep(scheduler);
	if (status == FW_OK)
		status = fw_scheduler_rollouts_work(scheduler, more);
	if (status == FW_OK)
		status = sweep_some(scheduler, more);
	return status == FW_OK ? send_untold(scheduler, more) : status;
}

int64_t fw_scheduler_next_due(const struct fw_scheduler *scheduler)
{
	int64_t due = fw_rollouts_next_due(scheduler->rollouts);

	if (scheduler->next_due < due)
		due = scheduler->next_due;
	return scheduler->first_sweep_at < due ? scheduler->first_sweep_at : due;
}

void fw_scheduler_changed(struct fw_scheduler *scheduler)
{
	scheduler->next_due = FW_SCHEDULER_UNKNOWN_DUE;
	/* Triggers may have queued changes in the plugin's own transactions, which do not move
	 * PRAGMA data_version: the queues are read anew. */
	scheduler->data_version = 0;
}
