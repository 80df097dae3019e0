/* When a row may start: each condition, its words, its time, and which of them is told first. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "upgrade/start_gate.h"

#define MINUTE INT64_C(60000)
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)
#define MONDAY (INT64_C(19723) * DAY) /* 2024-01-01 00:00 UTC, a Monday */
#define STEADY (10 * HOUR)

static struct {
	struct fw_rollout_plan plan;
	struct fw_rollout_counts counts;
	struct fw_start_row row;
	struct fw_rollout_now now;
	struct fw_start_rate rate;
} world;

static struct fw_rollout_plan *const plan = &world.plan;
static struct fw_rollout_counts *const counts = &world.counts;
static struct fw_start_row *const row = &world.row;
static struct fw_rollout_now *const now = &world.now;

/* Nothing is in the way. */
static int set_up(void **ignored)
{
	(void)ignored;
	memset(&world, 0, sizeof(world));
	plan->stage = 1;
	plan->defer_ms = -1;
	counts->n = 100;
	row->firmware_ready = true;
	row->online = true;
	now->steady_ms = STEADY;
	now->wall_ms = MONDAY + 12 * HOUR;
	return 0;
}

static void pause_task(void)
{
	plan->state = FW_ROLLOUT_PAUSED;
}

static void stop_task(void)
{
	plan->state = FW_ROLLOUT_STOPPED;
}

static void start_later(void)
{
	plan->start_at = now->wall_ms + 3 * HOUR;
}

static void end_before(void)
{
	plan->end_at = now->wall_ms;
}

static void open_at_night(void)
{
	plan->window = (struct fw_window){.start = 22 * 60, .minutes = 60, .days = 127};
}

static void withdraw_firmware(void)
{
	row->firmware_ready = false;
}

static void go_away(void)
{
	row->offline = true;
	row->online = false;
}

static void come_back(void)
{
	plan->min_online_ms = HOUR;
	row->online_since = STEADY - HOUR + 1;
}

static void give_other_task(void)
{
	row->other_task = true;
}

static void demand_older_firmware(void)
{
	row->below_min_order = true;
}

static void defer(void)
{
	row->deferred_until = STEADY + 5;
}

static void fail_once(void)
{
	row->retry_at = STEADY + 6;
}

static void fill_stage(void)
{
	plan->stages = 2;
	plan->current = (struct fw_rollout_stage){
		.until_count = 10, .success_percent = 90, .hold_ms = HOUR};
	counts->started = 10;
}

static void fill_flight(void)
{
	plan->max_in_flight = 3;
	counts->in_flight = 3;
}

static void use_up_rate(void)
{
	plan->rate_per_minute = 120;
	fw_start_rate_init(&world.rate, STEADY - 100);
}

static const struct {
	const char *name;
	void (*make)(void);
	int64_t after;
	bool push_only, of_task, by_start;
} waits[FW_START_WAITS] = {
	[FW_WAITS_FOR_PAUSED_TASK] = {"task paused", pause_task, 0, false, true, false},
	[FW_WAITS_FOR_STOPPED_TASK] = {"task stopped", stop_task, 0, false, true, false},
	[FW_WAITS_FOR_START_TIME] = {"start time", start_later, 3 * HOUR, false, true, false},
	[FW_WAITS_FOR_END_TIME] = {"end time", end_before, 0, false, true, false},
	[FW_WAITS_FOR_WINDOW] = {"window", open_at_night, 10 * HOUR, false, true, false},
	[FW_WAITS_FOR_FIRMWARE] = {"firmware", withdraw_firmware, 0, false, true, false},
	[FW_WAITS_FOR_DEVICE] = {"device offline", go_away, 0, true, false, false},
	[FW_WAITS_FOR_UNSETTLED_DEVICE] = {"device unsettled", come_back, 1, true, false, false},
	[FW_WAITS_FOR_OTHER_TASK] = {"other task", give_other_task, 0, false, false, false},
	[FW_WAITS_FOR_OLDER_FIRMWARE] = {"older firmware first", demand_older_firmware, 0, false,
		false, false},
	[FW_WAITS_FOR_DEFERRAL] = {"deferred", defer, 5, false, false, false},
	[FW_WAITS_FOR_RETRY] = {"retry", fail_once, 6, false, false, false},
	[FW_WAITS_FOR_STAGE] = {"stage", fill_stage, 0, false, true, true},
	[FW_WAITS_FOR_IN_FLIGHT] = {"in flight", fill_flight, 0, false, true, false},
	[FW_WAITS_FOR_RATE] = {"rate", use_up_rate, 400, false, true, false},
};

#define EACH_WAIT(w)                                                                               \
	enum fw_start_wait w = FW_WAITS_FOR_NOTHING + 1;                                           \
	w < FW_START_WAITS;                                                                        \
	w++

static void expect(enum fw_start_wait wait, int64_t after)
{
	int64_t retry_after = -1;
	enum fw_start_wait found =
		fw_start_gate_row(plan, counts, row, now, &world.rate, &retry_after);

	if (found != wait)
		fail_msg("waits for \"%s\", not \"%s\"", fw_start_gate_wait_name(found),
			fw_start_gate_wait_name(wait));
	assert_int_equal(retry_after, after);
}

static void expect_task(enum fw_start_wait wait, int64_t after)
{
	int64_t retry_after = -1;

	assert_int_equal(fw_start_gate_task(plan, counts, row->firmware_ready, row->started, now,
				 &world.rate, &retry_after),
		wait);
	assert_int_equal(retry_after, after);
}

static void a_row_starts_when_nothing_is_in_the_way(void **ignored)
{
	(void)ignored;
	expect(FW_WAITS_FOR_NOTHING, 0);
	expect_task(FW_WAITS_FOR_NOTHING, 0);
	/* the clocks at their beginning */
	now->steady_ms = now->wall_ms = 0;
	expect(FW_WAITS_FOR_NOTHING, 0);
	/* not seen since the broker started: it counts as there, as ever */
	row->online = false;
	expect(FW_WAITS_FOR_NOTHING, 0);
}

static void who_is_not_known_to_be_there_waits_for_the_last_stage(void **ignored)
{
	(void)ignored;
	row->online = false;
	plan->stages = 2;
	plan->current.until_count = 10;
	expect(FW_WAITS_FOR_DEVICE, 0);
	row->started = true;
	expect(FW_WAITS_FOR_NOTHING, 0);
	row->started = false;
	row->pull = true;
	expect(FW_WAITS_FOR_NOTHING, 0);
	row->pull = false;
	plan->stage = 2;
	expect(FW_WAITS_FOR_NOTHING, 0);
}

static void each_wait_has_its_words_and_its_time(void **ignored)
{
	for (EACH_WAIT(wait)) {
		assert_string_equal(fw_start_gate_wait_name(wait), waits[wait].name);
		set_up(ignored);
		waits[wait].make();
		expect(wait, waits[wait].after);
		row->pull = true;
		if (waits[wait].push_only)
			expect(FW_WAITS_FOR_NOTHING, 0);
		else
			expect(wait, waits[wait].after);
		row->pull = false;
		row->started = true;
		if (waits[wait].by_start)
			expect(FW_WAITS_FOR_NOTHING, 0);
		else
			expect(wait, waits[wait].after);
	}
	assert_string_equal(fw_start_gate_wait_name(FW_WAITS_FOR_NOTHING), "");
	assert_string_equal(fw_start_gate_wait_name(FW_START_WAITS), "");
}

static void of_two_waits_the_first_is_told(void **ignored)
{
	for (EACH_WAIT(first)) {
		for (enum fw_start_wait second = first + 1; second < FW_START_WAITS; second++) {
			set_up(ignored);
			/* one task is not both, and who is away is not unsettled */
			if (first == FW_WAITS_FOR_PAUSED_TASK &&
				second == FW_WAITS_FOR_STOPPED_TASK)
				continue;
			waits[second].make();
			waits[first].make();
			expect(first, waits[first].after);
		}
	}
}

static void a_task_waits_as_all_its_rows_do(void **ignored)
{
	for (EACH_WAIT(wait)) {
		set_up(ignored);
		waits[wait].make();
		if (waits[wait].of_task)
			expect_task(wait, waits[wait].after);
		else
			expect_task(FW_WAITS_FOR_NOTHING, 0);
	}
	/* some of its rows wait for another attempt, and have their places */
	set_up(ignored);
	fill_stage();
	row->started = true;
	expect_task(FW_WAITS_FOR_NOTHING, 0);
}

static void the_last_moment_of_each_time(void **ignored)
{
	(void)ignored;
	plan->start_at = now->wall_ms;
	plan->end_at = now->wall_ms + 1;
	plan->min_online_ms = HOUR;
	row->online_since = STEADY - HOUR;
	row->deferred_until = STEADY;
	row->retry_at = STEADY;
	expect(FW_WAITS_FOR_NOTHING, 0);
	plan->start_at++;
	expect(FW_WAITS_FOR_START_TIME, 1);
	plan->start_at = 0;
	now->wall_ms++;
	expect(FW_WAITS_FOR_END_TIME, 0);
	plan->end_at = 0;
	row->online = false;
	expect(FW_WAITS_FOR_UNSETTLED_DEVICE, 0);
	row->online = true;
	row->retry_at++;
	expect(FW_WAITS_FOR_RETRY, 1);
}

static void a_window_goes_by_its_clock(void **ignored)
{
	(void)ignored;
	open_at_night();
	now->broker_utc_offset = 600;
	expect(FW_WAITS_FOR_WINDOW, 10 * HOUR);
	plan->window.clock = FW_WINDOW_BROKER;
	expect(FW_WAITS_FOR_NOTHING, 0);
	expect_task(FW_WAITS_FOR_NOTHING, 0);
	/* the device's zone is unknown: the broker's */
	plan->window.clock = FW_WINDOW_DEVICE;
	expect(FW_WAITS_FOR_NOTHING, 0);
	row->utc_offset_known = true;
	expect(FW_WAITS_FOR_WINDOW, 10 * HOUR);
	row->utc_offset = 540;
	expect(FW_WAITS_FOR_WINDOW, HOUR);
	row->utc_offset = 630;
	expect(FW_WAITS_FOR_NOTHING, 0);
	/* some devices may be in it */
	row->utc_offset = 0;
	now->broker_utc_offset = 0;
	expect(FW_WAITS_FOR_WINDOW, 10 * HOUR);
	expect_task(FW_WAITS_FOR_NOTHING, 0);
}

static void times_hold_still_while_the_wall_clock_is_behind(void **ignored)
{
	now->wall_behind = true;
	expect(FW_WAITS_FOR_NOTHING, 0);
	plan->start_at = now->wall_ms - HOUR;
	expect(FW_WAITS_FOR_START_TIME, 0);
	/* what has begun goes on */
	counts->started = 1;
	expect(FW_WAITS_FOR_NOTHING, 0);
	plan->start_at = now->wall_ms + HOUR;
	expect(FW_WAITS_FOR_NOTHING, 0);
	set_up(ignored);
	now->wall_behind = true;
	plan->window = (struct fw_window){.minutes = 1440, .days = 127};
	expect(FW_WAITS_FOR_WINDOW, 0);
	plan->window.clock = FW_WINDOW_DEVICE;
	expect_task(FW_WAITS_FOR_WINDOW, 0);
	/* an end that even this clock says is over is over */
	plan->end_at = now->wall_ms;
	expect(FW_WAITS_FOR_END_TIME, 0);
}

static void a_stage_opens_after_its_hold(void **ignored)
{
	(void)ignored;
	fill_stage();
	counts->holding = true;
	counts->hold_since = STEADY - MINUTE;
	expect(FW_WAITS_FOR_STAGE, 59 * MINUTE);
	plan->current.pause_after = true;
	expect(FW_WAITS_FOR_STAGE, 0);
	counts->started = 9;
	expect(FW_WAITS_FOR_NOTHING, 0);
	/* the last stage has a budget too */
	plan->stages = 1;
	counts->started = 10;
	counts->holding = false;
	expect(FW_WAITS_FOR_STAGE, 0);
	plan->stages = 0;
	expect(FW_WAITS_FOR_NOTHING, 0);
}

static void the_rate_doubles_at_the_gate_too(void **ignored)
{
	(void)ignored;
	use_up_rate();
	plan->rate_doubles_after = 10;
	counts->proved = 20;
	expect(FW_WAITS_FOR_RATE, 25);
	now->steady_ms += 25;
	expect(FW_WAITS_FOR_NOTHING, 0);
	assert_int_equal(fw_start_rate_tokens(&world.rate, 480, now->steady_ms), 1);
}

static void a_lowered_cap_lets_nothing_start(void **ignored)
{
	(void)ignored;
	fill_flight();
	counts->in_flight = 2;
	expect(FW_WAITS_FOR_NOTHING, 0);
	counts->in_flight = 50;
	expect(FW_WAITS_FOR_IN_FLIGHT, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_row_starts_when_nothing_is_in_the_way, set_up),
		cmocka_unit_test_setup(
			who_is_not_known_to_be_there_waits_for_the_last_stage, set_up),
		cmocka_unit_test_setup(each_wait_has_its_words_and_its_time, set_up),
		cmocka_unit_test_setup(of_two_waits_the_first_is_told, set_up),
		cmocka_unit_test_setup(a_task_waits_as_all_its_rows_do, set_up),
		cmocka_unit_test_setup(the_last_moment_of_each_time, set_up),
		cmocka_unit_test_setup(a_window_goes_by_its_clock, set_up),
		cmocka_unit_test_setup(times_hold_still_while_the_wall_clock_is_behind, set_up),
		cmocka_unit_test_setup(a_stage_opens_after_its_hold, set_up),
		cmocka_unit_test_setup(the_rate_doubles_at_the_gate_too, set_up),
		cmocka_unit_test_setup(a_lowered_cap_lets_nothing_start, set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
