/* Finds images that report another version than the catalog has for them. A device would pull and
 * install such an image again and again. The table label_mismatch counts, and after
 * FW_LABEL_CHECK_TIMES the resolver stops offering it to that device. For the store's own files;
 * store thread only, inside a transaction. */
#ifndef FW_STORE_LABEL_CHECK_H
#define FW_STORE_LABEL_CHECK_H

#include "store/device.h"

struct fw_label_check;

/* `transaction` is borrowed. FW_OK, or an error with a message in `error`. The caller owns *out. */
enum fw_status fw_label_check_open(
	struct fw_transaction *transaction, struct fw_label_check **out, struct fw_error *error);
void fw_label_check_close(struct fw_label_check *labels); /* NULL is fine */

/* The device says that it runs `version`: is that the version of its last offer? Then the offer
 * ends. In a pull, a version that is neither that nor the one before counts as a mismatch; so does
 * the one before, if the device had completed the upgrade. `device` is brought up to date. FW_OK,
 * or an error. */
enum fw_status fw_label_check_judge(struct fw_label_check *labels, const struct fw_uplink *uplink,
	struct fw_device *device, struct fw_slice version);

/* The device's pull was offered uplink->firmware_id. FW_OK, or an error. */
enum fw_status fw_label_check_offered(
	struct fw_label_check *labels, const struct fw_uplink *uplink, struct fw_device *device);

/* The device said that it completed the upgrade to this firmware. FW_OK, or an error. */
enum fw_status fw_label_check_completed(struct fw_label_check *labels,
	const struct fw_uplink *uplink, struct fw_device *device, struct fw_slice firmware_id);

#endif
