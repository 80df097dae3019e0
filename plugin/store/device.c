/* The rows of table device.
 *
 * due_at is when the scheduler looks at the device again; settles_at is until when it waits for the
 * device's report. A report ends both. recent_messages holds the digests of the messages that the
 * device may deliver again, newest first, behind a header: three 64-bit numbers of struct
 * fw_device_recent (connection, again, here) in the machine's byte order, then 64 bits a digest. */
#include "store/device.h"

#include <stdlib.h>
#include <string.h>

#include "catalog/db.h"

/* last_seen_at of a device that only repeats itself is written at most so often. */
#define SEEN_MS 60000

enum statement {
	DEVICE,
	ANYWHERE,
	PRODUCT,
	ADD,
	SEEN,
	REPORTED,
	COMPLETED,
	NOTE_MESSAGE,
	PRESENCE,
	UNSETTLE,
	SETTLE,
	SET_DUE,
	FORGET_DUE,
	DUE,
	NEXT_DUE,
	ZONE,
	ABSENCE,
	STATEMENTS
};

#define OF_DEVICE " WHERE product_id = ?1 AND device_id = ?2"

/* The device comes back from its longest absence of the last week. */
#define IS_LONGEST_ABSENCE                                                                         \
	"?3 AND presence = 'offline' AND ?9 - away_clock >="                                       \
	" coalesce(" FW_DEVICE_LONGEST_ABSENCE("", "?4") ", 0)"

static const char *const sql[STATEMENTS] = {
	[DEVICE] = "SELECT version, completed_from, completed_until, last_seen_at, presence = "
		   "'online', connection, oldest_connection, due_at, settles_at,"
		   " offered_firmware_id, offered_version, offer_completed, recent_messages FROM "
		   "device" OF_DEVICE,
	[ANYWHERE] = "SELECT 1 FROM device WHERE device_id = ?1 LIMIT 1",
	[PRODUCT] = "SELECT 1 FROM product WHERE product_id = ?1",
	[ADD] = "INSERT INTO device (product_id, device_id, last_seen_at) VALUES (?1, ?2, ?3)",
	[SEEN] = "UPDATE device SET last_seen_at = ?3" OF_DEVICE,
	[REPORTED] = "UPDATE device SET version = ?3, version_at = ?4, last_seen_at = ?4, "
		     "completed_from = NULL, completed_until = NULL,"
		     " due_at = NULL, settles_at = NULL" OF_DEVICE,
	[COMPLETED] = "UPDATE device SET version = ?3, version_at = ?4, last_seen_at = ?4, "
		      "completed_from = ?5, completed_until = ?6,"
		      " due_at = ?7, settles_at = ?7" OF_DEVICE,
	[NOTE_MESSAGE] = "UPDATE device SET recent_messages = ?3" OF_DEVICE,
	[PRESENCE] =
		"UPDATE device SET presence = iif(?3, 'online', 'offline'), last_seen_at = ?4, "
		"connection = ?5, due_at = ?6, settles_at = ?7, oldest_connection = ?8,"
		" online_clock = CASE WHEN NOT ?3 THEN NULL WHEN presence = 'online' THEN"
		" online_clock ELSE ?9 END,"
		" away_clock = CASE WHEN ?3 THEN NULL WHEN presence = 'offline' THEN away_clock"
		" ELSE ?9 END,"
		" absence_ms = iif(" IS_LONGEST_ABSENCE ", ?9 - away_clock, absence_ms),"
		" absence_at = iif(" IS_LONGEST_ABSENCE ", ?4, absence_at)" OF_DEVICE,
	[UNSETTLE] = "UPDATE device SET due_at = ?3, settles_at = ?3" OF_DEVICE,
	[SETTLE] = "UPDATE device SET due_at = NULL, settles_at = NULL" OF_DEVICE,
	[SET_DUE] = "UPDATE device SET due_at = ?3" OF_DEVICE,
	/* settling ends only while the device is online */
	[FORGET_DUE] = "UPDATE device SET due_at = NULL, settles_at = iif(presence = 'online' AND "
		       "settles_at <= ?3, NULL, settles_at)" OF_DEVICE " AND due_at <= ?3",
	[DUE] = "SELECT product_id, device_id FROM device WHERE due_at <= ?1 AND due_at IS NOT "
		"NULL AND presence IS NOT 'offline' ORDER BY due_at",
	[NEXT_DUE] = "SELECT due_at FROM device WHERE due_at IS NOT NULL AND presence IS NOT "
		     "'offline' ORDER BY due_at LIMIT 1",
	[ZONE] = "UPDATE device SET utc_offset_minutes = ?3" OF_DEVICE
		 " AND utc_offset_minutes IS NOT ?3",
	[ABSENCE] = "SELECT " FW_DEVICE_LONGEST_ABSENCE("", "?3") " FROM device" OF_DEVICE,
};

struct fw_devices {
	struct fw_transaction *transaction;
	sqlite3_stmt *statements[STATEMENTS];
};

enum fw_status fw_devices_open(
	struct fw_transaction *transaction, struct fw_devices **out, struct fw_error *error)
{
	struct fw_devices *devices = calloc(1, sizeof(*devices));
	enum fw_status status;

	if (!devices)
		return FW_NOMEM;
	devices->transaction = transaction;
	status = fw_db_prepare(transaction->db, sql, devices->statements, STATEMENTS, error);
	if (status != FW_OK) {
		fw_devices_close(devices);
		return status;
	}
	*out = devices;
	return FW_OK;
}

void fw_devices_close(struct fw_devices *devices)
{
	if (!devices)
		return;
	fw_db_finalize(devices->statements, STATEMENTS);
	free(devices);
}

#define HEADER 3u /* numbers in front of the digests: connection, again, here */

static void read_recent(sqlite3_stmt *statement, int column, struct fw_device_recent *recent)
{
	const void *blob = sqlite3_column_blob(statement, column);
	size_t numbers =
		blob ? (size_t)sqlite3_column_bytes(statement, column) / sizeof(uint64_t) : 0;
	uint64_t header[HEADER];

	*recent = (struct fw_device_recent){.count = 0};
	if (numbers < HEADER || numbers > HEADER + FW_DEVICE_RECENT_MAX)
		return;
	memcpy(header, blob, sizeof(header));
	recent->count = numbers - HEADER;
	if (header[2] > recent->count) {
		recent->count = 0;
		return;
	}
	recent->connection = header[0];
	recent->again = header[1];
	recent->here = (size_t)header[2];
	memcpy(recent->digests, (const char *)blob + sizeof(header),
		recent->count * sizeof(uint64_t));
}

/* Did the message of this index, of an earlier connection, come again by the last one? */
static bool came_again(const struct fw_device_recent *recent, size_t index)
{
	return index < recent->count && recent->again >> (index - recent->here) & 1;
}

/* The message under way came by this connection: where that is a new one, forgets what cannot come
 * again.
 *
 * A client delivers its unacknowledged messages again in the order of their first delivery (MQTT 5,
 * section 4.6): the last so many, up to the newest. So of the messages of earlier connections only
 * those that came again by the last connection can come once more. If that broke before it came to
 * the newest, all of them can. */
static void begin_connection(struct fw_device_recent *recent, uint64_t connection)
{
	size_t former = recent->count - recent->here, kept = recent->here;
	bool broke_off = recent->again && !came_again(recent, recent->here);

	if (connection == recent->connection)
		return;
	for (size_t i = 0; i < former; i++) {
		if (broke_off || came_again(recent, recent->here + i))
			recent->digests[kept++] = recent->digests[recent->here + i];
	}
	recent->count = kept;
	recent->connection = connection;
	recent->here = 0;
	recent->again = 0;
}

static size_t index_of(const struct fw_device_recent *recent, uint64_t digest)
{
	size_t i = 0;

	while (i < recent->count && recent->digests[i] != digest)
		i++;
	return i;
}

static void remember(struct fw_device_recent *recent, uint64_t digest)
{
	recent->count += recent->count < FW_DEVICE_RECENT_MAX;
	memmove(recent->digests + 1, recent->digests,
		(recent->count - 1) * sizeof(recent->digests[0]));
	recent->digests[0] = digest;
	recent->here += recent->here < FW_DEVICE_RECENT_MAX;
}

static enum fw_status write_recent(struct fw_devices *devices, const struct fw_uplink *uplink,
	const struct fw_device_recent *recent)
{
	sqlite3_stmt *statement =
		fw_db_start(devices->statements[NOTE_MESSAGE], uplink->product, uplink->device);
	uint64_t numbers[HEADER + FW_DEVICE_RECENT_MAX] = {
		recent->connection, recent->again, recent->here};

	memcpy(numbers + HEADER, recent->digests, recent->count * sizeof(numbers[0]));
	sqlite3_bind_blob(statement, 3, numbers,
		(int)((HEADER + recent->count) * sizeof(numbers[0])), SQLITE_TRANSIENT);
	return fw_db_run(statement);
}

static uint64_t digest_of(const struct fw_uplink *uplink)
{
	int64_t time = fw_uplink_has_time(uplink) ? uplink->reported_at : 0;
	uint64_t digest =
		fw_hash((uint64_t)uplink->kind << 1 | uplink->success, &time, sizeof(time));

	digest = fw_hash(digest, uplink->version.at, uplink->version.len);
	digest = fw_hash(fw_hash(digest, "", 1), uplink->firmware_id.at, uplink->firmware_id.len);
	return fw_hash(fw_hash(digest, "", 1), uplink->error_reason.at, uplink->error_reason.len);
}

enum fw_status fw_device_is_redelivered(struct fw_devices *devices, const struct fw_uplink *uplink,
	struct fw_device *device, bool *is_redelivered)
{
	struct fw_device_recent *recent = &device->recent;
	bool refusal = uplink->kind == FW_UPLINK_REPLY && !uplink->success;
	uint64_t digest = digest_of(uplink);
	size_t known;

	*is_redelivered = false;
	/* without a timestamp a redelivered message does no harm, unless it is a refusal */
	if (uplink->at_most_once || (!fw_uplink_has_time(uplink) && !refusal))
		return FW_OK;
	begin_connection(recent, uplink->connection);
	known = index_of(recent, digest);
	/* a client does not deliver a message twice by one connection */
	if (known < recent->here || came_again(recent, known))
		return FW_OK;
	*is_redelivered = known < recent->count;
	if (*is_redelivered)
		recent->again |= UINT64_C(1) << (known - recent->here);
	else
		remember(recent, digest);
	return write_recent(devices, uplink, recent);
}

static void read_device(sqlite3_stmt *statement, struct fw_device *device)
{
	fw_db_copy_text(statement, 0, device->version, sizeof(device->version));
	fw_db_copy_text(statement, 1, device->completed_from, sizeof(device->completed_from));
	device->completed_until = sqlite3_column_int64(statement, 2);
	device->last_seen_at = sqlite3_column_int64(statement, 3);
	device->online = sqlite3_column_int(statement, 4);
	device->connection = sqlite3_column_int64(statement, 5);
	device->oldest_connection = sqlite3_column_int64(statement, 6);
	device->due_at = sqlite3_column_int64(statement, 7);
	device->settles_at = sqlite3_column_int64(statement, 8);
	fw_db_copy_text(
		statement, 9, device->offered_firmware_id, sizeof(device->offered_firmware_id));
	fw_db_copy_text(statement, 10, device->offered_version, sizeof(device->offered_version));
	device->offer_completed = sqlite3_column_int(statement, 11);
	read_recent(statement, 12, &device->recent);
}

enum fw_status fw_device_find(struct fw_devices *devices, struct fw_slice product,
	struct fw_slice device, struct fw_device *out)
{
	sqlite3_stmt *statement = fw_db_start(devices->statements[DEVICE], product, device);
	enum fw_status status = fw_db_step(statement);

	if (status != FW_OK)
		return status;
	read_device(statement, out);
	sqlite3_reset(statement);
	return FW_OK;
}

/* May the uplink add its device, which the product does not have? FW_OK, FW_NOT_FOUND, or an
 * error. */
static enum fw_status check_may_add(struct fw_devices *devices, const struct fw_uplink *uplink)
{
	enum fw_registration_mode mode = devices->transaction->context->registration;
	sqlite3_stmt *statement = devices->statements[ANYWHERE];
	enum fw_status status;

	/* an operator removed the device after it had sent the uplink */
	if (mode == FW_REGISTRATION_CLOSED)
		return FW_NOT_FOUND;
	if (mode == FW_REGISTRATION_OPEN || !uplink->unchecked)
		return FW_OK;
	fw_db_bind_text(statement, 1, uplink->device);
	status = fw_db_exists(statement);
	if (status != FW_OK)
		return status == FW_NOT_FOUND ? FW_OK : status;
	fw_transaction_log_passed_over(devices->transaction, "an uplink",
		"the id of its device belongs to another product");
	return FW_NOT_FOUND;
}

enum fw_status fw_device_find_or_add(
	struct fw_devices *devices, const struct fw_uplink *uplink, struct fw_device *out)
{
	enum fw_status status = fw_device_find(devices, uplink->product, uplink->device, out);
	sqlite3_stmt *statement;

	if (status != FW_NOT_FOUND)
		return status;
	status = check_may_add(devices, uplink);
	if (status != FW_OK)
		return status;
	statement = devices->statements[PRODUCT];
	fw_db_bind_text(statement, 1, uplink->product);
	status = fw_db_exists(statement);
	if (status != FW_OK)
		return status;
	*out = (struct fw_device){.last_seen_at = uplink->received_at};
	statement = fw_db_start(devices->statements[ADD], uplink->product, uplink->device);
	fw_db_bind_integer(statement, 3, uplink->received_at);
	return fw_db_run(statement);
}

enum fw_status fw_device_note_seen(
	struct fw_devices *devices, const struct fw_uplink *uplink, const struct fw_device *device)
{
	sqlite3_stmt *statement;

	if (uplink->received_at < device->last_seen_at + SEEN_MS)
		return FW_OK;
	statement = fw_db_start(devices->statements[SEEN], uplink->product, uplink->device);
	fw_db_bind_integer(statement, 3, uplink->received_at);
	return fw_db_run(statement);
}

static sqlite3_stmt *start_version(struct fw_devices *devices, enum statement which,
	const struct fw_uplink *uplink, struct fw_slice version)
{
	sqlite3_stmt *statement =
		fw_db_start(devices->statements[which], uplink->product, uplink->device);

	fw_db_bind_text(statement, 3, version);
	fw_db_bind_integer(statement, 4, uplink->received_at);
	return statement;
}

enum fw_status fw_device_reported(struct fw_devices *devices, const struct fw_uplink *uplink,
	const struct fw_device *device, struct fw_slice version, bool *is_new)
{
	*is_new = !fw_slice_equal(version, fw_slice_of(device->version));
	return fw_db_run(start_version(devices, REPORTED, uplink, version));
}

enum fw_status fw_device_completed(struct fw_devices *devices, const struct fw_uplink *uplink,
	const struct fw_device *device, struct fw_slice version, int64_t timeout_ms, bool *is_new)
{
	sqlite3_stmt *statement = start_version(devices, COMPLETED, uplink, version);

	*is_new = !fw_slice_equal(version, fw_slice_of(device->version));
	fw_db_bind_text(statement, 5,
		*is_new ? fw_slice_of(device->version) : fw_slice_of(device->completed_from));
	fw_db_bind_integer(statement, 6, uplink->received_at + timeout_ms);
	fw_db_bind_integer(statement, 7, devices->transaction->steady_ms + FW_SETTLE_MS);
	return fw_db_run(statement);
}

enum fw_status fw_device_unsettle(
	struct fw_devices *devices, struct fw_slice product, struct fw_slice device)
{
	sqlite3_stmt *statement = fw_db_start(devices->statements[UNSETTLE], product, device);

	fw_db_bind_integer(statement, 3, devices->transaction->steady_ms + FW_SETTLE_MS);
	return fw_db_run(statement);
}

enum fw_status fw_device_set_presence(struct fw_devices *devices, struct fw_slice product,
	struct fw_slice device, const struct fw_presence_of_device *presence)
{
	sqlite3_stmt *statement = fw_db_start(devices->statements[PRESENCE], product, device);

	sqlite3_bind_int(statement, 3, presence->online);
	fw_db_bind_integer(statement, 4, presence->at);
	fw_db_bind_time(statement, 5, presence->connection);
	fw_db_bind_time(statement, 6, presence->due_at);
	fw_db_bind_time(statement, 7, presence->settles_at);
	fw_db_bind_time(statement, 8, presence->oldest_connection);
	fw_db_bind_integer(statement, 9, devices->transaction->steady_ms);
	return fw_db_run(statement);
}

enum fw_status fw_device_set_due(
	struct fw_devices *devices, struct fw_slice product, struct fw_slice device, int64_t due_at)
{
	sqlite3_stmt *statement = fw_db_start(devices->statements[SET_DUE], product, device);

	fw_db_bind_time(statement, 3, due_at);
	return fw_db_run(statement);
}

enum fw_status fw_device_forget_due(
	struct fw_devices *devices, struct fw_slice product, struct fw_slice device, int64_t now)
{
	sqlite3_stmt *statement = fw_db_start(devices->statements[FORGET_DUE], product, device);

	fw_db_bind_integer(statement, 3, now);
	return fw_db_run(statement);
}

enum fw_status fw_device_settle(
	struct fw_devices *devices, struct fw_slice product, struct fw_slice device)
{
	return fw_db_run(fw_db_start(devices->statements[SETTLE], product, device));
}

enum fw_status fw_devices_due(struct fw_devices *devices, int64_t now, struct fw_device_name *found,
	size_t most, size_t *count)
{
	sqlite3_stmt *statement = devices->statements[DUE];
	enum fw_status status = FW_OK;

	*count = 0;
	fw_db_bind_integer(statement, 1, now);
	while (*count < most && (status = fw_db_step(statement)) == FW_OK) {
		fw_db_copy_text(statement, 0, found[*count].product, sizeof(found[0].product));
		fw_db_copy_text(statement, 1, found[*count].device, sizeof(found[0].device));
		(*count)++;
	}
	sqlite3_reset(statement);
	return status == FW_NOT_FOUND ? FW_OK : status;
}

enum fw_status fw_devices_next_due(struct fw_devices *devices, int64_t *due)
{
	enum fw_status status;

	*due = INT64_MAX;
	status = fw_db_read_integer(devices->statements[NEXT_DUE], due);
	return status == FW_NOT_FOUND ? FW_OK : status;
}

enum fw_status fw_device_set_zone(struct fw_devices *devices, const struct fw_uplink *uplink)
{
	sqlite3_stmt *statement =
		fw_db_start(devices->statements[ZONE], uplink->product, uplink->device);

	fw_db_bind_integer(statement, 3, uplink->utc_offset);
	return fw_db_run(statement);
}

enum fw_status fw_device_longest_absence(
	struct fw_devices *devices, struct fw_slice product, struct fw_slice device, int64_t *ms)
{
	sqlite3_stmt *statement = fw_db_start(devices->statements[ABSENCE], product, device);
	enum fw_status status;

	fw_db_bind_integer(statement, 3, devices->transaction->wall_ms);
	status = fw_db_step(statement);
	*ms = status == FW_OK ? sqlite3_column_int64(statement, 0) : 0;
	sqlite3_reset(statement);
	return status == FW_NOT_FOUND ? FW_OK : status;
}
