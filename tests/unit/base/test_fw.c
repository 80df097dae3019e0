/* The shared helpers. */
#include "base/fw.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

static void test_slices(void **state)
{
	(void)state;
	assert_int_equal(fw_slice_of(NULL).len, 0);
	assert_int_equal(fw_slice_of("abc").len, 3);
	assert_true(fw_slice_equal(fw_slice_of("abc"), FW_SLICE("abc")));
	assert_true(fw_slice_equal(fw_slice_of(NULL), FW_SLICE("")));
	assert_false(fw_slice_equal(FW_SLICE("abc"), FW_SLICE("abd")));
	assert_false(fw_slice_equal(FW_SLICE("abc"), FW_SLICE("ab")));
	assert_false(fw_slice_equal(FW_SLICE("abc"), fw_slice_of(NULL)));
}

static void test_the_first_error_wins(void **state)
{
	struct fw_error error = {""};
	char text[2 * sizeof(error.text)];

	(void)state;
	fw_error_set(&error, "%s %d", "first", 1);
	fw_error_set(&error, "second");
	assert_string_equal(error.text, "first 1");
	fw_error_set(NULL, "nobody asked");
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = 0;
	error.text[0] = 0;
	fw_error_set(&error, "%s", text);
	assert_int_equal(strlen(error.text), sizeof(error.text) - 1);
}

static void test_an_error_is_one_line(void **state)
{
	struct fw_error error = {""};
	char cut[sizeof(error.text)];

	(void)state;
	fw_error_set(
		&error, "no file '%s'", "a\n1234: all is well\x1b[2J\x7f\xd9\xed\xa0\x80 \xc3\xbc");
	assert_string_equal(error.text, "no file 'a?1234: all is well?[2J????? \xc3\xbc'");
	error.text[0] = 0;
	/* the buffer ends within the last character */
	memset(cut, 'x', sizeof(cut) - 2);
	memcpy(cut + sizeof(cut) - 2, "\xc3", 2);
	fw_error_set(&error, "%s\xbc", cut);
	assert_int_equal(error.text[sizeof(error.text) - 2], '?');
	assert_true(fw_utf8_valid(error.text, strlen(error.text)));
}

static void test_a_device_key_is_split_as_it_was_made(void **state)
{
	char buffer[FW_DEVICE_KEY];
	struct fw_slice key = fw_device_key(buffer, FW_SLICE("lamp"), FW_SLICE("d1"));
	struct fw_slice product = {NULL, 0}, device = FW_SLICE("as it was");

	(void)state;
	assert_true(fw_slice_equal(key, FW_SLICE("lamp/d1")));
	assert_false(fw_device_key_split(FW_SLICE("d1"), &product, &device));
	assert_false(fw_device_key_split((struct fw_slice){NULL, 0}, &product, &device));
	assert_true(product.len == 0 && fw_slice_equal(device, FW_SLICE("as it was")));
	assert_true(fw_device_key_split(key, &product, &device));
	assert_true(fw_slice_equal(product, FW_SLICE("lamp")));
	assert_true(fw_slice_equal(device, FW_SLICE("d1")));
}

static void test_clocks(void **state)
{
	int64_t boot = fw_boot_ms(), now = fw_now_ms(), seconds = time(NULL);

	(void)state;
	assert_true(now / 1000 - seconds <= 1 && seconds - now / 1000 <= 1);
	assert_true(boot > 0 && fw_boot_ms() >= boot);
}

static void test_hash(void **state)
{
	(void)state;
	/* FNV's published vectors */
	assert_true(fw_hash(0, "", 0) == 0xcbf29ce484222325u);
	assert_true(fw_hash(0, "a", 1) == 0xaf63dc4c8601ec8cu);
	assert_true(fw_hash(0, "foobar", 6) == 0x85944171f73967e8u);
	assert_true(fw_hash(fw_hash(0, "foo", 3), "bar", 3) == fw_hash(0, "foobar", 6));
	assert_true(fw_hash(1, "foobar", 6) != fw_hash(0, "foobar", 6));
}

static void test_random_differs(void **state)
{
	uint64_t first = fw_random(), second = fw_random();

	(void)state;
	assert_true(first != second);
	assert_true(first != 0 && second != 0);
}

struct text {
	const char *at;
	size_t len, points;
};

#define TEXT(literal, points)                                                                      \
	{                                                                                          \
		literal, sizeof(literal) - 1, points                                               \
	}

static void test_valid_utf8(void **state)
{
	static const struct text texts[] = {
		TEXT("", 0),
		TEXT("plain", 5),
		TEXT("\x01\x7f", 2),
		TEXT("\xc2\x80\xdf\xbf", 2),
		TEXT("\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80\xef\xbf\xbf", 4),
		TEXT("\xf0\x90\x80\x80\xf4\x8f\xbf\xbf", 2),
		TEXT("固件 1.0", 6),
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		assert_true(fw_utf8_valid(texts[i].at, texts[i].len));
		assert_int_equal(fw_utf8_length(texts[i].at, texts[i].len), texts[i].points);
	}
}

static void test_invalid_utf8(void **state)
{
	static const struct text texts[] = {
		TEXT("a\0b", 0),
		TEXT("\x80", 0),
		TEXT("\xbf", 0),
		TEXT("\xc0\x80", 0),
		TEXT("\xc1\xbf", 0),
		TEXT("\xc2", 0),
		TEXT("\xc2\x7f", 0),
		TEXT("\xc2\xc0", 0),
		TEXT("\xe0\x9f\xbf", 0),
		TEXT("\xe1\x80", 0),
		TEXT("\xe1\x80\x7f", 0),
		TEXT("\xed\xa0\x80", 0),
		TEXT("\xed\xbf\xbf", 0),
		TEXT("\xf0\x8f\xbf\xbf", 0),
		TEXT("\xf4\x90\x80\x80", 0),
		TEXT("\xf5\x80\x80\x80", 0),
		TEXT("\xf1\x80\x80", 0),
		TEXT("\xff", 0),
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		assert_false(fw_utf8_valid(texts[i].at, texts[i].len));
}

/* Every code point written by the textbook is valid, but for NUL and the surrogates. */
static void test_every_code_point(void **state)
{
	(void)state;
	for (uint32_t point = 0; point < 0x120000; point++) {
		bool expected =
			point != 0 && point < 0x110000 && !(point >= 0xd800 && point < 0xe000);
		char at[4];
		size_t len = point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;

		for (size_t i = len - 1; i > 0; i--)
			at[i] = (char)(0x80 | (point >> 6 * (len - 1 - i) & 0x3f));
		at[0] = (char)(len == 1 ? point : (0xf00u >> len & 0xff) | point >> 6 * (len - 1));
		if (fw_utf8_valid(at, len) != expected)
			fail_msg("U+%X", (unsigned)point);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_slices),
		cmocka_unit_test(test_the_first_error_wins),
		cmocka_unit_test(test_an_error_is_one_line),
		cmocka_unit_test(test_a_device_key_is_split_as_it_was_made),
		cmocka_unit_test(test_clocks),
		cmocka_unit_test(test_hash),
		cmocka_unit_test(test_random_differs),
		cmocka_unit_test(test_valid_utf8),
		cmocka_unit_test(test_invalid_utf8),
		cmocka_unit_test(test_every_code_point),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
