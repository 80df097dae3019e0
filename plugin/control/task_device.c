/* The devices of a task: the list, and add, stop, continue, retry and remove.
 *
 * A command for many devices does what it may, and says of each of the others why not, in the
 * words of the catalog: a statement that a trigger refuses leaves the transaction as it was. */
#include <stdlib.h>
#include <string.h>

#include "control/internal.h"
#include "control/member_rows.h"

/* A filter by waitsFor walks all rows of a task. The view's own condition stands before it, so that
 * the view's tables are read only for rows that wait. */
#define WAITS                                                                                      \
	"iif(e.state = 'waiting' OR e.retry_at IS NOT NULL,"                                       \
	" (SELECT w.waits_for FROM task_device_waits AS w"                                         \
	" WHERE w.task_id = e.task_id AND w.device_id = e.device_id), NULL)"

const struct fw_command_member fw_task_device_members[] = {
	{"taskId", "task_id", TEXT, FW_USE_FILTER, FW_USE_FILTER, 0, 0, NULL, "of which task"},
	FILTERED("deviceId", "device_id", TEXT, "which device"),
	SHOWN("deviceName", "d.name", TEXT, "for people"),
	FILTERED("state", "state", TEXT, "waiting, processing, success, failed or canceled"),
	SHOWN("progress", "progress", INTEGER, "per cent"),
	SHOWN("failure", "failure", TEXT, "the kind of a failure"),
	SHOWN("errorReason", "error_reason", TEXT, "why it failed"),
	{"reason", "? IN (e.failure, e.error_reason)", TEXT, FW_USE_FILTER, 0, 0, 0, NULL,
		"failure or errorReason"},
	FILTERED("waitsFor", WAITS, TEXT, "what keeps it from being started"),
	{"text",
		/* a million rows are walked without a look at their devices */
		"instr(lower(e.device_id), lower(?)) > 0 OR (f.product_id, e.device_id) IN ("
		"SELECT product_id, device_id FROM device"
		" WHERE name <> '' AND instr(lower(name), lower(?)) > 0)",
		TEXT, FW_USE_FILTER, 0, 0, 0, NULL, "part of its id or name"},
	SHOWN("fromVersion", "from_version", TEXT, "what it ran before"),
	SHOWN("currentVersion", "d.version", TEXT, "what it runs"),
	SHOWN("presence", "d.presence", TEXT, "online, offline or null (unknown)"),
	SHOWN("lastSeenAt", "d.last_seen_at", INTEGER, "Unix ms"),
	SHOWN("attempts", "attempts", INTEGER, "how often it was pushed or answered"),
	SHOWN("interruptions", "interruptions", INTEGER, "attempts in a row that were cut off"),
	SHOWN("retries", "retries", INTEGER, "how often it was retried by itself"),
	SHOWN("turn", "turn", INTEGER, "lower ones start first"),
	SHOWN("createdAt", "created_at", INTEGER, "Unix ms"),
	SHOWN("pushedAt", "pushed_at", INTEGER, "Unix ms"),
	SHOWN("respondedAt", "responded_at", INTEGER, "Unix ms"),
	SHOWN("completedAt", "completed_at", INTEGER, "Unix ms"),
	SHOWN("verifiedAt", "verified_at", INTEGER, "when it reported the target, Unix ms"),
	SHOWN("retryAt", "retry_at", INTEGER, "Unix ms"),
	SHOWN("deferredUntil", "deferred_until", INTEGER, "Unix ms"),
	SHOWN("downloadedBytes", "coalesce(r.covered, o.reached)", INTEGER,
		"of the file that were sent to it"),
	{0},
};

const struct fw_entity fw_task_device_entity = {
	.table = "task_device",
	.noun = "device in this task",
	.from = "task_device AS e CROSS JOIN task AS t ON t.task_id = e.task_id"
		" CROSS JOIN firmware AS f ON f.firmware_id = t.firmware_id"
		" CROSS JOIN device AS d ON d.product_id = f.product_id"
		" AND d.device_id = e.device_id"
		" LEFT JOIN download AS o ON o.product_id = f.product_id"
		" AND o.device_id = e.device_id AND o.firmware_id = f.firmware_id"
		" LEFT JOIN download_range AS r ON r.product_id = f.product_id"
		" AND r.device_id = e.device_id AND r.firmware_id = f.firmware_id",
	.members = fw_task_device_members,
	.keys = {"task_id", "device_id"},
	.order = {"task_id", "device_id"},
};

/* Triggers keep the counts of the states, so a total is free unless another filter is given. */
static enum fw_status count_devices(struct fw_call *call)
{
	static const char *const columns[] = {
		"waiting", "processing", "success", "failed", "canceled"};
	const char *state = fw_call_text(call, "state");
	int64_t total = 0;
	json_t *row = NULL;
	enum fw_status status;

	if (fw_call_member(call, "reason") || fw_call_member(call, "waitsFor") ||
		fw_call_member(call, "text") || fw_call_member(call, "deviceId"))
		return FW_OK;
	status = fw_call_row(call,
		"SELECT waiting, processing, success, failed, canceled FROM task_count"
		" WHERE task_id = ?1",
		json_incref(call->keys), &row);
	for (size_t i = 0; i < sizeof(columns) / sizeof(columns[0]); i++) {
		if (!state || strcmp(state, columns[i]) == 0)
			total += json_integer_value(json_object_get(row, columns[i]));
	}
	json_decref(row);
	if (status == FW_OK &&
		json_object_set_new(call->data, "totalCount", json_integer(total)) != 0)
		status = FW_NOMEM;
	return status;
}

enum fw_status fw_task_devices_list(struct fw_call *call)
{
	enum fw_status status = fw_entity_find(call, &fw_task_entity);

	if (status == FW_OK)
		status = fw_entity_list(call);
	return status == FW_OK ? count_devices(call) : status;
}

/* ---- Many devices at once */

static enum fw_status refuse_device(
	json_t *refused, const json_t *device, const char *code, const char *error)
{
	return json_array_append_new(refused,
		       json_pack("{s:O,s:s,s:s}", "deviceId", device, "error", error, "code",
			       code)) == 0
		? FW_OK
		: FW_NOMEM;
}

/* Runs the statement for a device: ?1 is the task, ?2 the device. FW_NOT_FOUND: no row changed. */
static enum fw_status change_device(struct fw_call *call, const char *sql, json_t *task_id,
	const json_t *device, int64_t *changed, json_t *refused)
{
	enum fw_status status =
		fw_admin_query(call->admin, sql, json_pack("[O,O]", task_id, device), NULL);

	if (status == FW_INVALID)
		return refuse_device(refused, device, "conflict", fw_admin_message(call->admin));
	if (status != FW_OK) {
		fw_error_set(&call->error, "%s", fw_admin_message(call->admin));
		return status;
	}
	if (fw_admin_changes(call->admin) == 0)
		return FW_NOT_FOUND;
	(*changed)++;
	return FW_OK;
}

/* Nothing was changed: is there no such row, or is it in another state? */
static enum fw_status refuse_unchanged(struct fw_call *call, const json_t *device, json_t *refused)
{
	json_t *row = NULL;
	enum fw_status status = fw_call_row(call,
		"SELECT 1 AS n FROM task_device WHERE task_id = ?1 AND device_id = ?2",
		json_pack("[O,O]", json_array_get(call->keys, 0), device), &row);

	json_decref(row);
	if (status == FW_OK)
		return refuse_device(refused, device, "conflict", call->info->action->refusal);
	if (status == FW_NOT_FOUND)
		return refuse_device(refused, device, "not_found",
			"this device is not in the task: see listTaskDevices");
	return status;
}

static enum fw_status answer_changes(struct fw_call *call, int64_t changed, json_t *refused)
{
	if (json_object_set(call->data, "taskId", json_array_get(call->keys, 0)) != 0 ||
		json_object_set_new(call->data, "changed", json_integer(changed)) != 0 ||
		json_object_set(call->data, "refused", refused) != 0)
		return FW_NOMEM;
	return FW_OK;
}

enum fw_status fw_task_devices_change(struct fw_call *call)
{
	const json_t *devices = fw_call_member(call, "devices");
	json_t *refused = json_array();
	int64_t changed = 0;
	enum fw_status status = refused ? fw_entity_find(call, &fw_task_entity) : FW_NOMEM;

	for (size_t i = 0; i < json_array_size(devices) && status == FW_OK; i++) {
		const json_t *device = json_array_get(devices, i);

		status = change_device(call, call->info->action->sql, json_array_get(call->keys, 0),
			device, &changed, refused);
		if (status == FW_NOT_FOUND)
			status = refuse_unchanged(call, device, refused);
	}
	if (status == FW_OK)
		status = answer_changes(call, changed, refused);
	json_decref(refused);
	return status;
}

/* ---- Adding */

/* Inserts the devices of a tag or a filter that are not in the task yet. */
static enum fw_status insert_found(struct fw_call *call, json_t *task_id, int64_t *changed)
{
	struct fw_text text = {0};
	enum fw_status status = FW_NOMEM;
	char *sql;

	fw_text_add(&text,
		"INSERT INTO task_device (task_id, device_id) SELECT t.task_id, d.device_id"
		" FROM task AS t CROSS JOIN firmware AS f ON f.firmware_id = t.firmware_id"
		" CROSS JOIN device AS d ON d.product_id = f.product_id"
		" WHERE t.task_id = ?1 AND NOT EXISTS (SELECT 1 FROM task_device AS r"
		" WHERE r.task_id = t.task_id AND r.device_id = d.device_id)");
	fw_chosen_add(&text, call);
	sql = fw_text_end(&text);
	if (sql)
		status = fw_call_query(call, sql, fw_chosen_args(call, task_id), NULL);
	free(sql);
	if (status == FW_OK)
		*changed = fw_admin_changes(call->admin);
	return status;
}

enum fw_status fw_chosen_insert(
	struct fw_call *call, json_t *task_id, int64_t *changed, json_t **refused)
{
	static const char insert[] = "INSERT INTO task_device (task_id, device_id) VALUES (?1, ?2)";
	const json_t *devices = fw_call_member(call, "devices");
	enum fw_status status = FW_OK;

	*changed = 0;
	*refused = json_array();
	if (!*refused)
		return FW_NOMEM;
	if (!devices)
		return insert_found(call, task_id, changed);
	for (size_t i = 0; i < json_array_size(devices) && status == FW_OK; i++)
		status = change_device(
			call, insert, task_id, json_array_get(devices, i), changed, *refused);
	return status;
}

enum fw_status fw_task_devices_add(struct fw_call *call)
{
	json_t *refused = NULL;
	int64_t changed = 0;
	enum fw_status status = fw_chosen_check(call);

	if (status == FW_OK && !fw_chosen_is_given(call))
		status = fw_call_refuse(
			call, "bad_request", "which ones? Give devices, a tag or a filter");
	if (status == FW_OK)
		status = fw_entity_find(call, &fw_task_entity);
	if (status == FW_OK)
		status = fw_chosen_insert(call, json_array_get(call->keys, 0), &changed, &refused);
	if (status == FW_OK)
		status = answer_changes(call, changed, refused);
	json_decref(refused);
	return status;
}
