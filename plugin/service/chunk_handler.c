/* A request for a piece of a firmware file by MQTT. */
#include "service/handlers.h"

#include <stdio.h>

#include "protocol/message.h"

enum fw_verdict fw_handlers_refuse_chunk(
	struct request *request, const char *code, const char *message)
{
	size_t len = 0;
	const struct fw_message *asked = &request->message;
	struct fw_chunk_refusal refusal = {.code = code,
		.message = message,
		.firmware_id = asked->firmware_id,
		.has_offset = asked->has_offset,
		.offset = asked->offset};
	char *payload =
		fw_message_write_chunk_refusal(&refusal, request->now, asked->message_id, &len);

	fw_count(&request->service->counters, FW_COUNT_CHUNKS_REFUSED);
	fw_handlers_answer(request, FW_TOPIC_CHUNK_ERROR, payload, len);
	return FW_PASS;
}

static enum fw_status ask_for_chunk(struct request *request)
{
	struct fw_service *service = request->service;
	const struct fw_message *asked = &request->message;
	struct fw_reply_to to = {NULL, NULL, 0};
	struct fw_chunk_request incoming = {.product = request->topic->product,
		.device = request->topic->device,
		.firmware_id = asked->firmware_id,
		.offset = asked->offset,
		.length = asked->length,
		.qos = request->incoming->qos,
		.message_id = asked->message_id};
	enum fw_status status = FW_OK;

	if (request->incoming->properties)
		status = service->broker.reply_to(
			service->broker.context, request->incoming->properties, &to);
	if (to.response_topic &&
		fw_handlers_response_allowed(request, FW_TOPIC_CHUNK_REPLY, to.response_topic))
		incoming.response_topic = to.response_topic;
	incoming.correlation = to.correlation;
	incoming.correlation_len = to.correlation_len;
	if (status == FW_OK)
		status = fw_chunks_ask(fw_download_chunks(service->download), &incoming);
	fw_reply_to_clear(&to);
	return status;
}

/* FW_OK when the device is known to belong to the product. An id that was never heard of is
 * registered, as by a pull without a version. */
static enum fw_status register_by_chunk(struct request *request)
{
	struct fw_uplink uplink = fw_handlers_uplink(request, FW_UPLINK_PULL);

	uplink.firmware_id = (struct fw_slice){NULL, 0};
	if (request->standing == FW_STANDING_UNHEARD)
		return fw_handlers_append(request, &uplink);
	return request->standing == FW_STANDING_UNKNOWN ? FW_BUSY : FW_OK;
}

/* A device that downloads the firmware of a task is busy with that upgrade, whatever else it says.
 * So the request is kept like a pull that was answered with this firmware, once a minute. If it
 * cannot be kept, the next chunk brings it again. */
static void keep_download(struct request *request)
{
	struct fw_uplink uplink = fw_handlers_uplink(request, FW_UPLINK_PULL);
	struct fw_service *service = request->service;
	struct fw_product product;

	if (fw_resolver_product(service->resolver, uplink.product, &product) != FW_OK ||
		!product.open_tasks)
		return;
	if (fw_handlers_note_version(request, uplink.version, uplink.firmware_id) &&
		fw_handlers_append(request, &uplink) != FW_OK)
		fw_pull_dedup_forget(service->pull_dedup, uplink.product, uplink.device);
}

enum fw_verdict fw_handlers_chunk(struct request *request)
{
	const struct fw_message *asked = &request->message;
	int64_t most = request->service->options->chunk_max_bytes;
	char message[80];

	if (!asked->firmware_id.len || !asked->has_range)
		return fw_handlers_refuse_chunk(
			request, "bad_request", "firmwareId, offset and length must be given");
	if (asked->length > most) {
		snprintf(message, sizeof(message), "length may be %lld bytes at most",
			(long long)most);
		return fw_handlers_refuse_chunk(request, "too_large", message);
	}
	if (register_by_chunk(request) != FW_OK)
		return fw_handlers_refuse_chunk(request, "busy",
			"the catalog cannot be asked, or written, now: ask again later");
	switch (ask_for_chunk(request)) {
	case FW_OK:
		keep_download(request);
		return FW_PASS;
	case FW_INVALID:
		return fw_handlers_refuse_chunk(request, "bad_request",
			"correlation data and response topic are too large");
	default:
		return fw_handlers_refuse_chunk(request, "busy",
			"too many chunks are asked for at once: wait for an answer before asking "
			"again");
	}
}
