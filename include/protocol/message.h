/* The messages (plugin/doc/protocol.md): parsing what devices and applications send, and writing
 * answers. Pure; any thread. What is no JSON, gives a member twice, is no UTF-8, has more than
 * FW_PAYLOAD_MAX bytes or is nested deeper than FW_DEPTH_MAX is refused. A byte-order mark in front
 * of the JSON, and all from the first NUL on, are cut off. */
#ifndef FW_PROTOCOL_MESSAGE_H
#define FW_PROTOCOL_MESSAGE_H

#include <jansson.h>

#include "base/fw.h"
#include "protocol/topic.h"

#define FW_RETRY_AFTER_MAX 2592000 /* seconds */
#define FW_UTC_OFFSET_MAX 840      /* minutes */

/* One parsed uplink. The slices are borrowed from `resolved` or the payload, valid until
 * fw_message_clear. Members that the kind does not have, that are absent, null or an empty string:
 * an empty slice, or has_... false. */
struct fw_message {
	char *resolved; /* texts without their escapes; NULL: there are none */
	/* as it stands in the payload, a string with its quotes; empty: none */
	struct fw_slice message_id;
	bool has_timestamp;
	int64_t timestamp;  /* Unix ms */
	const char *mended; /* what was left out or cut off (a static sentence), for the message
			       says enough without it; NULL: nothing */
	struct fw_slice version; /* report, progress, read/reply: trimmed by fw_text_trim, as the
				    next two are */
	struct fw_slice current_version; /* pull */
	struct fw_slice request_version; /* pull */
	struct fw_slice firmware_id;     /* progress, chunk */
	struct fw_slice error_reason;    /* progress: errorReason; upgrade/reply: message; any
					    characters, NUL too: see fw_text_sanitize */
	bool has_progress;
	int progress; /* 0 to 100 */
	bool complete;
	bool has_success;
	bool success;    /* absent: true for upgrade/reply, else false; has_success tells which */
	int retry_after; /* upgrade/reply: seconds, 1 to FW_RETRY_AFTER_MAX; 0: absent */
	bool retry;      /* progress: the failure may pass, another attempt is welcome */
	bool has_utc_offset;
	int utc_offset; /* report: the device's zone, minutes east of UTC, -840 to 840 */
	bool has_offset, has_range; /* both are there */
	int64_t offset, length;     /* chunk, bytes */
};

/* Parses the payload of `kind`. FW_OK, or FW_INVALID with `why` set to a sentence for the sender
 * (static text; message_id is kept when it could be read, so that the answer can echo it), or
 * FW_NOMEM. fw_message_clear is due in every case. No member is required here. A kind whose payload
 * is not the plugin's to read (upgrade, pull/reply, task, chunk/reply, chunk/error, other topics),
 * and a `read` of no bytes: FW_OK, with nothing in it. *why is NULL after FW_OK. */
enum fw_status fw_message_parse(enum fw_topic_kind kind, const void *payload, size_t len,
	struct fw_message *out, const char **why);

void fw_message_clear(struct fw_message *message);

/* json_loadb for text that is not constant: without memory jansson itself ends in an assertion. A
 * new reference. NULL: not JSON, or, with an empty error->text, memory is short. */
json_t *fw_message_load(const void *bytes, size_t len, size_t flags, json_error_t *error);

/* Codes of a failed pull/reply. */
enum fw_pull_code {
	FW_PULL_OFFER, /* not a failure: the reply carries firmware */
	FW_PULL_BAD_REQUEST,
	FW_PULL_UNKNOWN_PRODUCT,
	FW_PULL_FIRMWARE_DISABLED,
	FW_PULL_VERSION_NOT_FOUND,
	FW_PULL_NO_UPDATE,
	FW_PULL_CODES
};
const char *fw_pull_code_name(enum fw_pull_code code); /* "bad_request"... */
const char *fw_pull_code_message(enum fw_pull_code code);

/* What a device is told of one firmware, as the catalog has it. `parameters` is JSON text of an
 * object. */
struct fw_offer {
	const char *firmware_id, *version, *url, *sign, *sign_method, *parameters;
	int64_t size; /* bytes */
	/* leave the url out: each device is told its own */
	bool url_per_device;
};

/* Whether a device may put an upgrade off, as its task says. */
struct fw_deferral {
	bool limited;  /* false: the task says nothing, and so does the offer */
	int64_t until; /* Unix ms: from then on it is mandatory */
};

/* The members that do not change from reply to reply, as JSON text without the braces:
 * "url":...,"version":...,"parameters":{...},"sign":...,"signMethod":...,"firmwareId":...,"size":N
 * FW_OK with *out malloc'd, owned by the caller; FW_INVALID when `parameters` is no JSON object
 * (SQLite takes some text for one that a strict parser refuses); FW_NOMEM. On one line: white space
 * in `parameters` is left out, all else in it stays as it is. A NULL text is written as "", or {}
 * for parameters. */
enum fw_status fw_message_render_offer(const struct fw_offer *offer, char **out);

/* The writers below return malloc'd text of *len bytes (terminated too), owned by the caller, or
 * NULL when out of memory (then *len is not touched). message_id is JSON; empty: the member is left
 * out. Text that is not UTF-8 has each of its bytes above 0x7f replaced by U+FFFD. `message` NULL:
 * the code's own. */
/* `url`: of an offer rendered with url_per_device, else NULL. `deferral`: may be NULL. */
char *fw_message_write_offer(const char *rendered, const char *url,
	const struct fw_deferral *deferral, int64_t timestamp, struct fw_slice message_id,
	size_t *len);
/* `retry_after`: seconds after which asking again may bring something; 0: nobody knows. */
char *fw_message_write_pull_failure(enum fw_pull_code code, const char *message,
	int64_t retry_after, int64_t timestamp, struct fw_slice message_id, size_t *len);
char *fw_message_write_version(
	const char *version, int64_t timestamp, struct fw_slice message_id, size_t *len);

/* The `task` event for applications. error_reason NULL is left out. */
struct fw_task_event_message {
	const char *task_id, *firmware_id, *state, *error_reason;
	int progress;
};
char *fw_message_write_task(
	const struct fw_task_event_message *event, int64_t timestamp, size_t *len);

/* $SYS/broker/firmware/tasks/{taskId}. counts: waiting, processing, success, failed, canceled,
 * started, proved, bad. `reason` NULL is left out. */
#define FW_TASK_MESSAGE_COUNTS 8
struct fw_task_message {
	const char *state, *reason;
	int64_t stage, stages;
	int64_t counts[FW_TASK_MESSAGE_COUNTS];
};
char *fw_message_write_task_status(const struct fw_task_message *message, int64_t at, size_t *len);

/* chunk/error. With what is known of the chunk: an empty firmware_id, and no offset, are left out.
 */
struct fw_chunk_refusal {
	const char *code, *message;
	struct fw_slice firmware_id;
	bool has_offset;
	int64_t offset; /* bytes */
};
char *fw_message_write_chunk_refusal(const struct fw_chunk_refusal *refusal, int64_t timestamp,
	struct fw_slice message_id, size_t *len);

#endif
