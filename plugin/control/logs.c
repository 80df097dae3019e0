/* The logs of tasks and of the control plane, downloads, and devices that fell silent. */
#include "control/internal.h"
#include "control/member_rows.h"

const struct fw_command_member fw_task_log_members[] = {
	SHOWN("logId", "log_id", INTEGER, "rises"),
	SHOWN("at", "at", INTEGER, "Unix ms"),
	FILTERED("taskId", "task_id", TEXT, "of which task; without it of all"),
	FILTERED("what", "what", TEXT,
		"created, paused, resumed, stopped, continued, stage or ended"),
	SHOWN("detail", "detail", TEXT, "for people"),
	FILTERED("who", "who", TEXT, "operator or plugin"),
	{0},
};

const struct fw_entity fw_task_log_entity = {
	.table = "task_log",
	.noun = "line",
	.from = "task_log AS e",
	.members = fw_task_log_members,
	.keys = {"log_id"},
	.descending = true,
};

const struct fw_command_member fw_admin_log_members[] = {
	SHOWN("logId", "log_id", INTEGER, "rises"),
	SHOWN("at", "at", INTEGER, "Unix ms"),
	FILTERED("who", "who", TEXT, "user name"),
	SHOWN("from", "from_", TEXT, "the face, and the client or address"),
	SHOWN("command", "command", TEXT, "its name"),
	FILTERED("subject", "subject", TEXT, "the id that it was about"),
	SHOWN("outcome", "outcome", TEXT, "ok, or the code and the sentence of the error"),
	{0},
};

const struct fw_entity fw_admin_log_entity = {
	.table = "admin_log",
	.noun = "line",
	.from = "admin_log AS e",
	.members = fw_admin_log_members,
	.keys = {"log_id"},
	.descending = true,
};

const struct fw_command_member fw_download_members[] = {
	FILTERED("productId", "product_id", TEXT, "whose firmware"),
	FILTERED("deviceId", "device_id", TEXT, "empty: all who did not say who they are"),
	FILTERED("firmwareId", "firmware_id", TEXT, "what is downloaded"),
	{"active", "(e.completed_at IS NULL) = ?", FW_MEMBER_BOOLEAN, FW_USE_FILTER, 0, 0, 0, NULL,
		"true: those that are not complete"},
	SHOWN("firstByteAt", "first_byte_at", INTEGER, "Unix ms"),
	SHOWN("lastByteAt", "last_byte_at", INTEGER, "Unix ms"),
	SHOWN("bytes", "bytes", INTEGER, "sent in all, again ones included"),
	SHOWN("reached", "coalesce(r.covered, e.reached)", INTEGER, "bytes that were sent once"),
	SHOWN("total", "total", INTEGER, "bytes of the file"),
	SHOWN("percent", "100 * coalesce(r.covered, e.reached) / nullif(e.total, 0)", INTEGER,
		"of the file"),
	SHOWN("requests", "requests", INTEGER, "HTTP requests or chunks"),
	SHOWN("completedAt", "completed_at", INTEGER, "Unix ms"),
	{0},
};

const struct fw_entity fw_download_entity = {
	.table = "download",
	.noun = "download",
	.from = "download AS e LEFT JOIN download_range AS r ON r.product_id = e.product_id"
		" AND r.device_id = e.device_id AND r.firmware_id = e.firmware_id",
	.members = fw_download_members,
	.keys = {"product_id", "device_id", "firmware_id"},
};

#define LAST_SIGN                                                                                  \
	"max(coalesce(d.last_seen_at, 0), coalesce(e.responded_at, 0), coalesce(e.pushed_at, 0))"

#define QUIET(at) "coalesce(" at ", 0) < (SELECT ms FROM now) - 60000 * ?"

const struct fw_command_member fw_stuck_members[] = {
	/* one condition after the other: a device that was pushed a moment ago is not looked up */
	{"minutes",
		QUIET("e.pushed_at") " AND " QUIET("e.responded_at") " AND " QUIET(
			"d.last_seen_at"),
		INTEGER, FW_USE_FILTER, 0, 0, 525600, NULL, "without a sign, 30 without it"},
	FILTERED("taskId", "task_id", TEXT, "of which task"),
	FILTERED("productId", "f.product_id", TEXT, "of which product"),
	SHOWN("deviceId", "device_id", TEXT, "which device"),
	SHOWN("taskName", "t.name", TEXT, "for people"),
	SHOWN("progress", "r.progress", INTEGER, "per cent"),
	SHOWN("presence", "d.presence", TEXT, "online, offline or null (unknown)"),
	SHOWN("attempts", "r.attempts", INTEGER, "how often it was pushed or answered"),
	SHOWN("pushedAt", "pushed_at", INTEGER, "Unix ms"),
	SHOWN("lastSignAt", LAST_SIGN, INTEGER, "Unix ms"),
	{0},
};

const struct fw_entity fw_stuck_entity = {
	.table = "task_device",
	.noun = "device",
	/* A row that is under way has its next timeout in due_at. The index by due_at holds all
	 * columns of `e`, so that most of a million rows are passed over without being read. */
	.from = "(SELECT task_id, device_id, due_at, pushed_at, responded_at FROM task_device"
		" WHERE due_at IS NOT NULL) AS e"
		" CROSS JOIN task_device AS r ON r.task_id = e.task_id"
		" AND r.device_id = e.device_id"
		" CROSS JOIN task AS t ON t.task_id = e.task_id"
		" CROSS JOIN firmware AS f ON f.firmware_id = t.firmware_id"
		" CROSS JOIN device AS d ON d.product_id = f.product_id"
		" AND d.device_id = e.device_id",
	.members = fw_stuck_members,
	.keys = {"task_id", "device_id"},
	/* as the index, so that nothing is sorted */
	.order = {"due_at", "task_id", "device_id"},
};

enum fw_status fw_stuck_list(struct fw_call *call)
{
	const json_t *given = call->args;
	json_t *args = json_copy((json_t *)given);
	enum fw_status status = FW_NOMEM;

	if (args &&
		(json_object_get(args, "minutes") ||
			json_object_set_new(args, "minutes", json_integer(30)) == 0)) {
		call->args = args;
		status = fw_entity_list(call);
		call->args = given;
	}
	json_decref(args);
	return status;
}
