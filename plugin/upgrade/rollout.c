/* Which step of a rollout is due. They are checked in this order: the pauses for failures, the end,
 * a new epoch of the stop, the gate. Each step changes the counts or the plan it follows from, so
 * that a caller who repeats comes to an end. */
#include "upgrade/rollout.h"

#include <inttypes.h>
#include <stdio.h>

int64_t fw_rollout_millionths(double percent)
{
	if (!(percent >= 0.000001))
		return 1;
	return percent < 100 ? (int64_t)(percent * 1000000 + 0.5) : FW_ROLLOUT_ALL;
}

bool fw_rollout_wall_is_behind(int64_t wall_ms, int64_t seen_ms)
{
	return seen_ms > FW_ROLLOUT_WALL_SLACK_MS && wall_ms < seen_ms - FW_ROLLOUT_WALL_SLACK_MS;
}

bool fw_rollout_has_stage(const struct fw_rollout_plan *plan)
{
	return plan->stages > 0 && plan->stage <= plan->stages;
}

static bool is_last(const struct fw_rollout_plan *plan)
{
	return plan->stage >= plan->stages;
}

/* `part` / `of` of `rows`, rounded up. Divided first, since rows * part could overflow. */
static int64_t share(int64_t rows, int64_t part, int64_t of)
{
	return rows / of * part + (rows % of * part + of - 1) / of;
}

int64_t fw_rollout_budget(
	const struct fw_rollout_plan *plan, const struct fw_rollout_counts *counts)
{
	const struct fw_rollout_stage *stage = &plan->current;
	int64_t budget = stage->until_count < counts->n ? stage->until_count : counts->n;

	if (!fw_rollout_has_stage(plan))
		return counts->n;
	if (stage->until_millionths)
		budget = share(counts->n, stage->until_millionths, FW_ROLLOUT_ALL);
	return budget > 1 ? budget : 1;
}

int64_t fw_rollout_needed(const struct fw_rollout_plan *plan, int64_t budget)
{
	return share(budget, plan->current.success_percent, 100);
}

bool fw_rollout_has_room(const struct fw_rollout_plan *plan, const struct fw_rollout_counts *counts)
{
	return !fw_rollout_has_stage(plan) || counts->started < fw_rollout_budget(plan, counts);
}

/* Do the gate's conditions hold at this moment? */
static bool is_full_and_proved(
	const struct fw_rollout_plan *plan, const struct fw_rollout_counts *counts)
{
	int64_t budget = fw_rollout_budget(plan, counts);

	return fw_rollout_has_stage(plan) && !is_last(plan) && counts->started >= budget &&
		counts->proved >= fw_rollout_needed(plan, budget);
}

bool fw_rollout_gate_is_open(const struct fw_rollout_plan *plan,
	const struct fw_rollout_counts *counts, int64_t steady_ms)
{
	return counts->holding && is_full_and_proved(plan, counts) &&
		steady_ms >= counts->hold_since + plan->current.hold_ms;
}

/* How many rows the stage has: its budget, or what has started, where that is more since the budget
 * shrank. */
static int64_t stage_rows(
	const struct fw_rollout_plan *plan, const struct fw_rollout_counts *counts)
{
	int64_t budget = fw_rollout_budget(plan, counts);

	return counts->started > budget ? counts->started : budget;
}

/* Final failures leave too few rows for the gate. The last stage has no gate; a task that misses
 * its percentage there is paused while some rows have not started. */
static bool is_unreachable(
	const struct fw_rollout_plan *plan, const struct fw_rollout_counts *counts)
{
	int64_t needed = fw_rollout_needed(plan, fw_rollout_budget(plan, counts));

	return fw_rollout_has_stage(plan) && (!is_last(plan) || counts->started < counts->n) &&
		counts->bad_final > counts->bad_forgiven &&
		stage_rows(plan, counts) - counts->bad_final < needed;
}

static bool check_stop(const struct fw_rollout_stop *stop, const struct fw_rollout_counts *counts,
	struct fw_rollout_step *out)
{
	int64_t bad = counts->epoch_bad, ended = bad + counts->epoch_good;

	if (stop->failed_percent && bad && ended >= stop->failed_min &&
		100 * bad >= stop->failed_percent * ended)
		snprintf(out->reason, sizeof(out->reason),
			"%" PRId64 " of %" PRId64 " failed: the limit is %" PRId64 " %%", bad,
			ended, stop->failed_percent);
	else if (stop->failed_count && bad >= stop->failed_count)
		snprintf(out->reason, sizeof(out->reason),
			"%" PRId64 " failed: the limit is %" PRId64, bad, stop->failed_count);
	else
		return false;
	out->action = FW_ROLLOUT_PAUSE_STOP;
	return true;
}

static bool check_reach(const struct fw_rollout_plan *plan, const struct fw_rollout_counts *counts,
	struct fw_rollout_step *out)
{
	if (!is_unreachable(plan, counts))
		return false;
	snprintf(out->reason, sizeof(out->reason),
		"stage %" PRId64 ": %" PRId64 " of %" PRId64 " failed, %" PRId64
		" %% cannot be reached",
		plan->stage, counts->bad_final, stage_rows(plan, counts),
		plan->current.success_percent);
	out->action = FW_ROLLOUT_PAUSE_UNREACHABLE;
	return true;
}

/* A paused task is not paused again, but may be stopped. */
static bool check_end(const struct fw_rollout_plan *plan, const struct fw_rollout_now *now,
	struct fw_rollout_step *out)
{
	if (!plan->end_at || (plan->state == FW_ROLLOUT_PAUSED && !plan->end_stops))
		return false;
	if (now->wall_ms < plan->end_at) {
		out->wall_at = plan->end_at;
		return false;
	}
	if (now->wall_behind)
		return false;
	snprintf(out->reason, sizeof(out->reason), "end_at is reached");
	out->action = plan->end_stops ? FW_ROLLOUT_STOP_END : FW_ROLLOUT_PAUSE_END;
	return true;
}

/* After how many ended rows a new epoch begins: at least as many as the stop needs to decide. */
static int64_t epoch_length(const struct fw_rollout_stop *stop)
{
	int64_t least = stop->failed_percent ? stop->failed_min : stop->failed_count;

	return stop->window > least ? stop->window : least;
}

static bool check_epoch(const struct fw_rollout_stop *stop, const struct fw_rollout_counts *counts,
	struct fw_rollout_step *out)
{
	int64_t ended = counts->epoch_bad + counts->epoch_good;

	if (!ended || stop->window <= 0 || ended < epoch_length(stop))
		return false;
	out->action = FW_ROLLOUT_NEW_EPOCH;
	return true;
}

static void open_gate(const struct fw_rollout_plan *plan, const struct fw_rollout_counts *counts,
	struct fw_rollout_step *out)
{
	out->action = FW_ROLLOUT_NEXT_STAGE;
	if (!plan->current.pause_after)
		return;
	out->action = FW_ROLLOUT_PAUSE_DONE;
	snprintf(out->reason, sizeof(out->reason),
		"stage %" PRId64 " is done: %" PRId64 " of %" PRId64 " proved", plan->stage,
		counts->proved, stage_rows(plan, counts));
}

static void check_gate(const struct fw_rollout_plan *plan, const struct fw_rollout_counts *counts,
	int64_t steady_ms, struct fw_rollout_step *out)
{
	bool hold = is_full_and_proved(plan, counts);

	/* done, and paused for an operator: it stays so, whatever fails meanwhile */
	if (counts->holding && counts->hold_since == FW_ROLLOUT_DONE)
		return;
	if (hold != counts->holding)
		out->action = hold ? FW_ROLLOUT_HOLD : FW_ROLLOUT_UNHOLD;
	else if (!hold || plan->state != FW_ROLLOUT_RUNNING)
		return;
	else if (fw_rollout_gate_is_open(plan, counts, steady_ms))
		open_gate(plan, counts, out);
	else
		out->steady_at = counts->hold_since + plan->current.hold_ms;
}

void fw_rollout_next_step(const struct fw_rollout_plan *plan,
	const struct fw_rollout_counts *counts, const struct fw_rollout_now *now,
	struct fw_rollout_step *out)
{
	bool running = plan->state == FW_ROLLOUT_RUNNING;

	*out = (struct fw_rollout_step){.action = FW_ROLLOUT_NOTHING};
	if (plan->state == FW_ROLLOUT_STOPPED)
		return;
	if (running && (check_stop(&plan->stop, counts, out) || check_reach(plan, counts, out)))
		return;
	if (check_end(plan, now, out) || (running && check_epoch(&plan->stop, counts, out)))
		return;
	check_gate(plan, counts, now->steady_ms, out);
}

bool fw_rollout_is_proved(enum fw_rollout_gate gate, bool started, bool reported, bool success)
{
	return started && (gate == FW_ROLLOUT_BY_COMPLETE ? success : reported);
}

bool fw_rollout_is_bad(bool started, enum fw_failure failure, bool put_off, bool common)
{
	if (!started || failure == FW_FAILURE_NONE)
		return false;
	return !(failure == FW_FAILURE_REFUSED && put_off) &&
		!(failure == FW_FAILURE_LOST && common);
}
