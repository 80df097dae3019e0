/* A request for a piece of a firmware file by MQTT. */
#include "service/handlers.h"

#include <stdio.h>
#include <stdlib.h>

#include "protocol/message.h"

enum fw_verdict fw_exchange_refuse_chunk(
	struct exchange *exchange, const char *code, const char *sentence)
{
	size_t len = 0;
	const struct fw_message *message = &exchange->message;
	struct fw_chunk_refusal refusal = {.code = code,
		.sentence = sentence,
		.firmware_id = message->firmware_id,
		.has_offset = message->has_offset,
		.offset = message->offset};
	char *payload = fw_message_write_chunk_refusal(
		&refusal, exchange->now, message->message_id, &len);

	fw_count(&exchange->service->counters, FW_COUNT_CHUNKS_REFUSED);
	fw_exchange_answer(exchange, FW_TOPIC_CHUNK_ERROR, payload, len);
	return FW_PASS;
}

static enum fw_status ask_for_chunk(struct exchange *exchange)
{
	struct fw_service *service = exchange->service;
	const struct fw_message *message = &exchange->message;
	struct fw_reply_to to = {NULL, NULL, 0};
	struct fw_chunk_request request = {.product = exchange->topic->product,
		.device = exchange->topic->device,
		.firmware_id = message->firmware_id,
		.offset = message->offset,
		.length = message->length,
		.qos = exchange->request->qos,
		.message_id = message->message_id};
	enum fw_status status = FW_OK;

	if (exchange->request->properties)
		status = service->broker.reply_to(
			service->broker.context, exchange->request->properties, &to);
	if (to.response_topic &&
		fw_topic_response_allowed(
			to.response_topic, FW_TOPIC_CHUNK_REPLY, request.product, request.device))
		request.response_topic = to.response_topic;
	request.correlation = to.correlation;
	request.correlation_len = to.correlation_len;
	if (status == FW_OK)
		status = fw_chunks_ask(fw_courier_chunks(service->courier), &request);
	free(to.response_topic);
	free(to.correlation);
	return status;
}

/* FW_OK when the device is known to belong to the product. One that was never heard of is
 * registered as by a pull that tells no version. */
static enum fw_status register_by_chunk(struct exchange *exchange)
{
	struct fw_uplink uplink = fw_exchange_uplink(exchange, FW_UPLINK_PULL);

	uplink.firmware_id = (struct fw_slice){NULL, 0};
	if (exchange->standing == FW_STANDING_UNHEARD)
		return fw_exchange_keep(exchange, &uplink);
	return exchange->standing == FW_STANDING_UNKNOWN ? FW_BUSY : FW_OK;
}

/* Who downloads the firmware of a task is about its upgrade, whatever else it says: kept like a pull that was answered with it, once a minute.
 * What cannot be kept is said again by the next chunk. */
static void note_download(struct exchange *exchange)
{
	struct fw_uplink uplink = fw_exchange_uplink(exchange, FW_UPLINK_PULL);
	struct fw_service *service = exchange->service;
	struct fw_product product;

	if (fw_catalog_product(service->catalog, uplink.product, &product) != FW_OK || !product.open_tasks)
		return;
	if (fw_exchange_note_words(exchange, uplink.version, uplink.firmware_id) && fw_exchange_keep(exchange, &uplink) != FW_OK)
		fw_recent_forget(service->recent, uplink.product, uplink.device);
}

enum fw_verdict fw_exchange_chunk(struct exchange *exchange)
{
	const struct fw_message *message = &exchange->message;
	long most = exchange->service->options->chunk_max_bytes;
	char sentence[80];

	if (!message->firmware_id.len || !message->has_range)
		return fw_exchange_refuse_chunk(
			exchange, "bad_request", "firmwareId, offset and length must be given");
	if (message->length > most) {
		snprintf(sentence, sizeof(sentence), "length may be %ld bytes at most", most);
		return fw_exchange_refuse_chunk(exchange, "too_large", sentence);
	}
	if (register_by_chunk(exchange) != FW_OK)
		return fw_exchange_refuse_chunk(exchange, "busy",
			"the catalog cannot be asked, or written, now: ask again later");
	switch (ask_for_chunk(exchange)) {
	case FW_OK:
		note_download(exchange);
		return FW_PASS;
	case FW_INVALID:
		return fw_exchange_refuse_chunk(exchange, "bad_request",
			"correlation data and response topic are too large");
	default:
		return fw_exchange_refuse_chunk(exchange, "busy",
			"too many chunks are asked for at once: wait for an answer before asking again");
	}
}
