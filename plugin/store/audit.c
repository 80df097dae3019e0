/* Checks the texts of an older catalog by the rules of this one, and logs what they refuse.
 *
 * Each text with unusual bytes is inserted into a table whose triggers check it and keep nothing.
 * There is one log line for each kind of text: how many are refused, the first of them, and the
 * statement that mends it. */
#include "store/audit.h"

#include <stdio.h>

#include "catalog/db.h"

#define CHECK_TEXT "INSERT INTO check_text (what, text) VALUES (?1, ?2)"
#define CHECK_PARAMETERS "INSERT INTO check_parameters (text) VALUES (?2)"

/* A kind of text. `select` gives the candidates: the text, and the literal that names its row in
 * the statement `mend`. */
static const struct kind {
	const char *what, *select, *insert;
	const char *mend; /* followed by that literal, in quotes */
} kinds[] = {
	{"product_id",
		"SELECT product_id, hex(product_id) FROM product WHERE product_id GLOB '*[^!-~]*'",
		CHECK_TEXT,
		"add a product with the right id, give it the firmware, and delete this one: "
		"UPDATE firmware"
		" SET product_id = '...' WHERE hex(product_id) = "},
	{"device_id",
		"SELECT device_id, hex(device_id) FROM device WHERE device_id GLOB '*[^!-~]*'",
		CHECK_TEXT,
		"if no device calls itself so: DELETE FROM device WHERE hex(device_id) = "},
	{"version", "SELECT version, firmware_id FROM firmware WHERE version GLOB '*[^!-~]*'",
		CHECK_TEXT, "UPDATE firmware SET version = '...' WHERE firmware_id = "},
	{"file", "SELECT file, firmware_id FROM firmware WHERE file GLOB '*[^!-~]*'", CHECK_TEXT,
		"rename the file, and UPDATE firmware SET file = '...' WHERE firmware_id = "},
	{"url", "SELECT url, firmware_id FROM firmware WHERE url GLOB '*[^!-~]*'", CHECK_TEXT,
		"UPDATE firmware SET url = '...' WHERE firmware_id = "},
	{"parameters", "SELECT parameters, firmware_id FROM firmware WHERE parameters <> '{}'",
		CHECK_PARAMETERS,
		"until then it is not offered: UPDATE firmware SET parameters = '{...}' WHERE "
		"firmware_id = "},
};

/* What was refused of a kind; the texts are of the first one. */
struct found {
	int64_t count;
	char text[80], row[140], reason[200];
};

static void log_found(
	struct fw_transaction *transaction, const struct kind *kind, const struct found *found)
{
	fw_transaction_log(transaction, FW_LOG_WARNING,
		"the catalog has %lld %s that would be refused now, such as '%s' (%s). To mend it: "
		"%s'%s'",
		(long long)found->count, kind->what, found->text, found->reason, kind->mend,
		found->row);
}

/* FW_OK: the rules accept the text, or it was counted as refused. */
static enum fw_status try_text(struct fw_transaction *transaction, sqlite3_stmt *insert,
	sqlite3_stmt *candidate, struct found *found)
{
	enum fw_status status;

	sqlite3_bind_value(insert, 2, sqlite3_column_value(candidate, 0));
	status = fw_db_run(insert);
	if (status != FW_INVALID)
		return status;
	if (found->count++)
		return FW_OK;
	snprintf(found->reason, sizeof(found->reason), "%s", sqlite3_errmsg(transaction->db));
	snprintf(found->text, sizeof(found->text), "%s",
		(const char *)sqlite3_column_text(candidate, 0));
	snprintf(found->row, sizeof(found->row), "%s",
		(const char *)sqlite3_column_text(candidate, 1));
	return FW_OK;
}

static enum fw_status audit_kind(struct fw_transaction *transaction, const struct kind *kind)
{
	const char *const sql[] = {kind->select, kind->insert};
	sqlite3_stmt *statements[2] = {NULL};
	struct found found = {0};
	enum fw_status status = fw_db_prepare(transaction->db, sql, statements, 2, NULL);

	if (status == FW_OK)
		sqlite3_bind_text(statements[1], 1, kind->what, -1, SQLITE_STATIC);
	while (status == FW_OK && (status = fw_db_step(statements[0])) == FW_OK)
		status = try_text(transaction, statements[1], statements[0], &found);
	fw_db_finalize(statements, 2);
	if (found.count)
		log_found(transaction, kind, &found);
	return status == FW_NOT_FOUND ? FW_OK : status;
}

enum fw_status fw_audit(struct fw_transaction *transaction)
{
	enum fw_status status = FW_OK;

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]) && status == FW_OK; i++)
		status = audit_kind(transaction, &kinds[i]);
	return status;
}
