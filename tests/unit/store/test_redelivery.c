/* Which reports are deliveries of ones that were applied before. */
#include "apply_fixture.h"

#define NOW INT64_C(1700000000000)

/* A report of d1, with a timestamp, by its so-manieth connection. */
static void report_by(int connection, int64_t reported_at, const char *version)
{
	struct fw_uplink uplink = from_d1(FW_UPLINK_REPORT);

	uplink.connection = (uint64_t)(FIRST_CONNECTION + connection);
	uplink.has_reported_at = true;
	uplink.reported_at = reported_at;
	uplink.version = fw_slice_of(version);
	apply(uplink);
}

/* Six reports by one connection; the next ones break while they deliver them again. */
static void reports_are_applied_once_however_often_their_delivery_breaks(void **state)
{
	static const struct {
		int connection, from, to;
	} deliveries[] = {{1, 0, 6}, {2, 2, 4}, {3, 2, 3}, {4, 2, 6}, {5, 3, 7}, {6, 5, 8}};
	char version[] = "2.0";

	(void)state;
	begin();
	for (size_t i = 0; i < sizeof(deliveries) / sizeof(deliveries[0]); i++) {
		for (int number = deliveries[i].from; number < deliveries[i].to; number++) {
			version[2] = (char)('0' + number);
			report_by(deliveries[i].connection, NOW + number, version);
		}
	}
	commit();
	assert_rows("SELECT version FROM version_log ORDER BY log_id",
		"2.0\n2.1\n2.2\n2.3\n2.4\n2.5\n2.6\n2.7");
}

/* As many as a client may have in flight, of which each connection delivers one more. */
static void a_full_window_of_reports_is_applied_once(void **state)
{
	char version[8];

	(void)state;
	begin();
	for (int number = 0; number < 20; number++) {
		snprintf(version, sizeof(version), "2.%d", number);
		report_by(1, NOW + number, version);
	}
	for (int connection = 2; connection < 22; connection++) {
		for (int number = 0; number < connection - 1; number++) {
			snprintf(version, sizeof(version), "2.%d", number);
			report_by(connection, NOW + number, version);
		}
	}
	commit();
	assert_rows("SELECT count(*) FROM version_log", "20");
}

/* A device whose clock stands, and which goes back: it says on each boot what it said before. */
static void what_was_acknowledged_long_ago_is_a_new_word(void **state)
{
	(void)state;
	begin();
	report_by(1, NOW, "2.0");
	report_by(2, NOW, "3.0");
	report_by(3, NOW, "2.0");
	report_by(3, NOW, "3.0");
	commit();
	assert_rows("SELECT version FROM version_log ORDER BY log_id", "2.0\n3.0\n2.0");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CATALOG_TEST(reports_are_applied_once_however_often_their_delivery_breaks),
		CATALOG_TEST(a_full_window_of_reports_is_applied_once),
		CATALOG_TEST(what_was_acknowledged_long_ago_is_a_new_word),
	};

	return cmocka_run_group_tests_name("redelivery", tests, open_folder, close_folder);
}
