/* The lines about refused messages: one a minute for a kind of refusal and topic, and safe to
 * print. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "service/refusal_log.h"

#define MINUTE 60000

static struct fw_refusal_log *refusal_log;
static char line[FW_REFUSAL_LINE];

static int set_up(void **state)
{
	(void)state;
	refusal_log = fw_refusal_log_new();
	return refusal_log ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	fw_refusal_log_free(refusal_log);
	return 0;
}

static bool told(enum fw_refusal why, enum fw_topic_kind kind, const char *client, int64_t now)
{
	memset(line, 'Z', sizeof(line));
	return fw_refusal_log_line(refusal_log, why, kind, client, "/lamp/d1/firmware/report",
		"the client is not that device", now, line);
}

static void test_the_line(void **state)
{
	(void)state;
	assert_true(told(FW_REFUSED_IDENTITY, FW_TOPIC_REPORT, "d2", 0));
	assert_string_equal(line,
		"refused report from client d2 on /lamp/d1/firmware/report: the client is not that "
		"device");
}

static void test_one_a_minute_with_the_number_left_out(void **state)
{
	(void)state;
	assert_true(told(FW_REFUSED_IDENTITY, FW_TOPIC_REPORT, "d2", 1000));
	assert_false(told(FW_REFUSED_IDENTITY, FW_TOPIC_REPORT, "d2", 1001));
	assert_false(told(FW_REFUSED_IDENTITY, FW_TOPIC_REPORT, "another", 1000 + MINUTE - 1));
	assert_true(told(FW_REFUSED_IDENTITY, FW_TOPIC_REPORT, "d2", 1000 + MINUTE));
	assert_non_null(strstr(line, " (and 2 more since the last such line)"));
	assert_false(told(FW_REFUSED_IDENTITY, FW_TOPIC_REPORT, "d2", 1001 + MINUTE));
	assert_true(told(FW_REFUSED_IDENTITY, FW_TOPIC_REPORT, "d2", 1000 + 2 * MINUTE));
	assert_non_null(strstr(line, " (and 1 more since the last such line)"));
	assert_true(told(FW_REFUSED_IDENTITY, FW_TOPIC_REPORT, "d2", 1000 + 3 * MINUTE));
	assert_null(strstr(line, "more since"));
}

static void test_kinds_do_not_hide_each_other(void **state)
{
	(void)state;
	for (int why = 0; why < FW_REFUSALS; why++) {
		for (int kind = 0; kind < FW_TOPIC_KINDS; kind++) {
			assert_true(told((enum fw_refusal)why, (enum fw_topic_kind)kind, "d2", 5));
			assert_false(told((enum fw_refusal)why, (enum fw_topic_kind)kind, "d2", 6));
		}
	}
}

static bool told_of(enum fw_refusal why, const char *detail, int64_t now)
{
	memset(line, 'Z', sizeof(line));
	return fw_refusal_log_line(refusal_log, why, FW_TOPIC_REPORT, "d1",
		"/lamp/d1/firmware/report", detail, now, line);
}

static void test_faults_do_not_hide_each_other(void **state)
{
	(void)state;
	assert_true(told_of(FW_REFUSED_MALFORMED, "version is missing", 0));
	assert_true(told_of(FW_REFUSED_MALFORMED, "the payload is not a JSON object", 1));
	assert_string_equal(line,
		"refused report from client d1 on /lamp/d1/firmware/report: the payload is not a "
		"JSON object");
	assert_false(told_of(FW_REFUSED_MALFORMED, "version is missing", 2));
	assert_false(told_of(FW_REFUSED_MALFORMED, "the payload is not a JSON object", 3));
	assert_true(told_of(FW_REFUSED_MALFORMED, "version is missing", MINUTE));
	assert_non_null(strstr(line, "version is missing (and 1 more since the last such line)"));
}

/* Sentences without end share a place, and take no more lines than so many. */
static void test_faults_are_bounded(void **state)
{
	unsigned lines = 0;
	char detail[32];

	(void)state;
	for (unsigned i = 0; i < 1000; i++) {
		snprintf(detail, sizeof(detail), "fault %u", i);
		lines += told_of(FW_REFUSED_MALFORMED, detail, i);
	}
	assert_true(lines >= 20 && lines <= 30);
	assert_true(told_of(FW_REFUSED_MALFORMED, "fault 0", MINUTE));
	assert_true(told_of(FW_REFUSED_MALFORMED, "fault 999", MINUTE + 100));
	assert_non_null(strstr(line, "more since the last such line"));
}

static void test_what_is_not_refused_is_not_called_so(void **state)
{
	(void)state;
	assert_true(told_of(FW_MENDED, "timestamp must be an integer", 0));
	assert_string_equal(line,
		"mended report from client d1 on /lamp/d1/firmware/report: timestamp must be an "
		"integer");
	assert_true(fw_refusal_log_line(refusal_log, FW_ASTRAY, FW_TOPIC_OTHER, "d1\n",
		"p/d\x1b/firmware/pull", "a slash is missing", 0, line));
	assert_string_equal(line,
		"client d1\\x0a publishes on p/d\\x1b/firmware/pull, which is no firmware topic: a "
		"slash is missing");
	assert_true(fw_refusal_log_line(refusal_log, FW_UNRETAINED, FW_TOPIC_OTHER, "d1",
		"/p/d/firmware/pull", "never", 0, line));
	assert_string_equal(line,
		"client d1 publishes on /p/d/firmware/pull with the retain flag, which is taken "
		"off: never (said once)");
}

static void test_names_cannot_forge_lines(void **state)
{
	(void)state;
	assert_true(told(
		FW_REFUSED_IDENTITY, FW_TOPIC_REPORT, "x\n1700000000: forged\x1b[2J\x7f\\x0a", 0));
	assert_null(strpbrk(line, "\n\x1b\x7f"));
	assert_non_null(strstr(line, "client x\\x0a1700000000: forged\\x1b[2J\\x7f\\x5cx0a on "));
	assert_true(told(FW_REFUSED_ID, FW_TOPIC_REPORT, "l\xc3\xa1mpara \xff%s%n", 0));
	assert_non_null(strstr(line, "client l\\xc3\\xa1mpara \\xff%s%n on "));
	assert_true(told(FW_REFUSED_UNSAVED, FW_TOPIC_REPORT, NULL, 0));
	assert_non_null(strstr(line, "from client  on"));
}

static void test_long_names_are_cut(void **state)
{
	char *name = malloc(65536);

	(void)state;
	assert_non_null(name);
	for (int kind = 0; kind < 2; kind++) {
		memset(name, kind ? 'a' : '\n', 65535);
		name[65535] = '\0';
		memset(line, 'Z', sizeof(line));
		assert_true(fw_refusal_log_line(refusal_log, FW_REFUSED_ID,
			(enum fw_topic_kind)kind, name, name, "detail", 0, line));
		assert_non_null(memchr(line, '\0', sizeof(line)));
		assert_true(strlen(line) < 600);
		assert_non_null(strstr(line, "... on "));
		assert_non_null(strstr(line, ": detail"));
	}
	free(name);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_the_line, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			test_one_a_minute_with_the_number_left_out, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			test_kinds_do_not_hide_each_other, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			test_faults_do_not_hide_each_other, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_faults_are_bounded, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			test_what_is_not_refused_is_not_called_so, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_names_cannot_forge_lines, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_long_names_are_cut, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
