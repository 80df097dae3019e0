/* An upgrade/reply: the device accepts or refuses the upgrade that it was sent. */
#include "store/apply_internal.h"

/* With retryAfter the device defers the upgrade, as long as its task allows that. */
static enum fw_upgrade_event event_of(
	const struct fw_uplink *uplink, const struct fw_task_device *row)
{
	int64_t until;

	if (uplink->success)
		return FW_EVENT_ACCEPTED;
	return uplink->retry_after && fw_apply_row_may_defer(uplink, row, &until)
		? FW_EVENT_DEFERRED
		: FW_EVENT_REFUSED;
}

enum fw_status fw_apply_reply(
	struct fw_apply *apply, const struct fw_uplink *uplink, struct fw_device *device)
{
	struct fw_firmware_ref firmware;
	struct fw_task_device row;
	size_t count = 0;
	bool is_redelivered = false;
	enum fw_status status =
		fw_device_is_redelivered(apply->with.devices, uplink, device, &is_redelivered);

	if (status == FW_OK)
		status = fw_apply_row_find(apply, uplink, &firmware, &row, &count);
	/* an answer by the connection that the attempt was sent to came after it was sent: that is
	 * no redelivery */
	if (status != FW_OK || !count ||
		(is_redelivered && row.connection != fw_apply_connection_of(uplink)))
		return status;
	return fw_apply_row_step(apply, uplink, &row, event_of(uplink, &row));
}
