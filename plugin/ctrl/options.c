/* The options of the sub-commands: the members of the commands, and how people write them. */
#include "ctrl/table.h"

#define TEXT FW_CTRL_TEXT
#define INTEGER FW_CTRL_INTEGER
#define FLAG FW_CTRL_FLAG
#define TEXTS FW_CTRL_TEXTS
#define JSON FW_CTRL_JSON
#define STAGES FW_CTRL_STAGES
#define SECONDS FW_CTRL_SECONDS
#define MINUTES FW_CTRL_MINUTES
#define CLOCK FW_CTRL_CLOCK
#define DAYS FW_CTRL_DAYS
#define TIME FW_CTRL_TIME

#define CREATE FW_CTRL_CREATE
#define MODIFY FW_CTRL_MODIFY
#define NAME FW_CTRL_NAME
#define LIST FW_CTRL_LIST
#define SET (CREATE | MODIFY)

const struct fw_ctrl_option fw_ctrl_product_options[] = {
	{"productId", TEXT, CREATE | NAME, "the first level of the topics"},
	{"name", TEXT, SET, "for people"},
	{"firmwareEnabled", FLAG, SET | LIST, "pulls are answered, and tasks push"},
	{"pullPolicy", TEXT, SET, "latest, stepwise or task"},
	{"publicKey", TEXT, SET, "PEM, for signatures of firmware"},
	{0},
};

const struct fw_ctrl_option fw_ctrl_firmware_options[] = {
	{"firmwareId", TEXT, CREATE | NAME, "made up when it is not given"},
	{"productId", TEXT, SET | LIST, "whose firmware it is"},
	{"name", TEXT, SET, "for people"},
	{"version", TEXT, SET | LIST, "what a device that runs it reports"},
	{"versionOrder", INTEGER, SET, "newer firmware has the higher number"},
	{"signMethod", TEXT, SET, "how sign was made"},
	{"sign", TEXT, SET, "digest or signature"},
	{"url", TEXT, SET, "where devices download"},
	{"size", INTEGER, SET, "bytes"},
	{"file", TEXT, SET | LIST,
		"name in files_dir; without it the firmware is hosted elsewhere"},
	{"parameters", JSON, SET, "JSON, told to devices as it is"},
	{"description", TEXT, SET, "for people"},
	{"state", TEXT, SET | LIST, "pending (verifies it again), ready, rejected (withdraws it)"},
	{"stateReason", TEXT, SET, "why it is not ready"},
	{"byTaskOnly", FLAG, SET, "only tasks hand it out"},
	{"minVersionOrder", INTEGER, SET, "only for devices that run at least this order"},
	{0},
};

const struct fw_ctrl_option fw_ctrl_device_options[] = {
	{"productId", TEXT, CREATE | NAME | LIST, "the first level of its topics"},
	{"deviceId", TEXT, CREATE | NAME, "the second level of its topics"},
	{"name", TEXT, SET, "for people"},
	{"version", TEXT, SET | LIST, "what it runs, as it last said"},
	{"presence", TEXT, SET, "online or offline; --no-presence: unknown"},
	{"presence", TEXT, LIST, "online, offline or unknown"},
	{"lastSeenAt", TIME, SET, "last sign of life"},
	{"utcOffsetMinutes", INTEGER, SET, "its own zone, minutes east of UTC"},
	{"tags", TEXTS, SET, "for choosing devices; they replace those that it has"},
	{"tag", TEXT, LIST, "devices that have it"},
	{"text", TEXT, LIST, "part of its id or name"},
	{0},
};

const struct fw_ctrl_option fw_ctrl_history_options[] = {
	{"productId", TEXT, LIST, "its product"},
	{"deviceId", TEXT, LIST, "whose history"},
	{0},
};

const struct fw_ctrl_option fw_ctrl_file_options[] = {
	{"file", TEXT, NAME, "its name in files_dir"},
	{0},
};

const struct fw_ctrl_option fw_ctrl_task_options[] = {
	{"taskId", TEXT, CREATE | NAME, "made up when it is not given"},
	{"firmwareId", TEXT, SET | LIST, "what its devices get"},
	{"productId", TEXT, CREATE, "with version, instead of firmwareId"},
	{"version", TEXT, CREATE, "with productId, instead of firmwareId"},
	{"productId", TEXT, LIST, "of the firmware"},
	{"name", TEXT, SET, "for people"},
	{"mode", TEXT, SET, "push or pull"},
	{"releaseType", TEXT, SET, "all, or part: the chosen ones"},
	{"devices", TEXTS, CREATE, "these ones, by their ids"},
	{"tag", TEXT, CREATE, "those with this tag"},
	{"filter.version", TEXT, CREATE, "devices that run it"},
	{"filter.presence", TEXT, CREATE, "online, offline or unknown"},
	{"responseTimeoutSeconds", SECONDS, SET,
		"without a sign of life for so long an attempt ends"},
	{"timeoutSeconds", SECONDS, SET, "for the whole upgrade"},
	{"description", TEXT, SET, "for people"},
	{"state", TEXT, SET | LIST, "running, paused or stopped"},
	{"attemptLimit", INTEGER, SET, "so many interrupted attempts in a row fail a device"},
	{"allowDowngrade", FLAG, SET, "devices that run a newer version are taken back"},
	{"gate", TEXT, SET, "what proves a device: version or complete"},
	{"stopFailedPercent", INTEGER, SET, "so many per cent of failures pause the task"},
	{"stopFailedMin", INTEGER, SET, "of at least so many results"},
	{"stopFailedCount", INTEGER, SET, "so many failures pause the task"},
	{"stopWindow", INTEGER, SET, "after so many results the stop counts anew"},
	{"ratePerMinute", INTEGER, SET, "so many devices start in a minute"},
	{"rateDoublesAfter", INTEGER, SET, "the rate doubles after each so many proved devices"},
	{"maxInFlight", INTEGER, SET, "so many devices are under way at once"},
	{"minOnlineSeconds", SECONDS, SET, "a device must be online for so long before a push"},
	{"startAt", TIME, SET, "nothing starts before it"},
	{"endAt", TIME, SET, "nothing starts after it"},
	{"endAction", TEXT, SET, "what the task does at --end-at: pause or stop"},
	{"windowStart", CLOCK, SET, "when the window opens"},
	{"windowMinutes", MINUTES, SET, "how long the window is open"},
	{"windowDays", DAYS, SET, "days on which the window opens"},
	{"windowClock", TEXT, SET, "whose clock the window goes by: utc, broker or device"},
	{"retryLimit", INTEGER, SET, "so many automatic retries of a device"},
	{"retrySeconds", SECONDS, SET, "until the first retry; twice as long each time"},
	{"retryOn", TEXT, SET, "which failures are retried: transient or any"},
	{"deferSeconds", SECONDS, SET, "for how long a device may put it off"},
	{"trialSeconds", SECONDS, SET, "how long a device is on trial after its success"},
	{"lostSeconds", SECONDS, SET, "a device that is away for so long after its start is lost"},
	{"supersede", FLAG, SET, "cancels what waits in older tasks"},
	{"continuous", FLAG, SET, "devices that come later get a row"},
	{"stage", INTEGER, SET, "the current one; may be raised"},
	{"pausedReason", TEXT, SET, "why it was paused"},
	{"pausedAt", TIME, SET, "set by the catalog"},
	{"createdAt", TIME, SET, "older tasks go first"},
	{"position", INTEGER, SET, "among tasks of one moment; set by the catalog"},
	{"stages", STAGES, SET,
		"1,10,100: per cent of the devices; 1/95+2h:pause: see the man page"},
	{0},
};

const struct fw_ctrl_option fw_ctrl_pause_options[] = {
	{"taskId", TEXT, NAME, "which task"},
	{"pausedReason", TEXT, NAME, "why, for people"},
	{0},
};

const struct fw_ctrl_option fw_ctrl_preview_options[] = {
	{"firmwareId", TEXT, LIST, "what its devices would get"},
	{"productId", TEXT, LIST, "with version, instead of firmwareId"},
	{"version", TEXT, LIST, "with productId, instead of firmwareId"},
	{"devices", TEXTS, LIST, "these ones, by their ids"},
	{"tag", TEXT, LIST, "those with this tag"},
	{"filter.version", TEXT, LIST, "devices that run it"},
	{"filter.presence", TEXT, LIST, "online, offline or unknown"},
	{0},
};

const struct fw_ctrl_option fw_ctrl_task_device_options[] = {
	{"taskId", TEXT, LIST, "of which task"},
	{"deviceId", TEXT, LIST, "which device"},
	{"state", TEXT, LIST, "waiting, processing, success, failed or canceled"},
	{"reason", TEXT, LIST, "failure or errorReason"},
	{"waitsFor", TEXT, LIST, "what keeps it from being started"},
	{"text", TEXT, LIST, "part of its id or name"},
	{0},
};

const struct fw_ctrl_option fw_ctrl_changed_options[] = {
	{"taskId", TEXT, NAME, "which task"},
	{"devices", TEXTS, CREATE, "these ones, by their ids"},
	{"tag", TEXT, CREATE, "those with this tag"},
	{"filter.version", TEXT, CREATE, "devices that run it"},
	{"filter.presence", TEXT, CREATE, "online, offline or unknown"},
	{"devices", TEXTS, MODIFY, "which ones, by their ids"},
	{0},
};

const struct fw_ctrl_option fw_ctrl_task_view_options[] = {
	{"taskId", TEXT, NAME | LIST, "of which task"},
	{"points", INTEGER, LIST, "how many, 100 without it"},
	{0},
};

const struct fw_ctrl_option fw_ctrl_log_options[] = {
	{"taskId", TEXT, LIST, "of which task; without it of all"},
	{"what", TEXT, LIST, "created, paused, resumed, stopped, continued, stage or ended"},
	{"who", TEXT, LIST, "operator or plugin"},
	{0},
};

const struct fw_ctrl_option fw_ctrl_download_options[] = {
	{"productId", TEXT, LIST, "whose firmware"},
	{"deviceId", TEXT, LIST, "empty: all who did not say who they are"},
	{"firmwareId", TEXT, LIST, "what is downloaded"},
	{"active", FLAG, LIST, "those that are not complete"},
	{0},
};

const struct fw_ctrl_option fw_ctrl_stuck_options[] = {
	{"minutes", MINUTES, LIST, "without a sign, 30 without it"},
	{"taskId", TEXT, LIST, "of which task"},
	{"productId", TEXT, LIST, "of which product"},
	{0},
};

const struct fw_ctrl_option fw_ctrl_admin_log_options[] = {
	{"who", TEXT, LIST, "user name"},
	{"subject", TEXT, LIST, "the id that it was about"},
	{0},
};

/* The options of each list. */
const struct fw_ctrl_option fw_ctrl_page_options[] = {
	{"count", INTEGER, LIST, "so many items, 500 at most"},
	{"after", TEXT, LIST, "the next of the page before"},
	{0},
};
