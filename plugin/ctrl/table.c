/* The table of sub-commands, and what is asked of it. */
#include "ctrl/table.h"

#include <string.h>
#include <strings.h>

#include "ctrl/run.h"

#define CREATE FW_CTRL_CREATE
#define MODIFY (FW_CTRL_NAME | FW_CTRL_MODIFY)
#define NAME FW_CTRL_NAME
#define LIST FW_CTRL_LIST

#define PRODUCTS fw_ctrl_product_options
#define FIRMWARE fw_ctrl_firmware_options
#define DEVICES fw_ctrl_device_options
#define TASKS fw_ctrl_task_options
#define CHANGED fw_ctrl_changed_options

/* The members that are shown of a task that was changed. */
#define TASK                                                                                       \
	"taskId name version mode state pausedReason total waiting processing success failed "     \
	"canceled waitsFor"

/* name, places, options, uses, lists, defaults, columns, help, run */
const struct fw_ctrl_command fw_ctrl_commands[] = {
	{"getDetails", NULL, NULL, 0, false, NULL, NULL,
		"What this server is, and how much is in its catalog.", NULL},
	{"createProduct", "productId [name]", PRODUCTS, CREATE, false, NULL, NULL, "A new product.",
		NULL},
	{"modifyProduct", "productId", PRODUCTS, MODIFY, false, NULL, NULL,
		"Changes what is given.", NULL},
	{"getProduct", "productId", PRODUCTS, NAME, false, NULL, NULL, "One product.", NULL},
	{"listProducts", NULL, PRODUCTS, LIST, true, NULL,
		"productId name firmwareEnabled pullPolicy", "Products by their ids.", NULL},
	{"deleteProduct", "productId", PRODUCTS, NAME, false, NULL, NULL,
		"Deletes one without firmware and devices; answers its id.", NULL},
	{"getProductVersions", "productId", PRODUCTS, NAME, false, NULL, "version devices online",
		"How many devices run which version: items.", NULL},

	{"createFirmware", "productId version versionOrder [name]", FIRMWARE, CREATE, false,
		"name=@version", NULL, "New firmware, hosted elsewhere or as a file in files_dir.",
		NULL},
	{"modifyFirmware", "firmwareId", FIRMWARE, MODIFY, false, NULL, NULL,
		"Changes what is given; state rejected withdraws it.", NULL},
	{"getFirmware", "firmwareId", FIRMWARE, NAME, false, NULL, NULL, "One firmware.", NULL},
	{"listFirmware", "[productId]", FIRMWARE, LIST, true, NULL,
		"firmwareId productId version versionOrder state name size tasks stateReason",
		"Firmware by product and order.", NULL},
	{"deleteFirmware", "firmwareId", FIRMWARE, NAME, false, NULL, NULL,
		"Deletes one that has no task; answers its id.", NULL},

	{"createDevice", "productId deviceId [name]", DEVICES, CREATE, false, NULL, NULL,
		"A device that is known before it is heard of.", NULL},
	{"modifyDevice", "productId deviceId", DEVICES, MODIFY, false, NULL, NULL,
		"Changes what is given.", NULL},
	{"getDevice", "productId deviceId", DEVICES, NAME, false, NULL, NULL, "One device.", NULL},
	{"listDevices", "[productId]", DEVICES, LIST, true, NULL,
		"productId deviceId version presence lastSeenAt name tags", "Devices by their ids.",
		NULL},
	{"deleteDevice", "productId deviceId", DEVICES, NAME, false, NULL, NULL,
		"Deletes one that is in no task; answers its ids.", NULL},
	{"getDeviceHistory", "productId deviceId", fw_ctrl_history_options, LIST, true, NULL,
		"at what version taskId state progress detail",
		"What happened to a device, the latest first.", NULL},
	{"why", "productId deviceId", fw_ctrl_history_options, LIST, false, NULL, NULL,
		"Why a device is not upgraded, or what became of it.", fw_ctrl_why},

	{"listFiles", NULL, fw_ctrl_file_options, LIST, true, NULL, "file size modifiedAt firmware",
		"What lies in files_dir.", NULL},
	{"deleteFile", "file", fw_ctrl_file_options, NAME, false, NULL, NULL,
		"Deletes a file that no firmware names; answers its name.", NULL},

	{"previewTask", "productId|firmwareId version|firmwareId", fw_ctrl_preview_options, LIST,
		false, NULL, NULL, "What a task would touch; changes nothing.", NULL},
	{"createTask", "productId|firmwareId version|firmwareId name", TASKS, CREATE, false,
		"mode=push", TASK, "A new task, for all devices or for those that are chosen.",
		NULL},
	{"modifyTask", "taskId", TASKS, MODIFY, false, NULL, TASK, "Changes what is given.", NULL},
	{"getTask", "taskId", TASKS, NAME, false, NULL, NULL, "One task.", NULL},
	{"listTasks", "[productId]", TASKS, LIST, true, NULL,
		"taskId name productId version mode state total waiting processing success failed "
		"canceled",
		"Tasks, the newest first.", NULL},
	{"watch", "taskId", TASKS, NAME, false, NULL, NULL,
		"Shows how far a task is, until it is over.", fw_ctrl_watch},
	{"stopTask", "taskId", TASKS, NAME, false, NULL, TASK,
		"What waits is canceled, what is under way goes on.", NULL},
	{"continueTask", "taskId", TASKS, NAME, false, NULL, TASK, "A stopped task goes on.", NULL},
	{"pauseTask", "taskId [pausedReason]", fw_ctrl_pause_options, NAME, false, NULL, TASK,
		"Nothing new starts until it is resumed.", NULL},
	{"resumeTask", "taskId", TASKS, NAME, false, NULL, TASK, "A paused task goes on.", NULL},
	{"nextStage", "taskId", TASKS, NAME, false, NULL, TASK " stage",
		"The next stage begins, whatever became of this one.", NULL},
	{"retryTask", "taskId", TASKS, NAME, false, NULL, TASK " changed",
		"Its failed devices wait again; changed says how many.", NULL},
	{"deleteTask", "taskId", TASKS, NAME, false, NULL, NULL,
		"Deletes one that has nothing open; answers its id.", NULL},

	{"listTaskDevices", "taskId", fw_ctrl_task_device_options, LIST, true, NULL,
		"deviceId state progress waitsFor failure presence currentVersion attempts "
		"errorReason",
		"The devices of a task by their ids.", NULL},
	{"addTaskDevices", "taskId [devices...]", CHANGED, NAME | CREATE, false, NULL, NULL,
		"Adds devices; of a tag or filter those not yet in it.", NULL},
	{"stopTaskDevices", "taskId devices...", CHANGED, MODIFY, false, NULL, NULL,
		"Cancels those that wait.", NULL},
	{"continueTaskDevices", "taskId devices...", CHANGED, MODIFY, false, NULL, NULL,
		"Canceled ones wait again.", NULL},
	{"retryTaskDevices", "taskId devices...", CHANGED, MODIFY, false, NULL, NULL,
		"Failed ones wait again.", NULL},
	{"removeTaskDevices", "taskId devices...", CHANGED, MODIFY, false, NULL, NULL,
		"Deletes the rows of those that are not open.", NULL},

	{"getTaskFailures", "taskId", fw_ctrl_task_view_options, NAME, false, NULL,
		"count failure errorReason",
		"Why devices failed, the most frequent reason first: items.", NULL},
	{"getTaskProgress", "taskId", fw_ctrl_task_view_options, LIST, false, NULL,
		"at success failed", "How many had ended when: items.", NULL},
	{"getTaskLog", "[taskId]", fw_ctrl_log_options, LIST, true, NULL,
		"at taskId what who detail", "What happened to tasks, the latest first.", NULL},
	{"listDownloads", "[productId]", fw_ctrl_download_options, LIST, true, NULL,
		"productId deviceId firmwareId percent reached total lastByteAt completedAt",
		"Who downloaded what, and how far.", NULL},
	{"listStuckDevices", "[productId]", fw_ctrl_stuck_options, LIST, true, NULL,
		"productId deviceId taskId taskName progress presence attempts lastSignAt",
		"Devices that are under way, and say nothing.", NULL},
	{"listAdminLog", NULL, fw_ctrl_admin_log_options, LIST, true, NULL,
		"at who command subject outcome", "Who changed what by commands, the latest first.",
		NULL},
	{0},
};

const struct fw_ctrl_command *fw_ctrl_command_find(const char *name)
{
	for (const struct fw_ctrl_command *command = fw_ctrl_commands; command->name; command++) {
		if (strcasecmp(command->name, name) == 0)
			return command;
	}
	return NULL;
}

/* The first option from `option` on that the command takes; behind the last, those of a page. */
static const struct fw_ctrl_option *first_from(
	const struct fw_ctrl_command *command, const struct fw_ctrl_option *option)
{
	while (option && option->member && !(option->uses & command->uses))
		option++;
	if (option && option->member)
		return option;
	return command->lists ? fw_ctrl_page_options : NULL;
}

const struct fw_ctrl_option *fw_ctrl_next_option(
	const struct fw_ctrl_command *command, const struct fw_ctrl_option *previous)
{
	if (!previous)
		return first_from(command, command->options);
	if (previous == &fw_ctrl_page_options[0])
		return &fw_ctrl_page_options[1];
	if (previous == &fw_ctrl_page_options[1])
		return NULL;
	return first_from(command, previous + 1);
}

const struct fw_ctrl_option *fw_ctrl_option_of(
	const struct fw_ctrl_command *command, const char *member, size_t len)
{
	const struct fw_ctrl_option *option = NULL;

	while ((option = fw_ctrl_next_option(command, option))) {
		if (strlen(option->member) == len && strncmp(option->member, member, len) == 0)
			return option;
	}
	return NULL;
}

bool fw_ctrl_next_place(
	const struct fw_ctrl_command *command, const char **at, struct fw_ctrl_place *place)
{
	const char *text = *at ? *at : command->places;
	size_t len;

	if (!text || !*text)
		return false;
	*place = (struct fw_ctrl_place){.may_lack = *text == '['};
	text += place->may_lack;
	len = strcspn(text, " ]");
	*at = text + len;
	*at += strspn(*at, "] ");
	place->takes_rest = len > 3 && memcmp(text + len - 3, "...", 3) == 0;
	place->member = text;
	place->len = strcspn(text, "|. ]");
	if (text[place->len] == '|') {
		place->instead = text + place->len + 1;
		place->instead_len = len - place->len - 1;
	}
	return true;
}
