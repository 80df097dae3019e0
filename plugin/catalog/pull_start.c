/* May a pull start a row of a task with rules of its own? The gate decides; the places that pulls
 * and uncommitted pushes hold are added to its counts. The place is taken under the same lock
 * (upgrade/places.h), which is held for two look-ups by key. */
#include "catalog/pull_reader_internal.h"
#include "catalog/rollout_row.h"
#include "upgrade/start_gate.h"

/* A start that is judged while the lock of the places is held. */
struct start {
	struct fw_pull_reader *reader;
	const struct fw_pull *pull;
	const struct fw_open_row *row;
	int64_t order; /* of what the device runs */
	int64_t retry_after_ms;
};

/* Steady ms at which a failed row may be started again. When its time has come it still waits for
 * the store, which makes it a waiting row. */
static int64_t retry_time(sqlite3_stmt *row, int64_t steady_ms)
{
	int64_t at = sqlite3_column_int64(row, 2);

	return at > steady_ms ? at : steady_ms + 1;
}

static enum fw_status read_start_row(
	const struct start *asked, const struct fw_rollout_now *now, struct fw_start_row *out)
{
	sqlite3_stmt *statement =
		fw_pull_reader_start(asked->reader, FW_PULL_START_ROW, asked->pull->product);
	enum fw_status status;

	fw_db_bind_text(statement, 2, fw_slice_of(asked->row->task_id));
	fw_db_bind_text(statement, 3, asked->pull->device);
	status = fw_db_step(statement);
	*out = (struct fw_start_row){.pull = true};
	if (status == FW_OK) {
		out->started = sqlite3_column_int64(statement, 0) > 0;
		if (sqlite3_column_type(statement, 1) != SQLITE_NULL)
			out->deferred_until = sqlite3_column_int64(statement, 2);
		out->online_since = sqlite3_column_int64(statement, 3);
		out->utc_offset_known = sqlite3_column_type(statement, 4) != SQLITE_NULL;
		out->utc_offset = sqlite3_column_int(statement, 4);
		if (sqlite3_column_int(statement, 5))
			out->retry_at = retry_time(statement, now->steady_ms);
	}
	sqlite3_reset(statement);
	return status;
}

/* A fw_places_judge: asks the gate whether the row may start now. */
static enum fw_status judge_pull(void *context, const struct fw_places_held *held)
{
	struct start *asked = context;
	struct fw_rollout_row rollout;
	struct fw_start_row row;
	struct fw_rollout_now now = {
		.steady_ms = fw_clock_now(&asked->reader->clock), .wall_ms = asked->pull->now};
	enum fw_start_wait wait;
	enum fw_status status = fw_rollout_row_load(asked->reader->statements[FW_PULL_ROLLOUT],
		fw_slice_of(asked->row->task_id), &rollout);

	if (status == FW_OK)
		status = read_start_row(asked, &now, &row);
	if (status != FW_OK)
		return status;
	now.wall_behind = held->wall_behind;
	now.broker_utc_offset = fw_clock_utc_offset(now.wall_ms);
	rollout.counts.started += held->pulls + held->pushes;
	rollout.counts.in_flight += held->pulls + held->pushes;
	row.below_min_order = rollout.min_order > asked->order;
	row.firmware_ready = rollout.firmware_ready;
	wait = fw_start_gate_take(
		&rollout.plan, &rollout.counts, &row, &now, held->rate, &asked->retry_after_ms);
	return wait == FW_WAITS_FOR_NOTHING ? FW_OK : FW_NOT_FOUND;
}

enum fw_status fw_pull_start_take_place(void *context, const struct fw_pull *pull,
	const struct fw_open_row *row, int64_t order, int64_t *retry_after_ms)
{
	struct fw_pull_reader *reader = context;
	struct start asked = {.reader = reader, .pull = pull, .row = row, .order = order};
	enum fw_status status = FW_OK;

	if (reader->places)
		status = fw_places_take_for_pull(reader->places, fw_slice_of(row->task_id),
			pull->device, judge_pull, &asked);
	*retry_after_ms = asked.retry_after_ms;
	if (status != FW_BUSY)
		return status;
	/* the store holds the lock */
	*retry_after_ms = 1000;
	return FW_NOT_FOUND;
}

void fw_pull_start_give_back(void *context, const struct fw_pull *pull, const char *task_id)
{
	struct fw_pull_reader *reader = context;

	if (reader->places)
		fw_places_give_back(reader->places, fw_slice_of(task_id), pull->device);
}
