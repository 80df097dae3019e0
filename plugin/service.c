#include "service.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "catalog.h"
#include "counter.h"
#include "courier.h"
#include "message.h"
#include "pending.h"
#include "presence.h"
#include "recent.h"
#include "refusal.h"
#include "store.h"
#include "store_reader.h"
#include "topic.h"
#include "uplink.h"

#define TICK_MS 100              /* how often the broker thread looks for what the store wants published */
#define TICKLESS_MS 1000         /* the broker sends ticks more often than that, unless it is suspended, or sends none at all */
#define TICKS_MISSED 3           /* in a row are no accident */
#define PUBLISH_BUDGET_MS 8      /* of one tick */
#define COUNTERS_EVERY_MS 10000
#define CHUNK_MS 2               /* until the next look while a chunk is being read */
#define OUTBOX_MAX 8192u
#define PRESENCE_MAX (1u << 21)

struct fw_service {
	const struct fw_options *options;
	struct fw_broker broker;
	struct fw_counters counters;
	struct fw_outbox *outbox;
	struct fw_store *store;
	struct fw_reader *reader;
	struct fw_pending *pending;
	struct fw_catalog *catalog;
	struct fw_presence *presence;
	struct fw_recent *recent;
	struct fw_refusals *refusals;
	struct fw_courier *courier;
	uint64_t first_connection;
	int64_t last_tick, next_counters; /* boot ms */
	unsigned ticks_missed; /* in a row */
	bool in_message;
	char shown[FW_PRESENCE_KEY_MAX]; /* who came online by the message under way */
	size_t shown_len;
	uint64_t published[FW_COUNTERS]; /* the value last published + 1, 0: never */
	unsigned char record[FW_UPLINK_MAX];
};

/* A message under way through the service. */
struct exchange {
	struct fw_service *service;
	const struct fw_client *client;
	const struct fw_request *request;
	const struct fw_topic *topic;
	struct fw_message message;
	uint64_t connection; /* of the device itself; 0: an operator speaks for it */
	int64_t now; /* Unix ms */
};

static void tell_presence(struct fw_service *service, struct fw_slice key, bool online)
{
	const char *slash = memchr(key.at, '/', key.len);

	/* with identity `none` the key is product/device: see device_key */
	if (!slash) {
		fw_store_presence(service->store, (struct fw_slice){NULL, 0}, key, online);
		return;
	}
	fw_store_presence(service->store, (struct fw_slice){key.at, (size_t)(slash - key.at)},
		(struct fw_slice){slash + 1, key.len - (size_t)(slash - key.at) - 1}, online);
}

/* Who shows itself by a message is online behind that message: what it says, a pull or the end of an upgrade, comes before the push
 * that it gets for being there. */
static void presence_changed(void *context, struct fw_slice key, bool online)
{
	struct fw_service *service = context;

	if (!online || !service->in_message) {
		tell_presence(service, key, online);
		return;
	}
	memcpy(service->shown, key.at, key.len);
	service->shown_len = key.len;
}

static enum fw_status make_parts(struct fw_service *service)
{
	service->outbox = fw_outbox_new(OUTBOX_MAX);
	service->pending = fw_pending_new();
	service->presence = fw_presence_new(PRESENCE_MAX, presence_changed, service);
	service->recent = fw_recent_new();
	service->refusals = fw_refusals_new();
	if (!service->outbox || !service->pending || !service->presence || !service->recent || !service->refusals)
		return FW_NOMEM;
	return FW_OK;
}

static enum fw_status open_store(struct fw_service *service, struct fw_error *error)
{
	struct fw_store_config config = {.options = service->options, .counters = &service->counters, .outbox = service->outbox,
		.first_connection = service->first_connection};
	enum fw_status status = fw_courier_new(service->options, &service->courier, error);

	if (status != FW_OK)
		return status;
	config.delivery = fw_courier_delivery(service->courier);
	config.access = fw_courier_access(service->courier);
	status = fw_store_open(&config, &service->store, error);
	if (status == FW_OK)
		status = fw_courier_start(service->courier, error);
	if (status == FW_OK)
		status = fw_reader_open(service->options->db_file, &service->reader, error);
	if (status != FW_OK)
		return status;
	fw_reader_keep_urls_apart(service->reader, fw_delivery_expires(config.delivery));
	service->catalog = fw_catalog_new(fw_reader_source(service->reader), service->pending);
	return service->catalog ? fw_store_start(service->store, error) : FW_NOMEM;
}

enum fw_status fw_service_open(const struct fw_options *options, const struct fw_broker *broker, struct fw_service **out, struct fw_error *error)
{
	struct fw_service *service = calloc(1, sizeof(*service));
	enum fw_status status;

	if (!service) {
		fw_error_set(error, "out of memory");
		return FW_NOMEM;
	}
	service->options = options;
	service->broker = *broker;
	/* above all numbers of earlier runs: those count connections from their own start */
	service->first_connection = (uint64_t)fw_now_ms() << 20;
	service->last_tick = fw_boot_ms();
	status = make_parts(service);
	if (status == FW_OK)
		status = open_store(service, error);
	if (status != FW_OK) {
		fw_error_set(error, "out of memory");
		fw_service_close(service);
		return status;
	}
	*out = service;
	return FW_OK;
}

static void answer_presence(struct fw_service *service, struct fw_slice product_and_device)
{
	const char *slash = memchr(product_and_device.at, '/', product_and_device.len);
	struct fw_slice key = product_and_device;

	if (service->options->identity != FW_IDENTITY_NONE)
		key = (struct fw_slice){slash + 1, key.len - (size_t)(slash - key.at) - 1};
	if (fw_presence_online(service->presence, key))
		tell_presence(service, key, true);
}

static void deliver(struct fw_service *service, const struct fw_outgoing *message)
{
	switch (message->kind) {
	case FW_OUTGOING_MESSAGE:
		service->broker.publish(service->broker.context, &(struct fw_publication){.topic = message->topic, .payload = message->payload,
			.len = message->len, .qos = message->qos});
		break;
	case FW_OUTGOING_LOG:
		service->broker.log(service->broker.context, (enum fw_log_level)message->qos, message->payload);
		break;
	case FW_OUTGOING_PRESENCE:
		answer_presence(service, (struct fw_slice){message->payload, message->len});
		break;
	}
}

/* Does what the store wants done, until `until` (boot ms). True when some is left. */
static bool drain_outbox(struct fw_service *service, int64_t until)
{
	struct fw_outgoing message;
	unsigned taken = 0;

	while (fw_outbox_take(service->outbox, &message)) {
		deliver(service, &message);
		free(message.topic);
		free(message.payload);
		if (++taken % 64 == 0 && fw_boot_ms() >= until)
			return true;
	}
	return false;
}

void fw_service_close(struct fw_service *service)
{
	if (!service)
		return;
	fw_courier_stop(service->courier);
	fw_store_stop(service->store);
	if (service->outbox)
		drain_outbox(service, INT64_MAX);
	fw_store_close(service->store);
	fw_catalog_free(service->catalog);
	fw_reader_close(service->reader);
	fw_presence_free(service->presence);
	fw_pending_free(service->pending);
	fw_recent_free(service->recent);
	fw_refusals_free(service->refusals);
	fw_outbox_free(service->outbox);
	fw_courier_free(service->courier);
	free(service);
}

void fw_service_describe(struct fw_service *service, char *text, size_t size)
{
	int64_t products = 0, firmware = 0;

	fw_reader_counts(service->reader, &products, &firmware);
	snprintf(text, size, "catalog %s: %lld products, %lld firmware", service->options->db_file, (long long)products, (long long)firmware);
}

/* Under which key presence knows a device: what identifies its client, or the device itself when anyone may speak for it. */
static struct fw_slice device_key(const struct fw_service *service, const struct fw_client *client, const struct fw_topic *topic, char *buffer)
{
	switch (service->options->identity) {
	case FW_IDENTITY_CLIENTID:
		return fw_slice_of(client->id);
	case FW_IDENTITY_USERNAME:
		return fw_slice_of(client->username);
	default:
		if (!topic)
			return (struct fw_slice){NULL, 0};
		memcpy(buffer, topic->product.at, topic->product.len);
		buffer[topic->product.len] = '/';
		memcpy(buffer + topic->product.len + 1, topic->device.at, topic->device.len);
		return (struct fw_slice){buffer, topic->product.len + 1 + topic->device.len};
	}
}

static uint64_t note_seen(struct fw_service *service, const struct fw_client *client, const struct fw_topic *topic)
{
	char buffer[FW_PRESENCE_KEY_MAX];
	struct fw_slice key = device_key(service, client, topic, buffer);
	uint64_t number;

	/* what cannot be a device id is nobody's business, and would be taken for product/device */
	if (!topic && (!key.len || !fw_topic_id_valid(key)))
		return 0;
	number = fw_presence_seen(service->presence, client->handle, client->id, key);
	return number ? service->first_connection + number : 0;
}

static bool is_device(const struct fw_service *service, const struct fw_client *client, struct fw_slice device)
{
	switch (service->options->identity) {
	case FW_IDENTITY_CLIENTID:
		return fw_slice_equal(fw_slice_of(client->id), device);
	case FW_IDENTITY_USERNAME:
		return fw_slice_equal(fw_slice_of(client->username), device);
	default:
		return true;
	}
}

static void log_refusal(struct exchange *exchange, enum fw_refusal why, const char *detail)
{
	struct fw_service *service = exchange->service;
	char line[FW_REFUSAL_LINE];

	if (fw_refusals_line(service->refusals, why, exchange->topic->kind, exchange->client->id, exchange->request->topic, detail, fw_boot_ms(), line))
		service->broker.log(service->broker.context, FW_LOG_WARNING, line);
}

static enum fw_verdict refuse(struct exchange *exchange, enum fw_refusal why, const char *detail, enum fw_verdict verdict)
{
	fw_count(&exchange->service->counters, why == FW_REFUSED_UNSAVED ? FW_COUNT_UNSAVED : FW_COUNT_REFUSED);
	log_refusal(exchange, why, detail);
	return verdict;
}

/* Publishes an answer, and frees its payload. */
static void answer(struct exchange *exchange, enum fw_topic_kind kind, char *payload, size_t len)
{
	struct fw_service *service = exchange->service;
	struct fw_reply_to to = {NULL, NULL, 0};
	char topic[FW_TOPIC_BUFFER];
	struct fw_publication publication = {.topic = topic, .payload = payload, .len = len, .qos = exchange->request->qos};
	enum fw_status status = payload ? FW_OK : FW_NOMEM;

	fw_topic_format(topic, sizeof(topic), kind, exchange->topic->product, exchange->topic->device);
	if (status == FW_OK && exchange->request->properties)
		status = service->broker.reply_to(service->broker.context, exchange->request->properties, &to);
	/* a chunk's error where its bytes are expected would be taken for them */
	if (to.response_topic && kind != FW_TOPIC_CHUNK_ERROR && fw_topic_response_allowed(to.response_topic, kind, exchange->topic->product, exchange->topic->device))
		publication.topic = to.response_topic;
	publication.correlation = to.correlation;
	publication.correlation_len = to.correlation_len;
	if (status == FW_OK)
		status = service->broker.publish(service->broker.context, &publication);
	if (status != FW_OK)
		refuse(exchange, FW_REFUSED_UNANSWERED, "out of memory", FW_PASS);
	free(to.response_topic);
	free(to.correlation);
	free(payload);
}

static struct fw_uplink make_uplink(const struct exchange *exchange, enum fw_uplink_kind kind)
{
	const struct fw_message *message = &exchange->message;

	return (struct fw_uplink){.kind = kind, .received_at = exchange->now, .has_reported_at = message->has_timestamp,
		.reported_at = message->timestamp, .connection = exchange->connection, .product = exchange->topic->product,
		.device = exchange->topic->device, .version = message->version, .firmware_id = message->firmware_id,
		.error_reason = message->error_reason, .has_progress = message->has_progress, .progress = message->progress,
		.complete = message->complete, .success = message->success};
}

static const char *status_text(enum fw_status status)
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
	default:
		return "the disk refuses reading or writing";
	}
}

/* Puts the uplink into the spool, where it is safe. */
static enum fw_status keep(struct exchange *exchange, const struct fw_uplink *uplink, struct fw_slice version, struct fw_slice closed)
{
	struct fw_service *service = exchange->service;
	size_t len = fw_uplink_encode(uplink, service->record, sizeof(service->record));
	enum fw_status status = len ? FW_OK : FW_INVALID;

	if (status == FW_OK && (version.len || closed.len) && !fw_pending_has_room(service->pending))
		status = FW_FULL;
	/* noted first: should the append fail, the note is a truth that the repeated message brings anyway */
	if (status == FW_OK && (version.len || closed.len))
		status = fw_pending_note(service->pending, uplink->product, uplink->device, version, closed);
	if (status == FW_OK)
		status = fw_spool_append(fw_store_spool(service->store), service->record, len, NULL);
	if (status == FW_OK)
		fw_store_wake(service->store);
	return status;
}

/* FW_OK when the uplink is worth keeping: when the catalog knows the product, or cannot be asked. */
static enum fw_status check_product(struct exchange *exchange)
{
	struct fw_product product;
	enum fw_status status = fw_catalog_product(exchange->service->catalog, exchange->topic->product, &product);

	return status == FW_NOT_FOUND ? FW_NOT_FOUND : FW_OK;
}

/* The common part of what a device tells: keep it, or say why not. */
static enum fw_verdict keep_or_refuse(struct exchange *exchange, const struct fw_uplink *uplink, struct fw_slice version, struct fw_slice closed, enum fw_counter counter)
{
	enum fw_status status;

	if (check_product(exchange) == FW_NOT_FOUND)
		return refuse(exchange, FW_REFUSED_PRODUCT, "the catalog does not know the product", FW_PASS);
	status = keep(exchange, uplink, version, closed);
	if (status != FW_OK)
		return refuse(exchange, FW_REFUSED_UNSAVED, status_text(status), FW_AGAIN);
	fw_count(&exchange->service->counters, counter);
	return FW_PASS;
}

static enum fw_verdict handle_report(struct exchange *exchange)
{
	struct fw_uplink uplink = make_uplink(exchange, FW_UPLINK_REPORT);

	if (!uplink.version.len)
		return refuse(exchange, FW_REFUSED_MALFORMED, "version is missing", FW_PASS);
	fw_recent_note(exchange->service->recent, uplink.product, uplink.device, uplink.version, exchange->now);
	return keep_or_refuse(exchange, &uplink, uplink.version, (struct fw_slice){NULL, 0}, FW_COUNT_REPORTS);
}

/* Without `success`, what a device completes has succeeded unless it gives a reason why not. */
static enum fw_verdict handle_progress(struct exchange *exchange)
{
	struct fw_uplink uplink = make_uplink(exchange, FW_UPLINK_PROGRESS);
	struct fw_slice none = {NULL, 0}, closed = none;

	uplink.success = uplink.complete && (exchange->message.has_success ? exchange->message.success : !uplink.error_reason.len);
	if (uplink.complete) {
		closed = uplink.firmware_id.len ? uplink.firmware_id : uplink.version;
		fw_recent_forget(exchange->service->recent, uplink.product, uplink.device);
	}
	return keep_or_refuse(exchange, &uplink, uplink.success ? uplink.version : none, closed, FW_COUNT_PROGRESS);
}

static enum fw_verdict handle_upgrade_reply(struct exchange *exchange)
{
	struct fw_uplink uplink = make_uplink(exchange, FW_UPLINK_REPLY);
	struct fw_slice none = {NULL, 0};

	uplink.success = !exchange->message.has_success || exchange->message.success;
	return keep_or_refuse(exchange, &uplink, none, none, FW_COUNT_REPLIES);
}

/* A pull is kept when it tells something: a device or a version that was not heard of a moment ago, or that a task's firmware was
 * handed out. Not keeping it harms nothing: the device is answered, and its progress speaks for itself. */
static void keep_pull(struct exchange *exchange, const struct fw_answer *found)
{
	const struct fw_message *message = &exchange->message;
	struct fw_uplink uplink = make_uplink(exchange, FW_UPLINK_PULL);
	struct fw_slice none = {NULL, 0};
	bool handed_out = found->code == FW_PULL_OFFER && found->of_task;
	enum fw_status status;

	if (!fw_recent_note(exchange->service->recent, uplink.product, uplink.device, message->current_version, exchange->now) && !handed_out)
		return;
	uplink.version = message->current_version;
	uplink.firmware_id = handed_out ? fw_slice_of(found->firmware->firmware_id) : none;
	status = keep(exchange, &uplink, uplink.version, none);
	if (status != FW_OK) {
		fw_recent_forget(exchange->service->recent, uplink.product, uplink.device);
		refuse(exchange, FW_REFUSED_UNSAVED, status_text(status), FW_PASS);
	}
}

static void refuse_pull(struct exchange *exchange, enum fw_pull_code code, const char *sentence)
{
	size_t len = 0;
	char *payload = fw_message_write_pull_failure(code, sentence, exchange->now, exchange->message.message_id, &len);

	fw_count(&exchange->service->counters, (enum fw_counter)(FW_COUNT_PULLS_REFUSED + code - 1));
	answer(exchange, FW_TOPIC_PULL_REPLY, payload, len);
}

static char *write_offer(struct exchange *exchange, const struct fw_firmware *firmware, size_t *len)
{
	char *url, *payload;

	if (!firmware->url_apart)
		return fw_message_write_offer(firmware->rendered, exchange->now, exchange->message.message_id, len);
	url = fw_delivery_url(fw_courier_delivery(exchange->service->courier), exchange->topic->product, exchange->topic->device, firmware->firmware_id,
		firmware->file, exchange->now);
	payload = url ? fw_message_write_offer_at(firmware->rendered, url, exchange->now, exchange->message.message_id, len) : NULL;
	free(url);
	return payload;
}

/* What is on disk may have changed since the catalog was told: then it is verified again, and till then not offered. */
static void check_file(struct exchange *exchange, struct fw_answer *found)
{
	const struct fw_firmware *firmware = found->firmware;

	if (found->code != FW_PULL_OFFER || !firmware->file ||
		fw_delivery_holds(fw_courier_delivery(exchange->service->courier), firmware->file, &firmware->stamp))
		return;
	found->code = exchange->message.request_version.len ? FW_PULL_VERSION_NOT_FOUND : FW_PULL_NO_UPDATE;
	found->firmware = NULL;
}

static enum fw_verdict handle_pull(struct exchange *exchange)
{
	const struct fw_message *message = &exchange->message;
	struct fw_pull pull = {.product = exchange->topic->product, .device = exchange->topic->device,
		.current = message->current_version, .request = message->request_version};
	struct fw_answer found;
	enum fw_status status = fw_catalog_answer(exchange->service->catalog, &pull, &found);
	size_t len = 0;

	if (status != FW_OK)
		return refuse(exchange, FW_REFUSED_UNANSWERED, status_text(status), FW_PASS);
	check_file(exchange, &found);
	if (found.code == FW_PULL_OFFER) {
		char *payload = write_offer(exchange, found.firmware, &len);

		answer(exchange, FW_TOPIC_PULL_REPLY, payload, len);
		fw_count(&exchange->service->counters, FW_COUNT_PULLS_ANSWERED);
	} else {
		refuse_pull(exchange, found.code, fw_pull_code_sentence(found.code));
	}
	if (found.code != FW_PULL_UNKNOWN_PRODUCT)
		keep_pull(exchange, &found);
	return FW_PASS;
}

static enum fw_verdict handle_read(struct exchange *exchange)
{
	struct fw_service *service = exchange->service;
	char version[FW_VERSION_MAX * 4 + 1], *payload;
	enum fw_status status;
	size_t len = 0;

	if (service->options->read_from_device)
		return FW_PASS;
	status = fw_catalog_device_version(service->catalog, exchange->topic->product, exchange->topic->device, version, sizeof(version));
	if (status != FW_OK)
		return FW_PASS;
	payload = fw_message_write_version(version, exchange->now, exchange->message.message_id, &len);
	answer(exchange, FW_TOPIC_READ_REPLY, payload, len);
	fw_count(&service->counters, FW_COUNT_READS);
	return FW_ANSWERED;
}

static enum fw_verdict refuse_chunk(struct exchange *exchange, const char *code, const char *sentence)
{
	size_t len = 0;
	char *payload = fw_message_write_chunk_error(code, sentence, exchange->now, exchange->message.message_id, &len);

	answer(exchange, FW_TOPIC_CHUNK_ERROR, payload, len);
	return FW_PASS;
}

static enum fw_status ask_for_chunk(struct exchange *exchange)
{
	struct fw_service *service = exchange->service;
	const struct fw_message *message = &exchange->message;
	struct fw_reply_to to = {NULL, NULL, 0};
	struct fw_chunk_request request = {.product = exchange->topic->product, .device = exchange->topic->device, .firmware_id = message->firmware_id,
		.offset = message->offset, .length = message->length, .qos = exchange->request->qos, .message_id = message->message_id};
	enum fw_status status = FW_OK;

	if (exchange->request->properties)
		status = service->broker.reply_to(service->broker.context, exchange->request->properties, &to);
	if (to.response_topic && fw_topic_response_allowed(to.response_topic, FW_TOPIC_CHUNK_REPLY, request.product, request.device))
		request.response_topic = to.response_topic;
	request.correlation = to.correlation;
	request.correlation_len = to.correlation_len;
	if (status == FW_OK)
		status = fw_chunks_ask(fw_courier_chunks(service->courier), &request);
	free(to.response_topic);
	free(to.correlation);
	return status;
}

static enum fw_verdict handle_chunk(struct exchange *exchange)
{
	const struct fw_message *message = &exchange->message;
	long most = exchange->service->options->chunk_max_bytes;
	char sentence[80];

	if (!message->firmware_id.len || !message->has_range)
		return refuse_chunk(exchange, "bad_request", "firmwareId, offset and length must be given");
	if (message->length > most) {
		snprintf(sentence, sizeof(sentence), "length may be %ld bytes at most", most);
		return refuse_chunk(exchange, "too_large", sentence);
	}
	switch (ask_for_chunk(exchange)) {
	case FW_OK:
		return FW_PASS;
	case FW_INVALID:
		return refuse_chunk(exchange, "bad_request", "correlation data and response topic are too large");
	default:
		return refuse_chunk(exchange, "busy", "too many chunks are asked for at once: wait for an answer before asking again");
	}
}

/* What happens to each kind, once its sender is known to be the right one. */
static enum fw_verdict (*const handlers[FW_TOPIC_KINDS])(struct exchange *exchange) = {
	[FW_TOPIC_UPGRADE_REPLY] = handle_upgrade_reply,
	[FW_TOPIC_UPGRADE_PROGRESS] = handle_progress,
	[FW_TOPIC_PULL] = handle_pull,
	[FW_TOPIC_REPORT] = handle_report,
	[FW_TOPIC_READ] = handle_read,
	[FW_TOPIC_READ_REPLY] = handle_report,
	[FW_TOPIC_CHUNK] = handle_chunk,
};

/* FW_PASS, or FW_DENY with the refusal counted and logged. */
static enum fw_verdict check_sender(struct exchange *exchange, bool device)
{
	enum fw_topic_sender sender = fw_topic_sender(exchange->topic->kind);

	if (!exchange->topic->ids_valid)
		return refuse(exchange, FW_REFUSED_ID, "an id must be 1 to 64 bytes without control characters", FW_DENY);
	if (sender == FW_SENDER_ANYONE || (sender == FW_SENDER_DEVICE && device) || fw_options_is_operator(exchange->service->options, exchange->client->username))
		return FW_PASS;
	if (sender == FW_SENDER_BROKER)
		return refuse(exchange, FW_REFUSED_DOWNLINK, "only the broker and operators may send it", FW_DENY);
	return refuse(exchange, FW_REFUSED_IDENTITY, "the client is not that device", FW_DENY);
}

static enum fw_verdict handle(struct exchange *exchange)
{
	const char *why = NULL;
	enum fw_verdict verdict;
	enum fw_status status = fw_message_parse(exchange->topic->kind, exchange->request->payload, exchange->request->len, &exchange->message, &why);

	if (status == FW_OK) {
		verdict = handlers[exchange->topic->kind](exchange);
	} else if (status == FW_NOMEM) {
		verdict = refuse(exchange, FW_REFUSED_UNSAVED, status_text(status), FW_AGAIN);
	} else if (exchange->topic->kind == FW_TOPIC_PULL) {
		/* answered, so it counts as a pull refused */
		refuse_pull(exchange, FW_PULL_BAD_REQUEST, why);
		log_refusal(exchange, FW_REFUSED_MALFORMED, why);
		verdict = FW_PASS;
	} else if (exchange->topic->kind == FW_TOPIC_CHUNK) {
		verdict = refuse_chunk(exchange, "bad_request", why);
	} else {
		verdict = refuse(exchange, FW_REFUSED_MALFORMED, why, FW_PASS);
	}
	fw_message_clear(&exchange->message);
	return verdict;
}

/* Each counter when it changed, and all of them once. */
static void publish_counters(struct fw_service *service)
{
	for (size_t i = 0; i < FW_COUNTERS; i++) {
		uint64_t value = fw_count_get(&service->counters, (enum fw_counter)i);
		char topic[96], payload[24];
		int len;

		if (service->published[i] == value + 1)
			continue;
		snprintf(topic, sizeof(topic), "$SYS/broker/firmware/%s", fw_counter_topic((enum fw_counter)i));
		len = snprintf(payload, sizeof(payload), "%llu", (unsigned long long)value);
		if (service->broker.publish(service->broker.context, &(struct fw_publication){.topic = topic, .payload = payload,
			.len = (size_t)len, .retain = true}) == FW_OK)
			service->published[i] = value + 1;
	}
}

/* Publishes the chunks that were read, until `until` (boot ms). True when some are left. */
static bool drain_chunks(struct fw_service *service, int64_t until)
{
	struct fw_chunks *chunks = fw_courier_chunks(service->courier);
	struct fw_chunk_reply reply;

	while (fw_chunks_take(chunks, &reply)) {
		service->broker.publish(service->broker.context, &(struct fw_publication){.topic = reply.topic, .payload = reply.payload, .len = reply.len,
			.qos = reply.qos, .correlation = reply.correlation, .correlation_len = reply.correlation_len});
		free(reply.topic);
		free(reply.payload);
		free(reply.correlation);
		if (fw_boot_ms() >= until)
			return true;
	}
	return false;
}

static int64_t do_tick(struct fw_service *service)
{
	int64_t now = fw_boot_ms();
	bool more;

	service->last_tick = now;
	more = drain_outbox(service, now + PUBLISH_BUDGET_MS);
	more |= drain_chunks(service, now + PUBLISH_BUDGET_MS);
	if (now >= service->next_counters) {
		service->next_counters = now + COUNTERS_EVERY_MS;
		publish_counters(service);
	}
	if (more)
		return 0;
	return fw_chunks_under_way(fw_courier_chunks(service->courier)) ? CHUNK_MS : TICK_MS;
}

static void check_ticks(struct fw_service *service)
{
	if (fw_boot_ms() - service->last_tick < TICKLESS_MS)
		return;
	if (++service->ticks_missed == TICKS_MISSED)
		service->broker.log(service->broker.context, FW_LOG_WARNING, "the broker sends no ticks, so pushes wait for the next firmware message:"
			" set 'per_listener_settings false' (Mosquitto 2.0 sends no ticks with it true)");
	do_tick(service);
}

static enum fw_verdict firmware_message(struct fw_service *service, const struct fw_client *client, const struct fw_request *request, const struct fw_topic *topic)
{
	struct exchange exchange = {.service = service, .client = client, .request = request, .topic = topic};
	bool device = is_device(service, client, topic->device);
	enum fw_verdict verdict = check_sender(&exchange, device);
	bool speaks = verdict == FW_PASS && device && fw_topic_sender(topic->kind) == FW_SENDER_DEVICE;
	uint64_t connection = note_seen(service, client, speaks ? topic : NULL);

	check_ticks(service);
	if (verdict != FW_PASS || !handlers[topic->kind])
		return verdict;
	exchange.connection = speaks ? connection : 0;
	exchange.now = fw_now_ms();
	fw_pending_applied(service->pending, fw_store_applied(service->store), fw_spool_last(fw_store_spool(service->store)));
	return handle(&exchange);
}

enum fw_verdict fw_service_message(struct fw_service *service, const struct fw_client *client, const struct fw_request *request)
{
	struct fw_topic topic;
	enum fw_verdict verdict = FW_PASS;

	if (!client->id)
		return FW_PASS;
	fw_topic_parse(request->topic, &topic);
	service->in_message = true;
	if (topic.kind == FW_TOPIC_OTHER)
		note_seen(service, client, NULL);
	else
		verdict = firmware_message(service, client, request, &topic);
	service->in_message = false;
	if (service->shown_len)
		tell_presence(service, (struct fw_slice){service->shown, service->shown_len}, true);
	service->shown_len = 0;
	return verdict;
}

void fw_service_connected(struct fw_service *service, const struct fw_client *client)
{
	note_seen(service, client, NULL);
}

void fw_service_gone(struct fw_service *service, const struct fw_client *client)
{
	struct fw_slice key = device_key(service, client, NULL, NULL);

	fw_presence_gone(service->presence, client->handle, fw_topic_id_valid(key) ? key : (struct fw_slice){NULL, 0});
}

int64_t fw_service_tick(struct fw_service *service)
{
	service->ticks_missed = 0;
	return do_tick(service);
}
