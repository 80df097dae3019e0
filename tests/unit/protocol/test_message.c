/* Messages: what the contract allows is read, member by member. */
#include "message_fixture.h"

static void each_kind_reads_its_members(void **state)
{
	(void)state;
	assert_int_equal(parse(FW_TOPIC_PULL,
				 "{\"timestamp\":1700000000000,\"messageId\":\"m\","
				 "\"currentVersion\":\"1.0\",\"requestVersion\":\"2.0\"}"),
		FW_OK);
	assert_true(message.has_timestamp && message.timestamp == 1700000000000);
	assert_slice(message.message_id, "\"m\"");
	assert_slice(message.current_version, "1.0");
	assert_slice(message.request_version, "2.0");

	assert_int_equal(parse(FW_TOPIC_UPGRADE_PROGRESS,
				 "{\"timestamp\":1,\"progress\":42,\"complete\":true,\"version\":"
				 "\"2\",\"success\":true,"
				 "\"errorReason\":\"r\\n\",\"firmwareId\":\"fw.1_a-B\"}"),
		FW_OK);
	assert_true(message.has_progress && message.progress == 42 && message.complete &&
		message.has_success && message.success);
	assert_slice(message.version, "2");
	assert_slice(message.error_reason, "r\n");
	assert_slice(message.firmware_id, "fw.1_a-B");

	assert_int_equal(parse(FW_TOPIC_UPGRADE_REPLY,
				 "{\"messageId\":7,\"success\":false,\"message\":\"no room\"}"),
		FW_OK);
	assert_true(message.has_success && !message.success);
	assert_slice(message.message_id, "7");
	assert_slice(message.error_reason, "no room");
	assert_int_equal(parse(FW_TOPIC_UPGRADE_REPLY, "{\"firmwareId\":\"f2\"}"), FW_OK);
	assert_slice(message.firmware_id, "f2");

	assert_int_equal(parse(FW_TOPIC_REPORT, "{\"timestamp\":5,\"version\":\"3\"}"), FW_OK);
	assert_slice(message.version, "3");
	assert_int_equal(parse(FW_TOPIC_READ, "{\"messageId\":1.5}"), FW_OK);
	assert_slice(message.message_id, "1.5");
	assert_int_equal(
		parse(FW_TOPIC_READ_REPLY, "{\"messageId\":\"x\",\"version\":\"4\"}"), FW_OK);
	assert_slice(message.version, "4");
	assert_slice(message.message_id, "\"x\"");

	assert_int_equal(
		parse(FW_TOPIC_CHUNK,
			"{\"messageId\":\"c\",\"firmwareId\":\"f\",\"offset\":0,\"length\":512}"),
		FW_OK);
	assert_true(message.has_range && message.offset == 0 && message.length == 512);
	assert_int_equal(parse(FW_TOPIC_CHUNK, "{\"firmwareId\":\"f\",\"offset\":0}"), FW_OK);
	assert_false(message.has_range);
	assert_int_equal(parse(FW_TOPIC_CHUNK, "{\"firmwareId\":\"f\",\"length\":1}"), FW_OK);
	assert_false(message.has_range);
}

static void absent_null_and_empty_are_the_same(void **state)
{
	static const char *const payloads[] = {
		"{}",
		" { } \n",
		"{\"timestamp\":null,\"messageId\":null,\"currentVersion\":null,\"requestVersion\":"
		"null,\"version\":null,\"progress\":null,"
		"\"complete\":null,\"success\":null,\"errorReason\":null,\"message\":null,"
		"\"firmwareId\":null,\"offset\":null,\"length\":null}",
		"{\"timestamp\":\"\",\"messageId\":\"\",\"currentVersion\":\"\",\"requestVersion\":"
		"\"\",\"version\":\"\",\"progress\":\"\","
		"\"complete\":\"\",\"success\":\"\",\"errorReason\":\"\",\"message\":\"\","
		"\"firmwareId\":\"\",\"offset\":\"\",\"length\":\"\"}",
		"{\"unknown\":{\"deep\":[1,2,{}]},\"Version\":7,\"\":false}",
	};
	unsigned kind;
	size_t i;

	(void)state;
	for (kind = 0; kind < FW_TOPIC_KINDS; kind++) {
		for (i = 0; i < sizeof(payloads) / sizeof(payloads[0]); i++) {
			assert_int_equal(parse(kind, payloads[i]), FW_OK);
			assert_int_equal(message.message_id.len, 0);
			assert_false(message.has_timestamp || message.has_progress ||
				message.has_success || message.complete || message.has_range);
			assert_int_equal(message.success, kind == FW_TOPIC_UPGRADE_REPLY);
			assert_int_equal(message.version.len + message.current_version.len +
					message.request_version.len,
				0);
			assert_int_equal(message.firmware_id.len + message.error_reason.len, 0);
		}
	}
}

static void members_of_other_kinds_are_ignored(void **state)
{
	(void)state;
	assert_int_equal(parse(FW_TOPIC_PULL,
				 "{\"version\":7,\"progress\":[],\"complete\":{},\"success\":1,"
				 "\"firmwareId\":\"a b\",\"offset\":-1}"),
		FW_OK);
	assert_int_equal(
		parse(FW_TOPIC_REPORT, "{\"messageId\":[],\"currentVersion\":1,\"version\":\"1\"}"),
		FW_OK);
	assert_int_equal(message.message_id.len, 0);
	assert_int_equal(
		parse(FW_TOPIC_UPGRADE_PROGRESS, "{\"messageId\":true,\"message\":3}"), FW_OK);
	assert_int_equal(
		parse(FW_TOPIC_UPGRADE_REPLY, "{\"errorReason\":3,\"progress\":900}"), FW_OK);
	assert_int_equal(parse(FW_TOPIC_READ, "{\"version\":3}"), FW_OK);
}

static void kinds_without_a_message_are_not_parsed(void **state)
{
	static const enum fw_topic_kind kinds[] = {FW_TOPIC_OTHER, FW_TOPIC_UPGRADE,
		FW_TOPIC_PULL_REPLY, FW_TOPIC_TASK, FW_TOPIC_CHUNK_REPLY, FW_TOPIC_CHUNK_ERROR};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		assert_int_equal(parse(kinds[i], "no JSON at all"), FW_OK);
		assert_null(message.resolved);
	}
}

static void a_faulty_member_that_nothing_depends_on_is_left_out(void **state)
{
	static const char *const wrong[] = {"\"1\"", "\"2024-01-01T00:00:00Z\"", "true", "{}", "[]",
		"1e19", "-1e19", "9223372036854775808.0", "99999999999999999999999", "\"\\u0000\"",
		"1e300", "1e400", "-1e400", "1.5E+9999"};
	static const char *const wrong_ids[] = {
		"true", "false", "{}", "[]", "[1]", "\"a\\u0000\"", "1e400", "-1e400"};
	char payload[256];

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		snprintf(payload, sizeof(payload), "{\"timestamp\":%s,\"version\":\"1.0\"}",
			wrong[i]);
		mended(FW_TOPIC_REPORT, payload, strlen(payload), "timestamp");
		assert_false(message.has_timestamp);
		assert_slice(message.version, "1.0");
	}
	for (size_t i = 0; i < sizeof(wrong_ids) / sizeof(wrong_ids[0]); i++) {
		snprintf(payload, sizeof(payload),
			"{\"messageId\":%s,\"currentVersion\":\"1.0\",\"timestamp\":5}",
			wrong_ids[i]);
		mended(FW_TOPIC_PULL, payload, strlen(payload), "messageId");
		assert_int_equal(message.message_id.len, 0);
		assert_slice(message.current_version, "1.0");
		assert_true(message.has_timestamp);
	}
	/* no other kind is about a member that it does not have */
	assert_int_equal(parse(FW_TOPIC_REPORT, "{\"messageId\":true,\"version\":\"1\"}"), FW_OK);
	assert_null(message.mended);
	refused(FW_TOPIC_PULL, "{\"messageId\":{},\"currentVersion\":7}", "currentVersion");
}

static void wrong_types_are_refused_by_name(void **state)
{
	static const struct {
		enum fw_topic_kind kind;
		const char *member, *wrong;
	} cases[] = {
		{FW_TOPIC_PULL, "currentVersion", "1 1.0 true {} [\"1\"]"},
		{FW_TOPIC_PULL, "requestVersion", "1 1.0 true {} []"},
		{FW_TOPIC_REPORT, "version", "1 1.5 false {} []"},
		{FW_TOPIC_READ_REPLY, "version", "1 1.5 false {} []"},
		{FW_TOPIC_UPGRADE_PROGRESS, "version", "1 1.5 false {} []"},
		{FW_TOPIC_UPGRADE_PROGRESS, "progress",
			"-1 101 -0.5 101.0 1e300 -1e300 1e400 -1e400 \"5\" true {} [] "
			"9223372036854775807"},
		{FW_TOPIC_UPGRADE_PROGRESS, "complete", "1 0 \"true\" {} []"},
		{FW_TOPIC_UPGRADE_PROGRESS, "success", "1 0 \"true\" {} []"},
		{FW_TOPIC_UPGRADE_PROGRESS, "errorReason", "1 1.5 true {} []"},
		{FW_TOPIC_UPGRADE_PROGRESS, "firmwareId",
			"1 true {} [] \"a/b\" \"a+\" \"\xc3\xa4\" \"" C64 "x\" \"a\\tb\""},
		{FW_TOPIC_UPGRADE_REPLY, "success", "1 \"false\" {} []"},
		{FW_TOPIC_UPGRADE_REPLY, "message", "1 true {} []"},
		{FW_TOPIC_CHUNK, "firmwareId", "1 true {} []"},
		{FW_TOPIC_CHUNK, "offset", "-1 1.5 1e400 \"0\" true {} []"},
		{FW_TOPIC_CHUNK, "length", "-1 0 1.5 1e400 \"1\" true {} []"},
	};
	char payload[256], values[256];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *value, *rest;

		snprintf(values, sizeof(values), "%s", cases[i].wrong);
		for (value = strtok_r(values, " ", &rest); value;
			value = strtok_r(NULL, " ", &rest)) {
			snprintf(payload, sizeof(payload), "{\"%s\":%s}", cases[i].member, value);
			refused(cases[i].kind, payload, cases[i].member);
		}
	}
}

static void versions_count_characters_not_bytes(void **state)
{
	char payload[512];

	(void)state;
	snprintf(payload, sizeof(payload), "{\"version\":\"%s\"}", C64);
	assert_int_equal(parse(FW_TOPIC_REPORT, payload), FW_OK);
	assert_slice(message.version, C64);
	snprintf(payload, sizeof(payload), "{\"version\":\"%s\"}", U16 U16 U16 U16);
	assert_int_equal(parse(FW_TOPIC_REPORT, payload), FW_OK);
	snprintf(payload, sizeof(payload), "{\"version\":\"%sx\"}", U16 U16 U16 U16);
	refused(FW_TOPIC_REPORT, payload, "version");
	snprintf(payload, sizeof(payload), "{\"version\":\"%sx\"}", C64);
	refused(FW_TOPIC_REPORT, payload, "version");
	refused(FW_TOPIC_REPORT, "{\"version\":\"a\\nb\"}", "control");
	refused(FW_TOPIC_REPORT, "{\"version\":\"\x7f\"}", "control");
	refused(FW_TOPIC_REPORT, "{\"version\":\"\\u0085\"}", "control");
	refused(FW_TOPIC_REPORT, "{\"version\":\"1\\u202e0\"}", "control");
	assert_int_equal(
		parse(FW_TOPIC_REPORT, "{\"version\":\"v\\u00a0 \\\"v\\\" \\\\ /\"}"), FW_OK);
	assert_slice(message.version, "v\xc2\xa0 \"v\" \\ /");
}

/* What nobody sees at the ends is no part of a version, however long; what is left is. */
static void versions_are_trimmed(void **state)
{
	static const char *const same[] = {"2.0 ", " 2.0", "\\t2.0\\t ", "2.0\\n",
		"\\r\\n2.0\\r\\n", "2.0\\u0000", "2.0\\u0000\\u0000\\u0000", "\\ufeff2.0",
		"\xef\xbb\xbf"
		"2.0",
		"2.0\xc2\xa0", "\\u00a0 2.0", "2.0\\u200b",
		"\xe3\x80\x80"
		"2.0\xe2\x80\x83",
		"\\u2060\\u200e2.0\\u200f", " \\u0000 2.0 \\ufeff\\u0000 "};
	static const char *const none[] = {
		" ", "\\t", "\\u0000", "\\ufeff", "\\u00a0 \\u0000\\u200b"};
	static const struct {
		enum fw_topic_kind kind;
		const char *member;
		size_t where;
	} connections[] = {
		{FW_TOPIC_REPORT, "version", offsetof(struct fw_message, version)},
		{FW_TOPIC_READ_REPLY, "version", offsetof(struct fw_message, version)},
		{FW_TOPIC_UPGRADE_PROGRESS, "version", offsetof(struct fw_message, version)},
		{FW_TOPIC_PULL, "currentVersion", offsetof(struct fw_message, current_version)},
		{FW_TOPIC_PULL, "requestVersion", offsetof(struct fw_message, request_version)},
	};
	char payload[512];

	(void)state;
	for (size_t i = 0; i < sizeof(connections) / sizeof(connections[0]); i++) {
		const struct fw_slice *version =
			(const struct fw_slice *)((const char *)&message + connections[i].where);

		for (size_t k = 0; k < sizeof(same) / sizeof(same[0]); k++) {
			snprintf(payload, sizeof(payload), "{\"%s\":\"%s\"}", connections[i].member,
				same[k]);
			assert_int_equal(parse(connections[i].kind, payload), FW_OK);
			assert_slice(*version, "2.0");
		}
		for (size_t k = 0; k < sizeof(none) / sizeof(none[0]); k++) {
			snprintf(payload, sizeof(payload), "{\"%s\":\"%s\"}", connections[i].member,
				none[k]);
			assert_int_equal(parse(connections[i].kind, payload), FW_OK);
			assert_int_equal(version->len, 0);
		}
	}
	snprintf(payload, sizeof(payload), "{\"version\":\"%80s%s%80s\"}", "", C64, "");
	assert_int_equal(parse(FW_TOPIC_REPORT, payload), FW_OK);
	assert_slice(message.version, C64);
	assert_int_equal(parse(FW_TOPIC_REPORT, "{\"version\":\"2 0\"}"), FW_OK);
	assert_slice(message.version, "2 0");
	refused(FW_TOPIC_REPORT, "{\"version\":\"2\\u00000\"}", "version");
}

static void numbers_are_rounded_down(void **state)
{
	static const struct {
		const char *text;
		int64_t timestamp;
	} times[] = {
		{"0", 0},
		{"-5", -5},
		{"1700000000000.75", 1700000000000},
		{"1.7e12", 1700000000000},
		{"-0.5", -1},
		{"-1.0", -1},
		{"0.0", 0},
		{"9223372036854775807", INT64_MAX},
		{"-9223372036854775808", INT64_MIN},
		{"-9.223372036854775808e18", INT64_MIN},
	};
	static const struct {
		const char *text;
		int progress;
	} figures[] = {{"0", 0}, {"100", 100}, {"99.99", 99}, {"0.5", 0}, {"100.0", 100},
		{"1e1", 10}, {"-0.0", 0}};
	char payload[64];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
		snprintf(payload, sizeof(payload), "{\"timestamp\":%s}", times[i].text);
		assert_int_equal(parse(FW_TOPIC_REPORT, payload), FW_OK);
		assert_true(message.has_timestamp);
		assert_true(message.timestamp == times[i].timestamp);
	}
	for (i = 0; i < sizeof(figures) / sizeof(figures[0]); i++) {
		snprintf(payload, sizeof(payload), "{\"progress\":%s}", figures[i].text);
		assert_int_equal(parse(FW_TOPIC_UPGRADE_PROGRESS, payload), FW_OK);
		assert_true(message.has_progress && message.progress == figures[i].progress);
	}
}

static void the_message_id_survives_other_mistakes(void **state)
{
	(void)state;
	refused(FW_TOPIC_PULL, "{\"currentVersion\":7,\"messageId\":\"m-1\"}", "currentVersion");
	assert_slice(message.message_id, "\"m-1\"");
	refused(FW_TOPIC_PULL, "{\"requestVersion\":[],\"messageId\":12}", "requestVersion");
	assert_slice(message.message_id, "12");
}

static void the_message_id_has_a_limit(void **state)
{
	char payload[1200];

	(void)state;
	snprintf(payload, sizeof(payload), "{\"messageId\":\"%01024d\"}", 0);
	assert_int_equal(parse(FW_TOPIC_PULL, payload), FW_OK);
	snprintf(payload, sizeof(payload), "{\"messageId\":\"%01025d\"}", 0);
	mended(FW_TOPIC_PULL, payload, strlen(payload), "messageId");
	assert_int_equal(message.message_id.len, 0);
	snprintf(payload, sizeof(payload), "{\"messageId\":0.%01100d}", 0);
	assert_int_equal(parse(FW_TOPIC_PULL, payload), FW_OK);
}

static void a_long_message_id_full_of_escapes_is_read(void **state)
{
	char payload[7000] = "{\"messageId\":\"";
	size_t from = strlen(payload) - 1, at;

	(void)state;
	for (at = from + 1; at < from + 1 + 6 * 1024; at += 6)
		memcpy(payload + at, "\\u0001", 6);
	memcpy(payload + at, "\"}", 3);
	assert_int_equal(parse(FW_TOPIC_PULL, payload), FW_OK);
	assert_int_equal(message.message_id.len, 6 * 1024 + 2);
	assert_memory_equal(message.message_id.at, payload + from, message.message_id.len);
	memset(payload + from, '1', 6 * 1024 + 3);
	refused(FW_TOPIC_PULL, payload, "ends before");
	memcpy(payload + from + 6 * 1024 + 3, "}", 2);
	mended(FW_TOPIC_PULL, payload, strlen(payload), "messageId");
	memcpy(payload + from, "0.", 2);
	mended(FW_TOPIC_PULL, payload, strlen(payload), "messageId");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_kind_reads_its_members),
		cmocka_unit_test(absent_null_and_empty_are_the_same),
		cmocka_unit_test(members_of_other_kinds_are_ignored),
		cmocka_unit_test(kinds_without_a_message_are_not_parsed),
		cmocka_unit_test(a_faulty_member_that_nothing_depends_on_is_left_out),
		cmocka_unit_test(wrong_types_are_refused_by_name),
		cmocka_unit_test(versions_count_characters_not_bytes),
		cmocka_unit_test(versions_are_trimmed),
		cmocka_unit_test(numbers_are_rounded_down),
		cmocka_unit_test(the_message_id_survives_other_mistakes),
		cmocka_unit_test(the_message_id_has_a_limit),
		cmocka_unit_test(a_long_message_id_full_of_escapes_is_read),
	};

	return cmocka_run_group_tests_name("message", tests, NULL, clear);
}
