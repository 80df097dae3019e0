/* A trigger of the operator's that ends the whole transaction (RAISE(ROLLBACK)) holds up no other
 * device and no other task, and what a device said is recorded though what follows from it may not
 * be. */
#include "catalog_fixture.h"

#include "store/ingest.h"
#include "store/poison.h"

/* Rounds of the scheduler, until one ends well and leaves nothing. How many failed. */
static unsigned work_through(void)
{
	unsigned failed = 0;
	bool more = true;

	for (unsigned rounds = 0; more && rounds < 40; rounds++) {
		more = false;
		if (fw_scheduler_work(catalog.scheduler, &more) != FW_OK) {
			failed++;
			more = true;
		}
	}
	assert_false(more);
	return failed;
}

static void put_online(void)
{
	prepare_rows("UPDATE device SET presence = 'online', connection = 1001,"
		     " oldest_connection = 1001");
}

static void add_rows(void)
{
	put_online();
	operate("INSERT INTO task_device (task_id, device_id) VALUES ('t2', 'd1'), ('t2', 'd2')");
}

#define NOT_TO(states)                                                                             \
	"CREATE TRIGGER frozen BEFORE UPDATE OF state ON task_device"                              \
	" WHEN NEW.device_id = 'd1' AND NEW.state IN (" states ")"                                 \
	" BEGIN SELECT RAISE(ROLLBACK, 'frozen'); END"

static void a_push_that_ends_all_is_passed_over(void **state)
{
	(void)state;
	operate(NOT_TO("'processing'"));
	add_rows();
	assert_int_equal(work_through(), 1);
	assert_states("t2|d1|waiting\nt2|d2|processing");
	assert_logged("refuse a push, which is passed over: a trigger rolls the whole transaction "
		      "back");
	/* once the trigger is gone, the device's next word brings it */
	operate("DROP TRIGGER frozen");
	for (size_t i = 0; i < FW_POISON_MAX; i++)
		fw_poison_add(&catalog.transaction.poison, 0, 0);
	begin();
	assert_int_equal(fw_scheduler_push_next(catalog.scheduler, LAMP, D1), FW_OK);
	commit();
	assert_states("t2|d1|processing\nt2|d2|processing");
}

static void a_timeout_that_ends_all_comes_again_in_a_minute(void **state)
{
	(void)state;
	add_rows();
	assert_int_equal(work_through(), 0);
	operate(NOT_TO("'failed', 'waiting'"));
	pass_ms(60000);
	assert_int_equal(work_through(), 1);
	assert_states("t2|d1|processing\nt2|d2|failed");
	assert_in_range(row_of("t2", "d1").due_at, catalog.transaction.heard_until_ms + 59000,
		catalog.transaction.steady_ms + 60000);
}

/* Not even the row's time can be written. */
static void a_row_that_nobody_may_write_is_passed_over(void **state)
{
	(void)state;
	add_rows();
	assert_int_equal(work_through(), 0);
	operate("CREATE TRIGGER frozen BEFORE UPDATE ON task_device WHEN NEW.device_id = 'd1'"
		" BEGIN SELECT RAISE(ROLLBACK, 'frozen'); END");
	pass_ms(60000);
	assert_int_equal(work_through(), 2);
	assert_states("t2|d1|processing\nt2|d2|failed");
}

static void a_pause_that_ends_all_holds_up_no_other_task(void **state)
{
	(void)state;
	operate("UPDATE task SET stop_failed_count = 1 WHERE task_id = 't2'");
	put_online();
	operate("INSERT INTO task_device (task_id, device_id) VALUES ('t2', 'd1')");
	assert_int_equal(work_through(), 0);
	operate("CREATE TRIGGER keep BEFORE UPDATE OF state ON task WHEN NEW.state = 'paused'"
		" BEGIN SELECT RAISE(ROLLBACK, 'it goes on'); END;"
		"INSERT INTO task_device (task_id, device_id) VALUES ('t2', 'd2')");
	prepare_rows("UPDATE task_device SET state = 'failed', failed_by = 'device', bad_epoch = 1,"
		     " due_at = NULL, completed_at = 1 WHERE device_id = 'd1'");
	operate("INSERT INTO task_device (task_id, device_id) VALUES ('t3', 'd1')");
	assert_int_equal(work_through(), 1);
	assert_rows("SELECT state FROM task_device WHERE task_id = 't3'", "processing");
	assert_logged("refuse a step of task t2, which is passed over");
}

static const char *const no_retry[] = {
	"CREATE TRIGGER frozen BEFORE UPDATE OF state ON task_device WHEN NEW.device_id <> 'd2'"
	" AND NEW.state = 'waiting' BEGIN SELECT RAISE(ABORT, 'frozen'); END",
	"CREATE TRIGGER frozen BEFORE UPDATE OF state ON task_device WHEN NEW.device_id <> 'd2'"
	" AND NEW.state = 'waiting' BEGIN SELECT RAISE(IGNORE); END",
	"CREATE TRIGGER frozen BEFORE UPDATE OF state ON task_device WHEN NEW.device_id <> 'd2'"
	" AND NEW.state = 'waiting' BEGIN SELECT RAISE(ROLLBACK, 'frozen'); END",
};

static int64_t kept_rows(void)
{
	int64_t rows = -1;

	assert_int_equal(
		fw_db_integer(catalog.operator,
			"SELECT count(*) FROM task_device WHERE wake_clock <= 2", &rows, NULL),
		FW_OK);
	return rows;
}

/* More of them than a transaction looks at; d2 is behind them. */
static void retries_that_are_kept_hold_up_no_other(void **state)
{
	(void)state;
	operate("UPDATE task SET retry_limit = 1;"
		"WITH n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 150)"
		" INSERT INTO device (product_id, device_id) SELECT 'lamp', 'x' || n FROM n;"
		"INSERT INTO task_device (task_id, device_id) SELECT 't2', device_id FROM device");
	prepare_rows("UPDATE device SET presence = 'offline'");
	for (size_t i = 0; i < 3; i++) {
		unsigned rounds = 0;

		prepare_rows("UPDATE task_device SET state = 'failed', failed_by = 'broker',"
			     " attempts = 1, bad_epoch = 1, completed_at = 1, retries = 0,"
			     " retry_at = 1, wake_clock = 1 + (device_id = 'd2')");
		operate(no_retry[i]);
		pass_ms(1000);
		do {
			bool more;

			fw_scheduler_work(catalog.scheduler, &more);
		} while (++rounds < 400 && kept_rows() > 0);
		assert_rows("SELECT state FROM task_device WHERE device_id = 'd2'", "waiting");
		operate("DROP TRIGGER frozen");
	}
}

static void what_a_device_said_is_recorded(void **state)
{
	unsigned char record[FW_UPLINK_MAX];
	struct fw_health health;
	struct fw_ingest ingest = {.transaction = &catalog.transaction,
		.apply = catalog.apply,
		.presence = catalog.presence,
		.scheduler = catalog.scheduler,
		.health = &health,
		.queue = fw_presence_queue_new()};
	struct fw_uplink uplink = {.kind = FW_UPLINK_REPORT,
		.received_at = fw_now_ms(),
		.connection = FIRST_CONNECTION + 1,
		.product = LAMP,
		.device = D1,
		.version = FW_SLICE("1.1")};
	struct fw_error error = {""};
	bool more = true;

	(void)state;
	assert_non_null(ingest.queue);
	assert_int_equal(fw_spool_open("spool", 0, NULL, &ingest.spool, &error), FW_OK);
	fw_health_init(&health, &catalog.transaction, "catalog.db");
	operate(NOT_TO("'processing'"));
	prepare_rows("INSERT INTO task_device (task_id, device_id) VALUES ('t2', 'd1')");
	assert_int_equal(fw_spool_append(ingest.spool, record,
				 fw_uplink_encode(&uplink, record, sizeof(record)), NULL),
		FW_OK);
	assert_int_not_equal(fw_ingest_work(&ingest, &more), FW_OK);
	assert_int_equal(fw_ingest_work(&ingest, &more), FW_OK);
	assert_rows("SELECT version, presence FROM device WHERE device_id = 'd1'", "1.1|online");
	assert_states("t2|d1|waiting");
	assert_int_equal(ingest.rejected, 0);
	fw_spool_seal(ingest.spool);
	fw_spool_close(ingest.spool);
	fw_presence_queue_free(ingest.queue);
}

static void the_oldest_is_forgotten(void **state)
{
	static struct fw_poison poison;

	(void)state;
	fw_poison_add(&poison, 7, 1000);
	assert_true(fw_poison_has(&poison, 7, 60999));
	assert_false(fw_poison_has(&poison, 7, 61000));
	assert_false(fw_poison_has(&poison, 8, 1000));
	for (uint64_t i = 1; i < FW_POISON_MAX; i++)
		fw_poison_add(&poison, 100 + i, 1000);
	assert_true(fw_poison_has(&poison, 7, 1000));
	fw_poison_add(&poison, 8, 1000);
	assert_false(fw_poison_has(&poison, 7, 1000));
	assert_true(fw_poison_has(&poison, 8, 1000));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CATALOG_TEST(a_push_that_ends_all_is_passed_over),
		CATALOG_TEST(a_timeout_that_ends_all_comes_again_in_a_minute),
		CATALOG_TEST(a_row_that_nobody_may_write_is_passed_over),
		CATALOG_TEST(a_pause_that_ends_all_holds_up_no_other_task),
		CATALOG_TEST(retries_that_are_kept_hold_up_no_other),
		CATALOG_TEST(what_a_device_said_is_recorded),
		cmocka_unit_test(the_oldest_is_forgotten),
	};

	return cmocka_run_group_tests_name("poison", tests, open_folder, close_folder);
}
