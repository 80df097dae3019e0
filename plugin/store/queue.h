/* What the open transaction wants published or logged: sent when it is committed, dropped when it
 * is rolled back. For the store's own files; store thread only. Embedded; all zero when empty. */
#ifndef FW_STORE_QUEUE_H
#define FW_STORE_QUEUE_H

#include <stdbool.h>
#include <stddef.h>

#include "store/outbox.h"

struct fw_queue {
	struct fw_outgoing *items; /* owned, with their topics and payloads */
	size_t count, room;
	size_t saved; /* so many there were at the savepoint */
};

/* Adds a copy of `item`, and takes over its topic and payload. False when out of memory: then they
 * stay the caller's. */
bool fw_queue_add(struct fw_queue *queue, struct fw_outgoing item);

/* Drops all items but the first `kept`. */
void fw_queue_drop(struct fw_queue *queue, size_t kept);

/* Moves all items into the outbox, and wakes the broker thread when there are some. What does not
 * fit is dropped: the transaction has left room for it (fw_transaction_room). Returns how many were
 * dropped. */
size_t fw_queue_send(struct fw_queue *queue, struct fw_outbox *outbox);

void fw_queue_free(struct fw_queue *queue);

#endif
