/* What the store thread wants published: a bounded queue to the broker thread, which alone may publish. */
#ifndef FW_OUTBOX_H
#define FW_OUTBOX_H

#include "fw.h"

struct fw_outbox;

/* One message. topic and payload are malloc'd and owned by the struct. Without a topic it is a log line, and qos its level. */
struct fw_outgoing {
	char *topic;
	char *payload;
	size_t len; /* bytes */
	int qos;
};

struct fw_outbox *fw_outbox_new(size_t most); /* NULL when out of memory */
void fw_outbox_free(struct fw_outbox *outbox); /* NULL is fine; what is left is dropped */

/* Any thread. How many more messages fit now. Only the store thread adds, so room does not shrink under it. */
size_t fw_outbox_room(struct fw_outbox *outbox);

/* Store thread. Takes over topic and payload in every case; FW_OK, or FW_FULL. */
enum fw_status fw_outbox_put(struct fw_outbox *outbox, struct fw_outgoing message);

/* Broker thread. False when there is none; else the caller owns *out (free topic and payload). Costs one
 * atomic load when empty. */
bool fw_outbox_take(struct fw_outbox *outbox, struct fw_outgoing *out);

#endif
