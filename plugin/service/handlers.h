/* What the files share that handle a message: the request in progress, its answer, and what is kept
 * of it. Broker thread only; everything is borrowed for the call of fw_handlers. */
#ifndef FW_SERVICE_HANDLERS_H
#define FW_SERVICE_HANDLERS_H

#include "protocol/message.h"
#include "service/internal.h"

/* One request in progress. */
struct request {
	struct fw_service *service;
	const struct fw_client *client;
	const struct fw_incoming *incoming;
	const struct fw_topic *topic;
	struct fw_message message;
	uint64_t connection; /* of the device itself; 0: an operator speaks for it */
	bool is_device;      /* the client is the device of the topic */
	/* of the device to the product; FW_STANDING_REGISTERED where registration is not checked */
	enum fw_standing standing;
	int64_t now; /* Unix ms */
};

/* Counts and logs a refusal, and returns `verdict`. Of uplinks that cannot be saved only the first
 * one is logged until they can be saved again. */
enum fw_verdict fw_handlers_refuse(
	struct request *request, enum fw_refusal why, const char *detail, enum fw_verdict verdict);

/* Is the device of the topic served for its product (option `registration`)? FW_PASS with
 * request->standing, or FW_DENY, counted and logged. A device of a product that is not in the
 * catalog passes: the answer says that. What operators send for a device adds it to the product, as
 * their INSERT does, unless registration is closed. */
enum fw_verdict fw_admission_check_registration(struct request *request);

/* Counts the message against the rate of the device of the topic. FW_PASS, or FW_LIMIT, counted and
 * logged: the device says too much. Requests for chunks do not count: they have a limit of their
 * own (download/chunk_share.h), and make the plugin write next to nothing. */
enum fw_verdict fw_admission_check_rate(struct request *request);

/* May the answer of this kind go to `response`, the response topic of the request? */
bool fw_handlers_response_allowed(
	const struct request *request, enum fw_topic_kind reply, const char *response);

/* Publishes an answer of this kind, and frees its payload; a payload of NULL (no memory) is logged.
 */
void fw_handlers_answer(
	struct request *request, enum fw_topic_kind kind, char *payload, size_t len);

/* The message as an uplink; its slices are borrowed from the message and the service. */
struct fw_uplink fw_handlers_uplink(const struct request *request, enum fw_uplink_kind kind);

/* Puts the uplink into the spool, where it is safe, and wakes the store. Notes in `unapplied` what
 * answers depend on until the store has applied it. FW_OK, or why it could not be saved. */
enum fw_status fw_handlers_append(struct request *request, const struct fw_uplink *uplink);

/* Why the catalog could not be asked, or an uplink kept: a static sentence. */
const char *fw_handlers_status(enum fw_status status);

/* Remembers the version that the device tells, and what it was offered. True when one of them is
 * new (service/pull_dedup.h). */
bool fw_handlers_note_version(
	struct request *request, struct fw_slice version, struct fw_slice offered);

/* Handles a pull, which is parsed. */
enum fw_verdict fw_handlers_pull(struct request *request);

/* Answers a pull with this code and message. */
void fw_handlers_refuse_pull(struct request *request, enum fw_pull_code code, const char *message);

/* Handles a request for a chunk. */
enum fw_verdict fw_handlers_chunk(struct request *request);

/* Answers a request for a chunk with this code and message; FW_PASS. */
enum fw_verdict fw_handlers_refuse_chunk(
	struct request *request, const char *code, const char *message);

#endif
