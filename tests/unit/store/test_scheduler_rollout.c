/* Rows of tasks with rules of their own: who is looked at, and when. */
#include "apply_fixture.h"

/* Mosquitto 2.0 tells of no connections, so that he may be there. */
static void who_may_be_there_is_tried_when_there_was_time_to_come_back(void **state)
{
	(void)state;
	operate("UPDATE task SET max_in_flight = 1 WHERE task_id = 't2';"
		"INSERT INTO task_device (task_id, device_id) VALUES ('t2', 'd1'), ('t2', 'd2')");
	run_scheduler();
	assert_states("t2|d1|waiting\nt2|d2|waiting");
	pass_ms(3000);
	run_scheduler();
	assert_states("t2|d1|processing\nt2|d2|waiting");
}

static void assert_task(const char *expected)
{
	assert_rows("SELECT state, paused_reason FROM task WHERE task_id = 't2'", expected);
}

/* One of two has failed, and was to be tried again; a stop ends that. */
static void the_same_failures_do_not_pause_a_task_that_is_continued(void **state)
{
	(void)state;
	operate("INSERT INTO task_stage (task_id, stage, until_percent) VALUES"
		" ('t2', 1, 50), ('t2', 2, 100);"
		"UPDATE task SET retry_limit = 1 WHERE task_id = 't2';"
		"INSERT INTO task_device (task_id, device_id) VALUES ('t2', 'd1'), ('t2', 'd2')");
	prepare_rows("UPDATE task_device SET state = 'failed', failure = 'timeout', attempts = 1,"
		     " retry_at = 1, bad_epoch = 1, completed_at = 1 WHERE device_id = 'd1'");
	run_scheduler();
	assert_task("running|-");
	operate("UPDATE task SET state = 'stopped' WHERE task_id = 't2'");
	run_scheduler();
	operate("UPDATE task SET state = 'running' WHERE task_id = 't2'");
	run_scheduler();
	assert_task("running|-");
	/* another one does */
	operate("UPDATE task_device SET state = 'waiting' WHERE device_id = 'd1'");
	prepare_rows("UPDATE task_device SET state = 'failed', failure = 'timeout',"
		     " bad_epoch = 2, completed_at = 1 WHERE device_id = 'd1'");
	pass_ms(1000);
	operate("UPDATE task SET stop_window = 999 WHERE task_id = 't2'");
	run_scheduler();
	assert_task("paused|stage 1: 1 of 1 failed, 90 % cannot be reached");
}

/* Nobody looked at the task, as nothing of it was open. */
static void a_row_that_is_added_does_not_start_where_the_limit_is_exceeded(void **state)
{
	(void)state;
	prepare_rows("UPDATE device SET presence = 'online', connection = 1001,"
		     " oldest_connection = 1001");
	operate("UPDATE task SET stop_failed_count = 5 WHERE task_id = 't2';"
		"INSERT INTO task_device (task_id, device_id) VALUES ('t2', 'd1')");
	prepare_rows("UPDATE task_device SET state = 'failed', failure = 'device', attempts = 1,"
		     " bad_epoch = 1, completed_at = 1");
	run_scheduler();
	operate("UPDATE task SET stop_failed_count = 1 WHERE task_id = 't2'");
	run_scheduler();
	assert_task("running|-");
	operate("INSERT INTO task_device (task_id, device_id) VALUES ('t2', 'd2')");
	run_scheduler();
	assert_task("paused|1 failed: the limit is 1");
	assert_states("t2|d1|failed\nt2|d2|waiting");
}

/* The operator's word stands, whatever the device says of its time. */
static void what_was_put_back_behind_a_newer_task_may_be_put_off(void **state)
{
	struct fw_uplink later = from_d1(FW_UPLINK_REPLY);

	(void)state;
	operate("INSERT INTO task_device (task_id, device_id) VALUES ('t2', 'd1');"
		"UPDATE task SET supersede = 1, state = 'paused' WHERE task_id = 't3';"
		"INSERT INTO task_device (task_id, device_id) VALUES ('t3', 'd1')");
	assert_states("t2|d1|canceled\nt3|d1|waiting");
	operate("UPDATE task_device SET state = 'waiting' WHERE task_id = 't2'");
	later.firmware_id = FW_SLICE("f2");
	later.retry_after = 60;
	begin();
	apply(later);
	commit();
	assert_rows("SELECT task_id, state, deferred_until > 0 FROM task_device ORDER BY 1",
		"t2|waiting|1\nt3|waiting|-");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CATALOG_TEST(who_may_be_there_is_tried_when_there_was_time_to_come_back),
		CATALOG_TEST(the_same_failures_do_not_pause_a_task_that_is_continued),
		CATALOG_TEST(a_row_that_is_added_does_not_start_where_the_limit_is_exceeded),
		CATALOG_TEST(what_was_put_back_behind_a_newer_task_may_be_put_off),
	};

	return cmocka_run_group_tests_name("scheduler_rollout", tests, open_folder, close_folder);
}
