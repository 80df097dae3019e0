/* The steady clock goes on over restarts of the broker and of the machine, and no step of the wall
 * clock moves it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "base/clock.h"

#define DAY INT64_C(86400000)

static struct fw_clock_moment moment(int64_t wall_ms, int64_t boot_ms, const char *boot_id)
{
	struct fw_clock_moment made = {.wall_ms = wall_ms, .boot_ms = boot_ms};

	strncpy(made.boot_id, boot_id, sizeof(made.boot_id) - 1);
	return made;
}

/* Steady time at `now` for a clock that was at 5000 when `saved` was taken. */
static int64_t resumed(struct fw_clock_moment saved, struct fw_clock_moment now)
{
	struct fw_clock clock;

	fw_clock_resume(&clock, 5000, &saved, &now);
	return now.boot_ms + clock.offset;
}

static void test_same_boot_goes_by_the_boot_clock(void **state)
{
	(void)state;
	assert_int_equal(resumed(moment(1000000, 700, "a"), moment(1000300, 1000, "a")), 5300);
	assert_int_equal(
		resumed(moment(1000000, 700, "a"), moment(1000300 + DAY, 1000, "a")), 5300);
	assert_int_equal(
		resumed(moment(1000000 + 2 * DAY, 700, "a"), moment(1000300, 1000, "a")), 5300);
	assert_int_equal(resumed(moment(1000000, 700, "a"), moment(1000000, 700, "a")), 5000);
}

static void test_another_boot_goes_by_the_wall_clock(void **state)
{
	(void)state;
	assert_int_equal(resumed(moment(1000000, 700000, "a"), moment(1060000, 1000, "b")), 65000);
	assert_int_equal(resumed(moment(1000000, 700, "a"), moment(1060000, 900000, "b")), 65000);
}

static void test_unknown_boots_are_different_ones(void **state)
{
	(void)state;
	assert_int_equal(resumed(moment(1000000, 700, ""), moment(1060000, 60700, "")), 65000);
	assert_int_equal(resumed(moment(1000000, 700000, ""), moment(1060000, 10, "")), 65000);
}

static void test_never_backwards(void **state)
{
	(void)state;
	assert_int_equal(resumed(moment(1000000, 700000, "a"), moment(500000, 10, "b")), 5000);
	assert_int_equal(resumed(moment(1000000, 700, "a"), moment(1000000, 600, "a")), 5000);
}

static void test_the_first_start(void **state)
{
	struct fw_clock clock;
	struct fw_clock_moment now = moment(1700000000000, 90000, "a");

	(void)state;
	fw_clock_resume(&clock, 0, &(struct fw_clock_moment){0}, &now);
	assert_int_equal(now.boot_ms + clock.offset, 0);
}

static void test_reading(void **state)
{
	struct fw_clock_moment first, second;
	struct fw_clock clock = {.offset = 1000};
	int64_t before = fw_boot_ms();

	(void)state;
	memset(&first, 0x5a, sizeof(first));
	fw_clock_read(&first);
	fw_clock_read(&second);
	assert_true(first.boot_ms >= before && second.boot_ms >= first.boot_ms);
	assert_in_range(second.wall_ms - (int64_t)time(NULL) * 1000 + 2000, 0, 4000);
	assert_true(strlen(first.boot_id) < FW_BOOT_ID_MAX);
	assert_string_equal(first.boot_id, second.boot_id);
	assert_null(strchr(first.boot_id, '\n'));
	assert_in_range(fw_clock_now(&clock) - fw_boot_ms(), 999, 1000);
}

#define HOUR INT64_C(3600000)
#define YEAR (365 * DAY)

static struct fw_clock_trust trust;

/* What is believed at `steady` when the wall clock is off the right time by `off`. The right time
 * is the steady one, from 2023 on. */
static int64_t believed(int64_t steady, int64_t off, bool wanted_held)
{
	bool held;
	int64_t now =
		fw_clock_believed(&trust, 1700000000000 + steady + off, steady, 7 * DAY, &held);

	assert_int_equal(held, wanted_held);
	return now - 1700000000000;
}

static void test_a_clock_that_goes_well_is_believed(void **state)
{
	(void)state;
	trust = (struct fw_clock_trust){0};
	for (int64_t day = 0; day < 100; day++)
		assert_int_equal(
			believed(day * DAY, day % 3 * 60000, false), day * DAY + day % 3 * 60000);
}

static void test_a_clock_that_jumped_ahead_is_not_believed(void **state)
{
	(void)state;
	trust = (struct fw_clock_trust){0};
	assert_int_equal(believed(0, 0, false), 0);
	assert_int_equal(believed(60000, YEAR, true), 60000);
	assert_int_equal(believed(2 * DAY, YEAR, true), 2 * DAY);
	/* back again: as if nothing had been */
	assert_int_equal(believed(2 * DAY + 60000, 0, false), 2 * DAY + 60000);
	/* ahead by another amount each day: never */
	for (int64_t day = 3; day < 40; day++)
		assert_int_equal(believed(day * DAY, day * DAY, true), day * DAY);
}

static void test_a_clock_that_stays_ahead_is_believed_after_long(void **state)
{
	(void)state;
	trust = (struct fw_clock_trust){0};
	assert_int_equal(believed(0, -YEAR, false), -YEAR);
	assert_int_equal(believed(DAY, 0, true), DAY - YEAR);
	assert_int_equal(believed(8 * DAY - 1, 60000, true), 8 * DAY - 1 - YEAR);
	assert_int_equal(believed(8 * DAY, 0, false), 8 * DAY);
	assert_int_equal(believed(9 * DAY, 0, false), 9 * DAY);
}

static void test_a_clock_that_is_behind_is_believed_and_forgotten(void **state)
{
	(void)state;
	trust = (struct fw_clock_trust){0};
	assert_int_equal(believed(0, 0, false), 0);
	/* a machine that boots in 1970, and gets the time after a minute */
	assert_int_equal(believed(DAY, -20 * YEAR, false), DAY - 20 * YEAR);
	assert_int_equal(believed(DAY + 60000, 0, false), DAY + 60000);
	/* the reference was ahead, and the clock was set right */
	assert_int_equal(believed(2 * DAY, -YEAR, false), 2 * DAY - YEAR);
	assert_int_equal(believed(2 * DAY + HOUR, -YEAR, false), 2 * DAY + HOUR - YEAR);
	assert_int_equal(believed(3 * DAY, 0, true), 3 * DAY - YEAR);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_same_boot_goes_by_the_boot_clock),
		cmocka_unit_test(test_another_boot_goes_by_the_wall_clock),
		cmocka_unit_test(test_unknown_boots_are_different_ones),
		cmocka_unit_test(test_never_backwards),
		cmocka_unit_test(test_the_first_start),
		cmocka_unit_test(test_reading),
		cmocka_unit_test(test_a_clock_that_goes_well_is_believed),
		cmocka_unit_test(test_a_clock_that_jumped_ahead_is_not_believed),
		cmocka_unit_test(test_a_clock_that_stays_ahead_is_believed_after_long),
		cmocka_unit_test(test_a_clock_that_is_behind_is_believed_and_forgotten),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
