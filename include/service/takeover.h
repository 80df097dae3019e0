/* Clients that throw each other out: two that use one client id take turns, as the broker ends the
 * connection of the one when the other connects (MQTT 5, section 3.1.4), and neither gets its
 * firmware. Broker thread only; pure: the clients are opaque pointers.
 *
 * Mosquitto 2.1 says why a connection ended; 2.0 does not. But 2.0 strips a client that is thrown
 * out of its session first: it has no subscriptions, and counts as clean (src/handle_connect.c,
 * connect__on_authorised). A client that never had a subscription looks the same. If it published,
 * it is remembered by that, and its end does not count; if it did nothing at all, its end counts.
 *
 * A client whose session is kept ends twice for the broker: when it goes, and when it comes back.
 * The second end does not count. */
#ifndef FW_SERVICE_TAKEOVER_H
#define FW_SERVICE_TAKEOVER_H

#include "base/fw.h"

#define FW_TAKEOVER_LINE 512u

/* What the broker says of the end of a connection. */
enum fw_ending {
	FW_ENDING_OTHER, /* it was not taken over */
	FW_ENDING_TAKEN_OVER,
	FW_ENDING_UNTOLD,
};

/* A client as it is now; in an event of its end, as it is by then. Borrowed. */
struct fw_takeover_client {
	const void *handle;
	const char *id;
	bool subscribed; /* it has subscriptions */
	bool clean;      /* its session began anew */
};

struct fw_takeovers;

struct fw_takeovers *fw_takeovers_new(void);            /* NULL when out of memory */
void fw_takeovers_free(struct fw_takeovers *takeovers); /* NULL is fine */

/* The client published. Cheap: one look into a table. */
void fw_takeovers_spoke(struct fw_takeovers *takeovers, const struct fw_takeover_client *client);

/* A connection of the client ended. True when a line is due, since one id was taken over more than
 * three times within a minute: then `line` (FW_TAKEOVER_LINE bytes) has it. Once a minute for an
 * id, and ten times for all; the next line says how many were left out. `now`: boot ms. */
bool fw_takeovers_ended(struct fw_takeovers *takeovers, const struct fw_takeover_client *client,
	enum fw_ending ending, int64_t now, char *line);

#endif
