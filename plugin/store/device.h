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
 * the ones before it as many as begin_connection in device.c keeps. */
struct fw_device_recent {
	uint64_t connection; /* the last one, of this run of the broker or an earlier one */
	size_t here;         /* how many messages came by it for the first time */
	/* which messages of earlier connections came by it again: bit i is digests[here + i] */
	uint64_t again;
	uint64_t digests[FW_DEVICE_RECENT_MAX]; /* by their first delivery, the newest first */
	size_t count;
};

/* Times are 0 where the column is NULL. */
struct fw_device {
	char version[FW_VERSION_BUFFER]; /* empty: unknown */
	/* what it ran before the upgrade it completed last; empty: it has reported since */
	char completed_from[FW_VERSION_BUFFER];
	/* Unix ms: until then a pull that names completed_from comes from before the restart */
	int64_t completed_until;
	int64_t last_seen_at; /* Unix ms */
	bool online;
	/* the newest and the oldest connection by which it is online, 0 unknown */
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

/* The device of the uplink, added if need be. FW_OK; FW_NOT_FOUND: the catalog does not know the
 * product, or only operators may add devices (option registration); or an error. */
enum fw_status fw_device_find_or_add(
	struct fw_devices *devices, const struct fw_uplink *uplink, struct fw_device *out);

/* Writes last_seen_at, at most once a minute. */
enum fw_status fw_device_note_seen(
	struct fw_devices *devices, const struct fw_uplink *uplink, const struct fw_device *device);

/* *is_redelivered: this message was applied before, and comes again because its acknowledgement was
 * lost: an equal one came by an earlier connection. Judges messages with a timestamp, and refusals;
 * others, and those with QoS 0, never are. Remembers the message. */
enum fw_status fw_device_is_redelivered(struct fw_devices *devices, const struct fw_uplink *uplink,
	struct fw_device *device, bool *is_redelivered);

/* The device says that it runs `version`: nothing waits for its report any more. *is_new: another
 * version than before. `device` stays as it was read. */
enum fw_status fw_device_reported(struct fw_devices *devices, const struct fw_uplink *uplink,
	const struct fw_device *device, struct fw_slice version, bool *is_new);

/* The device completed the upgrade to `version`; its next report tells whether it runs that. Pulls
 * within timeout_ms that name the old version come from before its restart. *is_new and `device`
 * as above. */
enum fw_status fw_device_completed(struct fw_devices *devices, const struct fw_uplink *uplink,
	const struct fw_device *device, struct fw_slice version, int64_t timeout_ms, bool *is_new);

/* An upgrade that had begun has ended without a report: the next push waits for the report, or for
 * FW_SETTLE_MS. */
enum fw_status fw_device_unsettle(
	struct fw_devices *devices, struct fw_slice product, struct fw_slice device);

/* Presence, since when (Unix ms), and by which connections (0: unknown, or offline); and when the
 * scheduler looks at the device again. */
struct fw_presence_of_device {
	bool online;
	int64_t at, connection, oldest_connection;
	int64_t due_at, settles_at; /* steady ms, 0: NULL */
};
enum fw_status fw_device_set_presence(struct fw_devices *devices, struct fw_slice product,
	struct fw_slice device, const struct fw_presence_of_device *presence);

/* Sets when the scheduler looks at the device, steady ms; 0: not at all. */
enum fw_status fw_device_set_due(struct fw_devices *devices, struct fw_slice product,
	struct fw_slice device, int64_t due_at);

/* Clears due_at if it is over by `now` (steady ms); with it settles_at, if that is over, too, and
 * the device is online. */
enum fw_status fw_device_forget_due(
	struct fw_devices *devices, struct fw_slice product, struct fw_slice device, int64_t now);

/* Clears both: the device has been waited for long enough. */
enum fw_status fw_device_settle(
	struct fw_devices *devices, struct fw_slice product, struct fw_slice device);

/* Writes the zone that the device reports. */
enum fw_status fw_device_set_zone(struct fw_devices *devices, const struct fw_uplink *uplink);

/* SQL: a device's longest absence of the last week (604800000 ms), NULL when none is known. `row`
 * is "" or the alias of device with its dot, `now` a time of the wall clock in Unix ms. */
#define FW_DEVICE_LONGEST_ABSENCE(row, now)                                                        \
	"iif(" row "absence_at >= " now " - 604800000, " row "absence_ms, NULL)"

/* *ms: that of the device, 0 when none is known. FW_OK, or an error. */
enum fw_status fw_device_longest_absence(
	struct fw_devices *devices, struct fw_slice product, struct fw_slice device, int64_t *ms);

struct fw_device_name {
	char product[FW_ID_MAX + 1], device[FW_ID_MAX + 1];
};

/* Devices whose due_at is over by `now` (steady ms) and that are not offline, by due_at: at most
 * `most` into `found`, sets *count. FW_OK also when there is none. */
enum fw_status fw_devices_due(struct fw_devices *devices, int64_t now, struct fw_device_name *found,
	size_t most, size_t *count);

/* The earliest due_at of a device that is not offline, INT64_MAX when there is none. */
enum fw_status fw_devices_next_due(struct fw_devices *devices, int64_t *due);

/* How long a push waits for the device's report: after an upgrade ended, after the device came
 * back, and after it came back without a subscription. Milliseconds. */
#define FW_SETTLE_MS 30000
#define FW_HOLD_MS 3000
#define FW_LISTEN_MS 60000
/* how long it waits after a report that ended an upgrade, for the progress that completes it */
#define FW_WORD_MS 1000

#endif
