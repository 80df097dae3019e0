/* Who is there, in the catalog: the column device.presence, and what follows from it. For the
 * store's own files; store thread only. */
#ifndef FW_STORE_DEVICE_PRESENCE_H
#define FW_STORE_DEVICE_PRESENCE_H

#include "store/device.h"
#include "store/presence_queue.h"
#include "store/scheduler.h"
#include "store/task_device.h"

struct fw_device_presence;

enum fw_status fw_device_presence_open(struct fw_transaction *transaction,
	struct fw_task_devices *rows, struct fw_devices *devices, struct fw_scheduler *scheduler,
	struct fw_device_presence **out, struct fw_error *error);
void fw_device_presence_close(struct fw_device_presence *presence); /* NULL is fine */

/* Inside a transaction. A device shows itself or is gone: notes it, and pushes what waits for one
 * that listens. */
enum fw_status fw_device_presence_apply(
	struct fw_device_presence *presence, const struct fw_presence_event *event);

struct fw_arrival {
	int64_t connection; /* 0: unknown */
	int64_t oldest;     /* of the connections by which it is there */
	int64_t at;         /* Unix ms */
	/* for so long it is waited for what it says it runs, if there is something to send; 0:
	 * not at all */
	int64_t hold_ms;
};

/* Inside a transaction. The device is there by another connection than before, or for the first
 * time: what was sent to the earlier connection and not answered is sent again once the device has
 * said what it runs, or has been silent for so long. `known` is brought up to date. */
enum fw_status fw_device_presence_arrive(struct fw_device_presence *presence,
	struct fw_slice product, struct fw_slice device, struct fw_device *known,
	const struct fw_arrival *arrival);

/* Is there such a device? Needs no transaction; `product` may be empty: any. FW_OK, FW_NOT_FOUND,
 * or an error. */
enum fw_status fw_device_presence_knows(
	struct fw_device_presence *presence, struct fw_slice product, struct fw_slice device);

/* Inside a transaction. Makes presence unknown in at most `most` rows; *left: some remain.
 * Who was away is away from now on, as far as anybody knows. */
enum fw_status fw_device_presence_forget(
	struct fw_device_presence *presence, int64_t most, bool *left);

/* When an event was lost: asks the broker thread about every device, some at a time. What it
 * answers comes by the queue, in its place among later events, so each device ends up as it is.
 * Sets *more when there is more to do at once. */
enum fw_status fw_device_presence_work(
	struct fw_device_presence *presence, struct fw_presence_queue *queue, bool *more);

#endif
