/* The firmware topics (plugin/doc/protocol.md): /{productId}/{deviceId}/firmware/{tail}.
 * Pure; any thread. Nothing here allocates. */
#ifndef FW_PROTOCOL_TOPIC_H
#define FW_PROTOCOL_TOPIC_H

#include "base/fw.h"

enum fw_topic_kind {
	FW_TOPIC_OTHER, /* none of the plugin's business */
	FW_TOPIC_UPGRADE,
	FW_TOPIC_UPGRADE_REPLY,
	FW_TOPIC_UPGRADE_PROGRESS,
	FW_TOPIC_PULL,
	FW_TOPIC_PULL_REPLY,
	FW_TOPIC_REPORT,
	FW_TOPIC_READ,
	FW_TOPIC_READ_REPLY,
	FW_TOPIC_TASK,
	FW_TOPIC_CHUNK,
	FW_TOPIC_CHUNK_REPLY, /* chunk/reply/{firmwareId}/{offset} */
	FW_TOPIC_CHUNK_ERROR,
	FW_TOPIC_KINDS
};

/* Who may publish a kind; operators may publish all. */
enum fw_topic_sender {
	FW_SENDER_ANYONE, /* whoever the broker's own access control lets */
	FW_SENDER_DEVICE, /* the client whose identity is the device */
	FW_SENDER_BROKER, /* nobody but the plugin */
};

struct fw_topic {
	enum fw_topic_kind kind;
	bool ids_valid;          /* both ids are as fw_topic_id_valid asks */
	bool unknown_kind;       /* kind is FW_TOPIC_OTHER for the tail alone */
	struct fw_slice product; /* borrowed from the parsed topic */
	struct fw_slice device;
};

/* Splits `topic` (NUL-terminated). kind is FW_TOPIC_OTHER unless the topic has exactly the shape of
 * a firmware topic; then the slices are set, and ids_valid tells whether the ids may be used. */
void fw_topic_parse(const char *topic, struct fw_topic *out);

/* What is wrong with `text`, parsed as `topic`, when it looks like a firmware topic and is none: it
 * ends as they do, in whatever case, or names a kind that there is not. A static sentence; NULL:
 * nothing is wrong. Topics that begin with $ are the broker's (MQTT 5, section 4.7.2). */
const char *fw_topic_astray(const char *text, const struct fw_topic *topic);

/* 1 to 64 bytes of UTF-8 without `/ + #` (MQTT 5, section 4.7.1) and without control characters
 * (C0, DEL, C1). */
bool fw_topic_id_valid(struct fw_slice id);

enum fw_topic_sender fw_topic_sender(enum fw_topic_kind kind);

/* The tail after ".../firmware/", such as "upgrade/progress"; "" for FW_TOPIC_OTHER. Static. */
const char *fw_topic_tail(enum fw_topic_kind kind);

/* Writes the topic of `kind` for a device into `buffer` of `size` bytes, terminated.
 * False when it does not fit (FW_TOPIC_BUFFER always does) or the kind has no fixed tail. */
#define FW_TOPIC_BUFFER (2 * FW_ID_MAX + 40)
bool fw_topic_format(char *buffer, size_t size, enum fw_topic_kind kind, struct fw_slice product,
	struct fw_slice device);

/* May `response`, terminated, the response topic of a request (MQTT 5, section 3.3.2.3.5), carry
 * the reply whose standard kind is `reply`? It must be UTF-8 without wildcards, and lie under the
 * requester's own /{product}/{device}/. Of the firmware topics only the standard reply is allowed.
 */
bool fw_topic_response_allowed(const char *response, enum fw_topic_kind reply,
	struct fw_slice product, struct fw_slice device);

/* Does a subscription to `filter` (terminated) bring the device's upgrades, of whatever product?
 * `$share/{group}/` may precede the filter (MQTT 5, section 4.8.2). */
bool fw_topic_filter_has_upgrade(const char *filter, struct fw_slice device);

#endif
