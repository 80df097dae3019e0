/* Reads the columns of FW_SELECT_ROLLOUT in their order: each function takes those of a part of the
 * row, and says where the next part begins. */
#include "catalog/rollout_row.h"

#include <string.h>

#include "catalog/db.h"

static enum fw_rollout_state state_of(struct fw_slice text)
{
	if (fw_slice_equal(text, FW_SLICE("running")))
		return FW_ROLLOUT_RUNNING;
	return fw_slice_equal(text, FW_SLICE("paused")) ? FW_ROLLOUT_PAUSED : FW_ROLLOUT_STOPPED;
}

static enum fw_window_clock clock_of(struct fw_slice text)
{
	if (fw_slice_equal(text, FW_SLICE("broker")))
		return FW_WINDOW_BROKER;
	return fw_slice_equal(text, FW_SLICE("device")) ? FW_WINDOW_DEVICE : FW_WINDOW_UTC;
}

/* Each of these reads the columns from `column` on, and returns the one behind them. */
static int read_limits(sqlite3_stmt *statement, int column, struct fw_rollout_plan *plan)
{
	plan->state = state_of(fw_db_text(statement, column++));
	plan->gate = sqlite3_column_int(statement, column++) ? FW_ROLLOUT_BY_COMPLETE
							     : FW_ROLLOUT_BY_VERSION;
	plan->stop.failed_percent = sqlite3_column_int64(statement, column++);
	plan->stop.failed_min = sqlite3_column_int64(statement, column++);
	plan->stop.failed_count = sqlite3_column_int64(statement, column++);
	plan->stop.window = sqlite3_column_int64(statement, column++);
	plan->rate_per_minute = sqlite3_column_int64(statement, column++);
	plan->rate_doubles_after = sqlite3_column_int64(statement, column++);
	plan->max_in_flight = sqlite3_column_int64(statement, column++);
	plan->min_online_ms = sqlite3_column_int64(statement, column++);
	return column;
}

static int read_times(sqlite3_stmt *statement, int column, struct fw_rollout_plan *plan)
{
	plan->start_at = sqlite3_column_int64(statement, column++);
	plan->end_at = sqlite3_column_int64(statement, column++);
	plan->end_stops = sqlite3_column_int(statement, column++);
	plan->window.start = sqlite3_column_int(statement, column++);
	plan->window.minutes = sqlite3_column_int(statement, column++);
	plan->window.days = (unsigned)sqlite3_column_int(statement, column++);
	plan->window.clock = clock_of(fw_db_text(statement, column++));
	plan->retry.limit = sqlite3_column_int(statement, column++);
	plan->retry.delay_ms = sqlite3_column_int64(statement, column++);
	plan->retry.any = sqlite3_column_int(statement, column++);
	plan->defer_ms = sqlite3_column_int64(statement, column++);
	plan->trial_ms = sqlite3_column_int64(statement, column++);
	plan->lost_ms = sqlite3_column_int64(statement, column++);
	return column;
}

static int read_stage(sqlite3_stmt *statement, int column, struct fw_rollout_plan *plan)
{
	plan->stage = sqlite3_column_int64(statement, column++);
	plan->stages = sqlite3_column_int64(statement, column++);
	if (sqlite3_column_type(statement, column) != SQLITE_NULL)
		plan->current.until_millionths =
			fw_rollout_millionths(sqlite3_column_double(statement, column));
	column++;
	plan->current.until_count = sqlite3_column_int64(statement, column++);
	plan->current.success_percent = sqlite3_column_int64(statement, column++);
	plan->current.hold_ms = sqlite3_column_int64(statement, column++);
	plan->current.pause_after = sqlite3_column_int(statement, column++);
	return column;
}

static int read_counts(sqlite3_stmt *statement, int column, struct fw_rollout_counts *counts)
{
	counts->n = sqlite3_column_int64(statement, column++);
	counts->started = sqlite3_column_int64(statement, column++);
	counts->in_flight = sqlite3_column_int64(statement, column++);
	counts->proved = sqlite3_column_int64(statement, column++);
	counts->bad = sqlite3_column_int64(statement, column++);
	counts->bad_final = sqlite3_column_int64(statement, column++);
	counts->bad_forgiven = sqlite3_column_int64(statement, column++);
	counts->epoch_good = sqlite3_column_int64(statement, column++);
	counts->epoch_bad = sqlite3_column_int64(statement, column++);
	counts->holding = sqlite3_column_type(statement, column) != SQLITE_NULL;
	counts->hold_since = sqlite3_column_int64(statement, column++);
	return column;
}

static void read_row(sqlite3_stmt *statement, struct fw_rollout_row *out)
{
	int column = 0;

	memset(out, 0, sizeof(*out));
	column = read_limits(statement, column, &out->plan);
	column = read_times(statement, column, &out->plan);
	column = read_stage(statement, column, &out->plan);
	column = read_counts(statement, column, &out->counts);
	fw_db_copy_text(statement, column++, out->product_id, sizeof(out->product_id));
	out->firmware_ready = sqlite3_column_int(statement, column++);
	out->min_order = sqlite3_column_int64(statement, column++);
	out->push = sqlite3_column_int(statement, column++);
	out->is_open = sqlite3_column_int(statement, column++);
	out->retries_wait = sqlite3_column_int(statement, column++);
	out->is_managed = sqlite3_column_int(statement, column++);
}

enum fw_status fw_rollout_row_load(
	sqlite3_stmt *statement, struct fw_slice task_id, struct fw_rollout_row *out)
{
	enum fw_status status;

	fw_db_bind_text(statement, 1, task_id);
	status = fw_db_step(statement);
	if (status == FW_OK)
		read_row(statement, out);
	sqlite3_reset(statement);
	return status;
}
