/* Uplinks of d1, as the store applies them. */
#ifndef FW_TEST_APPLY_FIXTURE_H
#define FW_TEST_APPLY_FIXTURE_H

#include "catalog_fixture.h"

static const char rows_of_d1[] =
	"INSERT INTO task_device (task_id, device_id) VALUES ('t2', 'd1'), ('t3', 'd1');";

/* By the first connection of this run of the broker, unless the test says otherwise. */
static inline struct fw_uplink from_d1(enum fw_uplink_kind kind)
{
	return (struct fw_uplink){.kind = kind,
		.received_at = catalog.transaction.wall_ms,
		.connection = FIRST_CONNECTION + 1,
		.product = LAMP,
		.device = D1};
}

static inline void apply(struct fw_uplink uplink)
{
	assert_int_equal(fw_apply_uplink(catalog.apply, &uplink), FW_OK);
}

static inline void report(const char *version)
{
	struct fw_uplink uplink = from_d1(FW_UPLINK_REPORT);

	uplink.version = fw_slice_of(version);
	apply(uplink);
}

/* With the id of the firmware, "" for none. */
static inline void progress(const char *firmware_id, int percent)
{
	struct fw_uplink uplink = from_d1(FW_UPLINK_PROGRESS);

	uplink.firmware_id = fw_slice_of(firmware_id);
	uplink.has_progress = true;
	uplink.progress = percent;
	apply(uplink);
}

static inline void complete(const char *firmware_id, bool success, const char *reason)
{
	struct fw_uplink uplink = from_d1(FW_UPLINK_PROGRESS);

	uplink.firmware_id = fw_slice_of(firmware_id);
	uplink.complete = true;
	uplink.success = success;
	uplink.error_reason = fw_slice_of(reason);
	apply(uplink);
}

static inline void reply(const char *firmware_id, bool success, const char *reason)
{
	struct fw_uplink uplink = from_d1(FW_UPLINK_REPLY);

	uplink.firmware_id = fw_slice_of(firmware_id);
	uplink.success = success;
	uplink.error_reason = fw_slice_of(reason);
	apply(uplink);
}

static inline void pull(const char *version, const char *offered)
{
	struct fw_uplink uplink = from_d1(FW_UPLINK_PULL);

	uplink.version = fw_slice_of(version);
	uplink.firmware_id = fw_slice_of(offered);
	apply(uplink);
}

/* verified_at, proved and bad of the row of t2. */
static inline void assert_outcome(const char *expected)
{
	assert_rows("SELECT state, verified_at IS NOT NULL, proved_epoch IS NOT NULL,"
		    " bad_epoch IS NOT NULL FROM task_device WHERE task_id = 't2'",
		expected);
}

/* The row of the task is sent to d1, whatever the scheduler would do. */
static inline void push(const char *task_id)
{
	const struct fw_upgrade_input input = {.connection = FIRST_CONNECTION + 1};
	struct fw_task_device row = row_of(task_id, "d1");

	assert_int_equal(
		fw_transition_apply(catalog.rows, &row, FW_EVENT_PUSHED, &input, NULL), FW_OK);
}

static inline void online_with_rows(void)
{
	prepare_rows(rows_of_d1);
	prepare_rows("UPDATE device SET presence = 'online', connection = 1001, "
		     "oldest_connection = 1001");
	begin();
}

#endif
