/* A count of all devices, by product and version, a part at a time. For catalog/ alone; one thread
 * at a time. */
#ifndef FW_CATALOG_CENSUS_H
#define FW_CATALOG_CENSUS_H

#include <sqlite3.h>

#include "catalog/metrics_reader.h"

struct fw_census;

/* On a connection that is borrowed, and outlives it. FW_OK, FW_NOMEM, or SQLite's error. */
enum fw_status fw_census_new(sqlite3 *db, struct fw_census **out);
void fw_census_free(struct fw_census *census); /* NULL is fine */

/* Counts some more devices, in a read transaction that ends with the call. *whole: all are counted,
 * and fw_census_take is due. After an error the next step goes on from where this one began. */
enum fw_status fw_census_step(struct fw_census *census, bool *whole);

/* What was counted, malloc'd and the caller's, never NULL after a whole count; the next step begins
 * anew. */
struct fw_metrics_product *fw_census_take(struct fw_census *census, size_t *count);

#endif
