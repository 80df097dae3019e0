/* Pushes: the offer that a device is sent for a waiting row, and how many of them a gateway's
 * connection takes. Which row is pushed, and when, the scheduler decides.
 *
 * For the store's own files; store thread only, inside a transaction of the writer. */
#ifndef FW_STORE_PUSH_H
#define FW_STORE_PUSH_H

#include "store/task_device.h"

struct fw_pushes;

/* `writer` and `rows` are borrowed. FW_OK, or trouble with a sentence in `error`. The caller owns
 * *out. */
enum fw_status fw_pushes_open(struct fw_writer *writer, struct fw_rows *rows,
	struct fw_pushes **out, struct fw_error *error);
void fw_pushes_close(struct fw_pushes *pushes); /* NULL is fine */

/* Records the push, and queues it for when the record is committed; nothing when the firmware, or
 * its file, cannot be offered now. FW_OK, or trouble. */
enum fw_status fw_pushes_send(struct fw_pushes *pushes, struct fw_row *row);

/* A gateway's connection takes so many pushes a second, and so do those of which nobody knows by
 * which connection they are there: the others get a place in its queue. 0: now, which takes a place
 * of the rate; else when, steady ms. */
int64_t fw_pushes_place(struct fw_pushes *pushes, const struct fw_row *row);

#endif
