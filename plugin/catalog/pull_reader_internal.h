/* The pull reader as its own files see it: pull_reader.c, and pull_start.c for rows of tasks with
 * rules of their own. */
#ifndef FW_CATALOG_PULL_READER_INTERNAL_H
#define FW_CATALOG_PULL_READER_INTERNAL_H

#include <sqlite3.h>

#include "catalog/db.h"
#include "catalog/pull_reader.h"

enum fw_pull_statement {
	FW_PULL_DATA_VERSION,
	FW_PULL_GENERATION,
	FW_PULL_PRODUCT,
	FW_PULL_BY_VERSION,
	FW_PULL_BY_ID,
	FW_PULL_LATEST,
	FW_PULL_NEXT,
	FW_PULL_OPEN_ROWS_LOWEST,
	FW_PULL_OPEN_ROWS_HIGHEST,
	FW_PULL_DEVICE_VERSION,
	FW_PULL_COMPLETED_FROM,
	FW_PULL_MISLABELLED,
	FW_PULL_HERE,
	FW_PULL_ELSEWHERE,
	FW_PULL_ROLLOUT,
	FW_PULL_START_ROW,
	FW_PULL_STATEMENTS
};

/* The header of SQLite's WAL-index, in the memory that all connections to the catalog share. A
 * commit becomes visible to readers by changing it (sqlite.org/walformat.html, "The WAL-Index
 * Header"), so equal bytes mean that nothing was committed. */
struct fw_wal_header {
	unsigned char bytes[48];
};

struct fw_pull_reader {
	sqlite3 *db;
	sqlite3_stmt *statements[FW_PULL_STATEMENTS];
	struct fw_resolver_source source;
	int64_t data_version; /* at which `generation` was read; 0: never */
	uint64_t generation;
	bool url_per_device;
	struct fw_places *places; /* NULL: none are taken */
	struct fw_clock clock;
	struct fw_wal_header seen; /* when data_version was asked last */
};

/* The statement, with the product bound. */
static inline sqlite3_stmt *fw_pull_reader_start(
	struct fw_pull_reader *reader, enum fw_pull_statement which, struct fw_slice product)
{
	sqlite3_stmt *statement = reader->statements[which];

	fw_db_bind_text(statement, 1, product);
	return statement;
}

/* As in struct fw_resolver_source; `context` is the reader. */
enum fw_status fw_pull_start_take_place(void *context, const struct fw_pull *pull,
	const struct fw_open_row *row, int64_t order, int64_t *retry_after_ms);
void fw_pull_start_give_back(void *context, const struct fw_pull *pull, const char *task_id);

#endif
