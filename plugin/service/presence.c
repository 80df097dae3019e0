/* Clients and the keys they stand for, joined by links. A key is in the table exactly as long as a
 * client stands for it: that is what online means. A client id names one client at a time (MQTT 5,
 * section 3.1.4), so a second client with the id of a first has taken its place, even if the broker
 * never said that the first is gone. */
#include "service/presence.h"

#include <stdlib.h>
#include <string.h>

#include "base/table.h"

/* With the identity `none` every client may stand for every key: their product is not for clients
 * to choose. */
/* when it goes they all go at once, and the broker waits: some milliseconds */
#define CLIENT_LINKS_MAX 10000u
#define LINKS_PER_KEY 4u

/* A clean session has no subscription when it begins: what is sent to it then is lost. Who connects
 * and says nothing is told online late. */
#define HELD_MS 3000
#define RELEASED_AT_ONCE 1000u

struct key;

struct held {
	struct held *next, **from; /* what points to it */
	struct key *key;
	int64_t until; /* boot ms */
};

/* Member of two lists: the client's, which is only ever dropped whole, and the key's. */
struct link {
	struct link *next_of_client;
	struct link *next_of_key, *previous_of_key;
	struct client *client;
	struct key *key;
};

struct client {
	const void *at; /* the broker's client, never followed */
	uint64_t connection;
	struct link *links;
	struct link *pull_dedup; /* the link last asked for: nearly always the one asked for next */
	/* to the key that is the client's id: found without a look at link and key; NULL: none */
	struct link *own;
	size_t link_count;
	bool listens;     /* its keys do */
	int64_t heard_ms; /* boot ms of its last message */
	char id[];
};

struct key {
	struct link *links;
	size_t link_count;
	struct held *held;        /* NULL: not held back */
	bool told, listens;       /* told online; and that it listens */
	uint64_t newest;          /* number of its newest connection, */
	uint64_t oldest;          /* of its oldest one, */
	uint64_t told_connection; /* and of the one that was told */
	size_t len;
	char text[];
};

struct fw_presence {
	struct fw_table *clients; /* by the broker's pointer */
	struct fw_table *ids;     /* the same clients by client id */
	struct fw_table *keys;
	size_t max_keys, link_count;
	uint64_t last_connection;
	int64_t now;                    /* boot ms, as of the last fw_presence_release */
	struct held *held, **last_held; /* oldest first */
	fw_presence_changed *changed;
	void *context;
};

static struct fw_slice text_of(const struct key *key)
{
	return (struct fw_slice){key->text, key->len};
}

struct fw_presence *fw_presence_new(size_t max_keys, fw_presence_changed *changed, void *context)
{
	struct fw_presence *presence = calloc(1, sizeof(*presence));

	if (!presence)
		return NULL;
	*presence = (struct fw_presence){
		.clients = fw_table_new(0),
		.ids = fw_table_new(0),
		.keys = fw_table_new(0),
		.max_keys = max_keys,
		.changed = changed,
		.context = context,
	};
	presence->last_held = &presence->held;
	if (!presence->clients || !presence->ids || !presence->keys) {
		fw_presence_free(presence);
		return NULL;
	}
	return presence;
}

static void free_client(void *value)
{
	struct client *client = value;
	struct link *link, *next;

	for (link = client->links; link; link = next) {
		next = link->next_of_client;
		free(link);
	}
	free(client);
}

static void cancel_deferral(struct fw_presence *presence, struct key *key)
{
	struct held *held = key->held;

	if (!held)
		return;
	*held->from = held->next;
	if (held->next)
		held->next->from = held->from;
	else
		presence->last_held = held->from;
	key->held = NULL;
	free(held);
}

void fw_presence_free(struct fw_presence *presence)
{
	if (!presence)
		return;
	while (presence->held)
		cancel_deferral(presence, presence->held->key);
	fw_table_clear(presence->clients, free_client);
	fw_table_clear(presence->keys, free);
	fw_table_free(presence->clients);
	fw_table_free(presence->ids);
	fw_table_free(presence->keys);
	free(presence);
}

/* The client's link to `text`, NULL when it does not stand for it. */
static struct link *find_link(
	const struct fw_presence *presence, const struct client *client, struct fw_slice text)
{
	const struct key *key;
	struct link *link;

	if (client->own && fw_slice_equal(fw_slice_of(client->id), text))
		return client->own;
	if (client->pull_dedup && fw_slice_equal(text_of(client->pull_dedup->key), text))
		return client->pull_dedup;
	key = fw_table_get(presence->keys, text);
	if (!key)
		return NULL;
	/* A gateway has many keys with a client each, a shared user name one key with many clients:
	 * the shorter list is short. */
	if (client->link_count < key->link_count) {
		for (link = client->links; link && link->key != key; link = link->next_of_client)
			;
	} else {
		for (link = key->links; link && link->client != client; link = link->next_of_key)
			;
	}
	return link;
}

static struct key *add_key(struct fw_presence *presence, struct fw_slice text)
{
	struct key *key;

	if (fw_table_count(presence->keys) >= presence->max_keys)
		return NULL;
	key = malloc(sizeof(*key) + text.len);
	if (!key)
		return NULL;
	*key = (struct key){.len = text.len};
	memcpy(key->text, text.at, text.len);
	if (fw_table_put(presence->keys, text, key, NULL) != FW_OK) {
		free(key);
		return NULL;
	}
	return key;
}

static void tell_online(struct fw_presence *presence, struct key *key, bool listens)
{
	struct fw_presence_change change = {.key = text_of(key),
		.online = true,
		.listens = listens,
		.connection = key->newest,
		.oldest = key->oldest,
		.moved = key->told && key->told_connection != key->newest};

	cancel_deferral(presence, key);
	key->told = true;
	key->listens = listens;
	key->told_connection = key->newest;
	presence->changed(presence->context, &change);
}

/* Tells later that the key is online, or now when out of memory. */
static void hold_back(struct fw_presence *presence, struct key *key, int64_t now)
{
	struct held *held = malloc(sizeof(*held));

	if (!held) {
		tell_online(presence, key, false);
		return;
	}
	*held = (struct held){.from = presence->last_held, .key = key, .until = now + HELD_MS};
	*presence->last_held = held;
	presence->last_held = &held->next;
	key->held = held;
}

void fw_presence_release(struct fw_presence *presence, int64_t now)
{
	presence->now = now;
	for (unsigned i = 0; i < RELEASED_AT_ONCE && presence->held && presence->held->until <= now;
		i++)
		tell_online(presence, presence->held->key, false);
}

/* Makes `client` stand for `text`; what is told of a new key is up to the caller. NULL when out of
 * memory, or one of the bounds is reached. */
static struct link *add_link(
	struct fw_presence *presence, struct client *client, struct fw_slice text)
{
	struct link *link;
	struct key *key;

	if (text.len > FW_PRESENCE_KEY_MAX ||
		presence->link_count / LINKS_PER_KEY >= presence->max_keys ||
		client->link_count >= CLIENT_LINKS_MAX)
		return NULL;
	link = malloc(sizeof(*link));
	if (!link)
		return NULL;
	key = fw_table_get(presence->keys, text);
	if (!key)
		key = add_key(presence, text);
	if (!key) {
		free(link);
		return NULL;
	}
	*link = (struct link){.client = client,
		.key = key,
		.next_of_client = client->links,
		.next_of_key = key->links};
	if (key->links)
		key->links->previous_of_key = link;
	else
		key->oldest = client->connection;
	key->links = link;
	key->link_count++;
	key->newest = client->connection;
	client->links = link;
	client->pull_dedup = link;
	if (fw_slice_equal(fw_slice_of(client->id), text))
		client->own = link;
	client->link_count++;
	presence->link_count++;
	return link;
}

static void find_oldest(struct key *key)
{
	key->oldest = UINT64_MAX;
	for (const struct link *link = key->links; link; link = link->next_of_key) {
		if (link->client->connection < key->oldest)
			key->oldest = link->client->connection;
	}
}

static void remove_link(struct fw_presence *presence, struct link *link)
{
	bool oldest = link->client->connection == link->key->oldest;
	int64_t heard_ms = link->client->heard_ms;
	struct key *key = link->key;

	if (link->previous_of_key)
		link->previous_of_key->next_of_key = link->next_of_key;
	else
		key->links = link->next_of_key;
	if (link->next_of_key)
		link->next_of_key->previous_of_key = link->previous_of_key;
	free(link);
	presence->link_count--;
	key->link_count--;
	if (key->link_count > 0) {
		if (oldest)
			find_oldest(key);
		return;
	}
	fw_table_remove(presence->keys, text_of(key));
	cancel_deferral(presence, key);
	presence->changed(presence->context,
		&(struct fw_presence_change){.key = text_of(key), .heard_ms = heard_ms});
	free(key);
}

/* Ends a client that is out of the tables. */
static void drop_client(struct fw_presence *presence, struct client *client)
{
	struct link *link, *next;

	if (!client)
		return;
	for (link = client->links; link; link = next) {
		next = link->next_of_client;
		remove_link(presence, link);
	}
	free(client);
}

/* Takes a client out of the tables; its links stay until drop_client. */
static struct client *take_out(struct fw_presence *presence, struct client *client)
{
	if (!client)
		return NULL;
	fw_table_remove(presence->clients, fw_table_key_of_pointer(&client->at));
	if (client->id[0])
		fw_table_remove(presence->ids, fw_slice_of(client->id));
	return client;
}

/* What a client does that is seen. */
struct observation {
	const void *at;
	const char *id;
	struct fw_slice key;
	bool listens;
	bool speaks; /* by a message */
	int64_t now; /* boot ms; of one that does not listen */
};

/* The client stands for the key of this link: what is there to tell? */
static void note(
	struct fw_presence *presence, struct link *link, const struct observation *observation)
{
	struct key *key = link->key;

	link->client->pull_dedup = link;
	link->client->listens |= observation->listens;
	if (observation->listens && (!key->listens || key->told_connection != key->newest))
		tell_online(presence, key, true);
	else if ((!key->told || key->told_connection != key->newest) && !key->held)
		hold_back(presence, key, observation->now);
}

/* A client in both tables, with its first link, of which nothing is told yet. */
static struct client *add_client(
	struct fw_presence *presence, const struct observation *observation)
{
	size_t size = strlen(observation->id) + 1;
	struct client *client = calloc(1, sizeof(*client) + size);
	struct link *link = NULL;

	if (!client)
		return NULL;
	client->at = observation->at;
	client->connection = ++presence->last_connection;
	client->heard_ms = observation->speaks ? presence->now : 0;
	memcpy(client->id, observation->id, size);
	if (fw_table_put(presence->clients, fw_table_key_of_pointer(&client->at), client, NULL) ==
			FW_OK &&
		(!client->id[0] ||
			fw_table_put(presence->ids, fw_slice_of(client->id), client, NULL) ==
				FW_OK))
		link = add_link(presence, client, observation->key);
	if (link)
		return client;
	free_client(take_out(presence, client));
	return NULL;
}

static uint64_t seen_again(
	struct fw_presence *presence, struct client *client, const struct observation *observation)
{
	struct link *link = find_link(presence, client, observation->key);

	if (link && client->listens) {
		client->pull_dedup = link;
		return client->connection;
	}
	if (!link)
		link = add_link(presence, client, observation->key);
	if (!link)
		return 0;
	note(presence, link, observation);
	return client->connection;
}

static uint64_t see(struct fw_presence *presence, const struct observation *observation)
{
	struct client *known =
		fw_table_get(presence->clients, fw_table_key_of_pointer(&observation->at));
	struct client *former, *taken_over = NULL;

	if (known && strcmp(known->id, observation->id) == 0) {
		known->heard_ms = observation->speaks ? presence->now : known->heard_ms;
		return observation->key.len > 0 ? seen_again(presence, known, observation) : 0;
	}
	/* The new one comes before the old ones go: a key that they share does not flicker. */
	former = take_out(presence, known);
	if (observation->id[0])
		taken_over = take_out(
			presence, fw_table_get(presence->ids, fw_slice_of(observation->id)));
	known = observation->key.len > 0 ? add_client(presence, observation) : NULL;
	drop_client(presence, taken_over);
	if (known)
		note(presence, known->links, observation);
	drop_client(presence, former);
	return known ? known->connection : 0;
}

uint64_t fw_presence_seen(struct fw_presence *presence, const void *client, const char *client_id,
	struct fw_slice key)
{
	return see(presence,
		&(struct observation){.at = client,
			.id = client_id ? client_id : "",
			.key = key,
			.listens = true,
			.speaks = true});
}

void fw_presence_connected(struct fw_presence *presence, const void *client, const char *client_id,
	struct fw_slice key, bool listens, int64_t now)
{
	see(presence,
		&(struct observation){.at = client,
			.id = client_id ? client_id : "",
			.key = key,
			.listens = listens,
			.now = now});
}

void fw_presence_gone(struct fw_presence *presence, const void *client, struct fw_slice key)
{
	struct client *known = fw_table_get(presence->clients, fw_table_key_of_pointer(&client));
	bool told = known && key.len > 0 && find_link(presence, known, key);

	drop_client(presence, take_out(presence, known));
	if (key.len > 0 && !told && !fw_table_get(presence->keys, key))
		presence->changed(presence->context, &(struct fw_presence_change){.key = key});
}

bool fw_presence_online(const struct fw_presence *presence, struct fw_slice key)
{
	const struct key *known = fw_table_get(presence->keys, key);

	return known && known->told;
}

bool fw_presence_listens(const struct fw_presence *presence, struct fw_slice key)
{
	const struct key *known = fw_table_get(presence->keys, key);

	return known && known->listens;
}

uint64_t fw_presence_connection(const struct fw_presence *presence, struct fw_slice key)
{
	const struct key *known = fw_table_get(presence->keys, key);

	return known ? known->newest : 0;
}

uint64_t fw_presence_oldest_connection(const struct fw_presence *presence, struct fw_slice key)
{
	const struct key *known = fw_table_get(presence->keys, key);

	return known ? known->oldest : 0;
}

void fw_presence_subscribed(struct fw_presence *presence, struct fw_slice key)
{
	struct key *known = fw_table_get(presence->keys, key);

	if (known)
		tell_online(presence, known, true);
}
