/* So many a second: a burst of a second, then one after the other, and places behind them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/token_bucket.h"

#define NOW INT64_C(1000000)

static int take_all(struct fw_token_bucket *pace, long rate, int64_t now)
{
	int taken = 0;

	while (fw_token_bucket_take(pace, rate, now))
		taken++;
	return taken;
}

static void a_second_at_once_then_one_by_one(void **state)
{
	struct fw_token_bucket pace = {0, 0};

	(void)state;
	assert_int_equal(take_all(&pace, 500, NOW), 500);
	assert_false(fw_token_bucket_ready(&pace, 500, NOW));
	assert_int_equal(take_all(&pace, 500, NOW + 1), 0);
	assert_int_equal(take_all(&pace, 500, NOW + 2), 1);
	assert_int_equal(take_all(&pace, 500, NOW + 102), 50);
	/* what was not taken does not add up beyond a second */
	assert_int_equal(take_all(&pace, 500, NOW + 1000000), 500);
}

static void a_place_comes_when_there_is_a_token(void **state)
{
	struct fw_token_bucket pace = {0, 0};
	int64_t last = 0;

	(void)state;
	take_all(&pace, 100, NOW);
	for (int i = 0; i < 1000; i++) {
		int64_t connection = fw_token_bucket_place(&pace, 100, NOW);

		assert_true(connection > last && connection > NOW);
		last = connection;
		assert_true(fw_token_bucket_take(&pace, 100, connection));
	}
	assert_in_range((uint64_t)(last - NOW), 10000, 10010);
}

static void no_rate_is_no_limit(void **state)
{
	struct fw_token_bucket pace = {INT64_MAX / 2, 0};

	(void)state;
	assert_true(fw_token_bucket_ready(&pace, 0, NOW));
	assert_true(fw_token_bucket_take(&pace, 0, NOW));
	assert_int_equal(fw_token_bucket_place(&pace, 0, NOW), NOW);
	/* nothing was taken, and no place given */
	assert_int_equal(pace.taken_us, INT64_MAX / 2);
	assert_int_equal(pace.placed_us, 0);
	assert_false(fw_token_bucket_ready(&pace, 1, NOW));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_second_at_once_then_one_by_one),
		cmocka_unit_test(a_place_comes_when_there_is_a_token),
		cmocka_unit_test(no_rate_is_no_limit),
	};

	return cmocka_run_group_tests_name("pace", tests, NULL, NULL);
}
