/* Who a client is (option `identity`): whether it is the device of a topic, and the name under
 * which presence knows it. */
#include "service/internal.h"

bool fw_identity_is_device(
	const struct fw_service *service, const struct fw_client *client, struct fw_slice device)
{
	switch (service->options->identity) {
	case FW_IDENTITY_CLIENTID:
		return fw_slice_equal(fw_slice_of(client->id), device);
	case FW_IDENTITY_USERNAME:
		return fw_slice_equal(fw_slice_of(client->username), device);
	default:
		return true;
	}
}

struct fw_slice fw_identity_key(const struct fw_service *service, const struct fw_client *client,
	const struct fw_topic *topic, char *buffer)
{
	switch (service->options->identity) {
	case FW_IDENTITY_CLIENTID:
		return fw_slice_of(client->id);
	case FW_IDENTITY_USERNAME:
		return fw_slice_of(client->username);
	default:
		if (!topic)
			return (struct fw_slice){NULL, 0};
		return fw_device_key(buffer, topic->product, topic->device);
	}
}

uint64_t fw_identity_seen(
	struct fw_service *service, const struct fw_client *client, const struct fw_topic *topic)
{
	char buffer[FW_PRESENCE_KEY_MAX];
	struct fw_slice key = fw_identity_key(service, client, topic, buffer);
	uint64_t number;

	/* what cannot be a device id is nobody's business, and would be taken for product/device */
	if (!topic && (!key.len || !fw_topic_id_valid(key)))
		return 0;
	number = fw_presence_seen(service->presence, client->handle, client->id, key);
	return number ? service->first_connection + number : 0;
}
