/* Applies one uplink to the catalog, within the transaction of a batch (store/ingest.h).
 *
 * First the device of the uplink is found or added, and is online. Then the uplink does what its
 * kind does. Last the scheduler looks at the device, if a row of it has ended or a push may follow.
 * The order matters: the task events that follow from the uplink are queued before the next push.
 *
 * An uplink that the catalog's rules refuse is refused whole: the caller rolls back to a
 * savepoint. */
#include "store/apply_internal.h"

#include <stdlib.h>

enum fw_status fw_apply_open(
	const struct fw_apply_parts *parts, struct fw_apply **out, struct fw_error *error)
{
	struct fw_apply *apply = calloc(1, sizeof(*apply));
	enum fw_status status;

	if (!apply)
		return FW_NOMEM;
	apply->with = *parts;
	status = fw_db_prepare(parts->transaction->db, fw_apply_firmware_sql, apply->statements,
		FW_APPLY_STATEMENTS, error);
	if (status != FW_OK) {
		fw_apply_close(apply);
		return status;
	}
	*out = apply;
	return FW_OK;
}

void fw_apply_close(struct fw_apply *apply)
{
	if (!apply)
		return;
	fw_db_finalize(apply->statements, FW_APPLY_STATEMENTS);
	free(apply);
}

/* A device that sends an uplink is online by the connection of that uplink, unless the connection
 * is one of an earlier run of the broker. */
static enum fw_status note_arrival(
	struct fw_apply *apply, const struct fw_uplink *uplink, struct fw_device *device)
{
	int64_t connection = fw_apply_connection_of(uplink);
	/* the one that it comes by may also be older: that of another gateway */
	bool keeps_oldest = device->online && device->oldest_connection < connection;
	bool now = uplink->connection &&
		uplink->connection >= apply->with.transaction->context->first_connection;

	if (!now ||
		(device->online &&
			fw_task_device_connection_stands(
				connection, device->oldest_connection, device->connection)))
		return FW_OK;
	return fw_device_presence_arrive(apply->with.presence, uplink->product, uplink->device,
		device,
		&(struct fw_arrival){.connection = connection,
			.oldest = keeps_oldest ? device->oldest_connection : connection,
			.at = uplink->received_at,
			.hold_ms = FW_HOLD_MS});
}

static enum fw_status apply_kind(
	struct fw_apply *apply, const struct fw_uplink *uplink, struct fw_device *device)
{
	switch (uplink->kind) {
	case FW_UPLINK_REPORT:
		return fw_apply_report(apply, uplink, device);
	case FW_UPLINK_PROGRESS:
		return fw_apply_progress(apply, uplink, device);
	case FW_UPLINK_REPLY:
		return fw_apply_reply(apply, uplink, device);
	case FW_UPLINK_PULL:
		return fw_apply_pull(apply, uplink, device);
	}
	return FW_INVALID;
}

enum fw_status fw_apply_uplink(struct fw_apply *apply, const struct fw_uplink *uplink)
{
	struct fw_device device;
	enum fw_status status = fw_device_find_or_add(apply->with.devices, uplink, &device);

	apply->device_freed = apply->target_reached = false;
	if (status == FW_OK)
		status = note_arrival(apply, uplink, &device);
	if (status == FW_OK)
		status = fw_device_note_seen(apply->with.devices, uplink, &device);
	if (status == FW_OK)
		status = apply_kind(apply, uplink, &device);
	if (status == FW_OK && apply->device_freed)
		status = fw_scheduler_push_next(
			apply->with.scheduler, uplink->product, uplink->device);
	return status == FW_NOT_FOUND ? FW_OK : status;
}
