/* Messages: what the contract allows is read, all else is refused with a sentence, and what is written is JSON. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "allocator.h"

#include "../../plugin/message.c"
#include "../../plugin/message_write.c"

#define C64 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define U16 "\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4"

static const struct fw_slice no_id;
static struct fw_message message;
static const char *why;
static char *copy; /* of the payload: it ends where the payload ends, so that a sanitizer sees what reads further */

static enum fw_status parse_bytes(enum fw_topic_kind kind, const void *payload, size_t len)
{
	enum fw_status status;

	fw_message_clear(&message);
	free(copy);
	copy = malloc(len ? len : 1);
	assert_non_null(copy);
	memcpy(copy, payload, len);
	status = fw_message_parse(kind, len ? copy : NULL, len, &message, &why);
	assert_true((status == FW_OK) == (why == NULL));
	return status;
}

static enum fw_status parse(enum fw_topic_kind kind, const char *payload)
{
	return parse_bytes(kind, payload, strlen(payload));
}

/* The payload is refused, with a sentence that says `about`. */
static void refused(enum fw_topic_kind kind, const char *payload, const char *about)
{
	if (parse(kind, payload) != FW_INVALID)
		fail_msg("accepted: %s", payload);
	if (!strstr(why, about))
		fail_msg("%s: said '%s', not about '%s'", payload, why, about);
}

static void assert_slice(struct fw_slice slice, const char *text)
{
	assert_int_equal(slice.len, strlen(text));
	assert_true(slice.len == 0 || memcmp(slice.at, text, slice.len) == 0);
}

static int clear(void **state)
{
	(void)state;
	fw_message_clear(&message);
	fw_message_clear(NULL);
	free(copy);
	copy = NULL;
	return 0;
}

static void each_kind_reads_its_members(void **state)
{
	(void)state;
	assert_int_equal(parse(FW_TOPIC_PULL, "{\"timestamp\":1700000000000,\"messageId\":\"m\",\"currentVersion\":\"1.0\",\"requestVersion\":\"2.0\"}"), FW_OK);
	assert_true(message.has_timestamp && message.timestamp == 1700000000000);
	assert_slice(message.message_id, "\"m\"");
	assert_slice(message.current_version, "1.0");
	assert_slice(message.request_version, "2.0");

	assert_int_equal(parse(FW_TOPIC_UPGRADE_PROGRESS, "{\"timestamp\":1,\"progress\":42,\"complete\":true,\"version\":\"2\",\"success\":true,"
							  "\"errorReason\":\"r\\n\",\"firmwareId\":\"fw.1_a-B\"}"), FW_OK);
	assert_true(message.has_progress && message.progress == 42 && message.complete && message.has_success && message.success);
	assert_slice(message.version, "2");
	assert_slice(message.error_reason, "r\n");
	assert_slice(message.firmware_id, "fw.1_a-B");

	assert_int_equal(parse(FW_TOPIC_UPGRADE_REPLY, "{\"messageId\":7,\"success\":false,\"message\":\"no room\"}"), FW_OK);
	assert_true(message.has_success && !message.success);
	assert_slice(message.message_id, "7");
	assert_slice(message.error_reason, "no room");
	assert_int_equal(parse(FW_TOPIC_UPGRADE_REPLY, "{\"firmwareId\":\"f2\"}"), FW_OK);
	assert_slice(message.firmware_id, "f2");

	assert_int_equal(parse(FW_TOPIC_REPORT, "{\"timestamp\":5,\"version\":\"3\"}"), FW_OK);
	assert_slice(message.version, "3");
	assert_int_equal(parse(FW_TOPIC_READ, "{\"messageId\":1.5}"), FW_OK);
	assert_slice(message.message_id, "1.5");
	assert_int_equal(parse(FW_TOPIC_READ_REPLY, "{\"messageId\":\"x\",\"version\":\"4\"}"), FW_OK);
	assert_slice(message.version, "4");
	assert_slice(message.message_id, "\"x\"");

	assert_int_equal(parse(FW_TOPIC_CHUNK, "{\"messageId\":\"c\",\"firmwareId\":\"f\",\"offset\":0,\"length\":512}"), FW_OK);
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
		"{\"timestamp\":null,\"messageId\":null,\"currentVersion\":null,\"requestVersion\":null,\"version\":null,\"progress\":null,"
		"\"complete\":null,\"success\":null,\"errorReason\":null,\"message\":null,\"firmwareId\":null,\"offset\":null,\"length\":null}",
		"{\"timestamp\":\"\",\"messageId\":\"\",\"currentVersion\":\"\",\"requestVersion\":\"\",\"version\":\"\",\"progress\":\"\","
		"\"complete\":\"\",\"success\":\"\",\"errorReason\":\"\",\"message\":\"\",\"firmwareId\":\"\",\"offset\":\"\",\"length\":\"\"}",
		"{\"unknown\":{\"deep\":[1,2,{}]},\"Version\":7,\"\":false}",
	};
	unsigned kind;
	size_t i;

	(void)state;
	for (kind = 0; kind < FW_TOPIC_KINDS; kind++) {
		for (i = 0; i < sizeof(payloads) / sizeof(payloads[0]); i++) {
			assert_int_equal(parse(kind, payloads[i]), FW_OK);
			assert_int_equal(message.message_id.len, 0);
			assert_false(message.has_timestamp || message.has_progress || message.has_success || message.complete || message.has_range);
			assert_int_equal(message.success, kind == FW_TOPIC_UPGRADE_REPLY);
			assert_int_equal(message.version.len + message.current_version.len + message.request_version.len, 0);
			assert_int_equal(message.firmware_id.len + message.error_reason.len, 0);
		}
	}
}

static void members_of_other_kinds_are_ignored(void **state)
{
	(void)state;
	assert_int_equal(parse(FW_TOPIC_PULL, "{\"version\":7,\"progress\":[],\"complete\":{},\"success\":1,\"firmwareId\":\"a b\",\"offset\":-1}"), FW_OK);
	assert_int_equal(parse(FW_TOPIC_REPORT, "{\"messageId\":[],\"currentVersion\":1,\"version\":\"1\"}"), FW_OK);
	assert_int_equal(message.message_id.len, 0);
	assert_int_equal(parse(FW_TOPIC_UPGRADE_PROGRESS, "{\"messageId\":true,\"message\":3}"), FW_OK);
	assert_int_equal(parse(FW_TOPIC_UPGRADE_REPLY, "{\"errorReason\":3,\"progress\":900}"), FW_OK);
	assert_int_equal(parse(FW_TOPIC_READ, "{\"version\":3}"), FW_OK);
}

static void kinds_without_a_message_are_not_parsed(void **state)
{
	static const enum fw_topic_kind kinds[] = {FW_TOPIC_OTHER, FW_TOPIC_UPGRADE, FW_TOPIC_PULL_REPLY, FW_TOPIC_TASK, FW_TOPIC_CHUNK_REPLY, FW_TOPIC_CHUNK_ERROR};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		assert_int_equal(parse(kinds[i], "no JSON at all"), FW_OK);
		assert_null(message.resolved);
	}
}

static void an_empty_payload_is_a_read_and_nothing_else(void **state)
{
	(void)state;
	assert_int_equal(parse(FW_TOPIC_READ, ""), FW_OK);
	assert_null(message.resolved);
	assert_int_equal(message.message_id.len, 0);
	refused(FW_TOPIC_PULL, "", "not a JSON object");
	refused(FW_TOPIC_REPORT, "", "not a JSON object");
	refused(FW_TOPIC_READ, " ", "not a JSON object");
}

static void what_is_no_object_is_refused(void **state)
{
	static const char *const payloads[] = {
		"null", "true", "7", "\"text\"", "[]", "[{}]", "{", "}", "{}{}", "{} x", "{\"a\"}", "{\"a\":}", "{\"a\":1,}", "{'a':1}", "{a:1}",
		"{\"a\":01}", "{\"a\":+1}", "{\"a\":.5}", "{\"a\":NaN}", "{\"a\":Infinity}", "{\"a\":\"\n\"}", "{\"a\":\"\\x\"}", "{\"a\":\"\\ud800\"}",
		"\xef\xbb\xbf\xef\xbb\xbf{}", " \xef\xbb\xbf{}", "{\"a\":tru", "// comment\n{}", "{\"version\":\"1.0\"", "version=1.0", "<version>1</version>",
	};
	static const enum fw_topic_kind kinds[] = {FW_TOPIC_PULL, FW_TOPIC_READ, FW_TOPIC_REPORT, FW_TOPIC_UPGRADE_PROGRESS};
	size_t i, k;

	(void)state;
	for (i = 0; i < sizeof(payloads) / sizeof(payloads[0]); i++) {
		for (k = 0; k < sizeof(kinds) / sizeof(kinds[0]); k++)
			refused(kinds[k], payloads[i], "");
	}
}

static void each_fault_of_the_payload_has_its_sentence(void **state)
{
	static const char nul_in_payload[] = "{\"version\":\"1\0\"}";

	(void)state;
	refused(FW_TOPIC_REPORT, "{\"version\":\"1\",\"version\":\"2\"}", "given twice");
	refused(FW_TOPIC_REPORT, "{\"x\":{\"a\":1,\"a\":1}}", "given twice");
	refused(FW_TOPIC_REPORT, "{\"version\":\"1\\u00001\"}", "version");
	refused(FW_TOPIC_REPORT, "{\"version\":\"1.0", "ends before");
	refused(FW_TOPIC_REPORT, "{\"ver\\u0000sion\":\"1\"}", "NUL");
	refused(FW_TOPIC_REPORT, "{\"version\":\"\xff\"}", "UTF-8");
	refused(FW_TOPIC_REPORT, "{\"version\":\"\xc0\xaf\"}", "UTF-8");
	refused(FW_TOPIC_REPORT, "{\"version\":\"\xed\xa0\x80\"}", "UTF-8");
	refused(FW_TOPIC_REPORT, "\xff\xfe{}", "UTF-8");
	refused(FW_TOPIC_REPORT, "{\"timestamp\":1e999}", "out of range");
	assert_int_equal(parse_bytes(FW_TOPIC_REPORT, nul_in_payload, sizeof(nul_in_payload) - 1), FW_INVALID);
}

/* The payload is taken without something, which is counted. */
static void mended(enum fw_topic_kind kind, const char *payload, size_t len, const char *about)
{
	if (parse_bytes(kind, payload, len) != FW_OK)
		fail_msg("refused: %s", payload);
	if (!message.mended || !strstr(message.mended, about))
		fail_msg("%s: said '%s', not about '%s'", payload, message.mended ? message.mended : "", about);
}

#define BYTES(literal) (literal), sizeof(literal) - 1

static void what_is_around_the_json_is_cut_off(void **state)
{
	static const char old_buffer[] = "{\"version\":\"1.0\",\"x\":{}}\0\"}{\xff";

	(void)state;
	mended(FW_TOPIC_REPORT, BYTES("{\"version\":\"1.0\"}\0"), "NUL");
	assert_slice(message.version, "1.0");
	mended(FW_TOPIC_REPORT, BYTES("{\"version\":\"1.0\"}\0\0\0\0"), "NUL");
	mended(FW_TOPIC_REPORT, BYTES(old_buffer), "NUL");
	assert_slice(message.version, "1.0");
	mended(FW_TOPIC_REPORT, BYTES("\xef\xbb\xbf{\"version\":\"1.0\"}"), "byte-order mark");
	assert_slice(message.version, "1.0");
	mended(FW_TOPIC_REPORT, BYTES("\xef\xbb\xbf {\"version\":\"\xc3\xa4\"}\n\0x"), "byte-order mark");
	assert_slice(message.version, "\xc3\xa4");
	mended(FW_TOPIC_PULL, BYTES("\xef\xbb\xbf{\"messageId\":\"m\",\"x\":[]}\0{\"messageId\":\"n\"}"), "NUL");
	assert_slice(message.message_id, "\"m\"");
	/* what a read of no bytes is */
	assert_int_equal(parse_bytes(FW_TOPIC_READ, BYTES("\0")), FW_OK);
	assert_int_equal(parse_bytes(FW_TOPIC_READ, BYTES("\xef\xbb\xbf\0{")), FW_OK);
	assert_int_equal(parse_bytes(FW_TOPIC_REPORT, BYTES("\0{\"version\":\"1.0\"}")), FW_INVALID);
	assert_int_equal(parse_bytes(FW_TOPIC_REPORT, BYTES("\xef\xbb{}")), FW_INVALID);
	assert_int_equal(parse_bytes(FW_TOPIC_TASK, BYTES("\0")), FW_OK);
	assert_int_equal(parse(FW_TOPIC_REPORT, "{\"version\":\"1.0\"}"), FW_OK);
	assert_null(message.mended);
}

static void a_faulty_member_that_nothing_depends_on_is_left_out(void **state)
{
	static const char *const wrong[] = {"\"1\"", "\"2024-01-01T00:00:00Z\"", "true", "{}", "[]", "1e19", "-1e19", "9223372036854775808.0",
		"99999999999999999999999", "\"\\u0000\""};
	static const char *const wrong_ids[] = {"true", "false", "{}", "[]", "[1]", "\"a\\u0000\""};
	char payload[256];

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		snprintf(payload, sizeof(payload), "{\"timestamp\":%s,\"version\":\"1.0\"}", wrong[i]);
		mended(FW_TOPIC_REPORT, payload, strlen(payload), "timestamp");
		assert_false(message.has_timestamp);
		assert_slice(message.version, "1.0");
	}
	for (size_t i = 0; i < sizeof(wrong_ids) / sizeof(wrong_ids[0]); i++) {
		snprintf(payload, sizeof(payload), "{\"messageId\":%s,\"currentVersion\":\"1.0\",\"timestamp\":5}", wrong_ids[i]);
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

/* {"a":[[...]]}, `depth` brackets around nothing. */
static enum fw_status parse_nested(unsigned depth)
{
	static char payload[FW_PAYLOAD_MAX];
	size_t len = (size_t)snprintf(payload, sizeof(payload), "{\"a\":");

	memset(payload + len, '[', depth - 1);
	len += depth - 1;
	memset(payload + len, ']', depth - 1);
	len += depth - 1;
	payload[len++] = '}';
	return parse_bytes(FW_TOPIC_PULL, payload, len);
}

static void deep_nesting_is_refused(void **state)
{
	static char brackets[FW_PAYLOAD_MAX];

	(void)state;
	assert_int_equal(parse_nested(FW_DEPTH_MAX), FW_OK);
	for (unsigned depth = FW_DEPTH_MAX + 1; depth < 4000; depth = 2 * depth + 1) {
		assert_int_equal(parse_nested(depth), FW_INVALID);
		assert_non_null(strstr(why, "nested too deeply: 16 levels"));
	}
	memset(brackets, '[', sizeof(brackets));
	assert_int_equal(parse_bytes(FW_TOPIC_REPORT, brackets, sizeof(brackets)), FW_INVALID);
	memcpy(brackets, BYTES("{\"a\":{\"b\":"));
	assert_int_equal(parse_bytes(FW_TOPIC_REPORT, brackets, sizeof(brackets)), FW_INVALID);
	assert_non_null(strstr(why, "nested"));
	/* brackets in a text nest nothing */
	memcpy(brackets, BYTES("{\"version\":\"1\",\"a\":\"\\\""));
	memcpy(brackets + sizeof(brackets) - 2, "\"}", 2);
	assert_int_equal(parse_bytes(FW_TOPIC_REPORT, brackets, sizeof(brackets)), FW_OK);
	/* one after the other is not one in the other */
	refused(FW_TOPIC_REPORT, "{\"a\":[]],[[[[[[[[[[[[[[[", "");
	assert_int_equal(parse(FW_TOPIC_REPORT, "{\"a\":[[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[{}]]}"), FW_OK);
}

static void the_payload_limit_is_exact(void **state)
{
	static char payload[FW_PAYLOAD_MAX + 1];

	(void)state;
	memset(payload, ' ', FW_PAYLOAD_MAX + 1);
	memcpy(payload, "{\"version\":\"1\"}", 15);
	assert_int_equal(parse_bytes(FW_TOPIC_REPORT, payload, FW_PAYLOAD_MAX), FW_OK);
	assert_slice(message.version, "1");
	assert_int_equal(parse_bytes(FW_TOPIC_REPORT, payload, FW_PAYLOAD_MAX + 1), FW_INVALID);
	assert_string_equal(why, "the payload is larger than 8192 bytes");
	assert_int_equal(parse_bytes(FW_TOPIC_READ, payload, FW_PAYLOAD_MAX + 1), FW_INVALID);
	assert_int_equal(parse_bytes(FW_TOPIC_CHUNK, payload, FW_PAYLOAD_MAX + 1), FW_INVALID);
	assert_int_equal(parse_bytes(FW_TOPIC_TASK, payload, FW_PAYLOAD_MAX + 1), FW_OK);
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
		{FW_TOPIC_UPGRADE_PROGRESS, "progress", "-1 101 -0.5 101.0 1e300 -1e300 \"5\" true {} [] 9223372036854775807"},
		{FW_TOPIC_UPGRADE_PROGRESS, "complete", "1 0 \"true\" {} []"},
		{FW_TOPIC_UPGRADE_PROGRESS, "success", "1 0 \"true\" {} []"},
		{FW_TOPIC_UPGRADE_PROGRESS, "errorReason", "1 1.5 true {} []"},
		{FW_TOPIC_UPGRADE_PROGRESS, "firmwareId", "1 true {} [] \"a/b\" \"a+\" \"\xc3\xa4\" \"" C64 "x\" \"a\\tb\""},
		{FW_TOPIC_UPGRADE_REPLY, "success", "1 \"false\" {} []"},
		{FW_TOPIC_UPGRADE_REPLY, "message", "1 true {} []"},
		{FW_TOPIC_CHUNK, "firmwareId", "1 true {} []"},
		{FW_TOPIC_CHUNK, "offset", "-1 1.5 \"0\" true {} []"},
		{FW_TOPIC_CHUNK, "length", "-1 0 1.5 \"1\" true {} []"},
	};
	char payload[256], values[256];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *value, *rest;

		snprintf(values, sizeof(values), "%s", cases[i].wrong);
		for (value = strtok_r(values, " ", &rest); value; value = strtok_r(NULL, " ", &rest)) {
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
	refused(FW_TOPIC_REPORT, "{\"version\":\"a\\n\"}", "control");
	refused(FW_TOPIC_REPORT, "{\"version\":\"\x7f\"}", "control");
	refused(FW_TOPIC_REPORT, "{\"version\":\"\\u0085\"}", "control");
	refused(FW_TOPIC_REPORT, "{\"version\":\"1\\u202e0\"}", "control");
	assert_int_equal(parse(FW_TOPIC_REPORT, "{\"version\":\"v\\u00a0 \\\"v\\\" \\\\ /\"}"), FW_OK);
	assert_slice(message.version, "v\xc2\xa0 \"v\" \\ /");
}

/* What nobody sees at the ends is no part of a version, however long; what is left is. */
static void versions_are_trimmed(void **state)
{
	static const char *const same[] = {"2.0 ", " 2.0", "\\t2.0\\t ", "2.0\\u0000", "2.0\\u0000\\u0000\\u0000", "\\ufeff2.0", "\xef\xbb\xbf""2.0", "2.0\xc2\xa0",
		"\\u00a0 2.0", "2.0\\u200b", "\xe3\x80\x80""2.0\xe2\x80\x83", "\\u2060\\u200e2.0\\u200f", " \\u0000 2.0 \\ufeff\\u0000 "};
	static const char *const none[] = {" ", "\\t", "\\u0000", "\\ufeff", "\\u00a0 \\u0000\\u200b"};
	static const struct {
		enum fw_topic_kind kind;
		const char *member;
		size_t where;
	} places[] = {
		{FW_TOPIC_REPORT, "version", offsetof(struct fw_message, version)},
		{FW_TOPIC_READ_REPLY, "version", offsetof(struct fw_message, version)},
		{FW_TOPIC_UPGRADE_PROGRESS, "version", offsetof(struct fw_message, version)},
		{FW_TOPIC_PULL, "currentVersion", offsetof(struct fw_message, current_version)},
		{FW_TOPIC_PULL, "requestVersion", offsetof(struct fw_message, request_version)},
	};
	char payload[512];

	(void)state;
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		const struct fw_slice *version = (const struct fw_slice *)((const char *)&message + places[i].where);

		for (size_t k = 0; k < sizeof(same) / sizeof(same[0]); k++) {
			snprintf(payload, sizeof(payload), "{\"%s\":\"%s\"}", places[i].member, same[k]);
			assert_int_equal(parse(places[i].kind, payload), FW_OK);
			assert_slice(*version, "2.0");
		}
		for (size_t k = 0; k < sizeof(none) / sizeof(none[0]); k++) {
			snprintf(payload, sizeof(payload), "{\"%s\":\"%s\"}", places[i].member, none[k]);
			assert_int_equal(parse(places[i].kind, payload), FW_OK);
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
		{"0", 0}, {"-5", -5}, {"1700000000000.75", 1700000000000}, {"1.7e12", 1700000000000}, {"-0.5", -1}, {"-1.0", -1}, {"0.0", 0},
		{"9223372036854775807", INT64_MAX}, {"-9223372036854775808", INT64_MIN}, {"-9.223372036854775808e18", INT64_MIN},
	};
	static const struct {
		const char *text;
		int progress;
	} figures[] = {{"0", 0}, {"100", 100}, {"99.99", 99}, {"0.5", 0}, {"100.0", 100}, {"1e1", 10}, {"-0.0", 0}};
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

static void want_of_memory_is_never_a_mistake_of_the_sender(void **state)
{
	static const char payload[] = "{\"timestamp\":17e11,\"messageId\":\"m\",\"currentVersion\":\"1.\\u0030\",\"x\":[1,{\"y\":2.5}],"
				      "\"z\":\"0123456789012345678901234567890123456789\"}";
	enum fw_status status = FW_NOMEM;
	long left;

	(void)state;
	fw_message_clear(&message);
	for (left = 0; status != FW_OK; left++) {
		allocations_left = left;
		status = fw_message_parse(FW_TOPIC_PULL, payload, sizeof(payload) - 1, &message, &why);
		if (status != FW_OK) {
			assert_int_equal(status, FW_NOMEM);
			assert_string_equal(why, "out of memory");
		}
		fw_message_clear(&message);
	}
	allocations_left = -1;
	assert_int_equal(left, 2);
}

/* What is written: JSON without duplicates that says the same. */
static json_t *written(char *text, const size_t *len)
{
	json_t *root;

	assert_non_null(text);
	assert_int_equal(strlen(text), *len);
	assert_null(strpbrk(text, "\r\n"));
	root = json_loadb(text, *len, JSON_REJECT_DUPLICATES, NULL);
	if (!root)
		root = json_loadb(text, *len, JSON_REJECT_DUPLICATES | JSON_DECODE_INT_AS_REAL, NULL);
	if (!root)
		fail_msg("not JSON: %s", text);
	free(text);
	return root;
}

static void assert_text(const json_t *root, const char *name, const char *text)
{
	assert_string_equal(json_string_value(json_object_get(root, name)), text);
}

static const struct fw_offer offer = {
	.firmware_id = "fw-1",
	.version = "1.1 \"b\"",
	.url = "http://h/f?a=1&b=\\",
	.sign = "abc",
	.sign_method = "sha256",
	.parameters = " {\t\"a b\" : [ 1.10 , 12345678901234567890123, \"x \\\" \\\\\" ] ,\r\n \"n\":{ } } \n",
	.size = 8192,
};

static char *render(const struct fw_offer *what)
{
	char *rendered = NULL;

	return fw_message_render_offer(what, &rendered) == FW_OK ? rendered : NULL;
}

static void an_offer_says_what_the_catalog_has(void **state)
{
	char *rendered = render(&offer), *text;
	json_t *root;
	size_t len;

	(void)state;
	assert_non_null(rendered);
	assert_string_equal(rendered, "\"url\":\"http://h/f?a=1&b=\\\\\",\"version\":\"1.1 \\\"b\\\"\","
				      "\"parameters\":{\"a b\":[1.10,12345678901234567890123,\"x \\\" \\\\\"],\"n\":{}},"
				      "\"sign\":\"abc\",\"signMethod\":\"sha256\",\"firmwareId\":\"fw-1\",\"size\":8192");
	free(rendered);
	rendered = render(&(struct fw_offer){.firmware_id = "f", .url = "u", .version = "v", .sign = "s", .sign_method = "m", .parameters = "{}", .size = 1});
	assert_int_equal(parse(FW_TOPIC_PULL, "{\"messageId\":\"i\"}"), FW_OK);
	text = fw_message_write_offer(rendered, 1700000000123, message.message_id, &len);
	assert_string_equal(text, "{\"timestamp\":1700000000123,\"messageId\":\"i\",\"url\":\"u\",\"version\":\"v\",\"parameters\":{},"
				  "\"sign\":\"s\",\"signMethod\":\"m\",\"firmwareId\":\"f\",\"size\":1}");
	root = written(text, &len);
	json_decref(root);
	root = written(fw_message_write_offer(rendered, -1, no_id, &len), &len);
	assert_null(json_object_get(root, "messageId"));
	assert_int_equal(json_integer_value(json_object_get(root, "timestamp")), -1);
	json_decref(root);
	free(rendered);
}

static void an_offer_may_have_its_url_added_for_each_device(void **state)
{
	struct fw_offer apart = {.firmware_id = "f", .url = "not told", .version = "v", .sign = "s", .sign_method = "m", .parameters = "{}", .size = 1, .url_apart = true};
	char *rendered = render(&apart), *text;
	size_t len;

	(void)state;
	assert_string_equal(rendered, "\"version\":\"v\",\"parameters\":{},\"sign\":\"s\",\"signMethod\":\"m\",\"firmwareId\":\"f\",\"size\":1");
	text = fw_message_write_offer_at(rendered, "http://h/\"?a=1", 5, no_id, &len);
	assert_string_equal(text, "{\"timestamp\":5,\"url\":\"http://h/\\\"?a=1\",\"version\":\"v\",\"parameters\":{},"
				  "\"sign\":\"s\",\"signMethod\":\"m\",\"firmwareId\":\"f\",\"size\":1}");
	json_decref(written(text, &len));
	free(rendered);
}

static void parameters_must_be_an_object(void **state)
{
	static const char *const bad[] = {"", "[]", "null", "1", "{", "{} {}", "{\"a\":1e999}", "text"};
	struct fw_offer changed = offer;
	char *rendered;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		changed.parameters = bad[i];
		assert_int_equal(fw_message_render_offer(&changed, &rendered), FW_INVALID);
	}
	rendered = render(&(struct fw_offer){0});
	assert_string_equal(rendered, "\"url\":\"\",\"version\":\"\",\"parameters\":{},\"sign\":\"\",\"signMethod\":\"\",\"firmwareId\":\"\",\"size\":0");
	free(rendered);
}

static void any_text_is_escaped_so_that_it_comes_back(void **state)
{
	char text[0x400] = "";
	unsigned byte;
	json_t *root;
	size_t len;

	(void)state;
	for (byte = 1; byte < 0x80; byte++)
		text[byte - 1] = (char)byte;
	memcpy(text + 0x7f, "\xc2\x80\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", 12);
	root = written(fw_message_write_version(text, 1, no_id, &len), &len);
	assert_text(root, "version", text);
	json_decref(root);
	/* what is not UTF-8 is replaced, and the rest stays */
	root = written(fw_message_write_version("a\xff\"b\xc3", 1, no_id, &len), &len);
	assert_text(root, "version", "a\xef\xbf\xbd\"b\xef\xbf\xbd");
	json_decref(root);
}

static void assert_echo(const char *before, const char *id, const char *behind)
{
	char payload[256], *text, wanted[128];
	size_t len;

	snprintf(payload, sizeof(payload), "%s%s%s", before, id, behind);
	assert_int_equal(parse(FW_TOPIC_READ, payload), FW_OK);
	text = fw_message_write_version("1", 5, message.message_id, &len);
	snprintf(wanted, sizeof(wanted), "{\"timestamp\":5,\"messageId\":%s,\"version\":\"1\"}", id);
	assert_non_null(text);
	assert_string_equal(text, wanted);
	json_decref(written(text, &len));
}

/* Where other members, strings and brackets could be taken for it. */
static void assert_echo_beside(const char *id)
{
	assert_echo("{\"a\":{\"messageId\":3,\"x\":\"}\"},\"b\":[\"messageId\",\"\\\"messageId\\\":4\"], \"messageId\" : ", id, "\n,\"c\":\"messageId\"}");
	assert_echo("{\"messageId\":", id, ",\"b\":18446744073709551616,\"c\":\"\\u0000\"}");
	assert_echo("\n{\"messageId\\\\\":1,\"b\":[],\"messageId\":", id, "}");
}

static void message_ids_are_echoed_as_they_came(void **state)
{
	static const char *const same[] = {
		"0", "-7", "9223372036854775807", "-9223372036854775808", "0.1", "1.5", "-2.25", "1.0", "0.30000000000000004", "3.141592653589793",
		"1.7976931348623157e308", "1e23", "\"m\"", "\"5\"", "\" \"", "\"\xc3\xa4\xe2\x82\xac\"", "\"a\\\"b\\\\c\"", "\"\\n\\t\\u0001\"", "\"/\"",
		"18446744073709551615", "123456789012345678901234567890", "1e2", "1E2", "1.10", "-0", "5e-324", "\"\\u00e4\\/\"", "\"\\\\\"",
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(same) / sizeof(same[0]); i++)
		assert_echo("{\"messageId\":", same[i], "}");
	for (i = 0; i < sizeof(same) / sizeof(same[0]); i++)
		assert_echo_beside(same[i]);
}

static void a_long_message_id_full_of_escapes_is_echoed(void **state)
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
	refused(FW_TOPIC_PULL, payload, "out of range");
	memcpy(payload + from, "0.", 2);
	memcpy(payload + from + 6 * 1024 + 3, "}", 2);
	mended(FW_TOPIC_PULL, payload, strlen(payload), "messageId");
}

static void failures_have_code_and_sentence_and_no_url(void **state)
{
	const struct fw_slice id = FW_SLICE("\"m\"");
	json_t *root;
	unsigned code;
	size_t len;
	char *text;

	(void)state;
	for (code = FW_PULL_BAD_REQUEST; code < FW_PULL_CODES; code++) {
		root = written(fw_message_write_pull_failure(code, NULL, 9, id, &len), &len);
		assert_true(json_is_false(json_object_get(root, "success")));
		assert_text(root, "code", fw_pull_code_name(code));
		assert_text(root, "message", fw_pull_code_sentence(code));
		assert_text(root, "messageId", "m");
		assert_true(strlen(fw_pull_code_sentence(code)) > 10);
		assert_int_equal(json_object_size(root), 5);
		json_decref(root);
	}
	assert_string_equal(fw_pull_code_name(FW_PULL_CODES), "");
	text = fw_message_write_pull_failure(FW_PULL_BAD_REQUEST, "say \"why\"", 9, no_id, &len);
	assert_string_equal(text, "{\"timestamp\":9,\"success\":false,\"code\":\"bad_request\",\"message\":\"say \\\"why\\\"\"}");
	free(text);
	text = fw_message_write_chunk_error("bad_request", "offset is missing", 9, id, &len);
	assert_string_equal(text, "{\"timestamp\":9,\"messageId\":\"m\",\"code\":\"bad_request\",\"message\":\"offset is missing\"}");
	free(text);
	text = fw_message_write_chunk_refusal(&(struct fw_chunk_refusal){.code = "busy", .sentence = "wait",
		.firmware_id = FW_SLICE("f.1"), .has_offset = true, .offset = INT64_MAX}, 9, no_id, &len);
	assert_string_equal(text, "{\"timestamp\":9,\"code\":\"busy\",\"message\":\"wait\",\"firmwareId\":\"f.1\","
		"\"offset\":9223372036854775807}");
	assert_int_equal(len, strlen(text));
	free(text);
}

static void a_task_notice_says_the_state(void **state)
{
	struct fw_task_notice notice = {.task_id = "t", .firmware_id = "f", .state = "failed", .error_reason = "no \"room\"", .progress = 40};
	size_t len;
	char *text;

	(void)state;
	text = fw_message_write_task(&notice, 3, &len);
	assert_string_equal(text, "{\"timestamp\":3,\"taskId\":\"t\",\"firmwareId\":\"f\",\"state\":\"failed\",\"progress\":40,\"errorReason\":\"no \\\"room\\\"\"}");
	assert_int_equal(len, strlen(text));
	free(text);
	notice.error_reason = NULL;
	text = fw_message_write_task(&notice, 3, &len);
	assert_string_equal(text, "{\"timestamp\":3,\"taskId\":\"t\",\"firmwareId\":\"f\",\"state\":\"failed\",\"progress\":40}");
	free(text);
}

static void writers_give_null_without_memory(void **state)
{
	/* no number of 16 digits: once its own check has passed, jansson must not run out of memory in one */
	const struct fw_offer plain = {.firmware_id = "f", .version = "1", .url = "u", .sign = "s", .sign_method = "m", .parameters = "{\"a\":[1,\"b\"]}", .size = 1};
	const struct fw_slice ids[] = {no_id, FW_SLICE("7"), FW_SLICE("\"0123456789012345678901234567890123456789\"")};
	size_t i, len;
	char *text;
	long left;

	(void)state;
	json_set_alloc_funcs(counted_malloc, free);
	for (i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
		for (left = 0, text = NULL; !text; left++) {
			allocations_left = left;
			len = 12345;
			text = fw_message_write_offer("\"url\":\"u\"", 1, ids[i], &len);
			assert_true(text || len == 12345);
		}
		free(text);
		for (left = 0, text = NULL; !text; left++) {
			allocations_left = left;
			text = fw_message_write_pull_failure(FW_PULL_NO_UPDATE, NULL, 1, ids[i], &len);
		}
		free(text);
	}
	for (left = 0, text = NULL; !text; left++) {
		allocations_left = left;
		text = render(&plain);
	}
	free(text);
	allocations_left = -1;
	json_set_alloc_funcs(malloc, free);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_kind_reads_its_members),
		cmocka_unit_test(absent_null_and_empty_are_the_same),
		cmocka_unit_test(members_of_other_kinds_are_ignored),
		cmocka_unit_test(kinds_without_a_message_are_not_parsed),
		cmocka_unit_test(an_empty_payload_is_a_read_and_nothing_else),
		cmocka_unit_test(what_is_no_object_is_refused),
		cmocka_unit_test(each_fault_of_the_payload_has_its_sentence),
		cmocka_unit_test(what_is_around_the_json_is_cut_off),
		cmocka_unit_test(a_faulty_member_that_nothing_depends_on_is_left_out),
		cmocka_unit_test(deep_nesting_is_refused),
		cmocka_unit_test(the_payload_limit_is_exact),
		cmocka_unit_test(wrong_types_are_refused_by_name),
		cmocka_unit_test(versions_count_characters_not_bytes),
		cmocka_unit_test(versions_are_trimmed),
		cmocka_unit_test(numbers_are_rounded_down),
		cmocka_unit_test(the_message_id_survives_other_mistakes),
		cmocka_unit_test(the_message_id_has_a_limit),
		cmocka_unit_test(want_of_memory_is_never_a_mistake_of_the_sender),
		cmocka_unit_test(an_offer_says_what_the_catalog_has),
		cmocka_unit_test(an_offer_may_have_its_url_added_for_each_device),
		cmocka_unit_test(parameters_must_be_an_object),
		cmocka_unit_test(any_text_is_escaped_so_that_it_comes_back),
		cmocka_unit_test(message_ids_are_echoed_as_they_came),
		cmocka_unit_test(a_long_message_id_full_of_escapes_is_echoed),
		cmocka_unit_test(failures_have_code_and_sentence_and_no_url),
		cmocka_unit_test(a_task_notice_says_the_state),
		cmocka_unit_test(writers_give_null_without_memory),
	};

	return cmocka_run_group_tests_name("message", tests, NULL, clear);
}
