/* What became of the firmware that pulls were offered. An image that names itself otherwise than
 * the catalog does would be installed again and again: the table label_mismatch counts, and the
 * resolver stops offering it after FW_LABEL_CHECK_TIMES. For the store's own files; store thread
 * only, inside a transaction. */
#ifndef FW_STORE_LABEL_CHECK_H
#define FW_STORE_LABEL_CHECK_H

#include "store/device.h"

struct fw_label_check;

/* `transaction` is borrowed. FW_OK, or an error with a message in `error`. The caller owns *out. */
enum fw_status fw_label_check_open(
	struct fw_transaction *transaction, struct fw_label_check **out, struct fw_error *error);
void fw_label_check_close(struct fw_label_check *labels); /* NULL is fine */

/* The device says that it runs `version`: is that what its last pull was offered? In a pull a
 * version that is neither that nor the one it ran before counts against the image, and so does the
 * one before if the device had said complete. `device` is brought up to date. */
enum fw_status fw_label_check_judge(struct fw_label_check *labels, const struct fw_uplink *uplink,
	struct fw_device *device, struct fw_slice version);

/* Its pull was offered this firmware. */
enum fw_status fw_label_check_offered(
	struct fw_label_check *labels, const struct fw_uplink *uplink, struct fw_device *device);

/* It said that it completed the upgrade to this firmware. */
enum fw_status fw_label_check_completed(struct fw_label_check *labels,
	const struct fw_uplink *uplink, struct fw_device *device, struct fw_slice firmware_id);

#endif
