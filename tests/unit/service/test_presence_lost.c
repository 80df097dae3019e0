/* More clients come and go than the queue to the store holds: afterwards each device is known as it
 * is all the same, and gets its push once. */
#define FW_PRESENCE_QUEUE_MAX 2048u
#define CROWD 3000

#include "stepped_service.h"

#include "store/presence_queue.c"

static const char *const first_rows =
	"INSERT INTO product (product_id, name) VALUES ('lamp', 'Lamp');"
	"INSERT INTO firmware (firmware_id, product_id, name, version, version_order, sign_method, "
	"sign, url, size) VALUES"
	" ('f2', 'lamp', 'Two', '2.0', 3, 'md5', '00000000000000000000000000000000', 'http://x/2', "
	"20);"
	"INSERT INTO device (product_id, device_id) VALUES ('lamp', 'd1'), ('lamp', 'd2');";

static const struct fw_client d1 = {&d1, "d1", NULL}, d2 = {&d2, "d2", NULL};

static unsigned pushes, log_lines;

static enum fw_status publish(void *context, const struct fw_publication *publication)
{
	(void)context;
	pushes += strcmp(publication->topic, "/lamp/d1/firmware/upgrade") == 0;
	return FW_OK;
}

static void log_line(void *context, enum fw_log_level level, const char *text)
{
	(void)context;
	(void)level;
	log_lines += strstr(text, "presence queue overflow") != NULL;
}

static void assert_rows(const char *sql, const char *expected)
{
	sqlite3_stmt *statement = NULL;

	assert_int_equal(sqlite3_prepare_v2(operator, sql, -1, &statement, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
	assert_string_equal((const char *)sqlite3_column_text(statement, 0), expected);
	sqlite3_finalize(statement);
}

static void assert_presence(const char *expected)
{
	assert_rows("SELECT coalesce(presence, 'unknown') FROM device WHERE device_id = 'd1'",
		expected);
}

static void assert_row(const char *expected)
{
	assert_rows("SELECT state || coalesce(': ' || error_reason, '') FROM task_device WHERE "
		    "device_id = 'd1'",
		expected);
}

static int start(void **state)
{
	static const struct fw_broker broker = {.publish = publish, .log = log_line};

	(void)state;
	open_service(&broker, first_rows);
	pushes = log_lines = 0;
	return 0;
}

/* Until store and broker have nothing more to tell each other. */
static void settle(void)
{
	bool more = true;

	for (unsigned quiet = 0, rounds = 0; quiet < 3; quiet = more ? 0 : quiet + 1) {
		assert_true(rounds++ < 1000);
		assert_int_equal(step_store(&more), FW_OK);
		fw_service_tick(service);
		more |= fw_ingest_waits(&stepped_store->ingest);
	}
}

static void pass(int seconds)
{
	skipped_ms += seconds * INT64_C(1000);
	settle();
}

/* A device that was away is waited for, to say what it runs. */
static void pass_hold(void)
{
	settle();
	pass(FW_HOLD_MS / 1000 + 1);
}

static void go(const struct fw_client *client)
{
	fw_service_gone(service, client,
		&(struct fw_takeover_client){.handle = client->handle, .id = client->id},
		FW_ENDING_OTHER);
}

/* From here on until the store works again, who comes and goes is lost. */
static void crowd(void)
{
	for (int i = 0; i < CROWD; i++) {
		char id[16];
		const struct fw_client stranger = {&id, id, NULL};

		snprintf(id, sizeof(id), "stranger%d", i);
		fw_service_connected(service, &stranger, false);
		go(&stranger);
	}
	assert_true(fw_presence_queue_crowded(stepped_store->presence_queue));
}

static void push_task(void)
{
	operate("INSERT INTO task (task_id, firmware_id, name, mode, release_type, "
		"response_timeout_seconds, timeout_seconds)"
		" VALUES ('t', 'f2', 'n', 'push', 'part', 60, 3600); INSERT INTO task_device "
		"(task_id, device_id) VALUES ('t', 'd1')");
	settle();
}

static void offline_with_a_push_waiting(void)
{
	fw_service_connected(service, &d1, true);
	go(&d1);
	settle();
	assert_presence("offline");
	push_task();
	assert_row("waiting");
}

static void online_and_pushed(void)
{
	fw_service_connected(service, &d1, true);
	settle();
	push_task();
	assert_presence("online");
	assert_row("processing");
	assert_int_equal(pushes, 1);
}

static void who_came_unnoticed_is_online_and_pushed_once(void **state)
{
	(void)state;
	offline_with_a_push_waiting();
	crowd();
	fw_service_connected(service, &d1, true);
	settle();
	assert_presence("online");
	assert_row("waiting");
	pass_hold();
	assert_row("processing");
	assert_int_equal(pushes, 1);
	assert_int_equal(log_lines, 1);
	crowd();
	settle();
	assert_int_equal(pushes, 1);
	assert_int_equal(log_lines, 2);
}

static void who_does_not_listen_yet_is_not_pushed(void **state)
{
	(void)state;
	offline_with_a_push_waiting();
	crowd();
	fw_service_connected(service, &d1, false);
	settle();
	assert_presence("offline");
	fw_service_subscribed(service, &d1, "d1/cmd");
	pass(11);
	assert_presence("online");
	assert_int_equal(pushes, 0);
	fw_service_subscribed(service, &d1, "#");
	settle();
	assert_int_equal(pushes, 0);
	pass_hold();
	assert_int_equal(pushes, 1);
}

static void a_subscription_unnoticed_brings_the_push(void **state)
{
	(void)state;
	offline_with_a_push_waiting();
	fw_service_connected(service, &d1, false);
	settle();
	assert_int_equal(pushes, 0);
	crowd();
	fw_service_subscribed(service, &d1, "#");
	settle();
	assert_int_equal(pushes, 0);
	pass_hold();
	assert_int_equal(pushes, 1);
}

static void who_went_unnoticed_is_offline_and_not_blamed(void **state)
{
	(void)state;
	online_and_pushed();
	crowd();
	go(&d1);
	settle();
	assert_presence("offline");
	pass(61);
	assert_row("waiting");
	assert_int_equal(pushes, 1);
	fw_service_connected(service, &d1, true);
	pass_hold();
	assert_row("processing");
	assert_int_equal(pushes, 2);
}

static void who_went_and_came_unnoticed_is_not_blamed(void **state)
{
	(void)state;
	online_and_pushed();
	crowd();
	go(&d1);
	fw_service_connected(service, &d1, true);
	settle();
	assert_presence("online");
	assert_int_equal(pushes, 1);
	pass(61);
	assert_row("processing");
	assert_int_equal(pushes, 2);
	/* all that time it was there */
	pass(61);
	assert_row("failed: response timeout");
}

static void nobody_is_blamed_while_it_is_not_known_who_went(void **state)
{
	(void)state;
	online_and_pushed();
	crowd();
	go(&d1);
	skipped_ms += 61000;
	settle();
	assert_presence("offline");
	/* it may have been taken for online once more */
	pass(61);
	assert_row("waiting");
	fw_service_connected(service, &d1, true);
	pass_hold();
	assert_row("processing");
}

static void what_happens_after_the_answer_counts(void **state)
{
	bool more;

	(void)state;
	fw_service_connected(service, &d1, true);
	settle();
	crowd();
	assert_int_equal(step_store(&more), FW_OK);
	fw_service_tick(service); /* they are online, goes the answer */
	go(&d1);
	fw_service_connected(service, &d2, true);
	settle();
	assert_rows("SELECT group_concat(device_id || presence) FROM (SELECT * FROM device ORDER "
		    "BY device_id)",
		"d1offline,d2online");
}

static void no_device_is_left_out_and_never_seen_ones_stay_unknown(void **state)
{
	static char ids[1500][8];

	(void)state;
	operate("WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 1499)"
		" INSERT INTO device (product_id, device_id) SELECT 'lamp', 'x' || i FROM n");
	settle();
	crowd();
	for (int i = 0; i < 1500; i++) {
		const struct fw_client client = {ids[i], ids[i], NULL};

		snprintf(ids[i], sizeof(ids[i]), "x%d", i);
		fw_service_connected(service, &client, true);
	}
	settle();
	assert_rows("SELECT count(*) || ' ' || count(*) FILTER (WHERE presence = 'online') || ' ' "
		    "|| count(presence) FROM device",
		"1502 1500 1500");
}

static void nobody_is_blamed_whose_going_waits_in_the_queue(void **state)
{
	struct fw_outbox *outbox = stepped_store->context.outbox,
			 *nearly_full = fw_outbox_new(FW_OUTBOX_RESERVE + FW_MESSAGES_OF_UPLINK);
	bool more;

	(void)state;
	online_and_pushed();
	go(&d1);
	skipped_ms += 61000;
	/* timeouts need less room than events do */
	stepped_store->context.outbox = nearly_full;
	for (int i = 0; i < 3; i++)
		assert_int_equal(step_store(&more), FW_OK);
	assert_presence("online");
	assert_row("processing");
	stepped_store->context.outbox = outbox;
	fw_outbox_free(nearly_full);
	settle();
	assert_presence("offline");
	assert_row("waiting");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			who_came_unnoticed_is_online_and_pushed_once, start, close_service),
		cmocka_unit_test_setup_teardown(
			who_does_not_listen_yet_is_not_pushed, start, close_service),
		cmocka_unit_test_setup_teardown(
			a_subscription_unnoticed_brings_the_push, start, close_service),
		cmocka_unit_test_setup_teardown(
			who_went_unnoticed_is_offline_and_not_blamed, start, close_service),
		cmocka_unit_test_setup_teardown(
			who_went_and_came_unnoticed_is_not_blamed, start, close_service),
		cmocka_unit_test_setup_teardown(
			nobody_is_blamed_while_it_is_not_known_who_went, start, close_service),
		cmocka_unit_test_setup_teardown(
			nobody_is_blamed_whose_going_waits_in_the_queue, start, close_service),
		cmocka_unit_test_setup_teardown(
			what_happens_after_the_answer_counts, start, close_service),
		cmocka_unit_test_setup_teardown(
			no_device_is_left_out_and_never_seen_ones_stay_unknown, start,
			close_service),
	};

	return cmocka_run_group_tests_name("presence lost", tests, make_folder, remove_folder);
}
