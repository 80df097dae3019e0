/* Firmware that calls itself otherwise than the catalog does, as pulls show it. */
#include "apply_fixture.h"

static void start_unknown(void)
{
	prepare_rows("UPDATE device SET version = NULL WHERE device_id = 'd1'");
	begin();
}

static void assert_counted(const char *expected)
{
	assert_rows("SELECT from_version, label, times FROM label_mismatch", expected);
}

static void what_was_offered_to_an_unknown_version_is_judged_by_the_next_one(void **state)
{
	(void)state;
	start_unknown();
	pull("", "f2");
	/* what it ran before, or what it runs since: nobody knows */
	pull("1.0", "f2");
	assert_counted("");
	pull("v2.0", "f2");
	assert_counted("1.0|v2.0|1");
	pull("v2.0", "f2");
	pull("v2.0", "f2");
	assert_counted("v2.0|v2.0|3");
	commit();
}

static void a_report_tells_it_too(void **state)
{
	(void)state;
	start_unknown();
	pull("", "f2");
	report("1.0");
	pull("", "f2");
	report("v2.0");
	assert_counted("");
	pull("", "f2");
	assert_counted("1.0|v2.0|1");
	commit();
}

static void who_only_asks_is_not_counted(void **state)
{
	(void)state;
	start_unknown();
	pull("", "f2");
	for (unsigned i = 0; i < 5; i++)
		pull("v2.0", "f2");
	assert_counted("");
	/* its word that it installed it counts */
	for (unsigned i = 0; i < 3; i++) {
		complete("f2", true, "");
		report("v2.0");
		pull("v2.0", "f2");
	}
	assert_counted("v2.0|v2.0|3");
	commit();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CATALOG_TEST(what_was_offered_to_an_unknown_version_is_judged_by_the_next_one),
		CATALOG_TEST(a_report_tells_it_too),
		CATALOG_TEST(who_only_asks_is_not_counted),
	};

	return cmocka_run_group_tests_name("apply_label", tests, open_folder, close_folder);
}
