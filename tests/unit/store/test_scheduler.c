/* What is sent to a device, what is due and when, and what follows from operators' changes. */
#include "catalog_fixture.h"

#define UPGRADE "/lamp/d1/firmware/upgrade"
#define TASK "/lamp/d1/firmware/task"

static const char online[] =
	"UPDATE device SET presence = 'online', connection = 1001, oldest_connection = 1001";
static const char both_rows[] =
	"INSERT INTO task_device (task_id, device_id) VALUES ('t2', 'd1'), ('t3', 'd1')";

static void look_for_push(void)
{
	begin();
	assert_int_equal(fw_scheduler_push_next(catalog.scheduler, LAMP, D1), FW_OK);
	commit();
}

/* Rows that the plugin added itself, behind the scheduler's back. */
static void prepare(const char *sql)
{
	prepare_rows(sql);
	prepare_rows("DELETE FROM task_change; DELETE FROM device_change");
	assert_published("");
}

static void the_oldest_task_is_pushed(void **state)
{
	(void)state;
	prepare(both_rows);
	prepare(online);
	prepare("UPDATE task SET created_at = 1 WHERE task_id = 't3'");
	look_for_push();
	assert_states("t2|d1|waiting\nt3|d1|processing");
	assert_published(TASK "\n" UPGRADE);
	assert_int_equal(fw_count_get(&catalog.counters, FW_COUNT_PUSHES), 1);
}

static void one_upgrade_at_a_time(void **state)
{
	(void)state;
	prepare(both_rows);
	prepare(online);
	look_for_push();
	assert_published(TASK "\n" UPGRADE);
	look_for_push();
	assert_published("");
	assert_rows("SELECT count(*) FROM task_device WHERE state = 'processing'", "1");
}

static void nothing_is_pushed_to_who_is_offline(void **state)
{
	(void)state;
	prepare(both_rows);
	prepare("UPDATE device SET presence = 'offline'");
	look_for_push();
	assert_published("");
	assert_states("t2|d1|waiting\nt3|d1|waiting");
}

static void who_may_be_there_is_pushed_once(void **state)
{
	const struct fw_upgrade_input nobody = {.connection = 0};
	struct fw_task_device row;

	(void)state;
	prepare(both_rows);
	/* where the broker tells of connections, who is not known to be there is not */
	catalog.context.sees_connections = true;
	pass_ms(3000);
	look_for_push();
	assert_published("");
	catalog.context.sees_connections = false;
	look_for_push();
	assert_published(TASK "\nblind " UPGRADE);
	begin();
	row = row_of("t2", "d1");
	assert_int_equal(
		fw_transition_apply(catalog.rows, &row, FW_EVENT_NO_RESPONSE, &nobody, NULL),
		FW_OK);
	commit();
	assert_published(TASK);
	look_for_push();
	assert_published("");
	assert_states("t2|d1|waiting\nt3|d1|waiting");
}

/* Who comes back shows himself by then: pushed before, he would get it twice. */
static void who_may_come_back_after_the_start_is_waited_for(void **state)
{
	(void)state;
	prepare(both_rows);
	pass_ms(2000);
	look_for_push();
	assert_published("");
	pass_ms(1000);
	run_scheduler();
	assert_published(TASK "\nblind " UPGRADE);
}

static void what_cannot_be_offered_is_not_pushed(void **state)
{
	(void)state;
	prepare("INSERT INTO task_device (task_id, device_id) VALUES ('t2', 'd1')");
	prepare(online);
	prepare("UPDATE product SET firmware_enabled = 0");
	look_for_push();
	assert_published("");
	prepare("UPDATE product SET firmware_enabled = 1");
	look_for_push();
	assert_published(TASK "\n" UPGRADE);
}

static void a_device_is_waited_for(void **state)
{
	int64_t due = fw_clock_now(&catalog.transaction.clock) + 3000;
	char sql[128];

	(void)state;
	prepare(both_rows);
	prepare(online);
	snprintf(sql, sizeof(sql), "UPDATE device SET due_at = %lld", (long long)due);
	prepare(sql);
	look_for_push();
	assert_published("");
	pass_ms(2000);
	run_scheduler();
	assert_published("");
	pass_ms(1000);
	run_scheduler();
	assert_published(TASK "\n" UPGRADE);
	assert_rows("SELECT due_at FROM device WHERE device_id = 'd1'", "-");
}

static void what_the_device_has_passed_ends_before_the_push(void **state)
{
	(void)state;
	prepare(both_rows);
	prepare(online);
	prepare("UPDATE device SET version = '3.0'");
	look_for_push();
	assert_rows("SELECT state, error_reason FROM task_device WHERE task_id = 't2'",
		"canceled|runs 3.0, which is newer");
	assert_rows("SELECT state FROM task_device WHERE task_id = 't3'", "processing");
	assert_published(TASK "\n" TASK "\n" UPGRADE);
}

/* A push to a device that is there, and does not answer. */
static void push(void)
{
	prepare("INSERT INTO task_device (task_id, device_id) VALUES ('t2', 'd1')");
	prepare(online);
	look_for_push();
	assert_published(TASK "\n" UPGRADE);
}

static void who_does_not_answer_has_failed(void **state)
{
	(void)state;
	push();
	pass_ms(59000);
	run_scheduler();
	assert_states("t2|d1|processing");
	pass_ms(1000);
	run_scheduler();
	assert_rows("SELECT state, failure FROM task_device", "failed|response");
	assert_published(TASK);
}

static void nobody_is_blamed_for_what_was_not_heard_yet(void **state)
{
	(void)state;
	push();
	pass_ms(100000);
	catalog.transaction.heard_until_ms -= 50000; /* uplinks wait in the spool */
	run_scheduler();
	assert_states("t2|d1|processing");
	catalog.transaction.heard_until_ms += 50000;
	run_scheduler();
	assert_states("t2|d1|failed");
}

static void an_upgrade_takes_too_long(void **state)
{
	struct fw_task_device row;

	(void)state;
	push();
	begin();
	row = row_of("t2", "d1");
	assert_int_equal(
		fw_transition_apply(catalog.rows, &row, FW_EVENT_ACCEPTED, NULL, NULL), FW_OK);
	commit();
	fw_scheduler_changed(catalog.scheduler);
	pass_ms(3599000);
	run_scheduler();
	assert_states("t2|d1|processing");
	pass_ms(1000);
	run_scheduler();
	assert_rows("SELECT state, failure FROM task_device", "failed|timeout");
	/* it may be about to restart: the next upgrade waits for that */
	assert_rows("SELECT settles_at IS NOT NULL FROM device WHERE device_id = 'd1'", "1");
}

static void who_came_back_without_an_answer_is_sent_it_again(void **state)
{
	int64_t due;
	char sql[160];

	(void)state;
	push();
	due = fw_clock_now(&catalog.transaction.clock) + 3000;
	snprintf(sql, sizeof(sql),
		"UPDATE device SET connection = 1002, oldest_connection = 1002, due_at = %lld",
		(long long)due);
	prepare(sql);
	fw_scheduler_changed(catalog.scheduler);
	pass_ms(3000);
	run_scheduler();
	assert_rows("SELECT state, attempts, interruptions, connection FROM task_device",
		"processing|2|1|1002");
	assert_published(TASK "\n" TASK "\n" UPGRADE);
}

/* Who comes back after a restart shows himself before a push goes to who knows whom. */
static void what_waits_at_the_start_is_pushed_a_moment_later(void **state)
{
	(void)state;
	prepare(both_rows);
	run_scheduler();
	assert_published("");
	pass_ms(3000);
	run_scheduler();
	assert_published(TASK "\nblind " UPGRADE);
}

static void the_next_time_is_the_earliest(void **state)
{
	(void)state;
	run_scheduler();
	assert_int_equal(
		fw_scheduler_next_due(catalog.scheduler), catalog.transaction.started_ms + 3000);
	pass_ms(3000);
	run_scheduler();
	assert_true(fw_scheduler_next_due(catalog.scheduler) == INT64_MAX);
	push();
	run_scheduler();
	assert_int_equal(fw_scheduler_next_due(catalog.scheduler), row_of("t2", "d1").due_at);
	prepare("UPDATE device SET due_at = 5 WHERE device_id = 'd2'");
	catalog.transaction.heard_until_ms = 4;
	fw_scheduler_changed(catalog.scheduler);
	run_scheduler();
	assert_int_equal(fw_scheduler_next_due(catalog.scheduler), 5);
}

static void a_row_that_may_not_end_holds_up_no_other(void **state)
{
	(void)state;
	prepare("INSERT INTO task_device (task_id, device_id) VALUES ('t2', 'd1'), ('t2', 'd2')");
	prepare(online);
	look_for_push();
	begin();
	assert_int_equal(fw_scheduler_push_next(catalog.scheduler, LAMP, D2), FW_OK);
	commit();
	assert_states("t2|d1|processing\nt2|d2|processing");
	operate("CREATE TRIGGER frozen BEFORE UPDATE OF state ON task_device WHEN OLD.device_id = "
		"'d1' AND NEW.state <> OLD.state BEGIN SELECT RAISE(ABORT, 'frozen'); END");
	pass_ms(60000);
	run_scheduler();
	assert_states("t2|d1|processing\nt2|d2|failed");
	assert_logged("frozen");
	/* and comes again a minute later */
	assert_in_range(row_of("t2", "d1").due_at, catalog.transaction.heard_until_ms + 59000,
		catalog.transaction.steady_ms + 60000);
}

static void an_operators_row_is_pushed(void **state)
{
	(void)state;
	prepare(online);
	run_scheduler();
	operate("INSERT INTO task_device (task_id, device_id) VALUES ('t2', 'd1')");
	run_scheduler();
	assert_states("t2|d1|processing");
	assert_published(TASK "\n" UPGRADE);
	assert_rows("SELECT count(*) FROM task_change", "0");
}

static void what_an_operator_retries_is_pushed_again(void **state)
{
	(void)state;
	push();
	pass_ms(60000);
	run_scheduler();
	assert_states("t2|d1|failed");
	assert_published(TASK);
	operate("UPDATE task_device SET state = 'waiting' WHERE task_id = 't2'");
	run_scheduler();
	assert_rows("SELECT state, attempts, interruptions FROM task_device", "processing|2|0");
	assert_published(TASK "\n" TASK "\n" UPGRADE); /* that it waits, and the push */
}

static void of_a_new_device_presence_is_asked(void **state)
{
	(void)state;
	run_scheduler();
	operate("INSERT INTO device (product_id, device_id) VALUES ('lamp', 'd3')");
	run_scheduler();
	assert_published("?lamp/d3");
	assert_rows("SELECT count(*) FROM device_change", "0");
}

/* The devices of a task that starts are looked at once, some in a round. */
static void a_task_that_starts_is_swept(void **state)
{
	(void)state;
	prepare("WITH RECURSIVE n(i) AS (SELECT 10 UNION ALL SELECT i + 1 FROM n WHERE i < 309) "
		"INSERT INTO device (product_id, device_id, presence, connection) SELECT 'lamp', "
		"'x' || i, 'online', 1001 FROM n");
	run_scheduler();
	operate("INSERT INTO task (task_id, firmware_id, name, mode) VALUES ('all', 'f2', 'n', "
		"'push')");
	run_scheduler();
	assert_rows("SELECT count(*), sum(attempts) FROM task_device WHERE state = 'processing' "
		    "AND device_id LIKE 'x%'",
		"300|300");
}

static void a_pull_task_is_never_pushed(void **state)
{
	(void)state;
	prepare(online);
	operate("INSERT INTO task (task_id, firmware_id, name, mode, release_type) VALUES ('t', "
		"'f2', 'n', 'pull', 'part'); INSERT INTO task_device (task_id, device_id) VALUES "
		"('t', 'd1')");
	run_scheduler();
	assert_states("t|d1|waiting");
	assert_published("");
}

static void a_gateways_connection_takes_so_many_pushes_a_second(void **state)
{
	(void)state;
	catalog.context.gateways = true;
	catalog.context.rate = 1;
	prepare("INSERT INTO task_device (task_id, device_id) VALUES ('t2', 'd1'), ('t2', 'd2')");
	prepare(online); /* both by one connection */
	look_for_push();
	begin();
	assert_int_equal(fw_scheduler_push_next(catalog.scheduler, LAMP, D2), FW_OK);
	commit();
	assert_states("t2|d1|processing\nt2|d2|waiting");
	pass_ms(1100);
	run_scheduler();
	assert_states("t2|d1|processing\nt2|d2|processing");
}

/* In one statement, the higher turn first. */
static void rows_that_are_added_start_in_their_turn(void **state)
{
	(void)state;
	prepare(online);
	operate("INSERT INTO task_stage (task_id, stage, until_count, until_percent)"
		" VALUES ('t2', 1, 1, NULL), ('t2', 2, NULL, 100);"
		"INSERT INTO task_device (task_id, device_id, turn)"
		" VALUES ('t2', 'd1', 9), ('t2', 'd2', 5)");
	run_scheduler();
	assert_states("t2|d1|waiting\nt2|d2|processing");
}

/* A stage of half the rows has a place more, which is not for the one that was added. */
static void a_row_that_is_added_leaves_its_place_to_a_lower_turn(void **state)
{
	(void)state;
	prepare("INSERT INTO device (product_id, device_id) VALUES ('lamp', 'd3')");
	prepare(online);
	operate("INSERT INTO task_stage (task_id, stage, until_percent)"
		" VALUES ('t2', 1, 50), ('t2', 2, 100);"
		"INSERT INTO task_device (task_id, device_id, turn)"
		" VALUES ('t2', 'd1', 1), ('t2', 'd2', 2)");
	run_scheduler();
	assert_states("t2|d1|processing\nt2|d2|waiting");
	operate("INSERT INTO task_device (task_id, device_id, turn) VALUES ('t2', 'd3', 9)");
	run_scheduler();
	assert_states("t2|d1|processing\nt2|d2|processing\nt2|d3|waiting");
}

/* It waited again while the task was paused. No stage bounds it, and who never started and has a
 * lower turn finds the stage full. */
static void start_again_in_a_full_stage(const char *presence)
{
	struct fw_task_device row;

	pass_ms(3000);
	prepare(online);
	prepare("UPDATE device SET presence = 'offline' WHERE device_id = 'd1'");
	operate("INSERT INTO task_stage (task_id, stage, until_count, until_percent)"
		" VALUES ('t2', 1, 1, NULL), ('t2', 2, NULL, 100);"
		"INSERT INTO task_device (task_id, device_id, turn)"
		" VALUES ('t2', 'd1', 1), ('t2', 'd2', 9)");
	run_scheduler();
	assert_states("t2|d1|waiting\nt2|d2|processing");
	operate("UPDATE task SET state = 'paused' WHERE task_id = 't2'");
	run_scheduler();
	begin();
	row = row_of("t2", "d2");
	assert_int_equal(
		fw_transition_apply(catalog.rows, &row, FW_EVENT_INTERRUPTED, NULL, NULL), FW_OK);
	commit();
	prepare_rows(presence);
	operate("UPDATE task SET state = 'running' WHERE task_id = 't2'");
	run_scheduler();
	assert_states("t2|d1|waiting\nt2|d2|processing");
}

static void who_was_started_is_started_again_in_a_full_stage(void **state)
{
	(void)state;
	start_again_in_a_full_stage(online);
}

/* Who never started would be tried in the last stage alone. */
static void who_was_started_and_may_be_there_is_tried_in_a_full_stage(void **state)
{
	(void)state;
	start_again_in_a_full_stage("UPDATE device SET presence = NULL, connection = NULL");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CATALOG_TEST(the_oldest_task_is_pushed),
		CATALOG_TEST(one_upgrade_at_a_time),
		CATALOG_TEST(nothing_is_pushed_to_who_is_offline),
		CATALOG_TEST(who_may_be_there_is_pushed_once),
		CATALOG_TEST(who_may_come_back_after_the_start_is_waited_for),
		CATALOG_TEST(what_cannot_be_offered_is_not_pushed),
		CATALOG_TEST(a_device_is_waited_for),
		CATALOG_TEST(what_the_device_has_passed_ends_before_the_push),
		CATALOG_TEST(who_does_not_answer_has_failed),
		CATALOG_TEST(nobody_is_blamed_for_what_was_not_heard_yet),
		CATALOG_TEST(an_upgrade_takes_too_long),
		CATALOG_TEST(who_came_back_without_an_answer_is_sent_it_again),
		CATALOG_TEST(what_waits_at_the_start_is_pushed_a_moment_later),
		CATALOG_TEST(the_next_time_is_the_earliest),
		CATALOG_TEST(a_row_that_may_not_end_holds_up_no_other),
		CATALOG_TEST(an_operators_row_is_pushed),
		CATALOG_TEST(what_an_operator_retries_is_pushed_again),
		CATALOG_TEST(of_a_new_device_presence_is_asked),
		CATALOG_TEST(a_task_that_starts_is_swept),
		CATALOG_TEST(a_pull_task_is_never_pushed),
		CATALOG_TEST(a_gateways_connection_takes_so_many_pushes_a_second),
		CATALOG_TEST(rows_that_are_added_start_in_their_turn),
		CATALOG_TEST(a_row_that_is_added_leaves_its_place_to_a_lower_turn),
		CATALOG_TEST(who_was_started_is_started_again_in_a_full_stage),
		CATALOG_TEST(who_was_started_and_may_be_there_is_tried_in_a_full_stage),
	};

	return cmocka_run_group_tests_name("scheduler", tests, open_folder, close_folder);
}
