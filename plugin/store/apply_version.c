/* What follows from the version that a device runs.
 *
 * Reports, pulls and completed upgrades each tell that version. It is recorded in table device and
 * in the history, rows of tasks to that version succeed, and rows of tasks to a version that the
 * device has passed are canceled. */
#include "store/apply_internal.h"

#include <string.h>

enum fw_status fw_apply_version_log(struct fw_apply *apply, const struct fw_uplink *uplink,
	const struct fw_device *device, struct fw_slice version, bool is_new)
{
	return is_new ? fw_history_version(
				apply->with.history, uplink, version, fw_slice_of(device->version))
		      : FW_OK;
}

enum fw_status fw_apply_version_record(struct fw_apply *apply, const struct fw_uplink *uplink,
	struct fw_device *device, struct fw_slice version)
{
	bool is_new = false;
	enum fw_status status = fw_label_check_judge(apply->with.labels, uplink, device, version);

	if (status == FW_OK)
		status = fw_device_reported(apply->with.devices, uplink, device, version, &is_new);
	if (status != FW_OK)
		return status;
	/* as it was written: a pull need not clear them again */
	device->due_at = device->settles_at = 0;
	return fw_apply_version_log(apply, uplink, device, version, is_new);
}

/* *leaves: the row waits in a task that allows downgrades, and an upgrade to other firmware is
 * under way. The device is about to leave the row's version, so the row waits for that upgrade's
 * end. */
static enum fw_status is_about_to_leave(struct fw_apply *apply, const struct fw_uplink *uplink,
	const struct fw_task_device *row, bool *leaves)
{
	struct fw_task_device first = {.state = FW_UPGRADE_WAITING};
	size_t count = 0;
	enum fw_status status = FW_OK;

	if (row->state == FW_UPGRADE_WAITING && row->downgrade)
		status = fw_task_devices_find_open(
			apply->with.rows, uplink->product, uplink->device, &first, 1, &count);
	*leaves = count && first.state == FW_UPGRADE_PROCESSING &&
		strcmp(first.firmware_id, row->firmware_id) != 0;
	return status;
}

/* A row of the version that the device runs succeeds, unless the device is about to leave that. */
static enum fw_status end_if_it_stays(
	struct fw_apply *apply, const struct fw_uplink *uplink, struct fw_task_device *row)
{
	bool leaves = false;
	enum fw_status status = is_about_to_leave(apply, uplink, row, &leaves);

	if (status != FW_OK || leaves)
		return status;
	return fw_apply_row_step(apply, uplink, row, FW_EVENT_REPORTED_TARGET);
}

enum fw_status fw_apply_version_end_reached(
	struct fw_apply *apply, const struct fw_uplink *uplink, struct fw_slice version)
{
	struct fw_task_device found[FW_TASK_DEVICE_ROWS_MAX];
	struct fw_firmware_ref firmware;
	size_t count = 0;
	enum fw_status status =
		fw_apply_firmware_query(apply, uplink->product, version, false, &firmware);

	if (status != FW_OK)
		return status == FW_NOT_FOUND ? FW_OK : status;
	status = fw_task_devices_find_of_firmware(apply->with.rows, uplink->product,
		fw_slice_of(firmware.firmware_id), uplink->device, found, FW_TASK_DEVICE_ROWS_MAX,
		&count);
	for (size_t i = 0; status == FW_OK && i < count; i++)
		status = end_if_it_stays(apply, uplink, &found[i]);
	return status;
}

enum fw_status fw_apply_version_review_others(struct fw_apply *apply,
	const struct fw_uplink *uplink, struct fw_slice version, bool reported)
{
	struct fw_task_device found[FW_TASK_DEVICE_ROWS_MAX];
	size_t count;
	enum fw_status status = fw_task_devices_find_open(apply->with.rows, uplink->product,
		uplink->device, found, FW_TASK_DEVICE_ROWS_MAX, &count);

	for (size_t i = 0; status == FW_OK && i < count; i++) {
		struct fw_task_device *row = &found[i];

		if (fw_slice_equal(fw_slice_of(row->version), version))
			/* it waited for an upgrade to other firmware, or was sent after it */
			status = end_if_it_stays(apply, uplink, row);
		else if (row->newer)
			status = fw_apply_row_step(apply, uplink, row, FW_EVENT_OVERTAKEN);
		else if (reported && !fw_apply_row_said_before(uplink, row))
			status = fw_apply_row_step(apply, uplink, row, FW_EVENT_REPORTED_OTHER);
		apply->device_freed |= row->state == FW_UPGRADE_WAITING;
	}
	return status;
}

/* When the latest attempt of the device began that brought it a version: 0 for none. */
struct brought {
	int64_t clock;   /* steady ms */
	int64_t unix_ms; /* of a row that was requeued: it has no pushed_clock */
};

static enum fw_status find_brought(struct fw_apply *apply, const struct fw_uplink *uplink,
	struct fw_slice version, struct brought *out)
{
	struct fw_task_device found[FW_TASK_DEVICE_ROWS_MAX];
	struct fw_firmware_ref firmware;
	size_t count = 0;
	enum fw_status status =
		fw_apply_firmware_query(apply, uplink->product, version, false, &firmware);

	*out = (struct brought){.clock = 0};
	if (status == FW_OK)
		status = fw_task_devices_find_of_firmware(apply->with.rows, uplink->product,
			fw_slice_of(firmware.firmware_id), uplink->device, found,
			FW_TASK_DEVICE_ROWS_MAX, &count);
	for (size_t i = 0; status == FW_OK && i < count; i++) {
		const struct fw_task_device *row = &found[i];

		if (row->attempts && row->pushed_clock > out->clock)
			out->clock = row->pushed_clock;
		if (row->attempts && !row->pushed_clock && row->pushed_at > out->unix_ms)
			out->unix_ms = row->pushed_at;
	}
	return status == FW_NOT_FOUND ? FW_OK : status;
}

static bool is_later(const struct brought *brought, const struct fw_task_device *row)
{
	return brought->clock > row->pushed_clock || brought->unix_ms > row->pushed_at;
}

/* A later upgrade has replaced the one on trial: the trial ends undecided. A lost row stays
 * lost. */
static enum fw_status end_trial(struct fw_apply *apply, struct fw_task_device *row)
{
	if (!row->trial_clock)
		return FW_OK;
	row->trial_clock = row->lost_clock = row->wake_clock = 0;
	return fw_transition_set_times(apply->with.rows, row);
}

enum fw_status fw_apply_version_review_trials(
	struct fw_apply *apply, const struct fw_uplink *uplink, struct fw_slice version)
{
	struct fw_task_device found[FW_TASK_DEVICE_ROWS_MAX];
	size_t count, lost = 0;
	struct brought brought = {.clock = 0};
	enum fw_status status = fw_task_devices_find_on_trial(apply->with.rows, uplink->product,
		uplink->device, found, FW_TASK_DEVICE_ROWS_MAX / 2, &count);

	if (status == FW_OK)
		status = fw_task_devices_find_lost(apply->with.rows, uplink->product,
			uplink->device, found + count, FW_TASK_DEVICE_ROWS_MAX - count, &lost);
	if (status == FW_OK && count + lost)
		status = find_brought(apply, uplink, version, &brought);
	for (size_t i = 0; status == FW_OK && i < count + lost; i++) {
		if (fw_slice_equal(fw_slice_of(found[i].version), version))
			continue;
		status = is_later(&brought, &found[i])
			? end_trial(apply, &found[i])
			: fw_apply_row_step(apply, uplink, &found[i], FW_EVENT_REPORTED_OTHER);
	}
	return status;
}

enum fw_status fw_apply_version_forget_sendings(
	struct fw_apply *apply, const struct fw_uplink *uplink)
{
	struct fw_task_device found[FW_TASK_DEVICE_ROWS_MAX];
	size_t count;
	enum fw_status status = fw_task_devices_find_sent(apply->with.rows, uplink->product,
		uplink->device, found, FW_TASK_DEVICE_ROWS_MAX, &count);

	for (size_t i = 0; status == FW_OK && i < count; i++) {
		if (found[i].state != FW_UPGRADE_PROCESSING)
			status = fw_transition_forget_sending(apply->with.rows, &found[i]);
	}
	return status;
}
