/* Presence: a key is online while a client stands for it, whatever the order in which the broker
 * tells us. */
#include "presence_fixture.h"

static void a_client_comes_and_goes(void **state)
{
	struct fw_presence *presence = start(100);

	(void)state;
	assert_false(fw_presence_online(presence, FW_SLICE("a")));
	assert_int_equal(fw_presence_seen(presence, &clients[0], "a", FW_SLICE("a")), 1);
	assert_told("+a");
	assert_int_equal(fw_presence_seen(presence, &clients[0], "a", FW_SLICE("a")), 1);
	assert_told("");
	assert_true(fw_presence_online(presence, FW_SLICE("a")));
	fw_presence_gone(presence, &clients[0], FW_SLICE("a"));
	assert_told("-a");
	assert_false(fw_presence_online(presence, FW_SLICE("a")));
	assert_int_equal(fw_presence_seen(presence, &clients[0], "a", FW_SLICE("a")), 2);
	assert_told("+a");
	fw_presence_free(presence);
	fw_presence_free(NULL);
}

static void a_client_never_seen_takes_its_key_offline(void **state)
{
	struct fw_presence *presence = start(100);

	(void)state;
	fw_presence_gone(presence, &clients[0], FW_SLICE("a"));
	assert_told("-a");
	fw_presence_gone(presence, &clients[0], (struct fw_slice){NULL, 0});
	assert_told("");
	fw_presence_free(presence);
}

static void a_client_never_seen_does_not_touch_what_another_holds(void **state)
{
	struct fw_presence *presence = start(100);

	(void)state;
	fw_presence_seen(presence, &clients[0], "one", FW_SLICE("a"));
	assert_told("+a");
	fw_presence_gone(presence, &clients[1], FW_SLICE("a"));
	assert_told("");
	assert_true(fw_presence_online(presence, FW_SLICE("a")));
	fw_presence_free(presence);
}

static void take_over_does_not_flicker(void **state)
{
	struct fw_presence *presence = start(100);

	(void)state;
	assert_int_equal(fw_presence_seen(presence, &clients[0], "a", FW_SLICE("a")), 1);
	assert_told("+a");
	assert_int_equal(fw_presence_seen(presence, &clients[1], "a", FW_SLICE("a")), 2);
	assert_told(">a");
	/* the broker tells of the old one late, or not at all */
	fw_presence_gone(presence, &clients[0], FW_SLICE("a"));
	assert_told("");
	assert_true(fw_presence_online(presence, FW_SLICE("a")));
	fw_presence_gone(presence, &clients[1], FW_SLICE("a"));
	assert_told("-a");
	fw_presence_free(presence);
}

static void take_over_of_an_id_by_another_identity(void **state)
{
	struct fw_presence *presence = start(100);

	(void)state;
	fw_presence_seen(presence, &clients[0], "id", FW_SLICE("a"));
	fw_presence_seen(presence, &clients[1], "id", FW_SLICE("b"));
	assert_told("+a-a+b");
	/* a client without identity takes the id over, too */
	assert_int_equal(
		fw_presence_seen(presence, &clients[2], "id", (struct fw_slice){NULL, 0}), 0);
	assert_told("-b");
	fw_presence_free(presence);
}

static void several_clients_hold_a_key_together(void **state)
{
	struct fw_presence *presence = start(100);

	(void)state;
	fw_presence_seen(presence, &clients[0], "one", FW_SLICE("user"));
	fw_presence_seen(presence, &clients[1], "two", FW_SLICE("user"));
	fw_presence_seen(presence, &clients[2], "three", FW_SLICE("user"));
	assert_told("+user>user>user");
	fw_presence_gone(presence, &clients[1], FW_SLICE("user"));
	fw_presence_gone(presence, &clients[0], FW_SLICE("user"));
	assert_told("");
	fw_presence_gone(presence, &clients[2], FW_SLICE("user"));
	assert_told("-user");
	fw_presence_free(presence);
}

/* A device that roams between gateways, with the identity `none`: the one that connected first
 * speaks for it last. A number below `oldest` would belong to a connection that is over. */
static void a_client_that_connected_before_may_come_to_a_key_last(void **state)
{
	struct fw_presence *presence = start(100);

	(void)state;
	assert_int_equal(fw_presence_seen(presence, &clients[0], "g1", FW_SLICE("p/a")), 1);
	assert_int_equal(fw_presence_seen(presence, &clients[1], "g2", FW_SLICE("p/b")), 2);
	assert_told("+p/a+p/b");
	assert_int_equal(fw_presence_seen(presence, &clients[0], "g1", FW_SLICE("p/b")), 1);
	assert_told(">p/b");
	assert_int_equal(fw_presence_connection(presence, FW_SLICE("p/b")), 1);
	assert_int_equal(fw_presence_oldest_connection(presence, FW_SLICE("p/b")), 1);
	fw_presence_gone(presence, &clients[0], (struct fw_slice){NULL, 0});
	assert_told("-p/a");
	assert_int_equal(fw_presence_connection(presence, FW_SLICE("p/b")), 2);
	assert_int_equal(fw_presence_oldest_connection(presence, FW_SLICE("p/b")), 2);
	fw_presence_free(presence);
}

static void one_client_holds_many_keys(void **state)
{
	struct fw_presence *presence = start(100);

	(void)state;
	assert_int_equal(fw_presence_seen(presence, &clients[0], "gateway", FW_SLICE("p/a")), 1);
	assert_int_equal(fw_presence_seen(presence, &clients[0], "gateway", FW_SLICE("p/b")), 1);
	assert_int_equal(fw_presence_seen(presence, &clients[0], "gateway", FW_SLICE("p/a")), 1);
	assert_int_equal(fw_presence_seen(presence, &clients[1], "other", FW_SLICE("p/b")), 2);
	assert_told("+p/a+p/b>p/b");
	/* the gateway's identity may be a key it never spoke for */
	fw_presence_gone(presence, &clients[0], FW_SLICE("p/c"));
	assert_told("-p/a-p/c");
	assert_true(fw_presence_online(presence, FW_SLICE("p/b")));
	fw_presence_free(presence);
}

static void memory_used_again_is_another_client(void **state)
{
	struct fw_presence *presence = start(100);

	(void)state;
	assert_int_equal(fw_presence_seen(presence, &clients[0], "a", FW_SLICE("a")), 1);
	assert_int_equal(fw_presence_seen(presence, &clients[0], "b", FW_SLICE("b")), 2);
	assert_told("+a+b-a");
	assert_int_equal(fw_presence_seen(presence, &clients[0], "c", FW_SLICE("b")), 3);
	assert_told(">b");
	assert_int_equal(
		fw_presence_seen(presence, &clients[0], "d", (struct fw_slice){NULL, 0}), 0);
	assert_told("-b");
	fw_presence_free(presence);
}

static void above_the_bound_keys_stay_unknown(void **state)
{
	char longest[FW_PRESENCE_KEY_MAX + 1];
	struct fw_presence *presence = start(2);

	(void)state;
	fw_presence_seen(presence, &clients[0], "a", FW_SLICE("a"));
	fw_presence_seen(presence, &clients[1], "b", FW_SLICE("b"));
	assert_int_equal(fw_presence_seen(presence, &clients[2], "c", FW_SLICE("c")), 0);
	assert_int_equal(fw_presence_seen(presence, &clients[0], "a", FW_SLICE("c")), 0);
	assert_told("+a+b");
	assert_false(fw_presence_online(presence, FW_SLICE("c")));
	fw_presence_gone(presence, &clients[0], FW_SLICE("a"));
	memset(longest, 'x', sizeof(longest));
	assert_int_equal(fw_presence_seen(presence, &clients[2], "c",
				 (struct fw_slice){longest, sizeof(longest)}),
		0);
	assert_int_not_equal(fw_presence_seen(presence, &clients[2], "c",
				     (struct fw_slice){longest, sizeof(longest) - 1}),
		0);
	fw_presence_free(presence);
}

static void clients_cannot_multiply_links_without_end(void **state)
{
	struct fw_presence *presence = start(1);
	char id[16];
	uint64_t i;

	(void)state;
	for (i = 0; i < 100; i++) {
		snprintf(id, sizeof(id), "c%d", (int)i);
		assert_int_equal(
			fw_presence_seen(presence, (const char *)told + i, id, FW_SLICE("a")),
			i < LINKS_PER_KEY ? i + 1 : 0);
	}
	for (i = 0; i < LINKS_PER_KEY; i++)
		fw_presence_gone(presence, (const char *)told + i, FW_SLICE("a"));
	assert_told("+a>a>a>a-a");
	fw_presence_free(presence);
}

static void without_a_client_id_only_the_pointer_counts(void **state)
{
	struct fw_presence *presence = start(100);

	(void)state;
	fw_presence_seen(presence, &clients[0], NULL, FW_SLICE("a"));
	fw_presence_seen(presence, &clients[1], "", FW_SLICE("b"));
	assert_told("+a+b");
	fw_presence_gone(presence, &clients[0], FW_SLICE("a"));
	assert_told("-a");
	fw_presence_free(presence);
}

static void each_failed_allocation_leaves_the_key_unknown(void **state)
{
	struct fw_presence *presence;
	long left;

	(void)state;
	for (left = 0, presence = NULL; !presence; left++) {
		allocations_left = left;
		presence = fw_presence_new(100, tell, told);
	}
	allocations_left = -1;
	fw_presence_free(presence);
	for (left = 0;; left++) {
		uint64_t connection;

		presence = start(100);
		fw_presence_seen(presence, &clients[0], "a", FW_SLICE("a"));
		allocations_left = left;
		connection = fw_presence_seen(presence, &clients[0], "b", FW_SLICE("b"));
		allocations_left = -1;
		assert_told(connection ? "+a+b-a" : "+a-a");
		assert_int_equal(fw_presence_online(presence, FW_SLICE("b")), connection != 0);
		assert_int_not_equal(
			fw_presence_seen(presence, &clients[0], "b", FW_SLICE("b")), 0);
		assert_true(fw_presence_online(presence, FW_SLICE("b")));
		fw_presence_free(presence);
		if (connection)
			break;
	}
	assert_true(left >= 6);
}

#define POINTERS 8

#define NAMES 6

struct model {
	int id[POINTERS]; /* -1: nobody */
	bool stands_for[POINTERS][NAMES];
	bool online[NAMES];
};

static void tell_model(void *context, const struct fw_presence_change *change)
{
	struct fw_slice key = change->key;
	bool online = change->online;
	struct model *model = context;

	model->online[key.at[0] - 'a'] = online;
}

static void model_gone(struct model *model, int pointer)
{
	model->id[pointer] = -1;
	memset(model->stands_for[pointer], 0, sizeof(model->stands_for[pointer]));
}

static void model_seen(struct model *model, int pointer, int id, int key)
{
	int i;

	for (i = 0; i < POINTERS; i++) {
		if ((i == pointer) != (model->id[i] == id))
			model_gone(model, i);
	}
	model->id[pointer] = id;
	model->stands_for[pointer][key] = true;
}

static void assert_agrees(const struct fw_presence *presence, const struct model *model)
{
	int key, i;

	for (key = 0; key < NAMES; key++) {
		char name = (char)('a' + key);
		bool online = false;

		for (i = 0; i < POINTERS; i++)
			online = online || model->stands_for[i][key];
		assert_int_equal(fw_presence_online(presence, (struct fw_slice){&name, 1}), online);
		assert_int_equal(model->online[key], online);
	}
}

static void agrees_with_a_simple_model_over_a_random_walk(void **state)
{
	struct model model = {0};
	struct fw_presence *presence = fw_presence_new(100, tell_model, &model);
	uint64_t random = 7, last[POINTERS] = {0}, highest = 0;
	int step, i;

	(void)state;
	assert_non_null(presence);
	for (i = 0; i < POINTERS; i++)
		model.id[i] = -1;
	for (step = 0; step < 100000; step++) {
		int pointer, id, key;
		char name, client_id[8];

		random = random * 6364136223846793005u + 1442695040888963407u;
		pointer = (int)(random >> 33) % POINTERS;
		id = (int)(random >> 40) % 10;
		key = (int)(random >> 48) % NAMES;
		name = (char)('a' + key);
		snprintf(client_id, sizeof(client_id), "id%d", id);
		if (random >> 62 == 0) {
			model_gone(&model, pointer);
			fw_presence_gone(presence, &clients[pointer], (struct fw_slice){&name, 1});
		} else {
			bool again = model.id[pointer] == id;
			uint64_t connection;

			model_seen(&model, pointer, id, key);
			connection = fw_presence_seen(presence, &clients[pointer], client_id,
				(struct fw_slice){&name, 1});
			assert_true(
				again ? connection == last[pointer] : connection == highest + 1);
			highest += !again;
			last[pointer] = connection;
		}
		assert_agrees(presence, &model);
	}
	fw_presence_free(presence);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_client_comes_and_goes),
		cmocka_unit_test(a_client_never_seen_takes_its_key_offline),
		cmocka_unit_test(a_client_never_seen_does_not_touch_what_another_holds),
		cmocka_unit_test(take_over_does_not_flicker),
		cmocka_unit_test(take_over_of_an_id_by_another_identity),
		cmocka_unit_test(several_clients_hold_a_key_together),
		cmocka_unit_test(a_client_that_connected_before_may_come_to_a_key_last),
		cmocka_unit_test(one_client_holds_many_keys),
		cmocka_unit_test(memory_used_again_is_another_client),
		cmocka_unit_test(above_the_bound_keys_stay_unknown),
		cmocka_unit_test(clients_cannot_multiply_links_without_end),
		cmocka_unit_test(without_a_client_id_only_the_pointer_counts),
		cmocka_unit_test(each_failed_allocation_leaves_the_key_unknown),
		cmocka_unit_test(agrees_with_a_simple_model_over_a_random_walk),
	};

	return cmocka_run_group_tests_name("presence", tests, NULL, NULL);
}
