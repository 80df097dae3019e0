/* A device that completed an upgrade, and what becomes of its row when it goes away. */
#include "apply_fixture.h"

#define SECOND INT64_C(1000)

/* t2 as `columns` say; d1 is sent its firmware, and completes it. */
static void complete_with(const char *columns)
{
	char sql[128];

	snprintf(sql, sizeof(sql), "UPDATE task SET %s WHERE task_id = 't2'", columns);
	prepare_rows("INSERT INTO task_device (task_id, device_id) VALUES ('t2', 'd1')");
	prepare_rows("UPDATE device SET presence = 'online', connection = 1001, "
		     "oldest_connection = 1001 WHERE device_id = 'd1'");
	prepare_rows(sql);
	begin();
	push("t2");
	complete("f2", true, "");
	commit();
}

static void note(bool online, uint64_t connection)
{
	const struct fw_presence_event event = {.online = online,
		.listens = online,
		.at = catalog.transaction.wall_ms,
		.connection = connection,
		.oldest = connection,
		.product = LAMP,
		.device = D1};

	begin();
	assert_int_equal(fw_device_presence_apply(catalog.presence, &event), FW_OK);
	commit();
}

static void goes_away(void)
{
	note(false, 0);
}

static void comes_back(void)
{
	note(true, 1002);
}

/* What is due by then is done. */
static void wait_seconds(int64_t seconds)
{
	pass_ms(seconds * SECOND);
	run_scheduler();
}

static void reports(const char *version)
{
	begin();
	report(version);
	commit();
}

static void assert_row(const char *expected)
{
	assert_rows("SELECT state, failure FROM task_device WHERE task_id = 't2'", expected);
}

/* Its longest absence, of a hundred seconds, ended so long ago. */
static void was_away(int64_t days_ago)
{
	char sql[128];

	snprintf(sql, sizeof(sql), "UPDATE device SET absence_ms = 100000, absence_at = %lld",
		(long long)(catalog.transaction.wall_ms - days_ago * 24 * 3600 * SECOND));
	prepare_rows(sql);
}

static void who_goes_away_on_trial_is_lost_though_the_trial_ends_before(void **state)
{
	(void)state;
	complete_with("trial_seconds = 10, lost_seconds = 60");
	goes_away();
	wait_seconds(11);
	assert_row("success|-");
	wait_seconds(50);
	assert_row("failed|lost");
}

static void who_comes_back_after_the_trial_has_time_to_report(void **state)
{
	(void)state;
	complete_with("trial_seconds = 10, lost_seconds = 60");
	goes_away();
	wait_seconds(20);
	comes_back();
	wait_seconds(5);
	reports("1.0");
	assert_row("failed|reverted");
}

static void who_stays_is_on_trial_no_longer(void **state)
{
	(void)state;
	complete_with("trial_seconds = 10, lost_seconds = 60");
	reports("2.0");
	wait_seconds(11);
	goes_away();
	wait_seconds(61);
	assert_row("success|-");
	assert_rows("SELECT trial_clock, lost_clock, wake_clock FROM task_device", "-|-|-");
}

static void who_never_shows_the_version_is_lost_without_a_trial(void **state)
{
	(void)state;
	complete_with("lost_seconds = 60");
	goes_away();
	wait_seconds(61);
	assert_row("failed|lost");
}

static void who_has_shown_the_version_is_not_lost_without_a_trial(void **state)
{
	(void)state;
	complete_with("lost_seconds = 60");
	goes_away();
	wait_seconds(20);
	comes_back();
	reports("2.0");
	goes_away();
	wait_seconds(61);
	assert_row("success|-");
	assert_rows("SELECT trial_clock, lost_clock, wake_clock FROM task_device", "-|-|-");
}

/* The link of the next upgrade broke, and the device installed it all the same. */
static void who_was_brought_on_by_an_upgrade_that_was_cut_off_did_not_go_back(void **state)
{
	struct fw_task_device row;

	(void)state;
	complete_with("trial_seconds = 600, lost_seconds = 60");
	reports("2.0");
	prepare_rows("INSERT INTO task_device (task_id, device_id) VALUES ('t3', 'd1')");
	pass_ms(5 * SECOND);
	begin();
	catalog.transaction.wall_ms += 5 * SECOND;
	push("t3");
	row = row_of("t3", "d1");
	assert_int_equal(
		fw_transition_apply(catalog.rows, &row, FW_EVENT_INTERRUPTED, NULL, NULL), FW_OK);
	report("3.0");
	commit();
	assert_row("success|-");
	assert_rows("SELECT state FROM task_device WHERE task_id = 't3'", "success");
}

static void nobody_goes_back_without_a_trial(void **state)
{
	(void)state;
	complete_with("lost_seconds = 60");
	reports("1.0");
	assert_row("success|-");
}

static void who_was_away_when_the_broker_ended_is_awaited_anew(void **state)
{
	(void)state;
	complete_with("lost_seconds = 60");
	goes_away();
	wait_seconds(40);
	begin_anew();
	wait_seconds(40);
	assert_row("success|-");
	wait_seconds(21);
	assert_row("failed|lost");
}

static void who_comes_back_after_a_start_is_not_lost(void **state)
{
	(void)state;
	complete_with("lost_seconds = 60");
	goes_away();
	begin_anew();
	wait_seconds(40);
	comes_back();
	wait_seconds(40);
	assert_row("success|-");
}

/* Where the broker tells of no connections, it may be there. */
static void who_was_there_and_says_nothing_is_not_lost(void **state)
{
	(void)state;
	complete_with("lost_seconds = 60");
	begin_anew();
	wait_seconds(120);
	assert_row("success|-");
}

static void who_is_seen_by_nobody_where_connections_are_seen_is_lost(void **state)
{
	(void)state;
	complete_with("lost_seconds = 60");
	catalog.context.sees_connections = true;
	begin_anew();
	wait_seconds(61);
	assert_row("failed|lost");
}

static void who_was_away_for_long_in_the_last_week_is_awaited_twice_as_long(void **state)
{
	(void)state;
	complete_with("lost_seconds = 60");
	was_away(6);
	goes_away();
	wait_seconds(61);
	assert_row("success|-");
	wait_seconds(140);
	assert_row("failed|lost");
}

static void an_absence_before_the_last_week_counts_no_more(void **state)
{
	(void)state;
	complete_with("lost_seconds = 60");
	was_away(8);
	goes_away();
	wait_seconds(61);
	assert_row("failed|lost");
}

static void nor_does_it_after_a_start(void **state)
{
	(void)state;
	complete_with("lost_seconds = 60");
	goes_away();
	was_away(6);
	begin_anew();
	wait_seconds(61);
	assert_row("success|-");
	was_away(8);
	begin_anew();
	wait_seconds(61);
	assert_row("failed|lost");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CATALOG_TEST(who_goes_away_on_trial_is_lost_though_the_trial_ends_before),
		CATALOG_TEST(who_comes_back_after_the_trial_has_time_to_report),
		CATALOG_TEST(who_stays_is_on_trial_no_longer),
		CATALOG_TEST(who_never_shows_the_version_is_lost_without_a_trial),
		CATALOG_TEST(who_has_shown_the_version_is_not_lost_without_a_trial),
		CATALOG_TEST(who_was_brought_on_by_an_upgrade_that_was_cut_off_did_not_go_back),
		CATALOG_TEST(nobody_goes_back_without_a_trial),
		CATALOG_TEST(who_was_away_when_the_broker_ended_is_awaited_anew),
		CATALOG_TEST(who_comes_back_after_a_start_is_not_lost),
		CATALOG_TEST(who_was_there_and_says_nothing_is_not_lost),
		CATALOG_TEST(who_is_seen_by_nobody_where_connections_are_seen_is_lost),
		CATALOG_TEST(who_was_away_for_long_in_the_last_week_is_awaited_twice_as_long),
		CATALOG_TEST(an_absence_before_the_last_week_counts_no_more),
		CATALOG_TEST(nor_does_it_after_a_start),
	};

	return cmocka_run_group_tests_name("trial", tests, open_folder, close_folder);
}
