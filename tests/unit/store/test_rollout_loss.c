/* Is the loss of a device its upgrade's doing? (store/rollout_loss.c) */
#include "catalog_fixture.h"

#define MINUTE INT64_C(60000)

/* Forty rows of task t2, in which a device is lost after a minute. Half of them started ten minutes
 * ago, by the names x01 to x20; all are there. */
static void start_twenty_of_forty(void)
{
	char sql[512];
	int64_t now = fw_clock_now(&catalog.transaction.clock);

	prepare_rows("UPDATE task SET lost_seconds = 60;"
		     "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 40)"
		     " INSERT INTO device (product_id, device_id, version, presence)"
		     " SELECT 'lamp', printf('x%02d', i), '1.0', 'online' FROM n;"
		     "INSERT INTO task_device (task_id, device_id)"
		     " SELECT 't2', device_id FROM device WHERE device_id LIKE 'x%'");
	snprintf(sql, sizeof(sql),
		"UPDATE task_device SET state = 'processing', attempts = 1, pushed_clock = %lld"
		" WHERE device_id <= 'x20'",
		(long long)(now - 10 * MINUTE));
	prepare_rows(sql);
}

/* Devices from `first` on, by name, went away so long ago. */
static void go_away(const char *first, const char *last, int64_t ms)
{
	char sql[256];

	snprintf(sql, sizeof(sql),
		"UPDATE device SET presence = 'offline', away_clock = %lld"
		" WHERE device_id BETWEEN '%s' AND '%s'",
		(long long)(fw_clock_now(&catalog.transaction.clock) - ms), first, last);
	prepare_rows(sql);
}

/* Of a device of which nobody has heard for a minute. */
static bool loss_is_common_of(const char *device)
{
	struct fw_task_device row;
	bool common = false;

	begin();
	row = row_of("t2", device);
	assert_int_equal(fw_rollouts_loss_is_common(catalog.rollouts, &row, &common), FW_OK);
	commit();
	return common;
}

static bool loss_is_common(void)
{
	return loss_is_common_of("x01");
}

static void a_loss_among_many_who_stay_is_the_upgrades(void **state)
{
	(void)state;
	start_twenty_of_forty();
	assert_false(loss_is_common());
}

static void a_power_cut_is_not(void **state)
{
	(void)state;
	start_twenty_of_forty();
	go_away("x21", "x30", 2 * MINUTE);
	assert_true(loss_is_common());
	/* too short */
	go_away("x21", "x30", MINUTE / 2);
	assert_false(loss_is_common());
}

static void who_was_off_before_excuses_nothing(void **state)
{
	(void)state;
	start_twenty_of_forty();
	prepare_rows("WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 30)"
		     " INSERT INTO device (product_id, device_id, version)"
		     " SELECT 'lamp', printf('y%02d', i), '1.0' FROM n;"
		     "INSERT INTO task_device (task_id, device_id)"
		     " SELECT 't2', device_id FROM device WHERE device_id LIKE 'y%'");
	go_away("y00", "y99", 60 * MINUTE);
	assert_false(loss_is_common());
	/* nor is it a witness that nobody went */
	go_away("x21", "x22", 2 * MINUTE);
	assert_true(loss_is_common());
}

static void the_group_is_of_the_same_time(void **state)
{
	(void)state;
	start_twenty_of_forty();
	/* one of twenty is lost; of the others one is away, too */
	go_away("x21", "x21", 2 * MINUTE);
	assert_true(loss_is_common());
}

static void a_power_cut_that_takes_the_broker_along_is_not_the_upgrades(void **state)
{
	(void)state;
	start_twenty_of_forty();
	go_away("x21", "x30", 2 * MINUTE);
	begin_anew();
	assert_false(loss_is_common());
	/* counted from the start, as is the absence of who was started */
	pass_ms(2 * MINUTE);
	assert_true(loss_is_common());
}

/* A task without stages, of more rows than are read: those of the lowest ids have started. */
static void the_group_is_found_behind_many_who_started(void **state)
{
	char sql[512];

	(void)state;
	snprintf(sql, sizeof(sql),
		"UPDATE task_device SET state = 'processing', attempts = 1, pushed_clock = %lld"
		" WHERE device_id <= 'x20999'",
		(long long)(fw_clock_now(&catalog.transaction.clock) - 10 * MINUTE));
	prepare_rows(
		"UPDATE task SET lost_seconds = 60;"
		"WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 21100)"
		" INSERT INTO device (product_id, device_id, version, presence)"
		" SELECT 'lamp', printf('x%05d', i), '1.0', 'online' FROM n;"
		"INSERT INTO task_device (task_id, device_id)"
		" SELECT 't2', device_id FROM device WHERE device_id LIKE 'x%'");
	prepare_rows(sql);
	go_away("x21000", "x21050", 2 * MINUTE);
	assert_true(loss_is_common_of("x00001"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CATALOG_TEST(a_loss_among_many_who_stay_is_the_upgrades),
		CATALOG_TEST(a_power_cut_is_not),
		CATALOG_TEST(who_was_off_before_excuses_nothing),
		CATALOG_TEST(the_group_is_of_the_same_time),
		CATALOG_TEST(a_power_cut_that_takes_the_broker_along_is_not_the_upgrades),
		CATALOG_TEST(the_group_is_found_behind_many_who_started),
	};

	return cmocka_run_group_tests_name("rollout_loss", tests, open_folder, close_folder);
}
