/* Images that report another version than the catalog has for them.
 *
 * Life of an offer: a pull is offered firmware, which is noted in the device's row. The next
 * version that the device tells is compared with the catalog's. The same version ends the offer and
 * clears the count; another one ends the offer and counts once. At FW_LABEL_CHECK_TIMES the
 * resolver stops offering that firmware to the device, until its version or the catalog changes. */
#include "store/label_check.h"

#include <stdlib.h>

#include "base/token_bucket.h"
#include "catalog/db.h"
#include "upgrade/resolver.h"

/* how often a second devices may move the generation, which empties the resolver's cache */
#define MOVES_A_SECOND 10

enum statement {
	MOVE_GENERATION,
	NEAR_THE_LIMIT,
	KNOWN,
	COUNT,
	FORGET,
	SET_OFFER,
	SET_VERSION,
	SET_COMPLETED,
	STATEMENTS
};

#define OF_DEVICE " WHERE product_id = ?1 AND device_id = ?2"

static const char *const sql[STATEMENTS] = {
	[MOVE_GENERATION] = "INSERT INTO touch_catalog VALUES (1)",
	[NEAR_THE_LIMIT] = "SELECT count(*) FROM (SELECT 1 FROM label_mismatch"
			   " WHERE product_id = ?1 AND times >= ?3 LIMIT 2)",
	[KNOWN] =
		"SELECT (SELECT version FROM firmware WHERE product_id = ?1 AND firmware_id = ?3),"
		" (SELECT label FROM label_mismatch" OF_DEVICE " AND firmware_id = ?3)",
	[COUNT] = "INSERT INTO label_mismatch (product_id, device_id, firmware_id, from_version, "
		  "label, times, at)"
		  " VALUES (?1, ?2, ?3, ?4, ?5, 1, ?6) ON CONFLICT DO UPDATE SET from_version = "
		  "excluded.from_version, label = excluded.label,"
		  " times = times + 1, at = excluded.at RETURNING times",
	[FORGET] = "DELETE FROM label_mismatch" OF_DEVICE " AND firmware_id = ?3",
	[SET_OFFER] = ("UPDATE device SET offered_firmware_id = ?3, offered_version = ?4, "
		       "offer_completed = 0" OF_DEVICE),
	[SET_VERSION] = "UPDATE device SET offered_version = ?3" OF_DEVICE,
	[SET_COMPLETED] = "UPDATE device SET offer_completed = 1" OF_DEVICE,
};

struct fw_label_check {
	struct fw_transaction *transaction;
	sqlite3_stmt *statements[STATEMENTS];
	struct fw_token_bucket moves; /* of the generation */
};

enum fw_status fw_label_check_open(
	struct fw_transaction *transaction, struct fw_label_check **out, struct fw_error *error)
{
	struct fw_label_check *labels = calloc(1, sizeof(*labels));
	enum fw_status status;

	if (!labels)
		return FW_NOMEM;
	labels->transaction = transaction;
	status = fw_db_prepare(transaction->db, sql, labels->statements, STATEMENTS, error);
	if (status != FW_OK) {
		fw_label_check_close(labels);
		return status;
	}
	*out = labels;
	return FW_OK;
}

void fw_label_check_close(struct fw_label_check *labels)
{
	if (!labels)
		return;
	fw_db_finalize(labels->statements, STATEMENTS);
	free(labels);
}

static sqlite3_stmt *start_device(struct fw_label_check *labels, enum statement which,
	const struct fw_uplink *uplink, struct fw_slice third)
{
	sqlite3_stmt *statement =
		fw_db_start(labels->statements[which], uplink->product, uplink->device);

	if (third.len)
		fw_db_bind_text(statement, 3, third);
	return statement;
}

/* The version in the uplink; else the recorded one. */
static struct fw_slice runs_of(const struct fw_uplink *uplink, const struct fw_device *device)
{
	return uplink->version.len ? uplink->version : fw_slice_of(device->version);
}

static enum fw_status set_offer(struct fw_label_check *labels, const struct fw_uplink *uplink,
	struct fw_device *device, struct fw_slice firmware_id)
{
	sqlite3_stmt *statement = start_device(labels, SET_OFFER, uplink, firmware_id);
	struct fw_slice runs = runs_of(uplink, device);

	if (!firmware_id.len) {
		sqlite3_bind_null(statement, 3);
		runs.len = 0;
	}
	fw_db_bind_text(statement, 4, runs);
	fw_slice_copy(
		firmware_id, device->offered_firmware_id, sizeof(device->offered_firmware_id));
	fw_slice_copy(runs, device->offered_version, sizeof(device->offered_version));
	device->offer_completed = false;
	return fw_db_run(statement);
}

/* `wanted`: the version of the offered firmware in the catalog. `label`: what the device reported
 * in its place before. Both are empty when there is none. */
static enum fw_status read_known(struct fw_label_check *labels, const struct fw_uplink *uplink,
	struct fw_slice offered, char wanted[FW_VERSION_BUFFER], char label[FW_VERSION_BUFFER])
{
	sqlite3_stmt *statement = start_device(labels, KNOWN, uplink, offered);
	enum fw_status status = fw_db_step(statement);

	if (status != FW_OK)
		return status;
	fw_db_copy_text(statement, 0, wanted, FW_VERSION_BUFFER);
	fw_db_copy_text(statement, 1, label, FW_VERSION_BUFFER);
	sqlite3_reset(statement);
	return FW_OK;
}

/* Moves the generation, so that the resolver checks the devices of this product for mismatches. It
 * does so already while another device of it is as near the limit. */
static enum fw_status move_generation(struct fw_label_check *labels, const struct fw_uplink *uplink)
{
	sqlite3_stmt *statement =
		start_device(labels, NEAR_THE_LIMIT, uplink, (struct fw_slice){NULL, 0});
	int64_t near = 0;
	enum fw_status status;

	fw_db_bind_integer(statement, 3, FW_LABEL_CHECK_TIMES - 1);
	status = fw_db_read_integer(statement, &near);
	if (status != FW_OK || near > 1 ||
		!fw_token_bucket_take(
			&labels->moves, MOVES_A_SECOND, labels->transaction->steady_ms))
		return status;
	return fw_db_run(labels->statements[MOVE_GENERATION]);
}

_Static_assert(FW_LABEL_CHECK_TIMES == 3, "the line in the log says it in words");

/* Counts a mismatch: the device reports `version`, and not that of its offer. */
static enum fw_status count_mismatch(struct fw_label_check *labels, const struct fw_uplink *uplink,
	const struct fw_device *device, struct fw_slice version, const char *wanted)
{
	sqlite3_stmt *statement =
		start_device(labels, COUNT, uplink, fw_slice_of(device->offered_firmware_id));
	int64_t times = 0;
	enum fw_status status;

	fw_db_bind_text(statement, 4, fw_slice_of(device->offered_version));
	fw_db_bind_text(statement, 5, version);
	fw_db_bind_integer(statement, 6, uplink->received_at);
	status = fw_db_read_integer(statement, &times);
	if (status == FW_OK && times == FW_LABEL_CHECK_TIMES)
		fw_transaction_queue_log(labels->transaction, FW_LOG_WARNING,
			"device %.*s of %.*s installed %s three times and reports '%.*s' instead "
			"of '%s': it is not offered again"
			" until its version or the catalog changes; see the view mislabelled",
			(int)uplink->device.len, uplink->device.at, (int)uplink->product.len,
			uplink->product.at, device->offered_firmware_id, (int)version.len,
			version.at, wanted);
	return status == FW_OK && times == FW_LABEL_CHECK_TIMES - 1
		? move_generation(labels, uplink)
		: status;
}

/* Did the device install its offer, and report another version? A device that only polls reports
 * the version that it ran before. */
static bool is_mismatch(const struct fw_device *device, struct fw_slice version, const char *label)
{
	return device->offer_completed || fw_slice_equal(version, fw_slice_of(label)) ||
		(device->offered_version[0] &&
			!fw_slice_equal(version, fw_slice_of(device->offered_version)));
}

enum fw_status fw_label_check_judge(struct fw_label_check *labels, const struct fw_uplink *uplink,
	struct fw_device *device, struct fw_slice version)
{
	struct fw_slice offered = fw_slice_of(device->offered_firmware_id);
	char wanted[FW_VERSION_BUFFER], label[FW_VERSION_BUFFER];
	enum fw_status status;
	bool installed;

	if (!offered.len || !version.len)
		return FW_OK;
	status = read_known(labels, uplink, offered, wanted, label);
	if (status != FW_OK)
		return status;
	installed = !wanted[0] || fw_slice_equal(version, fw_slice_of(wanted));
	if (!installed && (uplink->kind != FW_UPLINK_PULL || !is_mismatch(device, version, label)))
		return FW_OK;
	if (installed)
		status =
			label[0] ? fw_db_run(start_device(labels, FORGET, uplink, offered)) : FW_OK;
	else
		status = count_mismatch(labels, uplink, device, version, wanted);
	return status == FW_OK ? set_offer(labels, uplink, device, (struct fw_slice){NULL, 0})
			       : status;
}

/* The device was offered the firmware before its version was known. The first version that it tells
 * may be the one before the upgrade or after it, so it is only recorded: the next one is judged. */
static enum fw_status set_version(
	struct fw_label_check *labels, const struct fw_uplink *uplink, struct fw_device *device)
{
	struct fw_slice runs = runs_of(uplink, device);

	if (device->offered_version[0] || !runs.len)
		return FW_OK;
	fw_slice_copy(runs, device->offered_version, sizeof(device->offered_version));
	return fw_db_run(start_device(labels, SET_VERSION, uplink, runs));
}

enum fw_status fw_label_check_offered(
	struct fw_label_check *labels, const struct fw_uplink *uplink, struct fw_device *device)
{
	if (fw_slice_equal(uplink->firmware_id, fw_slice_of(device->offered_firmware_id)))
		return set_version(labels, uplink, device);
	return set_offer(labels, uplink, device, uplink->firmware_id);
}

enum fw_status fw_label_check_completed(struct fw_label_check *labels,
	const struct fw_uplink *uplink, struct fw_device *device, struct fw_slice firmware_id)
{
	if (!firmware_id.len || device->offer_completed ||
		!fw_slice_equal(firmware_id, fw_slice_of(device->offered_firmware_id)))
		return FW_OK;
	device->offer_completed = true;
	return fw_db_run(start_device(labels, SET_COMPLETED, uplink, (struct fw_slice){NULL, 0}));
}
