/* Rows of d1, and the transitions that they are put through. */
#ifndef FW_TEST_TASK_DEVICE_FIXTURE_H
#define FW_TEST_TASK_DEVICE_FIXTURE_H

#include "catalog_fixture.h"

static const char two_rows[] = "INSERT INTO task_device (task_id, device_id) VALUES ('t2', 'd1'), "
			       "('t3', 'd1');";
static const char online[] =
	"UPDATE device SET presence = 'online', connection = 1001, oldest_connection = 1001";

static inline bool apply(struct fw_task_device *row, enum fw_upgrade_event event,
	const struct fw_upgrade_input *input)
{
	bool changed = false;

	assert_int_equal(fw_transition_apply(catalog.rows, row, event, input, &changed), FW_OK);
	return changed;
}

/* A row of t2 that was sent to d1, which is online. */
static inline struct fw_task_device pushed_row(void)
{
	const struct fw_upgrade_input input = {.connection = 1001};
	struct fw_task_device row;

	prepare_rows(two_rows);
	prepare_rows(online);
	begin();
	row = row_of("t2", "d1");
	assert_true(apply(&row, FW_EVENT_PUSHED, &input));
	return row;
}

#endif
