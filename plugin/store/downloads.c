/* Writes what was transferred into the tables download and download_range.
 *
 * A transfer notes its bytes in files/transfers.h. Every two seconds the records are taken from
 * there and added to their rows; a record whose transaction fails is put back. download_range holds
 * which bytes of an image were sent, so that this outlives the broker. Transfers of an image that
 * was replaced count as bytes, but not towards the new image. */
#include "store/downloads.h"

#include <stdlib.h>
#include <string.h>

#include "catalog/db.h"

#define FLUSH_EVERY_MS 2000
#define FLUSH_ROWS 500u    /* of one transaction */
#define FLUSH_STOP_MS 2000 /* for what is left when the broker stops */
#define RANGES_MOST 64u    /* of a row */

enum statement { DOWNLOAD, KNOWN, COVER, PRUNE, STATEMENTS };

/* What a transfer's image is to the row. */
enum image {
	IMAGE_OLD,   /* not the firmware's any more, or unknown: the row is about another image */
	IMAGE_SAME,  /* the one that the row is about, or the row knows of none */
	IMAGE_OTHER, /* the one that replaced it: the row begins anew */
};

static const char *const sql[STATEMENTS] = {
	/* only of a product, device and firmware that exist: nobody can fill the table with others.
	 * ?10 is an enum image, ?11 the bytes of it that were sent at least once */
	[DOWNLOAD] =
		"INSERT INTO download (product_id, device_id, firmware_id, first_byte_at,"
		" last_byte_at, bytes, reached, total, requests, completed_at)"
		" SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, CASE WHEN ?10 > 0 AND ?11 >= ?8 THEN "
		"?5 END"
		" WHERE EXISTS (SELECT 1 FROM firmware WHERE firmware_id = ?3 AND product_id = ?1)"
		" AND (?2 = '' OR EXISTS (SELECT 1 FROM device WHERE product_id = ?1 AND device_id "
		"= ?2))"
		" ON CONFLICT (product_id, device_id, firmware_id) DO UPDATE SET"
		" last_byte_at = max(last_byte_at, excluded.last_byte_at),"
		" bytes = bytes + excluded.bytes, requests = requests + excluded.requests,"
		" reached = CASE WHEN ?10 = 0 THEN reached WHEN ?10 = 1 AND total IS excluded.total"
		" THEN max(reached, excluded.reached)"
		" ELSE excluded.reached END,"
		" completed_at = CASE WHEN ?10 = 0 THEN completed_at"
		" WHEN ?10 = 1 AND total IS excluded.total"
		" THEN coalesce(completed_at, excluded.completed_at) ELSE excluded.completed_at "
		"END,"
		" total = iif(?10 = 0, total, excluded.total)",
	[KNOWN] = "SELECT coalesce(r.image <> ?4, 0), r.ranges FROM firmware_file ff"
		  " LEFT JOIN download_range r"
		  " ON r.product_id = ?1 AND r.device_id = ?2 AND r.firmware_id = ?3"
		  " WHERE ff.firmware_id = ?3 AND substr(ff.sha256, 1, 16) = ?4",
	[COVER] = "INSERT INTO download_range (product_id, device_id, firmware_id, image, covered, "
		  "ranges)"
		  " SELECT product_id, device_id, firmware_id, ?4, ?5, ?6 FROM download"
		  " WHERE product_id = ?1 AND device_id = ?2 AND firmware_id = ?3"
		  " ON CONFLICT (product_id, device_id, firmware_id)"
		  " DO UPDATE SET image = excluded.image, covered = excluded.covered,"
		  " ranges = excluded.ranges",
	[PRUNE] =
		"DELETE FROM download WHERE (product_id, device_id, firmware_id) IN"
		" (SELECT product_id, device_id, firmware_id FROM download WHERE last_byte_at < ?1"
		" ORDER BY last_byte_at LIMIT ?2)",
};

struct fw_downloads {
	struct fw_transaction *transaction;
	struct fw_transfers *transfers;
	sqlite3_stmt *statements[STATEMENTS];
	int64_t next_flush; /* boot ms */
	bool flushing;      /* records are being written, some in each round */
	struct fw_transfers_record records[FLUSH_ROWS];
};

enum fw_status fw_downloads_open(struct fw_transaction *transaction, struct fw_transfers *transfers,
	struct fw_downloads **out, struct fw_error *error)
{
	struct fw_downloads *download = calloc(1, sizeof(*download));
	enum fw_status status;

	if (!download)
		return FW_NOMEM;
	download->transaction = transaction;
	download->transfers = transfers;
	status = fw_db_prepare(transaction->db, sql, download->statements, STATEMENTS, error);
	if (status != FW_OK) {
		fw_downloads_close(download);
		return status;
	}
	*out = download;
	return FW_OK;
}

void fw_downloads_close(struct fw_downloads *download)
{
	if (!download)
		return;
	fw_db_finalize(download->statements, STATEMENTS);
	free(download);
}

/* Which bytes of a record's image were sent. */
struct covered {
	enum image image;
	struct fw_span spans[RANGES_MOST];
	size_t count;
};

static void bind_key(sqlite3_stmt *statement, const struct fw_transfers_record *record)
{
	fw_db_bind_text(statement, 1, fw_slice_of(record->product_id));
	sqlite3_bind_text(statement, 2, record->device_id, -1, SQLITE_STATIC);
	fw_db_bind_text(statement, 3, fw_slice_of(record->firmware_id));
}

/* The bytes that were sent before, and by this record. */
static enum fw_status read_covered(struct fw_downloads *download,
	const struct fw_transfers_record *record, struct covered *out)
{
	sqlite3_stmt *statement = download->statements[KNOWN];
	enum fw_status status;

	out->image = IMAGE_OLD;
	out->count = 0;
	bind_key(statement, record);
	sqlite3_bind_text(statement, 4, record->image, -1, SQLITE_STATIC);
	status = fw_db_step(statement);
	if (status != FW_OK)
		return status == FW_NOT_FOUND ? FW_OK : status;
	out->image = sqlite3_column_int(statement, 0) ? IMAGE_OTHER : IMAGE_SAME;
	if (out->image == IMAGE_SAME)
		out->count = fw_spans_parse(fw_db_text(statement, 1), out->spans, RANGES_MOST);
	sqlite3_reset(statement);
	for (size_t i = 0; i < record->span_count; i++)
		fw_spans_add(out->spans, &out->count, RANGES_MOST, record->spans[i]);
	return FW_OK;
}

static enum fw_status write_covered(struct fw_downloads *download,
	const struct fw_transfers_record *record, const struct covered *covered)
{
	sqlite3_stmt *statement = download->statements[COVER];
	char ranges[RANGES_MOST * FW_SPANS_TEXT + 1];

	fw_spans_format(covered->spans, covered->count, ranges);
	bind_key(statement, record);
	sqlite3_bind_text(statement, 4, record->image, -1, SQLITE_STATIC);
	fw_db_bind_integer(statement, 5, fw_spans_bytes(covered->spans, covered->count));
	sqlite3_bind_text(statement, 6, ranges, -1, SQLITE_STATIC);
	return fw_db_run(statement);
}

static enum fw_status write_row(struct fw_downloads *download,
	const struct fw_transfers_record *record, const struct covered *covered)
{
	sqlite3_stmt *statement = download->statements[DOWNLOAD];

	bind_key(statement, record);
	fw_db_bind_integer(statement, 4, record->first_at);
	fw_db_bind_integer(statement, 5, record->last_at ? record->last_at : record->first_at);
	fw_db_bind_integer(statement, 6, record->bytes);
	fw_db_bind_integer(statement, 7, record->reached);
	fw_db_bind_integer(statement, 8, record->total);
	fw_db_bind_integer(statement, 9, record->requests);
	fw_db_bind_integer(statement, 10, covered->image);
	fw_db_bind_integer(statement, 11, fw_spans_bytes(covered->spans, covered->count));
	return fw_db_run(statement);
}

static enum fw_status write_one(
	struct fw_downloads *download, const struct fw_transfers_record *record)
{
	struct covered covered;
	enum fw_status status = read_covered(download, record, &covered);

	if (status == FW_OK)
		status = write_row(download, record, &covered);
	if (status == FW_OK && covered.image != IMAGE_OLD)
		status = write_covered(download, record, &covered);
	return status;
}

static enum fw_status try_one(
	struct fw_downloads *download, const struct fw_transfers_record *record)
{
	static const char what[] = "a download's record";
	struct fw_transaction *transaction = download->transaction;
	uint64_t work = fw_transaction_try(transaction, fw_slice_of(record->firmware_id),
		fw_slice_of(record->device_id), what);

	return work ? fw_transaction_tried_or_passed_over(
			      transaction, write_one(download, record), what, work)
		    : FW_OK;
}

static enum fw_status write_all(struct fw_downloads *download, size_t count)
{
	enum fw_status status = FW_OK;

	for (size_t i = 0; i < count && status == FW_OK; i++)
		status = try_one(download, &download->records[i]);
	return status;
}

/* One transaction. Where it fails, its records go back to the transfers. */
static enum fw_status flush_some(struct fw_downloads *download, size_t *count, bool *left)
{
	enum fw_status status;

	*count = fw_transfers_take(download->transfers, download->records, FLUSH_ROWS, left);
	if (*count == 0)
		return FW_OK;
	status = fw_transaction_begin(download->transaction);
	if (status == FW_OK)
		status = fw_transaction_end(download->transaction, write_all(download, *count), 0);
	for (size_t i = 0; status != FW_OK && i < *count; i++)
		fw_transfers_note(download->transfers, &download->records[i]);
	return status;
}

enum fw_status fw_downloads_flush(struct fw_downloads *download)
{
	int64_t until = fw_boot_ms() + FLUSH_STOP_MS;
	size_t count = 1;
	bool left;
	enum fw_status status = FW_OK;

	while (status == FW_OK && count > 0 && fw_boot_ms() < until)
		status = flush_some(download, &count, &left);
	return status;
}

/* One transaction a round: uplinks, pushes and operators get their turn between two of them. */
enum fw_status fw_downloads_work(struct fw_downloads *download, bool *more)
{
	enum fw_status status;
	size_t count;
	bool left;

	if (fw_boot_ms() < download->next_flush)
		return FW_OK;
	if (!download->flushing)
		fw_transfers_sample(download->transfers);
	status = flush_some(download, &count, &left);
	if (status != FW_OK)
		return status;
	download->flushing = left;
	*more |= left;
	if (!left)
		download->next_flush = fw_boot_ms() + FLUSH_EVERY_MS;
	return FW_OK;
}

enum fw_status fw_downloads_prune(
	struct fw_downloads *download, int64_t before, int64_t most, bool *left)
{
	sqlite3_stmt *statement = download->statements[PRUNE];
	enum fw_status status;

	fw_db_bind_integer(statement, 1, before);
	fw_db_bind_integer(statement, 2, most);
	status = fw_db_run(statement);
	*left |= status == FW_OK && sqlite3_changes(download->transaction->db) >= most;
	return status;
}
