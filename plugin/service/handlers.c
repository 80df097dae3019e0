/* One firmware message: who may send it, what is answered, and what is kept.
 *
 *   fw_handlers     may its sender send it (check_all)? Notes that the device is there
 *   handle          parses it, and calls the handler of its kind by a table
 *   keep_or_refuse  for what devices report: into the spool, or a verdict by which the device sends
 *                   it again */
#include "service/handlers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/message.h"

/* a device that was away for longer asks again, and may get another answer */
#define ANSWER_EXPIRY_SECONDS 60
/* so long after the last uplink that could not be saved the error counts as over */
#define SAVED_AGAIN_MS 2000

/* True when there was a line to write. */
static bool log_refusal(struct request *request, enum fw_refusal why, const char *detail)
{
	return fw_service_log_refusal(request->service, why, request->topic->kind, request->client,
		request->incoming->topic, detail);
}

/* Logged once, however many devices try again and again. */
static void count_unsaved(struct request *request, const char *detail)
{
	struct fw_service *service = request->service;

	fw_count(&service->counters, FW_COUNT_UNSAVED);
	if (!service->unsaved_logged) {
		service->unsaved_logged = log_refusal(request, FW_REFUSED_UNSAVED, detail);
		service->unsaved = 0;
	}
	service->unsaved++;
	service->unsaved_at = fw_boot_ms();
}

/* An uplink was saved. On a disk that is nearly full a short one may be, while longer ones are not:
 * so the error is over only some time after the last failure. */
static void end_unsaved(struct fw_service *service)
{
	char line[128];

	if (!service->unsaved_logged || fw_boot_ms() < service->unsaved_at + SAVED_AGAIN_MS)
		return;
	service->unsaved_logged = false;
	snprintf(line, sizeof(line),
		"uplinks are saved again; %llu could not be, and devices send those again",
		(unsigned long long)service->unsaved);
	service->broker.log(service->broker.context, FW_LOG_NOTICE, line);
}

enum fw_verdict fw_handlers_refuse(
	struct request *request, enum fw_refusal why, const char *detail, enum fw_verdict verdict)
{
	if (why == FW_REFUSED_UNSAVED) {
		count_unsaved(request, detail);
		return verdict;
	}
	fw_count(&request->service->counters, FW_COUNT_REFUSED);
	log_refusal(request, why, detail);
	return verdict;
}

/* Only under the requester's own /{productId}/{deviceId}/, also when it reads the version of
 * another device: else anyone could make the broker publish into any device's topics. A chunk/error
 * never goes there: it would be taken for the bytes of the chunk. */
bool fw_handlers_response_allowed(
	const struct request *request, enum fw_topic_kind reply, const char *response)
{
	struct fw_slice own = request->topic->device;

	if (reply == FW_TOPIC_CHUNK_ERROR)
		return false;
	if (!request->is_device)
		own = fw_identity_key(request->service, request->client, NULL, NULL);
	return fw_topic_id_valid(own) &&
		fw_topic_response_allowed(response, reply, request->topic->product, own);
}

void fw_handlers_answer(struct request *request, enum fw_topic_kind kind, char *payload, size_t len)
{
	struct fw_service *service = request->service;
	struct fw_reply_to to = {NULL, NULL, 0};
	char topic[FW_TOPIC_BUFFER];
	struct fw_publication publication = {.topic = topic,
		.payload = payload,
		.len = len,
		.qos = request->incoming->qos,
		.expiry_seconds = ANSWER_EXPIRY_SECONDS};
	enum fw_status status = payload ? FW_OK : FW_NOMEM;

	fw_topic_format(
		topic, sizeof(topic), kind, request->topic->product, request->topic->device);
	if (status == FW_OK && request->incoming->properties)
		status = service->broker.reply_to(
			service->broker.context, request->incoming->properties, &to);
	if (to.response_topic && fw_handlers_response_allowed(request, kind, to.response_topic))
		publication.topic = to.response_topic;
	publication.correlation = to.correlation;
	publication.correlation_len = to.correlation_len;
	if (status == FW_OK)
		status = service->broker.publish(service->broker.context, &publication);
	if (status != FW_OK)
		fw_handlers_refuse(request, FW_REFUSED_UNANSWERED, "out of memory", FW_PASS);
	fw_reply_to_clear(&to);
	free(payload);
}

/* A device's clock that is further from the broker's than this is not used: it starts in 1970 or on
 * the day of the build at each boot, so two different messages may have one timestamp. */
#define CLOCK_TRUSTED_MS (24 * 60 * 60 * 1000)

static bool has_trusted_time(const struct request *request)
{
	int64_t timestamp = request->message.timestamp;

	return request->message.has_timestamp && timestamp >= request->now - CLOCK_TRUSTED_MS &&
		timestamp <= request->now + CLOCK_TRUSTED_MS;
}

struct fw_uplink fw_handlers_uplink(const struct request *request, enum fw_uplink_kind kind)
{
	const struct fw_message *message = &request->message;

	return (struct fw_uplink){.kind = kind,
		.received_at = request->now,
		.has_reported_at = has_trusted_time(request),
		.reported_at = message->timestamp,
		.connection = request->connection,
		.product = request->topic->product,
		.device = request->topic->device,
		.version = message->version,
		.firmware_id = message->firmware_id,
		.error_reason = fw_text_sanitize(message->error_reason, request->service->reason),
		.has_progress = message->has_progress,
		.progress = message->progress,
		.complete = message->complete,
		.success = message->success,
		.retry_after = message->retry_after,
		.retry = message->retry,
		.has_utc_offset = message->has_utc_offset,
		.utc_offset = message->utc_offset,
		.at_most_once = request->incoming->qos == 0,
		.unchecked = request->standing == FW_STANDING_UNKNOWN &&
			!fw_options_is_operator(
				request->service->options, request->client->username)};
}

const char *fw_handlers_status(enum fw_status status)
{
	switch (status) {
	case FW_NOMEM:
		return "out of memory";
	case FW_FULL:
		return "the disk is full, or too many devices wait for the catalog";
	case FW_BUSY:
		return "the catalog is locked against reading";
	case FW_CORRUPT:
		return "the catalog is damaged";
	case FW_FAILED:
		return "the catalog cannot be asked: has a table been dropped? See 'sqlite3 "
		       "CATALOG .schema'";
	default:
		return "the disk refuses reading or writing";
	}
}

enum fw_status fw_handlers_append(struct request *request, const struct fw_uplink *uplink)
{
	struct fw_service *service = request->service;
	size_t len = fw_uplink_encode(uplink, service->record, sizeof(service->record));
	enum fw_status status = len ? FW_OK : FW_INVALID;

	/* noted first: if the append fails, the device sends it again, so the note stays true */
	if (status == FW_OK)
		status = fw_unapplied_note(
			service->unapplied, uplink, request->standing != FW_STANDING_REGISTERED);
	if (status == FW_OK)
		status =
			fw_spool_append(fw_store_spool(service->store), service->record, len, NULL);
	if (status == FW_OK) {
		fw_store_wake(service->store);
		end_unsaved(service);
	}
	return status;
}

/* True also when the catalog cannot be asked. */
static bool catalog_knows_product(struct request *request)
{
	struct fw_product product;

	return fw_resolver_product(request->service->resolver, request->topic->product, &product) !=
		FW_NOT_FOUND;
}

bool fw_handlers_note_version(
	struct request *request, struct fw_slice version, struct fw_slice offered)
{
	struct fw_service *service = request->service;

	return fw_pull_dedup_note(service->pull_dedup, request->topic->product,
		request->topic->device,
		&(struct fw_pull_report){.version = version,
			.offered = offered,
			.connection = request->connection,
			.generation = fw_resolver_generation(service->resolver),
			.now = request->now});
}

/* Repeated pulls are compared with what the device said last. After the end of an upgrade the next
 * pull counts as new, whatever it says. */
static void update_pull_dedup(struct request *request, const struct fw_uplink *uplink)
{
	if (uplink->kind == FW_UPLINK_PROGRESS && uplink->complete && uplink->success)
		fw_resolver_note_completion(request->service->resolver);
	if (uplink->kind == FW_UPLINK_REPORT)
		fw_handlers_note_version(request, uplink->version, (struct fw_slice){NULL, 0});
	else if (uplink->complete)
		fw_pull_dedup_forget(request->service->pull_dedup, uplink->product, uplink->device);
}

/* Keeps the uplink, so that it may be acknowledged, or refuses it. */
static enum fw_verdict keep_or_refuse(
	struct request *request, const struct fw_uplink *uplink, enum fw_counter counter)
{
	enum fw_status status;

	if (!catalog_knows_product(request))
		return fw_handlers_refuse(request, FW_REFUSED_PRODUCT,
			"the catalog does not know the product", FW_PASS);
	status = fw_handlers_append(request, uplink);
	if (status != FW_OK)
		return fw_handlers_refuse(
			request, FW_REFUSED_UNSAVED, fw_handlers_status(status), FW_NO_ACK);
	update_pull_dedup(request, uplink);
	fw_count(&request->service->counters, counter);
	return FW_PASS;
}

static enum fw_verdict handle_report(struct request *request)
{
	struct fw_uplink uplink = fw_handlers_uplink(request, FW_UPLINK_REPORT);

	if (!uplink.version.len)
		return fw_handlers_refuse(
			request, FW_REFUSED_MALFORMED, "version is missing", FW_PASS);
	return keep_or_refuse(request, &uplink, FW_COUNT_REPORTS);
}

/* A completion without `success` has succeeded, unless the device gives an error reason. */
static enum fw_verdict handle_progress(struct request *request)
{
	struct fw_uplink uplink = fw_handlers_uplink(request, FW_UPLINK_PROGRESS);

	uplink.success = uplink.complete &&
		(request->message.has_success ? request->message.success
					      : !uplink.error_reason.len);
	return keep_or_refuse(request, &uplink, FW_COUNT_PROGRESS);
}

static enum fw_verdict handle_upgrade_reply(struct request *request)
{
	struct fw_uplink uplink = fw_handlers_uplink(request, FW_UPLINK_REPLY);

	uplink.success = !request->message.has_success || request->message.success;
	return keep_or_refuse(request, &uplink, FW_COUNT_REPLIES);
}

static enum fw_verdict handle_read(struct request *request)
{
	struct fw_service *service = request->service;
	char version[FW_VERSION_BUFFER], *payload;
	enum fw_status status;
	size_t len = 0;

	if (service->options->read_from_device)
		return FW_PASS;
	status = fw_resolver_device_version(service->resolver, request->topic->product,
		request->topic->device, version, sizeof(version));
	if (status != FW_OK)
		return FW_PASS;
	payload =
		fw_message_write_version(version, request->now, request->message.message_id, &len);
	fw_handlers_answer(request, FW_TOPIC_READ_REPLY, payload, len);
	fw_count(&service->counters, FW_COUNT_READS);
	return FW_ANSWERED;
}

/* What happens to each kind, once its sender is known to be the right one. */
static enum fw_verdict (*const handlers[FW_TOPIC_KINDS])(struct request *request) = {
	[FW_TOPIC_UPGRADE_REPLY] = handle_upgrade_reply,
	[FW_TOPIC_UPGRADE_PROGRESS] = handle_progress,
	[FW_TOPIC_PULL] = fw_handlers_pull,
	[FW_TOPIC_REPORT] = handle_report,
	[FW_TOPIC_READ] = handle_read,
	[FW_TOPIC_READ_REPLY] = handle_report,
	[FW_TOPIC_CHUNK] = fw_handlers_chunk,
};

/* FW_PASS, or FW_DENY with the refusal counted and logged. */
static enum fw_verdict check_sender(struct request *request)
{
	enum fw_topic_sender sender = fw_topic_sender(request->topic->kind);

	if (!request->topic->ids_valid)
		return fw_handlers_refuse(request, FW_REFUSED_ID,
			"an id must be 1 to 64 bytes without control characters", FW_DENY);
	if (sender == FW_SENDER_ANYONE || (sender == FW_SENDER_DEVICE && request->is_device) ||
		fw_options_is_operator(request->service->options, request->client->username))
		return FW_PASS;
	if (sender == FW_SENDER_BROKER)
		return fw_handlers_refuse(request, FW_REFUSED_DOWNLINK,
			"only the broker and operators may send it", FW_DENY);
	return fw_handlers_refuse(
		request, FW_REFUSED_IDENTITY, "the client is not that device", FW_DENY);
}

/* The message is taken without a faulty part: counts it, and logs who sent it. */
static void log_mended(struct request *request)
{
	if (!request->message.mended)
		return;
	fw_count(&request->service->counters, FW_COUNT_MENDED);
	log_refusal(request, FW_MENDED, request->message.mended);
}

static enum fw_verdict handle(struct request *request)
{
	const char *why = NULL;
	enum fw_verdict verdict;
	enum fw_status status = fw_message_parse(request->topic->kind, request->incoming->payload,
		request->incoming->len, &request->message, &why);

	if (status == FW_OK) {
		log_mended(request);
		verdict = handlers[request->topic->kind](request);
	} else if (status == FW_NOMEM) {
		verdict = fw_handlers_refuse(
			request, FW_REFUSED_UNSAVED, fw_handlers_status(status), FW_NO_ACK);
	} else if (request->topic->kind == FW_TOPIC_PULL) {
		/* it is answered, so it counts as a refused pull, not as a refused message */
		fw_handlers_refuse_pull(request, FW_PULL_BAD_REQUEST, why);
		log_refusal(request, FW_REFUSED_MALFORMED, why);
		verdict = FW_PASS;
	} else if (request->topic->kind == FW_TOPIC_CHUNK) {
		verdict = fw_handlers_refuse_chunk(request, "bad_request", why);
	} else {
		verdict = fw_handlers_refuse(request, FW_REFUSED_MALFORMED, why, FW_PASS);
	}
	fw_message_clear(&request->message);
	return verdict;
}

static struct request make_request(struct fw_service *service, const struct fw_client *client,
	const struct fw_incoming *incoming, const struct fw_topic *topic)
{
	return (struct request){.service = service,
		.client = client,
		.incoming = incoming,
		.topic = topic,
		.is_device = fw_identity_is_device(service, client, topic->device)};
}

enum fw_verdict fw_handlers_check(struct fw_service *service, const struct fw_client *client,
	const struct fw_incoming *incoming, const struct fw_topic *topic)
{
	struct request request = make_request(service, client, incoming, topic);
	enum fw_verdict verdict = check_sender(&request);

	return verdict == FW_PASS ? fw_admission_check_registration(&request) : verdict;
}

/* The device itself says something, not an operator for it. */
static bool is_of_device(const struct request *request)
{
	return request->is_device && fw_topic_sender(request->topic->kind) == FW_SENDER_DEVICE;
}

/* The cheapest first. */
static enum fw_verdict check_all(struct request *request)
{
	enum fw_verdict verdict = check_sender(request);

	if (verdict == FW_PASS && is_of_device(request))
		verdict = fw_admission_check_rate(request);
	return verdict == FW_PASS ? fw_admission_check_registration(request) : verdict;
}

/* The client is there; if `speaks`, for the device of the topic, by request->connection. */
static void note_presence(struct request *request, bool speaks)
{
	struct fw_service *service = request->service;
	/* where anyone may speak for any device, made-up ones must not fill the memory */
	bool known = speaks &&
		(service->options->identity != FW_IDENTITY_NONE || catalog_knows_product(request));
	uint64_t connection =
		fw_identity_seen(service, request->client, known ? request->topic : NULL);

	request->connection = speaks ? connection : 0;
}

enum fw_verdict fw_handlers(struct fw_service *service, const struct fw_client *client,
	const struct fw_incoming *incoming, const struct fw_topic *topic)
{
	struct request request = make_request(service, client, incoming, topic);
	enum fw_verdict verdict = check_all(&request);

	note_presence(&request, verdict == FW_PASS && is_of_device(&request));
	if (verdict != FW_PASS || !handlers[topic->kind])
		return verdict;
	request.now = fw_now_ms();
	fw_unapplied_applied(service->unapplied, fw_store_applied(service->store),
		fw_spool_last(fw_store_spool(service->store)));
	return handle(&request);
}
