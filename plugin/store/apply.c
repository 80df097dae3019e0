#include "store/apply.h"

#include <stdlib.h>
#include <string.h>

#include "catalog/db.h"
#include "store/history.h"

#define ROWS_MAX 32u
/* a task's timeout_seconds, where an upgrade was completed without a task */
#define COMPLETED_MS (3600 * INT64_C(1000))

enum statement { FIRMWARE_BY_ID, FIRMWARE_BY_VERSION, STATEMENTS };

static const char *const sql[STATEMENTS] = {
	[FIRMWARE_BY_ID] = "SELECT firmware_id, version FROM firmware WHERE product_id = ?1 AND "
			   "firmware_id = ?2",
	[FIRMWARE_BY_VERSION] =
		"SELECT firmware_id, version FROM firmware WHERE product_id = ?1 AND version = ?2",
};

/* The firmware found last: a fleet's progress is about one. Within a transaction nobody changes the
 * catalog's firmware. */
struct last_named {
	uint64_t transaction;
	bool by_id;
	char product[FW_ID_MAX + 1];
	char asked[FW_VERSION_BUFFER]; /* its id or its version */
	struct fw_firmware_ref found;
};

struct fw_apply {
	struct fw_apply_parts with;
	sqlite3_stmt *statements[STATEMENTS];
	struct last_named last_named;
	/* the report under way ended an upgrade, which the device may yet complete in words */
	bool arrived;
	/* the uplink under way may be what the device's next push waits for: it gets its turn
	 * behind it */
	bool look;
	/* of one device, for the function under way: on the stack they would fill a small one */
	struct fw_task_device found[ROWS_MAX];
};

enum fw_status fw_apply_open(
	const struct fw_apply_parts *parts, struct fw_apply **out, struct fw_error *error)
{
	struct fw_apply *apply = calloc(1, sizeof(*apply));
	enum fw_status status;

	if (!apply)
		return FW_NOMEM;
	apply->with = *parts;
	status = fw_db_prepare(parts->transaction->db, sql, apply->statements, STATEMENTS, error);
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
	fw_db_finalize(apply->statements, STATEMENTS);
	free(apply);
}

/* The connection by which the uplink came, 0: of an operator. */
static int64_t connection_of(const struct fw_uplink *uplink)
{
	return (int64_t)uplink->connection;
}

/* A device that speaks is there, by the connection it speaks by. One of an earlier run of the
 * broker is no more. */
static enum fw_status note_arrival(
	struct fw_apply *apply, const struct fw_uplink *uplink, struct fw_device *device)
{
	bool now = uplink->connection &&
		uplink->connection >= apply->with.transaction->first_connection;

	if (!now ||
		(device->online &&
			fw_task_device_connection_stands(connection_of(uplink),
				device->oldest_connection, device->connection)))
		return FW_OK;
	return fw_device_presence_arrive(apply->with.presence, uplink->product, uplink->device,
		device,
		&(struct fw_arrival){.connection = connection_of(uplink),
			.oldest =
				device->online ? device->oldest_connection : connection_of(uplink),
			.at = uplink->received_at,
			.hold_ms = FW_HOLD_MS});
}

/* What of an uplink the rules of a row may ask for. */
static struct fw_upgrade_input input_of(const struct fw_uplink *uplink)
{
	return (struct fw_upgrade_input){.reason = uplink->error_reason,
		.progress = uplink->progress,
		.version = uplink->version,
		.connection = connection_of(uplink)};
}

static enum fw_status apply_to_row(struct fw_apply *apply, const struct fw_uplink *uplink,
	struct fw_task_device *row, enum fw_upgrade_event event)
{
	struct fw_upgrade_input input = input_of(uplink);
	bool was_under_way = row->state == FW_UPGRADE_PROCESSING, changed;
	enum fw_status status =
		fw_task_devices_apply(apply->with.rows, row, event, &input, &changed);

	apply->look |= changed && row->state != FW_UPGRADE_PROCESSING;
	apply->arrived |= changed && was_under_way && event == FW_EVENT_REPORTED_TARGET;
	return status;
}

/* In *found both names of a product's firmware as the catalog has them. FW_NOT_FOUND, or an error.
 */
static enum fw_status find_firmware(struct fw_apply *apply, struct fw_slice product,
	struct fw_slice asked, bool by_id, struct fw_firmware_ref *found)
{
	enum statement which = by_id ? FIRMWARE_BY_ID : FIRMWARE_BY_VERSION;
	sqlite3_stmt *statement = fw_db_start(apply->statements[which], product, asked);
	enum fw_status status = fw_db_step(statement);

	if (status != FW_OK)
		return status;
	fw_db_copy_text(statement, 0, found->firmware_id, sizeof(found->firmware_id));
	fw_db_copy_text(statement, 1, found->version, sizeof(found->version));
	sqlite3_reset(statement);
	return FW_OK;
}

/* The same within a transaction, where the answer to the last question holds. */
static enum fw_status query_firmware(struct fw_apply *apply, struct fw_slice product,
	struct fw_slice asked, bool by_id, struct fw_firmware_ref *found)
{
	struct last_named *last = &apply->last_named;
	enum fw_status status;

	if (last->transaction == apply->with.transaction->transaction && last->by_id == by_id &&
		fw_slice_equal(asked, fw_slice_of(last->asked)) &&
		fw_slice_equal(product, fw_slice_of(last->product))) {
		*found = last->found;
		return FW_OK;
	}
	status = find_firmware(apply, product, asked, by_id, found);
	if (status != FW_OK)
		return status;
	*last = (struct last_named){.transaction = apply->with.transaction->transaction,
		.by_id = by_id,
		.found = *found};
	fw_slice_copy(product, last->product, sizeof(last->product));
	fw_slice_copy(asked, last->asked, sizeof(last->asked));
	return FW_OK;
}

/* The device runs `version`: rows of that firmware have reached their end. */
static enum fw_status end_reached(
	struct fw_apply *apply, const struct fw_uplink *uplink, struct fw_slice version)
{
	struct fw_task_device *found = apply->found;
	struct fw_firmware_ref named;
	size_t count = 0;
	enum fw_status status = query_firmware(apply, uplink->product, version, false, &named);

	if (status != FW_OK)
		return status == FW_NOT_FOUND ? FW_OK : status;
	status = fw_task_devices_of_firmware(apply->with.rows, uplink->product,
		fw_slice_of(named.firmware_id), uplink->device, found, ROWS_MAX, &count);
	for (size_t i = 0; status == FW_OK && i < count; i++)
		status = apply_to_row(apply, uplink, &found[i], FW_EVENT_REPORTED_TARGET);
	return status;
}

/* Was this said before the attempt began? Then it is not about it. The store may be late: what came
 * meanwhile is applied after the push. After a step of the wall clock nobody knows. */
static bool was_said_before(const struct fw_uplink *uplink, const struct fw_task_device *row)
{
	return row->state == FW_UPGRADE_PROCESSING && uplink->received_at < row->pushed_at &&
		row->pushed_at - uplink->received_at < FW_REDELIVERY_MS;
}

/* The device runs `version`, which is recorded: of its open rows those that it has passed end. Of
 * the others, one under way may have come to nothing, if it was the device itself that `reported`.
 */
static enum fw_status review_others(struct fw_apply *apply, const struct fw_uplink *uplink,
	struct fw_slice version, bool reported)
{
	struct fw_task_device *found = apply->found;
	size_t count;
	enum fw_status status = fw_task_devices_open_of_device(
		apply->with.rows, uplink->product, uplink->device, found, ROWS_MAX, &count);

	for (size_t i = 0; status == FW_OK && i < count; i++) {
		struct fw_task_device *row = &found[i];

		if (fw_slice_equal(fw_slice_of(row->version), version))
			continue;
		if (row->newer)
			status = apply_to_row(apply, uplink, row, FW_EVENT_OVERTAKEN);
		else if (reported && !was_said_before(uplink, row))
			status = apply_to_row(apply, uplink, row, FW_EVENT_REPORTED_OTHER);
		apply->look |= row->state == FW_UPGRADE_WAITING;
	}
	return status;
}

/* A report settles what was sent before it; what comes late without a name can be meant for no such
 * row any more. */
static enum fw_status forget_sendings(struct fw_apply *apply, const struct fw_uplink *uplink)
{
	struct fw_task_device *found = apply->found;
	size_t count;
	enum fw_status status = fw_task_devices_sent_to_device(
		apply->with.rows, uplink->product, uplink->device, found, ROWS_MAX, &count);

	for (size_t i = 0; status == FW_OK && i < count; i++) {
		if (found[i].state != FW_UPGRADE_PROCESSING)
			status = fw_task_devices_forget_sending(apply->with.rows, &found[i]);
	}
	return status;
}

static enum fw_status log_version(struct fw_apply *apply, const struct fw_uplink *uplink,
	const struct fw_device *device, struct fw_slice version, bool news)
{
	return news
		? fw_history_version(apply->with.log, uplink, version, fw_slice_of(device->version))
		: FW_OK;
}

static enum fw_status record_report(struct fw_apply *apply, const struct fw_uplink *uplink,
	struct fw_device *device, struct fw_slice version)
{
	bool news = false;
	enum fw_status status = fw_label_check_judge(apply->with.labels, uplink, device, version);

	if (status == FW_OK)
		status = fw_device_reported(apply->with.devices, uplink, device, version, &news);
	return status == FW_OK ? log_version(apply, uplink, device, version, news) : status;
}

static enum fw_status apply_report(
	struct fw_apply *apply, const struct fw_uplink *uplink, struct fw_device *device)
{
	bool again;
	enum fw_status status = fw_device_is_repeated(apply->with.devices, uplink, device, &again);

	if (status != FW_OK || again)
		return status;
	status = record_report(apply, uplink, device, uplink->version);
	if (status == FW_OK)
		status = end_reached(apply, uplink, uplink->version);
	if (status == FW_OK)
		status = review_others(apply, uplink, uplink->version, true);
	if (status == FW_OK)
		status = forget_sendings(apply, uplink);
	if (status != FW_OK || !apply->arrived)
		return status;
	return fw_device_set_due(apply->with.devices, uplink->product, uplink->device,
		apply->with.transaction->steady_ms + FW_WORD_MS);
}

static enum fw_status resolve_firmware(
	struct fw_apply *apply, const struct fw_uplink *uplink, struct fw_firmware_ref *named)
{
	bool by_id = uplink->firmware_id.len > 0;
	struct fw_firmware_ref found;
	enum fw_status status = query_firmware(apply, uplink->product,
		by_id ? uplink->firmware_id : uplink->version, by_id, &found);

	if (status == FW_OK)
		*named = found;
	else
		fw_slice_copy(uplink->firmware_id, named->firmware_id, sizeof(named->firmware_id));
	/* what the message says of itself goes first */
	if (status != FW_OK || uplink->version.len)
		fw_slice_copy(uplink->version, named->version, sizeof(named->version));
	return status == FW_NOT_FOUND ? FW_OK : status;
}

/* The row that a message without a name is about: the only one that was sent since the device last
 * reported a version. Of several it may be about any of them, and its next report decides. *count
 * is 0 or 1. */
static enum fw_status find_only_sent(struct fw_apply *apply, const struct fw_uplink *uplink,
	struct fw_task_device *row, size_t *count)
{
	struct fw_task_device found[2];
	enum fw_status status = fw_task_devices_sent_to_device(
		apply->with.rows, uplink->product, uplink->device, found, 2, count);

	if (status == FW_OK && *count == 1 && !was_said_before(uplink, &found[0]))
		*row = found[0];
	else
		*count = 0;
	return status;
}

/* The row that a progress or an upgrade/reply is about, and the firmware it names. *count is 0
 * or 1. */
static enum fw_status find_row(struct fw_apply *apply, const struct fw_uplink *uplink,
	struct fw_firmware_ref *named, struct fw_task_device *row, size_t *count)
{
	enum fw_status status;

	*named = (struct fw_firmware_ref){"", ""};
	*count = 0;
	if (!uplink->firmware_id.len && !uplink->version.len)
		return find_only_sent(apply, uplink, row, count);
	status = resolve_firmware(apply, uplink, named);
	if (status != FW_OK || !named->firmware_id[0])
		return status;
	return fw_task_devices_of_firmware(apply->with.rows, uplink->product,
		fw_slice_of(named->firmware_id), uplink->device, row, 1, count);
}

static enum fw_upgrade_event event_of(const struct fw_uplink *uplink)
{
	if (!uplink->complete)
		return FW_EVENT_PROGRESS;
	return uplink->success ? FW_EVENT_COMPLETED : FW_EVENT_FAILED;
}

/* A completed upgrade is the device's word that it runs the version; other tasks to the same
 * version have reached their end too. */
static enum fw_status complete(struct fw_apply *apply, const struct fw_uplink *uplink,
	struct fw_device *device, const struct fw_firmware_ref *named, int64_t timeout_ms)
{
	struct fw_slice version = fw_slice_of(named->version);
	bool news = false;
	enum fw_status status;

	if (!version.len)
		return FW_OK;
	status = fw_label_check_completed(
		apply->with.labels, uplink, device, fw_slice_of(named->firmware_id));
	if (status == FW_OK)
		status = fw_device_completed(
			apply->with.devices, uplink, device, version, timeout_ms, &news);
	if (status == FW_OK)
		status = log_version(apply, uplink, device, version, news);
	if (status == FW_OK)
		status = end_reached(apply, uplink, version);
	return status == FW_OK ? review_others(apply, uplink, version, false) : status;
}

/* What a message without a name, or with half of it, is about. */
static void name_row(const struct fw_task_device *row, struct fw_firmware_ref *named)
{
	memcpy(named->firmware_id, row->firmware_id, sizeof(named->firmware_id));
	memcpy(named->version, row->version, sizeof(named->version));
}

/* What is about an attempt that began later is no redelivery: 0 for one that waits. */
static int64_t attempt_begun_at(const struct fw_task_device *row, size_t count)
{
	return count && row->state != FW_UPGRADE_WAITING ? row->pushed_at : 0;
}

static enum fw_status apply_progress(
	struct fw_apply *apply, const struct fw_uplink *uplink, struct fw_device *device)
{
	struct fw_task_device row = {.pushed_at = 0};
	struct fw_firmware_ref named;
	size_t count;
	bool again = false;
	enum fw_status status = find_row(apply, uplink, &named, &row, &count);

	if (status == FW_OK)
		status = fw_history_is_redelivered(
			apply->with.log, uplink, &named, attempt_begun_at(&row, count), &again);
	if (status != FW_OK || again)
		return status;
	status = fw_history_progress(apply->with.log, uplink, &named, count ? row.task_id : NULL);
	if (status == FW_OK && count)
		status = apply_to_row(apply, uplink, &row, event_of(uplink));
	if (status != FW_OK || !uplink->complete)
		return status;
	if (!uplink->success)
		return apply->look
			? fw_device_unsettle(apply->with.devices, uplink->product, uplink->device)
			: FW_OK;
	if (count)
		name_row(&row, &named);
	return complete(apply, uplink, device, &named, count ? row.timeout_ms : COMPLETED_MS);
}

static enum fw_status apply_reply(
	struct fw_apply *apply, const struct fw_uplink *uplink, struct fw_device *device)
{
	struct fw_firmware_ref named;
	struct fw_task_device row;
	size_t count = 0;
	bool again = false;
	enum fw_status status = fw_device_is_repeated(apply->with.devices, uplink, device, &again);

	if (status == FW_OK)
		status = find_row(apply, uplink, &named, &row, &count);
	/* what was sent to this very connection it can only have answered after that: no earlier
	 * message comes again then */
	if (status != FW_OK || !count || (again && row.connection != connection_of(uplink)))
		return status;
	return apply_to_row(
		apply, uplink, &row, uplink->success ? FW_EVENT_ACCEPTED : FW_EVENT_REFUSED);
}

/* Does the pull come from before the restart into what the device said it has installed? */
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

	/* it runs what it said last, if it said anything since it completed an upgrade */
	if (!uplink->version.len)
		return device->completed_from[0] ? FW_OK
						 : fw_label_check_judge(apply->with.labels, uplink,
							   device, fw_slice_of(device->version));
	if (is_before_restart(uplink, device))
		return FW_OK;
	status = known ? FW_OK : record_report(apply, uplink, device, uplink->version);
	if (status == FW_OK && !known)
		status = end_reached(apply, uplink, uplink->version);
	if (status == FW_OK)
		status = review_others(apply, uplink, uplink->version, false);
	return status == FW_OK ? forget_sendings(apply, uplink) : status;
}

/* Of the device's rows of the firmware it was given, the one under way, or the first that waits in
 * a running task, if no other upgrade is under way. */
static enum fw_status apply_offer(struct fw_apply *apply, const struct fw_uplink *uplink)
{
	struct fw_task_device *found = apply->found, first = {.progress = 0};
	size_t count = 0, open = 0;
	enum fw_status status = fw_task_devices_of_firmware(apply->with.rows, uplink->product,
		uplink->firmware_id, uplink->device, found, ROWS_MAX, &count);

	if (status == FW_OK && count)
		status = fw_task_devices_open_of_device(
			apply->with.rows, uplink->product, uplink->device, &first, 1, &open);
	for (size_t i = 0; status == FW_OK && i < count; i++) {
		bool begins = found[i].state == FW_UPGRADE_WAITING && found[i].task_running &&
			first.state != FW_UPGRADE_PROCESSING;

		if (found[i].state == FW_UPGRADE_PROCESSING || begins)
			return apply_to_row(apply, uplink, &found[i], FW_EVENT_PULLED);
	}
	return status;
}

/* A pull shows what the device runs, like a report, and that it listens: a push need not wait for
 * more. */
static enum fw_status apply_pull(
	struct fw_apply *apply, const struct fw_uplink *uplink, struct fw_device *device)
{
	enum fw_status status = apply_version_of_pull(apply, uplink, device);

	if (status == FW_OK && device->due_at && !device->settles_at)
		status = fw_device_set_due(apply->with.devices, uplink->product, uplink->device, 0);
	if (status == FW_OK && uplink->firmware_id.len)
		status = fw_label_check_offered(apply->with.labels, uplink, device);
	if (status == FW_OK && uplink->firmware_id.len)
		status = apply_offer(apply, uplink);
	apply->look = true;
	return status;
}

static enum fw_status apply_kind(
	struct fw_apply *apply, const struct fw_uplink *uplink, struct fw_device *device)
{
	switch (uplink->kind) {
	case FW_UPLINK_REPORT:
		return apply_report(apply, uplink, device);
	case FW_UPLINK_PROGRESS:
		return apply_progress(apply, uplink, device);
	case FW_UPLINK_REPLY:
		return apply_reply(apply, uplink, device);
	case FW_UPLINK_PULL:
		return apply_pull(apply, uplink, device);
	}
	return FW_INVALID;
}

enum fw_status fw_apply_uplink(struct fw_apply *apply, const struct fw_uplink *uplink)
{
	struct fw_device device;
	enum fw_status status = fw_device_find_or_add(apply->with.devices, uplink, &device);

	apply->look = apply->arrived = false;
	if (status == FW_OK)
		status = note_arrival(apply, uplink, &device);
	if (status == FW_OK)
		status = fw_device_note_seen(apply->with.devices, uplink, &device);
	if (status == FW_OK)
		status = apply_kind(apply, uplink, &device);
	if (status == FW_OK && apply->look)
		status =
			fw_scheduler_device(apply->with.scheduler, uplink->product, uplink->device);
	return status == FW_NOT_FOUND ? FW_OK : status;
}

enum fw_status fw_apply_version_of(struct fw_apply *apply, struct fw_slice product,
	struct fw_slice firmware_id, char *version, size_t size)
{
	struct fw_firmware_ref found;
	enum fw_status status = find_firmware(apply, product, firmware_id, true, &found);

	if (status == FW_OK)
		fw_slice_copy(fw_slice_of(found.version), version, size);
	return status;
}
