/* How much a device may say. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "service/device_rate.h"

#define NOW INT64_C(1000000)

/* How many messages of `bytes` a device may send at this moment. */
static unsigned burst(struct fw_device_rate *rate, const char *device, size_t bytes, int64_t now)
{
	unsigned count = 0;

	while (count < 1000000 && fw_device_rate_take(rate, fw_slice_of(device), bytes, now))
		count++;
	return count;
}

static struct fw_device_rate *begin(long per_minute)
{
	struct fw_device_rate *rate = fw_device_rate_new(per_minute);

	assert_non_null(rate);
	return rate;
}

static void test_a_bucket(void **state)
{
	struct fw_device_rate *rate = begin(1200);

	(void)state;
	assert_int_equal(burst(rate, "d1", 100, NOW), 1200);
	assert_int_equal(burst(rate, "d1", 100, NOW + 49), 0);
	assert_int_equal(burst(rate, "d1", 100, NOW + 50), 1);
	assert_int_equal(burst(rate, "d1", 100, NOW + 1050), 20);
	/* another device's is another one */
	assert_int_equal(burst(rate, "d2", 100, NOW), 1200);
	assert_int_equal(burst(rate, "d1", 100, NOW + 61050), 1200);
	/* no more than a full one, however long it was silent */
	assert_int_equal(burst(rate, "d1", 100, NOW + 10000000), 1200);
	fw_device_rate_free(rate);
}

static void test_each_rate_is_exact(void **state)
{
	static const long rates[] = {1, 7, 60, 999, 1201, 30000, 1000000};

	(void)state;
	for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
		struct fw_device_rate *rate = begin(rates[i]);

		assert_int_equal(burst(rate, "d1", 0, NOW), rates[i]);
		assert_int_equal(burst(rate, "d1", 0, NOW + 60000), rates[i]);
		fw_device_rate_free(rate);
	}
}

static void test_no_limit(void **state)
{
	struct fw_device_rate *rate = begin(0);

	(void)state;
	assert_int_equal(burst(rate, "d1", 65536, NOW), 1000000);
	fw_device_rate_free(rate);
}

static void test_a_large_message_counts_for_several(void **state)
{
	static const struct {
		size_t bytes;
		unsigned tokens;
	} sizes[] = {{0, 1}, {256, 1}, {257, 2}, {512, 2}, {1025, 5}, {8192, 32}, {65536, 32},
		{SIZE_MAX, 32}};

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct fw_device_rate *rate = begin(3200);

		assert_int_equal(burst(rate, "d1", sizes[i].bytes, NOW), 3200 / sizes[i].tokens);
		fw_device_rate_free(rate);
	}
}

static void test_a_small_bucket_holds_any_message(void **state)
{
	struct fw_device_rate *rate = begin(2);

	(void)state;
	assert_int_equal(burst(rate, "d1", 8192, NOW), 1);
	assert_int_equal(burst(rate, "d1", 8192, NOW + 60000), 1);
	fw_device_rate_free(rate);
}

/* One that says too much is refused as long as it goes on, whoever else comes meanwhile; and none
 * of those is refused for its sake. */
static void test_a_crowd_neither_frees_nor_blocks(void **state)
{
	struct fw_device_rate *rate = begin(1200);
	char name[32];

	(void)state;
	assert_int_equal(burst(rate, "hostile", 100, NOW), 1200);
	for (unsigned i = 0; i < 1000000; i++) {
		snprintf(name, sizeof(name), "honest %u", i);
		assert_true(fw_device_rate_take(rate, fw_slice_of(name), 100, NOW));
	}
	assert_int_equal(burst(rate, "hostile", 100, NOW), 0);
	fw_device_rate_free(rate);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_bucket),
		cmocka_unit_test(test_each_rate_is_exact),
		cmocka_unit_test(test_no_limit),
		cmocka_unit_test(test_a_large_message_counts_for_several),
		cmocka_unit_test(test_a_small_bucket_holds_any_message),
		cmocka_unit_test(test_a_crowd_neither_frees_nor_blocks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
