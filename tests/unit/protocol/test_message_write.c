/* Messages that are written: JSON that says what it was given, whatever that is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "allocator.h"

#include "protocol/message_write.c"

static const struct fw_slice no_id;
static struct fw_message message;

/* A request that is answered: its messageId is borrowed from `payload`. */
static enum fw_status parse(enum fw_topic_kind kind, const char *payload)
{
	const char *why;

	fw_message_clear(&message);
	return fw_message_parse(kind, payload, strlen(payload), &message, &why);
}

static int clear(void **state)
{
	(void)state;
	fw_message_clear(&message);
	return 0;
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
		root = json_loadb(
			text, *len, JSON_REJECT_DUPLICATES | JSON_DECODE_INT_AS_REAL, NULL);
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
	.parameters =
		" {\t\"a b\" : [ 1.10 , 12345678901234567890123, \"x \\\" \\\\\" ] ,\r\n \"n\":{"
		" } } \n",
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
	assert_string_equal(rendered,
		"\"url\":\"http://h/f?a=1&b=\\\\\",\"version\":\"1.1 \\\"b\\\"\","
		"\"parameters\":{\"a b\":[1.10,12345678901234567890123,\"x \\\" \\\\\"],\"n\":{}},"
		"\"sign\":\"abc\",\"signMethod\":\"sha256\",\"firmwareId\":\"fw-1\",\"size\":8192");
	free(rendered);
	rendered = render(&(struct fw_offer){.firmware_id = "f",
		.url = "u",
		.version = "v",
		.sign = "s",
		.sign_method = "m",
		.parameters = "{}",
		.size = 1});
	assert_int_equal(parse(FW_TOPIC_PULL, "{\"messageId\":\"i\"}"), FW_OK);
	text = fw_message_write_offer(
		rendered, NULL, NULL, 1700000000123, message.message_id, &len);
	assert_string_equal(text,
		"{\"timestamp\":1700000000123,\"messageId\":\"i\",\"url\":\"u\","
		"\"version\":\"v\",\"parameters\":{},"
		"\"sign\":\"s\",\"signMethod\":\"m\",\"firmwareId\":\"f\",\"size\":1}");
	root = written(text, &len);
	json_decref(root);
	root = written(fw_message_write_offer(rendered, NULL, NULL, -1, no_id, &len), &len);
	assert_null(json_object_get(root, "messageId"));
	assert_int_equal(json_integer_value(json_object_get(root, "timestamp")), -1);
	json_decref(root);
	free(rendered);
}

static void an_offer_may_have_its_url_added_for_each_device(void **state)
{
	struct fw_offer own_table = {.firmware_id = "f",
		.url = "not told",
		.version = "v",
		.sign = "s",
		.sign_method = "m",
		.parameters = "{}",
		.size = 1,
		.url_per_device = true};
	char *rendered = render(&own_table), *text;
	size_t len;

	(void)state;
	assert_string_equal(rendered,
		"\"version\":\"v\",\"parameters\":{},\"sign\":\"s\",\"signMethod\":\"m\","
		"\"firmwareId\":\"f\",\"size\":1");
	text = fw_message_write_offer(rendered, "http://h/\"?a=1", NULL, 5, no_id, &len);
	assert_string_equal(text,
		"{\"timestamp\":5,\"url\":\"http://h/\\\"?a=1\",\"version\":\"v\","
		"\"parameters\":{},"
		"\"sign\":\"s\",\"signMethod\":\"m\",\"firmwareId\":\"f\",\"size\":1}");
	json_decref(written(text, &len));
	free(rendered);
}

static void parameters_must_be_an_object(void **state)
{
	static const char *const bad[] = {
		"", "[]", "null", "1", "{", "{} {}", "{\"a\":1e999}", "text"};
	struct fw_offer changed = offer;
	char *rendered;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		changed.parameters = bad[i];
		assert_int_equal(fw_message_render_offer(&changed, &rendered), FW_INVALID);
	}
	rendered = render(&(struct fw_offer){0});
	assert_string_equal(rendered,
		"\"url\":\"\",\"version\":\"\",\"parameters\":{},\"sign\":\"\","
		"\"signMethod\":\"\",\"firmwareId\":\"\",\"size\":0");
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
	snprintf(
		wanted, sizeof(wanted), "{\"timestamp\":5,\"messageId\":%s,\"version\":\"1\"}", id);
	assert_non_null(text);
	assert_string_equal(text, wanted);
	json_decref(written(text, &len));
}

/* Where other members, strings and brackets could be taken for it. */
static void assert_echo_beside(const char *id)
{
	assert_echo("{\"a\":{\"messageId\":3,\"x\":\"}\"},\"b\":[\"messageId\","
		    "\"\\\"messageId\\\":4\"], \"messageId\" : ",
		id, "\n,\"c\":\"messageId\"}");
	assert_echo("{\"messageId\":", id, ",\"b\":18446744073709551616,\"c\":\"\\u0000\"}");
	assert_echo("\n{\"messageId\\\\\":1,\"b\":[],\"messageId\":", id, "}");
}

static void message_ids_are_echoed_as_they_came(void **state)
{
	static const char *const same[] = {
		"0",
		"-7",
		"9223372036854775807",
		"-9223372036854775808",
		"0.1",
		"1.5",
		"-2.25",
		"1.0",
		"0.30000000000000004",
		"3.141592653589793",
		"1.7976931348623157e308",
		"1e23",
		"\"m\"",
		"\"5\"",
		"\" \"",
		"\"\xc3\xa4\xe2\x82\xac\"",
		"\"a\\\"b\\\\c\"",
		"\"\\n\\t\\u0001\"",
		"\"/\"",
		"18446744073709551615",
		"123456789012345678901234567890",
		"1e2",
		"1E2",
		"1.10",
		"-0",
		"5e-324",
		"\"\\u00e4\\/\"",
		"\"\\\\\"",
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(same) / sizeof(same[0]); i++)
		assert_echo("{\"messageId\":", same[i], "}");
	for (i = 0; i < sizeof(same) / sizeof(same[0]); i++)
		assert_echo_beside(same[i]);
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
		root = written(fw_message_write_pull_failure(code, NULL, 0, 9, id, &len), &len);
		assert_true(json_is_false(json_object_get(root, "success")));
		assert_text(root, "code", fw_pull_code_name(code));
		assert_text(root, "message", fw_pull_code_message(code));
		assert_text(root, "messageId", "m");
		assert_true(strlen(fw_pull_code_message(code)) > 10);
		assert_int_equal(json_object_size(root), 5);
		json_decref(root);
	}
	assert_string_equal(fw_pull_code_name(FW_PULL_CODES), "");
	text = fw_message_write_pull_failure(FW_PULL_BAD_REQUEST, "say \"why\"", 0, 9, no_id, &len);
	assert_string_equal(text,
		"{\"timestamp\":9,\"success\":false,\"code\":\"bad_request\",\"message\":\"say"
		" \\\"why\\\"\"}");
	free(text);
	text = fw_message_write_chunk_refusal(
		&(struct fw_chunk_refusal){.code = "bad_request", .message = "offset is missing"},
		9, id, &len);
	assert_string_equal(text,
		"{\"timestamp\":9,\"messageId\":\"m\",\"code\":\"bad_request\","
		"\"message\":\"offset is missing\"}");
	free(text);
	text = fw_message_write_chunk_refusal(&(struct fw_chunk_refusal){.code = "busy",
						      .message = "wait",
						      .firmware_id = FW_SLICE("f.1"),
						      .has_offset = true,
						      .offset = INT64_MAX},
		9, no_id, &len);
	assert_string_equal(text,
		"{\"timestamp\":9,\"code\":\"busy\",\"message\":\"wait\",\"firmwareId\":\"f.1\","
		"\"offset\":9223372036854775807}");
	assert_int_equal(len, strlen(text));
	free(text);
}

static void a_task_event_says_the_state(void **state)
{
	struct fw_task_event_message event = {.task_id = "t",
		.firmware_id = "f",
		.state = "failed",
		.error_reason = "no \"room\"",
		.progress = 40};
	size_t len;
	char *text;

	(void)state;
	text = fw_message_write_task(&event, 3, &len);
	assert_string_equal(text,
		"{\"timestamp\":3,\"taskId\":\"t\",\"firmwareId\":\"f\",\"state\":\"failed\","
		"\"progress\":40,\"errorReason\":\"no \\\"room\\\"\"}");
	assert_int_equal(len, strlen(text));
	free(text);
	event.error_reason = NULL;
	text = fw_message_write_task(&event, 3, &len);
	assert_string_equal(text,
		"{\"timestamp\":3,\"taskId\":\"t\",\"firmwareId\":\"f\",\"state\":\"failed\","
		"\"progress\":40}");
	free(text);
}

static void writers_give_null_without_memory(void **state)
{
	/* no number of 16 digits: once its own check has passed, jansson must not run out of memory
	 * in one */
	const struct fw_offer plain = {.firmware_id = "f",
		.version = "1",
		.url = "u",
		.sign = "s",
		.sign_method = "m",
		.parameters = "{\"a\":[1,\"b\"]}",
		.size = 1};
	const struct fw_slice ids[] = {
		no_id, FW_SLICE("7"), FW_SLICE("\"0123456789012345678901234567890123456789\"")};
	size_t i, len;
	char *text;
	long left;

	(void)state;
	json_set_alloc_funcs(counted_malloc, free);
	for (i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
		for (left = 0, text = NULL; !text; left++) {
			allocations_left = left;
			len = 12345;
			text = fw_message_write_offer("\"url\":\"u\"", NULL, NULL, 1, ids[i], &len);
			assert_true(text || len == 12345);
		}
		free(text);
		for (left = 0, text = NULL; !text; left++) {
			allocations_left = left;
			text = fw_message_write_pull_failure(
				FW_PULL_NO_UPDATE, NULL, 0, 1, ids[i], &len);
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
		cmocka_unit_test(an_offer_says_what_the_catalog_has),
		cmocka_unit_test(an_offer_may_have_its_url_added_for_each_device),
		cmocka_unit_test(parameters_must_be_an_object),
		cmocka_unit_test(any_text_is_escaped_so_that_it_comes_back),
		cmocka_unit_test(message_ids_are_echoed_as_they_came),
		cmocka_unit_test(failures_have_code_and_sentence_and_no_url),
		cmocka_unit_test(a_task_event_says_the_state),
		cmocka_unit_test(writers_give_null_without_memory),
	};

	return cmocka_run_group_tests_name("message_write", tests, NULL, clear);
}
