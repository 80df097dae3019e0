/* What the log says that the store has done is in the catalog, and is said once. */
#include "apply_fixture.h"

static const char *const paused = "task t2 is paused: 1 failed: the limit is 1";

static const char keep_running[] =
	"CREATE TRIGGER keep_running BEFORE UPDATE OF state ON task WHEN NEW.state = 'paused' "
	"BEGIN SELECT RAISE(%s); END";

/* So often the line was written since this was asked last. */
static unsigned times_logged(const char *line)
{
	unsigned times = 0;

	drain();
	for (const char *at = catalog.logged; (at = strstr(at, line)); at += strlen(line))
		times++;
	catalog.logged[0] = '\0';
	return times;
}

static void push_where_one_failure_pauses(void)
{
	operate("UPDATE task SET stop_failed_count = 1 WHERE task_id = 't2';"
		"INSERT INTO task_device (task_id, device_id) VALUES ('t2', 'd2')");
	online_with_rows();
	push("t2");
	commit();
}

static void a_pause_is_logged_when_it_is_committed(void **state)
{
	(void)state;
	push_where_one_failure_pauses();
	begin();
	complete("f2", false, "no");
	fw_transaction_rollback(&catalog.transaction);
	assert_int_equal(times_logged(paused), 0);
	begin();
	complete("f2", false, "no");
	assert_int_equal(times_logged(paused), 0);
	commit();
	assert_int_equal(times_logged(paused), 1);
	assert_rows("SELECT state FROM task WHERE task_id = 't2'", "paused");
}

static void a_savepoint_takes_its_lines_back(void **state)
{
	(void)state;
	push_where_one_failure_pauses();
	begin();
	assert_int_equal(fw_transaction_save(&catalog.transaction), FW_OK);
	complete("f2", false, "no");
	assert_int_equal(fw_transaction_restore(&catalog.transaction), FW_OK);
	assert_int_equal(fw_transaction_release(&catalog.transaction), FW_OK);
	commit();
	assert_int_equal(times_logged(paused), 0);
}

/* By an operator's trigger, which keeps the task running. */
static void what_is_refused_is_not_logged_as_done(void **state)
{
	static const char *const ways[] = {"ABORT, 'it goes on'", "IGNORE"};
	char trigger[256];

	(void)state;
	push_where_one_failure_pauses();
	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		struct fw_uplink failure = from_d1(FW_UPLINK_PROGRESS);

		snprintf(trigger, sizeof(trigger), keep_running, ways[i]);
		operate(trigger);
		failure.firmware_id = FW_SLICE("f2");
		failure.complete = true;
		begin();
		fw_apply_uplink(catalog.apply, &failure);
		commit();
		assert_int_equal(times_logged(paused), 0);
		assert_rows("SELECT state FROM task WHERE task_id = 't2'", "running");
		operate("DROP TRIGGER keep_running");
	}
}

static void a_stage_and_an_end_are_logged_when_they_are_committed(void **state)
{
	(void)state;
	operate("INSERT INTO task_stage (task_id, stage, until_percent, hold_seconds)"
		" VALUES ('t2', 1, 50, 0), ('t2', 2, 100, 0);"
		"INSERT INTO task_device (task_id, device_id) VALUES ('t2', 'd1'), ('t2', 'd2')");
	prepare_rows("UPDATE task_device SET state = 'success', attempts = 1, proved_epoch = 1,"
		     " verified_at = 1, completed_at = 1 WHERE device_id = 'd1'");
	for (int i = 0; i < 2; i++) {
		begin();
		assert_int_equal(fw_rollouts_review(catalog.rollouts, FW_SLICE("t2")), FW_OK);
		assert_int_equal(times_logged("task t2: stage 2 of 2 begins"), 0);
		if (i == 0)
			fw_transaction_rollback(&catalog.transaction);
	}
	commit();
	assert_int_equal(times_logged("task t2: stage 2 of 2 begins"), 1);
	prepare_rows("UPDATE task SET end_action = 'stop', end_at = 1 WHERE task_id = 't2'");
	begin();
	assert_int_equal(fw_rollouts_review(catalog.rollouts, FW_SLICE("t2")), FW_OK);
	assert_int_equal(times_logged("task t2 is stopped"), 0);
	commit();
	assert_int_equal(times_logged("task t2 is stopped"), 1);
}

static void a_wrong_label_is_logged_when_it_is_committed(void **state)
{
	static const char *const line = "installed f2 three times";

	(void)state;
	prepare_rows("UPDATE device SET version = NULL WHERE device_id = 'd1'");
	begin();
	pull("", "f2");
	pull("1.0", "f2");
	pull("v2.0", "f2");
	pull("v2.0", "f2");
	commit();
	assert_rows("SELECT times FROM label_mismatch", "2");
	begin();
	pull("v2.0", "f2");
	fw_transaction_rollback(&catalog.transaction);
	assert_int_equal(times_logged(line), 0);
	begin();
	pull("v2.0", "f2");
	commit();
	assert_rows("SELECT times FROM label_mismatch", "3");
	assert_int_equal(times_logged(line), 1);
}

/* More than there is room for: the log says so as soon as it can. */
static void what_does_not_fit_is_logged(void **state)
{
	static const char *const line =
		"3 messages did not fit into the queue to the broker, and were not published";
	size_t room = fw_outbox_room(catalog.context.outbox);

	(void)state;
	begin();
	for (size_t i = 0; i < room + 3; i++)
		assert_int_equal(fw_transaction_queue(&catalog.transaction, FW_TOPIC_UPGRADE, LAMP,
					 D1, strdup("{}"), 2, 1),
			FW_OK);
	commit();
	assert_int_equal(times_logged(line), 0);
	begin();
	commit();
	assert_int_equal(times_logged(line), 1);
	begin();
	commit();
	assert_int_equal(times_logged(line), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CATALOG_TEST(a_pause_is_logged_when_it_is_committed),
		CATALOG_TEST(a_savepoint_takes_its_lines_back),
		CATALOG_TEST(what_is_refused_is_not_logged_as_done),
		CATALOG_TEST(a_stage_and_an_end_are_logged_when_they_are_committed),
		CATALOG_TEST(what_does_not_fit_is_logged),
		CATALOG_TEST(a_wrong_label_is_logged_when_it_is_committed),
	};

	return cmocka_run_group_tests_name("queued_lines", tests, open_folder, close_folder);
}
