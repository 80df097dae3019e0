/* Devices that are lost: how long is too long, and whether the upgrade did it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "upgrade/trial.h"

static void patience_is_at_least_twice_the_longest_absence(void **ignored)
{
	static const struct {
		int64_t lost, absence, expected;
	} pairs[] = {
		{60000, 0, 60000},
		{60000, 29999, 60000},
		{60000, 30000, 60000},
		{60000, 30001, 60002},
		{60001, 30001, 60002},
		{60000, 604800000, 1209600000},
		{0, 604800000, 0},
		{0, 0, 0},
	};

	(void)ignored;
	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++)
		assert_int_equal(
			fw_trial_patience_ms(pairs[i].lost, pairs[i].absence), pairs[i].expected);
	assert_int_equal(fw_trial_lookback_ms(60000, 3600000), 3660000);
}

static void a_loss_counts_when_it_is_three_times_the_control_group(void **ignored)
{
	static const struct {
		const char *words;
		int64_t lost, started, away, idle;
		bool remarkable;
	} pairs[] = {
		{"no control group", 1, 100, 0, 0, true},
		{"19 are too few", 1, 100, 19, 19, true},
		{"20 are enough", 1, 100, 20, 20, false},
		{"nobody else went away", 1, 100, 0, 1000, true},
		{"30 % of those, 10 % of these", 3, 10, 10, 100, true},
		{"one less", 2, 10, 10, 100, false},
		{"29 of 100 against 10 %", 29, 100, 10, 100, false},
		{"a power cut: half of all", 50, 100, 500, 1000, false},
		{"all of them, but half of the others too", 100, 100, 500, 1000, false},
		{"an image that kills its network", 9, 10, 5, 1000, true},
		{"a third against all: as many as can be", 10, 10, 20, 60, true},
		{"a million of a million", 1000000, 1000000, 333333, 1000000, true},
		{"and no overflow", 1000000, 1000000, 1000000, 1000000, false},
	};

	(void)ignored;
	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		if (fw_trial_is_remarkable(pairs[i].lost, pairs[i].started, pairs[i].away,
			    pairs[i].idle) != pairs[i].remarkable)
			fail_msg("\"%s\"", pairs[i].words);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(patience_is_at_least_twice_the_longest_absence),
		cmocka_unit_test(a_loss_counts_when_it_is_three_times_the_control_group),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
