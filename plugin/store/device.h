/* The rows of table device: what a device runs, whether it is there and by which connection, when
 * the scheduler looks at it again, and which messages of it may be delivered again. For the store's
 * own files; store thread only, inside a transaction. */
#ifndef FW_STORE_DEVICE_H
#define FW_STORE_DEVICE_H

#include "protocol/uplink.h"
#include "store/task_device.h"
#include "store/transaction.h"

/* Digests of the messages that a client may have in flight (Mosquitto's max_inflight_messages is
 * 20). */
#define FW_DEVICE_RECENT_MAX 20u

/* Messages that may be delivered again (MQTT 5, section 4.4): those of the last connection, and of
 * the ones before it as many as turn_to in device.c keeps. */
struct fw_device_recent {
	uint64_t connection; /* the last one, of this run of the broker or an earlier one */
	size_t here;         /* how many came by it for the first time */
	/* which of those before it came by it again: bit i is digests[here + i] */
	uint64_t again;
	uint64_t digests[FW_DEVICE_RECENT_MAX]; /* by their first delivery, the newest first */
	size_t count;
};

/* Times are 0 where the column is NULL. */
struct fw_device {
	char version[FW_VERSION_BUFFER]; /* empty: unknown */
	/* what it ran before the upgrade it completed last; empty: it has reported since */
	char completed_from[FW_VERSION_BUFFER];
	/* Unix ms: till then a pull that names completed_from comes from before the restart */
	int64_t completed_until;
	int64_t last_seen_at; /* Unix ms */
	bool online;
	/* the newest and the oldest by which it is online, 0 unknown */
	int64_t connection, oldest_connection;
	int64_t due_at, settles_at; /* steady ms */
	/* what its last pull was offered, until its report shows what became of it; or empty */
	char offered_firmware_id[FW_ID_MAX + 1];
	char offered_version[FW_VERSION_BUFFER]; /* what it ran then, empty if unknown */
	bool offer_completed;                    /* it said that it completed that upgrade */
	struct fw_device_recent recent;
};

struct fw_devices;

/* `transaction` is borrowed. FW_OK, or an error with a message in `error`. The caller owns *out. */
enum fw_status fw_devices_open(
	struct fw_transaction *transaction, struct fw_devices **out, struct fw_error *error);
void fw_devices_close(struct fw_devices *devices); /* NULL is fine */

/* FW_OK, FW_NOT_FOUND, or an error. */
enum fw_status fw_device_find(struct fw_devices *devices, struct fw_slice product,
	struct fw_slice device, struct fw_device *out);

/* The device that the uplink is of, made if need be. FW_NOT_FOUND: the catalog does not know the
 * product, or it is a device that only an operator may add. */
enum fw_status fw_device_find_or_add(
	struct fw_devices *devices, const struct fw_uplink *uplink, struct fw_device *out);

/* Notes its last sign of life, at most once a minute. */
enum fw_status fw_device_note_seen(
	struct fw_devices *devices, const struct fw_uplink *uplink, const struct fw_device *device);

/* Was this message applied before, and comes again because its acknowledgement was lost? Remembers
 * it. An equal one by an earlier connection tells, of messages with a timestamp, and of refusals.
 * What came with QoS 0 never comes again. */
enum fw_status fw_device_is_repeated(struct fw_devices *devices, const struct fw_uplink *uplink,
	struct fw_device *device, bool *again);

/* It says that it runs `version`: all that waited for its report waits no more. *is_new: that is
 * another version than before. */
enum fw_status fw_device_reported(struct fw_devices *devices, const struct fw_uplink *uplink,
	struct fw_device *device, struct fw_slice version, bool *is_new);

/* It completed the upgrade to `version`; whether it runs it, its report says. Pulls within
 * timeout_ms that name the old version come from before its restart. */
enum fw_status fw_device_completed(struct fw_devices *devices, const struct fw_uplink *uplink,
	struct fw_device *device, struct fw_slice version, int64_t timeout_ms, bool *is_new);

/* An upgrade that had begun has ended without a report: the next one waits for that, or until it
 * has been there for a while. */
enum fw_status fw_device_unsettle(
	struct fw_devices *devices, struct fw_slice product, struct fw_slice device);

/* Presence, the time of it (Unix ms), and by which connection (0: unknown, or offline); and when it
 * is looked at again. */
struct fw_presence_of_device {
	bool online;
	int64_t at, connection, oldest_connection;
	int64_t due_at, settles_at; /* steady ms, 0: NULL */
};
enum fw_status fw_device_set_presence(struct fw_devices *devices, struct fw_slice product,
	struct fw_slice device, const struct fw_presence_of_device *presence);

/* When the scheduler looks at it, steady ms; 0: not at all. */
enum fw_status fw_device_set_due(struct fw_devices *devices, struct fw_slice product,
	struct fw_slice device, int64_t due_at);

/* What of its due_at, and of its settling, is over by `now` (steady ms) is done with. */
enum fw_status fw_device_forget_due(
	struct fw_devices *devices, struct fw_slice product, struct fw_slice device, int64_t now);

/* It has been there long enough: nothing is waited for any more. */
enum fw_status fw_device_settle(
	struct fw_devices *devices, struct fw_slice product, struct fw_slice device);

/* The zone that its report tells. */
enum fw_status fw_device_set_zone(struct fw_devices *devices, const struct fw_uplink *uplink);

/* How long it has been away before, and since when it is now. */
struct fw_absence {
	int64_t longest_ms; /* of the last week; 0: not known */
	int64_t away_clock; /* steady ms; 0: it is not known to be away */
	bool online;
};
enum fw_status fw_device_absence(struct fw_devices *devices, struct fw_slice product,
	struct fw_slice device, struct fw_absence *out);

struct fw_device_name {
	char product[FW_ID_MAX + 1], device[FW_ID_MAX + 1];
};

/* Devices that are not known to be offline, to be looked at by `now` (steady ms), the first one due
 * first. */
enum fw_status fw_devices_due(struct fw_devices *devices, int64_t now, struct fw_device_name *found,
	size_t most, size_t *count);

/* The earliest due_at of these, INT64_MAX when there is none. */
enum fw_status fw_devices_next_due(struct fw_devices *devices, int64_t *due);

/* How long an upgrade's end, or a return, waits for the device's report; steady ms. */
#define FW_SETTLE_MS 30000
#define FW_HOLD_MS 3000
/* behind a report that ended an upgrade: it may still say that it completed it */
#define FW_WORD_MS 1000
#define FW_LISTEN_MS 60000 /* where it has not subscribed to anything yet */

#endif
