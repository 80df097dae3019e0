/* Rows of tasks with rules of their own: who is looked at, and when. */
#include "apply_fixture.h"

static void work(void)
{
	bool more = true;

	for (int rounds = 0; more && rounds < 20; rounds++)
		assert_int_equal(fw_scheduler_work(catalog.scheduler, &more), FW_OK);
	assert_false(more);
}

static void assert_states(const char *expected)
{
	assert_rows("SELECT task_id, device_id, state FROM task_device ORDER BY 1, 2", expected);
}

/* Mosquitto 2.0 tells of no connections, so that he may be there. */
static void who_may_be_there_is_tried_when_there_was_time_to_come_back(void **state)
{
	(void)state;
	operate("UPDATE task SET max_in_flight = 1 WHERE task_id = 't2';"
		"INSERT INTO task_device (task_id, device_id) VALUES ('t2', 'd1'), ('t2', 'd2')");
	work();
	assert_states("t2|d1|waiting\nt2|d2|waiting");
	pass_ms(3000);
	work();
	assert_states("t2|d1|processing\nt2|d2|waiting");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CATALOG_TEST(who_may_be_there_is_tried_when_there_was_time_to_come_back),
	};

	return cmocka_run_group_tests_name("scheduler_rollout", tests, open_folder, close_folder);
}
