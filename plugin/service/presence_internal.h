/* Presence as its own files see it.
 *
 *   presence.c           what is observed, and what is asked
 *   presence_links.c     the clients, the keys, and the links between them
 *   presence_announce.c  what is announced of a key, now or a little later */
#ifndef FW_SERVICE_PRESENCE_INTERNAL_H
#define FW_SERVICE_PRESENCE_INTERNAL_H

#include "base/table.h"
#include "service/presence.h"

struct fw_presence_key;

struct fw_presence_deferral {
	struct fw_presence_deferral *next, **from; /* what points to it */
	struct fw_presence_key *key;
	int64_t until; /* boot ms */
};

/* Member of two lists: the client's, which is only ever dropped whole, and the key's. */
struct fw_presence_link {
	struct fw_presence_link *next_of_client;
	struct fw_presence_link *next_of_key, *previous_of_key;
	struct fw_presence_client *client;
	struct fw_presence_key *key;
};

struct fw_presence_client {
	const void *at; /* the broker's client, never followed */
	uint64_t connection;
	struct fw_presence_link *links;
	struct fw_presence_link
		*recent; /* the link last asked for: nearly always the one asked for next */
	/* the link to the key that is the client's id, found by one comparison; NULL: none */
	struct fw_presence_link *own;
	size_t link_count;
	bool listens;                 /* its keys do */
	int64_t last_message_boot_ms; /* boot ms of its last message */
	char id[];
};

struct fw_presence_key {
	struct fw_presence_link *links;
	size_t link_count;
	struct fw_presence_deferral *deferral; /* NULL: not deferred */
	bool announced, listens;               /* announced online; and as listening */
	uint64_t newest;                       /* number of the connection that was linked last, */
	uint64_t oldest;                       /* of the oldest one, never above `newest`, */
	uint64_t announced_connection;         /* and of the one that was announced */
	size_t len;
	char text[];
};

struct fw_presence {
	struct fw_table *clients; /* by the broker's pointer */
	struct fw_table *ids;     /* the same clients by client id */
	struct fw_table *keys;
	size_t max_keys, link_count;
	uint64_t last_connection;
	int64_t now; /* boot ms, as of the last fw_presence_release */
	struct fw_presence_deferral *deferrals, **last_deferral; /* oldest first */
	fw_presence_changed *changed;
	void *context;
};

static inline struct fw_slice fw_presence_text_of(const struct fw_presence_key *key)
{
	return (struct fw_slice){key->text, key->len};
}

/* The client's link to `text`, NULL when it does not stand for it. */
struct fw_presence_link *fw_presence_link_find(const struct fw_presence *presence,
	const struct fw_presence_client *client, struct fw_slice text);
/* Makes `client` stand for `text`; the caller announces a new key. NULL when out of memory, or when
 * one of the bounds is reached. */
struct fw_presence_link *fw_presence_link_add(
	struct fw_presence *presence, struct fw_presence_client *client, struct fw_slice text);

/* Takes a client (NULL is fine) out of the tables; its links stay until it is dropped. */
struct fw_presence_client *fw_presence_client_take_out(
	struct fw_presence *presence, struct fw_presence_client *client);
/* Ends a client (NULL is fine) that is out of the tables. A key that nobody stands for any more is
 * announced offline. */
void fw_presence_client_drop(struct fw_presence *presence, struct fw_presence_client *client);
/* Frees a client and its links, and announces nothing. */
void fw_presence_client_free(void *client);

/* Announces the key online, as it is now. */
void fw_presence_announce(struct fw_presence *presence, struct fw_presence_key *key, bool listens);
/* Announces it some seconds later, or now when out of memory. */
void fw_presence_defer(struct fw_presence *presence, struct fw_presence_key *key, int64_t now);
void fw_presence_cancel_deferral(struct fw_presence *presence, struct fw_presence_key *key);

#endif
