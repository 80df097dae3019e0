/* What is sent with a push, beside the offer. */
#include "catalog_fixture.h"

/* Both timeouts in seconds; d1 has a row, and is online. */
static void push_with(int response_timeout, int timeout)
{
	char sql[128];

	snprintf(sql, sizeof(sql),
		"UPDATE task SET response_timeout_seconds = %d, timeout_seconds = %d",
		response_timeout, timeout);
	prepare_rows(sql);
	prepare_rows("INSERT INTO task_device (task_id, device_id) VALUES ('t2', 'd1');"
		     "UPDATE device SET presence = 'online', connection = 1001,"
		     " oldest_connection = 1001");
	begin();
	assert_int_equal(fw_scheduler_push_next(catalog.scheduler, LAMP, D1), FW_OK);
	commit();
}

/* Of the `upgrade` that was queued. */
static uint32_t take_expiry(void)
{
	struct fw_outgoing message;
	uint32_t expiry = 0;

	while (fw_outbox_take(catalog.context.outbox, &message)) {
		if (message.topic && strcmp(message.topic, "/lamp/d1/firmware/upgrade") == 0)
			expiry = message.expiry_seconds;
		free(message.topic);
		free(message.payload);
	}
	return expiry;
}

/* After that nobody may get it: the row is failed by then, or is sent anew. */
static void assert_expires_with_the_row(int response_timeout, int timeout, uint32_t expiry)
{
	push_with(response_timeout, timeout);
	assert_int_equal(take_expiry(), expiry);
	pass_ms(expiry * INT64_C(1000) - 500);
	run_scheduler();
	assert_states("t2|d1|processing");
	pass_ms(501);
	run_scheduler();
	assert_states("t2|d1|failed");
}

static void a_push_expires_with_the_response_timeout(void **state)
{
	(void)state;
	assert_expires_with_the_row(60, 3600, 60);
}

static void a_push_expires_with_an_upgrade_timeout_that_comes_first(void **state)
{
	(void)state;
	assert_expires_with_the_row(99999, 60, 60);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CATALOG_TEST(a_push_expires_with_the_response_timeout),
		CATALOG_TEST(a_push_expires_with_an_upgrade_timeout_that_comes_first),
	};

	return cmocka_run_group_tests_name("push", tests, open_folder, close_folder);
}
