/* Clients that throw each other out, told from those whose connections end otherwise. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "service/takeover.h"

#define NOW INT64_C(1000000)

static struct fw_takeovers *takeovers;
static char line[FW_TAKEOVER_LINE];
static char clients[100000]; /* their addresses are the handles */

static int set_up(void **state)
{
	(void)state;
	takeovers = fw_takeovers_new();
	return takeovers ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	fw_takeovers_free(takeovers);
	return 0;
}

static bool ends(
	const char *id, int handle, enum fw_ending ending, bool clean, bool subscribed, int64_t now)
{
	return fw_takeovers_ended(takeovers,
		&(struct fw_takeover_client){&clients[handle], id, subscribed, clean}, ending, now,
		line);
}

static void spoke(const char *id, int handle, bool clean, bool subscribed)
{
	fw_takeovers_spoke(
		takeovers, &(struct fw_takeover_client){&clients[handle], id, subscribed, clean});
}

/* 2.1: the broker says so. */
static bool taken_over(const char *id, int handle, int64_t now)
{
	return ends(id, handle, FW_ENDING_TAKEN_OVER, true, false, now);
}

/* 2.0: thrown out, stripped of its session. */
static bool stripped(const char *id, int handle, int64_t now)
{
	return ends(id, handle, FW_ENDING_UNTOLD, true, false, now);
}

static void test_the_fourth_in_a_minute_is_told_once_a_minute(void **state)
{
	(void)state;
	assert_false(taken_over("d1", 1, NOW));
	assert_false(taken_over("d1", 2, NOW + 1000));
	assert_false(taken_over("d2", 9, NOW + 1500));
	assert_false(taken_over("d1", 1, NOW + 2000));
	assert_true(taken_over("d1", 2, NOW + 59999));
	assert_non_null(strstr(line, "client id d1: "));
	assert_null(strstr(line, "(or"));
	for (int64_t i = 0; i < 59; i++)
		assert_false(taken_over("d1", 1, NOW + 60000 + i * 1000));
	assert_true(taken_over("d1", 2, NOW + 119999));
}

static void test_three_in_a_minute_are_not_told(void **state)
{
	(void)state;
	for (int64_t i = 0; i < 100; i++)
		assert_false(taken_over("d1", 1, NOW + i * 20000));
}

static void test_ends_of_another_kind_do_not_count(void **state)
{
	(void)state;
	for (int64_t i = 0; i < 100; i++)
		assert_false(ends("d1", 1, FW_ENDING_OTHER, i % 2, i % 3, NOW + i));
}

static void test_untold_a_bad_link_is_none(void **state)
{
	(void)state;
	for (int i = 0; i < 100; i++) {
		/* a clean session keeps its subscriptions to the end */
		assert_false(ends("d1", i, FW_ENDING_UNTOLD, true, true, NOW + i));
		/* one that is kept is ended a second time, stripped, when its client is back */
		assert_false(ends("d2", 1000 + i, FW_ENDING_UNTOLD, false, i % 2, NOW + i));
		assert_false(stripped("d2", 1000 + i, NOW + i));
	}
}

static void test_told_a_session_that_goes_on_is_none(void **state)
{
	(void)state;
	for (int i = 0; i < 100; i++) {
		assert_false(ends("d1", i, FW_ENDING_OTHER, false, true, NOW + i));
		assert_false(taken_over("d1", i, NOW + i));
	}
}

static void test_untold_who_only_publishes_is_none(void **state)
{
	(void)state;
	for (int i = 0; i < 100; i++) {
		spoke("d1", i, true, false);
		assert_false(stripped("d1", i, NOW + i));
	}
}

static void test_untold_a_take_over(void **state)
{
	(void)state;
	/* it had subscriptions, or a session that is kept, and has neither */
	spoke("d1", 1, true, true);
	assert_false(stripped("d1", 1, NOW));
	spoke("d1", 2, false, false);
	assert_false(stripped("d1", 2, NOW + 1));
	spoke("d1", 3, true, false);
	spoke("d1", 3, true, true);
	assert_false(stripped("d1", 3, NOW + 2));
	assert_true(stripped("d1", 4, NOW + 3));
	assert_non_null(strstr(line, "(or one connects again and again"));
}

static void test_many_ids_are_told_of_now_and_then(void **state)
{
	unsigned lines = 0;
	char id[32];

	(void)state;
	for (int i = 0; i < 50; i++) {
		snprintf(id, sizeof(id), "device %d", i);
		for (int turn = 0; turn < 4; turn++)
			lines += taken_over(id, turn, NOW);
	}
	assert_int_equal(lines, 10);
	for (int turn = 0; turn < 4; turn++)
		lines += taken_over("another", turn, NOW + 60000);
	assert_int_equal(lines, 11);
	assert_non_null(strstr(line, "(and 40 more such ids since the last such line)"));
}

static void test_a_crowd_does_not_hide_a_fight(void **state)
{
	char id[32];

	(void)state;
	for (int turn = 0; turn < 3; turn++) {
		assert_false(taken_over("d1", turn, NOW + turn));
		/* each of a large fleet once */
		for (int i = 0; i < 200; i++) {
			snprintf(id, sizeof(id), "device %d %d", turn, i);
			assert_false(taken_over(id, i, NOW - 1));
		}
	}
	assert_true(taken_over("d1", 4, NOW + 3));
}

static void test_a_hostile_id_is_one_line(void **state)
{
	char id[1000];

	(void)state;
	memset(id, '\n', sizeof(id) - 1);
	id[sizeof(id) - 1] = '\0';
	for (int turn = 0; turn < 3; turn++)
		assert_false(stripped(id, turn, NOW));
	assert_true(stripped(id, 4, NOW));
	assert_null(strchr(line, '\n'));
	assert_non_null(strstr(line, "\\x0a..."));
	assert_non_null(strstr(line, "give each an id of its own"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			test_the_fourth_in_a_minute_is_told_once_a_minute, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			test_three_in_a_minute_are_not_told, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			test_ends_of_another_kind_do_not_count, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_untold_a_bad_link_is_none, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			test_told_a_session_that_goes_on_is_none, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			test_untold_who_only_publishes_is_none, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_untold_a_take_over, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			test_many_ids_are_told_of_now_and_then, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			test_a_crowd_does_not_hide_a_fight, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_a_hostile_id_is_one_line, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
