/* Presence: when a device is announced online, and when as listening. */
#include "presence_fixture.h"

static void who_only_connects_is_told_late_and_does_not_listen(void **state)
{
	struct fw_presence *presence = start(100);

	(void)state;
	connect(presence, 0, "a", FW_SLICE("a"), 1000);
	connect(presence, 0, "a", FW_SLICE("a"), 1000);
	connect(presence, 1, "b", FW_SLICE("b"), 2000);
	fw_presence_release(presence, 999 + DEFERRED_MS);
	assert_told("");
	assert_false(fw_presence_online(presence, FW_SLICE("a")));
	fw_presence_release(presence, 1000 + DEFERRED_MS);
	assert_told("~a");
	assert_true(fw_presence_online(presence, FW_SLICE("a")));
	assert_false(fw_presence_listens(presence, FW_SLICE("a")));
	/* of who took its place nothing else is known */
	connect(presence, 2, "a", FW_SLICE("a"), 1500 + DEFERRED_MS);
	fw_presence_release(presence, INT64_MAX);
	assert_told("~b)a");
	fw_presence_seen(presence, &clients[2], "a", FW_SLICE("a"));
	fw_presence_seen(presence, &clients[2], "a", FW_SLICE("a"));
	assert_told("+a");
	assert_true(fw_presence_listens(presence, FW_SLICE("a")));
	fw_presence_gone(presence, &clients[2], FW_SLICE("a"));
	assert_told("-a");
	assert_false(fw_presence_listens(presence, FW_SLICE("a")));
	fw_presence_free(presence);
}

static void who_subscribes_publishes_or_has_subscriptions_is_told_at_once(void **state)
{
	struct fw_presence *presence = start(100);

	(void)state;
	connect(presence, 0, "a", FW_SLICE("a"), 1000);
	connect(presence, 1, "b", FW_SLICE("b"), 1000);
	fw_presence_subscribed(presence, FW_SLICE("a"));
	assert_told("+a");
	fw_presence_seen(presence, &clients[1], "b", FW_SLICE("b"));
	assert_told("+b");
	fw_presence_connected(presence, &clients[2], "c", FW_SLICE("c"), true, 1000);
	assert_told("+c");
	fw_presence_subscribed(presence, FW_SLICE("d"));
	fw_presence_release(presence, INT64_MAX);
	assert_told("");
	/* who is seen again has nothing new to tell; who subscribes again may have missed something
	 */
	fw_presence_seen(presence, &clients[0], "a", FW_SLICE("a"));
	assert_told("");
	fw_presence_subscribed(presence, FW_SLICE("a"));
	assert_told("+a");
	fw_presence_free(presence);
}

static void who_goes_before_it_is_told_is_told_offline_and_waits_anew_when_it_comes(void **state)
{
	struct fw_presence *presence = start(100);

	(void)state;
	connect(presence, 0, "a", FW_SLICE("a"), 1000);
	fw_presence_gone(presence, &clients[0], FW_SLICE("a"));
	assert_told("-a");
	connect(presence, 0, "a", FW_SLICE("a"), 2000);
	fw_presence_release(presence, 1999 + DEFERRED_MS);
	assert_told("");
	fw_presence_release(presence, 2000 + DEFERRED_MS);
	assert_told("~a");
	connect(presence, 1, "b", FW_SLICE("b"), 2000);
	fw_presence_free(presence);
}

static void they_are_told_in_their_order_whoever_of_them_goes(void **state)
{
	static const struct fw_slice keys[] = {FW_SLICE("a"), FW_SLICE("b"), FW_SLICE("c")};
	static const char *const expected[] = {"-a~b~c~d", "~a-b~c~d", "~a~b-c~d"};

	(void)state;
	for (int gone = 0; gone < 3; gone++) {
		struct fw_presence *presence = start(100);

		for (int i = 0; i < 3; i++)
			connect(presence, i, keys[i].at, keys[i], 1000 + i);
		fw_presence_release(presence, gone == 0 ? 0 : 999 + DEFERRED_MS + gone);
		fw_presence_gone(presence, &clients[gone], keys[gone]);
		connect(presence, 3, "d", FW_SLICE("d"), 2000);
		fw_presence_release(presence, INT64_MAX);
		assert_told(expected[gone]);
		fw_presence_free(presence);
	}
}

static void one_of_several_clients_that_listens_is_enough(void **state)
{
	struct fw_presence *presence = start(100);

	(void)state;
	fw_presence_seen(presence, &clients[0], "one", FW_SLICE("user"));
	assert_told("+user");
	connect(presence, 1, "two", FW_SLICE("user"), 1000);
	fw_presence_gone(presence, &clients[0], FW_SLICE("user"));
	fw_presence_seen(presence, &clients[1], "two", FW_SLICE("user"));
	fw_presence_release(presence, INT64_MAX);
	assert_told(">user");
	assert_true(fw_presence_listens(presence, FW_SLICE("user")));
	fw_presence_free(presence);
}

static void without_memory_to_wait_it_is_told_at_once(void **state)
{
	struct fw_presence *presence = start(100);

	(void)state;
	for (long left = 0; !fw_presence_online(presence, FW_SLICE("a")); left++) {
		fw_presence_gone(presence, &clients[0], FW_SLICE("a"));
		told[0] = '\0';
		allocations_left = left;
		connect(presence, 0, "a", FW_SLICE("a"), 1000);
		allocations_left = -1;
		assert_true(left < 20);
	}
	assert_told("~a");
	fw_presence_release(presence, INT64_MAX);
	assert_told("");
	fw_presence_free(presence);
}

static void many_are_told_some_at_a_time(void **state)
{
	static char at[RELEASED_AT_ONCE + 1];
	struct fw_presence *presence = start(RELEASED_AT_ONCE + 1);

	(void)state;
	for (unsigned i = 0; i <= RELEASED_AT_ONCE; i++) {
		char id[16];

		snprintf(id, sizeof(id), "%u", i);
		fw_presence_connected(presence, &at[i], id, fw_slice_of(id), false, 0);
	}
	fw_presence_release(presence, INT64_MAX);
	assert_true(fw_presence_online(presence, FW_SLICE("999")));
	assert_false(fw_presence_online(presence, FW_SLICE("1000")));
	told[0] = '\0';
	fw_presence_release(presence, INT64_MAX);
	assert_told("~1000");
	fw_presence_free(presence);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_only_connects_is_told_late_and_does_not_listen),
		cmocka_unit_test(who_subscribes_publishes_or_has_subscriptions_is_told_at_once),
		cmocka_unit_test(
			who_goes_before_it_is_told_is_told_offline_and_waits_anew_when_it_comes),
		cmocka_unit_test(they_are_told_in_their_order_whoever_of_them_goes),
		cmocka_unit_test(one_of_several_clients_that_listens_is_enough),
		cmocka_unit_test(without_memory_to_wait_it_is_told_at_once),
		cmocka_unit_test(many_are_told_some_at_a_time),
	};

	return cmocka_run_group_tests_name("presence_announce", tests, NULL, NULL);
}
