/* What a device's message must pass once its sender is the right one: is it a device of the
 * product, and does it not say too much? */
#include "service/handlers.h"

#include <stdio.h>

/* How the device stands to the product, where the option `registration` asks for that. */
static enum fw_standing standing_of(const struct request *request)
{
	const struct fw_service *service = request->service;
	const struct fw_topic *topic = request->topic;
	struct fw_product product;

	if (service->options->registration == FW_REGISTRATION_OPEN ||
		fw_topic_sender(topic->kind) != FW_SENDER_DEVICE ||
		fw_resolver_product(service->resolver, topic->product, &product) == FW_NOT_FOUND)
		return FW_STANDING_REGISTERED;
	return fw_registration_of(service->registration, topic->product, topic->device,
		fw_resolver_generation(service->resolver));
}

enum fw_verdict fw_admission_check_registration(struct request *request)
{
	static const char *const details[] = {
		[FW_REGISTRATION_ONCE] =
			"the client is not that device: its id belongs to another product",
		[FW_REGISTRATION_CLOSED] = "the client is not that device: nobody added it to the "
					   "product, and registration is closed",
	};
	const struct fw_options *options = request->service->options;

	request->standing = standing_of(request);
	if (request->standing != FW_STANDING_FOREIGN)
		return FW_PASS;
	if (options->registration == FW_REGISTRATION_ONCE &&
		fw_options_is_operator(options, request->client->username))
		return FW_PASS;
	return fw_handlers_refuse(
		request, FW_REFUSED_IDENTITY, details[options->registration], FW_DENY);
}

enum fw_verdict fw_admission_check_rate(struct request *request)
{
	struct fw_service *service = request->service;
	char detail[128];

	if (request->topic->kind == FW_TOPIC_CHUNK ||
		fw_device_rate_take(service->rate, request->topic->device, request->incoming->len,
			fw_boot_ms()))
		return FW_PASS;
	fw_count(&service->counters, FW_COUNT_LIMITED);
	snprintf(detail, sizeof(detail),
		"the device says more than plugin_opt_device_rate_per_minute (%lld) allows",
		(long long)service->options->device_rate_per_minute);
	return fw_handlers_refuse(request, FW_REFUSED_RATE, detail, FW_LIMIT);
}
