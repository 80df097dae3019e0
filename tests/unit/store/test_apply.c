/* What each kind of uplink does to the rows of the catalog. */
#include "apply_fixture.h"

#define NOW INT64_C(1700000000000)

static void a_report_is_recorded(void **state)
{
	(void)state;
	begin();
	report("2.0");
	commit();
	assert_rows("SELECT version, version_at = last_seen_at FROM device WHERE device_id = 'd1'",
		"2.0|1");
	assert_rows("SELECT product_id, device_id, version, previous_version FROM version_log",
		"lamp|d1|2.0|1.0");
}

static void the_same_version_is_no_news(void **state)
{
	(void)state;
	begin();
	report("1.0");
	commit();
	assert_rows("SELECT count(*) FROM version_log", "0");
	assert_rows("SELECT version_at IS NOT NULL FROM device WHERE device_id = 'd1'", "1");
}

static void an_unknown_product_has_no_devices(void **state)
{
	struct fw_uplink uplink;

	(void)state;
	begin();
	uplink = from_d1(FW_UPLINK_REPORT);
	uplink.product = FW_SLICE("oven");
	uplink.version = FW_SLICE("2.0");
	apply(uplink);
	commit();
	assert_rows("SELECT count(*) FROM device", "2");
	assert_rows("SELECT count(*) FROM version_log", "0");
}

static void an_unknown_device_is_added_unless_registration_is_closed(void **state)
{
	struct fw_uplink uplink;

	(void)state;
	begin();
	uplink = from_d1(FW_UPLINK_REPORT);
	uplink.device = FW_SLICE("d9");
	uplink.version = FW_SLICE("2.0");
	catalog.context.registration = FW_REGISTRATION_CLOSED;
	apply(uplink);
	assert_rows("SELECT count(*) FROM device", "2");
	catalog.context.registration = FW_REGISTRATION_ONCE;
	apply(uplink);
	assert_rows("SELECT version, presence, connection FROM device WHERE device_id = 'd9'",
		"2.0|online|1001");
	commit();
}

/* The catalog could not be asked when the uplink came. */
static void a_device_that_was_not_checked_is_added_to_no_other_product(void **state)
{
	struct fw_uplink uplink;

	(void)state;
	operate("INSERT INTO product (product_id) VALUES ('tap')");
	begin();
	uplink = from_d1(FW_UPLINK_REPORT);
	uplink.version = FW_SLICE("2.0");
	uplink.unchecked = true;
	apply(uplink);
	assert_rows("SELECT version FROM device WHERE device_id = 'd1'", "2.0");
	uplink.product = FW_SLICE("tap");
	apply(uplink);
	assert_rows("SELECT count(*) FROM device WHERE product_id = 'tap'", "0");
	assert_rows("SELECT count(*) FROM version_log WHERE product_id = 'tap'", "0");
	assert_logged("refuse an uplink, which is passed over: the id of its device belongs to "
		      "another product");
	uplink.device = FW_SLICE("d9");
	apply(uplink);
	assert_rows("SELECT device_id, version FROM device WHERE product_id = 'tap'", "d9|2.0");
	/* a device of any product */
	catalog.context.registration = FW_REGISTRATION_OPEN;
	uplink.device = D1;
	apply(uplink);
	assert_rows("SELECT count(*) FROM device WHERE product_id = 'tap'", "2");
	commit();
}

static void who_speaks_is_online_by_its_connection(void **state)
{
	struct fw_uplink uplink;

	(void)state;
	begin();
	uplink = from_d1(FW_UPLINK_REPORT);
	uplink.version = FW_SLICE("1.0");
	uplink.connection = FIRST_CONNECTION - 1; /* of an earlier run of the broker */
	apply(uplink);
	assert_rows("SELECT presence FROM device WHERE device_id = 'd1'", "-");
	uplink.connection = 0; /* an operator wrote it */
	apply(uplink);
	assert_rows("SELECT presence FROM device WHERE device_id = 'd1'", "-");
	report("1.0");
	assert_rows("SELECT presence, connection, oldest_connection FROM device WHERE "
		    "device_id = 'd1'",
		"online|1001|1001");
	/* a second connection is a newer one */
	uplink.connection = FIRST_CONNECTION + 2;
	apply(uplink);
	assert_rows("SELECT presence, connection, oldest_connection FROM device WHERE "
		    "device_id = 'd1'",
		"online|1002|1001");
	commit();
}

/* With the identity `none`: two gateways, and the one that connected first speaks last. */
static void a_device_may_come_back_by_an_older_connection(void **state)
{
	struct fw_uplink uplink;

	(void)state;
	begin();
	uplink = from_d1(FW_UPLINK_REPORT);
	uplink.version = FW_SLICE("1.0");
	uplink.connection = FIRST_CONNECTION + 3;
	apply(uplink);
	uplink.connection = FIRST_CONNECTION + 2;
	apply(uplink);
	assert_rows("SELECT presence, connection, oldest_connection FROM device WHERE "
		    "device_id = 'd1'",
		"online|1002|1002");
	commit();
}

static void a_report_of_the_target_ends_the_row(void **state)
{
	(void)state;
	online_with_rows();
	push("t2");
	report("2.0");
	commit();
	assert_rows("SELECT task_id, state, progress, connection FROM task_device ORDER BY 1",
		"t2|success|100|-\nt3|waiting|0|-");
	/* the push, and its end; the next push waits for a word of the device */
	assert_published("/lamp/d1/firmware/task\n/lamp/d1/firmware/task");
	assert_rows("SELECT due_at IS NOT NULL FROM device WHERE device_id = 'd1'", "1");
}

static void a_report_cancels_what_the_device_has_passed(void **state)
{
	(void)state;
	online_with_rows();
	report("3.0");
	commit();
	assert_rows("SELECT task_id, state, error_reason FROM task_device ORDER BY 1",
		"t2|canceled|runs 3.0, which is newer\nt3|success|-");
}

static void a_report_of_another_version_after_all_was_done_is_a_failure(void **state)
{
	(void)state;
	online_with_rows();
	push("t2");
	progress("f2", 100);
	report("1.0");
	assert_rows("SELECT state, failure, error_reason FROM task_device WHERE task_id = 't2'",
		"failed|version|still runs 1.0 after the upgrade");
	commit();
}

static void a_report_from_before_the_push_says_nothing_of_it(void **state)
{
	struct fw_uplink uplink;

	(void)state;
	online_with_rows();
	push("t2");
	progress("f2", 100);
	uplink = from_d1(FW_UPLINK_REPORT);
	uplink.version = FW_SLICE("1.0");
	uplink.received_at -= 1000;
	apply(uplink);
	assert_rows("SELECT state FROM task_device WHERE task_id = 't2'", "processing");
	commit();
}

static void a_report_that_is_delivered_again_is_applied_once(void **state)
{
	struct fw_uplink uplink;

	(void)state;
	begin();
	uplink = from_d1(FW_UPLINK_REPORT);
	uplink.has_reported_at = true;
	uplink.reported_at = NOW;
	uplink.version = FW_SLICE("2.0");
	apply(uplink);
	report("3.0");
	uplink.connection = FIRST_CONNECTION + 2;
	apply(uplink);
	commit();
	assert_rows("SELECT version FROM version_log ORDER BY log_id", "2.0\n3.0");
	assert_rows("SELECT version FROM device WHERE device_id = 'd1'", "3.0");
}

static void progress_is_logged_with_the_task_of_its_row(void **state)
{
	(void)state;
	online_with_rows();
	push("t2");
	progress("f2", 40);
	progress("f1", 50); /* no row is about f1 */
	commit();
	assert_rows("SELECT task_id, firmware_id, version, progress FROM progress_log ORDER BY "
		    "log_id",
		"t2|f2|2.0|40\n-|f1|1.0|50");
	assert_rows("SELECT state, progress, responded_at IS NOT NULL FROM task_device WHERE "
		    "task_id = 't2'",
		"processing|40|1");
}

static void progress_may_name_the_version_instead(void **state)
{
	struct fw_uplink uplink;

	(void)state;
	online_with_rows();
	push("t2");
	uplink = from_d1(FW_UPLINK_PROGRESS);
	uplink.version = FW_SLICE("2.0");
	uplink.has_progress = true;
	uplink.progress = 7;
	apply(uplink);
	commit();
	assert_rows("SELECT progress FROM task_device WHERE task_id = 't2'", "7");
	assert_rows("SELECT task_id, firmware_id FROM progress_log", "t2|f2");
}

static void progress_without_a_name_is_about_the_only_row_that_was_sent(void **state)
{
	(void)state;
	online_with_rows();
	push("t2");
	progress("", 40);
	assert_rows("SELECT progress FROM task_device WHERE task_id = 't2'", "40");
	push("t3");
	progress("", 60);
	assert_rows("SELECT task_id, progress FROM task_device ORDER BY 1", "t2|40\nt3|0");
	assert_rows("SELECT task_id, progress FROM progress_log ORDER BY log_id", "t2|40\n-|60");
	commit();
}

static void progress_that_is_delivered_again_is_logged_once(void **state)
{
	struct fw_uplink uplink;

	(void)state;
	online_with_rows();
	push("t2");
	uplink = from_d1(FW_UPLINK_PROGRESS);
	uplink.firmware_id = FW_SLICE("f2");
	uplink.has_progress = uplink.has_reported_at = true;
	uplink.progress = 40;
	uplink.reported_at = NOW;
	apply(uplink);
	uplink.connection = FIRST_CONNECTION + 2;
	apply(uplink);
	assert_rows("SELECT count(*) FROM progress_log", "1");
	uplink.reported_at++;
	apply(uplink);
	assert_rows("SELECT count(*) FROM progress_log", "2");
	commit();
}

static void a_completed_upgrade_is_the_devices_word_for_its_version(void **state)
{
	(void)state;
	online_with_rows();
	push("t2");
	complete("f2", true, "");
	commit();
	assert_rows("SELECT task_id, state, progress FROM task_device ORDER BY 1",
		"t2|success|100\nt3|waiting|0");
	assert_rows("SELECT version, completed_from, completed_until - version_at, settles_at IS "
		    "NOT NULL FROM device WHERE device_id = 'd1'",
		"2.0|1.0|3600000|1");
	assert_rows("SELECT version, previous_version FROM version_log", "2.0|1.0");
	assert_rows("SELECT complete, success FROM progress_log", "1|1");
}

static void a_failed_upgrade_has_the_devices_reason(void **state)
{
	(void)state;
	online_with_rows();
	push("t2");
	complete("f2", false, "no space left");
	commit();
	assert_rows("SELECT state, failed_by, failure, error_reason FROM task_device WHERE "
		    "task_id = 't2'",
		"failed|device|device|no space left");
	assert_rows("SELECT version, settles_at IS NOT NULL FROM device WHERE device_id = 'd1'",
		"1.0|1");
	/* it may be about to restart: the other task waits */
	assert_rows("SELECT state, attempts FROM task_device WHERE task_id = 't3'", "waiting|0");
}

static void a_reply_accepts_or_refuses(void **state)
{
	(void)state;
	online_with_rows();
	push("t2");
	reply("f2", true, "");
	assert_rows("SELECT state, responded_at IS NOT NULL, due_at - pushed_clock FROM "
		    "task_device WHERE task_id = 't2'",
		"processing|1|3600000");
	reply("f2", false, "battery low");
	assert_rows("SELECT state, failed_by, failure, error_reason FROM task_device WHERE "
		    "task_id = 't2'",
		"failed|device|refused|battery low");
	/* the device is free for its next upgrade */
	assert_rows("SELECT state, attempts FROM task_device WHERE task_id = 't3'", "processing|1");
	commit();
}

static void a_reply_to_nothing_changes_no_row(void **state)
{
	(void)state;
	online_with_rows();
	reply("", true, "");
	reply("nothing", false, "?");
	assert_rows("SELECT task_id, state FROM task_device ORDER BY 1", "t2|waiting\nt3|waiting");
	commit();
	assert_published("");
}

static void a_pull_that_was_offered_the_firmware_begins_the_row(void **state)
{
	(void)state;
	prepare_rows(rows_of_d1);
	begin();
	pull("1.0", "f2");
	assert_rows("SELECT task_id, state, attempts, responded_at IS NOT NULL, due_at - "
		    "pushed_clock FROM task_device ORDER BY 1",
		"t2|processing|1|1|3600000\nt3|waiting|0|0|-");
	/* one upgrade at a time */
	pull("1.0", "f3");
	assert_rows(
		"SELECT task_id, state FROM task_device ORDER BY 1", "t2|processing\nt3|waiting");
	commit();
}

static void a_pull_tells_the_version_too(void **state)
{
	(void)state;
	prepare_rows(rows_of_d1);
	begin();
	pull("2.0", "");
	commit();
	assert_rows("SELECT version FROM device WHERE device_id = 'd1'", "2.0");
	assert_rows("SELECT version, previous_version FROM version_log", "2.0|1.0");
	assert_rows("SELECT state FROM task_device WHERE task_id = 't2'", "success");
}

static void a_pull_from_before_the_restart_tells_nothing(void **state)
{
	(void)state;
	online_with_rows();
	push("t2");
	complete("f2", true, "");
	pull("1.0", "");
	assert_rows("SELECT version FROM device WHERE device_id = 'd1'", "2.0");
	assert_rows("SELECT state FROM task_device WHERE task_id = 't2'", "success");
	/* a report is believed */
	report("1.0");
	assert_rows("SELECT version FROM device WHERE device_id = 'd1'", "1.0");
	commit();
}

static void what_the_rules_refuse_is_no_error_of_the_catalog(void **state)
{
	struct fw_uplink uplink;

	(void)state;
	operate("CREATE TRIGGER refuse BEFORE INSERT ON version_log BEGIN SELECT RAISE(ABORT, "
		"'no'); END");
	begin();
	uplink = from_d1(FW_UPLINK_REPORT);
	uplink.version = FW_SLICE("2.0");
	assert_int_equal(fw_apply_uplink(catalog.apply, &uplink), FW_INVALID);
	commit();
}

/* The firmware found last is remembered within a transaction, not beyond it. */
static void an_operators_change_of_a_version_is_seen(void **state)
{
	(void)state;
	begin();
	progress("f2", 1);
	commit();
	operate("UPDATE firmware SET version = '2.1' WHERE firmware_id = 'f2'");
	begin();
	progress("f2", 2);
	commit();
	assert_rows("SELECT version FROM progress_log ORDER BY log_id", "2.0\n2.1");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CATALOG_TEST(a_report_is_recorded),
		CATALOG_TEST(the_same_version_is_no_news),
		CATALOG_TEST(an_unknown_product_has_no_devices),
		CATALOG_TEST(an_unknown_device_is_added_unless_registration_is_closed),
		CATALOG_TEST(a_device_that_was_not_checked_is_added_to_no_other_product),
		CATALOG_TEST(who_speaks_is_online_by_its_connection),
		CATALOG_TEST(a_device_may_come_back_by_an_older_connection),
		CATALOG_TEST(a_report_of_the_target_ends_the_row),
		CATALOG_TEST(a_report_cancels_what_the_device_has_passed),
		CATALOG_TEST(a_report_of_another_version_after_all_was_done_is_a_failure),
		CATALOG_TEST(a_report_from_before_the_push_says_nothing_of_it),
		CATALOG_TEST(a_report_that_is_delivered_again_is_applied_once),
		CATALOG_TEST(progress_is_logged_with_the_task_of_its_row),
		CATALOG_TEST(progress_may_name_the_version_instead),
		CATALOG_TEST(progress_without_a_name_is_about_the_only_row_that_was_sent),
		CATALOG_TEST(progress_that_is_delivered_again_is_logged_once),
		CATALOG_TEST(a_completed_upgrade_is_the_devices_word_for_its_version),
		CATALOG_TEST(a_failed_upgrade_has_the_devices_reason),
		CATALOG_TEST(a_reply_accepts_or_refuses),
		CATALOG_TEST(a_reply_to_nothing_changes_no_row),
		CATALOG_TEST(a_pull_that_was_offered_the_firmware_begins_the_row),
		CATALOG_TEST(a_pull_tells_the_version_too),
		CATALOG_TEST(a_pull_from_before_the_restart_tells_nothing),
		CATALOG_TEST(what_the_rules_refuse_is_no_error_of_the_catalog),
		CATALOG_TEST(an_operators_change_of_a_version_is_seen),
	};

	return cmocka_run_group_tests_name("apply", tests, open_folder, close_folder);
}
