/* Rows of tasks: how they are found, and what is read of them. */
#include "task_device_fixture.h"

static void a_row_is_read_with_what_belongs_to_it(void **state)
{
	struct fw_task_device row;

	(void)state;
	prepare_rows(two_rows);
	prepare_rows("UPDATE task SET response_timeout_seconds = 7, timeout_seconds = 70, "
		     "allow_downgrade = 1 WHERE task_id = 't2';"
		     "UPDATE device SET presence = 'offline', due_at = 5, settles_at = 6");
	row = row_of("t2", "d1");
	assert_string_equal(row.device_id, "d1");
	assert_string_equal(row.product_id, "lamp");
	assert_string_equal(row.firmware_id, "f2");
	assert_string_equal(row.version, "2.0");
	assert_string_equal(row.device_version, "1.0");
	assert_int_equal(row.state, FW_UPGRADE_WAITING);
	assert_true(row.push && row.task_running && row.offered && row.offline && row.downgrade);
	assert_false(row.online || row.sent || row.newer || row.untold);
	assert_int_equal(row.response_timeout_ms, 7000);
	assert_int_equal(row.timeout_ms, 70000);
	assert_int_equal(row.attempt_limit, 2);
	assert_int_equal(row.device_due_at, 5);
	assert_int_equal(row.settles_at, 6);
}

static void what_may_not_be_offered_is_said(void **state)
{
	(void)state;
	prepare_rows(two_rows);
	assert_true(row_of("t2", "d1").offered);
	prepare_rows("UPDATE product SET firmware_enabled = 0");
	assert_false(row_of("t2", "d1").offered);
	prepare_rows("UPDATE product SET firmware_enabled = 1; UPDATE firmware SET state = "
		     "'rejected' WHERE firmware_id = 'f2'");
	assert_false(row_of("t2", "d1").offered);
	assert_true(row_of("t3", "d1").offered);
}

static void a_device_that_has_passed_the_target_is_newer(void **state)
{
	(void)state;
	prepare_rows(two_rows);
	prepare_rows("UPDATE device SET version = '3.0'");
	assert_true(row_of("t2", "d1").newer);
	assert_false(row_of("t3", "d1").newer);
	prepare_rows("UPDATE task SET allow_downgrade = 1 WHERE task_id = 't2'");
	assert_false(row_of("t2", "d1").newer);
}

/* The task_ids of the open rows of d1, in their order. */
static void assert_open(const char *first, const char *second)
{
	struct fw_task_device found[4];
	size_t count;

	assert_int_equal(
		fw_task_devices_find_open(catalog.rows, LAMP, D1, found, 4, &count), FW_OK);
	assert_int_equal(count, 2);
	assert_string_equal(found[0].task_id, first);
	assert_string_equal(found[1].task_id, second);
}

static void open_rows_come_in_the_order_of_their_tasks(void **state)
{
	struct fw_task_device row;

	(void)state;
	prepare_rows(two_rows);
	prepare_rows("UPDATE task SET created_at = 1 WHERE task_id = 't3'");
	assert_open("t3", "t2");
	prepare_rows("UPDATE task SET created_at = 0 WHERE task_id = 't2'");
	assert_open("t2", "t3");
	/* what may be pushed comes before what may not */
	prepare_rows("UPDATE firmware SET state = 'rejected' WHERE firmware_id = 'f2'");
	assert_open("t3", "t2");
	/* and what is under way before all */
	prepare_rows("UPDATE firmware SET state = 'ready' WHERE firmware_id = 'f2'");
	begin();
	row = row_of("t3", "d1");
	assert_true(apply(&row, FW_EVENT_PUSHED, NULL));
	assert_open("t3", "t2");
	commit();
}

static void no_more_rows_are_found_than_asked_for(void **state)
{
	struct fw_task_device found;
	size_t count;

	(void)state;
	prepare_rows(two_rows);
	assert_int_equal(
		fw_task_devices_find_open(catalog.rows, LAMP, D1, &found, 1, &count), FW_OK);
	assert_int_equal(count, 1);
	assert_string_equal(found.task_id, "t2");
	prepare_rows("UPDATE task SET created_at = 1 WHERE task_id = 't3'");
	assert_int_equal(
		fw_task_devices_find_open(catalog.rows, LAMP, D1, &found, 1, &count), FW_OK);
	assert_int_equal(count, 1);
	assert_string_equal(found.task_id, "t3");
	assert_int_equal(
		fw_task_devices_find_open(catalog.rows, LAMP, D2, &found, 1, &count), FW_OK);
	assert_int_equal(count, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {CATALOG_TEST(a_row_is_read_with_what_belongs_to_it),
		CATALOG_TEST(what_may_not_be_offered_is_said),
		CATALOG_TEST(a_device_that_has_passed_the_target_is_newer),
		CATALOG_TEST(open_rows_come_in_the_order_of_their_tasks),
		CATALOG_TEST(no_more_rows_are_found_than_asked_for)};

	return cmocka_run_group_tests_name("task_device_find", tests, open_folder, close_folder);
}
