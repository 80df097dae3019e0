/* Retries and deferrals: which failures, how often, after how long. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "upgrade/retry.h"

#define SECOND INT64_C(1000)
#define DAY (86400 * SECOND)

static void each_kind_is_retried_or_not(void **ignored)
{
	static const struct {
		const char *failure;
		bool transient, said, any; /* also when the device said "retry"; with 'any' */
	} kinds[FW_FAILURES] = {
		{"", false, false, false},
		{"device", false, true, true},
		{"response", true, true, true},
		{"timeout", true, true, true},
		{"version", false, false, true},
		{"lost", true, true, true},
		{"reverted", false, false, false},
		{"interrupted", true, true, true},
		{"refused", false, false, false},
	};
	const struct fw_retry transient = {.limit = 1}, any = {.limit = 1, .any = true};

	(void)ignored;
	for (size_t i = 0; i < FW_FAILURES; i++) {
		enum fw_failure failure =
			fw_state_machine_failure_parse(fw_slice_of(kinds[i].failure));

		assert_string_equal(fw_state_machine_failure_name(failure), kinds[i].failure);
		assert_int_equal(fw_retry_covers(&transient, failure, false), kinds[i].transient);
		assert_int_equal(fw_retry_covers(&transient, failure, true), kinds[i].said);
		assert_int_equal(fw_retry_covers(&any, failure, false), kinds[i].any);
		assert_int_equal(fw_retry_covers(&any, failure, true), kinds[i].any);
	}
	assert_false(fw_retry_covers(&any, FW_FAILURES, true));
}

static void a_row_is_retried_so_often_and_no_more(void **ignored)
{
	struct fw_retry retry = {.limit = 0, .delay_ms = 1, .any = true};

	(void)ignored;
	assert_false(fw_retry_is_due(&retry, FW_FAILURE_TIMEOUT, false, 0));
	retry.limit = 2;
	assert_true(fw_retry_is_due(&retry, FW_FAILURE_TIMEOUT, false, 0));
	assert_true(fw_retry_is_due(&retry, FW_FAILURE_TIMEOUT, false, 1));
	assert_false(fw_retry_is_due(&retry, FW_FAILURE_TIMEOUT, false, 2));
	assert_false(fw_retry_is_due(&retry, FW_FAILURE_TIMEOUT, false, 3));
	assert_false(fw_retry_is_due(&retry, FW_FAILURE_REFUSED, true, 0));
}

static void the_delay_doubles_to_a_day_and_differs_by_turn(void **ignored)
{
	static const struct {
		int64_t delay, number, turn, expected;
	} pairs[] = {
		{600 * SECOND, 1, 0, 600 * SECOND},
		{600 * SECOND, 2, 0, 1200 * SECOND},
		{600 * SECOND, 3, 0, 2400 * SECOND},
		{600 * SECOND, 8, 0, 76800 * SECOND},
		{600 * SECOND, 9, 0, DAY},
		{600 * SECOND, 10, 0, DAY},
		{600 * SECOND, 1, 1000000, 750 * SECOND},
		{600 * SECOND, 1, 500000, 675 * SECOND},
		{600 * SECOND, 1, 1, 600 * SECOND},
		{600 * SECOND, 1, 7, 600 * SECOND + 1},
		{600 * SECOND, 10, 1000000, DAY + DAY / 4},
		{1 * SECOND, 1, 0, 1 * SECOND},
		{1 * SECOND, 10, 0, 512 * SECOND},
		{DAY, 1, 0, DAY},
		{DAY, 5, 0, DAY},
		/* longer than a day from the beginning: it stays so */
		{604800 * SECOND, 1, 0, 604800 * SECOND},
		{604800 * SECOND, 10, 1000000, 756000 * SECOND},
		/* what is out of range counts as the nearest in it */
		{600 * SECOND, 0, 0, 600 * SECOND},
		{600 * SECOND, 1, -5, 600 * SECOND},
		{600 * SECOND, 1, 2000000, 750 * SECOND},
		{600 * SECOND, INT64_MAX, 0, DAY},
		{0, INT64_C(100), 0, DAY},
	};

	(void)ignored;
	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		const struct fw_retry retry = {.limit = 10, .delay_ms = pairs[i].delay};

		assert_int_equal(fw_retry_delay_ms(&retry, pairs[i].number, pairs[i].turn),
			pairs[i].expected);
	}
}

static void a_device_may_put_it_off_for_so_long(void **ignored)
{
	int64_t until = 0;

	(void)ignored;
	assert_true(fw_retry_may_defer(-1, 5000, INT64_MAX, &until));
	assert_int_equal(until, -1);
	assert_true(fw_retry_may_defer(3600 * SECOND, 5000, 5000, &until));
	assert_int_equal(until, 3605000);
	assert_true(fw_retry_may_defer(3600 * SECOND, 5000, 3604999, &until));
	assert_false(fw_retry_may_defer(3600 * SECOND, 5000, 3605000, &until));
	assert_int_equal(until, 3605000);
	/* mandatory from the first word on */
	assert_false(fw_retry_may_defer(0, 5000, 5000, &until));
	assert_int_equal(until, 5000);
	assert_false(fw_retry_may_defer(0, 0, 0, &until));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_kind_is_retried_or_not),
		cmocka_unit_test(a_row_is_retried_so_often_and_no_more),
		cmocka_unit_test(the_delay_doubles_to_a_day_and_differs_by_turn),
		cmocka_unit_test(a_device_may_put_it_off_for_so_long),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
