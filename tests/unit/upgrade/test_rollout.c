/* The rules of a rollout, pair by pair: gates, the stop, the end, and a whole rollout. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "upgrade/rollout.h"

#define MILLION INT64_C(1000000)
#define HOUR INT64_C(3600000)
#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static struct fw_rollout_step step_of(const struct fw_rollout_plan *plan,
	const struct fw_rollout_counts *counts, int64_t steady, int64_t wall)
{
	const struct fw_rollout_now now = {.steady_ms = steady, .wall_ms = wall};
	struct fw_rollout_step step;

	fw_rollout_next_step(plan, counts, &now, &step);
	return step;
}

static void the_stop_counts_bad_and_good(void **ignored)
{
	static const struct {
		const char *words;
		int64_t percent, min, count, good, bad;
		const char *reason; /* NULL: it runs */
	} pairs[] = {
		{"no stop", 0, 5, 0, 0, 500, NULL},
		{"min 5, 10 %: four bad of four", 10, 5, 0, 0, 4, NULL},
		{"the fifth", 10, 5, 0, 0, 5, "5 of 5 failed: the limit is 10 %"},
		{"1 of 10", 10, 5, 0, 9, 1, "1 of 10 failed: the limit is 10 %"},
		{"1 of 11", 10, 5, 0, 10, 1, NULL},
		{"5 of 8", 10, 5, 0, 3, 5, "5 of 8 failed: the limit is 10 %"},
		{"nobody failed", 1, 1, 1, 10, 0, NULL},
		{"nothing ended", 1, 1, 1, 0, 0, NULL},
		{"the first failure", 100, 1, 0, 0, 1, "1 of 1 failed: the limit is 100 %"},
		{"not all", 100, 1, 0, 1, 99, NULL},
		{"99 of them", 0, 5, 100, 0, 99, NULL},
		{"a hundred", 0, 5, 100, 999, 100, "100 failed: the limit is 100"},
		{"by number, not by share", 50, 5, 3, 7, 3, "3 failed: the limit is 3"},
		{"a million of a million", 100, MILLION, 0, 0, MILLION,
			"1000000 of 1000000 failed: the limit is 100 %"},
	};

	(void)ignored;
	for (size_t i = 0; i < COUNT(pairs); i++) {
		const struct fw_rollout_plan plan = {.stage = 1,
			.stop = {pairs[i].percent, pairs[i].min, pairs[i].count, 10 * MILLION}};
		/* the sum of old successes does not hide them */
		const struct fw_rollout_counts counts = {.n = 2 * MILLION,
			.started = 2 * MILLION,
			.proved = MILLION,
			.bad = MILLION,
			.epoch_good = pairs[i].good,
			.epoch_bad = pairs[i].bad};
		struct fw_rollout_step step = step_of(&plan, &counts, 0, 0);

		if (step.action != (pairs[i].reason ? FW_ROLLOUT_PAUSE_STOP : FW_ROLLOUT_NOTHING))
			fail_msg("\"%s\": %d", pairs[i].words, step.action);
		assert_string_equal(step.reason, pairs[i].reason ? pairs[i].reason : "");
	}
}

static void the_stop_counts_anew_after_its_window(void **ignored)
{
	struct fw_rollout_plan plan = {.stage = 1, .stop = {10, 5, 0, 20}};
	struct fw_rollout_counts counts = {.n = 100, .epoch_good = 18, .epoch_bad = 1};

	(void)ignored;
	assert_int_equal(step_of(&plan, &counts, 0, 0).action, FW_ROLLOUT_NOTHING);
	counts.epoch_good++;
	assert_int_equal(step_of(&plan, &counts, 0, 0).action, FW_ROLLOUT_NEW_EPOCH);
	/* the stop goes first */
	counts.epoch_bad++;
	counts.epoch_good--;
	assert_int_equal(step_of(&plan, &counts, 0, 0).action, FW_ROLLOUT_PAUSE_STOP);
	/* nothing ended, no epoch: it would never end */
	counts = (struct fw_rollout_counts){.n = 100};
	plan.stop.window = 0;
	assert_int_equal(step_of(&plan, &counts, 0, 0).action, FW_ROLLOUT_NOTHING);
	counts.epoch_good = 100;
	assert_int_equal(step_of(&plan, &counts, 0, 0).action, FW_ROLLOUT_NOTHING);
	/* a window shorter than what the stop needs would keep it from ever acting */
	plan.stop = (struct fw_rollout_stop){10, 50, 0, 20};
	counts.epoch_good = 49;
	assert_int_equal(step_of(&plan, &counts, 0, 0).action, FW_ROLLOUT_NOTHING);
	counts.epoch_good = 50;
	assert_int_equal(step_of(&plan, &counts, 0, 0).action, FW_ROLLOUT_NEW_EPOCH);
	plan.stop = (struct fw_rollout_stop){0, 5, 30, 20};
	counts = (struct fw_rollout_counts){.n = 100, .epoch_bad = 29};
	assert_int_equal(step_of(&plan, &counts, 0, 0).action, FW_ROLLOUT_NOTHING);
	counts.epoch_bad++;
	assert_int_equal(step_of(&plan, &counts, 0, 0).action, FW_ROLLOUT_PAUSE_STOP);
	/* but a number does not make the percentage slow */
	plan.stop = (struct fw_rollout_stop){10, 5, 1000, 20};
	counts = (struct fw_rollout_counts){.n = 100, .epoch_good = 20};
	assert_int_equal(step_of(&plan, &counts, 0, 0).action, FW_ROLLOUT_NEW_EPOCH);
}

/* Stage 1 of 2: ten of a hundred, nine of them proved, for an hour. */
static const struct fw_rollout_plan tenth = {.stage = 1,
	.stages = 2,
	.stop = {0, 5, 0, 1000},
	.defer_ms = -1,
	.current = {
		.until_millionths = FW_ROLLOUT_ALL / 10, .success_percent = 90, .hold_ms = HOUR}};

static void a_gate_opens_when_its_conditions_have_held(void **ignored)
{
	struct fw_rollout_plan plan = tenth;
	struct fw_rollout_counts counts = {.n = 100, .started = 10, .proved = 8, .bad = 1};
	struct fw_rollout_step step;

	(void)ignored;
	assert_int_equal(step_of(&plan, &counts, 0, 0).action, FW_ROLLOUT_NOTHING);
	counts.proved = 9;
	counts.started = 9;
	assert_int_equal(step_of(&plan, &counts, 0, 0).action, FW_ROLLOUT_NOTHING);
	counts.started = 10;
	assert_int_equal(step_of(&plan, &counts, 0, 0).action, FW_ROLLOUT_HOLD);
	/* since the steady time 0 */
	counts.holding = true;
	step = step_of(&plan, &counts, HOUR - 1, 0);
	assert_int_equal(step.action, FW_ROLLOUT_NOTHING);
	assert_int_equal(step.steady_at, HOUR);
	assert_int_equal(step.wall_at, 0);
	assert_false(fw_rollout_gate_is_open(&plan, &counts, HOUR - 1));
	assert_true(fw_rollout_gate_is_open(&plan, &counts, HOUR));
	assert_int_equal(step_of(&plan, &counts, HOUR, 0).action, FW_ROLLOUT_NEXT_STAGE);
	/* one went back to its old version: the hour begins anew */
	counts.proved = 8;
	assert_int_equal(step_of(&plan, &counts, HOUR, 0).action, FW_ROLLOUT_UNHOLD);
	assert_false(fw_rollout_gate_is_open(&plan, &counts, HOUR));
	counts.holding = false;
	counts.proved = 9;
	assert_int_equal(step_of(&plan, &counts, HOUR, 0).action, FW_ROLLOUT_HOLD);
	/* rows that came later make the stage larger */
	counts = (struct fw_rollout_counts){
		.n = 101, .started = 10, .proved = 10, .holding = true, .hold_since = 5};
	assert_int_equal(step_of(&plan, &counts, 2 * HOUR, 0).action, FW_ROLLOUT_UNHOLD);
}

static void a_gate_without_a_hold_opens_at_once(void **ignored)
{
	struct fw_rollout_plan plan = tenth;
	struct fw_rollout_counts counts = {.n = 100, .started = 10, .proved = 9};

	(void)ignored;
	plan.current.hold_ms = 0;
	assert_int_equal(step_of(&plan, &counts, 7, 0).action, FW_ROLLOUT_HOLD);
	counts.holding = true;
	counts.hold_since = 7;
	assert_int_equal(step_of(&plan, &counts, 7, 0).action, FW_ROLLOUT_NEXT_STAGE);
	/* nobody needs to be proved */
	plan.current.success_percent = 0;
	counts.proved = 0;
	assert_int_equal(step_of(&plan, &counts, 7, 0).action, FW_ROLLOUT_NEXT_STAGE);
	/* but a stage without rows opens nothing */
	counts = (struct fw_rollout_counts){0};
	assert_int_equal(step_of(&plan, &counts, 7, 0).action, FW_ROLLOUT_NOTHING);
}

static void a_gate_may_wait_for_a_person(void **ignored)
{
	struct fw_rollout_plan plan = tenth;
	const struct fw_rollout_counts counts = {
		.n = 100, .started = 10, .proved = 9, .holding = true};
	struct fw_rollout_step step;

	(void)ignored;
	plan.current.pause_after = true;
	assert_int_equal(step_of(&plan, &counts, HOUR - 1, 0).action, FW_ROLLOUT_NOTHING);
	step = step_of(&plan, &counts, HOUR, 0);
	assert_int_equal(step.action, FW_ROLLOUT_PAUSE_DONE);
	assert_string_equal(step.reason, "stage 1 is done: 9 of 10 proved");
	plan.state = FW_ROLLOUT_PAUSED;
	assert_int_equal(step_of(&plan, &counts, HOUR, 0).action, FW_ROLLOUT_NOTHING);
	assert_true(fw_rollout_gate_is_open(&plan, &counts, HOUR));
}

/* The person who resumes the task sees what failed meanwhile, and goes on all the same. */
static void a_stage_that_is_done_stays_so_while_it_is_paused(void **ignored)
{
	struct fw_rollout_plan plan = tenth;
	const struct fw_rollout_counts counts = {.n = 100,
		.started = 10,
		.proved = 1,
		.bad = 9,
		.bad_final = 9,
		.holding = true,
		.hold_since = FW_ROLLOUT_DONE};

	(void)ignored;
	plan.current.pause_after = true;
	plan.state = FW_ROLLOUT_PAUSED;
	assert_int_equal(step_of(&plan, &counts, HOUR, 0).action, FW_ROLLOUT_NOTHING);
}

static void nothing_follows_the_last_stage(void **ignored)
{
	struct fw_rollout_plan plan = tenth;
	struct fw_rollout_counts counts = {.n = 100, .started = 10, .proved = 10};
	struct fw_rollout_step step;

	(void)ignored;
	plan.stages = 1;
	step = step_of(&plan, &counts, HOUR, 0);
	assert_int_equal(step.action, FW_ROLLOUT_NOTHING);
	assert_int_equal(step.steady_at, 0);
	/* those behind it were deleted meanwhile */
	counts.holding = true;
	assert_int_equal(step_of(&plan, &counts, 9 * HOUR, 0).action, FW_ROLLOUT_UNHOLD);
	assert_false(fw_rollout_gate_is_open(&plan, &counts, 9 * HOUR));
	plan.stages = 0;
	assert_int_equal(step_of(&plan, &counts, 9 * HOUR, 0).action, FW_ROLLOUT_UNHOLD);
}

static void a_gate_out_of_reach_pauses(void **ignored)
{
	struct fw_rollout_plan plan = tenth;
	struct fw_rollout_counts counts = {.n = 100, .started = 10, .bad = 1, .bad_final = 1};
	struct fw_rollout_step step;

	(void)ignored;
	/* nine may still be proved */
	assert_int_equal(step_of(&plan, &counts, 0, 0).action, FW_ROLLOUT_NOTHING);
	/* those that are tried again may be, too */
	counts.bad = 3;
	assert_int_equal(step_of(&plan, &counts, 0, 0).action, FW_ROLLOUT_NOTHING);
	counts.bad_final = 3;
	step = step_of(&plan, &counts, 0, 0);
	assert_int_equal(step.action, FW_ROLLOUT_PAUSE_UNREACHABLE);
	assert_string_equal(step.reason, "stage 1: 3 of 10 failed, 90 % cannot be reached");
	/* before all have started */
	counts.started = 3;
	assert_string_equal(step_of(&plan, &counts, 0, 0).reason,
		"stage 1: 3 of 10 failed, 90 % cannot be reached");
	/* resumed: the same failures do not pause it again; another one does */
	counts.bad_forgiven = 3;
	assert_int_equal(step_of(&plan, &counts, 0, 0).action, FW_ROLLOUT_NOTHING);
	counts.bad_final = 4;
	assert_string_equal(step_of(&plan, &counts, 0, 0).reason,
		"stage 1: 4 of 10 failed, 90 % cannot be reached");
	/* more started than the stage has by now: they may be proved */
	counts = (struct fw_rollout_counts){.n = 50, .started = 10, .bad = 3, .bad_final = 3};
	assert_int_equal(step_of(&plan, &counts, 0, 0).action, FW_ROLLOUT_NOTHING);
	/* nobody needs to be */
	plan.current.success_percent = 0;
	counts = (struct fw_rollout_counts){.n = 100, .started = 10, .bad = 10, .bad_final = 10};
	assert_int_equal(step_of(&plan, &counts, 0, 0).action, FW_ROLLOUT_HOLD);
}

static void the_last_stage_pauses_while_that_spares_a_device(void **ignored)
{
	struct fw_rollout_plan plan = tenth;
	struct fw_rollout_counts counts = {.n = 100, .started = 90, .bad = 11, .bad_final = 11};

	(void)ignored;
	plan.stage = 2;
	plan.current.until_millionths = FW_ROLLOUT_ALL;
	assert_string_equal(step_of(&plan, &counts, 0, 0).reason,
		"stage 2: 11 of 100 failed, 90 % cannot be reached");
	counts.started = 100;
	assert_int_equal(step_of(&plan, &counts, 0, 0).action, FW_ROLLOUT_NOTHING);
}

static void a_task_ends_at_its_time(void **ignored)
{
	struct fw_rollout_plan plan = {.stage = 1, .end_at = 5000};
	const struct fw_rollout_counts counts = {.n = 1};
	struct fw_rollout_now now = {.wall_ms = 5000, .wall_behind = true};
	struct fw_rollout_step step = step_of(&plan, &counts, 0, 4999);

	(void)ignored;
	assert_int_equal(step.action, FW_ROLLOUT_NOTHING);
	assert_int_equal(step.wall_at, 5000);
	step = step_of(&plan, &counts, 0, 5000);
	assert_int_equal(step.action, FW_ROLLOUT_PAUSE_END);
	assert_string_equal(step.reason, "end_at is reached");
	plan.end_stops = true;
	assert_int_equal(step_of(&plan, &counts, 0, 5000).action, FW_ROLLOUT_STOP_END);
	/* the end holds still while the wall clock is wrong */
	fw_rollout_next_step(&plan, &counts, &now, &step);
	assert_int_equal(step.action, FW_ROLLOUT_NOTHING);
	/* a paused task stops, but does not pause again */
	plan.state = FW_ROLLOUT_PAUSED;
	assert_int_equal(step_of(&plan, &counts, 0, 4999).wall_at, 5000);
	assert_int_equal(step_of(&plan, &counts, 0, 5000).action, FW_ROLLOUT_STOP_END);
	plan.end_stops = false;
	step = step_of(&plan, &counts, 0, 4999);
	assert_int_equal(step.action, FW_ROLLOUT_NOTHING);
	assert_int_equal(step.wall_at, 0);
	assert_int_equal(step_of(&plan, &counts, 0, 5000).action, FW_ROLLOUT_NOTHING);
	plan.end_stops = true;
	plan.state = FW_ROLLOUT_STOPPED;
	assert_int_equal(step_of(&plan, &counts, 0, 5000).action, FW_ROLLOUT_NOTHING);
	/* an end before the start is refused by the catalog; here it is an end */
	plan = (struct fw_rollout_plan){.stage = 1, .start_at = 9000, .end_at = 5000};
	assert_int_equal(step_of(&plan, &counts, 0, 6000).action, FW_ROLLOUT_PAUSE_END);
}

static void the_stop_goes_first_and_a_pause_is_quiet(void **ignored)
{
	struct fw_rollout_plan plan = tenth;
	struct fw_rollout_counts counts = {
		.n = 100, .started = 10, .bad = 10, .bad_final = 10, .epoch_bad = 10};

	(void)ignored;
	plan.stop = (struct fw_rollout_stop){10, 5, 0, 10};
	plan.end_at = 1;
	assert_int_equal(step_of(&plan, &counts, 0, 1).action, FW_ROLLOUT_PAUSE_STOP);
	plan.stop.failed_percent = 0;
	assert_int_equal(step_of(&plan, &counts, 0, 1).action, FW_ROLLOUT_PAUSE_UNREACHABLE);
	counts.bad_forgiven = 10;
	assert_int_equal(step_of(&plan, &counts, 0, 1).action, FW_ROLLOUT_PAUSE_END);
	plan.end_at = 0;
	assert_int_equal(step_of(&plan, &counts, 0, 1).action, FW_ROLLOUT_NEW_EPOCH);
	counts.bad_forgiven = 0;
	plan.stop.failed_percent = 10;
	for (plan.state = FW_ROLLOUT_PAUSED; plan.state <= FW_ROLLOUT_STOPPED; plan.state++)
		assert_int_equal(step_of(&plan, &counts, 0, 1).action, FW_ROLLOUT_NOTHING);
	/* what is under way goes on while it is paused, and may be proved */
	plan.state = FW_ROLLOUT_PAUSED;
	counts = (struct fw_rollout_counts){.n = 100, .started = 10, .proved = 9};
	assert_int_equal(step_of(&plan, &counts, 0, 1).action, FW_ROLLOUT_HOLD);
	counts.holding = true;
	assert_int_equal(step_of(&plan, &counts, HOUR, 1).action, FW_ROLLOUT_NOTHING);
	assert_int_equal(step_of(&plan, &counts, HOUR, 1).steady_at, 0);
	counts.proved = 8;
	assert_int_equal(step_of(&plan, &counts, HOUR, 1).action, FW_ROLLOUT_UNHOLD);
	/* the longest reason fits */
	plan.state = FW_ROLLOUT_RUNNING;
	plan.stage = INT64_MAX - 1;
	plan.stages = INT64_MAX;
	plan.current.success_percent = 100;
	counts = (struct fw_rollout_counts){
		.n = INT64_MAX, .started = INT64_MAX, .bad_final = INT64_MAX};
	assert_non_null(strstr(step_of(&plan, &counts, 0, 1).reason, "% cannot be reached"));
}

static void a_wall_clock_is_behind_by_more_than_ten_minutes(void **ignored)
{
	(void)ignored;
	assert_false(fw_rollout_wall_is_behind(0, 0));
	assert_false(fw_rollout_wall_is_behind(0, 600000));
	assert_true(fw_rollout_wall_is_behind(0, 600001));
	assert_false(fw_rollout_wall_is_behind(1700000000000, 1700000600000));
	assert_true(fw_rollout_wall_is_behind(1700000000000, 1700000600001));
	assert_false(fw_rollout_wall_is_behind(1700000000000, 1600000000000));
	assert_true(fw_rollout_wall_is_behind(1000, 1700000000000));
	assert_false(fw_rollout_wall_is_behind(1000, INT64_MIN));
	assert_true(fw_rollout_wall_is_behind(1000, INT64_MAX));
}

static void what_is_proved_and_what_is_bad(void **ignored)
{
	(void)ignored;
	assert_true(fw_rollout_is_proved(FW_ROLLOUT_BY_VERSION, true, true, false));
	assert_false(fw_rollout_is_proved(FW_ROLLOUT_BY_VERSION, true, false, true));
	assert_true(fw_rollout_is_proved(FW_ROLLOUT_BY_COMPLETE, true, false, true));
	assert_false(fw_rollout_is_proved(FW_ROLLOUT_BY_COMPLETE, true, true, false));
	assert_false(fw_rollout_is_proved(FW_ROLLOUT_BY_VERSION, false, true, true));
	assert_false(fw_rollout_is_proved(FW_ROLLOUT_BY_COMPLETE, false, true, true));

	assert_false(fw_rollout_is_bad(true, FW_FAILURE_NONE, false, false));
	for (enum fw_failure kind = FW_FAILURE_DEVICE; kind < FW_FAILURES; kind++) {
		assert_true(fw_rollout_is_bad(true, kind, false, false));
		assert_false(fw_rollout_is_bad(false, kind, false, false));
		assert_int_equal(
			fw_rollout_is_bad(true, kind, true, false), kind != FW_FAILURE_REFUSED);
		assert_int_equal(
			fw_rollout_is_bad(true, kind, false, true), kind != FW_FAILURE_LOST);
	}
}

/* A task of `n` devices that all succeed at once, stage after stage: how many stages it passes, and
 * how long that takes. */
static void a_whole_rollout_passes_its_stages(void **ignored)
{
	static const double until[] = {0.1, 1, 10, 50, 100};
	struct fw_rollout_plan plan = tenth;
	struct fw_rollout_counts counts = {.n = MILLION};
	int64_t steady = 0, steps = 0;

	(void)ignored;
	plan.stages = COUNT(until);
	while (counts.started < counts.n) {
		struct fw_rollout_step step;

		assert_true(steps++ < 30000);
		plan.current.until_millionths = fw_rollout_millionths(until[plan.stage - 1]);
		if (fw_rollout_has_room(&plan, &counts)) {
			counts.started += 100;
			counts.proved += 99;
			counts.epoch_good += 99;
			counts.bad += 1;
			counts.bad_final += 1;
			counts.epoch_bad += 1;
		}
		step = step_of(&plan, &counts, steady, 0);
		switch (step.action) {
		case FW_ROLLOUT_NOTHING:
			steady = step.steady_at ? step.steady_at : steady;
			break;
		case FW_ROLLOUT_HOLD:
			counts.holding = true;
			counts.hold_since = steady;
			break;
		case FW_ROLLOUT_NEXT_STAGE:
			plan.stage++;
			counts.holding = false;
			/* fall through */
		case FW_ROLLOUT_NEW_EPOCH:
			counts.epoch_good = counts.epoch_bad = 0;
			break;
		default:
			fail_msg("%d: %s", step.action, step.reason);
		}
	}
	assert_int_equal(plan.stage, COUNT(until));
	assert_int_equal(steady, 4 * HOUR);
	assert_int_equal(counts.started, MILLION);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_stop_counts_bad_and_good),
		cmocka_unit_test(the_stop_counts_anew_after_its_window),
		cmocka_unit_test(a_gate_opens_when_its_conditions_have_held),
		cmocka_unit_test(a_gate_without_a_hold_opens_at_once),
		cmocka_unit_test(a_gate_may_wait_for_a_person),
		cmocka_unit_test(a_stage_that_is_done_stays_so_while_it_is_paused),
		cmocka_unit_test(nothing_follows_the_last_stage),
		cmocka_unit_test(a_gate_out_of_reach_pauses),
		cmocka_unit_test(the_last_stage_pauses_while_that_spares_a_device),
		cmocka_unit_test(a_task_ends_at_its_time),
		cmocka_unit_test(the_stop_goes_first_and_a_pause_is_quiet),
		cmocka_unit_test(a_wall_clock_is_behind_by_more_than_ten_minutes),
		cmocka_unit_test(what_is_proved_and_what_is_bad),
		cmocka_unit_test(a_whole_rollout_passes_its_stages),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
