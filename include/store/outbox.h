/* What the store thread wants of the broker thread, which alone may publish: a bounded queue. */
#ifndef FW_STORE_OUTBOX_H
#define FW_STORE_OUTBOX_H

#include "base/fw.h"
#include "base/log.h"
#include "base/waker.h"

struct fw_outbox;

enum fw_outgoing_kind {
	FW_OUTGOING_MESSAGE,  /* to be published */
	FW_OUTGOING_BLIND,    /* to be published, unless its device has shown itself since: what the
			       * device says from then on is no answer, and it is sent again */
	FW_OUTGOING_RETAINED, /* to be published, and retained */
	FW_OUTGOING_LOG,      /* a log line: payload is the text */
	FW_OUTGOING_PRESENCE, /* is this device online? payload is "product/device".
			       * fw_store_note_presence is the answer when it is, or the catalog is
			       * wrong */
};

/* topic (of the first three kinds) and payload are malloc'd, terminated, and owned by the struct.
 */
struct fw_outgoing {
	enum fw_outgoing_kind kind;
	char *topic;
	char *payload;
	size_t len; /* of payload, bytes */
	union {
		int qos;                 /* of what is to be published */
		enum fw_log_level level; /* FW_OUTGOING_LOG */
		bool online;             /* FW_OUTGOING_PRESENCE: what the catalog says */
	};
	uint32_t expiry_seconds; /* messages: void after that, 0: never */
};

struct fw_outbox *fw_outbox_new(size_t most);  /* NULL when out of memory */
void fw_outbox_free(struct fw_outbox *outbox); /* NULL is fine; what is left is dropped */

/* Before there is a second thread: how fw_outbox_wake calls the broker's. */
void fw_outbox_set_waker(struct fw_outbox *outbox, struct fw_waker waker);

/* Store thread. Calls the broker's thread to what was put in before. */
void fw_outbox_wake(const struct fw_outbox *outbox);

/* Any thread. How many more messages fit now. Only the store thread adds, so room does not shrink
 * under it. */
size_t fw_outbox_room(struct fw_outbox *outbox);

/* Store thread. Takes over topic and payload in every case; FW_OK, or FW_FULL. */
enum fw_status fw_outbox_put(struct fw_outbox *outbox, struct fw_outgoing message);

/* Broker thread. False when there is none; else the caller owns *out (free topic and payload).
 * Costs one atomic load when empty. */
bool fw_outbox_take(struct fw_outbox *outbox, struct fw_outgoing *out);

#endif
