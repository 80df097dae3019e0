/* What was sent, how rows of tasks ended, and how long upgrades took: counted once, when it is in
 * the catalog. */
#include "catalog_fixture.h"

static const char under_way[] =
	"INSERT INTO task_device (task_id, device_id) VALUES ('t2', 'd1'), ('t2', 'd2');"
	"UPDATE device SET presence = 'online', connection = 1001, oldest_connection = 1001";

static int open_uncounted(void **state)
{
	memset(&catalog.counters, 0, sizeof(catalog.counters));
	return open_catalog(state);
}

static uint64_t counted(unsigned counter)
{
	return fw_count_get(&catalog.counters, (enum fw_counter)counter);
}

static uint64_t failed_by(enum fw_failure failure)
{
	return counted(FW_COUNT_ENDED_FAILED + (unsigned)failure);
}

static void apply(const char *device, enum fw_upgrade_event event)
{
	struct fw_task_device row = row_of("t2", device);
	struct fw_upgrade_input input = {.connection = 1001};

	assert_int_equal(fw_transition_apply(catalog.rows, &row, event, &input, NULL), FW_OK);
}

static void step(const char *device, enum fw_upgrade_event event)
{
	begin();
	apply(device, event);
	commit();
}

static void an_end_is_counted_with_its_duration(void **state)
{
	(void)state;
	prepare_rows(under_way);
	step("d1", FW_EVENT_PUSHED);
	pass_ms(20000);
	assert_int_equal(counted(FW_COUNT_ENDED_SUCCESS), 0);
	step("d1", FW_EVENT_COMPLETED);
	assert_int_equal(counted(FW_COUNT_ENDED_SUCCESS), 1);
	/* 15 to 30 seconds */
	assert_int_equal(counted(FW_COUNT_TOOK + 2), 1);
	assert_true(counted(FW_COUNT_TOOK_MS) >= 20000 && counted(FW_COUNT_TOOK_MS) < 29000);
	/* the report that follows ends nothing */
	step("d1", FW_EVENT_REPORTED_TARGET);
	assert_int_equal(counted(FW_COUNT_ENDED_SUCCESS), 1);
}

static void failures_are_counted_by_their_kind(void **state)
{
	(void)state;
	prepare_rows(under_way);
	step("d1", FW_EVENT_PUSHED);
	step("d1", FW_EVENT_TIMEOUT);
	step("d2", FW_EVENT_PUSHED);
	step("d2", FW_EVENT_FAILED);
	assert_int_equal(failed_by(FW_FAILURE_TIMEOUT), 1);
	assert_int_equal(failed_by(FW_FAILURE_DEVICE), 1);
	/* what ends late is another end */
	step("d1", FW_EVENT_COMPLETED);
	assert_int_equal(counted(FW_COUNT_ENDED_SUCCESS), 1);
	assert_int_equal(failed_by(FW_FAILURE_TIMEOUT), 1);
}

static void what_is_rolled_back_did_not_happen(void **state)
{
	(void)state;
	prepare_rows(under_way);
	step("d1", FW_EVENT_PUSHED);
	begin();
	apply("d1", FW_EVENT_FAILED);
	fw_transaction_rollback(&catalog.transaction);
	begin();
	commit();
	assert_int_equal(failed_by(FW_FAILURE_DEVICE), 0);
	step("d1", FW_EVENT_FAILED);
	assert_int_equal(failed_by(FW_FAILURE_DEVICE), 1);
}

static void what_a_savepoint_takes_back_did_not_happen(void **state)
{
	(void)state;
	prepare_rows(under_way);
	step("d1", FW_EVENT_PUSHED);
	step("d2", FW_EVENT_PUSHED);
	begin();
	apply("d1", FW_EVENT_COMPLETED);
	assert_int_equal(fw_transaction_save(&catalog.transaction), FW_OK);
	apply("d2", FW_EVENT_COMPLETED);
	assert_int_equal(fw_transaction_restore(&catalog.transaction), FW_OK);
	assert_int_equal(fw_transaction_release(&catalog.transaction), FW_OK);
	commit();
	assert_int_equal(counted(FW_COUNT_ENDED_SUCCESS), 1);
}

static void look_at(struct fw_slice device)
{
	assert_int_equal(fw_scheduler_push_next(catalog.scheduler, LAMP, device), FW_OK);
}

static void a_push_is_counted_when_it_is_committed(void **state)
{
	(void)state;
	prepare_rows(under_way);
	begin();
	look_at(D1);
	fw_transaction_rollback(&catalog.transaction);
	assert_published("");
	begin();
	look_at(D1);
	assert_int_equal(fw_transaction_save(&catalog.transaction), FW_OK);
	look_at(D2);
	assert_int_equal(fw_transaction_restore(&catalog.transaction), FW_OK);
	assert_int_equal(fw_transaction_release(&catalog.transaction), FW_OK);
	assert_int_equal(counted(FW_COUNT_PUSHES), 0);
	commit();
	assert_rows("SELECT device_id FROM task_device WHERE state = 'processing'", "d1");
	assert_int_equal(counted(FW_COUNT_PUSHES), 1);
}

static void what_operators_end_is_counted(void **state)
{
	struct fw_change change;

	(void)state;
	prepare_rows(under_way);
	operate("UPDATE task SET state = 'stopped' WHERE task_id = 't2'");
	begin();
	while (fw_task_events_take_change(catalog.events, &change) == FW_OK)
		;
	commit();
	assert_int_equal(counted(FW_COUNT_ENDED_CANCELED), 2);
	assert_int_equal(counted(FW_COUNT_TOOK_MS), 0);
}

static void the_longest_has_no_end(void **state)
{
	struct fw_outcomes outcomes = {.any = false};

	(void)state;
	fw_outcomes_note_duration(&outcomes, 5000);
	fw_outcomes_note_duration(&outcomes, 5001);
	fw_outcomes_note_duration(&outcomes, INT64_C(1) << 50);
	fw_outcomes_note_duration(&outcomes, -1);
	assert_int_equal(outcomes.took[0], 1);
	assert_int_equal(outcomes.took[1], 1);
	assert_int_equal(outcomes.took[FW_COUNT_DURATIONS - 1], 1);
	assert_int_equal(outcomes.took_ms, 10001 + (INT64_C(1) << 50));
	fw_outcomes_count(&outcomes, NULL);
	assert_false(outcomes.any);
}

#define OUTCOMES_TEST(name) cmocka_unit_test_setup_teardown(name, open_uncounted, close_catalog)

int main(void)
{
	const struct CMUnitTest tests[] = {
		OUTCOMES_TEST(an_end_is_counted_with_its_duration),
		OUTCOMES_TEST(failures_are_counted_by_their_kind),
		OUTCOMES_TEST(what_is_rolled_back_did_not_happen),
		OUTCOMES_TEST(what_a_savepoint_takes_back_did_not_happen),
		OUTCOMES_TEST(a_push_is_counted_when_it_is_committed),
		OUTCOMES_TEST(what_operators_end_is_counted),
		OUTCOMES_TEST(the_longest_has_no_end),
	};

	return cmocka_run_group_tests(tests, open_folder, close_folder);
}
