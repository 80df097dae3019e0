/* What a device's message must pass once its sender is the right one: is it a device of the
 * product, and does it not say too much? */
#include <stdio.h>

#include "service/internal.h"

const char *fw_admission_foreign(struct fw_service *service, const struct fw_client *client,
	const struct fw_topic *topic, enum fw_standing *standing)
{
	static const char *const details[] = {
		[FW_REGISTRATION_ONCE] =
			"the client is not that device: its id belongs to another product",
		[FW_REGISTRATION_CLOSED] = "the client is not that device: nobody added it to the "
					   "product, and registration is closed",
	};
	enum fw_registration_mode mode = service->options->registration;
	struct fw_product product;

	*standing = FW_STANDING_REGISTERED;
	if (mode == FW_REGISTRATION_OPEN || fw_topic_sender(topic->kind) != FW_SENDER_DEVICE ||
		fw_resolver_product(service->resolver, topic->product, &product) == FW_NOT_FOUND)
		return NULL;
	*standing = fw_registration_of(service->registration, topic->product, topic->device,
		fw_resolver_generation(service->resolver));
	if (*standing != FW_STANDING_FOREIGN)
		return NULL;
	if (mode == FW_REGISTRATION_ONCE &&
		fw_options_is_operator(service->options, client->username))
		return NULL;
	return details[mode];
}

bool fw_admission_limited(struct fw_service *service, const struct fw_topic *topic, size_t len,
	char *detail, size_t size)
{
	if (topic->kind == FW_TOPIC_CHUNK ||
		fw_device_rate_take(service->rate, topic->device, len, fw_boot_ms()))
		return false;
	fw_count(&service->counters, FW_COUNT_LIMITED);
	snprintf(detail, size,
		"the device says more than plugin_opt_device_rate_per_minute (%lld) allows",
		(long long)service->options->device_rate_per_minute);
	return true;
}

enum fw_status fw_admission_note(struct fw_unapplied *unapplied, enum fw_standing standing,
	const struct fw_uplink *uplink, struct fw_slice named)
{
	enum fw_status status = fw_unapplied_note_uplink(unapplied, uplink, named);

	if (status != FW_OK || standing == FW_STANDING_REGISTERED)
		return status;
	return fw_unapplied_has_room(unapplied)
		? fw_unapplied_hear(unapplied, uplink->product, uplink->device)
		: FW_FULL;
}
