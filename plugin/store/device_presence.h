/* Which devices are online: the column device.presence, and what follows from it for their rows.
 * For the store's own files; store thread only. */
#ifndef FW_STORE_DEVICE_PRESENCE_H
#define FW_STORE_DEVICE_PRESENCE_H

#include "store/device.h"
#include "store/presence_queue.h"
#include "store/scheduler.h"
#include "store/task_device.h"

struct fw_device_presence;

/* All are borrowed. FW_OK, or an error with a message in `error`. The caller owns *out. */
enum fw_status fw_device_presence_open(struct fw_transaction *transaction,
	struct fw_task_devices *rows, struct fw_devices *devices, struct fw_scheduler *scheduler,
	struct fw_device_presence **out, struct fw_error *error);
void fw_device_presence_close(struct fw_device_presence *presence); /* NULL is fine */

/* Inside a transaction. A device shows itself or is gone: records it, and pushes what waits for it
 * if it listens. FW_OK, or an error. */
enum fw_status fw_device_presence_apply(
	struct fw_device_presence *presence, const struct fw_presence_event *event);

struct fw_arrival {
	int64_t connection; /* 0: unknown */
	int64_t oldest;     /* of the connections by which it is online */
	int64_t at;         /* Unix ms */
	/* how long a push waits for the device's report; 0: not at all */
	int64_t hold_ms;
};

/* Inside a transaction. The device is online by another connection than before, or for the first
 * time: what was sent to the earlier connection and not answered is sent again once the device has
 * reported, or after hold_ms. `known` is brought up to date. FW_OK, or an error. */
enum fw_status fw_device_presence_arrive(struct fw_device_presence *presence,
	struct fw_slice product, struct fw_slice device, struct fw_device *known,
	const struct fw_arrival *arrival);

/* Is there such a device? Needs no transaction; `product` may be empty: any. FW_OK, FW_NOT_FOUND,
 * or an error. */
enum fw_status fw_device_presence_knows(
	struct fw_device_presence *presence, struct fw_slice product, struct fw_slice device);

/* Inside a transaction, after a start. Makes presence unknown in at most `most` rows; *left: some
 * remain. Absences are counted from now on: of devices that were offline, and of all where the
 * broker reports connections. FW_OK, or an error. */
enum fw_status fw_device_presence_forget(
	struct fw_device_presence *presence, int64_t most, bool *left);

/* When an event was lost: asks the broker thread about every device, some at a time. The answers
 * come by the queue, in their place among other events. Sets *more when there is more to do at
 * once. FW_OK, or an error. */
enum fw_status fw_device_presence_work(
	struct fw_device_presence *presence, struct fw_presence_queue *queue, bool *more);

#endif
