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

static const char *const keep_running[] = {
	"CREATE TRIGGER keep_running BEFORE UPDATE OF state ON task WHEN NEW.state = 'paused' "
	"BEGIN SELECT RAISE(ABORT, 'it goes on'); END",
	"CREATE TRIGGER keep_running BEFORE UPDATE OF state ON task WHEN NEW.state = 'paused' "
	"BEGIN SELECT RAISE(IGNORE); END",
};

/* d1 has been sent t2, which one failure pauses; d2 waits for it, and is away. Nothing is there for
 * d3. */
static void push_where_one_failure_pauses(void)
{
	operate("UPDATE task SET stop_failed_count = 1 WHERE task_id = 't2';"
		"INSERT INTO task_device (task_id, device_id) VALUES ('t2', 'd1'), ('t2', 'd2')");
	prepare_rows("INSERT INTO device (product_id, device_id) VALUES ('lamp', 'd3');"
		     "UPDATE device SET presence = 'online', connection = 1001,"
		     " oldest_connection = 1001 WHERE device_id <> 'd2'");
	begin();
	push("t2");
	commit();
	drain();
	catalog.published[0] = '\0';
}

static uint64_t counted_failures(void)
{
	return fw_count_get(&catalog.counters, FW_COUNT_ENDED_FAILED + (int)FW_FAILURE_DEVICE);
}

/* By an operator's trigger. */
static void a_pause_that_is_refused_hides_no_failure(void **state)
{
	uint64_t before = counted_failures();

	(void)state;
	push_where_one_failure_pauses();
	operate(keep_running[0]);
	begin();
	complete("f2", false, "no");
	commit();
	assert_states("t2|d1|failed\nt2|d2|waiting");
	assert_published("/lamp/d1/firmware/task");
	assert_int_equal(counted_failures(), before + 1);
	assert_logged(
		"the catalog's rules refuse a step of task t2, which is passed over: it goes on");
}

/* The other tasks are looked at, and this one again in a minute. */
static void a_pause_that_is_refused_holds_up_no_other_task(void **state)
{
	(void)state;
	for (size_t i = 0; i < 2; i++) {
		push_where_one_failure_pauses();
		operate(keep_running[i]);
		begin();
		complete("f2", false, "no");
		commit();
		run_scheduler();
		operate("INSERT INTO task_device (task_id, device_id) VALUES ('t3', 'd3')");
		run_scheduler();
		assert_rows("SELECT state FROM task_device WHERE task_id = 't3'", "processing");
		assert_task("running|-");
		/* the store sleeps until then */
		assert_false(fw_rollouts_due(catalog.rollouts));
		operate("DROP TRIGGER keep_running");
		pass_ms(61000);
		run_scheduler();
		assert_task("paused|1 failed: the limit is 1");
		close_catalog(state);
		assert_int_equal(open_catalog(state), 0);
	}
}

/* A task that is not paused when its stage is done gets no mark of that, which ends its steps. */
static void a_stage_whose_pause_is_refused_is_paused_later(void **state)
{
	(void)state;
	operate("INSERT INTO task_stage (task_id, stage, until_percent, hold_seconds, on_success)"
		" VALUES ('t2', 1, 50, 0, 'pause'), ('t2', 2, 100, 0, 'next');"
		"INSERT INTO task_device (task_id, device_id) VALUES ('t2', 'd1'), ('t2', 'd2')");
	prepare_rows("UPDATE task_device SET state = 'success', attempts = 1, proved_epoch = 1,"
		     " verified_at = 1, completed_at = 1 WHERE device_id = 'd1'");
	operate(keep_running[0]);
	run_scheduler();
	assert_task("running|-");
	operate("DROP TRIGGER keep_running");
	pass_ms(61000);
	run_scheduler();
	assert_task("paused|stage 1 is done: 1 of 1 proved");
}

static const char freeze[] =
	"CREATE TRIGGER frozen BEFORE UPDATE ON task_device WHEN OLD.device_id = 'd1' "
	"BEGIN SELECT RAISE(ABORT, 'frozen'); END";

/* Nor can it be marked as one to be told of later. */
static void a_frozen_row_is_told_of_above_the_rate(void **state)
{
	(void)state;
	operate("INSERT INTO task_device (task_id, device_id) VALUES ('t2', 'd1'), ('t3', 'd1')");
	run_scheduler();
	assert_published("");
	catalog.context.rate = 1;
	operate("UPDATE task SET state = 'stopped'");
	operate(freeze);
	run_scheduler();
	assert_published("/lamp/d1/firmware/task\n/lamp/d1/firmware/task");
	assert_logged("frozen");
}

/* Its row is not to be touched: not when retries are due, nor for an absence. */
static void a_frozen_row_holds_up_no_other(void **state)
{
	bool managed;

	(void)state;
	operate("UPDATE task SET retry_limit = 1, lost_seconds = 60, max_in_flight = 9 WHERE "
		"task_id = 't2';"
		"INSERT INTO task_device (task_id, device_id) VALUES ('t2', 'd1')");
	prepare_rows("UPDATE task_device SET state = 'failed', failure = 'timeout', attempts = 1,"
		     " retry_at = 1, completed_at = 1 WHERE device_id = 'd1'");
	operate(freeze);
	begin();
	assert_int_equal(fw_rollouts_changed(catalog.rollouts, FW_SLICE("t2"), &managed), FW_OK);
	assert_true(managed);
	commit();
	operate("DROP TRIGGER frozen");
	prepare_rows("UPDATE task_device SET state = 'processing', retry_at = NULL,"
		     " lost_clock = 1, completed_at = NULL");
	operate(freeze);
	begin();
	assert_int_equal(fw_rollouts_begin_absences(catalog.rollouts), FW_OK);
	commit();
	assert_logged("frozen");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CATALOG_TEST(who_may_be_there_is_tried_when_there_was_time_to_come_back),
		CATALOG_TEST(the_same_failures_do_not_pause_a_task_that_is_continued),
		CATALOG_TEST(a_row_that_is_added_does_not_start_where_the_limit_is_exceeded),
		CATALOG_TEST(a_pause_that_is_refused_hides_no_failure),
		CATALOG_TEST(a_pause_that_is_refused_holds_up_no_other_task),
		CATALOG_TEST(a_stage_whose_pause_is_refused_is_paused_later),
		CATALOG_TEST(a_frozen_row_holds_up_no_other),
		CATALOG_TEST(a_frozen_row_is_told_of_above_the_rate),
		CATALOG_TEST(what_was_put_back_behind_a_newer_task_may_be_put_off),
	};

	return cmocka_run_group_tests_name("scheduler_rollout", tests, open_folder, close_folder);
}
