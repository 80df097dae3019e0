/* Two rules about the topic of a message, whatever its content: a topic that only looks like a
 * firmware topic is logged, and messages on firmware topics are never retained. */
#include "service/internal.h"

static bool log_topic(struct fw_service *service, enum fw_refusal why,
	const struct fw_client *client, const char *topic, const char *detail)
{
	char line[FW_REFUSAL_LINE];

	if (!fw_refusal_log_line(service->refusal_log, why, FW_TOPIC_OTHER, client->id, topic,
		    detail, fw_boot_ms(), line))
		return false;
	service->broker.log(service->broker.context, FW_LOG_WARNING, line);
	return true;
}

/* Nobody answers on such a topic, and the device's developer would not know why. An operator may
 * mean it, as a copy for a test. */
void fw_topic_rules_check_astray(struct fw_service *service, const struct fw_client *client,
	const char *text, const struct fw_topic *topic)
{
	const char *detail = fw_topic_astray(text, topic);

	if (!detail || fw_options_is_operator(service->options, client->username))
		return;
	fw_count(&service->counters, FW_COUNT_ASTRAY);
	log_topic(service, FW_ASTRAY, client, text, detail);
}

/* A retained upgrade would be sent to the device at each boot. A retained message without a payload
 * clears what was retained before (MQTT 5, section 3.3.1.3), and stays as it is. */
enum fw_verdict fw_topic_rules_unretain(struct fw_service *service, const struct fw_client *client,
	const struct fw_incoming *incoming)
{
	if (!incoming->retain || !incoming->len)
		return FW_PASS;
	if (!service->retain_told)
		service->retain_told = log_topic(service, FW_UNRETAINED, client, incoming->topic,
			"firmware topics are never retained");
	return FW_PASS_UNRETAINED;
}
