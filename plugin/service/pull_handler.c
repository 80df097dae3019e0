/* A pull: what is answered, and what of it is kept. */
#include "service/handlers.h"

#include "protocol/message.h"
#include "upgrade/offer.h"

/* A pull is kept when it tells something: a device or a version that was not heard of a moment ago,
 * or that a task's firmware was handed out. FW_OK, or why it could not be. */
static enum fw_status keep_pull(struct exchange *exchange, const struct fw_answer *found)
{
	struct fw_slice version = found->before_restart ? (struct fw_slice){NULL, 0}
							: exchange->message.current_version;
	struct fw_uplink uplink = fw_exchange_uplink(exchange, FW_UPLINK_PULL);
	bool handed_out = found->code == FW_PULL_OFFER && found->of_task;
	bool news = exchange->standing == FW_STANDING_UNHEARD;
	enum fw_status status;

	if (found->code == FW_PULL_OFFER && (handed_out || !exchange->message.request_version.len))
		uplink.firmware_id = fw_slice_of(found->firmware->firmware_id);
	news |= fw_exchange_note_words(exchange, version, uplink.firmware_id);
	if (!news && !handed_out && !found->watched)
		return FW_OK;
	uplink.version = version;
	status = fw_exchange_keep(exchange, &uplink);
	if (status != FW_OK)
		fw_recent_forget(exchange->service->recent, uplink.product, uplink.device);
	return status;
}

void fw_exchange_refuse_pull(
	struct exchange *exchange, enum fw_pull_code code, const char *sentence)
{
	size_t len = 0;
	char *payload = fw_message_write_pull_failure(
		code, sentence, exchange->now, exchange->message.message_id, &len);

	fw_count(
		&exchange->service->counters, (enum fw_counter)(FW_COUNT_PULLS_BAD_REQUEST + code - FW_PULL_BAD_REQUEST));
	fw_exchange_answer(exchange, FW_TOPIC_PULL_REPLY, payload, len);
}

/* What is on disk may have changed since the catalog was told: then it is verified again, and till
 * then not offered. */
static void check_file(struct exchange *exchange, struct fw_answer *found)
{
	const struct fw_firmware *firmware = found->firmware;

	if (found->code != FW_PULL_OFFER || !firmware->file ||
		fw_delivery_may_hold(fw_courier_delivery(exchange->service->courier),
			firmware->file, &firmware->stamp))
		return;
	found->code = exchange->message.request_version.len ? FW_PULL_VERSION_NOT_FOUND
							    : FW_PULL_NO_UPDATE;
	found->firmware = NULL;
}

static void answer_pull(struct exchange *exchange, const struct fw_answer *found)
{
	size_t len = 0;
	char *payload;

	if (found->code != FW_PULL_OFFER) {
		fw_exchange_refuse_pull(exchange, found->code, fw_pull_code_sentence(found->code));
		return;
	}
	payload = fw_offer_write(fw_courier_delivery(exchange->service->courier),
		found->firmware, exchange->topic->product, exchange->topic->device, exchange->now,
		exchange->message.message_id, &len);
	fw_exchange_answer(exchange, FW_TOPIC_PULL_REPLY, payload, len);
	fw_count(&exchange->service->counters, FW_COUNT_PULLS_ANSWERED);
}

/* An answer does not depend on what the pull tells being kept: that harms nothing, as the device's
 * progress speaks for itself. But an id that was never heard of is answered when it is sure for
 * which product it is, or it could be given the firmware of every product. */
enum fw_verdict fw_exchange_pull(struct exchange *exchange)
{
	const struct fw_message *message = &exchange->message;
	struct fw_pull pull = {.product = exchange->topic->product,
		.device = exchange->topic->device,
		.current = message->current_version,
		.request = message->request_version,
		.now = exchange->now};
	struct fw_answer found;
	enum fw_status status = fw_catalog_answer(exchange->service->catalog, &pull, &found);
	bool first;

	if (status == FW_OK && exchange->standing == FW_STANDING_UNKNOWN)
		status = FW_BUSY;
	if (status != FW_OK)
		return fw_exchange_refuse(
			exchange, FW_REFUSED_UNANSWERED, fw_exchange_status(status), FW_PASS);
	check_file(exchange, &found);
	first = found.code != FW_PULL_UNKNOWN_PRODUCT && exchange->standing == FW_STANDING_UNHEARD;
	status = first ? keep_pull(exchange, &found) : FW_OK;
	if (status != FW_OK)
		return fw_exchange_refuse(
			exchange, FW_REFUSED_UNSAVED, fw_exchange_status(status), FW_AGAIN);
	answer_pull(exchange, &found);
	if (!first && found.code != FW_PULL_UNKNOWN_PRODUCT)
		status = keep_pull(exchange, &found);
	return status == FW_OK ? FW_PASS
			       : fw_exchange_refuse(exchange, FW_REFUSED_UNSAVED,
					 fw_exchange_status(status), FW_PASS);
}
