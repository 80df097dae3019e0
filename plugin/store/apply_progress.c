/* A progress: how far an upgrade is, or how it ended. It goes into the history even when no row of
 * a task is about it. */
#include "store/apply_internal.h"

#include <string.h>

/* in place of a task's timeout_seconds, where an upgrade was completed without a task */
#define COMPLETED_MS (3600 * INT64_C(1000))

static enum fw_upgrade_event event_of(const struct fw_uplink *uplink)
{
	if (!uplink->complete)
		return FW_EVENT_PROGRESS;
	return uplink->success ? FW_EVENT_COMPLETED : FW_EVENT_FAILED;
}

/* A device that completes an upgrade says that it runs the version: rows of other tasks to that
 * version succeed, too. */
static enum fw_status apply_completion(struct fw_apply *apply, const struct fw_uplink *uplink,
	struct fw_device *device, const struct fw_firmware_ref *firmware, int64_t timeout_ms)
{
	struct fw_slice version = fw_slice_of(firmware->version);
	bool is_new = false;
	enum fw_status status;

	if (!version.len)
		return FW_OK;
	status = fw_label_check_completed(
		apply->with.labels, uplink, device, fw_slice_of(firmware->firmware_id));
	if (status == FW_OK)
		status = fw_device_completed(
			apply->with.devices, uplink, device, version, timeout_ms, &is_new);
	if (status == FW_OK)
		status = fw_apply_version_log(apply, uplink, device, version, is_new);
	if (status == FW_OK)
		status = fw_apply_version_end_reached(apply, uplink, version);
	return status == FW_OK ? fw_apply_version_review_others(apply, uplink, version, false)
			       : status;
}

/* Fills in the names that the message left out. */
static void take_names(const struct fw_task_device *row, struct fw_firmware_ref *firmware)
{
	memcpy(firmware->firmware_id, row->firmware_id, sizeof(firmware->firmware_id));
	memcpy(firmware->version, row->version, sizeof(firmware->version));
}

/* When the row's last attempt began, Unix ms; 0 while the row waits. An equal progress that was
 * logged before then is no redelivery. */
static int64_t attempt_begun_at(const struct fw_task_device *row, size_t count)
{
	return count && row->state != FW_UPGRADE_WAITING ? row->pushed_at : 0;
}

enum fw_status fw_apply_progress(
	struct fw_apply *apply, const struct fw_uplink *uplink, struct fw_device *device)
{
	struct fw_task_device row = {.pushed_at = 0};
	struct fw_firmware_ref firmware;
	size_t count;
	bool is_redelivered = false;
	enum fw_status status = fw_apply_row_find(apply, uplink, &firmware, &row, &count);

	if (status == FW_OK)
		status = fw_history_is_redelivered(apply->with.history, uplink, &firmware,
			attempt_begun_at(&row, count), &is_redelivered);
	if (status != FW_OK || is_redelivered)
		return status;
	status = fw_history_progress(
		apply->with.history, uplink, &firmware, count ? row.task_id : NULL);
	if (status == FW_OK && count)
		status = fw_apply_row_step(apply, uplink, &row, event_of(uplink));
	if (status != FW_OK || !uplink->complete)
		return status;
	if (!uplink->success)
		return apply->device_freed
			? fw_device_unsettle(apply->with.devices, uplink->product, uplink->device)
			: FW_OK;
	if (count)
		take_names(&row, &firmware);
	return apply_completion(
		apply, uplink, device, &firmware, count ? row.timeout_ms : COMPLETED_MS);
}
