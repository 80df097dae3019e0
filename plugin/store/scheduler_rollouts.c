/* Tasks with rules of their own, and rows that wake up: a retry, the end of a deferral, of a trial,
 * or of the time in which a device may be away.
 *
 * A task's steps are carried out in one transaction, its starts in another one. A start goes
 * through fw_scheduler_push_next like any other push: this file only decides whose turn it is. */
#include "store/scheduler_internal.h"

#include <stdlib.h>
#include <string.h>

#define REVIEWS 16u /* tasks in one transaction */

static bool is_full(enum fw_start_wait wait)
{
	return wait == FW_WAITS_FOR_STAGE || wait == FW_WAITS_FOR_IN_FLIGHT ||
		wait == FW_WAITS_FOR_RATE;
}

/* Does this row alone wait, for a time of its device? (The end of a deferral has a wake_clock of
 * its own.) */
static bool is_of_device(enum fw_start_wait wait)
{
	return wait == FW_WAITS_FOR_UNSETTLED_DEVICE || wait == FW_WAITS_FOR_WINDOW;
}

/* Sets when the row is looked at again. The device's due_at is not used for that: it would hold up
 * rows of other tasks, and what an operator changes until then. */
static enum fw_status wake_later(
	struct fw_scheduler *scheduler, const struct fw_task_device *row, int64_t at)
{
	struct fw_task_device later = *row;

	if (row->deferred_until || row->lost_clock || row->wake_clock == at)
		return FW_OK;
	later.wake_clock = at;
	return fw_transaction_pass_over(scheduler->transaction,
		fw_transition_set_times(scheduler->rows, &later), "what a row waits for");
}

/* No other row of the task is tried, until the task is called again. */
static void rest_line(struct fw_scheduler *scheduler, const struct fw_task_device *row)
{
	memcpy(scheduler->full_task, row->task_id, sizeof(scheduler->full_task));
	fw_start_lines_rest(scheduler->lines, fw_slice_of(row->task_id));
}

static enum fw_status join_line(struct fw_scheduler *scheduler, const struct fw_task_device *row)
{
	return fw_start_lines_join(scheduler->lines, fw_slice_of(row->task_id),
		fw_slice_of(row->product_id), fw_slice_of(row->device_id), row->turn,
		row->attempts > 0);
}

/* In a task with stages a row of a lower turn may wait for the same place. So the row joins the
 * line, and the task is reviewed, which calls the line. */
static enum fw_status line_up(struct fw_scheduler *scheduler, const struct fw_task_device *row)
{
	enum fw_status status = join_line(scheduler, row);

	return status == FW_OK ? fw_rollouts_watch(scheduler->rollouts, fw_slice_of(row->task_id))
			       : status;
}

enum fw_status fw_scheduler_rollouts_may_start(
	struct fw_scheduler *scheduler, const struct fw_task_device *row, bool now, bool *starts)
{
	struct fw_rollout_start start;
	enum fw_status status;

	*starts = false;
	if (row->in_turns && !row->attempts && strcmp(scheduler->line_task, row->task_id) != 0)
		return line_up(scheduler, row);
	status = fw_rollouts_may_start(scheduler->rollouts, row, now, &start);
	*starts = status == FW_OK && start.wait == FW_WAITS_FOR_NOTHING;
	if (status != FW_OK || *starts)
		return status;
	if (start.closed || is_full(start.wait))
		rest_line(scheduler, row);
	if (is_full(start.wait))
		return join_line(scheduler, row);
	if (start.closed || !start.again || !is_of_device(start.wait))
		return FW_OK;
	return wake_later(scheduler, row, start.again);
}

static enum fw_status review_due(struct fw_scheduler *scheduler, bool *more)
{
	enum fw_status status = FW_OK;

	if (fw_places_freed(scheduler->transaction->context->places))
		status = fw_rollouts_watch_all(scheduler->rollouts);
	fw_rollouts_note_wall(scheduler->rollouts);
	if (status != FW_OK || !fw_rollouts_due(scheduler->rollouts))
		return status;
	status = fw_transaction_begin(scheduler->transaction);
	if (status != FW_OK)
		return status;
	/* a task that pauses lets newer tasks go on */
	fw_scheduler_changed(scheduler);
	status = fw_rollouts_work(scheduler->rollouts, REVIEWS, more);
	return fw_transaction_end(scheduler->transaction, status, 0);
}

/* Calls the tasks in which more rows may start than before. */
static enum fw_status call_lines(struct fw_scheduler *scheduler)
{
	struct fw_rollout_call call;
	enum fw_status status = FW_OK;

	while (status == FW_OK && fw_rollouts_next_call(scheduler->rollouts, &call))
		status = fw_start_lines_call(scheduler->lines, &call);
	return status;
}

/* Looks at the next devices of a line, until no place is left. *passed: how many were looked at. */
static enum fw_status start_step(struct fw_scheduler *scheduler, size_t *passed)
{
	struct fw_device_name found[FW_SCHEDULER_STEP_ROWS];
	char *task_id = scheduler->line_task;
	size_t count;
	enum fw_status status = fw_start_lines_next(
		scheduler->lines, task_id, found, FW_SCHEDULER_STEP_ROWS, &count);

	for (*passed = 0; status == FW_OK && *passed < count; (*passed)++) {
		struct fw_device_name *name = &found[*passed];

		if (!fw_scheduler_has_room(scheduler))
			break;
		scheduler->full_task[0] = '\0';
		status = fw_scheduler_push_next(
			scheduler, fw_slice_of(name->product), fw_slice_of(name->device));
		if (strcmp(scheduler->full_task, task_id) == 0)
			break;
	}
	task_id[0] = '\0';
	return status;
}

static enum fw_status start_some(struct fw_scheduler *scheduler, bool *more)
{
	size_t passed = 0;
	enum fw_status status;

	if (!fw_start_lines_wait(scheduler->lines) || !fw_scheduler_has_room(scheduler))
		return FW_OK;
	status = fw_transaction_begin(scheduler->transaction);
	if (status != FW_OK)
		return status;
	status = start_step(scheduler, &passed);
	status = fw_transaction_end(scheduler->transaction, status, 0);
	fw_start_lines_passed(scheduler->lines, status == FW_OK ? passed : 0);
	*more |= status == FW_OK && fw_start_lines_wait(scheduler->lines);
	return status;
}

/* The device is given up as lost. */
static enum fw_status lose(struct fw_scheduler *scheduler, struct fw_task_device *row)
{
	struct fw_upgrade_input input = {.connection = 0};
	enum fw_status status = fw_rollouts_loss_is_common(scheduler->rollouts, row, &input.common);

	return status == FW_OK
		? fw_transition_apply(scheduler->rows, row, FW_EVENT_LOST, &input, NULL)
		: status;
}

/* Offline; or of unknown presence, where the task counts absences: then nothing was seen of the
 * device since the broker started. */
static bool is_away(const struct fw_task_device *row)
{
	return row->offline || (!row->online && row->lost_ms);
}

/* A started row: its device is lost, or its trial ends. While the device is away on trial the trial
 * does not end. */
static enum fw_status wake_started(struct fw_scheduler *scheduler, struct fw_task_device *row)
{
	int64_t now = scheduler->transaction->steady_ms;
	bool away = is_away(row);

	if (row->lost_clock && row->lost_clock <= now && away)
		return lose(scheduler, row);
	if (!away)
		row->lost_clock = 0;
	if (!row->lost_clock && row->trial_clock <= now)
		row->trial_clock = 0;
	row->wake_clock = fw_task_device_wakes_at(row);
	return fw_transition_set_times(scheduler->rows, row);
}

/* The time of a planned retry has come. Since it was planned, the limit may have been lowered, or a
 * newer task may have superseded the row. */
static enum fw_status retry_or_give_up(struct fw_scheduler *scheduler, struct fw_task_device *row)
{
	char by[FW_ID_MAX + 1];
	enum fw_status status = fw_rollouts_superseded_by(scheduler->rollouts, row, by);

	if (status != FW_OK)
		return status;
	if (!by[0] && row->retries < row->retry_limit)
		return fw_transition_apply(scheduler->rows, row, FW_EVENT_RETRY, NULL, NULL);
	row->retry_at = row->wake_clock = 0;
	status = fw_transition_set_times(scheduler->rows, row);
	/* one more final failure: the task's rules count it */
	return status == FW_OK && row->managed
		? fw_rollouts_watch(scheduler->rollouts, fw_slice_of(row->task_id))
		: status;
}

static enum fw_status wake(struct fw_scheduler *scheduler, struct fw_task_device *row)
{
	if (row->state == FW_UPGRADE_SUCCESS || row->state == FW_UPGRADE_PROCESSING ||
		row->lost_clock)
		return wake_started(scheduler, row);
	if (row->state == FW_UPGRADE_FAILED && row->retry_at && row->task_running)
		return retry_or_give_up(scheduler, row);
	/* a paused task retries nothing: fw_rollouts_changed wakes the row when it goes on */
	row->wake_clock = 0;
	if (row->state == FW_UPGRADE_WAITING)
		row->deferred_until = 0;
	return fw_transition_set_times(scheduler->rows, row);
}

/* *kept: the catalog's rules, or a trigger, keep the row as it is. */
static enum fw_status wake_row(
	struct fw_scheduler *scheduler, const struct fw_task_device *found, bool *kept)
{
	static const char what[] = "a row's next step";
	struct fw_transaction *transaction = scheduler->transaction;
	struct fw_task_device row = *found;
	struct fw_slice product = fw_slice_of(row.product_id), device = fw_slice_of(row.device_id);
	uint64_t work = fw_transaction_try(transaction, product, device, what);
	enum fw_status status;

	*kept = true;
	if (!work)
		return FW_OK;
	status = wake(scheduler, &row);
	*kept = status == FW_INVALID ||
		(row.state == found->state && row.wake_clock == found->wake_clock);
	if (status == FW_OK && row.state == FW_UPGRADE_WAITING)
		status = fw_scheduler_push_next(scheduler, product, device);
	return fw_transaction_tried_or_passed_over(transaction, status, what, work);
}

/* A row that is kept is looked at again in a minute: it must not hold up others. */
static enum fw_status wake_or_postpone(
	struct fw_scheduler *scheduler, const struct fw_task_device *found)
{
	static const char what[] = "a row's next look";
	struct fw_transaction *transaction = scheduler->transaction;
	struct fw_task_device row = *found;
	bool kept;
	enum fw_status status = wake_row(scheduler, found, &kept);
	uint64_t work;

	if (status != FW_OK || !kept)
		return status;
	work = fw_transaction_try(
		transaction, fw_slice_of(row.product_id), fw_slice_of(row.device_id), what);
	return work ? fw_transaction_tried_or_passed_over(transaction,
			      fw_transition_wake_later(scheduler->rows, &row), what, work)
		    : FW_OK;
}

enum fw_status fw_scheduler_rollouts_wake(struct fw_scheduler *scheduler, bool *done)
{
	struct fw_task_device *found = calloc(FW_SCHEDULER_STEP_ROWS, sizeof(*found));
	size_t count = 0;
	enum fw_status status = found ? fw_task_devices_find_waking(scheduler->rows, found,
						FW_SCHEDULER_STEP_ROWS, &count)
				      : FW_NOMEM;

	*done = count < FW_SCHEDULER_STEP_ROWS;
	for (size_t i = 0; status == FW_OK && i < count; i++) {
		if (!fw_scheduler_has_room(scheduler)) {
			*done = false;
			break;
		}
		status = wake_or_postpone(scheduler, &found[i]);
	}
	free(found);
	return status;
}

enum fw_status fw_scheduler_rollouts_work(struct fw_scheduler *scheduler, bool *more)
{
	enum fw_status status = review_due(scheduler, more);

	if (status == FW_OK)
		status = call_lines(scheduler);
	return status == FW_OK ? start_some(scheduler, more) : status;
}
