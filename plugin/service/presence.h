/* Who is there: which clients the broker has seen, and the devices they speak for. Broker thread
 * only. Pure: the clients are opaque pointers.
 *
 * A device key is the identity under which the plugin knows a device: the device id (options
 * `clientid` and `username`), or product/device (`none`). One client may speak for many keys
 * (`none`), and many clients for one (`username`): a key is online while at least one client that
 * stands for it is connected. */
#ifndef FW_SERVICE_PRESENCE_H
#define FW_SERVICE_PRESENCE_H

#include "base/fw.h"

/* bytes of a key; a longer one names no device and is not tracked */
#define FW_PRESENCE_KEY_MAX FW_DEVICE_KEY

struct fw_presence;

/* What became of a key. */
struct fw_presence_change {
	struct fw_slice key; /* borrowed */
	bool online;
	bool listens;        /* online: it may be pushed */
	uint64_t connection; /* online: the number of the connection that came last to the key */
	/* online: the number of its oldest connection that still stands. When that one ends later
	 * nobody is told, so a number that was reported may be too low. */
	uint64_t oldest;
	/* offline: boot ms of the last message of the connection that ended, as exact as
	 * fw_presence_release is called often; 0: it never said anything */
	int64_t last_message_boot_ms;
};

/* Called, on the broker thread, when a key goes online or offline, when one that is online comes to
 * listen, and when it is there by another connection. It may be called with offline for a key that
 * was unknown, and more than once. It must not call into this module. */
typedef void fw_presence_changed(void *context, const struct fw_presence_change *change);

/* NULL when out of memory. The caller owns it. `max_keys` bounds memory: above it new keys are not
 * tracked (unknown), nor are more than 10,000 keys of one client. Only keys that are online take
 * memory. */
struct fw_presence *fw_presence_new(size_t max_keys, fw_presence_changed *changed, void *context);
void fw_presence_free(struct fw_presence *presence);

/* The client published, standing for `key`. Cheap when nothing is new (one look-up by pointer).
 * `client_id` tells a new client from an old one whose memory it got. Returns the number of the
 * connection (from 1, never reused in this run), 0 when it is not tracked. Out of memory is silent:
 * the key stays unknown. An empty key is never tracked. A second client with the client id of a
 * first has taken its place: the first one is gone, whether fw_presence_gone is told so or not. */
uint64_t fw_presence_seen(struct fw_presence *presence, const void *client, const char *client_id,
	struct fw_slice key);

/* The client only connected. A key listens, and may be pushed, once one of its clients has a
 * subscription from an earlier session (`listens`), subscribed or published. A key that does not
 * listen is announced some seconds later. `now`: boot ms. */
void fw_presence_connected(struct fw_presence *presence, const void *client, const char *client_id,
	struct fw_slice key, bool listens, int64_t now);

/* Announces keys that have been silent long enough, or some of them. To be called often. `now`:
 * boot ms. */
void fw_presence_release(struct fw_presence *presence, int64_t now);

/* A client of the key subscribes to its upgrades: announced each time. Does nothing for a key that
 * no client stands for. */
void fw_presence_subscribed(struct fw_presence *presence, struct fw_slice key);

/* The client is gone: every key that no other client stands for goes offline. A client that was
 * never seen, but whose identity is `key` (may be empty), makes that key offline too, if it was
 * known online by nobody else. */
void fw_presence_gone(struct fw_presence *presence, const void *client, struct fw_slice key);

/* As last announced. */
bool fw_presence_online(const struct fw_presence *presence, struct fw_slice key);
bool fw_presence_listens(const struct fw_presence *presence, struct fw_slice key);
/* 0: offline */
uint64_t fw_presence_connection(const struct fw_presence *presence, struct fw_slice key);
/* 0: offline */
uint64_t fw_presence_oldest_connection(const struct fw_presence *presence, struct fw_slice key);

#endif
