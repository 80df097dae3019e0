/* Counts the devices in the order of their key, some thousand at a time.
 *
 * SQLite's own GROUP BY would sort a million rows, hold its read transaction for all that time, and
 * lose everything when a deadline ends it. Here each row is counted when it is met, and its id
 * noted, so the count goes on behind it after an interruption.
 *
 * A product's versions are in a table, from which the largest are taken when the product is over.
 * The table is bounded: devices of a version that does not fit are among the others. Devices that
 * come or go meanwhile are counted or not, as they are met. */
#include "catalog/census.h"

#include <stdlib.h>
#include <string.h>

#include "base/table.h"
#include "catalog/db.h"

#define STEP_ROWS 10000u     /* a few milliseconds */
#define VERSIONS_MOST 10000u /* of a product */

enum statement { PRODUCTS, DEVICES, STATEMENTS };

static const char *const sql[STATEMENTS] = {
	[PRODUCTS] = "SELECT product_id FROM product WHERE product_id > ?1 ORDER BY product_id",
	[DEVICES] = "SELECT device_id, coalesce(version, ''), presence IS 'online' FROM device"
		    " WHERE product_id = ?1 AND device_id > ?2 ORDER BY device_id",
};

struct fw_census {
	sqlite3_stmt *statements[STATEMENTS];
	struct fw_metrics_product *products; /* malloc'd; NULL: none, or taken */
	size_t count, room;                  /* of products */
	bool counting;                       /* the last one is not whole yet */
	char after[FW_ID_MAX + 1];           /* the last device of it that was counted */
	struct fw_table *versions;           /* of it, to a count, as a pointer */
	/* the last `run` devices had this version; they are not in the table yet */
	char run_version[FW_VERSION_BUFFER];
	uintptr_t run; /* 0: no device yet */
};

enum fw_status fw_census_new(sqlite3 *db, struct fw_census **out)
{
	struct fw_census *census = calloc(1, sizeof(*census));
	enum fw_status status;

	if (!census)
		return FW_NOMEM;
	census->versions = fw_table_new(0);
	status = census->versions ? fw_db_prepare(db, sql, census->statements, STATEMENTS, NULL)
				  : FW_NOMEM;
	if (status != FW_OK) {
		fw_census_free(census);
		return status;
	}
	*out = census;
	return FW_OK;
}

void fw_census_free(struct fw_census *census)
{
	if (!census)
		return;
	fw_db_finalize(census->statements, STATEMENTS);
	fw_table_free(census->versions);
	free(census->products);
	free(census);
}

/* Room for one more product. One is allocated at least, so that a whole count is never NULL. */
static enum fw_status make_room(struct fw_census *census)
{
	size_t room = census->room ? 2 * census->room : 4;
	struct fw_metrics_product *products;

	if (census->count < census->room)
		return FW_OK;
	products = reallocarray(census->products, room, sizeof(*products));
	if (!products)
		return FW_NOMEM;
	census->products = products;
	census->room = room;
	return FW_OK;
}

/* Begins with the product behind the last one. FW_NOT_FOUND: there is none. */
static enum fw_status begin_product(struct fw_census *census)
{
	sqlite3_stmt *statement = census->statements[PRODUCTS];
	const char *last = census->count ? census->products[census->count - 1].product_id : "";
	struct fw_metrics_product *product;
	enum fw_status status = make_room(census);

	if (status != FW_OK)
		return status;
	/* an empty text, not NULL: the first product follows it */
	sqlite3_bind_text(statement, 1, last, -1, SQLITE_TRANSIENT);
	status = census->count < FW_METRICS_PRODUCTS ? fw_db_step(statement) : FW_NOT_FOUND;
	if (status != FW_OK)
		return status;
	product = &census->products[census->count++];
	memset(product, 0, sizeof(*product));
	fw_db_copy_text(statement, 0, product->product_id, sizeof(product->product_id));
	sqlite3_reset(statement);
	census->counting = true;
	census->after[0] = '\0';
	census->run = 0;
	return FW_OK;
}

/* The last devices of one version go into the table, or among the others. */
static void end_run(struct fw_census *census, struct fw_metrics_product *product)
{
	struct fw_slice version = fw_slice_of(census->run_version);
	uintptr_t known = (uintptr_t)fw_table_get(census->versions, version);
	bool fits = known || fw_table_count(census->versions) < VERSIONS_MOST;

	if (!census->run)
		return;
	/* a version may be called "other", the name of the rest */
	if (!fits || strcmp(census->run_version, "other") == 0 ||
		fw_table_put(census->versions, version, (void *)(known + census->run), NULL) !=
			FW_OK)
		product->other += census->run;
	census->run = 0;
}

static void count_row(
	struct fw_census *census, struct fw_metrics_product *product, sqlite3_stmt *statement)
{
	struct fw_slice version = fw_db_text(statement, 1);

	if (!census->run || !fw_slice_equal(version, fw_slice_of(census->run_version))) {
		end_run(census, product);
		fw_slice_copy(version, census->run_version, sizeof(census->run_version));
	}
	census->run++;
	product->devices++;
	product->online += (uint64_t)sqlite3_column_int(statement, 2);
	fw_db_copy_text(statement, 0, census->after, sizeof(census->after));
}

static bool is_larger(const struct fw_metrics_version *a, const struct fw_metrics_version *b)
{
	return a->devices != b->devices ? a->devices > b->devices
					: strcmp(a->version, b->version) < 0;
}

/* Puts a version into its place among the largest; the one that falls out is among the others. */
static void rank(struct fw_metrics_product *product, struct fw_metrics_version version)
{
	size_t at = product->version_count;

	while (at > 0 && is_larger(&version, &product->versions[at - 1]))
		at--;
	if (at == FW_METRICS_VERSIONS) {
		product->other += version.devices;
		return;
	}
	if (product->version_count == FW_METRICS_VERSIONS)
		product->other += product->versions[--product->version_count].devices;
	memmove(&product->versions[at + 1], &product->versions[at],
		(product->version_count - at) * sizeof(version));
	product->versions[at] = version;
	product->version_count++;
}

static void end_product(struct fw_census *census, struct fw_metrics_product *product)
{
	struct fw_table_walk walk = {.bucket = 0};

	end_run(census, product);
	while (fw_table_next(census->versions, &walk)) {
		struct fw_metrics_version version = {.devices = (uintptr_t)walk.value};

		fw_slice_copy(walk.key, version.version, sizeof(version.version));
		rank(product, version);
	}
	fw_table_clear(census->versions, NULL);
	census->counting = false;
}

/* Some devices of the product that is being counted. */
static enum fw_status count_some(struct fw_census *census)
{
	struct fw_metrics_product *product = &census->products[census->count - 1];
	sqlite3_stmt *statement = census->statements[DEVICES];
	enum fw_status status = FW_OK;

	sqlite3_bind_text(statement, 1, product->product_id, -1, SQLITE_STATIC);
	sqlite3_bind_text(statement, 2, census->after, -1, SQLITE_TRANSIENT);
	for (unsigned i = 0; status == FW_OK && i < STEP_ROWS; i++) {
		status = fw_db_step(statement);
		if (status == FW_OK)
			count_row(census, product, statement);
	}
	sqlite3_reset(statement);
	if (status != FW_NOT_FOUND)
		return status;
	end_product(census, product);
	return FW_OK;
}

enum fw_status fw_census_step(struct fw_census *census, bool *whole)
{
	enum fw_status status = census->counting ? FW_OK : begin_product(census);

	*whole = status == FW_NOT_FOUND;
	if (*whole)
		return FW_OK;
	return status == FW_OK ? count_some(census) : status;
}

struct fw_metrics_product *fw_census_take(struct fw_census *census, size_t *count)
{
	struct fw_metrics_product *products = census->products;

	*count = census->count;
	census->products = NULL;
	census->count = census->room = 0;
	return products;
}
