/* The connection of the metrics: queries of tasks and firmware, and the life of the census.
 *
 * The first look that finds a catalog opens the connection. An error that will not pass closes it,
 * and the next look opens it anew. A file that replaced the catalog while that was in use is never
 * opened: the log beside it belongs to the old one. */
#include "catalog/metrics_reader.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "catalog/census.h"
#include "catalog/db.h"
#include "catalog/vfs.h"

#define BUSY_MS 200          /* in WAL mode readers wait only while the log is recovered */
#define DEADLINE_STEPS 1000  /* of SQLite's machine between two checks of the deadline */
#define COUNT_EVERY_MS 60000 /* at the latest */
#define COUNT_SHARE 50       /* counting takes one part in so many of the time */

enum statement { FIRMWARE, TASKS, STATEMENTS };

static const char *const sql[STATEMENTS] = {
	[FIRMWARE] = "SELECT count(*) FILTER (WHERE state = 'pending'),"
		     " count(*) FILTER (WHERE state = 'ready'),"
		     " count(*) FILTER (WHERE state = 'rejected') FROM firmware",
	[TASKS] = "SELECT t.task_id, c.product_id, t.state = 'paused', c.waiting, c.processing,"
		  " c.success, c.failed, c.canceled"
		  " FROM task_count AS c CROSS JOIN task AS t ON t.task_id = c.task_id"
		  " WHERE c.waiting + c.processing + c.retrying > 0 OR t.state = 'paused'"
		  " ORDER BY t.state = 'paused' DESC, t.created_at DESC, t.position DESC",
};

struct fw_metrics_reader {
	char *path;
	bool own_table;
	/* the file that was opened first; inode 0: none was */
	dev_t device;
	ino_t inode;
	sqlite3 *db; /* NULL: not open */
	sqlite3_stmt *statements[STATEMENTS];
	int64_t deadline;         /* boot ms */
	struct fw_census *census; /* NULL: not open */
	/* the products that the last whole count found, malloc'd; NULL: there was none */
	struct fw_metrics_product *products;
	size_t product_count;
	/* boot ms: when the count may be repeated, and that of the versions */
	int64_t next_count, next_versions;
	int64_t counting_ms; /* spent on the count that is under way */
};

struct fw_metrics_reader *fw_metrics_reader_new(const char *path, bool own_table)
{
	struct fw_metrics_reader *reader = calloc(1, sizeof(*reader));

	if (!reader)
		return NULL;
	reader->own_table = own_table;
	reader->path = strdup(path);
	if (reader->path)
		return reader;
	free(reader);
	return NULL;
}

/* The counts stay. */
static void close_catalog(struct fw_metrics_reader *reader)
{
	fw_census_free(reader->census);
	reader->census = NULL;
	fw_db_finalize(reader->statements, STATEMENTS);
	sqlite3_close(reader->db);
	reader->db = NULL;
}

void fw_metrics_reader_free(struct fw_metrics_reader *reader)
{
	if (!reader)
		return;
	close_catalog(reader);
	free(reader->products);
	free(reader->path);
	free(reader);
}

static int is_over(void *context)
{
	return fw_boot_ms() >= ((const struct fw_metrics_reader *)context)->deadline;
}

/* SQLite's SQLITE_INTERRUPT is fw_db_status's FW_FAILED: here it is the deadline. */
static enum fw_status result_of(struct fw_metrics_reader *reader, enum fw_status status)
{
	if (status == FW_OK || status == FW_NOMEM || status == FW_BUSY)
		return status;
	if (is_over(reader))
		return FW_BUSY;
	close_catalog(reader);
	return status;
}

/* Is the catalog there, and the one that was opened before? */
static bool is_there(struct fw_metrics_reader *reader)
{
	struct stat status;

	if (stat(reader->path, &status) != 0)
		return false;
	if (!reader->inode) {
		reader->device = status.st_dev;
		reader->inode = status.st_ino;
	}
	return status.st_dev == reader->device && status.st_ino == reader->inode;
}

/* Opens an existing file; fw_db_open would create it. */
static enum fw_status open_file(struct fw_metrics_reader *reader)
{
	int code;

	if (reader->own_table)
		fw_vfs_here();
	code = sqlite3_open_v2(
		reader->path, &reader->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);

	if (code != SQLITE_OK)
		return code == SQLITE_CANTOPEN ? FW_NOT_FOUND : fw_db_status(code);
	sqlite3_extended_result_codes(reader->db, 1);
	sqlite3_busy_timeout(reader->db, BUSY_MS);
	sqlite3_db_config(reader->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	return FW_OK;
}

static enum fw_status open_catalog(struct fw_metrics_reader *reader)
{
	enum fw_status status = open_file(reader);

	if (status == FW_OK)
		status = fw_db_exec(
			reader->db, "PRAGMA query_only = ON; PRAGMA cache_size = -1024", NULL);
	if (status == FW_OK)
		status = fw_db_prepare(reader->db, sql, reader->statements, STATEMENTS, NULL);
	if (status == FW_OK)
		status = fw_census_new(reader->db, &reader->census);
	if (status != FW_OK) {
		close_catalog(reader);
		return status;
	}
	/* Not before: with a deadline shorter than the opening, the catalog would never be open. */
	sqlite3_progress_handler(reader->db, DEADLINE_STEPS, is_over, reader);
	return FW_OK;
}

enum fw_status fw_metrics_reader_begin(struct fw_metrics_reader *reader, int64_t deadline)
{
	reader->deadline = deadline;
	if (!is_there(reader))
		return FW_NOT_FOUND;
	return reader->db ? FW_OK : open_catalog(reader);
}

enum fw_status fw_metrics_reader_firmware(
	struct fw_metrics_reader *reader, uint64_t counts[FW_METRICS_FIRMWARE_STATES])
{
	sqlite3_stmt *statement = reader->statements[FIRMWARE];
	enum fw_status status = fw_db_step(statement);

	for (int i = 0; status == FW_OK && i < FW_METRICS_FIRMWARE_STATES; i++)
		counts[i] = (uint64_t)sqlite3_column_int64(statement, i);
	sqlite3_reset(statement);
	return result_of(reader, status);
}

static void read_task(sqlite3_stmt *statement, struct fw_metrics_task *task)
{
	fw_db_copy_text(statement, 0, task->task_id, sizeof(task->task_id));
	fw_db_copy_text(statement, 1, task->product_id, sizeof(task->product_id));
	task->paused = sqlite3_column_int(statement, 2);
	for (int i = 0; i < 5; i++)
		task->rows[i] = (uint64_t)sqlite3_column_int64(statement, 3 + i);
}

enum fw_status fw_metrics_reader_tasks(
	struct fw_metrics_reader *reader, struct fw_metrics_task *tasks, size_t most, size_t *count)
{
	sqlite3_stmt *statement = reader->statements[TASKS];
	enum fw_status status = FW_OK;

	*count = 0;
	while (*count < most && (status = fw_db_step(statement)) == FW_OK)
		read_task(statement, &tasks[(*count)++]);
	sqlite3_reset(statement);
	return result_of(reader, status == FW_NOT_FOUND ? FW_OK : status);
}

/* Takes the versions of a product from the count before, while theirs are not due. Where there were
 * no devices nothing was counted. */
static void keep_versions(
	const struct fw_metrics_reader *reader, struct fw_metrics_product *product)
{
	for (size_t i = 0; i < reader->product_count; i++) {
		const struct fw_metrics_product *old = &reader->products[i];

		if (!old->devices || strcmp(old->product_id, product->product_id) != 0)
			continue;
		memcpy(product->versions, old->versions, sizeof(product->versions));
		product->version_count = old->version_count;
		product->other = old->other;
		return;
	}
}

/* A count is whole: it replaces the one before. */
static void replace_count(struct fw_metrics_reader *reader)
{
	int64_t now = fw_boot_ms();
	int64_t pause = reader->counting_ms * COUNT_SHARE;
	size_t count;
	struct fw_metrics_product *products = fw_census_take(reader->census, &count);

	if (reader->products && now < reader->next_versions) {
		for (size_t i = 0; i < count; i++)
			keep_versions(reader, &products[i]);
	} else {
		reader->next_versions = now + COUNT_EVERY_MS;
	}
	free(reader->products);
	reader->products = products;
	reader->product_count = count;
	reader->next_count = now + (pause < COUNT_EVERY_MS ? pause : COUNT_EVERY_MS);
	reader->counting_ms = 0;
}

static enum fw_status count_devices(struct fw_metrics_reader *reader)
{
	int64_t begun = fw_boot_ms();
	enum fw_status status = FW_OK;
	bool whole = false;

	while (status == FW_OK && !whole && !is_over(reader))
		status = fw_census_step(reader->census, &whole);
	reader->counting_ms += fw_boot_ms() - begun;
	if (whole)
		replace_count(reader);
	return result_of(reader, status);
}

enum fw_status fw_metrics_reader_products(
	struct fw_metrics_reader *reader, const struct fw_metrics_product **products, size_t *count)
{
	enum fw_status status = FW_OK;

	if (fw_boot_ms() >= reader->next_count)
		status = count_devices(reader);
	*products = reader->products;
	*count = reader->product_count;
	if (status == FW_OK && !reader->products)
		return FW_BUSY;
	return status == FW_BUSY && reader->products ? FW_OK : status;
}
