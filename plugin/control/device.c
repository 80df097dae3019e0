/* Devices: their columns and tags, and what happened to one. */
#include <stdio.h>
#include <stdlib.h>

#include "control/body.h"
#include "control/internal.h"

#define TAGS                                                                                       \
	"(SELECT json_group_array(g.tag) FROM device_tag AS g"                                     \
	" WHERE g.product_id = e.product_id AND g.device_id = e.device_id)"

const struct fw_command_member fw_device_members[] = {
	{"productId", "product_id", FW_MEMBER_TEXT, FW_USE_CREATE | FW_USE_FILTER | FW_USE_NAMED,
		FW_USE_CREATE | FW_USE_NAME, 0, 0, NULL, "the first level of its topics"},
	{"deviceId", "device_id", FW_MEMBER_TEXT, FW_USE_CREATE | FW_USE_NAMED,
		FW_USE_CREATE | FW_USE_NAME, 0, 0, NULL, "the second level of its topics"},
	{"name", "name", FW_MEMBER_TEXT, FW_USE_SET, 0, 0, 0, NULL, "for people"},
	{"version", "version", FW_MEMBER_TEXT, FW_USE_SET | FW_USE_FILTER, 0, 0, 0, NULL,
		"what it runs, as it last said"},
	{"versionAt", "version_at", FW_MEMBER_INTEGER, FW_USE_ANSWER, 0, 0, 0, NULL,
		"when it said so, Unix ms"},
	{"presence", "presence", FW_MEMBER_TEXT, FW_USE_SET, 0, 0, 0, NULL,
		"online, offline or null (unknown)"},
	{"presence", "coalesce(e.presence, 'unknown') = ?", FW_MEMBER_TEXT, FW_USE_FILTER, 0, 0, 0,
		NULL, "online, offline or unknown"},
	{"lastSeenAt", "last_seen_at", FW_MEMBER_INTEGER, FW_USE_SET, 0, 0, 0, NULL,
		"last sign of life, Unix ms"},
	{"utcOffsetMinutes", "utc_offset_minutes", FW_MEMBER_INTEGER, FW_USE_SET, 0, 0, 0, NULL,
		"its own zone"},
	{"tags", TAGS, FW_MEMBER_TEXTS, FW_USE_SET, 0, 0, 100, NULL,
		"for choosing devices; given, they replace those that it has"},
	{"tag",
		"EXISTS (SELECT 1 FROM device_tag AS g WHERE g.product_id = e.product_id"
		" AND g.device_id = e.device_id AND g.tag = ?)",
		FW_MEMBER_TEXT, FW_USE_FILTER, 0, 0, 0, NULL, "devices that have it"},
	{"text", "instr(lower(e.device_id || char(10) || e.name), lower(?)) > 0", FW_MEMBER_TEXT,
		FW_USE_FILTER, 0, 0, 0, NULL, "part of its id or name"},
	{0},
};

const struct fw_entity fw_device_entity = {
	.table = "device",
	.noun = "device",
	.from = "device AS e",
	.members = fw_device_members,
	.keys = {"product_id", "device_id"},
};

enum fw_status fw_device_tags(struct fw_call *call)
{
	const json_t *tags = fw_call_member(call, "tags");
	json_t *args;
	enum fw_status status;

	if (!tags)
		return FW_OK;
	args = json_copy(call->keys);
	if (json_array_append(args, (json_t *)tags) != 0) {
		json_decref(args);
		return FW_NOMEM;
	}
	status = fw_call_query(call,
		"DELETE FROM device_tag WHERE product_id = ?1 AND device_id = ?2"
		" AND tag NOT IN (SELECT value FROM json_each(?3))",
		json_incref(args), NULL);
	if (status == FW_OK)
		status = fw_call_query(call,
			"INSERT INTO device_tag (product_id, device_id, tag)"
			" SELECT ?1, ?2, value FROM json_each(?3) WHERE value NOT IN ("
			"SELECT tag FROM device_tag WHERE product_id = ?1 AND device_id = ?2)"
			" GROUP BY value",
			json_incref(args), NULL);
	json_decref(args);
	return status;
}

const struct fw_command_member fw_history_members[] = {
	{"productId", NULL, FW_MEMBER_TEXT, FW_USE_FILTER, FW_USE_FILTER, 0, 0, NULL,
		"its product"},
	{"deviceId", NULL, FW_MEMBER_TEXT, FW_USE_FILTER, FW_USE_FILTER, 0, 0, NULL,
		"whose history"},
	{"at", "at", FW_MEMBER_INTEGER, FW_USE_ANSWER, 0, 0, 0, NULL, "Unix ms"},
	{"what", "what", FW_MEMBER_TEXT, FW_USE_ANSWER, 0, 0, 0, NULL, "version, progress or task"},
	{"taskId", "task_id", FW_MEMBER_TEXT, FW_USE_ANSWER, 0, 0, 0, NULL, "of which task"},
	{"firmwareId", "firmware_id", FW_MEMBER_TEXT, FW_USE_ANSWER, 0, 0, 0, NULL,
		"of which firmware"},
	{"version", "version", FW_MEMBER_TEXT, FW_USE_ANSWER, 0, 0, 0, NULL,
		"that it reported, or was to get"},
	{"progress", "progress", FW_MEMBER_INTEGER, FW_USE_ANSWER, 0, 0, 0, NULL, "per cent"},
	{"state", "state", FW_MEMBER_TEXT, FW_USE_ANSWER, 0, 0, 0, NULL, "that was reached"},
	{"detail", "detail", FW_MEMBER_TEXT, FW_USE_ANSWER, 0, 0, 0, NULL, "for people"},
	{0},
};

/* Items of one moment have no order of their own. So `after` is [at, told]: the moment of the last
 * item, and how many items of that moment were answered. */
static enum fw_status read_after(struct fw_call *call, int64_t *at, int64_t *told)
{
	const char *after = fw_call_text(call, "after");
	json_t *value = after ? fw_body_parse(fw_slice_of(after), NULL) : NULL;
	json_t *moment = json_array_get(value, 0), *count = json_array_get(value, 1);
	bool good = !after || (json_is_integer(moment) && json_is_integer(count));

	*at = after && good ? json_integer_value(moment) : INT64_MAX;
	*told = after && good ? json_integer_value(count) : 0;
	json_decref(value);
	return good
		? FW_OK
		: fw_call_refuse(call, "bad_request", "after must be the next of the page before");
}

/* Of the moment `at`, `told` items were on the pages before. */
static enum fw_status make_history(
	struct fw_call *call, json_t *rows, size_t count, int64_t at, int64_t told)
{
	bool has_more = json_array_size(rows) > count;
	json_t *next = json_null();
	int64_t last, same = 0;
	char text[64];

	if (has_more) {
		json_array_remove(rows, count);
		last = json_integer_value(json_object_get(json_array_get(rows, count - 1), "at"));
		for (size_t i = 0; i < count; i++)
			same += json_integer_value(
					json_object_get(json_array_get(rows, i), "at")) == last;
		snprintf(text, sizeof(text), "[%lld,%lld]", (long long)last,
			(long long)(same + (last == at ? told : 0)));
		next = json_string(text);
	}
	if (json_object_set_new(call->data, "next", next) != 0)
		return FW_NOMEM;
	return json_object_set(call->data, "items", rows) == 0 ? FW_OK : FW_NOMEM;
}

enum fw_status fw_device_history(struct fw_call *call)
{
	const json_t *wanted = fw_call_member(call, "count");
	int64_t count = wanted ? json_integer_value(wanted) : FW_COMMANDS_COUNT;
	struct fw_text text = {0};
	int64_t at, told;
	json_t *rows = NULL;
	enum fw_status status = read_after(call, &at, &told);
	char *sql;

	if (status == FW_OK)
		status = fw_entity_find(call, &fw_device_entity);
	if (status != FW_OK)
		return status;
	fw_text_add(&text, "SELECT ");
	fw_entity_add_columns(&text, fw_history_members);
	fw_text_add(&text,
		" FROM device_history AS e WHERE product_id = ?1 AND device_id = ?2"
		" AND at <= ?3 ORDER BY at DESC LIMIT ?4 OFFSET ?5");
	sql = fw_text_end(&text);
	status = sql ? fw_call_query(call, sql,
			       json_pack("[O,O,I,I,I]", json_array_get(call->keys, 0),
				       json_array_get(call->keys, 1), (json_int_t)at,
				       (json_int_t)count + 1, (json_int_t)told),
			       &rows)
		     : FW_NOMEM;
	free(sql);
	if (status == FW_OK)
		status = make_history(call, rows, (size_t)count, at, told);
	json_decref(rows);
	return status;
}
