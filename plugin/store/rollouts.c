/* The tasks with rules of their own: when each is reviewed, and when its rows are called.
 *
 *   fw_rollouts_may_start  a row wants to start: the gate decides, and its place is taken
 *   fw_rollouts_review     counts changed: steps are carried out until none is due
 *   fw_rollouts_work       a time came that the last review named
 *
 * What a task's rules depend on is read anew for each question: a row of task, one of its stages
 * and one of task_count, each by its key. So an operator's change counts from the next start on. In
 * memory there is only a watch for each such task: the times that its last review named, and
 * whether its rows are to be called. */
#include "store/rollouts_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/device.h"

#define STEPS_MAX 64u  /* of one review: more stages than that pass at the next one */
#define STEP_MS 30000  /* a step of the wall clock that is no larger is ignored */
#define AGAIN_MS 60000 /* after a step that the catalog's rules refuse */

static const char *const sql[FW_ROLLOUTS_STATEMENTS] = {
	[FW_ROLLOUTS_PLAN] = FW_SELECT_ROLLOUT "WHERE t.task_id = ?1",
	/* a version that the catalog does not have is of no order */
	[FW_ROLLOUTS_DEVICE] =
		"SELECT d.online_clock, d.utc_offset_minutes, (SELECT r.version_order"
		" FROM firmware r WHERE r.product_id = d.product_id AND r.version = d.version)"
		" FROM device d WHERE d.product_id = ?1 AND d.device_id = ?2",
	[FW_ROLLOUTS_MANAGED] =
		"SELECT t.task_id FROM task t WHERE t.state IN ('running', 'paused') AND "
		"(" FW_ROLLOUT_IS_MANAGED ")",
	[FW_ROLLOUTS_PAUSE] = "UPDATE task SET state = 'paused', paused_reason = ?2, paused_at = ?3"
			      " WHERE task_id = ?1 AND state = 'running'",
	[FW_ROLLOUTS_STOP] = "UPDATE task SET state = 'stopped', paused_reason = ?2"
			     " WHERE task_id = ?1 AND state <> 'stopped'",
	[FW_ROLLOUTS_NEXT_STAGE] = "UPDATE task SET stage = stage + 1 WHERE task_id = ?1",
	[FW_ROLLOUTS_HOLD] = "UPDATE task_count SET hold_since = ?2 WHERE task_id = ?1",
	[FW_ROLLOUTS_NEW_EPOCH] =
		"UPDATE task_count SET epoch = epoch + 1, epoch_good = 0, epoch_bad = 0"
		" WHERE task_id = ?1",
	[FW_ROLLOUTS_WAKE_RETRIES] =
		"UPDATE task_device SET wake_clock = ?2 WHERE task_id = ?1"
		" AND retry_at IS NOT NULL AND wake_clock IS NULL AND state = 'failed'",
	[FW_ROLLOUTS_SUPERSEDED_BY] =
		"SELECT by_task_id FROM superseded"
		" WHERE task_id = ?1 AND device_id = ?2 AND by_state <> 'canceled'"
		" ORDER BY by_created_at DESC, by_position DESC",
	/* Samples: a bounded part of the rows. Without stages rows start in the order of their ids,
	 * so the first ones have started and the last ones have not. With stages they start in the
	 * order of their turns, which are random. */
	[FW_ROLLOUTS_STARTED_LATELY] = "SELECT pushed_clock, failure IS 'lost' FROM ("
				       "SELECT failure, attempts, pushed_clock FROM task_device"
				       " WHERE task_id = ?1 ORDER BY device_id LIMIT ?2)"
				       " WHERE attempts > 0 AND pushed_clock IS NOT NULL",
	[FW_ROLLOUTS_NOT_STARTED] =
		"SELECT iif(d.presence IS 'online', -1,"
		" coalesce(d.away_clock, iif(d.presence IS 'offline', 0, -1)))"
		" FROM (SELECT device_id FROM ("
		"SELECT device_id, attempts FROM (SELECT device_id, attempts FROM task_device"
		" WHERE task_id = ?1 AND state = 'waiting' AND lined = 1"
		" ORDER BY turn DESC LIMIT ?3) UNION ALL "
		"SELECT device_id, attempts FROM ("
		"SELECT device_id, attempts, state, lined FROM task_device"
		" WHERE task_id = ?1 ORDER BY device_id DESC LIMIT ?3)"
		" WHERE state = 'waiting' AND lined = 0)"
		" WHERE attempts = 0 LIMIT ?4) AS r"
		" CROSS JOIN device AS d ON d.product_id = ?2 AND d.device_id = r.device_id",
	[FW_ROLLOUTS_BEGIN_ABSENCES] =
		"UPDATE task_device AS r SET (lost_clock, wake_clock) = ("
		" SELECT ?1 + patience, ?1 + patience"
		" FROM (SELECT max(t.lost_seconds * 1000,"
		"   2 * coalesce(" FW_DEVICE_LONGEST_ABSENCE("d.",
			"?3") ", 0)) AS patience"
			      "  FROM task AS t CROSS JOIN task_count AS c ON c.task_id = t.task_id"
			      "  LEFT JOIN device AS d ON d.product_id = c.product_id AND "
			      "d.device_id = "
			      "r.device_id"
			      "  WHERE t.task_id = r.task_id))"
			      " WHERE r.task_id IN (SELECT task_id FROM task WHERE lost_seconds IS "
			      "NOT NULL)"
			      " AND (r.state = 'processing' OR r.trial_clock IS NOT NULL"
			      " OR r.state = 'waiting' AND r.attempts > 0 AND r.deferred_until IS "
			      "NULL)"
			      " AND (?2 OR r.lost_clock IS NOT NULL)",
};

/* A task that is looked at again. */
struct watch {
	char task_id[FW_ID_MAX + 1], product_id[FW_ID_MAX + 1];
	int64_t steady_at, wall_at; /* 0: no time */
	bool due;                   /* at once */
	/* its rows are to be called, as in struct fw_rollout_call */
	bool calls, restart, in_turns, known_only;
	bool open; /* its rows were called since the task itself last held them up */
};

static int64_t wall_offset(const struct fw_rollouts *rollouts)
{
	return fw_now_ms() - fw_clock_now(&rollouts->transaction->clock);
}

enum fw_status fw_rollouts_open(struct fw_transaction *transaction, struct fw_places *places,
	struct fw_rollouts **out, struct fw_error *error)
{
	struct fw_rollouts *rollouts = calloc(1, sizeof(*rollouts));
	enum fw_status status = FW_NOMEM;

	if (!rollouts)
		return FW_NOMEM;
	rollouts->transaction = transaction;
	rollouts->places = places;
	rollouts->wall_offset_ms = wall_offset(rollouts);
	rollouts->watches = fw_table_new(0);
	if (rollouts->watches)
		status = fw_db_prepare(
			transaction->db, sql, rollouts->statements, FW_ROLLOUTS_STATEMENTS, error);
	if (status == FW_OK)
		status = fw_db_integer(transaction->db,
			"SELECT max(clock_wall_ms, trust_wall_ms) FROM catalog_state",
			&rollouts->seen_wall_ms, error);
	if (status == FW_OK)
		status = fw_rollouts_watch_all(rollouts);
	if (status != FW_OK) {
		fw_rollouts_close(rollouts);
		return status;
	}
	*out = rollouts;
	return FW_OK;
}

void fw_rollouts_close(struct fw_rollouts *rollouts)
{
	if (!rollouts)
		return;
	fw_table_clear(rollouts->watches, free);
	fw_table_free(rollouts->watches);
	fw_db_finalize(rollouts->statements, FW_ROLLOUTS_STATEMENTS);
	free(rollouts->loss_sample);
	free(rollouts);
}

static struct watch *find_watch(struct fw_rollouts *rollouts, struct fw_slice task_id)
{
	struct watch *watch = fw_table_get(rollouts->watches, task_id);

	if (watch || task_id.len > FW_ID_MAX)
		return watch;
	watch = calloc(1, sizeof(*watch));
	if (!watch)
		return NULL;
	fw_slice_copy(task_id, watch->task_id, sizeof(watch->task_id));
	if (fw_table_put(rollouts->watches, task_id, watch, NULL) == FW_OK)
		return watch;
	free(watch);
	return NULL;
}

static void forget(struct fw_rollouts *rollouts, struct fw_slice task_id)
{
	struct watch *watch = fw_table_get(rollouts->watches, task_id);

	if (!watch)
		return;
	rollouts->calls -= watch->calls;
	fw_table_remove(rollouts->watches, fw_slice_of(watch->task_id));
	free(watch);
}

enum fw_status fw_rollouts_watch(struct fw_rollouts *rollouts, struct fw_slice task_id)
{
	struct watch *watch = find_watch(rollouts, task_id);

	if (!watch)
		return FW_NOMEM;
	watch->due = true;
	return FW_OK;
}

enum fw_status fw_rollouts_watch_all(struct fw_rollouts *rollouts)
{
	sqlite3_stmt *statement = rollouts->statements[FW_ROLLOUTS_MANAGED];
	enum fw_status status, watched = FW_OK;

	while ((status = fw_db_step(statement)) == FW_OK && watched == FW_OK)
		watched = fw_rollouts_watch(rollouts, fw_db_text(statement, 0));
	sqlite3_reset(statement);
	return status == FW_NOT_FOUND ? watched : status;
}

enum fw_status fw_rollouts_load(
	struct fw_rollouts *rollouts, struct fw_slice task_id, struct fw_rollout_row *out)
{
	return fw_rollout_row_load(rollouts->statements[FW_ROLLOUTS_PLAN], task_id, out);
}

enum fw_status fw_rollouts_changed(
	struct fw_rollouts *rollouts, struct fw_slice task_id, bool *managed)
{
	sqlite3_stmt *statement = rollouts->statements[FW_ROLLOUTS_WAKE_RETRIES];
	struct fw_rollout_row rollout;
	enum fw_status status = fw_rollouts_load(rollouts, task_id, &rollout);

	*managed = false;
	if (status != FW_OK)
		return status == FW_NOT_FOUND ? FW_OK : status;
	if (rollout.plan.state == FW_ROLLOUT_RUNNING && rollout.retries_wait) {
		fw_db_bind_text(statement, 1, task_id);
		fw_db_bind_integer(statement, 2, rollouts->transaction->steady_ms);
		status = fw_transaction_pass_over(
			rollouts->transaction, fw_db_run(statement), "that retries are due");
	}
	*managed = rollout.is_managed;
	if (status != FW_OK || !*managed)
		return status;
	status = fw_rollouts_watch(rollouts, task_id);
	if (status == FW_OK)
		find_watch(rollouts, task_id)->open = false;
	return status;
}

static bool wall_was_set(const struct fw_rollouts *rollouts)
{
	return llabs(wall_offset(rollouts) - rollouts->wall_offset_ms) > STEP_MS;
}

void fw_rollouts_call_all(struct fw_rollouts *rollouts)
{
	struct fw_table_walk walk = {.bucket = 0};

	while (fw_table_next(rollouts->watches, &walk)) {
		struct watch *watch = walk.value;

		watch->due = true;
		watch->open = false;
	}
}

/* The wall clock was set, or is believed again: all times that were named by it change. */
static void renew_wall_times(struct fw_rollouts *rollouts)
{
	rollouts->wall_offset_ms = wall_offset(rollouts);
	fw_rollouts_call_all(rollouts);
}

static void note_wall(struct fw_rollouts *rollouts, int64_t wall_ms)
{
	if (wall_ms > rollouts->seen_wall_ms)
		rollouts->seen_wall_ms = wall_ms;
}

struct fw_rollout_now fw_rollouts_now(struct fw_rollouts *rollouts)
{
	struct fw_transaction *transaction = rollouts->transaction;
	struct fw_rollout_now now = {
		.steady_ms = transaction->steady_ms, .wall_ms = transaction->wall_ms};

	now.wall_behind = fw_rollout_wall_is_behind(now.wall_ms, rollouts->seen_wall_ms);
	now.broker_utc_offset = fw_clock_utc_offset(now.wall_ms);
	note_wall(rollouts, now.wall_ms);
	if (now.wall_behind && !rollouts->behind_logged)
		fw_transaction_log(transaction, FW_LOG_WARNING,
			"the clock is behind what the catalog last saw: start_at, end_at and "
			"windows of tasks hold still until it is set");
	if (!now.wall_behind && rollouts->behind_logged)
		renew_wall_times(rollouts);
	if (now.wall_behind != rollouts->behind_logged)
		fw_places_note_wall(rollouts->places, now.wall_behind);
	rollouts->behind_logged = now.wall_behind;
	return now;
}

/* More rows of the task may start than before: rows ended, its stage grew, a window opened, or a
 * token came. */
static void note_call(struct fw_rollouts *rollouts, struct watch *watch, bool restart)
{
	rollouts->calls += !watch->calls;
	watch->calls = true;
	watch->restart |= restart;
}

/* The earlier of both is when the task is looked at, by the wall clock. */
static void note_wall_time(struct watch *watch, int64_t wall_ms, int64_t after_ms)
{
	if (after_ms && (!watch->wall_at || wall_ms + after_ms < watch->wall_at))
		watch->wall_at = wall_ms + after_ms;
}

/* When the task is to be looked at again: the earlier of what its steps and its next start name. */
static void note_times(struct fw_rollouts *rollouts, struct watch *watch,
	const struct fw_rollout_row *rollout, const struct fw_rollout_now *now,
	const struct fw_rollout_step *step)
{
	struct fw_start_rate rate = fw_places_rate(rollouts->places, fw_slice_of(watch->task_id));
	int64_t after_ms = 0;
	enum fw_start_wait wait;

	wait = fw_start_gate_task(&rollout->plan, &rollout->counts, rollout->firmware_ready, true,
		now, &rate, &after_ms);
	watch->steady_at = step->steady_at;
	watch->wall_at = step->wall_at;
	if (wait == FW_WAITS_FOR_NOTHING) {
		/* in a pull task the devices ask by themselves */
		if (rollout->push)
			note_call(rollouts, watch, !watch->open);
		watch->open = true;
		return;
	}
	watch->open &= wait >= FW_WAITS_FOR_STAGE;
	if (wait == FW_WAITS_FOR_START_TIME || wait == FW_WAITS_FOR_WINDOW) {
		note_wall_time(watch, now->wall_ms, after_ms);
		return;
	}
	if (after_ms && (!watch->steady_at || now->steady_ms + after_ms < watch->steady_at))
		watch->steady_at = now->steady_ms + after_ms;
}

/* Carries out steps until none is due. *kept: an operator's trigger keeps the task as it was. The
 * step is passed over, as it must hold up no row, and no other task. A refusal (RAISE(ABORT)) is
 * logged, what is ignored (RAISE(IGNORE)) is not. */
static enum fw_status carry_out_steps(struct fw_rollouts *rollouts, struct fw_slice task_id,
	const struct fw_rollout_now *now, struct fw_rollout_row *rollout,
	struct fw_rollout_step *step, bool *kept)
{
	enum fw_status status = FW_OK;
	char what[FW_ID_MAX + 16];
	uint64_t work;

	snprintf(what, sizeof(what), "a step of task %.*s", (int)task_id.len, task_id.at);
	for (unsigned i = 0; status == FW_OK && !*kept && i < STEPS_MAX; i++) {
		status = fw_rollouts_load(rollouts, task_id, rollout);
		/* a task without open rows has no steps */
		if (status != FW_OK || !rollout->is_open)
			return status;
		fw_rollout_next_step(&rollout->plan, &rollout->counts, now, step);
		if (step->action == FW_ROLLOUT_NOTHING)
			return FW_OK;
		work = fw_transaction_try(
			rollouts->transaction, (struct fw_slice){NULL, 0}, task_id, what);
		if (!work) {
			*kept = true;
			return FW_OK;
		}
		status = fw_transaction_tried(rollouts->transaction,
			fw_rollout_steps_carry_out(rollouts, task_id, rollout, step), work);
		*kept = status == FW_INVALID || status == FW_NOT_FOUND;
		status = status == FW_NOT_FOUND
			? FW_OK
			: fw_transaction_pass_over(rollouts->transaction, status, what);
	}
	return status;
}

enum fw_status fw_rollouts_review(struct fw_rollouts *rollouts, struct fw_slice task_id)
{
	struct fw_rollout_now now = fw_rollouts_now(rollouts);
	struct fw_rollout_row rollout;
	struct fw_rollout_step step = {.action = FW_ROLLOUT_NOTHING};
	struct watch *watch = find_watch(rollouts, task_id);
	bool kept = false;
	enum fw_status status =
		watch ? carry_out_steps(rollouts, task_id, &now, &rollout, &step, &kept) : FW_NOMEM;

	if (status == FW_NOT_FOUND || (status == FW_OK && !rollout.is_managed)) {
		forget(rollouts, task_id);
		return FW_OK;
	}
	if (status != FW_OK)
		return status;
	watch->due = step.action != FW_ROLLOUT_NOTHING && !kept;
	if (kept)
		step.steady_at = now.steady_ms + AGAIN_MS;
	memcpy(watch->product_id, rollout.product_id, sizeof(watch->product_id));
	watch->in_turns = rollout.plan.stages > 0;
	watch->known_only = rollout.plan.stage < rollout.plan.stages;
	note_times(rollouts, watch, &rollout, &now, &step);
	return FW_OK;
}

static bool is_due(const struct fw_rollouts *rollouts, const struct watch *watch)
{
	const struct fw_transaction *transaction = rollouts->transaction;
	int64_t wall_ms = fw_now_ms();

	return watch->due ||
		(watch->steady_at && watch->steady_at <= fw_clock_now(&transaction->clock)) ||
		(watch->wall_at && watch->wall_at <= wall_ms) ||
		(rollouts->behind_logged &&
			!fw_rollout_wall_is_behind(wall_ms, rollouts->seen_wall_ms));
}

enum fw_status fw_rollouts_work(struct fw_rollouts *rollouts, size_t most, bool *more)
{
	struct fw_table_walk walk = {.bucket = 0};
	enum fw_status status = FW_OK;

	if (wall_was_set(rollouts))
		renew_wall_times(rollouts);
	while (status == FW_OK && fw_table_next(rollouts->watches, &walk)) {
		const struct watch *watch = walk.value;

		if (!is_due(rollouts, watch))
			continue;
		if (most-- == 0) {
			*more = true;
			break;
		}
		/* it may remove this entry, which a walk allows (base/table.h) */
		status = fw_rollouts_review(rollouts, fw_slice_of(watch->task_id));
	}
	return status;
}

void fw_rollouts_note_wall(struct fw_rollouts *rollouts)
{
	note_wall(rollouts, fw_now_ms());
}

bool fw_rollouts_due(const struct fw_rollouts *rollouts)
{
	struct fw_table_walk walk = {.bucket = 0};

	if (wall_was_set(rollouts))
		return true;
	while (fw_table_next(rollouts->watches, &walk)) {
		if (is_due(rollouts, walk.value))
			return true;
	}
	return false;
}

int64_t fw_rollouts_next_due(const struct fw_rollouts *rollouts)
{
	struct fw_table_walk walk = {.bucket = 0};
	int64_t next = INT64_MAX;

	while (fw_table_next(rollouts->watches, &walk)) {
		const struct watch *watch = walk.value;

		if (watch->due)
			return 0;
		if (watch->steady_at && watch->steady_at < next)
			next = watch->steady_at;
	}
	return next;
}

bool fw_rollouts_next_call(struct fw_rollouts *rollouts, struct fw_rollout_call *out)
{
	struct fw_table_walk walk = {.bucket = 0};

	while (rollouts->calls && fw_table_next(rollouts->watches, &walk)) {
		struct watch *watch = walk.value;

		if (!watch->calls)
			continue;
		*out = (struct fw_rollout_call){.in_turns = watch->in_turns,
			.known_only = watch->known_only,
			.restart = watch->restart};
		memcpy(out->task_id, watch->task_id, sizeof(out->task_id));
		memcpy(out->product_id, watch->product_id, sizeof(out->product_id));
		watch->calls = watch->restart = false;
		rollouts->calls--;
		return true;
	}
	return false;
}
