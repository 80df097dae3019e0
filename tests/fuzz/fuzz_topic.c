/* Any bytes as a topic: what parses keeps its parts inside the topic, and formats back to the same
 * text. */
#include <stdlib.h>
#include <string.h>

#include "protocol/topic.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
	if (!holds)
		abort();
}

static void check_parts(const char *text, const struct fw_topic *topic)
{
	size_t size = 2 + topic->product.len + topic->device.len + sizeof("/firmware/") +
		sizeof("upgrade/progress");
	char *formatted = malloc(size);

	check(topic->product.at == text + 1);
	check(topic->device.at == topic->product.at + topic->product.len + 1);
	check(!topic->ids_valid ||
		(fw_topic_id_valid(topic->product) && fw_topic_id_valid(topic->device)));
	if (formatted &&
		fw_topic_format(formatted, size, topic->kind, topic->product, topic->device))
		check(strcmp(formatted, text) == 0);
	else
		check(!formatted || topic->kind == FW_TOPIC_CHUNK_REPLY);
	free(formatted);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);
	struct fw_topic topic;

	if (!text || size > FW_TOPIC_MAX) {
		free(text);
		return 0;
	}
	if (size > 0)
		memcpy(text, data, size);
	text[size] = '\0';
	fw_topic_parse(text, &topic);
	/* what is ours is not astray, and what is astray has to do with firmware */
	check(topic.kind == FW_TOPIC_OTHER || !fw_topic_astray(text, &topic));
	check(!fw_topic_astray(text, &topic) || strcasestr(text, "firmware/"));
	if (topic.kind == FW_TOPIC_OTHER)
		check(!topic.ids_valid && topic.product.len == 0 && topic.device.len == 0);
	else
		check_parts(text, &topic);
	if (fw_topic_response_allowed(text, FW_TOPIC_PULL_REPLY, FW_SLICE("p"), FW_SLICE("d")))
		check(strncmp(text, "/p/d/", 5) == 0 && !strpbrk(text, "+#"));
	/* a response topic under its own ids is never one that only the broker publishes */
	if (topic.ids_valid &&
		fw_topic_response_allowed(text, FW_TOPIC_READ_REPLY, topic.product, topic.device))
		check(topic.kind == FW_TOPIC_READ_REPLY ||
			fw_topic_sender(topic.kind) == FW_SENDER_ANYONE);
	free(text);
	return 0;
}
