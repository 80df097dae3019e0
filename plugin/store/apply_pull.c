/* A pull: the device asks for firmware, and tells the version it runs. The broker's thread has
 * answered it already; here the rows of its tasks follow the answer. */
#include "store/apply_internal.h"

/* Has the device completed an upgrade, and not restarted yet? Then it names the version before. */
static bool is_before_restart(const struct fw_uplink *uplink, const struct fw_device *device)
{
	return device->completed_from[0] && uplink->received_at < device->completed_until &&
		fw_slice_equal(uplink->version, fw_slice_of(device->completed_from));
}

static enum fw_status apply_version_of_pull(
	struct fw_apply *apply, const struct fw_uplink *uplink, struct fw_device *device)
{
	bool known = fw_slice_equal(uplink->version, fw_slice_of(device->version)) &&
		!device->due_at && !device->settles_at && !device->completed_from[0] &&
		!device->offered_firmware_id[0];
	enum fw_status status;

	/* no version: it runs what it reported last, unless it completed an upgrade since */
	if (!uplink->version.len)
		return device->completed_from[0] ? FW_OK
						 : fw_label_check_judge(apply->with.labels, uplink,
							   device, fw_slice_of(device->version));
	if (is_before_restart(uplink, device))
		return FW_OK;
	status = known ? FW_OK : fw_apply_version_record(apply, uplink, device, uplink->version);
	/* also for a known version: its row may have waited for an upgrade to other firmware */
	if (status == FW_OK)
		status = fw_apply_version_end_reached(apply, uplink, uplink->version);
	if (status == FW_OK && !known)
		status = fw_apply_version_review_trials(apply, uplink, uplink->version);
	if (status == FW_OK)
		status = fw_apply_version_review_others(apply, uplink, uplink->version, false);
	return status == FW_OK ? fw_apply_version_forget_sendings(apply, uplink) : status;
}

/* Is this the row that the pull was answered with? A pull that took a place in a task names it, and
 * starts its row even if that task was paused in the meantime. */
static bool is_answered_row(const struct fw_uplink *uplink, const struct fw_task_device *row,
	const struct fw_task_device *first)
{
	bool taken = uplink->task_id.len > 0;

	if (row->state == FW_UPGRADE_PROCESSING)
		return true;
	if (row->state != FW_UPGRADE_WAITING || first->state == FW_UPGRADE_PROCESSING)
		return false;
	if (taken)
		return fw_slice_equal(uplink->task_id, fw_slice_of(row->task_id));
	return row->task_running && !row->managed;
}

/* Of the device's rows of the firmware it was given, the one under way, or the first that waits in
 * a running task, if no other upgrade is under way. */
static enum fw_status apply_offer(struct fw_apply *apply, const struct fw_uplink *uplink)
{
	struct fw_task_device found[FW_TASK_DEVICE_ROWS_MAX], first = {.progress = 0};
	size_t count = 0, open = 0;
	enum fw_status status = fw_task_devices_find_of_firmware(apply->with.rows, uplink->product,
		uplink->firmware_id, uplink->device, found, FW_TASK_DEVICE_ROWS_MAX, &count);

	if (status == FW_OK && count)
		status = fw_task_devices_find_open(
			apply->with.rows, uplink->product, uplink->device, &first, 1, &open);
	for (size_t i = 0; status == FW_OK && i < count; i++) {
		if (is_answered_row(uplink, &found[i], &first)) {
			status = fw_apply_row_step(apply, uplink, &found[i], FW_EVENT_PULLED);
			break;
		}
	}
	return status;
}

/* A pull tells what the device runs, like a report, and that the device listens: no push waits any
 * longer. */
enum fw_status fw_apply_pull(
	struct fw_apply *apply, const struct fw_uplink *uplink, struct fw_device *device)
{
	enum fw_status status = apply_version_of_pull(apply, uplink, device);

	if (status == FW_OK && device->due_at && !device->settles_at)
		status = fw_device_set_due(apply->with.devices, uplink->product, uplink->device, 0);
	if (status == FW_OK && uplink->firmware_id.len)
		status = fw_label_check_offered(apply->with.labels, uplink, device);
	if (status == FW_OK && uplink->firmware_id.len)
		status = apply_offer(apply, uplink);
	apply->device_freed = true;
	return status;
}
