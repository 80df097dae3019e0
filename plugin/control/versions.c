/* Which versions the devices of a product run. Triggers keep the counts, so that no command reads a
 * million rows for them. */
#include "control/internal.h"

#define VERSIONS_MAX 200

const struct fw_command_member fw_versions_members[] = {
	{"productId", NULL, FW_MEMBER_TEXT, FW_USE_FILTER, FW_USE_FILTER, 0, 0, NULL,
		"of which product"},
	{"version", NULL, FW_MEMBER_TEXT, FW_USE_ANSWER, 0, 0, 0, NULL, "null: never told"},
	{"versionOrder", NULL, FW_MEMBER_INTEGER, FW_USE_ANSWER, 0, 0, 0, NULL,
		"of the firmware; null: there is none of this version"},
	{"devices", NULL, FW_MEMBER_INTEGER, FW_USE_ANSWER, 0, 0, 0, NULL, "that run it"},
	{"online", NULL, FW_MEMBER_INTEGER, FW_USE_ANSWER, 0, 0, 0, NULL, "of them"},
	{0},
};

static const char sql[] =
	"SELECT nullif(v.version, '') AS version, f.version_order AS \"versionOrder\", v.devices,"
	" v.online FROM device_count AS v"
	" LEFT JOIN firmware AS f ON f.product_id = v.product_id AND f.version = v.version"
	" WHERE v.product_id = ?1 ORDER BY v.devices DESC, v.version LIMIT ?2";

enum fw_status fw_product_versions(struct fw_call *call)
{
	json_t *rows = NULL;
	enum fw_status status = fw_entity_find(call, &fw_product_entity);

	if (status != FW_OK)
		return status;
	status = fw_call_query(
		call, sql, json_pack("[O,i]", json_array_get(call->keys, 0), VERSIONS_MAX), &rows);
	if (status == FW_OK && json_object_set(call->data, "items", rows) != 0)
		status = FW_NOMEM;
	json_decref(rows);
	return status;
}
