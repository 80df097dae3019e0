/* The numbers of a stage: its percentage, how many start, how many are to prove it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "upgrade/rollout.h"

#define MILLION INT64_C(1000000)
#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static void a_percentage_becomes_an_integer_once(void **ignored)
{
	static const struct {
		double percent;
		int64_t millionths;
	} pairs[] = {
		{100, 100000000},
		{99.9999999, 100000000},
		{33.3333, 33333300},
		{10, 10000000},
		{0.1, 100000},
		{0.3, 300000},
		{2.675, 2675000},
		{0.000001, 1},
		{1e-300, 1},
		{0, 1},
		{-5, 1},
		{1e300, 100000000},
	};

	(void)ignored;
	for (size_t i = 0; i < COUNT(pairs); i++)
		assert_int_equal(fw_rollout_millionths(pairs[i].percent), pairs[i].millionths);
	assert_int_equal(fw_rollout_millionths(__builtin_nan("")), 1);
	/* thousandths of a percent, as people write them, are exact */
	for (int64_t k = 1; k <= 100000; k++)
		assert_int_equal(fw_rollout_millionths((double)k / 1000), k * 1000);
}

static void a_budget_is_rounded_up(void **ignored)
{
	static const struct {
		int64_t n;
		double percent; /* 0: a count */
		int64_t count, budget;
	} pairs[] = {
		{3, 10, 0, 1},
		{10, 33.3333, 0, 4},
		{MILLION, 0.1, 0, 1000},
		{100, 10, 0, 10},
		{101, 10, 0, 11},
		{10, 100, 0, 10},
		{MILLION, 100, 0, MILLION},
		{999999, 100, 0, 999999},
		{3, 66.6667, 0, 3},
		{3, 66.6666, 0, 2},
		{1000, 0.0001, 0, 1},
		{MILLION * MILLION, 50, 0, MILLION * MILLION / 2},
		{INT64_MAX, 100, 0, INT64_MAX},
		{10, 0, 3, 3},
		{10, 0, 10, 10},
		{10, 0, 11, 10},
		{10, 0, INT64_MAX, 10},
		/* a stage without rows waits for one */
		{0, 10, 0, 1},
		{0, 100, 0, 1},
		{0, 0, 5, 1},
	};

	(void)ignored;
	for (size_t i = 0; i < COUNT(pairs); i++) {
		const struct fw_rollout_counts counts = {.n = pairs[i].n};
		struct fw_rollout_plan plan = {.stage = 1, .stages = 2};

		if (pairs[i].percent > 0)
			plan.current.until_millionths = fw_rollout_millionths(pairs[i].percent);
		plan.current.until_count = pairs[i].count;
		assert_int_equal(fw_rollout_budget(&plan, &counts), pairs[i].budget);
	}
}

static void a_task_without_stages_starts_all_rows(void **ignored)
{
	struct fw_rollout_plan plan = {.stage = 1};
	struct fw_rollout_counts counts = {.n = 10, .started = 10};

	(void)ignored;
	assert_false(fw_rollout_has_stage(&plan));
	assert_int_equal(fw_rollout_budget(&plan, &counts), 10);
	assert_true(fw_rollout_has_room(&plan, &counts));
	counts = (struct fw_rollout_counts){0};
	assert_int_equal(fw_rollout_budget(&plan, &counts), 0);
	/* an operator raised the stage beyond the last one */
	plan = (struct fw_rollout_plan){.stage = 3, .stages = 2};
	assert_false(fw_rollout_has_stage(&plan));
	assert_true(fw_rollout_has_room(&plan, &counts));
}

static void as_many_start_as_the_budget_says(void **ignored)
{
	const struct fw_rollout_plan plan = {
		.stage = 1, .stages = 1, .current = {.until_millionths = FW_ROLLOUT_ALL / 10}};
	struct fw_rollout_counts counts = {.n = 100};

	(void)ignored;
	while (fw_rollout_has_room(&plan, &counts))
		counts.started++;
	assert_int_equal(counts.started, 10);
}

static void the_proofs_needed_are_rounded_up(void **ignored)
{
	static const struct {
		int64_t percent, budget, needed;
	} pairs[] = {
		{90, 10, 9},
		{90, 11, 10},
		{90, 1, 1},
		{1, 1, 1},
		{0, 10, 0},
		{100, 10, 10},
		{99, 100, 99},
		{99, 101, 100},
		{50, 3, 2},
		{100, INT64_MAX, INT64_MAX},
		{90, MILLION * MILLION, 9 * MILLION * (MILLION / 10)},
	};

	(void)ignored;
	for (size_t i = 0; i < COUNT(pairs); i++) {
		const struct fw_rollout_plan plan = {
			.stage = 1, .stages = 1, .current = {.success_percent = pairs[i].percent}};

		assert_int_equal(fw_rollout_needed(&plan, pairs[i].budget), pairs[i].needed);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_percentage_becomes_an_integer_once),
		cmocka_unit_test(a_budget_is_rounded_up),
		cmocka_unit_test(a_task_without_stages_starts_all_rows),
		cmocka_unit_test(as_many_start_as_the_budget_says),
		cmocka_unit_test(the_proofs_needed_are_rounded_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
