/* Bodies that are no JSON, or would take much stack or memory: refused before they do. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "control/body.h"

static struct fw_error error;

static bool parses(const char *text, size_t len)
{
	json_t *parsed;

	error.text[0] = '\0';
	parsed = fw_body_parse((struct fw_slice){text, len}, &error);
	json_decref(parsed);
	assert_int_equal(parsed != NULL, error.text[0] == '\0');
	return parsed != NULL;
}

/* `open` and then `close`, each so often, around nothing. */
static bool nested(const char *open, const char *close, size_t times)
{
	size_t a = strlen(open), b = strlen(close);
	char *text = malloc(times * (a + b));
	bool good;

	assert_non_null(text);
	for (size_t i = 0; i < times; i++) {
		memcpy(text + i * a, open, a);
		memcpy(text + times * a + i * b, close, b);
	}
	good = parses(text, times * (a + b));
	free(text);
	return good;
}

static void test_depth(void **state)
{
	static const char text[] = "[\"\\\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\"]";

	(void)state;
	assert_true(nested("[", "]", 32));
	assert_false(nested("[", "]", 33));
	assert_non_null(strstr(error.text, "too deep"));
	assert_false(nested("[", "]", 500000));
	assert_non_null(strstr(error.text, "too deep"));
	assert_false(nested("{\"a\":[", "]}", 17));
	assert_non_null(strstr(error.text, "too deep"));
	/* in a text they are letters */
	assert_true(parses(text, sizeof(text) - 1));
	/* those that close nothing open none */
	assert_false(nested("]", "[", 33));
	assert_non_null(strstr(error.text, "too deep"));
}

/* `count` empty objects in an array. */
static bool many(size_t count)
{
	size_t len = 3 * count + 1;
	char *text = malloc(len + 1);
	bool good;

	assert_non_null(text);
	text[0] = '[';
	for (size_t i = 0; i < count; i++)
		memcpy(text + 1 + 3 * i, "{},", 3);
	text[len - 1] = ']';
	good = parses(text, len);
	free(text);
	return good;
}

static void test_brackets(void **state)
{
	(void)state;
	assert_true(many(19999));
	assert_false(many(20000));
	assert_non_null(strstr(error.text, "too many objects"));
	assert_false(many(349000));
	assert_non_null(strstr(error.text, "too many objects"));
}

static void test_no_json(void **state)
{
	static const char *const texts[] = {"", " ", "{", "{}{}", "{\"a\":1,\"a\":2}",
		"[{\"b\":{\"a\":1,\"a\":1}}]", "[1e999]", "[99999999999999999999]", "[\"\xff\"]",
		"[\"\\ud800\"]", "[\"\\u0000\"]", "{\"\\u0000\":1}", "[1,]", "[NaN]",
		"\xef\xbb\xbf{}", "1"};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		if (parses(texts[i], strlen(texts[i])))
			fail_msg("parsed: %s", texts[i]);
		assert_non_null(strstr(error.text, "no JSON"));
	}
	assert_false(parses("[]\0", 3));
	assert_true(parses(" [\"\\ud83d\\ude00\"]\n", 18));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_depth),
		cmocka_unit_test(test_brackets),
		cmocka_unit_test(test_no_json),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
