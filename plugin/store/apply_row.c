/* Which row of a task a progress or an upgrade/reply is about, and the step that it takes.
 *
 * A message that names its firmware is about the device's row of that firmware. One that names none
 * is about the only row that was sent since the device last told its version; with several such
 * rows it is about none. */
#include "store/apply_internal.h"

bool fw_apply_row_may_defer(
	const struct fw_uplink *uplink, const struct fw_task_device *row, int64_t *until)
{
	int64_t told = row->first_told_at ? row->first_told_at : uplink->received_at;

	return fw_retry_may_defer(row->defer_ms, told, uplink->received_at, until);
}

/* What an uplink brings to a transition. */
static struct fw_upgrade_input input_of(
	const struct fw_uplink *uplink, const struct fw_task_device *row)
{
	int64_t after = uplink->retry_after * INT64_C(1000), until;

	/* no deferral goes beyond the moment at which the upgrade becomes mandatory */
	fw_apply_row_may_defer(uplink, row, &until);
	if (until >= 0 && uplink->received_at + after > until)
		after = until - uplink->received_at;
	return (struct fw_upgrade_input){.reason = uplink->error_reason,
		.progress = uplink->progress,
		.subject = uplink->version,
		.retry = uplink->retry,
		.put_off = uplink->retry_after > 0,
		.completed = uplink->kind == FW_UPLINK_PROGRESS,
		.after = after > 0 ? after : 1,
		.connection = fw_apply_connection_of(uplink)};
}

enum fw_status fw_apply_row_step(struct fw_apply *apply, const struct fw_uplink *uplink,
	struct fw_task_device *row, enum fw_upgrade_event event)
{
	struct fw_upgrade_input input = input_of(uplink, row);
	bool was_under_way = row->state == FW_UPGRADE_PROCESSING, changed;
	enum fw_status status = fw_transition_apply(apply->with.rows, row, event, &input, &changed);

	apply->device_freed |= changed && row->state != FW_UPGRADE_PROCESSING;
	apply->target_reached |= changed && was_under_way && event == FW_EVENT_REPORTED_TARGET;
	return status;
}

/* The store may be late: what came before the push may be applied after it. Times that differ by
 * more than a redelivery can last are due to a step of the wall clock, and prove nothing. */
bool fw_apply_row_said_before(const struct fw_uplink *uplink, const struct fw_task_device *row)
{
	return row->state == FW_UPGRADE_PROCESSING && uplink->received_at < row->pushed_at &&
		row->pushed_at - uplink->received_at < FW_REDELIVERY_MS;
}

static enum fw_status resolve_firmware(
	struct fw_apply *apply, const struct fw_uplink *uplink, struct fw_firmware_ref *firmware)
{
	bool by_id = uplink->firmware_id.len > 0;
	struct fw_firmware_ref found;
	enum fw_status status = fw_apply_firmware_query(apply, uplink->product,
		by_id ? uplink->firmware_id : uplink->version, by_id, &found);

	if (status == FW_OK)
		*firmware = found;
	else
		fw_slice_copy(
			uplink->firmware_id, firmware->firmware_id, sizeof(firmware->firmware_id));
	/* the version that the message names counts first */
	if (status != FW_OK || uplink->version.len)
		fw_slice_copy(uplink->version, firmware->version, sizeof(firmware->version));
	return status == FW_NOT_FOUND ? FW_OK : status;
}

/* The only row that was sent since the device last reported a version. Of several the message may
 * be about any: the device's next report decides. *count is 0 or 1. */
static enum fw_status find_only_sent(struct fw_apply *apply, const struct fw_uplink *uplink,
	struct fw_task_device *row, size_t *count)
{
	struct fw_task_device found[2];
	enum fw_status status = fw_task_devices_find_sent(
		apply->with.rows, uplink->product, uplink->device, found, 2, count);

	if (status == FW_OK && *count == 1 && !fw_apply_row_said_before(uplink, &found[0]))
		*row = found[0];
	else
		*count = 0;
	return status;
}

enum fw_status fw_apply_row_find(struct fw_apply *apply, const struct fw_uplink *uplink,
	struct fw_firmware_ref *firmware, struct fw_task_device *row, size_t *count)
{
	enum fw_status status;

	*firmware = (struct fw_firmware_ref){"", ""};
	*count = 0;
	if (!uplink->firmware_id.len && !uplink->version.len)
		return find_only_sent(apply, uplink, row, count);
	status = resolve_firmware(apply, uplink, firmware);
	if (status != FW_OK || !firmware->firmware_id[0])
		return status;
	return fw_task_devices_find_of_firmware(apply->with.rows, uplink->product,
		fw_slice_of(firmware->firmware_id), uplink->device, row, 1, count);
}
