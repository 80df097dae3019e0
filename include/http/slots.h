/* The slots for connections that the clients of a server share: limited in all, and for each
 * address. Pure but for its lock and the clock; any thread.
 *
 * A slot is embedded in what a server keeps of a connection. It is in the list from
 * fw_http_slots_take to fw_http_slots_leave, and the server holds its socket open in between, so
 * whoever holds the lock may use the sockets of the list. */
#ifndef FW_HTTP_SLOTS_H
#define FW_HTTP_SLOTS_H

#include <pthread.h>

#include <sys/socket.h>

#include "base/table.h"

/* A client's network address: all of an IPv4 one, the half of an IPv6 one that a site is given. All
 * zero: a unix socket. */
struct fw_http_address {
	char bytes[9];
	bool loopback;
};

struct fw_http_slot {
	struct fw_http_slot *next, *previous;
	struct fw_http_address address;
	int socket;
	/* boot ms: when the connection began to do what it does now. Guarded by the lock */
	int64_t since;
};

/* Embedded. The limits are set before the first client. */
struct fw_http_slots {
	pthread_mutex_t lock; /* guards what follows, and what in it changes */
	struct fw_http_slot *first;
	unsigned taken;
	struct fw_table *addresses; /* to a count of slots, as a pointer */
	unsigned most, per_address;
	unsigned loopback; /* instead of per_address for loopback addresses */
};

/* FW_OK: close it with fw_http_slots_close. FW_NOMEM: closing it is fine, too. */
enum fw_status fw_http_slots_init(struct fw_http_slots *slots);
void fw_http_slots_close(struct fw_http_slots *slots); /* all slots must have been left */

struct fw_http_address fw_http_address_of(const struct sockaddr *address);

/* Is there a slot for one more client from this address? Takes none. */
bool fw_http_slots_admit(struct fw_http_slots *slots, const struct sockaddr *address);

/* Puts `slot`, whose address and socket are set, into the list, and out of it. FW_OK, FW_NOMEM. */
enum fw_status fw_http_slots_take(struct fw_http_slots *slots, struct fw_http_slot *slot);
void fw_http_slots_leave(struct fw_http_slots *slots, struct fw_http_slot *slot);

/* With the lock held: are most slots taken? Then the server waits less for a client. */
bool fw_http_slots_crowded(const struct fw_http_slots *slots);

#endif
