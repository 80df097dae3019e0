/* Messages and log lines from other threads to the broker's, which alone may publish and log: a
 * bounded queue. */
#ifndef FW_STORE_OUTBOX_H
#define FW_STORE_OUTBOX_H

#include "base/fw.h"
#include "base/log.h"
#include "base/waker.h"

struct fw_outbox;

enum fw_outgoing_kind {
	FW_OUTGOING_MESSAGE,  /* to be published */
	FW_OUTGOING_BLIND,    /* a push to a device of unknown presence: published unless the device
			       * has shown itself since. In that case it is dropped, and the store
			       * pushes by the device's connection */
	FW_OUTGOING_RETAINED, /* to be published, and retained */
	FW_OUTGOING_LOG,      /* a log line: payload is the text */
	FW_OUTGOING_PRESENCE, /* is this device online? payload is "product/device". The answer is
			       * fw_store_note_presence, if it is online or the catalog is wrong */
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
	uint32_t expiry_seconds; /* messages: not delivered after that, 0: no limit (MQTT 5,
				  * section 3.3.2.3.3) */
};

struct fw_outbox *fw_outbox_new(size_t most);  /* NULL when out of memory */
void fw_outbox_free(struct fw_outbox *outbox); /* NULL is fine; what is left is dropped */

/* Before there is a second thread: sets how fw_outbox_wake wakes the broker's thread. */
void fw_outbox_set_waker(struct fw_outbox *outbox, struct fw_waker waker);

/* Any thread. Wakes the broker's thread, to take what was put in before. */
void fw_outbox_wake(const struct fw_outbox *outbox);

/* Any thread. How many more messages fit now. If one thread alone puts messages in, as the store's
 * into its own, the room does not shrink for it in between. */
size_t fw_outbox_room(struct fw_outbox *outbox);

/* Any thread. Takes over topic and payload in every case; FW_OK, or FW_FULL. */
enum fw_status fw_outbox_put(struct fw_outbox *outbox, struct fw_outgoing message);

/* Broker thread. False when there is none; else the caller owns *out (free topic and payload).
 * Costs one atomic load when empty. */
bool fw_outbox_take(struct fw_outbox *outbox, struct fw_outgoing *out);

#endif
