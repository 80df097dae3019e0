/* A report: the device runs this version now. It decides every upgrade that was sent to the device
 * before. */
#include "store/apply_internal.h"

enum fw_status fw_apply_report(
	struct fw_apply *apply, const struct fw_uplink *uplink, struct fw_device *device)
{
	bool is_redelivered;
	enum fw_status status =
		fw_device_is_redelivered(apply->with.devices, uplink, device, &is_redelivered);

	if (status != FW_OK || is_redelivered)
		return status;
	status = fw_apply_version_record(apply, uplink, device, uplink->version);
	if (status == FW_OK && uplink->has_utc_offset)
		status = fw_device_set_zone(apply->with.devices, uplink);
	if (status == FW_OK)
		status = fw_apply_version_end_reached(apply, uplink, uplink->version);
	if (status == FW_OK)
		status = fw_apply_version_review_trials(apply, uplink, uplink->version);
	if (status == FW_OK)
		status = fw_apply_version_review_others(apply, uplink, uplink->version, true);
	if (status == FW_OK)
		status = fw_apply_version_forget_sendings(apply, uplink);
	if (status != FW_OK || !apply->target_reached)
		return status;
	return fw_device_set_due(apply->with.devices, uplink->product, uplink->device,
		apply->with.transaction->steady_ms + FW_WORD_MS);
}
