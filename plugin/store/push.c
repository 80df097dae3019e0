/* Sends the offer of a firmware to a device, for a waiting row.
 *
 * The row is written before the message is queued, in one transaction: a push that is published is
 * always recorded. Firmware is read once in a transaction, since all rows of a task offer the same.
 * A connection that may be a gateway's has a token bucket, which says when a later push may go. */
#include "store/push.h"

#include <stdlib.h>

#include "base/table.h"
#include "catalog/db.h"
#include "catalog/firmware_row.h"
#include "store/transition.h"
#include "upgrade/offer.h"

#define FIRMWARE_MAX 256u  /* kept in a transaction */
#define BUCKETS_MAX 10000u /* connections of gateways that are remembered */

enum statement { FIRMWARE, STATEMENTS };

static const char *const sql[STATEMENTS] = {
	[FIRMWARE] = (FW_SELECT_FIRMWARE "WHERE f.firmware_id = ?1"),
};

struct fw_push {
	struct fw_transaction *transaction;
	struct fw_task_devices *rows;
	struct fw_table *buckets;  /* number of a connection to its struct fw_token_bucket */
	struct fw_table *firmware; /* firmware_id to its struct fw_firmware */
	/* the transaction in which they were read: after it an operator may change them */
	uint64_t firmware_of;
	sqlite3_stmt *statements[STATEMENTS];
};

enum fw_status fw_push_open(struct fw_transaction *transaction, struct fw_task_devices *rows,
	struct fw_push **out, struct fw_error *error)
{
	struct fw_push *pushes = calloc(1, sizeof(*pushes));
	enum fw_status status = FW_NOMEM;

	if (!pushes)
		return FW_NOMEM;
	pushes->transaction = transaction;
	pushes->rows = rows;
	pushes->buckets = fw_table_new(0);
	pushes->firmware = fw_table_new(0);
	if (pushes->buckets && pushes->firmware)
		status = fw_db_prepare(transaction->db, sql, pushes->statements, STATEMENTS, error);
	if (status != FW_OK) {
		fw_push_close(pushes);
		return status;
	}
	*out = pushes;
	return FW_OK;
}

void fw_push_close(struct fw_push *pushes)
{
	if (!pushes)
		return;
	fw_table_clear(pushes->buckets, free);
	fw_table_free(pushes->buckets);
	fw_table_clear(pushes->firmware, free);
	fw_table_free(pushes->firmware);
	fw_db_finalize(pushes->statements, STATEMENTS);
	free(pushes);
}

static enum fw_status load_firmware(
	struct fw_push *pushes, struct fw_slice firmware_id, struct fw_firmware **out)
{
	sqlite3_stmt *statement = pushes->statements[FIRMWARE];
	struct fw_firmware *firmware;
	enum fw_status status;

	fw_db_bind_text(statement, 1, firmware_id);
	status = fw_firmware_row_read(
		statement, fw_hosting_expires(pushes->transaction->context->hosting), &firmware);
	if (status != FW_OK)
		return status;
	if (fw_table_count(pushes->firmware) >= FIRMWARE_MAX)
		fw_table_clear(pushes->firmware, free);
	status = fw_table_put(pushes->firmware, firmware_id, firmware, NULL);
	if (status == FW_OK)
		*out = firmware;
	else
		free(firmware);
	return status;
}

/* The firmware, borrowed until the next call. FW_NOT_FOUND: it cannot be offered any more. */
static enum fw_status find_firmware(
	struct fw_push *pushes, struct fw_slice firmware_id, const struct fw_firmware **out)
{
	struct fw_firmware *firmware;
	enum fw_status status = FW_OK;

	if (pushes->firmware_of != pushes->transaction->number)
		fw_table_clear(pushes->firmware, free);
	pushes->firmware_of = pushes->transaction->number;
	firmware = fw_table_get(pushes->firmware, firmware_id);
	if (!firmware)
		status = load_firmware(pushes, firmware_id, &firmware);
	if (status != FW_OK)
		return status;
	*out = firmware;
	return firmware->ready ? FW_OK : FW_NOT_FOUND;
}

static enum fw_status queue_upgrade(struct fw_push *pushes, const struct fw_task_device *row,
	const struct fw_firmware *firmware)
{
	struct fw_slice product = fw_slice_of(row->product_id);
	struct fw_slice device = fw_slice_of(row->device_id);
	struct fw_transaction *transaction = pushes->transaction;
	struct fw_deferral deferral = {row->defer_ms >= 0, row->first_told_at + row->defer_ms};
	size_t len = 0;
	char *payload = fw_offer_write(transaction->context->hosting, firmware, &deferral, product,
		device, transaction->wall_ms, (struct fw_slice){NULL, 0}, &len);
	enum fw_status status = fw_transaction_queue_upgrade(transaction, product, device, payload,
		len, (uint32_t)(fw_task_device_answer_ms(row) / 1000), row->device_connection == 0);

	if (status == FW_OK)
		fw_outcomes_note_push(&transaction->outcomes);
	return status;
}

/* NULL: the push goes unpaced, also when out of memory. */
static struct fw_token_bucket *bucket_of(struct fw_push *pushes, const struct fw_task_device *row)
{
	struct fw_slice key = {
		(const char *)&row->device_connection, sizeof(row->device_connection)};
	struct fw_token_bucket *bucket;

	if (!pushes->transaction->context->gateways || !pushes->transaction->context->rate)
		return NULL;
	bucket = fw_table_get(pushes->buckets, key);
	if (bucket)
		return bucket;
	if (fw_table_count(pushes->buckets) >= BUCKETS_MAX)
		fw_table_clear(pushes->buckets, free);
	bucket = calloc(1, sizeof(*bucket));
	if (bucket && fw_table_put(pushes->buckets, key, bucket, NULL) == FW_OK)
		return bucket;
	free(bucket);
	return NULL;
}

bool fw_push_ready(struct fw_push *pushes, const struct fw_task_device *row)
{
	const struct fw_transaction *transaction = pushes->transaction;
	const struct fw_token_bucket *bucket = bucket_of(pushes, row);

	return !bucket ||
		fw_token_bucket_ready(bucket, transaction->context->rate, transaction->steady_ms);
}

int64_t fw_push_pace(struct fw_push *pushes, const struct fw_task_device *row)
{
	const struct fw_transaction *transaction = pushes->transaction;
	struct fw_token_bucket *bucket = bucket_of(pushes, row);

	return bucket
		? fw_token_bucket_place(bucket, transaction->context->rate, transaction->steady_ms)
		: transaction->steady_ms;
}

static void take_token(struct fw_push *pushes, const struct fw_task_device *row)
{
	const struct fw_transaction *transaction = pushes->transaction;
	struct fw_token_bucket *bucket = bucket_of(pushes, row);

	if (bucket)
		fw_token_bucket_take(bucket, transaction->context->rate, transaction->steady_ms);
}

enum fw_status fw_push_check(struct fw_push *pushes, const struct fw_task_device *row)
{
	struct fw_hosting *hosting = pushes->transaction->context->hosting;
	const struct fw_firmware *firmware;
	enum fw_status status = find_firmware(pushes, fw_slice_of(row->firmware_id), &firmware);

	if (status == FW_OK && firmware->file &&
		!fw_hosting_holds(hosting, firmware->file, &firmware->stamp))
		return FW_NOT_FOUND;
	return status;
}

enum fw_status fw_push_send(struct fw_push *pushes, struct fw_task_device *row)
{
	struct fw_upgrade_input input = {.connection = row->device_connection};
	const struct fw_firmware *firmware;
	bool pushed;
	enum fw_status status = find_firmware(pushes, fw_slice_of(row->firmware_id), &firmware);

	if (status != FW_OK)
		return status == FW_NOT_FOUND ? FW_OK : status;
	status = fw_transition_apply(pushes->rows, row, FW_EVENT_PUSHED, &input, &pushed);
	if (status != FW_OK || !pushed)
		return status;
	take_token(pushes, row);
	return queue_upgrade(pushes, row, firmware);
}
