/* Ends of tasks, and a wall clock that is set while tasks wait for times of it. */
#include "catalog_fixture.h"

#define SECOND INT64_C(1000)
#define HOUR (3600 * SECOND)

static int64_t ahead; /* of the machine's clock, ms */

int64_t __real_fw_now_ms(void);
int64_t __wrap_fw_now_ms(void);

int64_t __wrap_fw_now_ms(void)
{
	return __real_fw_now_ms() + ahead;
}

static void work_at(int64_t ms)
{
	ahead = ms;
	run_scheduler();
}

/* The catalog has seen a time, which nothing asked for, and then the machine lost it; t2 is changed
 * meanwhile. */
static void lose_time_and(const char *change)
{
	prepare_rows("UPDATE device SET presence = 'online', connection = 1001,"
		     " oldest_connection = 1001");
	operate("UPDATE task SET state = 'paused' WHERE task_id = 't2';"
		"INSERT INTO task_device (task_id, device_id) VALUES ('t2', 'd1')");
	work_at(0);
	work_at(2 * HOUR);
	ahead = HOUR / 2;
	operate(change);
	work_at(HOUR / 2);
	assert_logged("the clock is behind");
}

static void an_end_that_passed_while_the_clock_was_behind_is_made_up_for(void **state)
{
	(void)state;
	lose_time_and("UPDATE task SET state = 'running', rate_per_minute = 1,"
		      " end_at = (unixepoch() + 100) * 1000 WHERE task_id = 't2'");
	assert_rows("SELECT state FROM task WHERE task_id = 't2'", "running");
	work_at(2 * HOUR);
	assert_rows("SELECT state, paused_reason FROM task WHERE task_id = 't2'",
		"paused|end_at is reached");
}

static void a_start_that_passed_while_the_clock_was_behind_is_made_up_for(void **state)
{
	(void)state;
	lose_time_and("UPDATE task SET state = 'running', "
		      " start_at = (unixepoch() + 100) * 1000 WHERE task_id = 't2'");
	assert_rows("SELECT state FROM task_device", "waiting");
	work_at(2 * HOUR);
	assert_rows("SELECT state FROM task_device", "processing");
}

static void the_log_says_why_a_task_was_stopped_at_its_end(void **state)
{
	(void)state;
	operate("UPDATE task SET end_at = (unixepoch() + 100) * 1000, end_action = 'stop',"
		" max_in_flight = 1 WHERE task_id = 't2';"
		"INSERT INTO task_device (task_id, device_id) VALUES ('t2', 'd1')");
	work_at(HOUR);
	assert_rows("SELECT what, detail, who FROM task_log WHERE task_id = 't2'"
		    " ORDER BY log_id DESC LIMIT 1",
		"stopped|end_at is reached|plugin");
	assert_rows("SELECT state, paused_reason, paused_at FROM task WHERE task_id = 't2'",
		"stopped|-|-");
}

static void a_paused_task_ends_with_its_last_row(void **state)
{
	(void)state;
	operate("INSERT INTO task_device (task_id, device_id) VALUES ('t2', 'd1');"
		"UPDATE task SET state = 'paused' WHERE task_id = 't2'");
	prepare_rows("UPDATE task_device SET state = 'success', completed_at = 1");
	assert_rows("SELECT what, who FROM task_log WHERE task_id = 't2'"
		    " ORDER BY log_id DESC LIMIT 1",
		"ended|plugin");
}

static int open_at_the_right_time(void **state)
{
	ahead = 0;
	return open_catalog(state);
}

#define CLOCK_TEST(name)                                                                           \
	cmocka_unit_test_setup_teardown(name, open_at_the_right_time, close_catalog)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CLOCK_TEST(an_end_that_passed_while_the_clock_was_behind_is_made_up_for),
		CLOCK_TEST(a_start_that_passed_while_the_clock_was_behind_is_made_up_for),
		CLOCK_TEST(the_log_says_why_a_task_was_stopped_at_its_end),
		CLOCK_TEST(a_paused_task_ends_with_its_last_row),
	};

	return cmocka_run_group_tests_name("wall_clock", tests, open_folder, close_folder);
}
