/* The status of a task as a retained message: what could not be published is published later. */
#include "catalog_fixture.h"

#include "store/task_status.h"

static struct fw_task_status *statuses;

static int open_statuses(void **state)
{
	struct fw_error error = {""};

	return open_catalog(state) == 0 &&
			fw_task_status_open(&catalog.transaction, &statuses, &error) == FW_OK
		? 0
		: -1;
}

static int close_statuses(void **state)
{
	fw_task_status_close(statuses);
	return close_catalog(state);
}

/* How many statuses were published since the last call. */
static unsigned published(void)
{
	struct fw_outgoing message;
	unsigned count = 0;

	while (fw_outbox_take(catalog.context.outbox, &message)) {
		count += message.kind == FW_OUTGOING_RETAINED;
		free(message.topic);
		free(message.payload);
	}
	return count;
}

static void each_task_is_published_after_the_start(void **state)
{
	bool more = false;

	(void)state;
	assert_int_equal(fw_task_status_work(statuses, &more), FW_OK);
	assert_false(more);
	assert_int_equal(published(), 2);
	assert_int_equal(fw_task_status_work(statuses, &more), FW_OK);
	assert_int_equal(published(), 0);
}

static void an_error_of_the_catalog_loses_no_status(void **state)
{
	bool more = false;

	(void)state;
	operate("ALTER TABLE task_stage RENAME TO away");
	assert_int_not_equal(fw_task_status_work(statuses, &more), FW_OK);
	assert_int_equal(published(), 0);
	operate("ALTER TABLE away RENAME TO task_stage");
	assert_int_equal(fw_task_status_work(statuses, &more), FW_OK);
	assert_int_equal(published(), 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			each_task_is_published_after_the_start, open_statuses, close_statuses),
		cmocka_unit_test_setup_teardown(
			an_error_of_the_catalog_loses_no_status, open_statuses, close_statuses),
	};

	return cmocka_run_group_tests(tests, open_folder, close_folder);
}
