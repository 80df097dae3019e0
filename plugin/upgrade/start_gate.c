/* The conditions of a start as a table, in their order: the first one that is not met is what a row
 * waits for. */
#include "upgrade/start_gate.h"

struct question {
	const struct fw_rollout_plan *plan;
	const struct fw_rollout_counts *counts;
	const struct fw_start_row *row;
	const struct fw_rollout_now *now;
	const struct fw_start_rate *rate;
	bool whole_task; /* the question is of all rows: `row` is no device's */
};

/* Each of these: must the row wait? *after: for how many milliseconds, where that is known. */

static bool is_paused(const struct question *q, int64_t *after)
{
	(void)after;
	return q->plan->state == FW_ROLLOUT_PAUSED;
}

static bool is_stopped(const struct question *q, int64_t *after)
{
	(void)after;
	return q->plan->state == FW_ROLLOUT_STOPPED;
}

static bool is_early(const struct question *q, int64_t *after)
{
	if (!q->plan->start_at)
		return false;
	if (q->now->wall_behind)
		return !q->counts->started;
	*after = q->plan->start_at - q->now->wall_ms;
	return *after > 0;
}

static bool is_late(const struct question *q, int64_t *after)
{
	(void)after;
	return q->plan->end_at && q->now->wall_ms >= q->plan->end_at;
}

static bool is_out_of_window(const struct question *q, int64_t *after)
{
	const struct fw_window *window = &q->plan->window;
	int offset = fw_window_offset(
		window, q->row->utc_offset_known, q->row->utc_offset, q->now->broker_utc_offset);

	if (!window->minutes)
		return false;
	if (q->now->wall_behind)
		return true;
	if (q->whole_task && window->clock == FW_WINDOW_DEVICE)
		return false;
	*after = fw_window_opens_at(window, q->now->wall_ms, offset) - q->now->wall_ms;
	return !fw_window_is_open(window, q->now->wall_ms, offset);
}

static bool is_not_ready(const struct question *q, int64_t *after)
{
	(void)after;
	return !q->row->firmware_ready;
}

/* A device of unknown presence may start in the last stage: its silence holds up no stage then. */
static bool is_offline(const struct question *q, int64_t *after)
{
	bool tried = q->row->started || q->plan->stage >= q->plan->stages;

	(void)after;
	return !q->row->pull && (q->row->offline || (!q->row->online && !tried));
}

static bool is_unsettled(const struct question *q, int64_t *after)
{
	if (q->row->pull || q->plan->min_online_ms <= 0)
		return false;
	if (!q->row->online)
		return true;
	*after = q->row->online_since + q->plan->min_online_ms - q->now->steady_ms;
	return *after > 0;
}

static bool has_other_task(const struct question *q, int64_t *after)
{
	(void)after;
	return q->row->other_task;
}

static bool needs_older_firmware(const struct question *q, int64_t *after)
{
	(void)after;
	return q->row->below_min_order;
}

static bool is_deferred(const struct question *q, int64_t *after)
{
	*after = q->row->deferred_until - q->now->steady_ms;
	return *after > 0;
}

static bool has_failed(const struct question *q, int64_t *after)
{
	*after = q->row->retry_at - q->now->steady_ms;
	return *after > 0;
}

static bool is_beyond_stage(const struct question *q, int64_t *after)
{
	const struct fw_rollout_plan *plan = q->plan;

	if (q->counts->holding && !plan->current.pause_after)
		*after = q->counts->hold_since + plan->current.hold_ms - q->now->steady_ms;
	return !q->row->started && !fw_rollout_has_room(plan, q->counts);
}

static bool is_over_cap(const struct question *q, int64_t *after)
{
	(void)after;
	return q->plan->max_in_flight > 0 && q->counts->in_flight >= q->plan->max_in_flight;
}

/* Starts a minute that the task allows now; 0: no limit. */
static int64_t rate_of(const struct fw_rollout_plan *plan, const struct fw_rollout_counts *counts)
{
	return fw_start_rate_per_minute(
		plan->rate_per_minute, plan->rate_doubles_after, counts->proved);
}

static bool is_over_rate(const struct question *q, int64_t *after)
{
	int64_t rate = rate_of(q->plan, q->counts);

	if (rate <= 0)
		return false;
	*after = fw_start_rate_wait_ms(q->rate, rate, q->now->steady_ms);
	return *after > 0;
}

static const struct {
	const char *name;
	bool (*waits)(const struct question *q, int64_t *after);
	bool of_task; /* checked for a whole task, too */
} conditions[FW_START_WAITS] = {
	[FW_WAITS_FOR_PAUSED_TASK] = {"task paused", is_paused, true},
	[FW_WAITS_FOR_STOPPED_TASK] = {"task stopped", is_stopped, true},
	[FW_WAITS_FOR_START_TIME] = {"start time", is_early, true},
	[FW_WAITS_FOR_END_TIME] = {"end time", is_late, true},
	[FW_WAITS_FOR_WINDOW] = {"window", is_out_of_window, true},
	[FW_WAITS_FOR_FIRMWARE] = {"firmware", is_not_ready, true},
	[FW_WAITS_FOR_DEVICE] = {"device offline", is_offline, false},
	[FW_WAITS_FOR_UNSETTLED_DEVICE] = {"device unsettled", is_unsettled, false},
	[FW_WAITS_FOR_OTHER_TASK] = {"other task", has_other_task, false},
	[FW_WAITS_FOR_OLDER_FIRMWARE] = {"older firmware first", needs_older_firmware, false},
	[FW_WAITS_FOR_DEFERRAL] = {"deferred", is_deferred, false},
	[FW_WAITS_FOR_RETRY] = {"retry", has_failed, false},
	[FW_WAITS_FOR_STAGE] = {"stage", is_beyond_stage, true},
	[FW_WAITS_FOR_IN_FLIGHT] = {"in flight", is_over_cap, true},
	[FW_WAITS_FOR_RATE] = {"rate", is_over_rate, true},
};

static enum fw_start_wait first_wait(const struct question *q, int64_t *retry_after_ms)
{
	for (enum fw_start_wait wait = FW_WAITS_FOR_NOTHING + 1; wait < FW_START_WAITS; wait++) {
		int64_t after = 0;

		if (q->whole_task && !conditions[wait].of_task)
			continue;
		if (conditions[wait].waits(q, &after)) {
			*retry_after_ms = after > 0 ? after : 0;
			return wait;
		}
	}
	*retry_after_ms = 0;
	return FW_WAITS_FOR_NOTHING;
}

enum fw_start_wait fw_start_gate_row(const struct fw_rollout_plan *plan,
	const struct fw_rollout_counts *counts, const struct fw_start_row *row,
	const struct fw_rollout_now *now, const struct fw_start_rate *rate, int64_t *retry_after_ms)
{
	return first_wait(&(struct question){plan, counts, row, now, rate, false}, retry_after_ms);
}

enum fw_start_wait fw_start_gate_take(const struct fw_rollout_plan *plan,
	const struct fw_rollout_counts *counts, const struct fw_start_row *row,
	const struct fw_rollout_now *now, struct fw_start_rate *rate, int64_t *retry_after_ms)
{
	enum fw_start_wait wait = fw_start_gate_row(plan, counts, row, now, rate, retry_after_ms);

	if (wait == FW_WAITS_FOR_NOTHING)
		fw_start_rate_take(rate, rate_of(plan, counts), now->steady_ms);
	return wait;
}

enum fw_start_wait fw_start_gate_task(const struct fw_rollout_plan *plan,
	const struct fw_rollout_counts *counts, bool firmware_ready, bool again,
	const struct fw_rollout_now *now, const struct fw_start_rate *rate, int64_t *retry_after_ms)
{
	const struct fw_start_row any = {.started = again, .firmware_ready = firmware_ready};

	return first_wait(&(struct question){plan, counts, &any, now, rate, true}, retry_after_ms);
}

const char *fw_start_gate_wait_name(enum fw_start_wait wait)
{
	return wait > FW_WAITS_FOR_NOTHING && wait < FW_START_WAITS ? conditions[wait].name : "";
}
