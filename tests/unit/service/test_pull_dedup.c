/* What is new of a device, and what it only repeats. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "service/pull_dedup.h"

#define NOW INT64_C(1700000000000)
#define MINUTE 60000

static struct fw_pull_dedup *pull_dedup;
static uint64_t generation = 1, connection = 1;

static int set_up(void **state)
{
	(void)state;
	pull_dedup = fw_pull_dedup_new();
	return pull_dedup ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	fw_pull_dedup_free(pull_dedup);
	return 0;
}

static bool news_of(const char *product, const char *device, const char *version, int64_t now)
{
	struct fw_pull_report word = {.version = fw_slice_of(version),
		.connection = connection,
		.generation = generation,
		.now = now};

	return fw_pull_dedup_note(pull_dedup, fw_slice_of(product), fw_slice_of(device), &word);
}

static bool offer_is_news(const char *version, const char *offered)
{
	struct fw_pull_report word = {.version = fw_slice_of(version),
		.offered = fw_slice_of(offered),
		.connection = connection,
		.generation = generation,
		.now = NOW};

	return fw_pull_dedup_note(pull_dedup, FW_SLICE("lamp"), FW_SLICE("d1"), &word);
}

static void test_another_offer_is_news(void **state)
{
	(void)state;
	assert_true(offer_is_news("1.0", NULL));
	assert_true(offer_is_news("1.0", "f2"));
	assert_false(offer_is_news("1.0", "f2"));
	assert_true(offer_is_news("1.0", "f3"));
	assert_true(offer_is_news("1.0f", "3"));
	assert_true(offer_is_news("1.0", NULL));
}

static bool is_new(const char *device, const char *version, int64_t now)
{
	return news_of("lamp", device, version, now);
}

static void test_another_version_is_news(void **state)
{
	(void)state;
	assert_true(is_new("d1", "1.0", NOW));
	assert_false(is_new("d1", "1.0", NOW));
	assert_false(is_new("d1", "1.0", NOW + MINUTE - 1));
	assert_true(is_new("d1", "1.1", NOW + 1));
	assert_true(is_new("d1", "1.0", NOW + 2));
	assert_true(is_new("d1", NULL, NOW + 3));
	assert_false(is_new("d1", "", NOW + 4));
}

static void test_after_a_minute_it_is_news_again(void **state)
{
	(void)state;
	assert_true(is_new("d1", "1.0", NOW));
	assert_true(is_new("d1", "1.0", NOW + MINUTE));
	/* the minute begins with what is new, not with the repetition */
	assert_false(is_new("d1", "1.0", NOW + 2 * MINUTE - 1));
	assert_true(is_new("d1", "1.0", NOW + 2 * MINUTE));
}

static void test_in_another_generation_it_is_news(void **state)
{
	(void)state;
	assert_true(is_new("d1", "1.0", NOW));
	generation++;
	assert_true(is_new("d1", "1.0", NOW + 1));
	assert_false(is_new("d1", "1.0", NOW + 2));
}

static void test_by_another_connection_it_is_news(void **state)
{
	(void)state;
	assert_true(is_new("d1", "1.0", NOW));
	connection++;
	assert_true(is_new("d1", "1.0", NOW + 1));
	assert_false(is_new("d1", "1.0", NOW + 2));
}

static void test_a_clock_set_back_makes_news(void **state)
{
	(void)state;
	assert_true(is_new("d1", "1.0", NOW));
	assert_true(is_new("d1", "1.0", NOW - 3600000));
	assert_false(is_new("d1", "1.0", NOW - 3600000 + 1));
}

static void test_devices_and_products_are_apart(void **state)
{
	(void)state;
	assert_true(is_new("d1", "1.0", NOW));
	assert_true(is_new("d2", "1.0", NOW));
	assert_true(news_of("oven", "d1", "1.0", NOW));
	assert_true(news_of("a", "bc", "1.0", NOW));
	assert_true(news_of("ab", "c", "1.0", NOW));
}

static void test_forget(void **state)
{
	(void)state;
	assert_true(is_new("d1", "1.0", NOW));
	fw_pull_dedup_forget(pull_dedup, FW_SLICE("lamp"), FW_SLICE("d1"));
	assert_true(is_new("d1", "1.0", NOW + 1));
	fw_pull_dedup_forget(pull_dedup, FW_SLICE("lamp"), FW_SLICE("never heard of"));
}

/* It may forget, under far too many devices, but never takes news for a repetition. */
static void test_many_devices(void **state)
{
	unsigned repeated = 0;

	(void)state;
	for (int round = 0; round < 2; round++) {
		for (int i = 0; i < 200000; i++) {
			char id[16];

			snprintf(id, sizeof(id), "d%d", i);
			if (!is_new(id, round ? "2.0" : "1.0", NOW + round))
				repeated++;
		}
	}
	assert_int_equal(repeated, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_another_version_is_news, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_another_offer_is_news, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			test_after_a_minute_it_is_news_again, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			test_in_another_generation_it_is_news, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			test_by_another_connection_it_is_news, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			test_a_clock_set_back_makes_news, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			test_devices_and_products_are_apart, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_forget, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_many_devices, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
