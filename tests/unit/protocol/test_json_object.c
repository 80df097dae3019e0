/* Any JSON object is read as RFC 8259 has it, without a tree. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "protocol/json_object.h"

static struct fw_json_scan members[FW_JSON_MEMBERS];
static size_t count;
static const char *why;
static char room[FW_PAYLOAD_MAX];

static bool is_wanted(struct fw_slice name)
{
	return name.len <= 1 || fw_slice_equal(name, FW_SLICE("\xc3\xa4"));
}

/* From memory of exactly its length, so that a sanitizer sees what reads further. */
static enum fw_status scan(const char *text)
{
	static char *copy;
	size_t len = strlen(text);

	free(copy);
	copy = malloc(len ? len : 1);
	assert_non_null(copy);
	memcpy(copy, text, len);
	why = NULL;
	count = 0;
	return fw_json_object_read(
		(struct fw_slice){copy, len}, is_wanted, room, members, &count, &why);
}

static void assert_member(size_t i, const char *name, enum fw_json_scan_type type, const char *text)
{
	assert_true(i < count);
	assert_true(fw_slice_equal(members[i].name, fw_slice_of(name)));
	assert_int_equal(members[i].type, type);
	assert_true(fw_slice_equal(members[i].text, fw_slice_of(text)));
}

static void wanted_members_are_read(void **state)
{
	(void)state;
	assert_int_equal(scan(" { \"a\" : \"1.0\" , "
			      "\"no\":[1,{\"a\":2}],\"b\":-7,\"c\":1.5e3,\"d\":true,\"e\":false,"
			      "\"f\":null,\"g\":{\"a\":[]},\"h\":[[]],\"\":\"\" } \n"),
		FW_OK);
	assert_int_equal(count, 9);
	assert_member(0, "a", FW_JSON_TEXT, "1.0");
	assert_member(1, "b", FW_JSON_INTEGER, "-7");
	assert_true(members[1].integer == -7);
	assert_member(2, "c", FW_JSON_REAL, "1.5e3");
	assert_true(fw_json_object_real(members[2].text) == 1500);
	assert_int_equal(members[3].type, FW_JSON_TRUE);
	assert_int_equal(members[4].type, FW_JSON_FALSE);
	assert_int_equal(members[5].type, FW_JSON_NULL);
	assert_int_equal(members[6].type, FW_JSON_OTHER);
	assert_int_equal(members[7].type, FW_JSON_OTHER);
	assert_member(8, "", FW_JSON_TEXT, "");
	assert_int_equal(scan("{}"), FW_OK);
	assert_int_equal(count, 0);
}

static void escapes_are_resolved(void **state)
{
	(void)state;
	assert_int_equal(
		scan("{\"\\u0061\":\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00E4\\u20aC\\ud83d\\ude00x\","
		     "\"\\u00e4\":\"plain \xe2\x82\xac\",\"b\":\"\\u0041\"}"),
		FW_OK);
	assert_member(0, "a", FW_JSON_TEXT, "\"\\/\b\f\n\r\t\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80x");
	assert_member(1, "\xc3\xa4", FW_JSON_TEXT, "plain \xe2\x82\xac");
	assert_member(2, "b", FW_JSON_TEXT, "A");
	assert_int_equal(scan("{\"a\":\"x\\u0000y\"}"), FW_OK);
	assert_true(fw_slice_equal(members[0].text, FW_SLICE("x\0y")));
}

static void numbers_keep_their_limits(void **state)
{
	(void)state;
	assert_int_equal(scan("{\"a\":9223372036854775807,\"b\":-9223372036854775808,\"c\":"
			      "9223372036854775808,\"d\":-0,"
			      "\"e\":0.10,\"f\":123456789012345678901234567890}"),
		FW_OK);
	assert_true(members[0].type == FW_JSON_INTEGER && members[0].integer == INT64_MAX);
	assert_true(members[1].type == FW_JSON_INTEGER && members[1].integer == INT64_MIN);
	assert_int_equal(members[2].type, FW_JSON_REAL);
	assert_true(members[3].type == FW_JSON_INTEGER && members[3].integer == 0);
	assert_true(fw_json_object_real(members[4].text) == 0.1);
	assert_int_equal(members[5].type, FW_JSON_REAL);
	assert_int_equal(scan("{\"a\":1e308,\"b\":1E-999}"), FW_OK);
	assert_int_equal(scan("{\"a\":1e309,\"b\":-1e999,\"c\":[1e309]}"), FW_OK);
	assert_int_equal(members[0].type, FW_JSON_REAL);
	assert_true(fw_json_object_real(members[0].text) == HUGE_VAL);
	assert_true(fw_json_object_real(members[1].text) == -HUGE_VAL);
	assert_int_equal(scan("{\"a\":1e309"), FW_INVALID);
}

static void what_is_no_json_is_refused(void **state)
{
	static const char *const bad[] = {"", " ", "[]", "1", "{", "{\"a\"", "{\"a\":", "{\"a\":1",
		"{\"a\":1,", "{\"a\":1,}", "{,}", "{\"a\" 1}", "{\"a\":1 \"b\":2}", "{\"a\":1}}",
		"{}{}", "{a:1}", "{\"a\":01}", "{\"a\":-}", "{\"a\":1.}", "{\"a\":.5}",
		"{\"a\":1e}", "{\"a\":1e+}", "{\"a\":+1}", "{\"a\":--1}", "{\"a\":0x1}",
		"{\"a\":1.5.5}", "{\"a\":nul}", "{\"a\":nulll}", "{\"a\":True}", "{\"a\":t",
		"{\"a\":[}", "{\"a\":[1,]}", "{\"a\":[,1]}", "{\"a\":[1 2]}", "{\"a\":[1}",
		"{\"a\":{]}", "{\"a\":\"\n\"}", "{\"a\":\"\x01\"}", "{\"a\":\"\\x\"}",
		"{\"a\":\"\\u12\"}", "{\"a\":\"\\u12g4\"}", "{\"a\":\"\\ud800\"}",
		"{\"a\":\"\\ud800\\u0041\"}", "{\"a\":\"\\udc00\"}", "{\"a\":\"\\ud800\\",
		"{\"a\":\"\\", "{\"a\":\"", "{\"\\", "{\"a\":\"\xff\"}", "{\"\xc3\":1}",
		"{\"a\":\xc3\xa4}", "{} \xff", "{\"a\":\"\xed\xa0\x80\"}", "{\"a\":1/**/}"};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (scan(bad[i]) != FW_INVALID || !why)
			fail_msg("accepted: %s", bad[i]);
	}
}

static void no_object_gives_a_member_twice(void **state)
{
	static const char *const bad[] = {"{\"a\":1,\"a\":1}", "{\"a\":1,\"\\u0061\":1}",
		"{\"x\":{\"b\":1,\"b\":2}}", "{\"x\":[0,{\"\":1,\"\":2}]}",
		"{\"x\":{\"y\":{},\"y\":{}}}"};
	static char many[FW_PAYLOAD_MAX];
	size_t len = 1;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(scan(bad[i]), FW_INVALID);
		assert_string_equal(why, "a member is given twice");
	}
	for (unsigned i = 0; i < 2000; i++)
		assert_int_equal(scan("{\"a\":[{\"b\":0,\"\":0},{\"c\":0,\"\":1},{\"d\":0},{\"e\":"
				      "0},{\"f\":0}],"
				      "\"g\":{\"h\":{\"a\":{\"\":0}}},\"\":0}"),
			FW_OK);
	assert_int_equal(
		scan("{\"a\":{\"a\":{\"a\":1}},\"b\":[{\"a\":1},{\"a\":1}],\"A\":1}"), FW_OK);
	assert_int_equal(scan("{\"a\\u0000\":1}"), FW_INVALID);
	assert_string_equal(why, "the name of a member contains a NUL character");
	/* as many names as there is room for: the table of them never fills */
	many[0] = '{';
	for (unsigned i = 0; len < sizeof(many) - 16; i++)
		len += (size_t)snprintf(
			many + len, sizeof(many) - len, "%s\"%x\":0", i ? "," : "", i);
	many[len] = '}';
	assert_int_equal(scan(many), FW_OK);
	assert_int_equal(count, FW_JSON_MEMBERS);
	memcpy(many + len, ",\"5\":0}", 8);
	assert_int_equal(scan(many), FW_INVALID);
	assert_string_equal(why, "a member is given twice");
}

static void depth_has_a_limit(void **state)
{
	(void)state;
	assert_int_equal(scan("{\"x\":[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]}"), FW_OK);
	assert_int_equal(scan("{\"x\":[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]}"), FW_INVALID);
	assert_non_null(strstr(why, "nested too deeply"));
	assert_int_equal(scan("{\"x\":[[[[[[[[[[[[[[{\"a\":{}}]]]]]]]]]]]]]]}"), FW_INVALID);
	assert_non_null(strstr(why, "nested too deeply"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(wanted_members_are_read),
		cmocka_unit_test(escapes_are_resolved),
		cmocka_unit_test(numbers_keep_their_limits),
		cmocka_unit_test(what_is_no_json_is_refused),
		cmocka_unit_test(no_object_gives_a_member_twice),
		cmocka_unit_test(depth_has_a_limit),
	};

	return cmocka_run_group_tests_name("object", tests, NULL, NULL);
}
