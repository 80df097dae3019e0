/* Creates a task, and previews one: which firmware it brings, and to which devices.
 *
 * Without devices, tag and filter a task is for all devices. Devices that are chosen must exist: a
 * typing mistake is refused, and does not become a task for the whole fleet. */
#include <stdlib.h>
#include <string.h>

#include "control/internal.h"

/* ---- Which firmware */

static enum fw_status look_up_target(struct fw_call *call, json_t **row)
{
	const char *product = fw_call_text(call, "productId");
	const char *version = fw_call_text(call, "version");
	enum fw_status status;

	status = fw_call_row(call,
		"SELECT firmware_id AS \"firmwareId\" FROM firmware"
		" WHERE product_id = ?1 AND version = ?2",
		json_pack("[s,s]", product, version), row);
	if (status == FW_NOT_FOUND)
		return fw_call_refuse(call, "not_found",
			"product '%.64s' has no firmware of version '%.200s'", product, version);
	return status;
}

/* Makes *args, a copy of the call's arguments that has a firmwareId, owned by the caller. */
static enum fw_status name_target(struct fw_call *call, json_t **args)
{
	bool by_version = fw_call_member(call, "productId") || fw_call_member(call, "version");
	json_t *row = NULL;
	enum fw_status status;

	*args = json_copy((json_t *)call->args);
	if (!*args)
		return FW_NOMEM;
	if (fw_call_text(call, "firmwareId") && !by_version)
		return FW_OK;
	if (fw_call_text(call, "firmwareId") || !fw_call_text(call, "productId") ||
		!fw_call_text(call, "version"))
		return fw_call_refuse(call, "bad_request",
			"give either firmwareId, or productId and version of the firmware");
	status = look_up_target(call, &row);
	if (status == FW_OK && json_object_update(*args, row) != 0)
		status = FW_NOMEM;
	json_decref(row);
	return status;
}

/* ---- Create */

static enum fw_status choose_part(struct fw_call *call, json_t *args)
{
	const char *type = fw_call_text(call, "releaseType");

	if (!fw_chosen_is_given(call))
		return FW_OK;
	if (type && strcmp(type, "all") == 0)
		return fw_call_refuse(call, "bad_request",
			"releaseType is all, yet devices are chosen: leave one of them out");
	return type || json_object_set_new(args, "releaseType", json_string("part")) == 0
		? FW_OK
		: FW_NOMEM;
}

static enum fw_status add_chosen(struct fw_call *call)
{
	json_t *refused = NULL, *task_id = json_array_get(call->keys, 0);
	int64_t changed = 0;
	enum fw_status status = fw_chosen_insert(call, task_id, &changed, &refused);
	const json_t *first = json_array_get(refused, 0);

	if (status == FW_OK && first)
		status = fw_call_refuse(call, "conflict", "device '%.64s': %s",
			json_string_value(json_object_get(first, "deviceId")),
			json_string_value(json_object_get(first, "error")));
	else if (status == FW_OK && !changed)
		status = fw_call_refuse(call, "not_found",
			"no device of the product is chosen by this: nothing was made");
	json_decref(refused);
	return status;
}

static enum fw_status create(struct fw_call *call)
{
	enum fw_status status = fw_entity_insert(call, &fw_task_entity);

	if (status == FW_OK && fw_chosen_is_given(call))
		status = add_chosen(call);
	if (status == FW_OK)
		status = fw_task_stages(call);
	return status == FW_OK ? fw_entity_read(call, &fw_task_entity) : status;
}

enum fw_status fw_task_create(struct fw_call *call)
{
	json_t *args = NULL;
	enum fw_status status = fw_chosen_check(call);

	if (status == FW_OK)
		status = name_target(call, &args);
	if (status == FW_OK)
		status = choose_part(call, args);
	if (status == FW_OK) {
		const json_t *given = call->args;

		call->args = args;
		status = create(call);
		call->args = given;
	}
	json_decref(args);
	return status;
}

/* ---- Preview */

static enum fw_status read_preview(struct fw_call *call, json_t *firmware_id)
{
	struct fw_text text = {0};
	enum fw_status status = FW_NOMEM;
	json_t *row = NULL;
	char *sql;

	fw_text_add(&text, "SELECT ");
	fw_entity_add_columns(&text, fw_preview_members);
	fw_text_add(&text,
		" FROM firmware AS f LEFT JOIN device AS d"
		" ON d.product_id = f.product_id");
	fw_chosen_add(&text, call);
	fw_text_add(&text, " WHERE f.firmware_id = ?1 GROUP BY f.firmware_id");
	sql = fw_text_end(&text);
	if (sql)
		status = fw_call_row(call, sql, fw_chosen_args(call, firmware_id), &row);
	free(sql);
	if (status == FW_NOT_FOUND)
		return fw_call_refuse(call, "not_found", "no such firmware: '%.64s'",
			json_string_value(firmware_id));
	if (status != FW_OK)
		return status;
	json_decref(call->data);
	call->data = row;
	return FW_OK;
}

/* Counts the ids that are no device of the product. An id that is given twice counts once. */
static enum fw_status count_unknown(struct fw_call *call)
{
	const json_t *devices = fw_call_member(call, "devices");
	json_t *row = NULL;
	json_int_t ids;
	enum fw_status status =
		fw_call_row(call, "SELECT count(DISTINCT value) AS n FROM json_each(?1)",
			json_pack("[O]", devices ? devices : json_null()), &row);

	if (status != FW_OK)
		return status;
	ids = json_integer_value(json_object_get(row, "n"));
	json_decref(row);
	ids -= devices ? json_integer_value(json_object_get(call->data, "devices")) : ids;
	return json_object_set_new(call->data, "unknown", json_integer(ids)) == 0 ? FW_OK
										  : FW_NOMEM;
}

enum fw_status fw_task_preview(struct fw_call *call)
{
	json_t *args = NULL;
	enum fw_status status = fw_chosen_check(call);

	if (status == FW_OK)
		status = name_target(call, &args);
	if (status == FW_OK)
		status = read_preview(call, json_object_get(args, "firmwareId"));
	if (status == FW_OK)
		status = count_unknown(call);
	json_decref(args);
	return status;
}
