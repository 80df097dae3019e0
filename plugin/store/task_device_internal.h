/* The rows of task_device as their own files see them: task_device.c and transition.c. */
#ifndef FW_STORE_TASK_DEVICE_INTERNAL_H
#define FW_STORE_TASK_DEVICE_INTERNAL_H

#include "catalog/db.h"
#include "store/task_device.h"

enum fw_task_device_statement {
	FW_TASK_DEVICE_OF_FIRMWARE,
	FW_TASK_DEVICE_OPEN,
	FW_TASK_DEVICE_SENT,
	FW_TASK_DEVICE_DUE,
	FW_TASK_DEVICE_WRITE,
	FW_TASK_DEVICE_WRITE_COUNTED,
	FW_TASK_DEVICE_NEXT_DUE,
	FW_TASK_DEVICE_WAKING,
	FW_TASK_DEVICE_NEXT_WAKE,
	FW_TASK_DEVICE_ON_TRIAL,
	FW_TASK_DEVICE_LOST,
	FW_TASK_DEVICE_STATEMENTS
};

struct fw_task_devices {
	struct fw_transaction *transaction;
	struct fw_task_events *events;
	struct fw_rollouts *rollouts;
	sqlite3_stmt *statements[FW_TASK_DEVICE_STATEMENTS];
};

#endif
