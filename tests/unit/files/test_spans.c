/* Sets of byte ranges. */
#include "files/spans.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MOST 4

static struct fw_span spans[MOST];
static size_t count;

static const char *text_of_set(void)
{
	static char text[MOST * FW_SPANS_TEXT + 1];

	fw_spans_format(spans, count, text);
	return text;
}

static void add(int64_t from, int64_t to, const char *expected)
{
	fw_spans_add(spans, &count, MOST, (struct fw_span){from, to});
	assert_string_equal(text_of_set(), expected);
}

static void test_add(void **state)
{
	(void)state;
	count = 0;
	add(5, 5, "");
	add(7, 6, "");
	add(10, 20, "10-19");
	add(30, 40, "10-19,30-39");
	add(0, 5, "0-4,10-19,30-39");
	add(5, 6, "0-5,10-19,30-39");
	add(6, 10, "0-19,30-39");
	add(12, 15, "0-19,30-39");
	add(35, 50, "0-19,30-49");
	add(60, 61, "0-19,30-49,60-60");
	add(25, 70, "0-19,25-69");
	add(0, 100, "0-99");
	assert_int_equal(fw_spans_bytes(spans, count), 100);
}

/* The smallest is forgotten, and be it the new one. */
static void test_bound(void **state)
{
	(void)state;
	count = 0;
	add(0, 10, "0-9");
	add(20, 25, "0-9,20-24");
	add(40, 50, "0-9,20-24,40-49");
	add(60, 70, "0-9,20-24,40-49,60-69");
	add(80, 84, "0-9,20-24,40-49,60-69");
	add(80, 90, "0-9,40-49,60-69,80-89");
	add(10, 12, "0-11,40-49,60-69,80-89");
	add(100, 111, "0-11,60-69,80-89,100-110");
	add(0, 200, "0-199");
}

/* Against a map of bytes: nothing is in the set that was not added, and without a bound all that
 * was. */
static void test_random(void **state)
{
	struct fw_span many[200];
	unsigned char map[400] = {0};
	size_t all = 0;

	(void)state;
	count = 0;
	srand(7);
	for (int i = 0; i < 2000; i++) {
		int64_t from = rand() % 390, to = from + rand() % 10;

		if (i % 300 == 0) {
			memset(map, 0, sizeof(map));
			count = all = 0;
		}
		memset(map + from, 1, (size_t)(to - from));
		fw_spans_add(spans, &count, MOST, (struct fw_span){from, to});
		fw_spans_add(many, &all, 200, (struct fw_span){from, to});
		for (size_t j = 0; j < count; j++) {
			assert_true(spans[j].from < spans[j].to &&
				(j == 0 || spans[j - 1].to < spans[j].from));
			assert_null(memchr(
				map + spans[j].from, 0, (size_t)(spans[j].to - spans[j].from)));
		}
		for (size_t j = 0, bytes = 0; j <= all; j++) {
			bytes += j < all ? (size_t)(many[j].to - many[j].from) : 0;
			if (j == all) {
				size_t set = 0;

				for (size_t k = 0; k < sizeof(map); k++)
					set += map[k];
				assert_int_equal(bytes, set);
			}
		}
	}
}

static void test_parse(void **state)
{
	static const struct {
		const char *text, *expected;
	} cases[] = {{"", ""}, {"0-0", "0-0"}, {"0-9,20-29", "0-9,20-29"},
		{"20-29,0-9", "0-9,20-29"}, {"0-9,10-19", "0-19"}, {"0-9,", "0-9"},
		{"0-9,x", "0-9"}, {"-9", ""}, {"9-", ""}, {"9-8", ""}, {"0-9 ,20-29", "0-9"},
		{"0-99999999999999999999", ""},
		{"999999999999999999-999999999999999999", "999999999999999999-999999999999999999"},
		{"1-1,3-3,5-5,7-8,9-10", "1-1,3-3,5-5,7-10"}};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		count = fw_spans_parse(fw_slice_of(cases[i].text), spans, MOST);
		assert_string_equal(text_of_set(), cases[i].expected);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_add),
		cmocka_unit_test(test_bound),
		cmocka_unit_test(test_random),
		cmocka_unit_test(test_parse),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
