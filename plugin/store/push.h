/* Pushes: the offer that a device is sent for a waiting row, and the rate at which a connection
 * gets pushes. The scheduler decides which row is pushed, and when.
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

/* Can the row's firmware be offered, and is its file as it was verified? FW_OK; FW_NOT_FOUND: not
 * now, and when it can, its tasks are swept again; or an error. */
enum fw_status fw_push_check(struct fw_push *pushes, const struct fw_task_device *row);

/* Where connections may be gateways', each takes connection_rate pushes a second; devices of
 * unknown connection share one such rate. May the row be pushed now? Takes nothing. */
bool fw_push_ready(struct fw_push *pushes, const struct fw_task_device *row);

/* Of a row that is not ready: the steady ms at which its turn comes, later than those before. */
int64_t fw_push_pace(struct fw_push *pushes, const struct fw_task_device *row);

/* Records the push of a waiting row that was checked in this transaction, takes a token of its
 * connection's rate, and queues the message, which is published after the commit. FW_OK, or an
 * error. */
enum fw_status fw_push_send(struct fw_push *pushes, struct fw_task_device *row);

#endif
