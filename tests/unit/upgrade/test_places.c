/* The places of starts: what a judge is told is held, and when that is free again. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <cmocka.h>

#include "upgrade/places.h"

#define TASK FW_SLICE("t1")
#define OTHER_TASK FW_SLICE("t2")
#define D1 FW_SLICE("d1")
#define D2 FW_SLICE("d2")

/* What the judge was told last, how often it was asked, and what it says. */
static struct {
	struct fw_places *places;
	struct fw_places_held held;
	unsigned asked;
	enum fw_status verdict;
} world;

static int set_up(void **ignored)
{
	(void)ignored;
	world.places = fw_places_new(0);
	world.asked = 0;
	world.verdict = FW_OK;
	return world.places ? 0 : -1;
}

static int tear_down(void **ignored)
{
	(void)ignored;
	fw_places_free(world.places);
	return 0;
}

static enum fw_status judge(void *context, const struct fw_places_held *held)
{
	(void)context;
	world.held = *held;
	world.asked++;
	return world.verdict;
}

static void pull(struct fw_slice device)
{
	assert_int_equal(fw_places_take_for_pull(world.places, TASK, device, judge, NULL), FW_OK);
}

static void push(void)
{
	assert_int_equal(fw_places_take_for_push(world.places, TASK, judge, NULL), FW_OK);
}

static void apply(struct fw_slice device)
{
	assert_int_equal(fw_places_applied(world.places, TASK, device), FW_OK);
}

/* By a start that the judge refuses. */
static void assert_held_of(struct fw_slice task_id, int64_t pulls, int64_t pushes)
{
	world.verdict = FW_NOT_FOUND;
	assert_int_equal(fw_places_take_for_push(world.places, task_id, judge, NULL), FW_NOT_FOUND);
	world.verdict = FW_OK;
	assert_int_equal(world.held.pulls, pulls);
	assert_int_equal(world.held.pushes, pushes);
}

static void assert_held(int64_t pulls, int64_t pushes)
{
	assert_held_of(TASK, pulls, pushes);
}

static void each_start_is_told_what_is_held(void **ignored)
{
	(void)ignored;
	pull(D1);
	assert_int_equal(world.held.pulls, 0);
	push();
	assert_int_equal(world.held.pulls, 1);
	assert_int_equal(world.held.pushes, 0);
	pull(D2);
	assert_int_equal(world.held.pushes, 1);
	assert_held(2, 1);
	assert_held_of(OTHER_TASK, 0, 0);
}

static void what_the_judge_refuses_holds_nothing(void **ignored)
{
	(void)ignored;
	world.verdict = FW_NOT_FOUND;
	assert_int_equal(
		fw_places_take_for_pull(world.places, TASK, D1, judge, NULL), FW_NOT_FOUND);
	world.verdict = FW_IO;
	assert_int_equal(fw_places_take_for_pull(world.places, TASK, D1, judge, NULL), FW_IO);
	assert_int_equal(fw_places_take_for_push(world.places, TASK, judge, NULL), FW_IO);
	assert_held(0, 0);
}

static void a_pull_holds_its_place_until_its_uplink_is_committed(void **ignored)
{
	(void)ignored;
	pull(D1);
	apply(D1);
	assert_held(1, 0);
	fw_places_transaction_ended(world.places, false);
	assert_held(1, 0);
	fw_places_transaction_ended(world.places, true);
	assert_held(1, 0);
	apply(D1);
	fw_places_transaction_ended(world.places, true);
	assert_held(0, 0);
}

static void a_push_holds_its_place_until_its_transaction_ends(void **ignored)
{
	(void)ignored;
	for (int committed = 0; committed < 2; committed++) {
		push();
		push();
		assert_held(0, 2);
		fw_places_transaction_ended(world.places, committed);
		assert_held(0, 0);
	}
}

static void a_repeated_pull_has_the_place_already(void **ignored)
{
	(void)ignored;
	pull(D1);
	world.verdict = FW_NOT_FOUND;
	pull(D1);
	assert_int_equal(world.asked, 1);
	assert_held(1, 0);
}

/* The uplink of the first pull waits in the spool, and will start the row. */
static void a_repeated_pull_gives_back_nothing_of_the_first(void **ignored)
{
	(void)ignored;
	pull(D1);
	pull(D1);
	fw_places_give_back(world.places, TASK, D1);
	assert_false(fw_places_freed(world.places));
	assert_held(1, 0);
	apply(D1);
	fw_places_transaction_ended(world.places, true);
	assert_held(0, 0);
}

/* Between the two the row may wait again. */
static void the_last_uplink_frees_the_place(void **ignored)
{
	(void)ignored;
	pull(D1);
	pull(D1);
	apply(D1);
	fw_places_transaction_ended(world.places, true);
	assert_held(1, 0);
	apply(D1);
	fw_places_transaction_ended(world.places, true);
	assert_held(0, 0);
}

static void what_is_given_back_is_free_and_told_once(void **ignored)
{
	(void)ignored;
	assert_false(fw_places_freed(world.places));
	pull(D1);
	pull(D2);
	fw_places_give_back(world.places, TASK, D2);
	assert_true(fw_places_freed(world.places));
	assert_false(fw_places_freed(world.places));
	assert_held(1, 0);
}

static void who_holds_nothing_gives_back_nothing(void **ignored)
{
	(void)ignored;
	pull(D1);
	apply(D2);
	fw_places_transaction_ended(world.places, true);
	fw_places_give_back(world.places, OTHER_TASK, D1);
	assert_false(fw_places_freed(world.places));
	assert_held(1, 0);
}

/* After a kill the spool has them, one device's twice. */
static void what_waits_in_the_spool_holds_its_place_again(void **ignored)
{
	(void)ignored;
	assert_int_equal(fw_places_note(world.places, TASK, D1), FW_OK);
	assert_int_equal(fw_places_note(world.places, TASK, D2), FW_OK);
	assert_int_equal(fw_places_note(world.places, TASK, D1), FW_OK);
	assert_held(2, 0);
	apply(D1);
	apply(D2);
	fw_places_transaction_ended(world.places, true);
	assert_held(1, 0);
	apply(D1);
	fw_places_transaction_ended(world.places, true);
	assert_held(0, 0);
}

static void *give_back_on_another_thread(void *ignored)
{
	fw_places_give_back(world.places, TASK, D1);
	return ignored;
}

static void *pull_on_another_thread(void *status)
{
	*(enum fw_status *)status = fw_places_take_for_pull(world.places, TASK, D2, judge, NULL);
	return status;
}

/* True: it came to its end, while whoever asks here has the lock of the places. */
static bool ends(void *(*work)(void *), void *argument, pthread_t *thread)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += 2;
	assert_int_equal(pthread_create(thread, NULL, work, argument), 0);
	return pthread_timedjoin_np(*thread, NULL, &until) == 0;
}

struct broker {
	pthread_t giver, puller;
	bool gave, pulled;
	enum fw_status status;
};

/* Stands for the store's thread, stopped with the lock in hand. */
static enum fw_status judge_slowly(void *context, const struct fw_places_held *held)
{
	struct broker *broker = context;

	(void)held;
	broker->gave = ends(give_back_on_another_thread, NULL, &broker->giver);
	broker->pulled = ends(pull_on_another_thread, &broker->status, &broker->puller);
	return FW_NOT_FOUND;
}

static void the_broker_does_not_wait_for_the_lock(void **ignored)
{
	struct broker broker = {.status = FW_OK};

	(void)ignored;
	pull(D1);
	assert_int_equal(
		fw_places_take_for_push(world.places, TASK, judge_slowly, &broker), FW_NOT_FOUND);
	if (!broker.gave)
		pthread_join(broker.giver, NULL);
	if (!broker.pulled)
		pthread_join(broker.puller, NULL);
	assert_true(broker.gave);
	assert_true(broker.pulled);
	assert_int_equal(broker.status, FW_BUSY);
	assert_true(fw_places_freed(world.places));
	assert_held(0, 0);
}

static void a_start_sees_what_was_given_back_before_it(void **ignored)
{
	(void)ignored;
	pull(D1);
	fw_places_give_back(world.places, TASK, D1);
	pull(D2);
	assert_int_equal(world.held.pulls, 0);
	fw_places_give_back(world.places, TASK, D2);
	assert_held(0, 0);
	assert_true(fw_places_freed(world.places));
}

static void a_task_has_one_bucket(void **ignored)
{
	struct fw_start_rate rate;

	(void)ignored;
	pull(D1);
	assert_true(fw_start_rate_take(world.held.rate, 60, 1000));
	push();
	assert_false(fw_start_rate_take(world.held.rate, 60, 1000));
	rate = fw_places_rate(world.places, TASK);
	assert_int_equal(fw_start_rate_tokens(&rate, 60, 1000), 0);
	rate = fw_places_rate(world.places, OTHER_TASK);
	assert_int_equal(fw_start_rate_tokens(&rate, 60, 1000), 1);
}

static void the_judge_knows_whether_the_wall_clock_is_behind(void **ignored)
{
	(void)ignored;
	pull(D1);
	assert_false(world.held.wall_behind);
	fw_places_note_wall(world.places, true);
	pull(D2);
	assert_true(world.held.wall_behind);
}

#define PLACES_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		PLACES_TEST(each_start_is_told_what_is_held),
		PLACES_TEST(what_the_judge_refuses_holds_nothing),
		PLACES_TEST(a_pull_holds_its_place_until_its_uplink_is_committed),
		PLACES_TEST(a_push_holds_its_place_until_its_transaction_ends),
		PLACES_TEST(a_repeated_pull_has_the_place_already),
		PLACES_TEST(a_repeated_pull_gives_back_nothing_of_the_first),
		PLACES_TEST(the_last_uplink_frees_the_place),
		PLACES_TEST(what_is_given_back_is_free_and_told_once),
		PLACES_TEST(who_holds_nothing_gives_back_nothing),
		PLACES_TEST(what_waits_in_the_spool_holds_its_place_again),
		PLACES_TEST(the_broker_does_not_wait_for_the_lock),
		PLACES_TEST(a_start_sees_what_was_given_back_before_it),
		PLACES_TEST(a_task_has_one_bucket),
		PLACES_TEST(the_judge_knows_whether_the_wall_clock_is_behind),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
