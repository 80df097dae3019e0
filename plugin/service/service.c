#include "service/service.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "service/internal.h"

/* how often the broker thread looks for what the store wants published */
#define TICK_MS 50
/* the broker sends ticks more often than that, unless it is suspended, or sends none at all */
#define TICKLESS_MS 1000
#define TICKS_MISSED 3      /* in a row are no accident */
#define PUBLISH_BUDGET_MS 8 /* of one tick */
#define COUNTERS_EVERY_MS 10000
#define CHUNK_MS 2 /* until the next look while a chunk is being read */
#define OUTBOX_MAX 8192u
#define PRESENCE_MAX (1u << 21)

static void tell_presence(
	struct fw_service *service, const struct fw_presence_change *change, bool asked)
{
	struct fw_slice key = change->key;
	const char *slash = memchr(key.at, '/', key.len);
	struct fw_presence_event event = {.online = change->online,
		.listens = change->listens,
		.device = key,
		.heard_ms = change->heard_ms,
		.asked = asked,
		.connection =
			change->connection ? service->first_connection + change->connection : 0,
		.oldest = change->oldest ? service->first_connection + change->oldest : 0};

	/* with identity `none` the key is product/device: see fw_identity_key */
	if (slash) {
		event.product = (struct fw_slice){key.at, (size_t)(slash - key.at)};
		event.device = (struct fw_slice){slash + 1, key.len - event.product.len - 1};
	}
	fw_store_note_presence(service->store, event);
}

/* Who shows itself by a message is online behind that message: what it says, a pull or the end of
 * an upgrade, comes before the push that it gets for being there. */
static void presence_changed(void *context, const struct fw_presence_change *change)
{
	struct fw_service *service = context;

	if (!change->online || !service->in_message) {
		tell_presence(service, change, false);
		return;
	}
	memcpy(service->listener, change->key.at, change->key.len);
	service->listener_len = change->key.len;
	service->listener_connection = change->connection;
	service->listener_oldest = change->oldest;
}

static void tell_listener(struct fw_service *service)
{
	struct fw_presence_change change = {.key = {service->listener, service->listener_len},
		.online = true,
		.listens = true,
		.connection = service->listener_connection,
		.oldest = service->listener_oldest};

	service->listener_len = 0;
	if (change.key.len)
		tell_presence(service, &change, false);
}

static enum fw_status make_parts(struct fw_service *service)
{
	service->outbox = fw_outbox_new(OUTBOX_MAX);
	service->unapplied = fw_unapplied_new();
	service->presence = fw_presence_new(PRESENCE_MAX, presence_changed, service);
	service->pull_dedup = fw_pull_dedup_new();
	service->refusal_log = fw_refusal_log_new();
	service->takeovers = fw_takeovers_new();
	service->rate = fw_device_rate_new(service->options->device_rate_per_minute);
	if (!service->outbox || !service->unapplied || !service->presence || !service->pull_dedup ||
		!service->refusal_log || !service->rate || !service->takeovers)
		return FW_NOMEM;
	return FW_OK;
}

static enum fw_status note_unapplied(struct fw_service *service, const struct fw_uplink *uplink)
{
	char version[FW_VERSION_BUFFER] = "";
	enum fw_status status = FW_OK;

	if (fw_unapplied_needs_version(uplink))
		status = fw_store_version_of(service->store, uplink->product, uplink->firmware_id,
			version, sizeof(version));
	if (status != FW_NOMEM)
		status = fw_unapplied_note_uplink(service->unapplied, uplink, fw_slice_of(version));
	if (status == FW_OK && service->options->registration == FW_REGISTRATION_ONCE)
		status = fw_admission_hear(service->unapplied, FW_STANDING_UNHEARD, uplink);
	return status;
}

/* An earlier run may have left acknowledged uplinks in the spool, and the catalog may be locked for
 * a while. */
static enum fw_status note_spooled(struct fw_service *service)
{
	struct fw_spool *spool = fw_store_spool(service->store);
	const unsigned char *payload;
	uint64_t sequence;
	enum fw_status status;
	size_t len;

	while ((status = fw_spool_read(spool, &payload, &len, &sequence)) == FW_OK) {
		struct fw_uplink uplink;

		if (fw_uplink_decode(payload, len, &uplink) != FW_OK)
			continue;
		status = note_unapplied(service, &uplink);
		/* more than there is room for: answers are then what the catalog says, until it is
		 * up to date */
		if (status == FW_FULL || status == FW_NOMEM)
			break;
	}
	fw_spool_rewind(spool, fw_store_applied(service->store));
	return status == FW_NOMEM ? FW_NOMEM : FW_OK;
}

/* `believed`: the catalog has it online. */
static void answer_presence(
	struct fw_service *service, struct fw_slice product_and_device, bool believed)
{
	const char *slash = memchr(product_and_device.at, '/', product_and_device.len);
	struct fw_slice key = product_and_device;
	bool online;

	if (service->options->identity != FW_IDENTITY_NONE)
		key = (struct fw_slice){slash + 1, key.len - (size_t)(slash - key.at) - 1};
	online = fw_presence_online(service->presence, key);
	if (online || believed)
		tell_presence(service,
			&(struct fw_presence_change){.key = key,
				.online = online,
				.listens = fw_presence_listens(service->presence, key),
				.connection = fw_presence_connection(service->presence, key),
				.oldest = fw_presence_oldest_connection(service->presence, key)},
			true);
}

static void deliver(struct fw_service *service, const struct fw_outgoing *message)
{
	switch (message->kind) {
	case FW_OUTGOING_MESSAGE:
		service->broker.publish(service->broker.context,
			&(struct fw_publication){.topic = message->topic,
				.payload = message->payload,
				.len = message->len,
				.qos = message->qos,
				.expiry_seconds = message->expiry_seconds});
		break;
	case FW_OUTGOING_LOG:
		service->broker.log(
			service->broker.context, (enum fw_log_level)message->qos, message->payload);
		break;
	case FW_OUTGOING_PRESENCE:
		answer_presence(
			service, (struct fw_slice){message->payload, message->len}, message->qos);
		break;
	}
}

/* Does what the store wants done, until `until` (boot ms). True when there was anything. */
static bool drain_outbox(struct fw_service *service, int64_t until)
{
	struct fw_outgoing message;
	unsigned taken = 0;

	while (fw_outbox_take(service->outbox, &message)) {
		deliver(service, &message);
		free(message.topic);
		free(message.payload);
		if (++taken % 64 == 0 && fw_boot_ms() >= until)
			break;
	}
	return taken > 0;
}

/* What runs on the I/O thread. */
struct opening {
	struct fw_service *service;
	struct fw_error *error;
};

static enum fw_status open_on_io_thread(void *context)
{
	struct fw_service *service = ((struct opening *)context)->service;
	struct fw_error *error = ((struct opening *)context)->error;
	struct fw_store_config config = {.options = service->options,
		.counters = &service->counters,
		.outbox = service->outbox,
		.own_table = fw_io_thread_apart(service->io_thread),
		.sees_connections = service->broker.sees_connections,
		.first_connection = service->first_connection};
	enum fw_status status =
		fw_download_new(service->options, &service->counters, &service->download, error);

	if (status != FW_OK)
		return status;
	config.hosting = fw_download_delivery(service->download);
	config.access = fw_download_access(service->download);
	status = fw_store_open(&config, &service->store, error);
	if (status == FW_OK)
		status = fw_download_start(service->download, error);
	return status == FW_OK ? note_spooled(service) : status;
}

static enum fw_status start_on_io_thread(void *context)
{
	struct opening *opening = context;

	return fw_store_start(opening->service->store, opening->error);
}

static enum fw_status stop_on_io_thread(void *context)
{
	struct fw_service *service = context;

	fw_download_stop(service->download);
	fw_store_stop(service->store);
	return FW_OK;
}

static enum fw_status close_on_io_thread(void *context)
{
	struct fw_service *service = context;

	fw_store_close(service->store);
	fw_download_free(service->download);
	return FW_OK;
}

static enum fw_status open_store(struct fw_service *service, struct fw_error *error)
{
	struct opening opening = {service, error};
	enum fw_status status;

	service->own_table = fw_vfs_begin();
	status = fw_io_thread_open(service->own_table, &service->io_thread, error);
	if (status == FW_OK)
		status = fw_io_thread_run(service->io_thread, open_on_io_thread, &opening);
	if (status == FW_OK)
		status = fw_pull_reader_open(service->options->db_file, &service->reader, error);
	if (status != FW_OK)
		return status;
	fw_pull_reader_keep_urls_apart(
		service->reader, fw_hosting_expires(fw_download_delivery(service->download)));
	service->resolver =
		fw_resolver_new(fw_pull_reader_source(service->reader), service->unapplied);
	service->registration = fw_registration_new(service->options->registration,
		fw_pull_reader_find_device, service->reader, service->unapplied);
	if (!service->resolver || !service->registration)
		return FW_NOMEM;
	return fw_io_thread_run(service->io_thread, start_on_io_thread, &opening);
}

static void close_store(struct fw_service *service)
{
	if (service->io_thread) {
		fw_io_thread_run(service->io_thread, stop_on_io_thread, service);
		drain_outbox(service, INT64_MAX);
		if (service->store)
			fw_spool_seal(fw_store_spool(service->store));
		fw_io_thread_run(service->io_thread, close_on_io_thread, service);
		fw_io_thread_close(service->io_thread);
	}
	fw_resolver_free(service->resolver);
	fw_pull_reader_close(service->reader);
	if (service->own_table)
		fw_vfs_end();
}

enum fw_status fw_service_open(const struct fw_options *options, const struct fw_broker *broker,
	struct fw_service **out, struct fw_error *error)
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

void fw_service_close(struct fw_service *service)
{
	if (!service)
		return;
	close_store(service);
	fw_presence_free(service->presence);
	fw_unapplied_free(service->unapplied);
	fw_pull_dedup_free(service->pull_dedup);
	fw_device_rate_free(service->rate);
	fw_takeovers_free(service->takeovers);
	fw_registration_free(service->registration);
	fw_refusal_log_free(service->refusal_log);
	fw_outbox_free(service->outbox);
	free(service);
}

void fw_service_describe(struct fw_service *service, char *text, size_t size)
{
	int64_t products = 0, firmware = 0;

	fw_pull_reader_counts(service->reader, &products, &firmware);
	snprintf(text, size, "catalog %s: %lld products, %lld firmware", service->options->db_file,
		(long long)products, (long long)firmware);
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
		snprintf(topic, sizeof(topic), "$SYS/broker/firmware/%s",
			fw_counter_topic((enum fw_counter)i));
		len = snprintf(payload, sizeof(payload), "%llu", (unsigned long long)value);
		if (service->broker.publish(service->broker.context,
			    &(struct fw_publication){.topic = topic,
				    .payload = payload,
				    .len = (size_t)len,
				    .retain = true}) == FW_OK)
			service->published[i] = value + 1;
	}
}

/* Publishes the chunks that were read, until `until` (boot ms). True when some are left. */
static bool drain_chunks(struct fw_service *service, int64_t until)
{
	struct fw_chunks *chunks = fw_download_chunks(service->download);
	struct fw_chunk_reply reply;
	bool any = false;

	while (fw_chunks_take(chunks, &reply)) {
		service->broker.publish(service->broker.context,
			&(struct fw_publication){.topic = reply.topic,
				.payload = reply.payload,
				.len = reply.len,
				.qos = reply.qos,
				.correlation = reply.correlation,
				.correlation_len = reply.correlation_len,
				.expiry_seconds = reply.expiry_seconds});
		free(reply.topic);
		free(reply.payload);
		free(reply.correlation);
		any = true;
		if (fw_boot_ms() >= until)
			break;
	}
	return any;
}

static int64_t do_tick(struct fw_service *service)
{
	int64_t now = fw_boot_ms();
	bool published;

	service->last_tick = now;
	fw_presence_release(service->presence, now);
	fw_unapplied_applied(service->unapplied, fw_store_applied(service->store),
		fw_spool_last(fw_store_spool(service->store)));
	published = drain_outbox(service, now + PUBLISH_BUDGET_MS);
	published |= drain_chunks(service, now + PUBLISH_BUDGET_MS);
	if (now >= service->next_counters) {
		service->next_counters = now + COUNTERS_EVERY_MS;
		publish_counters(service);
	}
	/* what was published is sent at the top of the loop's next iteration, and there may be more
	 */
	if (published)
		return 0;
	return fw_chunks_under_way(fw_download_chunks(service->download)) ? CHUNK_MS : TICK_MS;
}

static void check_ticks(struct fw_service *service)
{
	if (fw_boot_ms() - service->last_tick < TICKLESS_MS)
		return;
	if (++service->ticks_missed == TICKS_MISSED)
		service->broker.log(service->broker.context, FW_LOG_WARNING,
			"the broker sends no ticks, so pushes wait for the next firmware message:"
			" set 'per_listener_settings false' (Mosquitto up to 2.0.14 sends no ticks "
			"with it true)");
	do_tick(service);
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
		check_ticks(service);
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
	tell_listener(service);
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

void fw_service_gone(struct fw_service *service, const struct fw_client *client)
{
	struct fw_slice key = fw_identity_key(service, client, NULL, NULL);

	fw_presence_gone(service->presence, client->handle,
		fw_topic_id_valid(key) ? key : (struct fw_slice){NULL, 0});
}

void fw_service_spoke(struct fw_service *service, const struct fw_takeover_client *client)
{
	fw_takeovers_spoke(service->takeovers, client);
}

void fw_service_ended(
	struct fw_service *service, const struct fw_takeover_client *client, enum fw_ending ending)
{
	char line[FW_TAKEOVER_LINE];

	if (fw_takeovers_ended(service->takeovers, client, ending, fw_boot_ms(), line))
		service->broker.log(service->broker.context, FW_LOG_WARNING, line);
}

int64_t fw_service_tick(struct fw_service *service)
{
	service->ticks_missed = 0;
	return do_tick(service);
}
