/* Carries out the steps of a task: each is a statement or two. Steps that an operator wants to know
 * of are logged: the line is queued behind the statement, and written when that is committed. */
#include "store/rollouts_internal.h"

/* FW_NOT_FOUND: an operator's trigger keeps the task as it was. */
static enum fw_status run_step(
	struct fw_rollouts *rollouts, enum fw_rollouts_statement which, struct fw_slice task_id)
{
	enum fw_status status;

	fw_db_bind_text(rollouts->statements[which], 1, task_id);
	status = fw_db_run(rollouts->statements[which]);
	if (status == FW_OK && sqlite3_changes(rollouts->transaction->db) == 0)
		return FW_NOT_FOUND;
	return status;
}

static enum fw_status pause_task(
	struct fw_rollouts *rollouts, struct fw_slice task_id, const char *reason)
{
	sqlite3_stmt *statement = rollouts->statements[FW_ROLLOUTS_PAUSE];
	enum fw_status status;

	fw_db_bind_text(statement, 2, fw_slice_of(reason));
	fw_db_bind_integer(statement, 3, rollouts->transaction->wall_ms);
	status = run_step(rollouts, FW_ROLLOUTS_PAUSE, task_id);
	if (status == FW_OK)
		fw_transaction_queue_log(rollouts->transaction, FW_LOG_WARNING,
			"task %.*s is paused: %s", (int)task_id.len, task_id.at, reason);
	return status;
}

static enum fw_status set_hold(struct fw_rollouts *rollouts, struct fw_slice task_id, int64_t since)
{
	fw_db_bind_time(rollouts->statements[FW_ROLLOUTS_HOLD], 2, since);
	return run_step(rollouts, FW_ROLLOUTS_HOLD, task_id);
}

/* When the task is resumed, the trigger task_update_resume sees FW_ROLLOUT_DONE and begins the next
 * stage. A task that could not be paused does not get it: no step would follow. */
static enum fw_status pause_done(
	struct fw_rollouts *rollouts, struct fw_slice task_id, const char *reason)
{
	enum fw_status status = pause_task(rollouts, task_id, reason);

	return status == FW_OK ? set_hold(rollouts, task_id, FW_ROLLOUT_DONE) : status;
}

static enum fw_status next_stage(
	struct fw_rollouts *rollouts, struct fw_slice task_id, const struct fw_rollout_plan *plan)
{
	enum fw_status status = run_step(rollouts, FW_ROLLOUTS_NEXT_STAGE, task_id);

	if (status == FW_OK)
		fw_transaction_queue_log(rollouts->transaction, FW_LOG_NOTICE,
			"task %.*s: stage %lld of %lld begins", (int)task_id.len, task_id.at,
			(long long)plan->stage + 1, (long long)plan->stages);
	return status;
}

static enum fw_status stop_task(
	struct fw_rollouts *rollouts, struct fw_slice task_id, const char *reason)
{
	enum fw_status status;

	fw_db_bind_text(rollouts->statements[FW_ROLLOUTS_STOP], 2, fw_slice_of(reason));
	status = run_step(rollouts, FW_ROLLOUTS_STOP, task_id);
	if (status == FW_OK)
		fw_transaction_queue_log(rollouts->transaction, FW_LOG_NOTICE,
			"task %.*s is stopped: %s", (int)task_id.len, task_id.at, reason);
	return status;
}

enum fw_status fw_rollout_steps_carry_out(struct fw_rollouts *rollouts, struct fw_slice task_id,
	const struct fw_rollout_row *rollout, const struct fw_rollout_step *step)
{
	switch (step->action) {
	case FW_ROLLOUT_HOLD:
		return set_hold(rollouts, task_id, rollouts->transaction->steady_ms);
	case FW_ROLLOUT_UNHOLD:
		return set_hold(rollouts, task_id, 0);
	case FW_ROLLOUT_NEXT_STAGE:
		return next_stage(rollouts, task_id, &rollout->plan);
	case FW_ROLLOUT_NEW_EPOCH:
		return run_step(rollouts, FW_ROLLOUTS_NEW_EPOCH, task_id);
	case FW_ROLLOUT_PAUSE_DONE:
		return pause_done(rollouts, task_id, step->reason);
	case FW_ROLLOUT_PAUSE_STOP:
	case FW_ROLLOUT_PAUSE_UNREACHABLE:
	case FW_ROLLOUT_PAUSE_END:
		return pause_task(rollouts, task_id, step->reason);
	case FW_ROLLOUT_STOP_END:
		return stop_task(rollouts, task_id, step->reason);
	default:
		return FW_OK;
	}
}
