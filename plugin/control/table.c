/* The table of commands. A command is a create, modify, get, list or delete of an entity (ENTITY),
 * a verb with a statement of its own (VERB), or has a handler of its own (HANDLER). */
#include <string.h>

#include "control/internal.h"

#define ENTITY(run, entity, more)                                                                  \
	&(const struct fw_command_action)                                                          \
	{                                                                                          \
		run, entity, more, NULL, NULL                                                      \
	}
#define HANDLER(run)                                                                               \
	&(const struct fw_command_action)                                                          \
	{                                                                                          \
		run, NULL, NULL, NULL, NULL                                                        \
	}
#define VERB(run, sql, refusal)                                                                    \
	&(const struct fw_command_action)                                                          \
	{                                                                                          \
		run, NULL, NULL, sql, refusal                                                      \
	}

#define CREATE FW_USE_CREATE
#define MODIFY (FW_USE_NAME | FW_USE_MODIFY)
#define NAME FW_USE_NAME
#define FILTER FW_USE_FILTER

#define ONE FW_ANSWER_ONE
#define PAGE FW_ANSWER_PAGE
#define ITEMS FW_ANSWER_ITEMS

#define OF_TASK " WHERE task_id = ?1"
#define OF_ROW " WHERE task_id = ?1 AND device_id = ?2"

/* name, writes, shape, members, uses, answer, help, action */
static const struct fw_command_info table[] = {
	{"getDetails", false, ONE, NULL, 0, fw_details_members,
		"What this server is, and how much is in its catalog.", HANDLER(fw_details)},

	{"createProduct", true, ONE, fw_product_members, CREATE, fw_product_members,
		"A new product.", ENTITY(fw_entity_create, &fw_product_entity, NULL)},
	{"modifyProduct", true, ONE, fw_product_members, MODIFY, fw_product_members,
		"Changes what is given.", ENTITY(fw_entity_modify, &fw_product_entity, NULL)},
	{"getProduct", false, ONE, fw_product_members, NAME, fw_product_members, "One product.",
		ENTITY(fw_entity_get, &fw_product_entity, NULL)},
	{"listProducts", false, PAGE, fw_product_members, FILTER, fw_product_members,
		"Products by their ids.", ENTITY(fw_entity_list, &fw_product_entity, NULL)},
	{"deleteProduct", true, ONE, fw_product_members, NAME, NULL,
		"Deletes one without firmware and devices; answers its id.",
		ENTITY(fw_entity_delete, &fw_product_entity, NULL)},

	{"getProductVersions", false, ITEMS, fw_versions_members, FILTER, fw_versions_members,
		"How many devices run which version: items.", HANDLER(fw_product_versions)},

	{"createFirmware", true, ONE, fw_firmware_members, CREATE, fw_firmware_members,
		"New firmware, hosted elsewhere or as a file in files_dir.",
		ENTITY(fw_entity_create, &fw_firmware_entity, NULL)},
	{"modifyFirmware", true, ONE, fw_firmware_members, MODIFY, fw_firmware_members,
		"Changes what is given; state rejected withdraws it.",
		ENTITY(fw_entity_modify, &fw_firmware_entity, NULL)},
	{"getFirmware", false, ONE, fw_firmware_members, NAME, fw_firmware_members, "One firmware.",
		ENTITY(fw_entity_get, &fw_firmware_entity, NULL)},
	{"listFirmware", false, PAGE, fw_firmware_members, FILTER, fw_firmware_members,
		"Firmware by product and order.",
		ENTITY(fw_entity_list, &fw_firmware_entity, NULL)},
	{"deleteFirmware", true, ONE, fw_firmware_members, NAME, NULL,
		"Deletes one that has no task; answers its id.",
		ENTITY(fw_entity_delete, &fw_firmware_entity, NULL)},

	{"createDevice", true, ONE, fw_device_members, CREATE, fw_device_members,
		"A device that is known before it is heard of.",
		ENTITY(fw_entity_create, &fw_device_entity, fw_device_tags)},
	{"modifyDevice", true, ONE, fw_device_members, MODIFY, fw_device_members,
		"Changes what is given.",
		ENTITY(fw_entity_modify, &fw_device_entity, fw_device_tags)},
	{"getDevice", false, ONE, fw_device_members, NAME, fw_device_members, "One device.",
		ENTITY(fw_entity_get, &fw_device_entity, NULL)},
	{"listDevices", false, PAGE, fw_device_members, FILTER, fw_device_members,
		"Devices by their ids.", ENTITY(fw_entity_list, &fw_device_entity, NULL)},
	{"deleteDevice", true, ONE, fw_device_members, NAME, NULL,
		"Deletes one that is in no task; answers its ids.",
		ENTITY(fw_entity_delete, &fw_device_entity, NULL)},
	{"getDeviceHistory", false, PAGE, fw_history_members, FILTER, fw_history_members,
		"What happened to a device, the latest first.", HANDLER(fw_device_history)},

	{"listFiles", false, PAGE, fw_file_members, FILTER, fw_file_members,
		"What lies in files_dir.", HANDLER(fw_files_list)},
	{"deleteFile", true, ONE, fw_file_members, NAME, NULL,
		"Deletes a file that no firmware names; answers its name.",
		HANDLER(fw_files_delete)},

	{"previewTask", false, ONE, fw_preview_members, FILTER, fw_preview_members,
		"What a task would touch; changes nothing.", HANDLER(fw_task_preview)},
	{"createTask", true, ONE, fw_task_members, CREATE, fw_task_members,
		"A new task, for all devices or for those that are chosen.",
		HANDLER(fw_task_create)},
	{"modifyTask", true, ONE, fw_task_members, MODIFY, fw_task_members,
		"Changes what is given.",
		ENTITY(fw_entity_modify, &fw_task_entity, fw_task_stages)},
	{"getTask", false, ONE, fw_task_members, NAME, fw_task_members, "One task.",
		ENTITY(fw_entity_get, &fw_task_entity, NULL)},
	{"listTasks", false, PAGE, fw_task_members, FILTER, fw_task_members,
		"Tasks, the newest first.", ENTITY(fw_entity_list, &fw_task_entity, NULL)},
	{"stopTask", true, ONE, fw_task_members, NAME, fw_task_members,
		"What waits is canceled, what is under way goes on.",
		VERB(fw_task_verb, "UPDATE task SET state = 'stopped'" OF_TASK, NULL)},
	{"continueTask", true, ONE, fw_task_members, NAME, fw_task_members,
		"A stopped task goes on.",
		VERB(fw_task_verb,
			"UPDATE task SET state = 'running'" OF_TASK " AND state = 'stopped'",
			"no such task that is stopped: nothing continued")},
	{"pauseTask", true, ONE, fw_pause_members, NAME, fw_task_members,
		"Nothing new starts until it is resumed.",
		VERB(fw_task_pause,
			"UPDATE task SET state = 'paused', paused_reason = ?2" OF_TASK
			" AND state = 'running'",
			"no such task that is running: nothing paused")},
	{"resumeTask", true, ONE, fw_task_members, NAME, fw_task_members, "A paused task goes on.",
		VERB(fw_task_verb,
			"UPDATE task SET state = 'running'" OF_TASK " AND state = 'paused'",
			"no such task that is paused: nothing resumed")},
	{"nextStage", true, ONE, fw_task_members, NAME, fw_task_members,
		"The next stage begins, whatever became of this one.",
		VERB(fw_task_verb, "UPDATE task SET stage = stage + 1" OF_TASK, NULL)},
	{"retryTask", true, ONE, fw_task_members, NAME, fw_task_members,
		"Its failed devices wait again; changed says how many.",
		VERB(fw_task_retry,
			"UPDATE task_device SET state = 'waiting'" OF_TASK " AND state = 'failed'",
			NULL)},
	{"deleteTask", true, ONE, fw_task_members, NAME, NULL,
		"Deletes one that has nothing open; answers its id.",
		ENTITY(fw_entity_delete, &fw_task_entity, NULL)},

	{"listTaskDevices", false, PAGE, fw_task_device_members, FILTER, fw_task_device_members,
		"The devices of a task by their ids.",
		ENTITY(fw_task_devices_list, &fw_task_device_entity, NULL)},
	{"addTaskDevices", true, ONE, fw_changed_members, NAME | CREATE, fw_changed_members,
		"Adds devices; of a tag or filter those not yet in it.",
		HANDLER(fw_task_devices_add)},
	{"stopTaskDevices", true, ONE, fw_changed_members, MODIFY, fw_changed_members,
		"Cancels those that wait.",
		VERB(fw_task_devices_change,
			"UPDATE task_device SET state = 'canceled'" OF_ROW
			" AND state <> 'canceled'",
			"no waiting row of this task and device: nothing stopped")},
	{"continueTaskDevices", true, ONE, fw_changed_members, MODIFY, fw_changed_members,
		"Canceled ones wait again.",
		VERB(fw_task_devices_change,
			"UPDATE task_device SET state = 'waiting'" OF_ROW
			" AND state NOT IN ('waiting', 'failed')",
			"no canceled row of this task and device: nothing continued")},
	{"retryTaskDevices", true, ONE, fw_changed_members, MODIFY, fw_changed_members,
		"Failed ones wait again.",
		VERB(fw_task_devices_change,
			"UPDATE task_device SET state = 'waiting'" OF_ROW
			" AND state NOT IN ('waiting', 'canceled')",
			"no failed row of this task and device: nothing retried")},
	{"removeTaskDevices", true, ONE, fw_changed_members, MODIFY, fw_changed_members,
		"Deletes the rows of those that are not open.",
		VERB(fw_task_devices_change, "DELETE FROM task_device" OF_ROW, NULL)},

	{"getTaskFailures", false, ITEMS, fw_failure_members, FILTER, fw_failure_members,
		"Why devices failed, the most frequent reason first: items.",
		HANDLER(fw_task_failures)},
	{"getTaskProgress", false, ITEMS, fw_progress_members, FILTER, fw_progress_members,
		"How many had ended when: items.", HANDLER(fw_task_progress)},
	{"getTaskLog", false, PAGE, fw_task_log_members, FILTER, fw_task_log_members,
		"What happened to tasks, the latest first.",
		ENTITY(fw_entity_list, &fw_task_log_entity, NULL)},
	{"listDownloads", false, PAGE, fw_download_members, FILTER, fw_download_members,
		"Who downloaded what, and how far.",
		ENTITY(fw_entity_list, &fw_download_entity, NULL)},
	{"listStuckDevices", false, PAGE, fw_stuck_members, FILTER, fw_stuck_members,
		"Devices that are under way, and say nothing.",
		ENTITY(fw_stuck_list, &fw_stuck_entity, NULL)},
	{"listAdminLog", false, PAGE, fw_admin_log_members, FILTER, fw_admin_log_members,
		"Who changed what by commands, the latest first.",
		ENTITY(fw_entity_list, &fw_admin_log_entity, NULL)},
};

const struct fw_command_info *fw_commands_table(size_t *count)
{
	*count = sizeof(table) / sizeof(table[0]);
	return table;
}

const struct fw_command_info *fw_commands_find(const char *name)
{
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		if (strcmp(table[i].name, name) == 0)
			return &table[i];
	}
	return NULL;
}
