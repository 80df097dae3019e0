/* Tasks: the columns that commands see, and what a preview counts. Statements are in task_create.c,
 * task_verbs.c, task_stages.c, task_views.c and task_device.c. */
#include "control/internal.h"
#include "control/member_rows.h"

#define STAGES                                                                                     \
	"(SELECT json_group_array(json_object('stage', b.stage, 'untilPercent', b.until_percent,"  \
	" 'untilCount', b.until_count, 'successPercent', b.success_percent, 'holdSeconds',"        \
	" b.hold_seconds, 'onSuccess', b.on_success, 'budget', b.budget, 'needed', b.needed))"     \
	" FROM (SELECT * FROM task_stage_budget AS b WHERE b.task_id = e.task_id ORDER BY "        \
	"b.stage)"                                                                                 \
	" AS b)"

const struct fw_command_member fw_stage_members[] = {
	{"stage", "stage", FW_MEMBER_INTEGER, FW_USE_ANSWER, 0, 0, 0, NULL, "its number"},
	{"untilPercent", "until_percent", FW_MEMBER_NUMBER, FW_USE_SET, 0, 0, 0, NULL,
		"until so many per cent of the devices have started"},
	{"untilCount", "until_count", FW_MEMBER_INTEGER, FW_USE_SET, 0, 0, 0, NULL,
		"or until so many devices have started"},
	{"successPercent", "success_percent", FW_MEMBER_INTEGER, FW_USE_SET, 0, 0, 0, NULL,
		"so many per cent of these must be proved"},
	{"holdSeconds", "hold_seconds", FW_MEMBER_INTEGER, FW_USE_SET, 0, 0, 0, NULL,
		"and must stay so for so long"},
	{"onSuccess", "on_success", FW_MEMBER_TEXT, FW_USE_SET, 0, 0, 0, NULL,
		"what follows: next or pause"},
	{"budget", "budget", FW_MEMBER_INTEGER, FW_USE_ANSWER, 0, 0, 0, NULL,
		"how many devices start"},
	{"needed", "needed", FW_MEMBER_INTEGER, FW_USE_ANSWER, 0, 0, 0, NULL,
		"how many must be proved"},
	{0},
};

#define OF_PRODUCT "(SELECT f.product_id FROM firmware AS f WHERE f.firmware_id = e.firmware_id)"

static const struct fw_command_member filter_members[] = {
	{"version", NULL, FW_MEMBER_TEXT, FW_USE_FILTER, 0, 0, 0, NULL, "devices that run it"},
	{"presence", NULL, FW_MEMBER_TEXT, FW_USE_FILTER, 0, 0, 0, NULL,
		"online, offline or unknown"},
	{0},
};

/* Which devices a command is for. */
#define CHOSEN(use)                                                                                \
	{"devices", NULL, FW_MEMBER_TEXTS, use, 0, 1, FW_COMMANDS_DEVICES_MAX, NULL,               \
		"these ones, by their ids"},                                                       \
		{"tag", NULL, FW_MEMBER_TEXT, use, 0, 0, 0, NULL, "those with this tag"},          \
	{                                                                                          \
		"filter", NULL, FW_MEMBER_RECORD, use, 0, 0, 0, filter_members,                    \
			"those that run a version, or are online"                                  \
	}

/* The firmware, when it is not named by its id. */
#define TARGET(use)                                                                                \
	{"productId", NULL, FW_MEMBER_TEXT, use, 0, 0, 0, NULL,                                    \
		"with version, instead of firmwareId"},                                            \
	{                                                                                          \
		"version", NULL, FW_MEMBER_TEXT, use, 0, 0, 0, NULL,                               \
			"with productId, instead of firmwareId"                                    \
	}

#define COLUMN(name, column, type, help)                                                           \
	{                                                                                          \
		name, column, type, FW_USE_SET, 0, 0, 0, NULL, help                                \
	}

const struct fw_command_member fw_task_members[] = {
	{"taskId", "task_id", TEXT, FW_USE_CREATE | FW_USE_NAMED, FW_USE_NAME, 0, 0, NULL,
		"made up when it is not given"},
	{"firmwareId", "firmware_id", TEXT, FW_USE_SET | FW_USE_FILTER, 0, 0, 0, NULL,
		"what its devices get"},
	TARGET(FW_USE_CREATE),
	SHOWN("productId", "s.product_id", TEXT, "of the firmware"),
	{"productId", OF_PRODUCT, TEXT, FW_USE_FILTER, 0, 0, 0, NULL, "of the firmware"},
	SHOWN("version", "s.version", TEXT, "of the firmware"),
	{"name", "name", TEXT, FW_USE_SET, FW_USE_CREATE, 0, 0, NULL, "for people"},
	{"mode", "mode", TEXT, FW_USE_SET, FW_USE_CREATE, 0, 0, NULL, "push or pull"},
	COLUMN("releaseType", "release_type", TEXT, "all, or part: the chosen ones"),
	CHOSEN(FW_USE_CREATE),
	COLUMN("responseTimeoutSeconds", "response_timeout_seconds", INTEGER,
		"without a sign of life for so long an attempt ends"),
	COLUMN("timeoutSeconds", "timeout_seconds", INTEGER, "for the whole upgrade"),
	COLUMN("description", "description", TEXT, "for people"),
	{"state", "state", TEXT, FW_USE_SET | FW_USE_FILTER, 0, 0, 0, NULL,
		"running, paused or stopped"},
	COLUMN("attemptLimit", "attempt_limit", INTEGER,
		"so many interrupted attempts in a row fail a device"),
	COLUMN("allowDowngrade", "allow_downgrade", BOOLEAN,
		"true: devices that run a newer version are taken back"),
	COLUMN("gate", "gate", TEXT, "what proves a device: version or complete"),
	COLUMN("stopFailedPercent", "stop_failed_percent", INTEGER,
		"so many per cent of failures pause the task"),
	COLUMN("stopFailedMin", "stop_failed_min", INTEGER, "of at least so many results"),
	COLUMN("stopFailedCount", "stop_failed_count", INTEGER, "so many failures pause the task"),
	COLUMN("stopWindow", "stop_window", INTEGER, "after so many results the stop counts anew"),
	COLUMN("ratePerMinute", "rate_per_minute", INTEGER, "so many devices start in a minute"),
	COLUMN("rateDoublesAfter", "rate_doubles_after", INTEGER,
		"the rate doubles after each so many proved devices"),
	COLUMN("maxInFlight", "max_in_flight", INTEGER, "so many devices are under way at once"),
	COLUMN("minOnlineSeconds", "min_online_seconds", INTEGER,
		"a device must be online for so long before a push"),
	COLUMN("startAt", "start_at", INTEGER, "nothing starts before it, Unix ms"),
	COLUMN("endAt", "end_at", INTEGER, "nothing starts after it, Unix ms"),
	COLUMN("endAction", "end_action", TEXT, "what the task does at endAt: pause or stop"),
	COLUMN("windowStart", "window_start", INTEGER,
		"minute of the day at which the window opens"),
	COLUMN("windowMinutes", "window_minutes", INTEGER, "how long the window is open"),
	COLUMN("windowDays", "window_days", INTEGER,
		"days on which the window opens; bit 0 is Monday"),
	COLUMN("windowClock", "window_clock", TEXT,
		"whose clock the window goes by: utc, broker or device"),
	COLUMN("retryLimit", "retry_limit", INTEGER, "so many automatic retries of a device"),
	COLUMN("retrySeconds", "retry_seconds", INTEGER,
		"until the first retry; twice as long each time"),
	COLUMN("retryOn", "retry_on", TEXT, "which failures are retried: transient or any"),
	COLUMN("deferSeconds", "defer_seconds", INTEGER, "for how long a device may put it off"),
	COLUMN("trialSeconds", "trial_seconds", INTEGER,
		"how long a device is on trial after its success"),
	COLUMN("lostSeconds", "lost_seconds", INTEGER,
		"a device that is away for so long after its start is lost"),
	COLUMN("supersede", "supersede", BOOLEAN, "true: cancels what waits in older tasks"),
	COLUMN("continuous", "continuous", BOOLEAN, "true: devices that come later get a row"),
	COLUMN("stage", "stage", INTEGER, "the current one; may be raised"),
	COLUMN("pausedReason", "paused_reason", TEXT, "why it was paused"),
	COLUMN("pausedAt", "paused_at", INTEGER, "Unix ms; set by the catalog"),
	COLUMN("createdAt", "created_at", INTEGER, "Unix ms; older tasks go first"),
	COLUMN("position", "position", INTEGER, "among tasks of one moment; set by the catalog"),
	{"stages", STAGES, FW_MEMBER_OBJECTS, FW_USE_SET, 0, 1, 100, fw_stage_members,
		"in their order; they replace those that have not begun"},
	SHOWN("total", "s.total", INTEGER, "devices"),
	SHOWN("waiting", "s.waiting", INTEGER, "of them"),
	SHOWN("offline", "s.offline", INTEGER, "of the waiting ones: not online, as far as known"),
	SHOWN("processing", "s.processing", INTEGER, "of them"),
	SHOWN("success", "s.success", INTEGER, "of them"),
	SHOWN("failed", "s.failed", INTEGER, "of them"),
	SHOWN("retrying", "(SELECT c.retrying FROM task_count AS c WHERE c.task_id = e.task_id)",
		INTEGER, "of the failed ones: will be retried by the plugin"),
	SHOWN("canceled", "s.canceled", INTEGER, "of them"),
	SHOWN("percent", "s.percent", INTEGER, "success and failed, per cent of total"),
	SHOWN("started", "s.started", INTEGER, "of them"),
	SHOWN("proved", "s.proved", INTEGER, "of these"),
	SHOWN("bad", "s.bad", INTEGER, "of these"),
	SHOWN("perMinute", "s.per_minute", FW_MEMBER_NUMBER,
		"how many devices ended in a minute, an average of ten"),
	SHOWN("waitsFor", "p.waits_for", TEXT, "what all of its devices wait for"),
	SHOWN("nextAt", "p.next_at", INTEGER, "when that may be over, Unix ms"),
	SHOWN("windowOpen", "p.window_open", BOOLEAN, "its window is open now"),
	SHOWN("changed", NULL, INTEGER, "of retryTask: how many devices wait again"),
	{0},
};

const struct fw_entity fw_task_entity = {
	.table = "task",
	.noun = "task",
	.from = "task AS e CROSS JOIN task_summary AS s ON s.task_id = e.task_id"
		" CROSS JOIN task_plan AS p ON p.task_id = e.task_id",
	.members = fw_task_members,
	.keys = {"task_id"},
	.order = {"position"},
	.descending = true,
	.counts = true,
};

const struct fw_command_member fw_preview_members[] = {
	{"firmwareId", NULL, TEXT, FW_USE_FILTER, 0, 0, 0, NULL, "what its devices would get"},
	TARGET(FW_USE_FILTER),
	CHOSEN(FW_USE_FILTER),
	SHOWN("firmwareId", "f.firmware_id", TEXT, "what they would get"),
	SHOWN("productId", "f.product_id", TEXT, "of the firmware"),
	SHOWN("version", "f.version", TEXT, "of the firmware"),
	SHOWN("state", "f.state", TEXT, "of the firmware"),
	SHOWN("devices", "count(d.device_id)", INTEGER, "how many"),
	SHOWN("alreadyRunning", "count(*) FILTER (WHERE d.version = f.version)", INTEGER,
		"of them, so that there is nothing to do"),
	SHOWN("newer",
		"count(*) FILTER (WHERE d.version IN (SELECT n.version FROM firmware AS n"
		" WHERE n.product_id = f.product_id AND n.version_order > f.version_order))",
		INTEGER, "of them run a newer one, and are left alone without allowDowngrade"),
	SHOWN("online", "count(*) FILTER (WHERE d.presence = 'online')", INTEGER, "of them"),
	SHOWN("offline", "count(*) FILTER (WHERE d.presence = 'offline')", INTEGER, "of them"),
	SHOWN("notSeen",
		"count(d.device_id) FILTER (WHERE coalesce(d.last_seen_at, 0)"
		" < (SELECT ms FROM now) - 2592000000)",
		INTEGER, "of them, for 30 days or ever"),
	SHOWN("unknown", NULL, INTEGER, "of the ids that are given: no such device"),
	{0},
};

const struct fw_command_member fw_pause_members[] = {
	{"taskId", "task_id", TEXT, FW_USE_NAMED, FW_USE_NAME, 0, 0, NULL, "which task"},
	{"pausedReason", NULL, TEXT, FW_USE_NAME, 0, 0, 0, NULL, "why, for people"},
	{0},
};

static const struct fw_command_member refused_members[] = {
	SHOWN("deviceId", NULL, TEXT, "which device"),
	SHOWN("error", NULL, TEXT, "why not"),
	SHOWN("code", NULL, TEXT, "conflict or not_found"),
	{0},
};

const struct fw_command_member fw_changed_members[] = {
	{"taskId", NULL, TEXT, FW_USE_NAMED, FW_USE_NAME, 0, 0, NULL, "which task"},
	CHOSEN(FW_USE_CREATE),
	{"devices", NULL, FW_MEMBER_TEXTS, FW_USE_MODIFY, FW_USE_MODIFY, 1, FW_COMMANDS_DEVICES_MAX,
		NULL, "which ones, by their ids"},
	SHOWN("changed", NULL, INTEGER, "how many it was done for"),
	{"refused", NULL, FW_MEMBER_OBJECTS, FW_USE_ANSWER, 0, 0, 0, refused_members,
		"for the others the reason"},
	{0},
};
