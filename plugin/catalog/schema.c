/* Carries out schema/. The numbered files are migrations, run once in their order; `user_version`
 * is the number of the last one. The other files are the programs, that is views and triggers: they
 * are dropped and created again whenever their text differs from what created those in the file. */
#include "catalog/schema.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "catalog/db.h"
#include "catalog/schema_data.h"

static int migration_number(const char *name)
{
	return isdigit((unsigned char)name[0]) ? (int)strtol(name, NULL, 10) : 0;
}

static int64_t newest_version(void)
{
	int newest = 0;

	for (const struct fw_schema_file *file = fw_schema_files; file->name; file++) {
		if (migration_number(file->name) > newest)
			newest = migration_number(file->name);
	}
	return newest;
}

#define HEADER_SIZE 20
/* 1: a database that has no log, 2: with one (sqlite.org/fileformat.html, section 1.3.3) */
#define WRITE_VERSION 18

/* A VACUUM INTO copy has no WAL. A WAL beside it belongs to the catalog it replaced, and SQLite
 * would replay it into the copy. */
static enum fw_status check_log(const char *path, const char *header, struct fw_error *error)
{
	int64_t bytes = fw_db_log_bytes(path);

	if (bytes < 0)
		return FW_NOMEM;
	if (header[WRITE_VERSION] != 1 || bytes == 0)
		return FW_OK;
	fw_error_set(error,
		"'%s-wal' is the log of another file, in whose place '%s' was put: remove '%s-wal' "
		"and '%s-shm', and leave '%s-spool-*' as they are",
		path, path, path, path, path);
	return FW_CORRUPT;
}

static enum fw_status check_header(const char *path, bool *empty, struct fw_error *error)
{
	char header[HEADER_SIZE] = "";
	FILE *file = fopen(path, "rb");
	size_t got;

	*empty = true;
	if (!file)
		return access(path, F_OK) == 0
			? (fw_error_set(error, "cannot read '%s': %m", path), FW_IO)
			: FW_OK;
	got = fread(header, 1, sizeof(header), file);
	fclose(file);
	*empty = got == 0;
	if (got && (got < 16 || memcmp(header, "SQLite format 3", 16) != 0)) {
		fw_error_set(error,
			"'%s' is not an SQLite database: set plugin_opt_db_file to another path, "
			"or move that file away",
			path);
		return FW_CORRUPT;
	}
	return check_log(path, header, error);
}

struct marks {
	int64_t application, version; /* PRAGMA application_id, user_version */
	int64_t tables;               /* how many objects of any kind */
};

static enum fw_status read_marks(
	sqlite3 *db, const char *path, struct marks *marks, struct fw_error *error)
{
	struct fw_error detail = {""};
	enum fw_status status =
		fw_db_integer(db, "PRAGMA application_id", &marks->application, &detail);

	if (status == FW_OK)
		status = fw_db_integer(db, "PRAGMA user_version", &marks->version, &detail);
	if (status == FW_OK)
		status = fw_db_integer(
			db, "SELECT count(*) FROM sqlite_master", &marks->tables, &detail);
	if (status != FW_OK)
		fw_error_set(error,
			"cannot read the catalog '%s': %s. If it is damaged, restore a backup, or "
			"rescue what can be read with 'sqlite3 %s .dump'",
			path, detail.text, path);
	return status;
}

static enum fw_status check_state(sqlite3 *db, const char *path, struct fw_error *error)
{
	struct fw_error detail = {""};
	int64_t id;

	if (fw_db_integer(db, "SELECT id FROM catalog_state", &id, &detail) == FW_OK)
		return FW_OK;
	fw_error_set(error,
		"the catalog '%s' is damaged (%s): restore a backup, or rescue what can be read "
		"with 'sqlite3 %s .dump'",
		path, detail.text[0] ? detail.text : "catalog_state has no row", path);
	return FW_CORRUPT;
}

/* Is it a catalog, or an empty file, and not a newer one? */
static enum fw_status check_owner(sqlite3 *db, const char *path, struct fw_error *error)
{
	struct marks marks = {0, 0, 0};
	enum fw_status status = read_marks(db, path, &marks, error);

	if (status != FW_OK)
		return status;
	if (marks.application != FW_APPLICATION_ID &&
		(marks.tables || marks.version || marks.application)) {
		fw_error_set(error,
			"'%s' is the database of another program: set plugin_opt_db_file to "
			"another path."
			" If it was made from a catalog's .dump, which leaves out whose it is, see "
			"plugin/doc/troubleshooting.md",
			path);
		return FW_CORRUPT;
	}
	if (marks.version > newest_version()) {
		fw_error_set(error,
			"the catalog '%s' has schema %lld, made by a newer plugin; this one knows "
			"up to %lld: install the newer plugin, or restore a backup",
			path, (long long)marks.version, (long long)newest_version());
		return FW_NEWER;
	}
	return marks.tables ? check_state(db, path, error) : FW_OK;
}

#define DIGEST_SIZE 34

/* Two digests: of this plugin's views and triggers, and of all that are in the file. So a view or
 * trigger that somebody dropped or changed is noticed, too. */
static enum fw_status digest_programs(sqlite3 *db, char text[DIGEST_SIZE], struct fw_error *error)
{
	uint64_t ours = 0, theirs = 0;
	sqlite3_stmt *statement = NULL;
	int code = sqlite3_prepare_v2(db,
		"SELECT sql FROM sqlite_master WHERE type IN ('view', 'trigger') ORDER BY name", -1,
		&statement, NULL);

	for (const struct fw_schema_file *file = fw_schema_files; file->name; file++) {
		if (!migration_number(file->name))
			ours = fw_hash(ours, file->sql, strlen(file->sql));
	}
	while (code == SQLITE_OK || code == SQLITE_ROW) {
		code = sqlite3_step(statement);
		if (code == SQLITE_ROW)
			theirs = fw_hash(theirs, sqlite3_column_text(statement, 0),
				(size_t)sqlite3_column_bytes(statement, 0));
	}
	sqlite3_finalize(statement);
	snprintf(text, DIGEST_SIZE, "%016llx-%016llx", (unsigned long long)ours,
		(unsigned long long)theirs);
	if (code != SQLITE_DONE)
		fw_error_set(error, "%s", sqlite3_errmsg(db));
	return code == SQLITE_DONE ? FW_OK : fw_db_status(code);
}

/* "CREATE VIEW name", "CREATE TRIGGER name": drops what has that name. Views and triggers that an
 * operator added under other names stay. */
static enum fw_status drop_namesake(sqlite3 *db, const char *sql, struct fw_error *error)
{
	char kind[16], name[128], drop[192];

	while (isspace((unsigned char)*sql) || strncmp(sql, "--", 2) == 0) {
		if (*sql == '-')
			sql += strcspn(sql, "\n");
		else
			sql++;
	}
	if (sscanf(sql, "CREATE %15s %127[A-Za-z0-9_]", kind, name) != 2 ||
		(strcmp(kind, "VIEW") != 0 && strcmp(kind, "TRIGGER") != 0))
		return FW_OK;
	snprintf(drop, sizeof(drop), "DROP %s IF EXISTS %s", kind, name);
	return fw_db_exec(db, drop, error);
}

static enum fw_status run_programs(
	sqlite3 *db, const struct fw_schema_file *file, struct fw_error *error)
{
	const char *sql = file->sql;
	enum fw_status status = FW_OK;

	while (status == FW_OK && *sql) {
		sqlite3_stmt *statement = NULL;
		int code;

		status = drop_namesake(db, sql, error);
		if (status != FW_OK)
			break;
		code = sqlite3_prepare_v2(db, sql, -1, &statement, &sql);
		if (code == SQLITE_OK && statement)
			code = sqlite3_step(statement);
		sqlite3_finalize(statement);
		if (code != SQLITE_OK && code != SQLITE_DONE) {
			fw_error_set(error, "%s: %s", file->name, sqlite3_errmsg(db));
			status = fw_db_status(code);
		}
	}
	return status;
}

static enum fw_status renew_programs(sqlite3 *db, struct fw_error *error)
{
	enum fw_status status = FW_OK;
	char digest[DIGEST_SIZE], sql[128];

	for (const struct fw_schema_file *file = fw_schema_files; file->name && status == FW_OK;
		file++) {
		if (!migration_number(file->name))
			status = run_programs(db, file, error);
	}
	if (status == FW_OK)
		status = digest_programs(db, digest, error);
	if (status != FW_OK)
		return status;
	snprintf(sql, sizeof(sql), "UPDATE catalog_state SET programs_digest = '%s'", digest);
	return fw_db_exec(db, sql, error);
}

static enum fw_status run_migrations(sqlite3 *db, int64_t version, struct fw_error *error)
{
	enum fw_status status = FW_OK;
	char sql[128];

	/* to change a CHECK a migration writes sqlite_schema (sqlite.org/lang_altertable.html) */
	sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 0, NULL);
	for (const struct fw_schema_file *file = fw_schema_files; file->name && status == FW_OK;
		file++) {
		if (migration_number(file->name) > version)
			status = fw_db_exec(db, file->sql, error);
	}
	sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	snprintf(sql, sizeof(sql), "PRAGMA application_id = %d; PRAGMA user_version = %lld",
		FW_APPLICATION_ID, (long long)newest_version());
	return status == FW_OK ? fw_db_exec(db, sql, error) : status;
}

/* Asks without a transaction whether anything is to be done, so that a start needs no lock when all
 * is current. */
static enum fw_status needs_work(
	sqlite3 *db, int64_t *version, bool *migrate, bool *renew, struct fw_error *error)
{
	enum fw_status status = fw_db_integer(db, "PRAGMA user_version", version, error);
	char digest[DIGEST_SIZE], sql[128];
	int64_t same = 0;

	if (status != FW_OK)
		return status;
	*migrate = *version < newest_version();
	*renew = true;
	if (*version == 0)
		return FW_OK;
	status = digest_programs(db, digest, error);
	if (status != FW_OK)
		return status;
	snprintf(sql, sizeof(sql), "SELECT programs_digest = '%s' FROM catalog_state", digest);
	status = fw_db_integer(db, sql, &same, error);
	*renew = !same;
	return status;
}

static enum fw_status migrate_schema(sqlite3 *db, struct fw_error *error)
{
	int64_t version = 0;
	bool migrate = false, renew = false;
	enum fw_status status = needs_work(db, &version, &migrate, &renew, error);

	if (status != FW_OK || (!migrate && !renew))
		return status;
	status = fw_db_exec(db, "BEGIN IMMEDIATE", error);
	if (status != FW_OK)
		return status;
	/* again, now that nobody else can change it */
	status = needs_work(db, &version, &migrate, &renew, error);
	if (status == FW_OK && migrate)
		status = run_migrations(db, version, error);
	if (status == FW_OK && (migrate || renew))
		status = renew_programs(db, error);
	if (status == FW_OK)
		status = fw_db_exec(db, "COMMIT", error);
	if (status != FW_OK)
		fw_db_exec(db, "ROLLBACK", NULL);
	return status;
}

#define LOCKED_MS 5000

enum fw_status fw_schema_prepare(const char *path, struct sqlite3 **out, struct fw_error *error)
{
	struct fw_error detail = {""};
	sqlite3 *db = NULL;
	bool empty;
	enum fw_status status = check_header(path, &empty, error);

	if (status == FW_OK)
		status = fw_db_open(path, LOCKED_MS, &db, &detail);
	/* Do not checkpoint on close: a refused file must stay unchanged. */
	if (status == FW_OK)
		sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
	if (status == FW_OK && !empty)
		status = check_owner(db, path, error);
	if (status == FW_OK) {
		sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0, NULL);
		status = migrate_schema(db, &detail);
	}
	/* the mode is kept in the file (sqlite.org/wal.html): last, so that a file which cannot be
	 * migrated stays as it was */
	if (status == FW_OK)
		status = fw_db_exec(db, "PRAGMA journal_mode = WAL", &detail);
	if (status == FW_BUSY)
		fw_error_set(error,
			"the catalog '%s' is to be brought up to date, but another connection "
			"holds its lock: end that transaction",
			path);
	else if (status != FW_OK)
		fw_error_set(error, "cannot prepare the catalog '%s': %s", path, detail.text);
	if (status == FW_OK && out)
		*out = db;
	else
		sqlite3_close(db);
	return status;
}
