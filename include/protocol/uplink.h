/* What the broker thread hands to the store, in the order it happened: the payload of a spool
 * record. Encoding and decoding are pure; any thread. */
#ifndef FW_PROTOCOL_UPLINK_H
#define FW_PROTOCOL_UPLINK_H

#include "base/fw.h"

enum fw_uplink_kind {
	FW_UPLINK_REPORT = 1, /* report, and a device's read/reply */
	FW_UPLINK_PROGRESS = 2,
	FW_UPLINK_REPLY = 3, /* upgrade/reply */
	/* a pull that registers a device, tells a new version, or was given a task's firmware */
	FW_UPLINK_PULL = 4,
};

/* Slices are borrowed: from the message when encoding, from the record when decoding. Absent text
 * is an empty slice. */
struct fw_uplink {
	enum fw_uplink_kind kind;
	int64_t received_at; /* Unix ms, the broker's wall clock */
	bool has_reported_at;
	int64_t reported_at; /* Unix ms, the device's `timestamp` */
	/* number of the connection, above all numbers of earlier runs of the broker; 0: unknown */
	uint64_t connection;
	struct fw_slice product, device;
	struct fw_slice version;      /* reported, progress's, or pull's currentVersion */
	struct fw_slice firmware_id;  /* progress's; pull: the firmware answered, empty if none */
	struct fw_slice error_reason; /* progress's errorReason, reply's message */
	bool has_progress;
	int progress; /* 0 to 100 */
	bool complete;
	bool success; /* progress: counts only with complete; reply: the device accepted */
	/* reply that refuses: seconds until it may be sent again, up to FW_RETRY_AFTER_MAX; 0: for
	 * good */
	int retry_after;
	bool retry; /* progress that fails: the device takes another attempt */
	bool has_utc_offset;
	int utc_offset;          /* report: minutes east of UTC, -840 to 840 */
	struct fw_slice task_id; /* pull: the task whose place it took; empty: none is counted */
	/* came with QoS 0: MQTT never delivers it again (MQTT 5, section 4.3.1) */
	bool at_most_once;
	/* the catalog could not be asked whether the device belongs to the product (option
	 * registration): that is asked when the uplink is applied */
	bool unchecked;
};

/* A message without a time of its own counts as a redelivery of an equal one for so long. */
#define FW_REDELIVERY_MS (10 * 60 * 1000)

/* Does its timestamp tell it from another message? A device without a clock says 0 each time, or
 * less. */
static inline bool fw_uplink_has_time(const struct fw_uplink *uplink)
{
	return uplink->has_reported_at && uplink->reported_at > 0;
}

/* Largest encoded uplink, in bytes: a payload of FW_PAYLOAD_MAX and what goes around it. */
#define FW_UPLINK_MAX (FW_PAYLOAD_MAX + 1024u)

/* Writes `uplink` into `buffer` of `size` bytes; returns the number of bytes, 0 when it does not
 * fit or could not be decoded again (an id that is empty or over FW_ID_MAX, a number out of range,
 * a text over 65535 bytes). */
size_t fw_uplink_encode(const struct fw_uplink *uplink, unsigned char *buffer, size_t size);

/* Reads one encoded uplink. FW_OK or FW_CORRUPT: never reads past `len`, checks every enum, range
 * and length, and refuses trailing bytes. *out is written on FW_OK only; its slices are never NULL.
 */
enum fw_status fw_uplink_decode(const unsigned char *bytes, size_t len, struct fw_uplink *out);

#endif
