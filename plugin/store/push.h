/* Pushes: the offer that a device is sent for a waiting row, and how many of them a gateway's
 * connection takes. Which row is pushed, and when, the scheduler decides.
 *
 * For the store's own files; store thread only, inside a transaction. */
#ifndef FW_STORE_PUSH_H
#define FW_STORE_PUSH_H

#include "store/task_device.h"

struct fw_push;

/* `transaction` and `rows` are borrowed. FW_OK, or an error with a message in `error`. The caller
 * owns *out. */
enum fw_status fw_push_open(struct fw_transaction *transaction, struct fw_task_devices *rows,
	struct fw_push **out, struct fw_error *error);
void fw_push_close(struct fw_push *pushes); /* NULL is fine */

/* Records the push, and queues it for when the record is committed; nothing when the firmware, or
 * its file, cannot be offered now. FW_OK, or an error. */
enum fw_status fw_push_send(struct fw_push *pushes, struct fw_task_device *row);

/* A gateway's connection takes so many pushes a second, and so do those of which nobody knows by
 * which connection they are there: the others get a place in its queue. 0: now, which takes a place
 * of the rate; else when, steady ms. */
int64_t fw_push_place(struct fw_push *pushes, const struct fw_task_device *row);

#endif
