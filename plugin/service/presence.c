/* Who is online, from what the broker tells of its clients.
 *
 * A client id names one client at a time (MQTT 5, section 3.1.4). So a second client with the id of
 * a first has taken its place, even if the broker never said that the first is gone. */
#include "service/presence_internal.h"

#include <stdlib.h>
#include <string.h>

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
	presence->last_deferral = &presence->deferrals;
	if (!presence->clients || !presence->ids || !presence->keys) {
		fw_presence_free(presence);
		return NULL;
	}
	return presence;
}

void fw_presence_free(struct fw_presence *presence)
{
	if (!presence)
		return;
	while (presence->deferrals)
		fw_presence_cancel_deferral(presence, presence->deferrals->key);
	fw_table_clear(presence->clients, fw_presence_client_free);
	fw_table_clear(presence->keys, free);
	fw_table_free(presence->clients);
	fw_table_free(presence->ids);
	fw_table_free(presence->keys);
	free(presence);
}

/* What the broker tells of a client. */
struct observation {
	const void *at;
	const char *id;
	struct fw_slice key;
	bool listens;
	bool speaks; /* by a message */
	int64_t now; /* boot ms; of one that does not listen */
};

/* The client stands for the key of this link: announces the key, now or later, if there is anything
 * new. */
static void announce_or_defer(struct fw_presence *presence, struct fw_presence_link *link,
	const struct observation *observation)
{
	struct fw_presence_key *key = link->key;

	link->client->recent = link;
	link->client->listens |= observation->listens;
	if (observation->listens && (!key->listens || key->announced_connection != key->newest))
		fw_presence_announce(presence, key, true);
	else if ((!key->announced || key->announced_connection != key->newest) && !key->deferral)
		fw_presence_defer(presence, key, observation->now);
}

/* A client in both tables, with its first link, of which nothing is announced yet. */
static struct fw_presence_client *add_client(
	struct fw_presence *presence, const struct observation *observation)
{
	size_t size = strlen(observation->id) + 1;
	struct fw_presence_client *client = calloc(1, sizeof(*client) + size);
	struct fw_presence_link *link = NULL;

	if (!client)
		return NULL;
	client->at = observation->at;
	client->connection = ++presence->last_connection;
	client->last_message_boot_ms = observation->speaks ? presence->now : 0;
	memcpy(client->id, observation->id, size);
	if (fw_table_put(presence->clients, fw_table_key_of_pointer(&client->at), client, NULL) ==
			FW_OK &&
		(!client->id[0] ||
			fw_table_put(presence->ids, fw_slice_of(client->id), client, NULL) ==
				FW_OK))
		link = fw_presence_link_add(presence, client, observation->key);
	if (link)
		return client;
	fw_presence_client_free(fw_presence_client_take_out(presence, client));
	return NULL;
}

static uint64_t observe_known(struct fw_presence *presence, struct fw_presence_client *client,
	const struct observation *observation)
{
	struct fw_presence_link *link = fw_presence_link_find(presence, client, observation->key);

	if (link && client->listens) {
		client->recent = link;
		return client->connection;
	}
	if (!link)
		link = fw_presence_link_add(presence, client, observation->key);
	if (!link)
		return 0;
	announce_or_defer(presence, link, observation);
	return client->connection;
}

static uint64_t observe(struct fw_presence *presence, const struct observation *observation)
{
	struct fw_presence_client *known =
		fw_table_get(presence->clients, fw_table_key_of_pointer(&observation->at));
	struct fw_presence_client *former, *taken_over = NULL;

	if (known && strcmp(known->id, observation->id) == 0) {
		known->last_message_boot_ms =
			observation->speaks ? presence->now : known->last_message_boot_ms;
		return observation->key.len > 0 ? observe_known(presence, known, observation) : 0;
	}
	/* The new one comes before the old ones go: a key that they share does not flicker. */
	former = fw_presence_client_take_out(presence, known);
	if (observation->id[0])
		taken_over = fw_presence_client_take_out(
			presence, fw_table_get(presence->ids, fw_slice_of(observation->id)));
	known = observation->key.len > 0 ? add_client(presence, observation) : NULL;
	fw_presence_client_drop(presence, taken_over);
	if (known)
		announce_or_defer(presence, known->links, observation);
	fw_presence_client_drop(presence, former);
	return known ? known->connection : 0;
}

uint64_t fw_presence_seen(struct fw_presence *presence, const void *client, const char *client_id,
	struct fw_slice key)
{
	return observe(presence,
		&(struct observation){.at = client,
			.id = client_id ? client_id : "",
			.key = key,
			.listens = true,
			.speaks = true});
}

void fw_presence_connected(struct fw_presence *presence, const void *client, const char *client_id,
	struct fw_slice key, bool listens, int64_t now)
{
	observe(presence,
		&(struct observation){.at = client,
			.id = client_id ? client_id : "",
			.key = key,
			.listens = listens,
			.now = now});
}

void fw_presence_gone(struct fw_presence *presence, const void *client, struct fw_slice key)
{
	struct fw_presence_client *known =
		fw_table_get(presence->clients, fw_table_key_of_pointer(&client));
	bool announced = known && key.len > 0 && fw_presence_link_find(presence, known, key);

	fw_presence_client_drop(presence, fw_presence_client_take_out(presence, known));
	if (key.len > 0 && !announced && !fw_table_get(presence->keys, key))
		presence->changed(presence->context, &(struct fw_presence_change){.key = key});
}

bool fw_presence_online(const struct fw_presence *presence, struct fw_slice key)
{
	const struct fw_presence_key *known = fw_table_get(presence->keys, key);

	return known && known->announced;
}

bool fw_presence_listens(const struct fw_presence *presence, struct fw_slice key)
{
	const struct fw_presence_key *known = fw_table_get(presence->keys, key);

	return known && known->listens;
}

uint64_t fw_presence_connection(const struct fw_presence *presence, struct fw_slice key)
{
	const struct fw_presence_key *known = fw_table_get(presence->keys, key);

	return known ? known->newest : 0;
}

uint64_t fw_presence_oldest_connection(const struct fw_presence *presence, struct fw_slice key)
{
	const struct fw_presence_key *known = fw_table_get(presence->keys, key);

	return known ? known->oldest : 0;
}

void fw_presence_subscribed(struct fw_presence *presence, struct fw_slice key)
{
	struct fw_presence_key *known = fw_table_get(presence->keys, key);

	if (known)
		fw_presence_announce(presence, known, true);
}
