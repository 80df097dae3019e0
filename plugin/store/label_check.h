/* What became of the firmware that pulls were offered. An image that names itself otherwise than
 * the catalog does would be installed again and again: the table label_mismatch counts, and the
 * resolver stops offering it after FW_LABEL_TIMES. For the store's own files; store thread only,
 * inside a transaction. */
#ifndef FW_STORE_LABEL_CHECK_H
#define FW_STORE_LABEL_CHECK_H

#include "store/device.h"

struct fw_labels;

/* `writer` is borrowed. FW_OK, or trouble with a sentence in `error`. The caller owns *out. */
enum fw_status fw_labels_open(
	struct fw_writer *writer, struct fw_labels **out, struct fw_error *error);
void fw_labels_close(struct fw_labels *labels); /* NULL is fine */

/* The device says that it runs `version`: is that what its last pull was offered? In a pull a version
 * that is neither that nor the one it ran before counts against the image, and so does the one before
 * if the device had said complete. `device` is brought up to date. */
enum fw_status fw_label_judge(struct fw_labels *labels, const struct fw_uplink *uplink,
	struct fw_device *device, struct fw_slice version);

/* Its pull was offered this firmware. */
enum fw_status fw_label_offered(
	struct fw_labels *labels, const struct fw_uplink *uplink, struct fw_device *device);

/* It said that it completed the upgrade to this firmware. */
enum fw_status fw_label_completed(struct fw_labels *labels, const struct fw_uplink *uplink,
	struct fw_device *device, struct fw_slice firmware_id);

#endif
