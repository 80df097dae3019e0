/* Text that others wrote: shown and kept so that it does no harm, and trimmed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/text.h"

#define FFFD "\xef\xbf\xbd"

static char buffer[FW_KEPT_MAX];

/* From memory of exactly its length, so that a sanitizer sees what reads further. */
static void assert_kept(struct fw_slice text, const char *wanted)
{
	char *copy = malloc(text.len ? text.len : 1);
	struct fw_slice kept;

	assert_non_null(copy);
	memcpy(copy, text.at, text.len);
	kept = fw_text_sanitize((struct fw_slice){copy, text.len}, buffer);
	assert_int_equal(kept.len, strlen(wanted));
	assert_memory_equal(kept.at, wanted, kept.len);
	assert_true(fw_utf8_valid(kept.at, kept.len));
	free(copy);
}

static void what_is_harmless_is_kept_as_it_is(void **state)
{
	static const char text[] =
		"flash: \xc3\xbc\xe2\x82\xac \xf0\x9f\x98\x80 \xc2\xa0\xe2\x80\xa8\xe2\x80\x8b ~!";
	struct fw_slice slice = fw_slice_of(text);

	(void)state;
	assert_ptr_equal(fw_text_sanitize(slice, buffer).at, text);
	assert_kept(slice, text);
	assert_kept(FW_SLICE(""), "");
	/* what only begins like a harmful one */
	assert_kept(FW_SLICE("\xc2\xa9\xd8\x9d\xe2\x80\x8d\xe2\x80\xa9\xe2\x81\xa5\xe2\x81\xaa\xe2"
			     "\x80\xaf"),
		"\xc2\xa9\xd8\x9d\xe2\x80\x8d\xe2\x80\xa9\xe2\x81\xa5\xe2\x81\xaa\xe2\x80\xaf");
}

static void controls_and_directions_are_replaced(void **state)
{
	static const struct fw_slice harmful[] = {FW_SLICE("\0"), FW_SLICE("\x01"),
		FW_SLICE("\x1b"), FW_SLICE("\x7f"), FW_SLICE("\xc2\x80"), FW_SLICE("\xc2\x9b"),
		FW_SLICE("\xc2\x9f"), FW_SLICE("\xd8\x9c"), FW_SLICE("\xe2\x80\x8e"),
		FW_SLICE("\xe2\x80\x8f"), FW_SLICE("\xe2\x80\xaa"), FW_SLICE("\xe2\x80\xae"),
		FW_SLICE("\xe2\x81\xa6"), FW_SLICE("\xe2\x81\xa9")};

	(void)state;
	for (size_t i = 0; i < sizeof(harmful) / sizeof(harmful[0]); i++) {
		char text[8] = "a", line[8] = "a";

		assert_kept(harmful[i], FFFD);
		memcpy(text + 1, harmful[i].at, harmful[i].len);
		text[1 + harmful[i].len] = 'b';
		assert_kept((struct fw_slice){text, 2 + harmful[i].len}, "a" FFFD "b");
		if (!harmful[i].at[0])
			continue;
		memcpy(line, text, sizeof(line));
		fw_make_line(line);
		assert_string_equal(line, "a?b");
	}
	assert_kept(FW_SLICE("at 0x1\r\n\tat 0x2"), "at 0x1   at 0x2");
	assert_kept(FW_SLICE("\x1b[2J\xe2\x80\xae"
			     "evil"),
		FFFD "[2J" FFFD "evil");
}

static void long_text_is_cut_at_a_character(void **state)
{
	static const struct fw_slice units[] = {FW_SLICE("x"), FW_SLICE("\xc3\xbc"),
		FW_SLICE("\xe2\x82\xac"), FW_SLICE("\xf0\x9f\x98\x80"), FW_SLICE("\x01")};
	char *text = malloc(5 * FW_KEPT_MAX);

	(void)state;
	assert_non_null(text);
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		for (size_t begin = 0; begin < 5; begin++) {
			size_t len = begin;
			struct fw_slice kept;

			memset(text, 'a', begin);
			while (len <= FW_KEPT_MAX + 4) {
				memcpy(text + len, units[i].at, units[i].len);
				len += units[i].len;
			}
			kept = fw_text_sanitize((struct fw_slice){text, len}, buffer);
			assert_true(kept.len <= FW_KEPT_MAX && kept.len > FW_KEPT_MAX - 4);
			assert_memory_equal(kept.at + kept.len - 3, "...", 3);
			assert_true(fw_utf8_valid(kept.at, kept.len));
		}
	}
	memset(text, 'x', FW_KEPT_MAX + 1);
	assert_int_equal(
		fw_text_sanitize((struct fw_slice){text, FW_KEPT_MAX}, buffer).len, FW_KEPT_MAX);
	assert_ptr_equal(fw_text_sanitize((struct fw_slice){text, FW_KEPT_MAX}, buffer).at, text);
	assert_int_equal(fw_text_sanitize((struct fw_slice){text, FW_KEPT_MAX + 1}, buffer).len,
		FW_KEPT_MAX);
	/* what fills the room exactly once it is replaced is whole */
	memset(text, 'x', FW_KEPT_MAX);
	text[0] = '\n';
	assert_memory_equal(
		fw_text_sanitize((struct fw_slice){text, FW_KEPT_MAX}, buffer).at + FW_KEPT_MAX - 3,
		"xxx", 3);
	free(text);
}

static void assert_trimmed(struct fw_slice text, const char *wanted)
{
	struct fw_slice trimmed = fw_text_trim(text, FW_TEXT_BLANK);

	assert_int_equal(trimmed.len, strlen(wanted));
	assert_true(trimmed.len == 0 || memcmp(trimmed.at, wanted, trimmed.len) == 0);
}

static void what_nobody_sees_is_trimmed(void **state)
{
	struct fw_slice text;

	(void)state;
	assert_trimmed((struct fw_slice){NULL, 0}, "");
	assert_trimmed(FW_SLICE("1.0"), "1.0");
	assert_trimmed(FW_SLICE(" \t\0 1.0\0\0 "), "1.0");
	assert_trimmed(FW_SLICE("\xef\xbb\xbf\xc2\xa0"
				"1 0\xe2\x80\x8b\xe2\x81\xa0"),
		"1 0");
	assert_trimmed(FW_SLICE(" \t\0\xef\xbb\xbf\xe3\x80\x80"), "");
	assert_trimmed(FW_SLICE("\n1.0\r\n\v\f"), "1.0");
	/* neither another control nor the end of another character is a blank */
	assert_trimmed(FW_SLICE("1.0\x1b"), "1.0\x1b");
	assert_trimmed(FW_SLICE("\xc3\xa0"), "\xc3\xa0");
	assert_trimmed(FW_SLICE("\xe2\x80\x90"), "\xe2\x80\x90");
	/* a soft hyphen is no blank; an operator's name ends before it nonetheless */
	assert_trimmed(FW_SLICE("1.0\xc2\xad"), "1.0\xc2\xad");
	text = fw_text_trim(FW_SLICE("\n a\xc2\xad\xf3\xa0\x80\x81 \x7f"), FW_TEXT_UNSEEN);
	assert_true(fw_slice_equal(text, FW_SLICE("a")));
}

static void what_is_no_utf8_stays(void **state)
{
	(void)state;
	assert_trimmed(FW_SLICE("\xa0 1 \xa0"), "\xa0 1 \xa0");
	assert_trimmed(FW_SLICE(" \xc2"), "\xc2");
	assert_false(fw_text_harmful("\xc2", 1));
	assert_false(fw_text_harmful("\x9b", 1));
}

static void a_visible_text_is_utf8_that_is_seen(void **state)
{
	(void)state;
	assert_true(fw_text_visible(FW_SLICE("")));
	assert_true(fw_text_visible(FW_SLICE("a b \xc3\xa4 \xf0\x9f\x98\x80")));
	assert_false(fw_text_visible(FW_SLICE("a\0b")));
	assert_false(fw_text_visible(FW_SLICE("a\xc2\xa0")));
	assert_false(fw_text_visible(FW_SLICE("a\xe2\x80\xa8")));
	assert_false(fw_text_visible(FW_SLICE("\xf3\xa0\x80\x81")));
	assert_false(fw_text_visible(FW_SLICE("a\xff")));
	assert_false(fw_text_visible(FW_SLICE("\xc3")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_harmless_is_kept_as_it_is),
		cmocka_unit_test(controls_and_directions_are_replaced),
		cmocka_unit_test(long_text_is_cut_at_a_character),
		cmocka_unit_test(what_nobody_sees_is_trimmed),
		cmocka_unit_test(what_is_no_utf8_stays),
		cmocka_unit_test(a_visible_text_is_utf8_that_is_seen),
	};

	return cmocka_run_group_tests_name("text", tests, NULL, NULL);
}
