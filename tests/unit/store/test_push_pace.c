/* What goes to one gateway is paced, a push a second here: a row that is not sent takes nothing of
 * it. */
#include "catalog_fixture.h"

static const char rows[] =
	"INSERT INTO device (product_id, device_id, version) VALUES ('lamp', 'd3', '1.0'),"
	" ('lamp', 'd4', '1.0');"
	"INSERT INTO task_device (task_id, device_id) VALUES ('t2', 'd1'), ('t3', 'd2'), ('t2', "
	"'d3'),"
	" ('t3', 'd4');"
	"UPDATE device SET presence = 'online', connection = 1001, oldest_connection = 1001;";

static int open_gateway(void **state)
{
	if (open_catalog(state) != 0)
		return -1;
	prepare_rows(rows);
	catalog.context.gateways = true;
	catalog.context.rate = 1;
	return 0;
}

static void look_at(const char *device)
{
	assert_int_equal(
		fw_scheduler_push_next(catalog.scheduler, LAMP, fw_slice_of(device)), FW_OK);
}

/* How long the device has to wait for its place, ms; 0: it has none. */
static int64_t wait_of(const char *device)
{
	char sql[100];
	int64_t due = 0;

	snprintf(sql, sizeof(sql), "SELECT coalesce(due_at, 0) FROM device WHERE device_id = '%s'",
		device);
	assert_int_equal(fw_db_integer(catalog.transaction.db, sql, &due, NULL), FW_OK);
	return due ? due - catalog.transaction.steady_ms : 0;
}

static void fill_task(void)
{
	operate("UPDATE task SET max_in_flight = 1 WHERE task_id = 't2'");
	prepare_rows("UPDATE task_device SET state = 'processing', attempts = 1, due_at = 1 << 50"
		     " WHERE device_id = 'd3'");
}

static void the_rate_is_kept(void **state)
{
	(void)state;
	begin();
	look_at("d1");
	look_at("d2");
	look_at("d4");
	commit();
	assert_states("t2|d1|processing\nt2|d3|waiting\nt3|d2|waiting\nt3|d4|waiting");
	assert_in_range((uint64_t)wait_of("d2"), 1000, 1001);
	assert_in_range((uint64_t)wait_of("d4"), 2000, 2001);
	pass_ms(1001);
	begin();
	assert_int_equal(fw_scheduler_settle_and_push(catalog.scheduler, LAMP, D2), FW_OK);
	commit();
	assert_states("t2|d1|processing\nt2|d3|waiting\nt3|d2|processing\nt3|d4|waiting");
}

static void who_finds_its_task_full_takes_no_token(void **state)
{
	(void)state;
	fill_task();
	begin();
	look_at("d1");
	look_at("d2");
	commit();
	assert_states("t2|d1|waiting\nt2|d3|processing\nt3|d2|processing\nt3|d4|waiting");
	assert_int_equal(wait_of("d2"), 0);
}

static void who_finds_its_task_full_is_not_in_the_queue(void **state)
{
	(void)state;
	fill_task();
	begin();
	look_at("d2");
	look_at("d1");
	look_at("d4");
	commit();
	assert_int_equal(wait_of("d1"), 0);
	assert_in_range((uint64_t)wait_of("d4"), 1000, 1001);
}

/* Nor a token of its task's rate. */
static void what_cannot_be_offered_takes_no_token(void **state)
{
	struct fw_start_rate rate;

	(void)state;
	operate("UPDATE task SET rate_per_minute = 60 WHERE task_id = 't2'");
	prepare_rows("UPDATE firmware SET file = 'gone.bin' WHERE firmware_id = 'f2'");
	pass_ms(2000);
	begin();
	look_at("d1");
	look_at("d2");
	commit();
	assert_states("t2|d1|waiting\nt2|d3|waiting\nt3|d2|processing\nt3|d4|waiting");
	rate = fw_places_rate(catalog.places, FW_SLICE("t2"));
	assert_int_equal(fw_start_rate_tokens(&rate, 60, catalog.transaction.steady_ms), 1);
}

/* It takes its task's place when it is sent. */
static void who_is_in_the_queue_keeps_nobody_from_starting(void **state)
{
	(void)state;
	operate("UPDATE task SET max_in_flight = 1 WHERE task_id = 't2'");
	begin();
	look_at("d2");
	look_at("d1");
	commit();
	assert_in_range((uint64_t)wait_of("d1"), 1000, 1001);
	/* by another connection */
	prepare_rows("UPDATE device SET connection = 1002, oldest_connection = 1002"
		     " WHERE device_id = 'd3'");
	begin();
	look_at("d3");
	commit();
	assert_states("t2|d1|waiting\nt2|d3|processing\nt3|d2|processing\nt3|d4|waiting");
	pass_ms(1001);
	begin();
	assert_int_equal(fw_scheduler_settle_and_push(catalog.scheduler, LAMP, D1), FW_OK);
	commit();
	assert_states("t2|d1|waiting\nt2|d3|processing\nt3|d2|processing\nt3|d4|waiting");
}

#define PACE_TEST(name) cmocka_unit_test_setup_teardown(name, open_gateway, close_catalog)

int main(void)
{
	const struct CMUnitTest tests[] = {
		PACE_TEST(the_rate_is_kept),
		PACE_TEST(who_finds_its_task_full_takes_no_token),
		PACE_TEST(who_finds_its_task_full_is_not_in_the_queue),
		PACE_TEST(what_cannot_be_offered_takes_no_token),
		PACE_TEST(who_is_in_the_queue_keeps_nobody_from_starting),
	};

	return cmocka_run_group_tests_name("push_pace", tests, open_folder, close_folder);
}
