/* Brings uplinks into the catalog. For the store's own files; store thread only, inside a
 * transaction. */
#ifndef FW_STORE_APPLY_H
#define FW_STORE_APPLY_H

#include "protocol/uplink.h"
#include "store/device.h"
#include "store/device_presence.h"
#include "store/history.h"
#include "store/label_check.h"
#include "store/scheduler.h"
#include "store/task_device.h"

struct fw_apply;

/* The parts that it uses; all borrowed. */
struct fw_apply_parts {
	struct fw_transaction *transaction;
	struct fw_task_devices *rows;
	struct fw_devices *devices;
	struct fw_device_presence *presence;
	struct fw_scheduler *scheduler;
	struct fw_history *history;
	struct fw_label_check *labels;
};

/* FW_OK, or an error with a message in `error`. The caller owns *out. */
enum fw_status fw_apply_open(
	const struct fw_apply_parts *parts, struct fw_apply **out, struct fw_error *error);
void fw_apply_close(struct fw_apply *apply); /* NULL is fine */

/* FW_OK when the uplink is recorded, or there is nothing to record (unknown product, redelivery);
 * FW_INVALID when the catalog's rules refuse it, now and later; else an error of the catalog, not
 * of this uplink. */
enum fw_status fw_apply_uplink(struct fw_apply *apply, const struct fw_uplink *uplink);

#endif
