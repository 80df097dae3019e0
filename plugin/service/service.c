/* The service: what the broker's events mean for firmware upgrades (broker/events.c calls it).
 *
 * A firmware message goes to the handlers; any other event only says which clients are there. All
 * of it runs on the broker's thread, and none of it waits for a file or for the catalog's lock. */
#include "service/service.h"

#include <stdio.h>
#include <stdlib.h>

#include "service/internal.h"

void fw_service_describe(struct fw_service *service, char *text, size_t size)
{
	int64_t products = 0, firmware = 0;

	fw_pull_reader_counts(service->reader, &products, &firmware);
	snprintf(text, size, "catalog %s: %lld products, %lld firmware", service->options->db_file,
		(long long)products, (long long)firmware);
}

void fw_reply_to_clear(struct fw_reply_to *to)
{
	free(to->response_topic);
	free(to->correlation);
	*to = (struct fw_reply_to){NULL, NULL, 0};
}

bool fw_service_log_refusal(struct fw_service *service, enum fw_refusal why,
	enum fw_topic_kind kind, const struct fw_client *client, const char *topic,
	const char *detail)
{
	char line[FW_REFUSAL_LINE];

	if (!fw_refusal_log_line(
		    service->refusal_log, why, kind, client->id, topic, detail, fw_boot_ms(), line))
		return false;
	service->broker.log(service->broker.context, FW_LOG_WARNING, line);
	return true;
}

enum fw_verdict fw_service_message(struct fw_service *service, const struct fw_client *client,
	const struct fw_incoming *incoming)
{
	struct fw_topic topic;
	enum fw_verdict verdict = FW_PASS;

	if (!client->id)
		return FW_PASS;
	fw_topic_parse(incoming->topic, &topic);
	if (topic.kind != FW_TOPIC_OTHER)
		fw_service_check_ticks(service);
	service->in_message = true;
	if (topic.kind == FW_TOPIC_OTHER) {
		fw_identity_seen(service, client, NULL);
		fw_topic_rules_check_astray(service, client, incoming->topic, &topic);
	} else {
		verdict = fw_handlers(service, client, incoming, &topic);
		if (verdict == FW_PASS)
			verdict = fw_topic_rules_unretain(service, client, incoming);
	}
	service->in_message = false;
	fw_service_presence_report_arrival(service);
	return verdict;
}

bool fw_service_may_send(
	struct fw_service *service, const struct fw_client *client, const char *topic_text)
{
	struct fw_topic topic;

	fw_topic_parse(topic_text, &topic);
	return topic.kind == FW_TOPIC_OTHER ||
		fw_handlers_check(service, client, &(struct fw_incoming){.topic = topic_text},
			&topic) == FW_PASS;
}

void fw_service_connected(struct fw_service *service, const struct fw_client *client, bool listens)
{
	struct fw_slice key = fw_identity_key(service, client, NULL, NULL);

	if (fw_topic_id_valid(key))
		fw_presence_connected(
			service->presence, client->handle, client->id, key, listens, fw_boot_ms());
}

void fw_service_subscribed(
	struct fw_service *service, const struct fw_client *client, const char *filter)
{
	struct fw_slice key = fw_identity_key(service, client, NULL, NULL);

	/* with identity `none` a device shows itself by publishing */
	if (fw_topic_id_valid(key) && fw_topic_filter_has_upgrade(filter, key))
		fw_presence_subscribed(service->presence, key);
}

void fw_service_spoke(struct fw_service *service, const struct fw_takeover_client *client)
{
	fw_takeovers_spoke(service->takeovers, client);
}

void fw_service_gone(struct fw_service *service, const struct fw_client *client,
	const struct fw_takeover_client *ended, enum fw_ending ending)
{
	struct fw_slice key = fw_identity_key(service, client, NULL, NULL);
	char line[FW_TAKEOVER_LINE];

	if (fw_takeovers_ended(service->takeovers, ended, ending, fw_boot_ms(), line))
		service->broker.log(service->broker.context, FW_LOG_WARNING, line);
	if (service->control)
		fw_control_gone(service->control, client->handle);
	fw_presence_gone(service->presence, client->handle,
		fw_topic_id_valid(key) ? key : (struct fw_slice){NULL, 0});
}
