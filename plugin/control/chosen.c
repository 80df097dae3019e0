/* Which devices a command is for: those of a list of ids, of a tag, or of a filter. */
#include "control/internal.h"

bool fw_chosen_is_given(const struct fw_call *call)
{
	return fw_call_member(call, "devices") || fw_call_member(call, "tag") ||
		fw_call_member(call, "filter");
}

enum fw_status fw_chosen_check(struct fw_call *call)
{
	const json_t *filter = fw_call_member(call, "filter");
	int ways = (fw_call_member(call, "devices") != NULL) +
		(fw_call_member(call, "tag") != NULL) + (filter != NULL);

	if (ways > 1)
		return fw_call_refuse(call, "bad_request",
			"devices, tag and filter cannot be given together: choose one of them");
	if (filter && json_object_size(filter) == 0)
		return fw_call_refuse(call, "bad_request",
			"filter is empty: give a version, a presence, or both");
	return FW_OK;
}

void fw_chosen_add(struct fw_text *sql, const struct fw_call *call)
{
	const json_t *filter = fw_call_member(call, "filter");

	if (fw_call_member(call, "devices"))
		fw_text_add(sql, " AND d.device_id IN (SELECT value FROM json_each(?2))");
	if (fw_call_member(call, "tag"))
		fw_text_add(sql,
			" AND d.device_id IN (SELECT g.device_id FROM device_tag AS g"
			" WHERE g.product_id = f.product_id AND g.tag = ?3)");
	if (json_object_get(filter, "version"))
		fw_text_add(sql, " AND d.version = ?4");
	if (json_object_get(filter, "presence"))
		fw_text_add(sql, " AND coalesce(d.presence, 'unknown') = ?5");
}

json_t *fw_chosen_args(const struct fw_call *call, json_t *first)
{
	const json_t *filter = fw_call_member(call, "filter");
	const json_t *values[] = {first, fw_call_member(call, "devices"),
		fw_call_member(call, "tag"), json_object_get(filter, "version"),
		json_object_get(filter, "presence")};
	json_t *args = json_array();

	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		if (json_array_append(args, values[i] ? (json_t *)values[i] : json_null()) != 0) {
			json_decref(args);
			return NULL;
		}
	}
	return args;
}
