/* What the service asks of the broker: to publish a message, to say where a request wants its
 * answer, and to write a line into its log.
 *
 * Memory has two owners here. What the broker is to free comes from mosquitto_malloc; what it
 * copied for the plugin is copied once more, so that the service may free() it. */
#include "broker/plugin.h"

#include <stdlib.h>
#include <string.h>

static int broker_level(enum fw_log_level level)
{
	static const int levels[] = {[FW_LOG_INFO] = MOSQ_LOG_INFO,
		[FW_LOG_NOTICE] = MOSQ_LOG_NOTICE,
		[FW_LOG_WARNING] = MOSQ_LOG_WARNING,
		[FW_LOG_ERROR] = MOSQ_LOG_ERR};

	return levels[level];
}

static void log_line(void *context, enum fw_log_level level, const char *text)
{
	(void)context;
	mosquitto_log_printf(broker_level(level), FW_PLUGIN_NAME "%s", text);
}

static void wake(void *context)
{
	fw_wakeup_now(context);
}

/* *out stays NULL when the publication needs none. False: out of memory. */
static bool make_properties(const struct fw_publication *publication, mosquitto_property **out)
{
	int code = MOSQ_ERR_SUCCESS;

	if (publication->correlation)
		code = mosquitto_property_add_binary(out, MQTT_PROP_CORRELATION_DATA,
			publication->correlation, (uint16_t)publication->correlation_len);
	if (code == MOSQ_ERR_SUCCESS && publication->expiry_seconds)
		code = mosquitto_property_add_int32(
			out, MQTT_PROP_MESSAGE_EXPIRY_INTERVAL, publication->expiry_seconds);
	if (code != MOSQ_ERR_SUCCESS)
		mosquitto_property_free_all(out);
	return code == MOSQ_ERR_SUCCESS;
}

static enum fw_status publish(void *context, const struct fw_publication *publication)
{
	mosquitto_property *properties = NULL;
	char *payload = mosquitto_malloc(publication->len + 1);

	(void)context;
	if (!payload)
		return FW_NOMEM;
	memcpy(payload, publication->payload, publication->len);
	payload[publication->len] = '\0';
	if (!make_properties(publication, &properties)) {
		mosquitto_free(payload);
		return FW_NOMEM;
	}
	/* on success the broker owns payload and properties */
	if (mosquitto_broker_publish(publication->client_id, publication->topic,
		    (int)publication->len, payload, publication->qos, publication->retain,
		    properties) == MOSQ_ERR_SUCCESS)
		return FW_OK;
	mosquitto_property_free_all(&properties);
	mosquitto_free(payload);
	return FW_NOMEM;
}

/* A copy for free() of what the broker's library copied from a property, which is given up. On 2.0
 * that is malloc'd already; on 2.1 the broker counts it, for memory_limit too, until
 * mosquitto_free(). NULL when out of memory. */
static void *own_copy(const struct fw_plugin *plugin, void *copied, size_t size)
{
	void *own;

	if (!plugin->on_2_1 || !copied)
		return copied;
	own = malloc(size);
	if (own)
		memcpy(own, copied, size);
	mosquitto_free(copied);
	return own;
}

/* FW_OK; FW_NOT_FOUND: the message has none; FW_NOMEM. The library fails in both cases alike: asked
 * for no copy, it still finds a property that is there. */
static enum fw_status read_response_topic(
	const struct fw_plugin *plugin, const mosquitto_property *list, char **out)
{
	char *copied = NULL;

	if (!mosquitto_property_read_string(list, MQTT_PROP_RESPONSE_TOPIC, &copied, false))
		return mosquitto_property_read_string(list, MQTT_PROP_RESPONSE_TOPIC, NULL, false)
			? FW_NOMEM
			: FW_NOT_FOUND;
	if (!copied) /* 2.1: empty */
		return FW_NOT_FOUND;
	*out = own_copy(plugin, copied, strlen(copied) + 1);
	return *out ? FW_OK : FW_NOMEM;
}

static enum fw_status read_correlation(
	const struct fw_plugin *plugin, const mosquitto_property *list, void **out, size_t *len)
{
	void *copied = NULL;
	uint16_t copied_len = 0;

	if (!mosquitto_property_read_binary(
		    list, MQTT_PROP_CORRELATION_DATA, &copied, &copied_len, false))
		return mosquitto_property_read_binary(
			       list, MQTT_PROP_CORRELATION_DATA, NULL, NULL, false)
			? FW_NOMEM
			: FW_NOT_FOUND;
	if (!copied)
		return FW_NOT_FOUND;
	*out = own_copy(plugin, copied, copied_len);
	*len = copied_len;
	return *out ? FW_OK : FW_NOMEM;
}

static enum fw_status reply_to(void *context, const void *properties, struct fw_reply_to *out)
{
	struct fw_reply_to to = {NULL, NULL, 0};

	if (read_response_topic(context, properties, &to.response_topic) == FW_NOMEM ||
		read_correlation(context, properties, &to.correlation, &to.correlation_len) ==
			FW_NOMEM) {
		fw_reply_to_clear(&to);
		return FW_NOMEM;
	}
	*out = to;
	return FW_OK;
}

struct fw_broker fw_publisher_of(struct fw_plugin *plugin)
{
	return (struct fw_broker){.context = plugin,
		.sees_connections = plugin->on_2_1,
		.publish = publish,
		.reply_to = reply_to,
		.log = log_line,
		.waker = plugin->wakeup ? (struct fw_waker){wake, plugin->wakeup}
					: (struct fw_waker){NULL, NULL}};
}
