/* The catalog's part of the metrics, on a connection of its own that only reads (PRAGMA
 * query_only).
 *
 * A look is fw_metrics_reader_begin and the queries behind it, up to a deadline that ends whatever
 * query is under way then. An error ends the look: begin again. Each query is a read transaction of
 * its own, and the long one, the census of the devices, is many short ones: none keeps SQLite's log
 * from being started over. One thread at a time; on the I/O thread's side (base/io_thread.h), since
 * it opens files. */
#ifndef FW_CATALOG_METRICS_READER_H
#define FW_CATALOG_METRICS_READER_H

#include "base/fw.h"

#define FW_METRICS_VERSIONS 20u /* of a product that are counted one by one */

struct fw_metrics_reader;

/* NULL when out of memory. Opens nothing yet; `path` is copied. `own_table`: the I/O thread has a
 * table of open files of its own (base/io_thread.h). */
struct fw_metrics_reader *fw_metrics_reader_new(const char *path, bool own_table);
void fw_metrics_reader_free(struct fw_metrics_reader *reader); /* NULL is fine */

/* Begins a look that ends at `deadline` (boot ms). Opens the catalog if it is not open; never
 * creates one. FW_OK; FW_NOT_FOUND: there is none, or another file than before; or the catalog's
 * error. */
enum fw_status fw_metrics_reader_begin(struct fw_metrics_reader *reader, int64_t deadline);

/* Each of these returns FW_OK; FW_BUSY when the deadline has passed or the catalog is locked; or
 * the catalog's error. */

enum fw_metrics_firmware {
	FW_METRICS_PENDING,
	FW_METRICS_READY,
	FW_METRICS_REJECTED,
	FW_METRICS_FIRMWARE_STATES
};
enum fw_status fw_metrics_reader_firmware(
	struct fw_metrics_reader *reader, uint64_t counts[FW_METRICS_FIRMWARE_STATES]);

struct fw_metrics_task {
	char task_id[FW_ID_MAX + 1], product_id[FW_ID_MAX + 1];
	bool paused;
	/* rows by state, in the order of enum fw_upgrade_state */
	uint64_t rows[5];
};
/* Open tasks: those with rows that wait, are under way or will be retried, and those that are
 * paused. At most `most`: paused ones first, then the newest. */
enum fw_status fw_metrics_reader_tasks(struct fw_metrics_reader *reader,
	struct fw_metrics_task *tasks, size_t most, size_t *count);

struct fw_metrics_version {
	char version[FW_VERSION_BUFFER]; /* empty: not known */
	uint64_t devices;
};
struct fw_metrics_product {
	char product_id[FW_ID_MAX + 1];
	uint64_t devices, online;
	struct fw_metrics_version versions[FW_METRICS_VERSIONS]; /* the largest first */
	size_t version_count;
	uint64_t other; /* devices of other versions */
};
/* The devices of each product, in the order of the products' ids, at most FW_METRICS_PRODUCTS
 * products. They are counted anew when the last count is older than fifty times the time it took,
 * or a minute; the counts by version are replaced when they are a minute old. A count that the
 * deadline interrupts goes on in the next look; until it is whole the one before it is returned
 * (FW_OK; FW_BUSY when there is none). Borrowed until the next look. */
#define FW_METRICS_PRODUCTS 1000u
enum fw_status fw_metrics_reader_products(struct fw_metrics_reader *reader,
	const struct fw_metrics_product **products, size_t *count);

#endif
