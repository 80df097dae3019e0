/* Clients and the keys they stand for, joined by links.
 *
 * A key is in the table exactly as long as a client stands for it: that is what online means. A
 * link is a member of two lists, the client's and the key's. */
#include "service/presence_internal.h"

#include <stdlib.h>
#include <string.h>

/* When a client goes, all its links are removed at once, while the broker waits: some milliseconds.
 * With the identity `none` every client may stand for every key. */
#define CLIENT_LINKS_MAX 10000u
/* Bounds the links in all, since clients choose how many each has. */
#define LINKS_PER_KEY 4u

void fw_presence_client_free(void *value)
{
	struct fw_presence_client *client = value;
	struct fw_presence_link *link, *next;

	for (link = client->links; link; link = next) {
		next = link->next_of_client;
		free(link);
	}
	free(client);
}

struct fw_presence_link *fw_presence_link_find(const struct fw_presence *presence,
	const struct fw_presence_client *client, struct fw_slice text)
{
	const struct fw_presence_key *key;
	struct fw_presence_link *link;

	if (client->own && fw_slice_equal(fw_slice_of(client->id), text))
		return client->own;
	if (client->recent && fw_slice_equal(fw_presence_text_of(client->recent->key), text))
		return client->recent;
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

static struct fw_presence_key *add_key(struct fw_presence *presence, struct fw_slice text)
{
	struct fw_presence_key *key;

	if (fw_table_count(presence->keys) >= presence->max_keys)
		return NULL;
	key = malloc(sizeof(*key) + text.len);
	if (!key)
		return NULL;
	*key = (struct fw_presence_key){.len = text.len};
	memcpy(key->text, text.at, text.len);
	if (fw_table_put(presence->keys, text, key, NULL) != FW_OK) {
		free(key);
		return NULL;
	}
	return key;
}

struct fw_presence_link *fw_presence_link_add(
	struct fw_presence *presence, struct fw_presence_client *client, struct fw_slice text)
{
	struct fw_presence_link *link;
	struct fw_presence_key *key;

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
	*link = (struct fw_presence_link){.client = client,
		.key = key,
		.next_of_client = client->links,
		.next_of_key = key->links};
	if (key->links)
		key->links->previous_of_key = link;
	/* a gateway may have connected before the one that spoke for the device until now */
	if (!key->links || client->connection < key->oldest)
		key->oldest = client->connection;
	key->links = link;
	key->link_count++;
	key->newest = client->connection;
	client->links = link;
	client->recent = link;
	if (fw_slice_equal(fw_slice_of(client->id), text))
		client->own = link;
	client->link_count++;
	presence->link_count++;
	return link;
}

static void find_oldest(struct fw_presence_key *key)
{
	key->oldest = UINT64_MAX;
	for (const struct fw_presence_link *link = key->links; link; link = link->next_of_key) {
		if (link->client->connection < key->oldest)
			key->oldest = link->client->connection;
	}
	if (key->newest < key->oldest)
		key->newest = key->oldest;
}

static void remove_link(struct fw_presence *presence, struct fw_presence_link *link)
{
	bool oldest = link->client->connection == link->key->oldest;
	int64_t last_message_boot_ms = link->client->last_message_boot_ms;
	struct fw_presence_key *key = link->key;

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
	fw_table_remove(presence->keys, fw_presence_text_of(key));
	fw_presence_cancel_deferral(presence, key);
	presence->changed(presence->context,
		&(struct fw_presence_change){.key = fw_presence_text_of(key),
			.last_message_boot_ms = last_message_boot_ms});
	free(key);
}

void fw_presence_client_drop(struct fw_presence *presence, struct fw_presence_client *client)
{
	struct fw_presence_link *link, *next;

	if (!client)
		return;
	for (link = client->links; link; link = next) {
		next = link->next_of_client;
		remove_link(presence, link);
	}
	free(client);
}

struct fw_presence_client *fw_presence_client_take_out(
	struct fw_presence *presence, struct fw_presence_client *client)
{
	if (!client)
		return NULL;
	fw_table_remove(presence->clients, fw_table_key_of_pointer(&client->at));
	if (client->id[0])
		fw_table_remove(presence->ids, fw_slice_of(client->id));
	return client;
}
