/* A pull: what is answered, and what of it is kept. */
#include "service/handlers.h"

#include "protocol/message.h"
#include "upgrade/offer.h"

/* Keeps a pull that tells something: a device or a version that was not heard of a moment ago, or
 * that a task's firmware was handed out. FW_OK, also when there is nothing to keep, or why it could
 * not be kept. */
static enum fw_status keep_pull(struct request *request, const struct fw_answer *found)
{
	struct fw_slice version = found->before_restart ? (struct fw_slice){NULL, 0}
							: request->message.current_version;
	struct fw_uplink uplink = fw_handlers_uplink(request, FW_UPLINK_PULL);
	bool handed_out = found->code == FW_PULL_OFFER && found->of_task;
	bool is_new = request->standing == FW_STANDING_UNHEARD;
	enum fw_status status;

	if (found->code == FW_PULL_OFFER && (handed_out || !request->message.request_version.len))
		uplink.firmware_id = fw_slice_of(found->firmware->firmware_id);
	is_new |= fw_handlers_note_version(request, version, uplink.firmware_id);
	if (!is_new && !handed_out && !found->watched)
		return FW_OK;
	uplink.version = version;
	uplink.task_id = fw_slice_of(found->task_id);
	status = fw_handlers_append(request, &uplink);
	if (status != FW_OK)
		fw_pull_dedup_forget(request->service->pull_dedup, uplink.product, uplink.device);
	return status;
}

static void refuse(struct request *request, enum fw_pull_code code, const char *message,
	int64_t retry_after_ms)
{
	static const enum fw_counter counters[FW_PULL_CODES] = {
		[FW_PULL_BAD_REQUEST] = FW_COUNT_PULLS_BAD_REQUEST,
		[FW_PULL_UNKNOWN_PRODUCT] = FW_COUNT_PULLS_UNKNOWN_PRODUCT,
		[FW_PULL_FIRMWARE_DISABLED] = FW_COUNT_PULLS_FIRMWARE_DISABLED,
		[FW_PULL_VERSION_NOT_FOUND] = FW_COUNT_PULLS_VERSION_NOT_FOUND,
		[FW_PULL_NO_UPDATE] = FW_COUNT_PULLS_NO_UPDATE,
	};
	size_t len = 0;
	char *payload = fw_message_write_pull_failure(code, message, (retry_after_ms + 999) / 1000,
		request->now, request->message.message_id, &len);

	fw_count(&request->service->counters, counters[code]);
	fw_handlers_answer(request, FW_TOPIC_PULL_REPLY, payload, len);
}

void fw_handlers_refuse_pull(struct request *request, enum fw_pull_code code, const char *message)
{
	refuse(request, code, message, 0);
}

/* The file on disk may have changed since it was verified: it is verified again then, and is not
 * offered until that is done. */
static void check_file(struct request *request, struct fw_answer *found)
{
	const struct fw_firmware *firmware = found->firmware;

	if (found->code != FW_PULL_OFFER || !firmware->file ||
		fw_hosting_may_hold(fw_download_hosting(request->service->download), firmware->file,
			&firmware->stamp))
		return;
	found->code = request->message.request_version.len ? FW_PULL_VERSION_NOT_FOUND
							   : FW_PULL_NO_UPDATE;
	found->firmware = NULL;
}

static void answer_pull(struct request *request, const struct fw_answer *found)
{
	size_t len = 0;
	char *payload;

	if (found->code != FW_PULL_OFFER) {
		refuse(request, found->code, fw_pull_code_message(found->code),
			found->retry_after_ms);
		return;
	}
	payload = fw_offer_write(fw_download_hosting(request->service->download), found->firmware,
		&found->deferral, request->topic->product, request->topic->device, request->now,
		request->message.message_id, &len);
	fw_handlers_answer(request, FW_TOPIC_PULL_REPLY, payload, len);
	fw_count(&request->service->counters, FW_COUNT_PULLS_ANSWERED);
}

/* What the pull is answered with. FW_OK, or why that cannot be told; then no place is taken. */
static enum fw_status decide(
	struct request *request, const struct fw_pull *pull, struct fw_answer *found)
{
	struct fw_resolver *resolver = request->service->resolver;
	enum fw_status status = fw_resolver_answer(resolver, pull, found);

	if (status != FW_OK)
		return status;
	if (request->standing == FW_STANDING_UNKNOWN)
		status = FW_BUSY; /* it may be another product's device */
	else
		check_file(request, found);
	if (status != FW_OK || found->code != FW_PULL_OFFER)
		fw_resolver_give_back(resolver, pull, found);
	return status;
}

/* A place, or a new device's id, is in the spool before the device is told of it; anything else is
 * answered first. Before an id is registered for a product it could get the firmware of every
 * product. And after a crash a place is found by the spool. */
static bool must_keep_first(const struct request *request, const struct fw_answer *found)
{
	return request->standing == FW_STANDING_UNHEARD || found->task_id[0];
}

static enum fw_verdict refuse_unsaved(
	struct request *request, enum fw_status status, enum fw_verdict verdict)
{
	return fw_handlers_refuse(request, FW_REFUSED_UNSAVED, fw_handlers_status(status), verdict);
}

static enum fw_verdict keep_then_answer(
	struct request *request, const struct fw_pull *pull, struct fw_answer *found)
{
	enum fw_status status = keep_pull(request, found);

	if (status != FW_OK) {
		fw_resolver_give_back(request->service->resolver, pull, found);
		return refuse_unsaved(request, status, FW_NO_ACK);
	}
	answer_pull(request, found);
	return FW_PASS;
}

/* A pull that cannot be kept does no harm: the device's progress tells the same. */
static enum fw_verdict answer_then_keep(struct request *request, const struct fw_answer *found)
{
	enum fw_status status;

	answer_pull(request, found);
	status = keep_pull(request, found);
	return status == FW_OK ? FW_PASS : refuse_unsaved(request, status, FW_PASS);
}

enum fw_verdict fw_handlers_pull(struct request *request)
{
	const struct fw_message *message = &request->message;
	struct fw_pull pull = {.product = request->topic->product,
		.device = request->topic->device,
		.current = message->current_version,
		.request = message->request_version,
		.now = request->now};
	struct fw_answer found;
	enum fw_status status = decide(request, &pull, &found);

	if (status != FW_OK)
		return fw_handlers_refuse(
			request, FW_REFUSED_UNANSWERED, fw_handlers_status(status), FW_PASS);
	if (found.code == FW_PULL_UNKNOWN_PRODUCT) {
		answer_pull(request, &found);
		return FW_PASS;
	}
	return must_keep_first(request, &found) ? keep_then_answer(request, &pull, &found)
						: answer_then_keep(request, &found);
}
