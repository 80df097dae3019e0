/* Carries out a transition of a task's row.
 *
 *   take_step     one step: asks the state machine, and calls the others
 *   facts_of      the facts of the row that a transition may require
 *   move_row      changes the row in memory as the step says
 *   write_step    writes the row, and reports the change to its rollout
 *   report_state  announces the new state
 *
 * A row is written and announced in the same transaction, so an event that is published is never of
 * a state that the catalog does not have. Above the rate a row is marked untold, and announced
 * later with the state of that time. */
#include "store/transition.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/device.h"
#include "store/rollouts.h"
#include "store/task_device_internal.h"
#include "store/task_status.h"
#include "upgrade/trial.h"

/* after a timeout that the catalog's rules do not let happen */
#define POSTPONE_MS 60000
/* bytes of a reason with a version or a number in it */
#define REASON_SIZE (FW_VERSION_BUFFER + 64)

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
	row->retry_at = row->deferred_until = row->verified_at = 0;
	row->wake_clock = row->trial_clock = row->lost_clock = 0;
	if (!row->first_told_at)
		row->first_told_at = transaction->wall_ms;
	row->due_at = transaction->steady_ms +
		(row->push ? fw_task_device_answer_ms(row) : row->timeout_ms);
}

static void resume_attempt(const struct fw_transaction *transaction, struct fw_task_device *row)
{
	if (!row->pushed_at)
		row->pushed_at = transaction->wall_ms;
	row->pushed_clock = transaction->steady_ms;
	row->completed_at = 0;
	row->due_at = transaction->steady_ms + row->timeout_ms;
	/* the device deferred it, and goes on after all */
	row->deferred_until = 0;
	row->wake_clock = fw_task_device_wakes_at(row);
}

/* A message about this attempt: the connection by which it came is the attempt's from now on. */
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

/* How long a success may still become a failure. Without trial_seconds that is lost_seconds, until
 * the device has reported the version. */
static int64_t trial_length(const struct fw_task_device *row)
{
	return row->trial_ms || row->verified_at ? row->trial_ms : row->lost_ms;
}

static void finish_row(const struct fw_transaction *transaction, struct fw_task_device *row)
{
	row->completed_at = transaction->wall_ms;
	row->due_at = row->wake_clock = row->lost_clock = row->trial_clock = 0;
	row->deferred_until = 0;
	if (row->state != FW_UPGRADE_SUCCESS)
		return;
	row->progress = 100;
	row->retry_at = 0;
	if (row->attempts && trial_length(row))
		row->trial_clock = row->wake_clock = transaction->steady_ms + trial_length(row);
}

static void verify_row(const struct fw_transaction *transaction, struct fw_task_device *row)
{
	row->verified_at = transaction->wall_ms;
	if (!row->trial_ms)
		row->trial_clock = row->lost_clock = row->wake_clock = 0;
}

/* `reported`: the device has told its version since, so no later message is about what was sent. */
static void requeue_row(struct fw_task_device *row, bool reported)
{
	row->due_at = row->pushed_clock = row->responded_at = row->interrupted_at =
		row->completed_at = row->retry_at = 0;
	/* a device that is away stays so: it may still be lost */
	row->wake_clock = row->lost_clock;
	row->progress = 0;
	row->sent = row->sent && !reported;
}

/* A device that has not answered gets FW_HOLD_MS. That ends at least 1 ms before the response
 * timeout, by which due_event() (scheduler_timeouts.c) tells the two apart. */
static void watch_row(const struct fw_transaction *transaction, struct fw_task_device *row)
{
	int64_t until = transaction->steady_ms + row->response_timeout_ms;

	if (!row->responded_at) {
		until = transaction->steady_ms + FW_HOLD_MS;
		if (until >= row->pushed_clock + row->response_timeout_ms)
			until = row->pushed_clock + row->response_timeout_ms - 1;
	}
	if (until < row->due_at)
		row->due_at = until;
}

/* What was sent while the device's presence was unknown, or by an earlier run of the broker, may
 * never have reached the device: its interruption does not count. */
static bool counts_interruption(
	const struct fw_transaction *transaction, const struct fw_task_device *row)
{
	return row->connection != 0 && row->pushed_clock >= transaction->started_ms;
}

/* Did the message come by another connection than the attempt's? A device may have several. If it
 * answered, the attempt goes on as long as its connection stands, whatever comes by the others. If
 * it did not, it is sent again by a later connection. */
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
		(row->failure == FW_FAILURE_RESPONSE ? FW_FACT_NO_RESPONSE : 0u) |
		(row->trial_clock && row->trial_ms ? FW_FACT_ON_TRIAL : 0u) |
		(row->failure == FW_FAILURE_LOST ? FW_FACT_LOST : 0u) |
		(row->verified_at || !row->attempts ? FW_FACT_VERIFIED : 0u) |
		(transaction->context->gateways ? FW_FACT_SHARED : 0u);
}

/* The device defers the upgrade: it was offered, but that was no attempt, and its place in the
 * stage is free. A deferral that is repeated, or comes after the attempt has failed, takes nothing
 * back. */
static void defer_row(const struct fw_transaction *transaction, struct fw_task_device *row,
	const struct fw_upgrade_input *input)
{
	if (row->sent && row->attempts > row->bad)
		row->attempts--;
	row->sent = false;
	if (!row->first_told_at)
		row->first_told_at = transaction->wall_ms;
	row->lost_clock = 0;
	row->deferred_until = transaction->wall_ms + input->after;
	row->wake_clock = transaction->steady_ms + input->after;
}

static void carry_out_actions(const struct fw_transaction *transaction, struct fw_task_device *row,
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
		watch_row(transaction, row);
	if (step->actions & FW_ACT_REQUEUE)
		requeue_row(row, reported);
	if (step->actions & FW_ACT_DEFER)
		defer_row(transaction, row, input);
	if (step->actions & FW_ACT_FINISH)
		finish_row(transaction, row);
	if ((step->actions & FW_ACT_VERIFY) && row->attempts && !row->verified_at &&
		!input->completed)
		verify_row(transaction, row);
	row->failure = step->failure;
	row->failed_by_device =
		step->failure == FW_FAILURE_DEVICE || step->failure == FW_FAILURE_REFUSED;
	/* the device has said how it ended: no later message is about this attempt */
	if (row->failed_by_device || row->state == FW_UPGRADE_SUCCESS)
		row->sent = false;
}

/* Sets when a row that has just failed is retried, if it is. */
static void plan_retry(const struct fw_transaction *transaction, struct fw_task_device *row,
	const struct fw_upgrade_input *input)
{
	struct fw_retry retry = {(int)row->retry_limit, row->retry_ms, row->retry_any};
	int64_t delay;

	row->retry_at = row->wake_clock = 0;
	if (row->task_stopped || !row->attempts ||
		!fw_retry_is_due(&retry, row->failure, input->retry, row->retries))
		return;
	delay = fw_retry_delay_ms(&retry, row->retries + 1, row->turn);
	row->retry_at = transaction->wall_ms + delay;
	row->wake_clock = transaction->steady_ms + delay;
}

/* Is the row proved, or bad, by this step? */
static void count_outcome(struct fw_task_device *row, bool failed_now,
	const struct fw_upgrade_input *input, struct fw_task_device_change *change)
{
	enum fw_rollout_gate gate =
		row->complete_proves ? FW_ROLLOUT_BY_COMPLETE : FW_ROLLOUT_BY_VERSION;

	if (failed_now &&
		fw_rollout_is_bad(row->attempts > 0, row->failure, input->put_off, input->common)) {
		row->proved = false;
		row->bad = change->bad_now = true;
		row->verified_at = 0;
	}
	if (row->state == FW_UPGRADE_SUCCESS && !row->proved &&
		fw_rollout_is_proved(gate, row->attempts > 0, row->verified_at, true)) {
		row->proved = change->proved_now = true;
	}
	/* its last attempt did not fail */
	row->bad = row->bad && row->state != FW_UPGRADE_SUCCESS;
	if (row->state == FW_UPGRADE_CANCELED)
		row->proved = row->bad = false;
}

/* The broker's reason or the device's own; empty when the row has none now. */
static struct fw_slice reason_of(const struct fw_task_device *row,
	const struct fw_upgrade_step *step, const struct fw_upgrade_input *input, char *buffer,
	size_t size)
{
	struct fw_slice subject =
		input->subject.len ? input->subject : fw_slice_of(row->device_version);
	const char *percent = step->reason ? strchr(step->reason, '%') : NULL;
	int len;

	if (!step->reason && step->state != FW_UPGRADE_FAILED)
		return (struct fw_slice){NULL, 0};
	if (!step->reason)
		return input->reason.len ? input->reason : FW_SLICE("the device gave no reason");
	if (!percent)
		return fw_slice_of(step->reason);
	if (percent[1] == 'd')
		len = snprintf(buffer, size, "%.*s%lld%s", (int)(percent - step->reason),
			step->reason, (long long)row->interruptions, percent + 2);
	else
		len = snprintf(buffer, size, "%.*s%.*s%s", (int)(percent - step->reason),
			step->reason, (int)subject.len, subject.at, percent + 2);
	return (struct fw_slice){buffer, len < 0 ? 0 : (size_t)len};
}

static enum fw_status announce(
	struct fw_task_devices *rows, const struct fw_task_device *row, struct fw_slice reason)
{
	char *copy = reason.len ? strndup(reason.at, reason.len) : NULL;
	struct fw_task_event event = {.task_id = row->task_id,
		.device_id = row->device_id,
		.product_id = row->product_id,
		.firmware_id = row->firmware_id,
		.state = row->state,
		.progress = row->progress,
		.reason = copy};
	enum fw_status status = FW_NOMEM;

	if (copy || !reason.len)
		status = fw_task_events_announce(rows->events, &event);
	free(copy);
	return status;
}

/* A bad failure may pause the task, so it is reviewed at once, before the next push; other changes
 * are reviewed later. */
static enum fw_status report_to_rollout(
	struct fw_task_devices *rows, const struct fw_task_device *row, bool bad_now)
{
	struct fw_slice task_id = fw_slice_of(row->task_id);

	return bad_now ? fw_rollouts_review(rows->rollouts, task_id)
		       : fw_rollouts_watch(rows->rollouts, task_id);
}

/* Counts how the row ended; and how long a success took, if it is known when it was sent. */
static void count_end(struct fw_transaction *transaction, const struct fw_task_device *row)
{
	fw_outcomes_note(&transaction->outcomes, row->state, row->failure);
	if (row->state == FW_UPGRADE_SUCCESS && row->attempts && row->pushed_clock)
		fw_outcomes_note_duration(
			&transaction->outcomes, transaction->steady_ms - row->pushed_clock);
}

/* The row's new state is written: its task's status is due, and an event announces it. */
static enum fw_status report_state(
	struct fw_task_devices *rows, const struct fw_task_device *row, struct fw_slice reason)
{
	enum fw_status status =
		fw_task_status_note(rows->transaction->context->status, fw_slice_of(row->task_id));

	count_end(rows->transaction, row);
	if (status != FW_OK)
		return status;
	rows->transaction->untold |= row->untold;
	return row->untold ? FW_OK : announce(rows, row, reason);
}

/* Changes the row in memory as the step says. Returns what its write changes beside the row's
 * members; the reason may lie in `buffer`, which holds REASON_SIZE bytes. */
static struct fw_task_device_change move_row(const struct fw_task_devices *rows,
	struct fw_task_device *row, const struct fw_upgrade_step *step, enum fw_upgrade_event event,
	const struct fw_upgrade_input *input, char *buffer)
{
	bool moves = step->state != row->state;
	bool other_outcome = moves || step->failure != row->failure;
	bool failed_now = other_outcome && step->state == FW_UPGRADE_FAILED;
	struct fw_task_device_change change = {
		.reason_set = other_outcome, .from_version_set = step->actions & FW_ACT_START};

	row->state = step->state;
	if (moves)
		row->untold = !fw_task_events_may_announce(rows->events);
	carry_out_actions(rows->transaction, row, step, input, event == FW_EVENT_REPORTED_OTHER);
	if (failed_now)
		plan_retry(rows->transaction, row, input);
	if (event == FW_EVENT_RETRY)
		row->retries++;
	change.reason = reason_of(row, step, input, buffer, REASON_SIZE);
	count_outcome(row, failed_now, input, &change);
	return change;
}

/* Writes the row as it is in memory. Where that fails, or an operator's trigger keeps the row as it
 * was (FW_NOT_FOUND), the row in memory is `before` again. */
static enum fw_status write_step(struct fw_task_devices *rows, struct fw_task_device *row,
	const struct fw_task_device *before, const struct fw_task_device_change *change)
{
	enum fw_status status = fw_task_devices_write(rows, row, change);

	if (status != FW_OK) {
		*row = *before;
		return status;
	}
	return row->managed ? report_to_rollout(rows, row, change->bad_now) : FW_OK;
}

/* One step of the table; *moved: it was written, and the state is another one now. */
static enum fw_status take_step(struct fw_task_devices *rows, struct fw_task_device *row,
	enum fw_upgrade_event event, const struct fw_upgrade_input *input, bool *moved)
{
	struct fw_upgrade_step step =
		fw_state_machine_step(row->state, event, facts_of(rows->transaction, row, input));
	const struct fw_task_device before = *row;
	struct fw_task_device_change change;
	char reason[REASON_SIZE];
	enum fw_status status;

	*moved = false;
	if (!step.legal)
		return FW_OK;
	change = move_row(rows, row, &step, event, input, reason);
	status = write_step(rows, row, &before, &change);
	if (status != FW_OK || step.state == before.state)
		return status == FW_NOT_FOUND ? FW_OK : status;
	*moved = true;
	return report_state(rows, row, change.reason);
}

static const struct fw_upgrade_input nothing;

/* The row waits again: cancels it, if its task is stopped, or a newer task superseded it while it
 * was under way. */
static enum fw_status cancel_if_void(struct fw_task_devices *rows, struct fw_task_device *row)
{
	char by[FW_ID_MAX + 1];
	enum fw_status status;
	bool moved;

	if (row->task_stopped)
		return take_step(rows, row, FW_EVENT_STOP, &nothing, &moved);
	status = fw_rollouts_superseded_by(rows->rollouts, row, by);
	if (status != FW_OK || !by[0])
		return status;
	return take_step(rows, row, FW_EVENT_SUPERSEDED,
		&(struct fw_upgrade_input){.subject = fw_slice_of(by)}, &moved);
}

enum fw_status fw_transition_apply(struct fw_task_devices *rows, struct fw_task_device *row,
	enum fw_upgrade_event event, const struct fw_upgrade_input *input, bool *changed)
{
	bool moved;
	enum fw_status status = take_step(rows, row, event, input ? input : &nothing, &moved);

	if (status == FW_OK && moved && row->state == FW_UPGRADE_WAITING)
		status = cancel_if_void(rows, row);
	if (changed)
		*changed = moved;
	return status;
}

enum fw_status fw_transition_set_times(struct fw_task_devices *rows, struct fw_task_device *row)
{
	enum fw_status status =
		fw_task_devices_write(rows, row, &(struct fw_task_device_change){0});

	return status == FW_NOT_FOUND ? FW_OK : status;
}

enum fw_status fw_transition_interrupted(struct fw_task_devices *rows, struct fw_task_device *row)
{
	if (row->state != FW_UPGRADE_PROCESSING || row->interrupted_at)
		return FW_OK;
	row->interrupted_at = rows->transaction->wall_ms;
	return fw_transition_set_times(rows, row);
}

enum fw_status fw_transition_watch_absence(
	struct fw_task_devices *rows, struct fw_task_device *row, bool away, int64_t longest_ms)
{
	bool open = row->state == FW_UPGRADE_PROCESSING || row->state == FW_UPGRADE_WAITING;
	/* a deferred row is no upgrade under way */
	bool started = (open && row->attempts && !row->deferred_until) || row->trial_clock;
	int64_t patience = fw_trial_patience_ms(row->lost_ms, longest_ms);
	int64_t now = rows->transaction->steady_ms;

	if (!started || !row->lost_ms || away == (row->lost_clock != 0))
		return FW_OK;
	row->lost_clock = away ? now + patience : 0;
	/* its report decides, even if the trial was over while the device was away */
	if (!away && row->trial_clock && row->trial_clock < now + FW_SETTLE_MS)
		row->trial_clock = now + FW_SETTLE_MS;
	row->wake_clock = fw_task_device_wakes_at(row);
	return fw_transition_set_times(rows, row);
}

enum fw_status fw_transition_forget_sending(
	struct fw_task_devices *rows, struct fw_task_device *row)
{
	if (!row->sent)
		return FW_OK;
	row->sent = false;
	return fw_transition_set_times(rows, row);
}

enum fw_status fw_transition_postpone(struct fw_task_devices *rows, struct fw_task_device *row)
{
	row->due_at = rows->transaction->steady_ms + POSTPONE_MS;
	return fw_transition_set_times(rows, row);
}

enum fw_status fw_transition_wake_later(struct fw_task_devices *rows, struct fw_task_device *row)
{
	row->wake_clock = rows->transaction->steady_ms + POSTPONE_MS;
	return fw_transition_set_times(rows, row);
}
