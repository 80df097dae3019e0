/* Which uplinks prove a device in a rollout, and which make it bad. */
#include "apply_fixture.h"

/* The device says it before its restart, where an image that does not come up is not noticed. */
static void a_completion_proves_nothing_before_the_report(void **state)
{
	(void)state;
	prepare_rows(rows_of_d1);
	begin();
	push("t2");
	complete("f2", true, "");
	assert_outcome("success|0|0|0");
	report("2.0");
	assert_outcome("success|1|1|0");
	commit();
}

static void a_completion_proves_where_the_gate_asks_for_no_more(void **state)
{
	(void)state;
	prepare_rows(rows_of_d1);
	prepare_rows("UPDATE task SET gate = 'complete'");
	begin();
	push("t2");
	complete("f2", true, "");
	assert_outcome("success|0|1|0");
	commit();
}

static void who_succeeds_at_last_is_not_bad(void **state)
{
	struct fw_task_device row;

	(void)state;
	prepare_rows(rows_of_d1);
	begin();
	push("t2");
	row = row_of("t2", "d1");
	assert_int_equal(
		fw_transition_apply(catalog.rows, &row, FW_EVENT_TIMEOUT, NULL, NULL), FW_OK);
	assert_outcome("failed|0|0|1");
	complete("f2", true, "");
	assert_outcome("success|0|0|0");
	assert_rows("SELECT bad, epoch_bad FROM task_count WHERE task_id = 't2'", "0|0");
	commit();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CATALOG_TEST(a_completion_proves_nothing_before_the_report),
		CATALOG_TEST(a_completion_proves_where_the_gate_asks_for_no_more),
		CATALOG_TEST(who_succeeds_at_last_is_not_bad),
	};

	return cmocka_run_group_tests_name("apply_proof", tests, open_folder, close_folder);
}
