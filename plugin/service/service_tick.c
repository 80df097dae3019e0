/* What the broker's thread does between messages: it publishes what the store, the chunks and the
 * control plane want published, and the counters.
 *
 * A tick has a budget in milliseconds, since the broker serves no client meanwhile. Where the
 * broker sends no ticks, each firmware message stands in for one. */
#include "service/internal.h"

#include <stdio.h>
#include <stdlib.h>

/* how often a tick is wanted while nothing is under way */
#define TICK_MS 50
/* the broker sends ticks more often than this, unless it is suspended, or sends none at all */
#define TICKLESS_MS 1000
#define TICKS_MISSED 3      /* in a row are no accident */
#define PUBLISH_BUDGET_MS 8 /* of one tick */
#define COUNTERS_EVERY_MS 10000
#define CHUNK_MS 2   /* until the next look while a chunk is being read */
#define COMMAND_MS 5 /* while a command is carried out */

static void publish_outgoing(struct fw_service *service, const struct fw_outgoing *message)
{
	service->broker.publish(service->broker.context,
		&(struct fw_publication){.topic = message->topic,
			.payload = message->payload,
			.len = message->len,
			.qos = message->qos,
			.retain = message->kind == FW_OUTGOING_RETAINED,
			.expiry_seconds = message->expiry_seconds});
}

static void deliver(struct fw_service *service, const struct fw_outgoing *message)
{
	switch (message->kind) {
	case FW_OUTGOING_BLIND:
		if (!fw_service_presence_of_topic(service, message->topic))
			publish_outgoing(service, message);
		break;
	case FW_OUTGOING_MESSAGE:
	case FW_OUTGOING_RETAINED:
		publish_outgoing(service, message);
		break;
	case FW_OUTGOING_LOG:
		service->broker.log(service->broker.context, message->level, message->payload);
		break;
	case FW_OUTGOING_PRESENCE:
		fw_service_presence_answer(service,
			(struct fw_slice){message->payload, message->len}, message->online);
		break;
	}
}

bool fw_service_drain_outbox(struct fw_service *service, int64_t until)
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

/* Publishes each counter that changed; the first time all of them. */
static void publish_counters(struct fw_service *service)
{
	for (size_t i = 0; i < FW_COUNTERS_PUBLISHED; i++) {
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

/* Publishes the chunks that were read, until `until` (boot ms). True when any was published. */
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
	published = fw_service_drain_outbox(service, now + PUBLISH_BUDGET_MS);
	fw_service_drain_web(service);
	published |= drain_chunks(service, now + PUBLISH_BUDGET_MS);
	published |= fw_service_drain_control(service, now + PUBLISH_BUDGET_MS);
	if (now >= service->next_counters) {
		service->next_counters = now + COUNTERS_EVERY_MS;
		publish_counters(service);
	}
	/* what was published is sent at the top of the loop's next iteration, and there may be more
	 */
	if (published)
		return 0;
	if (fw_chunks_under_way(fw_download_chunks(service->download)))
		return CHUNK_MS;
	return service->control && fw_control_under_way(service->control) ? COMMAND_MS : TICK_MS;
}

void fw_service_check_ticks(struct fw_service *service)
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

int64_t fw_service_tick(struct fw_service *service)
{
	service->ticks_missed = 0;
	return do_tick(service);
}
