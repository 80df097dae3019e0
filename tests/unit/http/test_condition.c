/* Conditional requests, and the dates in them. */
#include "http/condition.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define TAG "\"e1\""
#define NOW 1735689600     /* 2025-01-01 */
#define MODIFIED 784111777 /* of the dates below */
#define DATE "Sun, 06 Nov 1994 08:49:37 GMT"
#define BEFORE "Sun, 06 Nov 1994 08:49:36 GMT"
#define AFTER "Sun, 06 Nov 1994 08:49:38 GMT"

static void test_dates(void **state)
{
	static const struct {
		const char *text;
		bool valid;
		int64_t seconds;
	} cases[] = {
		{DATE, true, MODIFIED},
		{" \t" DATE "\t ", true, MODIFIED},
		{"Sunday, 06-Nov-94 08:49:37 GMT", true, MODIFIED},
		{"Sun Nov  6 08:49:37 1994", true, MODIFIED},
		{"Wed Nov 16 08:49:37 1994", true, MODIFIED + 864000},
		{"Thu, 01 Jan 1970 00:00:00 GMT", true, 0},
		{"Fri, 01 Jan 2100 00:00:00 GMT", true, 4102444800},
		{"Wednesday, 01-Jan-70 00:00:00 GMT", true, 3155760000},
		{"Sunday, 01-Jan-75 00:00:00 GMT", true, 3313526400},
		{"Thursday, 01-Jan-76 00:00:00 GMT", true, 189302400},
		{"Sat, 30 Jun 2012 23:59:60 GMT", true, 1341100800},
		{"Thu, 31 Dec 9999 23:59:59 GMT", true, 253402300799},
		{"", false, 0},
		{"0", false, 0},
		{"now", false, 0},
		{"1994-11-06T08:49:37Z", false, 0},
		{"Sun, 6 Nov 1994 08:49:37 GMT", false, 0},
		{"Sun, 06 Nov 1994 08:49:37", false, 0},
		{"Sun, 06 Nov 1994 08:49:37 UTC", false, 0},
		{"Sun, 06 nov 1994 08:49:37 GMT", false, 0},
		{DATE ", " DATE, false, 0},
		{DATE "x", false, 0},
		{"Sun, 30 Feb 1994 08:49:37 GMT", false, 0},
		{"Sun, 00 Nov 1994 08:49:37 GMT", false, 0},
		{"Sun, 06 Nov 1994 24:00:00 GMT", false, 0},
		{"Sun, 06 Nov 1994 08:60:00 GMT", false, 0},
		{"Sun, 06 Nov -994 08:49:37 GMT", false, 0},
		{"Sun, +6 Nov 1994 08:49:37 GMT", false, 0},
		{"Son, 06 Nov 1994 08:49:37 GMT", false, 0},
		{"Sunday, 06 Nov 1994 08:49:37 GMT", false, 0},
		{"Sun, 06-Nov-94 08:49:37 GMT", false, 0},
		{"Sun, ", false, 0},
		{"Sun", false, 0},
		{"Sun Nov 006 08:49:37 1994", false, 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int64_t seconds = 0;
		bool valid = fw_http_date_parse(cases[i].text, NOW, &seconds);

		if (valid != cases[i].valid || (valid && seconds != cases[i].seconds))
			fail_msg("%s: %d, %lld", cases[i].text, valid, (long long)seconds);
	}
}

/* All that is written is read again. */
static void test_date_format(void **state)
{
	char text[FW_HTTP_DATE];
	int64_t seconds;

	(void)state;
	assert_true(fw_http_date_format(MODIFIED, text));
	assert_string_equal(text, DATE);
	for (int64_t at = -1000000000; at < 250000000000; at += 1234567891) {
		assert_true(fw_http_date_format(at, text));
		assert_true(fw_http_date_parse(text, NOW, &seconds) && seconds == at);
	}
	assert_false(fw_http_date_format(INT64_MAX, text));
	assert_false(fw_http_date_format(INT64_MIN, text));
	assert_false(fw_http_date_format(253402300800, text));
}

/* LINES: name, value, name, value, ..., NULL. */
static struct fw_http_conditions read_lines(
	const struct fw_http_validators *validators, const char *const *lines)
{
	struct fw_http_conditions conditions = {.validators = validators, .now = NOW};

	for (; *lines; lines += 2)
		fw_http_conditions_add(&conditions, lines[0], lines[1]);
	return conditions;
}

#define MATCH "If-Match"
#define NONE_MATCH "if-none-match"
#define MODIFIED_SINCE "If-Modified-Since"
#define UNMODIFIED_SINCE "IF-UNMODIFIED-SINCE"

static void test_precedence(void **state)
{
	static const struct {
		const char *lines[9];
		enum fw_http_verdict verdict;
	} cases[] = {
		{{NULL}, FW_HTTP_GO_ON},
		{{"Range", "bytes=0-", "Host", "h", NULL}, FW_HTTP_GO_ON},
		{{MATCH, TAG, NULL}, FW_HTTP_GO_ON},
		{{MATCH, "*", NULL}, FW_HTTP_GO_ON},
		{{MATCH, " * ", NULL}, FW_HTTP_GO_ON},
		{{MATCH, "\"a\", " TAG, NULL}, FW_HTTP_GO_ON},
		{{MATCH, "\"a\"\t,, ," TAG ",", NULL}, FW_HTTP_GO_ON},
		{{MATCH, "\"a,b\"," TAG, NULL}, FW_HTTP_GO_ON},
		{{MATCH, "\"a\"", MATCH, TAG, NULL}, FW_HTTP_GO_ON},
		{{MATCH, "W/\"e1\", " TAG, NULL}, FW_HTTP_GO_ON},
		{{MATCH, "\"a\"", NULL}, FW_HTTP_FAILED},
		{{MATCH, "W/" TAG, NULL}, FW_HTTP_FAILED},
		{{MATCH, "", NULL}, FW_HTTP_FAILED},
		{{MATCH, "e1", NULL}, FW_HTTP_FAILED},
		{{MATCH, "\"e1", NULL}, FW_HTTP_FAILED},
		{{MATCH, "\"x\"e1\"", NULL}, FW_HTTP_FAILED},
		{{MATCH, "*, \"a\"", NULL}, FW_HTTP_FAILED},
		{{MATCH, "\"a\" " TAG, NULL}, FW_HTTP_FAILED},
		{{MATCH, "rubbish, " TAG, NULL}, FW_HTTP_FAILED},
		{{MATCH, "\"e1\"x", NULL}, FW_HTTP_FAILED},
		{{MATCH, "\"E1\"", NULL}, FW_HTTP_FAILED},
		{{MATCH, NULL, NULL}, FW_HTTP_FAILED},
		{{NONE_MATCH, TAG, NULL}, FW_HTTP_NOT_MODIFIED},
		{{NONE_MATCH, "*", NULL}, FW_HTTP_NOT_MODIFIED},
		{{NONE_MATCH, "\"a\", W/" TAG, NULL}, FW_HTTP_NOT_MODIFIED},
		{{NONE_MATCH, "\"a\"", NULL}, FW_HTTP_GO_ON},
		{{NONE_MATCH, "\"a,\"e1\"\"", NULL}, FW_HTTP_GO_ON},
		{{MODIFIED_SINCE, DATE, NULL}, FW_HTTP_NOT_MODIFIED},
		{{MODIFIED_SINCE, AFTER, NULL}, FW_HTTP_NOT_MODIFIED},
		{{MODIFIED_SINCE, BEFORE, NULL}, FW_HTTP_GO_ON},
		{{MODIFIED_SINCE, "rubbish", NULL}, FW_HTTP_GO_ON},
		{{MODIFIED_SINCE, AFTER, MODIFIED_SINCE, AFTER, NULL}, FW_HTTP_GO_ON},
		{{UNMODIFIED_SINCE, DATE, NULL}, FW_HTTP_GO_ON},
		{{UNMODIFIED_SINCE, AFTER, NULL}, FW_HTTP_GO_ON},
		{{UNMODIFIED_SINCE, BEFORE, NULL}, FW_HTTP_FAILED},
		{{UNMODIFIED_SINCE, "rubbish", NULL}, FW_HTTP_GO_ON},
		{{UNMODIFIED_SINCE, BEFORE, UNMODIFIED_SINCE, BEFORE, NULL}, FW_HTTP_GO_ON},
		/* a tag outdoes a date, and what must hold comes before what must not */
		{{MATCH, TAG, UNMODIFIED_SINCE, BEFORE, NULL}, FW_HTTP_GO_ON},
		{{UNMODIFIED_SINCE, AFTER, MATCH, "\"a\"", NULL}, FW_HTTP_FAILED},
		{{NONE_MATCH, "\"a\"", MODIFIED_SINCE, AFTER, NULL}, FW_HTTP_GO_ON},
		{{MODIFIED_SINCE, BEFORE, NONE_MATCH, TAG, NULL}, FW_HTTP_NOT_MODIFIED},
		{{MATCH, "\"a\"", NONE_MATCH, TAG, NULL}, FW_HTTP_FAILED},
		{{MATCH, TAG, NONE_MATCH, TAG, NULL}, FW_HTTP_NOT_MODIFIED},
		{{UNMODIFIED_SINCE, BEFORE, NONE_MATCH, TAG, NULL}, FW_HTTP_FAILED},
		{{UNMODIFIED_SINCE, AFTER, MODIFIED_SINCE, DATE, NULL}, FW_HTTP_NOT_MODIFIED},
	};
	const struct fw_http_validators validators = {TAG, true, MODIFIED};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct fw_http_conditions conditions = read_lines(&validators, cases[i].lines);

		if (fw_http_conditions_check(&conditions) != cases[i].verdict)
			fail_msg("%zu: %s: %s", i, cases[i].lines[0], cases[i].lines[1]);
	}
}

/* Dates say nothing about a file whose own is not known. */
static void test_without_date(void **state)
{
	const struct fw_http_validators validators = {.etag = TAG};
	const char *const lines[] = {
		UNMODIFIED_SINCE, BEFORE, MODIFIED_SINCE, AFTER, "If-Range", DATE, NULL};
	struct fw_http_conditions conditions = read_lines(&validators, lines);

	(void)state;
	assert_int_equal(fw_http_conditions_check(&conditions), FW_HTTP_GO_ON);
	assert_false(fw_http_conditions_allow_range(&conditions));
}

static void test_if_range(void **state)
{
	static const struct {
		const char *value;
		bool allowed;
	} cases[] = {
		{TAG, true},
		{" " TAG " ", true},
		{DATE, true},
		{"Sunday, 06-Nov-94 08:49:37 GMT", true},
		{"W/" TAG, false},
		{"\"a\"", false},
		{"*", false},
		{TAG ", \"a\"", false},
		{"", false},
		{"\"e1", false},
		{BEFORE, false},
		{AFTER, false},
		{"rubbish", false},
		{NULL, false},
	};
	const struct fw_http_validators validators = {TAG, true, MODIFIED};
	const char *const none[] = {NULL},
			  *const twice[] = {"If-Range", TAG, "If-Range", TAG, NULL};
	struct fw_http_conditions conditions = read_lines(&validators, none);

	(void)state;
	assert_true(fw_http_conditions_allow_range(&conditions));
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *const lines[] = {"If-Range", cases[i].value, NULL};

		conditions = read_lines(&validators, lines);
		if (fw_http_conditions_allow_range(&conditions) != cases[i].allowed)
			fail_msg("%s", cases[i].value);
		assert_int_equal(fw_http_conditions_check(&conditions), FW_HTTP_GO_ON);
	}
	conditions = read_lines(&validators, twice);
	assert_false(fw_http_conditions_allow_range(&conditions));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_dates),
		cmocka_unit_test(test_date_format),
		cmocka_unit_test(test_precedence),
		cmocka_unit_test(test_without_date),
		cmocka_unit_test(test_if_range),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
