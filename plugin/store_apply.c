#include "store_apply.h"

#include <stdlib.h>
#include <string.h>

#include "store_db.h"
#include "store_log.h"

/* last_seen_at is written at most so often for a device that only repeats itself. */
#define SEEN_MS 60000
#define ROWS_MAX 32u

enum statement { DEVICE, PRODUCT, ADD_DEVICE, SEEN, SET_VERSION, NOTE_MESSAGE, FIRMWARE_BY_ID, FIRMWARE_BY_VERSION, STATEMENTS };

static const char *const sql[STATEMENTS] = {
	[DEVICE] = "SELECT version, last_seen_at, recent_messages FROM device WHERE product_id = ?1 AND device_id = ?2",
	[PRODUCT] = "SELECT 1 FROM product WHERE product_id = ?1",
	[ADD_DEVICE] = "INSERT INTO device (product_id, device_id, presence, last_seen_at) VALUES (?1, ?2, ?3, ?4)",
	[SEEN] = "UPDATE device SET last_seen_at = ?3 WHERE product_id = ?1 AND device_id = ?2",
	[SET_VERSION] = "UPDATE device SET version = ?3, version_at = ?4, last_seen_at = ?4 WHERE product_id = ?1 AND device_id = ?2",
	[NOTE_MESSAGE] = "UPDATE device SET recent_messages = ?3 WHERE product_id = ?1 AND device_id = ?2",
	[FIRMWARE_BY_ID] = "SELECT firmware_id, version FROM firmware WHERE product_id = ?1 AND firmware_id = ?2",
	[FIRMWARE_BY_VERSION] = "SELECT firmware_id, version FROM firmware WHERE product_id = ?1 AND version = ?2",
};

/* The firmware found last: a fleet's progress is about one. Within a transaction nobody changes the catalog's firmware. */
struct last_named {
	uint64_t transaction;
	bool by_id;
	char product[FW_ID_MAX + 1];
	char asked[FW_VERSION_BUFFER]; /* its id or its version */
	struct fw_named found;
};

struct fw_apply {
	struct fw_writer *writer;
	struct fw_rows *rows;
	struct fw_schedule *schedule;
	struct fw_store_log *log;
	sqlite3_stmt *statements[STATEMENTS];
	struct last_named last_named;
	bool ended; /* the uplink under way ended an upgrade: the device's next task gets its turn behind it */
};

enum fw_status fw_apply_open(struct fw_writer *writer, struct fw_rows *rows, struct fw_schedule *schedule, struct fw_store_log *log,
	struct fw_apply **out, struct fw_error *error)
{
	struct fw_apply *apply = calloc(1, sizeof(*apply));
	enum fw_status status;

	if (!apply)
		return FW_NOMEM;
	apply->writer = writer;
	apply->rows = rows;
	apply->schedule = schedule;
	apply->log = log;
	status = fw_db_prepare(writer->db, sql, apply->statements, STATEMENTS, error);
	if (status != FW_OK) {
		fw_apply_close(apply);
		return status;
	}
	*out = apply;
	return FW_OK;
}

void fw_apply_close(struct fw_apply *apply)
{
	if (!apply)
		return;
	fw_db_finalize(apply->statements, STATEMENTS);
	free(apply);
}

/* Binds the two ids that most statements begin with. */
static sqlite3_stmt *start(struct fw_apply *apply, enum statement which, struct fw_slice product, struct fw_slice second)
{
	sqlite3_stmt *statement = apply->statements[which];

	fw_db_bind_text(statement, 1, product);
	fw_db_bind_text(statement, 2, second);
	return statement;
}

/* A digest for each of the last messages: what a client may have in flight (Mosquitto's max_inflight_messages is 20). */
#define RECENT_MAX 20u

struct device {
	char version[FW_VERSION_BUFFER]; /* empty: unknown */
	int64_t last_seen_at;
	uint64_t recent[RECENT_MAX];
	size_t recent_count;
};

static enum fw_status add_device(struct fw_apply *apply, const struct fw_uplink *uplink)
{
	sqlite3_stmt *statement = apply->statements[PRODUCT];
	bool now = uplink->connection >= apply->writer->first_connection;
	enum fw_status status;

	/* an operator removed it since it spoke */
	if (apply->writer->closed)
		return FW_NOT_FOUND;
	fw_db_bind_text(statement, 1, uplink->product);
	status = fw_db_exists(statement);
	if (status != FW_OK)
		return status;
	statement = start(apply, ADD_DEVICE, uplink->product, uplink->device);
	/* it spoke just now, and should it be gone already, that news follows */
	fw_db_bind_text(statement, 3, now ? FW_SLICE("online") : (struct fw_slice){NULL, 0});
	fw_db_bind_integer(statement, 4, uplink->received_at);
	return fw_db_run(statement);
}

static void read_recent(sqlite3_stmt *statement, int column, struct device *device)
{
	const void *blob = sqlite3_column_blob(statement, column);
	size_t len = blob ? (size_t)sqlite3_column_bytes(statement, column) : 0;

	device->recent_count = len / sizeof(device->recent[0]) < RECENT_MAX ? len / sizeof(device->recent[0]) : RECENT_MAX;
	if (device->recent_count)
		memcpy(device->recent, blob, device->recent_count * sizeof(device->recent[0]));
}

static bool knows(const struct device *device, uint64_t digest)
{
	for (size_t i = 0; i < device->recent_count; i++) {
		if (device->recent[i] == digest)
			return true;
	}
	return false;
}

static void remember(struct device *device, uint64_t digest)
{
	if (knows(device, digest))
		return;
	device->recent_count += device->recent_count < RECENT_MAX;
	memmove(device->recent + 1, device->recent, (device->recent_count - 1) * sizeof(device->recent[0]));
	device->recent[0] = digest;
}

/* Did an equal refusal without a timestamp come by another connection, not long ago? Remembers it with its ten minutes, with and without its
 * connection. */
static bool is_refused_again(const struct fw_uplink *uplink, uint64_t digest, struct device *device)
{
	int64_t now = uplink->received_at / FW_REDELIVERY_MS;
	uint64_t said = 0, here = 0;

	for (int64_t when = now - 1; when <= now; when++) {
		said = fw_hash(digest, &when, sizeof(when));
		here = fw_hash(said, &uplink->connection, sizeof(uplink->connection));
		if (knows(device, said) && !knows(device, here))
			return true;
	}
	remember(device, said);
	remember(device, here);
	return false;
}

/* Reports and replies that were applied already come again when their acknowledgement was lost, after newer ones; they must not turn back
 * what those said. Only its own timestamp tells such a message from one that says the same again; without one, *again is for apply_reply to judge, and
 * whatever else comes again does no harm. Remembers the message. */
static enum fw_status is_repeated(struct fw_apply *apply, const struct fw_uplink *uplink, struct device *device, bool *again)
{
	uint64_t digest = fw_hash((uint64_t)uplink->kind << 1 | uplink->success, &uplink->reported_at, sizeof(uplink->reported_at));
	sqlite3_stmt *statement;

	*again = false;
	if (!fw_uplink_has_time(uplink) && (uplink->kind != FW_UPLINK_REPLY || uplink->success))
		return FW_OK;
	digest = fw_hash(fw_hash(digest, uplink->version.at, uplink->version.len), uplink->error_reason.at, uplink->error_reason.len);
	*again = fw_uplink_has_time(uplink) ? knows(device, digest) : is_refused_again(uplink, digest, device);
	if (*again)
		return FW_OK;
	if (fw_uplink_has_time(uplink))
		remember(device, digest);
	statement = start(apply, NOTE_MESSAGE, uplink->product, uplink->device);
	sqlite3_bind_blob(statement, 3, device->recent, (int)(device->recent_count * sizeof(device->recent[0])), SQLITE_STATIC);
	return fw_db_run(statement);
}

/* The device as recorded, made if need be. FW_NOT_FOUND: unknown product, or a device that only an operator may add. */
static enum fw_status find_device(struct fw_apply *apply, const struct fw_uplink *uplink, struct device *device)
{
	sqlite3_stmt *statement = start(apply, DEVICE, uplink->product, uplink->device);
	enum fw_status status = fw_db_step(statement);

	*device = (struct device){.last_seen_at = uplink->received_at};
	if (status == FW_NOT_FOUND)
		return add_device(apply, uplink);
	if (status != FW_OK)
		return status;
	fw_slice_copy(fw_db_text(statement, 0), device->version, sizeof(device->version));
	device->last_seen_at = sqlite3_column_int64(statement, 1);
	read_recent(statement, 2, device);
	sqlite3_reset(statement);
	return FW_OK;
}

static enum fw_status note_seen(struct fw_apply *apply, const struct fw_uplink *uplink, const struct device *device)
{
	sqlite3_stmt *statement;

	if (uplink->received_at < device->last_seen_at + SEEN_MS)
		return FW_OK;
	statement = start(apply, SEEN, uplink->product, uplink->device);
	fw_db_bind_integer(statement, 3, uplink->received_at);
	return fw_db_run(statement);
}

static enum fw_status apply_to_rows(struct fw_apply *apply, struct fw_row *found, size_t count, enum fw_row_event event, const struct fw_row_input *input)
{
	enum fw_status status = FW_OK;

	for (size_t i = 0; i < count && status == FW_OK; i++) {
		bool changed;

		status = fw_rows_apply(apply->rows, &found[i], event, input, &changed);
		apply->ended |= changed && found[i].state != FW_ROW_PROCESSING;
	}
	return status;
}

/* In *found both names of a product's firmware as the catalog has them. FW_NOT_FOUND, or trouble. */
static enum fw_status find_firmware(struct fw_apply *apply, struct fw_slice product, struct fw_slice asked, bool by_id, struct fw_named *found)
{
	sqlite3_stmt *statement = start(apply, by_id ? FIRMWARE_BY_ID : FIRMWARE_BY_VERSION, product, asked);
	enum fw_status status = fw_db_step(statement);

	if (status != FW_OK)
		return status;
	fw_slice_copy(fw_db_text(statement, 0), found->firmware_id, sizeof(found->firmware_id));
	fw_slice_copy(fw_db_text(statement, 1), found->version, sizeof(found->version));
	sqlite3_reset(statement);
	return FW_OK;
}

/* The same within a transaction, where the answer to the last question holds. */
static enum fw_status ask_named(struct fw_apply *apply, struct fw_slice product, struct fw_slice asked, bool by_id, struct fw_named *found)
{
	struct last_named *last = &apply->last_named;
	enum fw_status status;

	if (last->transaction == apply->writer->transaction && last->by_id == by_id && fw_slice_equal(asked, fw_slice_of(last->asked)) &&
		fw_slice_equal(product, fw_slice_of(last->product))) {
		*found = last->found;
		return FW_OK;
	}
	status = find_firmware(apply, product, asked, by_id, found);
	if (status != FW_OK)
		return status;
	*last = (struct last_named){.transaction = apply->writer->transaction, .by_id = by_id, .found = *found};
	fw_slice_copy(product, last->product, sizeof(last->product));
	fw_slice_copy(asked, last->asked, sizeof(last->asked));
	return FW_OK;
}

/* The device says that it runs `version`: rows of that firmware have reached their end. */
static enum fw_status reached(struct fw_apply *apply, const struct fw_uplink *uplink, struct fw_slice version)
{
	struct fw_row found[ROWS_MAX];
	struct fw_named named;
	size_t count;
	enum fw_status status = ask_named(apply, uplink->product, version, false, &named);

	if (status != FW_OK)
		return status == FW_NOT_FOUND ? FW_OK : status;
	status = fw_rows_of_firmware(apply->rows, uplink->product, fw_slice_of(named.firmware_id), uplink->device, found, ROWS_MAX, &count);
	return status == FW_OK ? apply_to_rows(apply, found, count, FW_EVENT_REPORTED_TARGET, NULL) : status;
}

/* The device says that it runs `version`: of the upgrades under way, those to another version may have failed. */
static enum fw_status still_runs(struct fw_apply *apply, const struct fw_uplink *uplink, struct fw_slice version)
{
	struct fw_row found[ROWS_MAX], other[ROWS_MAX];
	size_t count, others = 0;
	enum fw_status status = fw_rows_open_of_device(apply->rows, uplink->product, uplink->device, found, ROWS_MAX, &count);

	for (size_t i = 0; status == FW_OK && i < count; i++) {
		if (!fw_slice_equal(fw_slice_of(found[i].version), version))
			other[others++] = found[i];
	}
	if (status != FW_OK || others == 0)
		return status;
	return apply_to_rows(apply, other, others, FW_EVENT_REPORTED_OTHER, &(struct fw_row_input){.version = version});
}

static enum fw_status record_version(struct fw_apply *apply, const struct fw_uplink *uplink, const struct device *device, struct fw_slice version)
{
	sqlite3_stmt *statement = start(apply, SET_VERSION, uplink->product, uplink->device);
	enum fw_status status;

	fw_db_bind_text(statement, 3, version);
	fw_db_bind_integer(statement, 4, uplink->received_at);
	status = fw_db_run(statement);
	if (status != FW_OK || fw_slice_equal(version, fw_slice_of(device->version)))
		return status;
	return fw_store_log_version(apply->log, uplink, version, fw_slice_of(device->version));
}

static enum fw_status apply_report(struct fw_apply *apply, const struct fw_uplink *uplink, struct device *device)
{
	bool again;
	enum fw_status status = is_repeated(apply, uplink, device, &again);

	if (status != FW_OK || again)
		return status;
	status = record_version(apply, uplink, device, uplink->version);
	if (status == FW_OK)
		status = reached(apply, uplink, uplink->version);
	if (status == FW_OK)
		status = still_runs(apply, uplink, uplink->version);
	return status;
}

static enum fw_status find_named(struct fw_apply *apply, const struct fw_uplink *uplink, struct fw_named *named)
{
	bool by_id = uplink->firmware_id.len > 0;
	struct fw_named found;
	enum fw_status status = ask_named(apply, uplink->product, by_id ? uplink->firmware_id : uplink->version, by_id, &found);

	if (status == FW_OK)
		*named = found;
	else
		fw_slice_copy(uplink->firmware_id, named->firmware_id, sizeof(named->firmware_id));
	/* what the message says of itself goes first */
	if (status != FW_OK || uplink->version.len)
		fw_slice_copy(uplink->version, named->version, sizeof(named->version));
	return status == FW_NOT_FOUND ? FW_OK : status;
}

/* The row that an upgrade/reply, or a progress that names no firmware, is about: the one under way that was pushed or answered, or else one
 * under way, or else the oldest that waits after an attempt that was not answered. *count is 0 or 1. */
static enum fw_status find_current_row(struct fw_apply *apply, const struct fw_uplink *uplink, struct fw_row *row, size_t *count)
{
	struct fw_row found[ROWS_MAX];
	size_t open, best = 0;
	enum fw_status status = fw_rows_open_of_device(apply->rows, uplink->product, uplink->device, found, ROWS_MAX, &open);

	*count = 0;
	for (size_t i = 0; status == FW_OK && i < open; i++) {
		size_t rank = (found[i].state == FW_ROW_PROCESSING ? 2u : 0u) + (found[i].attempts > 0 ? 1u : 0u);

		if (rank > best) {
			best = rank;
			*row = found[i];
			*count = 1;
		}
	}
	return status;
}

static enum fw_status find_progress_row(struct fw_apply *apply, const struct fw_uplink *uplink, struct fw_named *named, struct fw_row *row, size_t *count)
{
	enum fw_status status;

	*named = (struct fw_named){"", ""};
	*count = 0;
	if (!uplink->firmware_id.len && !uplink->version.len)
		return find_current_row(apply, uplink, row, count);
	status = find_named(apply, uplink, named);
	if (status != FW_OK || !named->firmware_id[0])
		return status;
	return fw_rows_of_firmware(apply->rows, uplink->product, fw_slice_of(named->firmware_id), uplink->device, row, 1, count);
}

static enum fw_row_event event_of(const struct fw_uplink *uplink)
{
	if (!uplink->complete)
		return FW_EVENT_PROGRESS;
	return uplink->success ? FW_EVENT_COMPLETED : FW_EVENT_BROKE;
}

/* A completed upgrade is the device's word that it runs the version; other tasks to the same version have reached their end too. */
static enum fw_status complete(struct fw_apply *apply, const struct fw_uplink *uplink, const struct device *device, struct fw_slice version)
{
	enum fw_status status = version.len ? record_version(apply, uplink, device, version) : FW_OK;

	return status == FW_OK && version.len ? reached(apply, uplink, version) : status;
}

static enum fw_status apply_progress(struct fw_apply *apply, const struct fw_uplink *uplink, const struct device *device)
{
	struct fw_row row = {.pushed_at = 0};
	struct fw_named named;
	size_t count;
	bool again = false;
	enum fw_status status = find_progress_row(apply, uplink, &named, &row, &count);

	if (status == FW_OK)
		status = fw_store_log_has(apply->log, uplink, &named, row.pushed_at, &again);
	if (status != FW_OK || again)
		return status;
	status = fw_store_log_progress(apply->log, uplink, &named, count ? row.task_id : NULL);
	if (status == FW_OK && count)
		status = apply_to_rows(apply, &row, 1, event_of(uplink), &(struct fw_row_input){.reason = uplink->error_reason, .progress = uplink->progress});
	if (status == FW_OK && uplink->complete && uplink->success)
		status = complete(apply, uplink, device, fw_slice_of(count ? row.version : named.version));
	return status;
}

static enum fw_status apply_reply(struct fw_apply *apply, const struct fw_uplink *uplink, struct device *device)
{
	struct fw_row row;
	size_t count;
	bool again = false;
	enum fw_status status = is_repeated(apply, uplink, device, &again);

	if (status != FW_OK || (again && fw_uplink_has_time(uplink)))
		return status;
	status = find_current_row(apply, uplink, &row, &count);
	/* what was pushed to an earlier connection, this one has refused only if it says so in other words than that one */
	if (status != FW_OK || !count || (again && row.interrupted_at))
		return status;
	return apply_to_rows(apply, &row, 1, uplink->success ? FW_EVENT_ACCEPTED : FW_EVENT_REFUSED, &(struct fw_row_input){.reason = uplink->error_reason});
}

/* Of the device's rows of the firmware it was given, the first open one in a running task is under way now. */
static enum fw_status apply_pull(struct fw_apply *apply, const struct fw_uplink *uplink, const struct device *device)
{
	struct fw_row found[ROWS_MAX];
	size_t count = 0;
	enum fw_status status = FW_OK;

	if (uplink->version.len && !fw_slice_equal(uplink->version, fw_slice_of(device->version))) {
		status = record_version(apply, uplink, device, uplink->version);
		if (status == FW_OK)
			status = reached(apply, uplink, uplink->version);
	}
	if (status == FW_OK && uplink->firmware_id.len)
		status = fw_rows_of_firmware(apply->rows, uplink->product, uplink->firmware_id, uplink->device, found, ROWS_MAX, &count);
	for (size_t i = 0; status == FW_OK && i < count; i++) {
		if (found[i].task_running && (found[i].state == FW_ROW_WAITING || found[i].state == FW_ROW_PROCESSING))
			return apply_to_rows(apply, &found[i], 1, FW_EVENT_PULLED, NULL);
	}
	return status;
}

static enum fw_status apply_kind(struct fw_apply *apply, const struct fw_uplink *uplink, struct device *device)
{
	switch (uplink->kind) {
	case FW_UPLINK_REPORT:
		return apply_report(apply, uplink, device);
	case FW_UPLINK_PROGRESS:
		return apply_progress(apply, uplink, device);
	case FW_UPLINK_REPLY:
		return apply_reply(apply, uplink, device);
	case FW_UPLINK_PULL:
		return apply_pull(apply, uplink, device);
	}
	return FW_INVALID;
}

enum fw_status fw_apply_uplink(struct fw_apply *apply, const struct fw_uplink *uplink)
{
	struct device device;
	enum fw_status status = find_device(apply, uplink, &device);

	apply->ended = false;
	if (status == FW_OK)
		status = note_seen(apply, uplink, &device);
	if (status == FW_OK)
		status = apply_kind(apply, uplink, &device);
	if (status == FW_OK && apply->ended)
		status = fw_schedule_device(apply->schedule, uplink->product, uplink->device);
	return status == FW_NOT_FOUND ? FW_OK : status;
}

enum fw_status fw_apply_version_of(struct fw_apply *apply, struct fw_slice product, struct fw_slice firmware_id, char *version, size_t size)
{
	struct fw_named found;
	enum fw_status status = find_firmware(apply, product, firmware_id, true, &found);

	if (status == FW_OK)
		fw_slice_copy(fw_slice_of(found.version), version, size);
	return status;
}
