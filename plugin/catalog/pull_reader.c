/* The resolver's source: a prepared statement for each of its questions.
 *
 * Each pull asks whether the catalog changed, so the cheapest way comes first: 48 bytes of SQLite's
 * WAL-index, which each commit changes; then PRAGMA data_version; then the generation, which
 * triggers move. */
#include "catalog/pull_reader_internal.h"

#include <stdlib.h>
#include <string.h>

#include "catalog/firmware_row.h"
#include "catalog/rollout_row.h"

/* Neither DISTINCT nor LIMIT: for these SQLite builds temporary tables, which cost more than
 * finding the rows. */
#define OPEN_ROWS                                                                                  \
	"SELECT f.firmware_id, f.version, f.version_order, td.state = 'processing',"               \
	" (t.state = 'running' OR td.state = 'processing' AND t.state = 'paused')"                 \
	" AND f.state = 'ready', t.allow_downgrade, td.task_id,"                                   \
	" f.min_version_order IS NOT NULL OR td.deferred_until IS NOT NULL OR"                     \
	" td.state = 'failed' OR"                                                                  \
	" " FW_ROLLOUT_IS_MANAGED ","                                                              \
	" iif(t.defer_seconds IS NULL, -1, t.defer_seconds * 1000), td.first_told_at,"             \
	" td.state = 'failed', t.retry_limit > 0"                                                  \
	" FROM task_device td"                                                                     \
	" CROSS JOIN task t ON t.task_id = td.task_id CROSS JOIN firmware f ON f.firmware_id = "   \
	"t.firmware_id"                                                                            \
	" WHERE td.device_id = ?2 AND td.state IN ('waiting', 'processing', 'failed')"             \
	" AND f.product_id = ?1"                                                                   \
	" AND (td.state = 'processing' OR t.state <> 'stopped' AND f.state = 'ready')"             \
	" AND (td.state <> 'failed' OR td.retry_at IS NOT NULL)"                                   \
	" ORDER BY td.state = 'processing' DESC, f.version_order"
/* of two tasks that offer the same firmware: first the one that may be handed out, then the one
 * that allows a downgrade */
#define THEN_OFFERED ", 5 DESC, 6 DESC"

/* A pull may get this firmware without a task: it is not for tasks only, no task brings it in
 * stages, and the device's version has at least the order that it asks for (?2: the order of that
 * version). Nor does a continuous task with rules of its own bring it: a new device has no row of
 * it yet. */
#define IS_FREE                                                                                    \
	"f.state = 'ready' AND f.by_task_only = 0"                                                 \
	" AND (f.min_version_order IS NULL OR f.min_version_order <= ?2)"                          \
	" AND NOT EXISTS (SELECT 1 FROM task t WHERE t.firmware_id = f.firmware_id"                \
	" AND t.state <> 'stopped'"                                                                \
	" AND (EXISTS (SELECT 1 FROM task_stage s WHERE s.task_id = t.task_id)"                    \
	" OR t.continuous = 1 AND (t.state = 'paused' OR " FW_ROLLOUT_IS_MANAGED ")))"

static const char *const sql[FW_PULL_STATEMENTS] = {
	[FW_PULL_DATA_VERSION] = "PRAGMA data_version",
	[FW_PULL_GENERATION] = "SELECT generation FROM catalog_state",
	[FW_PULL_PRODUCT] =
		"SELECT firmware_enabled, pull_policy,"
		" EXISTS (SELECT 1 FROM task_count c WHERE c.product_id = ?1 AND c.running = 1 "
		"AND c.waiting + c.processing > 0)"
		" OR EXISTS (SELECT 1 FROM task_count c WHERE c.product_id = ?1 AND "
		"c.processing > 0)"
		" OR EXISTS (SELECT 1 FROM task_count c WHERE c.product_id = ?1 AND "
		"c.retrying > 0),"
		" EXISTS (SELECT 1 FROM device d INDEXED BY device_completed WHERE "
		"d.product_id = ?1 AND d.completed_from IS NOT NULL),"
		" EXISTS (SELECT 1 FROM label_mismatch m WHERE m.product_id = ?1),"
		" EXISTS (SELECT 1 FROM firmware f WHERE f.product_id = ?1"
		" AND f.min_version_order IS NOT NULL)"
		" FROM product WHERE product_id = ?1",
	[FW_PULL_BY_VERSION] = FW_SELECT_FIRMWARE "WHERE f.product_id = ?1 AND f.version = ?2",
	[FW_PULL_BY_ID] = FW_SELECT_FIRMWARE "WHERE f.product_id = ?1 AND f.firmware_id = ?2",
	[FW_PULL_LATEST] = FW_SELECT_FIRMWARE "WHERE f.product_id = ?1 AND " IS_FREE
					      " ORDER BY f.version_order DESC LIMIT 1",
	[FW_PULL_NEXT] =
		FW_SELECT_FIRMWARE "WHERE f.product_id = ?1 AND " IS_FREE
				   " AND f.version_order > ?2 ORDER BY f.version_order LIMIT 1",
	[FW_PULL_OPEN_ROWS_LOWEST] = OPEN_ROWS THEN_OFFERED,
	[FW_PULL_OPEN_ROWS_HIGHEST] = OPEN_ROWS " DESC" THEN_OFFERED,
	[FW_PULL_DEVICE_VERSION] =
		"SELECT version FROM device WHERE product_id = ?1 AND device_id = ?2",
	[FW_PULL_COMPLETED_FROM] =
		"SELECT completed_from FROM device WHERE product_id = ?1 AND device_id "
		"= ?2 AND completed_until > ?3",
	/* the pull under way may be the last of the mismatches that are needed */
	[FW_PULL_MISLABELLED] =
		"SELECT m.times >= ?5 AND (m.from_version IS ?4 OR m.label = ?4) OR "
		"m.times = ?5 - 1 AND m.label = ?4 AND d.offered_firmware_id = ?3"
		" FROM label_mismatch m CROSS JOIN device d ON d.product_id = m.product_id "
		"AND d.device_id = m.device_id"
		" WHERE m.product_id = ?1 AND m.device_id = ?2 AND m.firmware_id = ?3",
	[FW_PULL_ROLLOUT] = FW_SELECT_ROLLOUT "WHERE t.task_id = ?1",
	[FW_PULL_START_ROW] =
		"SELECT td.attempts, td.deferred_until, td.wake_clock, d.online_clock,"
		" d.utc_offset_minutes, td.state = 'failed' FROM task_device td"
		" LEFT JOIN device d ON d.product_id = ?1 AND d.device_id = td.device_id"
		" WHERE td.task_id = ?2 AND td.device_id = ?3"
		" AND (td.state = 'waiting' OR td.state = 'failed' AND td.retry_at IS NOT NULL)",
	[FW_PULL_HERE] = "SELECT 1 FROM device WHERE product_id = ?1 AND device_id = ?2",
	[FW_PULL_ELSEWHERE] = "SELECT 1 FROM device WHERE device_id = ?2 AND product_id <> ?1",
};

/* bytes of the first block of the WAL-index (sqlite.org/walformat.html) */
#define WAL_INDEX_BLOCK 32768

/* True when nothing was committed since the last call: compares 48 bytes. Always false where the
 * WAL-index is not in shared memory. */
static bool nothing_committed(struct fw_pull_reader *reader)
{
	sqlite3_file *file = NULL;
	void volatile *shared = NULL;
	struct fw_wal_header now;

	/* By the connection's own mapping: closing another descriptor of the file would drop
	 * SQLite's locks on it (sqlite.org/howtocorrupt.html, section 2.2). */
	if (sqlite3_file_control(reader->db, "main", SQLITE_FCNTL_FILE_POINTER, &file) !=
			SQLITE_OK ||
		!file || !file->pMethods || file->pMethods->iVersion < 2 ||
		file->pMethods->xShmMap(file, 0, WAL_INDEX_BLOCK, 0, &shared) != SQLITE_OK ||
		!shared)
		return false;
	memcpy(&now, (const void *)shared, sizeof(now));
	if (memcmp(&now, &reader->seen, sizeof(now)) == 0)
		return reader->data_version != 0;
	reader->seen = now;
	return false;
}

/* PRAGMA data_version moves with every commit of another connection, the store's among them; only
 * then is the generation worth a look. */
static enum fw_status look_at_generation(struct fw_pull_reader *reader)
{
	int64_t data_version = 0, generation = 0;
	enum fw_status status =
		fw_db_read_integer(reader->statements[FW_PULL_DATA_VERSION], &data_version);

	if (status != FW_OK)
		return status == FW_NOT_FOUND ? FW_FAILED : status;
	if (data_version == reader->data_version)
		return FW_OK;
	status = fw_db_read_integer(reader->statements[FW_PULL_GENERATION], &generation);
	if (status != FW_OK)
		return status == FW_NOT_FOUND ? FW_CORRUPT : status;
	/* never 0, which is what a new fw_resolver has */
	reader->generation = (uint64_t)generation + 1;
	reader->data_version = data_version;
	return FW_OK;
}

static enum fw_status read_generation(void *context, uint64_t *out)
{
	struct fw_pull_reader *reader = context;
	enum fw_status status = FW_OK;

	if (!nothing_committed(reader))
		status = look_at_generation(reader);
	if (status != FW_OK)
		memset(&reader->seen, 0, sizeof(reader->seen));
	*out = reader->generation;
	return status;
}

static enum fw_pull_policy policy_of(struct fw_slice name)
{
	if (fw_slice_equal(name, FW_SLICE("stepwise")))
		return FW_POLICY_STEPWISE;
	return fw_slice_equal(name, FW_SLICE("task")) ? FW_POLICY_TASK : FW_POLICY_LATEST;
}

static enum fw_status read_product(void *context, struct fw_slice product, struct fw_product *out)
{
	sqlite3_stmt *statement = fw_pull_reader_start(context, FW_PULL_PRODUCT, product);
	enum fw_status status = fw_db_step(statement);

	if (status != FW_OK)
		return status;
	out->enabled = sqlite3_column_int(statement, 0) != 0;
	out->policy = policy_of(fw_db_text(statement, 1));
	out->open_tasks = sqlite3_column_int(statement, 2) != 0;
	out->completing = sqlite3_column_int(statement, 3) != 0;
	out->mislabelled = sqlite3_column_int(statement, 4) != 0;
	out->ordered = sqlite3_column_int(statement, 5) != 0;
	sqlite3_reset(statement);
	return FW_OK;
}

static enum fw_status read_firmware(
	const struct fw_pull_reader *reader, sqlite3_stmt *statement, struct fw_firmware **out)
{
	return fw_firmware_row_read(statement, reader->url_per_device, out);
}

static enum fw_status read_by_version(
	void *context, struct fw_slice product, struct fw_slice version, struct fw_firmware **out)
{
	sqlite3_stmt *statement = fw_pull_reader_start(context, FW_PULL_BY_VERSION, product);

	fw_db_bind_text(statement, 2, version);
	return read_firmware(context, statement, out);
}

static enum fw_status read_by_id(void *context, struct fw_slice product,
	struct fw_slice firmware_id, struct fw_firmware **out)
{
	sqlite3_stmt *statement = fw_pull_reader_start(context, FW_PULL_BY_ID, product);

	fw_db_bind_text(statement, 2, firmware_id);
	return read_firmware(context, statement, out);
}

static enum fw_status read_latest(
	void *context, struct fw_slice product, int64_t order, struct fw_firmware **out)
{
	sqlite3_stmt *statement = fw_pull_reader_start(context, FW_PULL_LATEST, product);

	fw_db_bind_integer(statement, 2, order);
	return read_firmware(context, statement, out);
}

static enum fw_status read_next(
	void *context, struct fw_slice product, int64_t order, struct fw_firmware **out)
{
	sqlite3_stmt *statement = fw_pull_reader_start(context, FW_PULL_NEXT, product);

	fw_db_bind_integer(statement, 2, order);
	return read_firmware(context, statement, out);
}

/* False: there is no text, or it does not fit. */
static bool copy_column(sqlite3_stmt *statement, int column, char *buffer, size_t size)
{
	fw_db_copy_text(statement, column, buffer, size);
	return buffer[0] != '\0';
}

static enum fw_status read_open_rows(void *context, struct fw_slice product, struct fw_slice device,
	bool lowest_first, struct fw_open_row *rows, size_t *count)
{
	sqlite3_stmt *statement = fw_pull_reader_start(context,
		lowest_first ? FW_PULL_OPEN_ROWS_LOWEST : FW_PULL_OPEN_ROWS_HIGHEST, product);
	enum fw_status status;

	*count = 0;
	fw_db_bind_text(statement, 2, device);
	while ((status = fw_db_step(statement)) == FW_OK && *count < FW_OPEN_ROWS_MAX) {
		struct fw_open_row *row = &rows[*count];

		row->order = sqlite3_column_int64(statement, 2);
		row->processing = sqlite3_column_int(statement, 3);
		row->offered = sqlite3_column_int(statement, 4);
		row->downgrade = sqlite3_column_int(statement, 5);
		row->managed = sqlite3_column_int(statement, 7);
		row->defer_ms = sqlite3_column_int64(statement, 8);
		row->first_told_at = sqlite3_column_int64(statement, 9);
		row->failed = sqlite3_column_int(statement, 10);
		row->retried = sqlite3_column_int(statement, 11);
		/* of tasks without rules of their own that offer one firmware, one is enough */
		if (*count && row->order == rows[*count - 1].order && !row->managed &&
			!rows[*count - 1].managed)
			continue;
		if (copy_column(statement, 0, row->firmware_id, sizeof(row->firmware_id)) &&
			copy_column(statement, 1, row->version, sizeof(row->version)) &&
			copy_column(statement, 6, row->task_id, sizeof(row->task_id)))
			(*count)++;
	}
	sqlite3_reset(statement);
	return status == FW_NOT_FOUND ? FW_OK : status;
}

static enum fw_status read_version(
	sqlite3_stmt *statement, struct fw_slice id, char *version, size_t size)
{
	enum fw_status status;

	fw_db_bind_text(statement, 2, id);
	status = fw_db_step(statement);
	if (status != FW_OK)
		return status;
	if (!copy_column(statement, 0, version, size))
		status = FW_NOT_FOUND;
	sqlite3_reset(statement);
	return status;
}

static enum fw_status read_device_version(
	void *context, struct fw_slice product, struct fw_slice device, char *version, size_t size)
{
	return read_version(fw_pull_reader_start(context, FW_PULL_DEVICE_VERSION, product), device,
		version, size);
}

static enum fw_status read_completed_from(void *context, struct fw_slice product,
	struct fw_slice device, int64_t now, char *version, size_t size)
{
	sqlite3_stmt *statement = fw_pull_reader_start(context, FW_PULL_COMPLETED_FROM, product);

	fw_db_bind_integer(statement, 3, now);
	return read_version(statement, device, version, size);
}

static enum fw_status read_mislabelled(void *context, struct fw_slice product,
	struct fw_slice device, const char *firmware_id, struct fw_slice version, bool *out)
{
	sqlite3_stmt *statement = fw_pull_reader_start(context, FW_PULL_MISLABELLED, product);
	int64_t mislabelled = 0;
	enum fw_status status;

	fw_db_bind_text(statement, 2, device);
	fw_db_bind_text(statement, 3, fw_slice_of(firmware_id));
	fw_db_bind_text(statement, 4, version);
	fw_db_bind_integer(statement, 5, FW_LABEL_CHECK_TIMES);
	status = fw_db_read_integer(statement, &mislabelled);
	if (status == FW_OK)
		*out = mislabelled;
	return status;
}

void fw_pull_reader_use_places(
	struct fw_pull_reader *reader, struct fw_places *places, struct fw_clock clock)
{
	reader->places = places;
	reader->clock = clock;
}

enum fw_status fw_pull_reader_open(
	const char *path, struct fw_pull_reader **out, struct fw_error *error)
{
	struct fw_pull_reader *reader = calloc(1, sizeof(*reader));
	enum fw_status status;

	if (!reader)
		return FW_NOMEM;
	status = fw_db_open(path, 0, &reader->db, error);
	if (status == FW_OK)
		status = fw_db_exec(
			reader->db, "PRAGMA query_only = ON; PRAGMA cache_size = -2048", error);
	if (status == FW_OK)
		status = fw_db_prepare(
			reader->db, sql, reader->statements, FW_PULL_STATEMENTS, error);
	if (status != FW_OK) {
		fw_pull_reader_close(reader);
		return status;
	}
	reader->source = (struct fw_resolver_source){reader, read_generation, read_product,
		read_by_version, read_by_id, read_latest, read_next, read_open_rows,
		read_device_version, read_completed_from, read_mislabelled,
		fw_pull_start_take_place, fw_pull_start_give_back};
	*out = reader;
	return FW_OK;
}

void fw_pull_reader_close(struct fw_pull_reader *reader)
{
	if (!reader)
		return;
	fw_db_finalize(reader->statements, FW_PULL_STATEMENTS);
	sqlite3_close(reader->db);
	free(reader);
}

const struct fw_resolver_source *fw_pull_reader_source(struct fw_pull_reader *reader)
{
	return &reader->source;
}

void fw_pull_reader_set_url_per_device(struct fw_pull_reader *reader, bool url_per_device)
{
	reader->url_per_device = url_per_device;
}

static enum fw_status find_row(sqlite3_stmt *statement, struct fw_slice device, bool *found)
{
	enum fw_status status;

	fw_db_bind_text(statement, 2, device);
	status = fw_db_exists(statement);
	*found = status == FW_OK;
	return status == FW_NOT_FOUND ? FW_OK : status;
}

enum fw_status fw_pull_reader_find_device(
	void *context, struct fw_slice product, struct fw_slice device, bool *here, bool *elsewhere)
{
	enum fw_status status =
		find_row(fw_pull_reader_start(context, FW_PULL_HERE, product), device, here);

	*elsewhere = false;
	return status == FW_OK && !*here
		? find_row(fw_pull_reader_start(context, FW_PULL_ELSEWHERE, product), device,
			  elsewhere)
		: status;
}

enum fw_status fw_pull_reader_counts(
	struct fw_pull_reader *reader, int64_t *products, int64_t *firmware)
{
	enum fw_status status =
		fw_db_integer(reader->db, "SELECT count(*) FROM product", products, NULL);

	return status == FW_OK
		? fw_db_integer(reader->db, "SELECT count(*) FROM firmware", firmware, NULL)
		: status;
}
