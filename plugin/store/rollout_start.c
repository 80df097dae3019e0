/* May a row of a task with rules of its own be pushed? The gate decides; the places that pulls hold
 * are added to its counts. The place is taken under the same lock (upgrade/places.h). */
#include "store/rollouts_internal.h"
#include "store/task_device.h"

/* What a start is judged by, while the lock of the places is held, and the verdict. */
struct judged {
	const struct fw_rollout_row *rollout;
	const struct fw_start_row *row;
	const struct fw_rollout_now *now;
	bool starts; /* at once, if it may */
	enum fw_start_wait wait;
	int64_t after_ms;
};

/* A fw_places_judge: asks the gate whether the row may start now. */
static enum fw_status judge_push(void *context, const struct fw_places_held *held)
{
	struct judged *judged = context;
	struct fw_rollout_counts counts = judged->rollout->counts;

	/* the pushes of this transaction are in its counts already */
	counts.started += held->pulls;
	counts.in_flight += held->pulls;
	if (judged->starts)
		judged->wait = fw_start_gate_take(&judged->rollout->plan, &counts, judged->row,
			judged->now, held->rate, &judged->after_ms);
	else
		judged->wait = fw_start_gate_row(&judged->rollout->plan, &counts, judged->row,
			judged->now, held->rate, &judged->after_ms);
	return judged->starts && judged->wait == FW_WAITS_FOR_NOTHING ? FW_OK : FW_NOT_FOUND;
}

/* What the gate asks of the row and its device. */
static enum fw_status read_start_row(struct fw_rollouts *rollouts,
	const struct fw_rollout_row *rollout, const struct fw_task_device *row,
	struct fw_start_row *out)
{
	sqlite3_stmt *statement = fw_db_start(rollouts->statements[FW_ROLLOUTS_DEVICE],
		fw_slice_of(row->product_id), fw_slice_of(row->device_id));
	enum fw_status status = fw_db_step(statement);

	*out = (struct fw_start_row){.started = row->attempts > 0,
		.firmware_ready = row->offered,
		.offline = row->offline,
		.online = row->online,
		.deferred_until = row->deferred_until ? row->wake_clock : 0};
	if (status == FW_OK) {
		out->online_since = sqlite3_column_int64(statement, 0);
		out->utc_offset_known = sqlite3_column_type(statement, 1) != SQLITE_NULL;
		out->utc_offset = sqlite3_column_int(statement, 1);
		out->below_min_order = rollout->min_order > sqlite3_column_int64(statement, 2);
	}
	sqlite3_reset(statement);
	return status == FW_NOT_FOUND ? FW_OK : status;
}

/* Do all rows of the task wait for this? */
static bool is_of_task(const struct fw_rollout_plan *plan, enum fw_start_wait wait)
{
	if (wait == FW_WAITS_FOR_WINDOW)
		return plan->window.clock != FW_WINDOW_DEVICE;
	return wait > FW_WAITS_FOR_NOTHING && wait < FW_WAITS_FOR_DEVICE;
}

enum fw_status fw_rollouts_may_start(struct fw_rollouts *rollouts, const struct fw_task_device *row,
	bool now, struct fw_rollout_start *out)
{
	struct fw_slice task_id = fw_slice_of(row->task_id);
	struct fw_rollout_now clocks = fw_rollouts_now(rollouts);
	struct fw_rollout_row rollout;
	struct fw_start_row start;
	struct judged judged = {.rollout = &rollout, .row = &start, .now = &clocks, .starts = now};
	enum fw_status status = fw_rollouts_load(rollouts, task_id, &rollout);

	*out = (struct fw_rollout_start){.wait = FW_WAITS_FOR_STOPPED_TASK, .closed = true};
	if (status != FW_OK)
		return status == FW_NOT_FOUND ? FW_OK : status;
	status = read_start_row(rollouts, &rollout, row, &start);
	if (status == FW_OK)
		status = fw_places_take_for_push(rollouts->places, task_id, judge_push, &judged);
	if (status != FW_OK && status != FW_NOT_FOUND)
		return status;
	out->wait = judged.wait;
	out->closed = is_of_task(&rollout.plan, judged.wait);
	if (judged.after_ms)
		out->again = clocks.steady_ms + judged.after_ms;
	return out->closed ? fw_rollouts_watch(rollouts, task_id) : FW_OK;
}

enum fw_status fw_rollouts_superseded_by(
	struct fw_rollouts *rollouts, const struct fw_task_device *row, char *by)
{
	sqlite3_stmt *statement = fw_db_start(rollouts->statements[FW_ROLLOUTS_SUPERSEDED_BY],
		fw_slice_of(row->task_id), fw_slice_of(row->device_id));
	enum fw_status status = fw_db_step(statement);

	by[0] = '\0';
	if (status == FW_OK)
		fw_db_copy_text(statement, 0, by, FW_ID_MAX + 1);
	sqlite3_reset(statement);
	return status == FW_NOT_FOUND ? FW_OK : status;
}
