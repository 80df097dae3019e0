/* Rows of tasks: what their transitions do to them. */
#include "task_device_fixture.h"

static void a_push_begins_an_attempt(void **state)
{
	struct fw_task_device row = pushed_row();

	(void)state;
	commit();
	assert_int_equal(row.state, FW_UPGRADE_PROCESSING);
	assert_rows("SELECT state, attempts, progress, connection, was_online, from_version, "
		    "due_at - pushed_clock, responded_at, completed_at FROM task_device WHERE "
		    "task_id = 't2'",
		"processing|1|0|1001|1|1.0|60000|-|-");
	assert_int_equal(row.pushed_at, catalog.transaction.wall_ms);
	assert_int_equal(row.pushed_clock, catalog.transaction.steady_ms);
	assert_published("/lamp/d1/firmware/task");
}

/* A trigger on what is counted runs when that changes, and not for each word of the device. */
static void what_is_counted_is_written_when_it_changes(void **state)
{
	struct fw_upgrade_input half = {.progress = 50};
	struct fw_task_device row;

	(void)state;
	prepare_rows(two_rows);
	prepare_rows(
		"CREATE TABLE seen (state); CREATE TRIGGER own AFTER UPDATE OF state, attempts, "
		"retry_at, proved_epoch, bad_epoch ON task_device BEGIN INSERT INTO seen "
		"VALUES (NEW.state); END");
	begin();
	row = row_of("t2", "d1");
	assert_true(apply(&row, FW_EVENT_PUSHED, NULL));
	assert_rows("SELECT state FROM seen", "processing");
	assert_false(apply(&row, FW_EVENT_PROGRESS, &half));
	assert_rows(
		"SELECT state, progress FROM task_device WHERE task_id = 't2'", "processing|50");
	assert_rows("SELECT count(*) FROM seen", "1");
	assert_true(apply(&row, FW_EVENT_FAILED, NULL));
	row.retry_at = 77;
	assert_int_equal(fw_transition_set_times(catalog.rows, &row), FW_OK);
	assert_rows("SELECT s.state FROM seen s ORDER BY rowid", "processing\nfailed\nfailed");
	assert_rows("SELECT retrying FROM task_count WHERE task_id = 't2'", "1");
	commit();
}

static void an_attempt_notes_what_the_device_ran(void **state)
{
	struct fw_task_device row;

	(void)state;
	prepare_rows(two_rows);
	prepare_rows("UPDATE device SET version = '1.5'");
	begin();
	row = row_of("t2", "d1");
	assert_true(apply(&row, FW_EVENT_PUSHED, NULL));
	assert_rows("SELECT from_version FROM task_device WHERE task_id = 't2'", "1.5");
	commit();
}

static void an_answer_leaves_the_timeout_of_the_upgrade(void **state)
{
	const struct fw_upgrade_input input = {.connection = 1002};
	struct fw_task_device row = pushed_row();

	(void)state;
	assert_false(apply(&row, FW_EVENT_ACCEPTED, &input));
	assert_rows("SELECT state, due_at - pushed_clock, connection, responded_at IS NOT NULL "
		    "FROM task_device WHERE task_id = 't2'",
		"processing|3600000|1002|1");
	commit();
	/* the push alone changed the state */
	assert_published("/lamp/d1/firmware/task");
}

static void progress_never_falls(void **state)
{
	struct fw_task_device row = pushed_row();

	(void)state;
	apply(&row, FW_EVENT_PROGRESS, &(struct fw_upgrade_input){.progress = 40});
	assert_rows("SELECT progress FROM task_device WHERE task_id = 't2'", "40");
	apply(&row, FW_EVENT_PROGRESS, &(struct fw_upgrade_input){.progress = 30});
	assert_rows("SELECT progress FROM task_device WHERE task_id = 't2'", "40");
	commit();
}

static void success_finishes_the_row(void **state)
{
	struct fw_task_device row = pushed_row();

	(void)state;
	assert_true(apply(&row, FW_EVENT_COMPLETED, NULL));
	assert_rows("SELECT state, progress, due_at, connection, completed_at IS NOT NULL, "
		    "failed_by, failure FROM task_device WHERE task_id = 't2'",
		"success|100|-|-|1|-|-");
	/* and nothing moves it any more */
	assert_false(apply(&row, FW_EVENT_TIMEOUT, NULL));
	assert_rows("SELECT state FROM task_device WHERE task_id = 't2'", "success");
	commit();
	assert_published("/lamp/d1/firmware/task\n/lamp/d1/firmware/task");
}

static void the_device_or_the_broker_says_why_it_failed(void **state)
{
	struct fw_task_device row = pushed_row();

	(void)state;
	assert_true(apply(&row, FW_EVENT_TIMEOUT, NULL));
	assert_rows("SELECT state, failed_by, failure, error_reason, due_at FROM task_device "
		    "WHERE task_id = 't2'",
		"failed|broker|timeout|upgrade timeout|-");
	/* the device's own word counts for more, though the state is the same */
	assert_false(apply(&row, FW_EVENT_FAILED,
		&(struct fw_upgrade_input){.reason = FW_SLICE("no space"), .progress = 12}));
	assert_rows("SELECT state, failed_by, failure, error_reason, progress FROM task_device "
		    "WHERE task_id = 't2'",
		"failed|device|device|no space|12");
	commit();
}

static void a_device_that_gives_no_reason(void **state)
{
	struct fw_task_device row = pushed_row();

	(void)state;
	assert_true(apply(&row, FW_EVENT_REFUSED, NULL));
	assert_rows("SELECT state, failed_by, failure, error_reason FROM task_device WHERE "
		    "task_id = 't2'",
		"failed|device|refused|the device gave no reason");
	commit();
}

static void the_reason_names_the_version(void **state)
{
	struct fw_task_device row = pushed_row();

	(void)state;
	assert_true(apply(
		&row, FW_EVENT_OVERTAKEN, &(struct fw_upgrade_input){.subject = FW_SLICE("3.0")}));
	assert_rows("SELECT state, error_reason FROM task_device WHERE task_id = 't2'",
		"canceled|runs 3.0, which is newer");
	commit();
}

static void an_interrupted_attempt_is_repeated_up_to_the_limit(void **state)
{
	const struct fw_upgrade_input input = {.connection = 1001};
	struct fw_task_device row = pushed_row();

	(void)state;
	assert_true(apply(&row, FW_EVENT_INTERRUPTED, NULL));
	assert_rows("SELECT state, attempts, interruptions, due_at, pushed_clock FROM task_device "
		    "WHERE task_id = 't2'",
		"waiting|1|1|-|-");
	assert_true(apply(&row, FW_EVENT_PUSHED, &input));
	assert_true(apply(&row, FW_EVENT_INTERRUPTED, NULL));
	assert_rows("SELECT state, attempts, interruptions, failure, error_reason FROM "
		    "task_device WHERE task_id = 't2'",
		"failed|2|2|interrupted|gone after each of 2 attempts");
	commit();
}

static void what_nobody_may_have_heard_counts_for_no_interruption(void **state)
{
	struct fw_task_device row;

	(void)state;
	prepare_rows(two_rows);
	begin();
	row = row_of("t2", "d1");
	assert_true(apply(&row, FW_EVENT_PUSHED, NULL)); /* to connection 0 */
	assert_true(apply(&row, FW_EVENT_NO_RESPONSE, NULL));
	assert_rows("SELECT state, attempts, interruptions FROM task_device WHERE task_id = 't2'",
		"waiting|1|0");
	commit();
}

static void who_was_there_all_the_time_has_not_answered(void **state)
{
	struct fw_task_device row;

	(void)state;
	pushed_row();
	row = row_of("t2", "d1");
	assert_true(apply(&row, FW_EVENT_NO_RESPONSE, NULL));
	assert_rows("SELECT state, failure, error_reason FROM task_device WHERE task_id = 't2'",
		"failed|response|response timeout");
	commit();
}

static void a_stopped_task_has_no_waiting_rows(void **state)
{
	struct fw_task_device row;

	(void)state;
	pushed_row();
	commit();
	operate("UPDATE task SET state = 'stopped' WHERE task_id = 't2'");
	assert_rows("SELECT state FROM task_device WHERE task_id = 't2'", "processing");
	begin();
	row = row_of("t2", "d1");
	assert_true(apply(&row, FW_EVENT_INTERRUPTED, NULL));
	assert_int_equal(row.state, FW_UPGRADE_CANCELED);
	assert_rows("SELECT state FROM task_device WHERE task_id = 't2'", "canceled");
	commit();
}

static void what_the_table_does_not_have_changes_nothing(void **state)
{
	struct fw_task_device row;

	(void)state;
	prepare_rows(two_rows);
	begin();
	row = row_of("t2", "d1");
	assert_false(apply(&row, FW_EVENT_TIMEOUT, NULL));
	assert_int_equal(row.state, FW_UPGRADE_WAITING);
	commit();
	assert_published("");
}

static void an_operators_trigger_may_keep_a_row_as_it_is(void **state)
{
	struct fw_task_device row = pushed_row();

	(void)state;
	commit();
	operate("CREATE TRIGGER keep BEFORE UPDATE OF state ON task_device BEGIN SELECT "
		"RAISE(IGNORE); END");
	assert_published("/lamp/d1/firmware/task");
	begin();
	assert_false(apply(&row, FW_EVENT_COMPLETED, NULL));
	assert_int_equal(row.state, FW_UPGRADE_PROCESSING);
	commit();
	assert_rows("SELECT state FROM task_device WHERE task_id = 't2'", "processing");
	assert_published("");
}

static void an_operators_trigger_may_refuse_a_step(void **state)
{
	struct fw_task_device row = pushed_row();

	(void)state;
	commit();
	operate("CREATE TRIGGER refuse BEFORE UPDATE OF state ON task_device BEGIN SELECT "
		"RAISE(ABORT, 'not now'); END");
	begin();
	assert_int_equal(fw_transition_apply(catalog.rows, &row, FW_EVENT_COMPLETED, NULL, NULL),
		FW_INVALID);
	assert_int_equal(row.state, FW_UPGRADE_PROCESSING);
	commit();
}

static void rows_are_due_as_far_as_devices_were_heard(void **state)
{
	struct fw_task_device row = pushed_row(), found[2];
	int64_t due;
	size_t count;

	(void)state;
	commit();
	assert_int_equal(fw_task_devices_next_due(catalog.rows, &due), FW_OK);
	assert_int_equal(due, row.due_at);
	catalog.transaction.heard_until_ms = row.due_at - 1;
	assert_int_equal(fw_task_devices_find_due(catalog.rows, found, 2, &count), FW_OK);
	assert_int_equal(count, 0);
	catalog.transaction.heard_until_ms = row.due_at;
	assert_int_equal(fw_task_devices_find_due(catalog.rows, found, 2, &count), FW_OK);
	assert_int_equal(count, 1);
	assert_string_equal(found[0].task_id, "t2");
	begin();
	assert_true(apply(&row, FW_EVENT_COMPLETED, NULL));
	commit();
	assert_int_equal(fw_task_devices_next_due(catalog.rows, &due), FW_OK);
	assert_true(due == INT64_MAX);
}

static void a_timeout_can_be_postponed(void **state)
{
	struct fw_task_device row = pushed_row();

	(void)state;
	assert_int_equal(fw_transition_postpone(catalog.rows, &row), FW_OK);
	commit();
	assert_rows("SELECT state, attempts FROM task_device WHERE task_id = 't2'", "processing|1");
	assert_int_equal(row_of("t2", "d1").due_at, catalog.transaction.steady_ms + 60000);
}

static void an_interruption_is_noted_once(void **state)
{
	struct fw_task_device row = pushed_row();
	int64_t first;

	(void)state;
	assert_int_equal(fw_transition_interrupted(catalog.rows, &row), FW_OK);
	first = row_of("t2", "d1").interrupted_at;
	assert_int_equal(first, catalog.transaction.wall_ms);
	catalog.transaction.wall_ms += 5;
	assert_int_equal(fw_transition_interrupted(catalog.rows, &row), FW_OK);
	assert_int_equal(row_of("t2", "d1").interrupted_at, first);
	/* a row that waits is not interrupted */
	row = row_of("t3", "d1");
	assert_int_equal(fw_transition_interrupted(catalog.rows, &row), FW_OK);
	assert_int_equal(row_of("t3", "d1").interrupted_at, 0);
	commit();
}

static void what_was_sent_is_known_until_it_is_forgotten(void **state)
{
	struct fw_task_device row = pushed_row(), found[2];
	size_t count;

	(void)state;
	assert_int_equal(
		fw_task_devices_find_sent(catalog.rows, LAMP, D1, found, 2, &count), FW_OK);
	assert_int_equal(count, 1);
	assert_string_equal(found[0].task_id, "t2");
	assert_int_equal(fw_transition_forget_sending(catalog.rows, &row), FW_OK);
	assert_int_equal(
		fw_task_devices_find_sent(catalog.rows, LAMP, D1, found, 2, &count), FW_OK);
	assert_int_equal(count, 0);
	assert_rows(
		"SELECT state, connection FROM task_device WHERE task_id = 't2'", "processing|-");
	commit();
}

static void more_events_than_the_rate_are_marked(void **state)
{
	const struct fw_upgrade_input input = {.connection = 1001};
	struct fw_task_device row;
	bool more;

	(void)state;
	prepare_rows(two_rows);
	prepare_rows(online);
	catalog.context.rate = 1;
	begin();
	row = row_of("t2", "d1");
	assert_true(apply(&row, FW_EVENT_PUSHED, &input));
	assert_true(apply(&row, FW_EVENT_COMPLETED, NULL));
	commit();
	assert_published("/lamp/d1/firmware/task");
	assert_rows("SELECT state, untold FROM task_device WHERE task_id = 't2'", "success|1");
	assert_true(catalog.transaction.untold);
	/* a second later there is a place for it */
	pass_ms(1000);
	begin();
	assert_int_equal(fw_task_events_announce_untold(catalog.events, &more), FW_OK);
	commit();
	assert_published("/lamp/d1/firmware/task");
	assert_rows("SELECT untold FROM task_device WHERE task_id = 't2'", "0");
}

static void nothing_is_published_of_what_is_rolled_back(void **state)
{
	(void)state;
	pushed_row();
	fw_transaction_rollback(&catalog.transaction);
	assert_rows("SELECT state FROM task_device WHERE task_id = 't2'", "waiting");
	/* nor with what is committed next */
	begin();
	commit();
	assert_published("");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CATALOG_TEST(a_push_begins_an_attempt),
		CATALOG_TEST(what_is_counted_is_written_when_it_changes),
		CATALOG_TEST(an_attempt_notes_what_the_device_ran),
		CATALOG_TEST(an_answer_leaves_the_timeout_of_the_upgrade),
		CATALOG_TEST(progress_never_falls),
		CATALOG_TEST(success_finishes_the_row),
		CATALOG_TEST(the_device_or_the_broker_says_why_it_failed),
		CATALOG_TEST(a_device_that_gives_no_reason),
		CATALOG_TEST(the_reason_names_the_version),
		CATALOG_TEST(an_interrupted_attempt_is_repeated_up_to_the_limit),
		CATALOG_TEST(what_nobody_may_have_heard_counts_for_no_interruption),
		CATALOG_TEST(who_was_there_all_the_time_has_not_answered),
		CATALOG_TEST(a_stopped_task_has_no_waiting_rows),
		CATALOG_TEST(what_the_table_does_not_have_changes_nothing),
		CATALOG_TEST(an_operators_trigger_may_keep_a_row_as_it_is),
		CATALOG_TEST(an_operators_trigger_may_refuse_a_step),
		CATALOG_TEST(rows_are_due_as_far_as_devices_were_heard),
		CATALOG_TEST(a_timeout_can_be_postponed),
		CATALOG_TEST(an_interruption_is_noted_once),
		CATALOG_TEST(what_was_sent_is_known_until_it_is_forgotten),
		CATALOG_TEST(more_events_than_the_rate_are_marked),
		CATALOG_TEST(nothing_is_published_of_what_is_rolled_back),
	};

	return cmocka_run_group_tests_name("task_device", tests, open_folder, close_folder);
}
