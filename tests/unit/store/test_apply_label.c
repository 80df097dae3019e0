/* Firmware that calls itself otherwise than the catalog does, as pulls show it. */
#include "apply_fixture.h"

#include "upgrade/resolver.h"

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

/* Installs f2, which calls itself otherwise, so often in all. */
static void install_wrongly(int from, int times)
{
	for (int i = from; i < times; i++) {
		complete("f2", true, "");
		report("v2.0");
		pull("v2.0", "f2");
	}
}

static void the_view_shows_what_is_offered_no_more(void **state)
{
	(void)state;
	start_unknown();
	pull("", "f2");
	install_wrongly(0, FW_LABEL_CHECK_TIMES - 1);
	assert_rows("SELECT firmware_id FROM mislabelled", "");
	install_wrongly(FW_LABEL_CHECK_TIMES - 1, FW_LABEL_CHECK_TIMES);
	assert_rows("SELECT firmware_id FROM mislabelled", "f2");
	commit();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CATALOG_TEST(what_was_offered_to_an_unknown_version_is_judged_by_the_next_one),
		CATALOG_TEST(a_report_tells_it_too),
		CATALOG_TEST(who_only_asks_is_not_counted),
		CATALOG_TEST(the_view_shows_what_is_offered_no_more),
	};

	return cmocka_run_group_tests_name("apply_label", tests, open_folder, close_folder);
}
