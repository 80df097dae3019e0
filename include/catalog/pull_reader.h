/* The broker thread's own connection, which only reads (PRAGMA query_only): the source of
 * fw_resolver. Never waits for a lock: in WAL mode a reader does not need the writer's
 * (sqlite.org/wal.html); where SQLite would wait, the answer is FW_BUSY. */
#ifndef FW_CATALOG_PULL_READER_H
#define FW_CATALOG_PULL_READER_H

#include "base/clock.h"
#include "upgrade/places.h"
#include "upgrade/resolver.h"

struct fw_pull_reader;

/* Broker thread. `path` is a migrated catalog. FW_OK, FW_NOMEM, or an error with a message in
 * `error`. The caller owns *out. */
enum fw_status fw_pull_reader_open(
	const char *path, struct fw_pull_reader **out, struct fw_error *error);
/* Broker thread, before the first pull. From then on a row of a task with rules of its own is
 * handed out only when it gets a place. `places` is borrowed; `clock` is the scheduler's. */
void fw_pull_reader_use_places(
	struct fw_pull_reader *reader, struct fw_places *places, struct fw_clock clock);

void fw_pull_reader_close(struct fw_pull_reader *reader); /* NULL is fine */

/* Lives as long as the reader. */
const struct fw_resolver_source *fw_pull_reader_source(struct fw_pull_reader *reader);

/* Broker thread, before anything is read. `url_per_device`: each device gets its own URL of a file
 * that the plugin hosts, so firmware is rendered without it (fw_offer_write). */
void fw_pull_reader_set_url_per_device(struct fw_pull_reader *reader, bool url_per_device);

/* Is the device in this product (*here), or in another one (*elsewhere)? `context` is the reader.
 * *elsewhere is looked up only when the device is not here. FW_OK, or an error. */
enum fw_status fw_pull_reader_find_device(void *context, struct fw_slice product,
	struct fw_slice device, bool *here, bool *elsewhere);

/* How many products and firmware the catalog has, for the log line at start. FW_OK, or an error. */
enum fw_status fw_pull_reader_counts(
	struct fw_pull_reader *reader, int64_t *products, int64_t *firmware);

#endif
