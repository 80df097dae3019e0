/* Pulls while the catalog changes, fails, or lacks what is asked for. */
#include "resolver_fixture.h"

static void test_cached_until_the_generation_moves(void **state)
{
	(void)state;
	assert_offer("1.0", NULL, "2.0");
	assert_code("2.0", NULL, FW_PULL_NO_UPDATE);
	source.asked = 0;
	assert_offer("1.0", NULL, "2.0");
	assert_code("2.0", NULL, FW_PULL_NO_UPDATE);
	assert_int_equal(source.asked, 0);
	source.firmware[0].ready = false;
	assert_offer("1.0", NULL, "2.0");
	changed();
	assert_offer("1.0", NULL, "1.1");
	assert_true(source.asked > 0);
}

/* The version asked for last is remembered with the product: whoever runs another is not taken for
 * it, however long its version is. */
static void test_devices_with_different_versions_take_turns(void **state)
{
	static const char longest[] =
		"2.0-0123456789012345678901234567890123456789012345678901234567890";

	(void)state;
	source.firmware[4].version = longest, source.firmware[4].order = 5,
	source.firmware[4].ready = true;
	for (int i = 0; i < 3; i++) {
		assert_offer("1.0", NULL, longest);
		assert_code(longest, NULL, FW_PULL_NO_UPDATE);
		assert_offer("1.1", NULL, longest);
		assert_offer("unheard of", NULL, longest);
		assert_offer("2.0-0123456789012345678901234567", NULL, longest);
		assert_code("3.0-and-more", "9.9", FW_PULL_VERSION_NOT_FOUND);
	}
}

/* Another connection may commit between any two questions of one answer. */
static void test_changes_in_the_middle_of_an_answer(void **state)
{
	(void)state;
	source.restless = true;
	for (int i = 0; i < 100; i++) {
		source.product = (struct fw_product){.enabled = true,
			.open_tasks = i % 2,
			.policy = (enum fw_pull_policy)(i % 3)};
		source.open[0] = i % 4 == 1 ? "1.1" : NULL;
		source.firmware[0].ready = i % 5;
		ask(i % 7 ? "1.0" : NULL, i % 11 ? NULL : "1.1");
	}
	assert_offer(NULL, "1.1", "1.1");
}

static void test_not_found_is_cached_and_found_later(void **state)
{
	(void)state;
	assert_code(NULL, "9.9", FW_PULL_VERSION_NOT_FOUND);
	source.asked = 0;
	assert_code(NULL, "9.9", FW_PULL_VERSION_NOT_FOUND);
	assert_int_equal(source.asked, 0);
	source.firmware[4].version = "9.9", source.firmware[4].order = 9,
	source.firmware[4].ready = true;
	changed();
	assert_offer(NULL, "9.9", "9.9");
}

static void test_an_error_is_passed_on_and_not_kept(void **state)
{
	static const enum fw_status errors[] = {FW_BUSY, FW_IO, FW_CORRUPT, FW_NOMEM};
	struct fw_pull pull = {.product = LAMP, .device = D1};
	struct fw_answer answer;

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		changed();
		source.error = errors[i];
		assert_int_equal(fw_resolver_answer(catalog, &pull, &answer), errors[i]);
		source.error = FW_OK;
		source.generation_error = errors[i];
		assert_int_equal(fw_resolver_answer(catalog, &pull, &answer), errors[i]);
		source.generation_error = FW_OK;
		assert_offer(NULL, NULL, "2.0");
	}
}

/* Made-up versions and products cannot make the cache grow without end, nor make it answer wrongly.
 */
static void test_many_questions(void **state)
{
	(void)state;
	for (int i = 0; i < 70000; i++) {
		char version[16];

		snprintf(version, sizeof(version), "x%d", i);
		assert_code(NULL, version, FW_PULL_VERSION_NOT_FOUND);
	}
	assert_offer(NULL, "1.1", "1.1");
	assert_offer("1.0", NULL, "2.0");
}

static void test_a_version_too_long_is_no_crash(void **state)
{
	char long_version[FW_VERSION_MAX * 4 + 2];
	struct fw_pull pull = {
		.product = LAMP, .device = D1, .current = {long_version, sizeof(long_version) - 1}};
	struct fw_answer answer;

	(void)state;
	memset(long_version, 'x', sizeof(long_version));
	long_version[sizeof(long_version) - 1] = '\0';
	assert_int_not_equal(fw_resolver_answer(catalog, &pull, &answer), FW_OK);
	pull.current.len--;
	assert_int_equal(fw_resolver_answer(catalog, &pull, &answer), FW_OK);
	assert_string_equal(answer.firmware->version, "2.0");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			test_cached_until_the_generation_moves, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			test_devices_with_different_versions_take_turns, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			test_changes_in_the_middle_of_an_answer, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			test_not_found_is_cached_and_found_later, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			test_an_error_is_passed_on_and_not_kept, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_many_questions, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			test_a_version_too_long_is_no_crash, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
