/* Brings uplinks into the catalog. For the store's own files; store thread only, inside a transaction. */
#ifndef FW_STORE_APPLY_H
#define FW_STORE_APPLY_H

#include "store/device.h"
#include "store/label_check.h"
#include "store/history.h"
#include "store/device_presence.h"
#include "store/task_device.h"
#include "store/scheduler.h"
#include "protocol/uplink.h"

struct fw_apply;

/* What it works with; all borrowed. */
struct fw_apply_parts {
	struct fw_writer *writer;
	struct fw_rows *rows;
	struct fw_devices *devices;
	struct fw_store_presence *presence;
	struct fw_schedule *schedule;
	struct fw_store_log *log;
	struct fw_labels *labels;
};

/* FW_OK, or trouble with a sentence in `error`. The caller owns *out. */
enum fw_status fw_apply_open(const struct fw_apply_parts *parts, struct fw_apply **out, struct fw_error *error);
void fw_apply_close(struct fw_apply *apply); /* NULL is fine */

/* FW_OK when it is recorded or there is nothing to record (unknown product, redelivery); FW_INVALID when the catalog's rules refuse it,
 * for good; else trouble that concerns the catalog, not this uplink. */
enum fw_status fw_apply_uplink(struct fw_apply *apply, const struct fw_uplink *uplink);

/* The version of this firmware of the product, terminated. Needs no transaction. FW_OK, FW_NOT_FOUND, or trouble. */
enum fw_status fw_apply_version_of(struct fw_apply *apply, struct fw_slice product, struct fw_slice firmware_id, char *version, size_t size);

#endif
