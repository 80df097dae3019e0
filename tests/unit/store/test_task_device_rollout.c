/* What transitions do to rows of rollouts: superseded, put off, bad. */
#include "task_device_fixture.h"

static void what_was_superseded_does_not_wait_again(void **state)
{
	struct fw_task_device row = pushed_row();

	(void)state;
	commit();
	prepare_rows("UPDATE task SET supersede = 1 WHERE task_id = 't3'");
	begin();
	assert_true(apply(&row, FW_EVENT_INTERRUPTED, NULL));
	assert_int_equal(row.state, FW_UPGRADE_CANCELED);
	assert_rows("SELECT state, error_reason FROM task_device ORDER BY task_id",
		"canceled|superseded by t3\nwaiting|-");
	commit();
}

/* t3 takes the place of t2, were it not for `change`. */
static void assert_not_superseded(const char *change, const char *expected)
{
	struct fw_task_device row = pushed_row();

	commit();
	prepare_rows("UPDATE task SET supersede = 1 WHERE task_id = 't3'");
	prepare_rows(change);
	begin();
	assert_true(apply(&row, FW_EVENT_INTERRUPTED, NULL));
	assert_states(expected);
	commit();
}

/* d1 ran its version from the beginning. */
static void a_stopped_task_follows_nothing(void **state)
{
	(void)state;
	assert_not_superseded(
		"UPDATE task_device SET state = 'success', completed_at = 1 WHERE task_id = 't3';"
		"UPDATE task SET state = 'stopped' WHERE task_id = 't3'",
		"t2|d1|waiting\nt3|d1|success");
}

static void a_canceled_row_follows_nothing(void **state)
{
	(void)state;
	assert_not_superseded(
		"UPDATE task_device SET state = 'canceled', completed_at = 1 WHERE task_id = 't3'",
		"t2|d1|waiting\nt3|d1|canceled");
}

static void who_goes_on_after_all_is_put_off_no_more(void **state)
{
	struct fw_task_device row = pushed_row();

	(void)state;
	assert_true(apply(&row, FW_EVENT_DEFERRED, &(struct fw_upgrade_input){.after = 60000}));
	assert_true(apply(&row, FW_EVENT_PROGRESS, &(struct fw_upgrade_input){.progress = 10}));
	assert_true(apply(&row, FW_EVENT_INTERRUPTED, NULL));
	assert_rows("SELECT state, deferred_until, wake_clock FROM task_device WHERE task_id = "
		    "'t2'",
		"waiting|-|-");
	commit();
}

static void who_is_canceled_is_bad_no_more(void **state)
{
	struct fw_task_device row = pushed_row();

	(void)state;
	assert_true(apply(&row, FW_EVENT_TIMEOUT, NULL));
	assert_true(apply(&row, FW_EVENT_RETRY, NULL));
	assert_rows("SELECT bad, epoch_bad FROM task_count WHERE task_id = 't2'", "1|1");
	assert_true(apply(&row, FW_EVENT_OVERTAKEN, NULL));
	assert_rows("SELECT bad, epoch_bad FROM task_count WHERE task_id = 't2'", "0|0");
	commit();
}

static void what_is_put_off_leaves_its_place_to_what_superseded_it(void **state)
{
	struct fw_task_device row = pushed_row();

	(void)state;
	commit();
	prepare_rows("UPDATE task SET supersede = 1 WHERE task_id = 't3'");
	begin();
	assert_true(apply(&row, FW_EVENT_DEFERRED, &(struct fw_upgrade_input){.after = 60000}));
	assert_rows("SELECT state, error_reason, wake_clock, deferred_until FROM task_device"
		    " WHERE task_id = 't2'",
		"canceled|superseded by t3|-|-");
	assert_rows("SELECT canceled, waiting, started FROM task_count ORDER BY task_id",
		"1|0|0\n0|1|0");
	commit();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CATALOG_TEST(what_was_superseded_does_not_wait_again),
		CATALOG_TEST(a_stopped_task_follows_nothing),
		CATALOG_TEST(a_canceled_row_follows_nothing),
		CATALOG_TEST(who_goes_on_after_all_is_put_off_no_more),
		CATALOG_TEST(who_is_canceled_is_bad_no_more),
		CATALOG_TEST(what_is_put_off_leaves_its_place_to_what_superseded_it),
	};

	return cmocka_run_group_tests_name("task_device_rollout", tests, open_folder, close_folder);
}
