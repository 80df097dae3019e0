/* Two rules about the topic of a message, whatever its content: a topic that only looks like a
 * firmware topic is logged, and messages on firmware topics are never retained. */
#include "service/internal.h"

/* Nobody answers on such a topic, and the device's developer would not know why. An operator may
 * mean it, as a copy for a test. */
void fw_topic_rules_check_astray(struct fw_service *service, const struct fw_client *client,
	const char *text, const struct fw_topic *topic)
{
	const char *detail = fw_topic_astray(text, topic);

	if (!detail || fw_options_is_operator(service->options, client->username))
		return;
	fw_count(&service->counters, FW_COUNT_ASTRAY);
	fw_service_log_refusal(service, FW_ASTRAY, FW_TOPIC_OTHER, client, text, detail);
}

/* A retained upgrade would be sent to the device at each boot. A retained message without a payload
 * clears what was retained before (MQTT 5, section 3.3.1.3), and stays as it is. */
enum fw_verdict fw_topic_rules_unretain(struct fw_service *service, const struct fw_client *client,
	const struct fw_incoming *incoming)
{
	if (!incoming->retain || !incoming->len)
		return FW_PASS;
	if (!service->retain_logged)
		service->retain_logged =
			fw_service_log_refusal(service, FW_UNRETAINED, FW_TOPIC_OTHER, client,
				incoming->topic, "firmware topics are never retained");
	return FW_PASS_UNRETAINED;
}
