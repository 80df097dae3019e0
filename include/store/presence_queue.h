/* Which devices came and went, from the broker thread to the store, each event in its place among
 * the uplinks. Bounded. */
#ifndef FW_STORE_PRESENCE_QUEUE_H
#define FW_STORE_PRESENCE_QUEUE_H

#include "base/fw.h"

#ifndef FW_PRESENCE_QUEUE_MAX /* tests use fewer */
#define FW_PRESENCE_QUEUE_MAX 262144u
#endif

struct fw_presence_event {
	struct fw_presence_event *next;
	uint64_t number; /* in the queue, from 1, never reused */
	uint64_t after;  /* its place: behind the spool record of this sequence */
	int64_t at;      /* Unix ms */
	int64_t boot_ms; /* the same moment */
	bool online;
	bool listens; /* may be pushed: it has subscribed, or the broker does not report that */
	uint64_t connection; /* online: by this connection; 0 unknown */
	uint64_t oldest;     /* of the connections by which it is online; 0 unknown */
	bool asked;          /* the answer to FW_OUTGOING_PRESENCE: nothing happened just now */
	int64_t last_message_boot_ms; /* offline: boot ms of the last message of the connection that
					 ended */
	/* product empty: every device of that id. They point behind the struct. */
	struct fw_slice product, device;
};

struct fw_presence_queue;

struct fw_presence_queue *fw_presence_queue_new(void);        /* NULL when out of memory */
void fw_presence_queue_free(struct fw_presence_queue *queue); /* NULL is fine */

/* Broker thread. Copies `event` with its ids, and numbers the copy. FW_OK, FW_FULL or FW_NOMEM:
 * then it is lost. */
enum fw_status fw_presence_queue_put(
	struct fw_presence_queue *queue, const struct fw_presence_event *event);

/* Any thread. Is there anything that was not dropped? */
bool fw_presence_queue_empty(const struct fw_presence_queue *queue);

/* Any thread. More than half full: not the time to ask for more. */
bool fw_presence_queue_crowded(const struct fw_presence_queue *queue);

/* Store thread. Was an event lost since this was last asked? */
bool fw_presence_queue_lost(struct fw_presence_queue *queue);

/* Store thread. Takes over what has arrived; the first event that was not dropped, NULL when there
 * is none. The list is the store's until the next call. */
const struct fw_presence_event *fw_presence_queue_take(struct fw_presence_queue *queue);

/* Store thread. Drops the events before `first`, one of those taken; NULL drops all that were
 * taken. */
void fw_presence_queue_drop(struct fw_presence_queue *queue, const struct fw_presence_event *first);

#endif
