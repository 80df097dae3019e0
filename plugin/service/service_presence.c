/* Presence between the broker and the store: reports what the table of clients (service/presence.h)
 * says of a device to the store, and answers the store's questions from it.
 *
 * If a message brings a device online, that is reported after the message is handled: what the
 * message says, such as the end of an upgrade, must be queued before the push that the device gets
 * for being online. */
#include "service/internal.h"

#include <string.h>

static void report_presence(
	struct fw_service *service, const struct fw_presence_change *change, bool asked)
{
	struct fw_presence_event event = {.online = change->online,
		.listens = change->listens,
		.device = change->key,
		.last_message_boot_ms = change->last_message_boot_ms,
		.asked = asked,
		.connection =
			change->connection ? service->first_connection + change->connection : 0,
		.oldest = change->oldest ? service->first_connection + change->oldest : 0};

	/* with identity `none` the key is product/device: see fw_identity_key */
	fw_device_key_split(change->key, &event.product, &event.device);
	fw_store_note_presence(service->store, event);
}

void fw_service_presence_changed(void *context, const struct fw_presence_change *change)
{
	struct fw_service *service = context;

	if (!change->online || !service->in_message) {
		report_presence(service, change, false);
		return;
	}
	memcpy(service->arrival, change->key.at, change->key.len);
	service->arrival_len = change->key.len;
	service->arrival_connection = change->connection;
	service->arrival_oldest = change->oldest;
}

void fw_service_presence_report_arrival(struct fw_service *service)
{
	struct fw_presence_change change = {.key = {service->arrival, service->arrival_len},
		.online = true,
		.listens = true,
		.connection = service->arrival_connection,
		.oldest = service->arrival_oldest};

	service->arrival_len = 0;
	if (change.key.len)
		report_presence(service, &change, false);
}

bool fw_service_presence_of_topic(const struct fw_service *service, const char *topic)
{
	char buffer[FW_PRESENCE_KEY_MAX];
	struct fw_topic parsed;
	struct fw_slice key;

	fw_topic_parse(topic, &parsed);
	key = service->options->identity == FW_IDENTITY_NONE
		? fw_device_key(buffer, parsed.product, parsed.device)
		: parsed.device;
	return fw_presence_online(service->presence, key);
}

void fw_service_presence_answer(
	struct fw_service *service, struct fw_slice product_and_device, bool believed)
{
	struct fw_slice key = product_and_device, product;
	bool online;

	if (service->options->identity != FW_IDENTITY_NONE)
		fw_device_key_split(product_and_device, &product, &key);
	online = fw_presence_online(service->presence, key);
	if (online || believed)
		report_presence(service,
			&(struct fw_presence_change){.key = key,
				.online = online,
				.listens = fw_presence_listens(service->presence, key),
				.connection = fw_presence_connection(service->presence, key),
				.oldest = fw_presence_oldest_connection(service->presence, key)},
			true);
}
