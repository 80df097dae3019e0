/* Messages: what is no message is refused as a whole, with a sentence that says why. */
#include "message_fixture.h"

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
		"null",
		"true",
		"7",
		"\"text\"",
		"[]",
		"[{}]",
		"{",
		"}",
		"{}{}",
		"{} x",
		"{\"a\"}",
		"{\"a\":}",
		"{\"a\":1,}",
		"{'a':1}",
		"{a:1}",
		"{\"a\":01}",
		"{\"a\":+1}",
		"{\"a\":.5}",
		"{\"a\":NaN}",
		"{\"a\":Infinity}",
		"{\"a\":\"\n\"}",
		"{\"a\":\"\\x\"}",
		"{\"a\":\"\\ud800\"}",
		"\xef\xbb\xbf\xef\xbb\xbf{}",
		" \xef\xbb\xbf{}",
		"{\"a\":tru",
		"// comment\n{}",
		"{\"version\":\"1.0\"",
		"version=1.0",
		"<version>1</version>",
	};
	static const enum fw_topic_kind kinds[] = {
		FW_TOPIC_PULL, FW_TOPIC_READ, FW_TOPIC_REPORT, FW_TOPIC_UPGRADE_PROGRESS};
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
	assert_int_equal(parse_bytes(FW_TOPIC_REPORT, nul_in_payload, sizeof(nul_in_payload) - 1),
		FW_INVALID);
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
	mended(FW_TOPIC_REPORT, BYTES("\xef\xbb\xbf {\"version\":\"\xc3\xa4\"}\n\0x"),
		"byte-order mark");
	assert_slice(message.version, "\xc3\xa4");
	mended(FW_TOPIC_PULL,
		BYTES("\xef\xbb\xbf{\"messageId\":\"m\",\"x\":[]}\0{\"messageId\":\"n\"}"), "NUL");
	assert_slice(message.message_id, "\"m\"");
	/* what a read of no bytes is */
	assert_int_equal(parse_bytes(FW_TOPIC_READ, BYTES("\0")), FW_OK);
	assert_int_equal(parse_bytes(FW_TOPIC_READ, BYTES("\xef\xbb\xbf\0{")), FW_OK);
	assert_int_equal(
		parse_bytes(FW_TOPIC_REPORT, BYTES("\0{\"version\":\"1.0\"}")), FW_INVALID);
	assert_int_equal(parse_bytes(FW_TOPIC_REPORT, BYTES("\xef\xbb{}")), FW_INVALID);
	assert_int_equal(parse_bytes(FW_TOPIC_TASK, BYTES("\0")), FW_OK);
	assert_int_equal(parse(FW_TOPIC_REPORT, "{\"version\":\"1.0\"}"), FW_OK);
	assert_null(message.mended);
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
	assert_int_equal(
		parse(FW_TOPIC_REPORT,
			"{\"a\":[[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[{}]]}"),
		FW_OK);
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

static void want_of_memory_is_never_a_mistake_of_the_sender(void **state)
{
	static const char payload[] = "{\"timestamp\":17e11,\"messageId\":\"m\",\"currentVersion\":"
				      "\"1.\\u0030\",\"x\":[1,{\"y\":2.5}],"
				      "\"z\":\"0123456789012345678901234567890123456789\"}";
	enum fw_status status = FW_NOMEM;
	long left;

	(void)state;
	fw_message_clear(&message);
	for (left = 0; status != FW_OK; left++) {
		allocations_left = left;
		status = fw_message_parse(
			FW_TOPIC_PULL, payload, sizeof(payload) - 1, &message, &why);
		if (status != FW_OK) {
			assert_int_equal(status, FW_NOMEM);
			assert_string_equal(why, "out of memory");
		}
		fw_message_clear(&message);
	}
	allocations_left = -1;
	assert_int_equal(left, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_empty_payload_is_a_read_and_nothing_else),
		cmocka_unit_test(what_is_no_object_is_refused),
		cmocka_unit_test(each_fault_of_the_payload_has_its_sentence),
		cmocka_unit_test(what_is_around_the_json_is_cut_off),
		cmocka_unit_test(deep_nesting_is_refused),
		cmocka_unit_test(the_payload_limit_is_exact),
		cmocka_unit_test(want_of_memory_is_never_a_mistake_of_the_sender),
	};

	return cmocka_run_group_tests_name("message_payload", tests, NULL, clear);
}
