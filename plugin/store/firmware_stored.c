/* Compares firmware rows with the files in the folder: a row whose file changed, or is gone, goes
 * back to pending. A url that the plugin made is made anew when url_base changed.
 *
 * A file is compared by its size, times and inode alone, so that all files can be compared every
 * LOOK_EVERY_MS. An inotify event starts a comparison at once; what inotify does not report, such
 * as writes by another machine, the next comparison finds. */
#include "store/firmware_files_internal.h"

#include <stdlib.h>
#include <string.h>

#define LOOK_EVERY_MS 20000 /* at all files */
#define STALE_ROWS 64u      /* of one transaction */

enum statement { STORED, BACK_TO_PENDING, RENEW_URL, STATEMENTS };
_Static_assert(STATEMENTS == FW_STORED_STATEMENTS, "as many as struct fw_firmware_files has");

static const char *const sql[STATEMENTS] = {
	[STORED] = "SELECT f.firmware_id, f.file, f.state = 'ready', f.url, ff.firmware_id IS NOT "
		   "NULL, ff.file IS f.file, ff.sha256 IS NOT NULL,"
		   " ff.url_made, ff.size, ff.mtime_ns, ff.ctime_ns, ff.inode FROM firmware f"
		   " LEFT JOIN firmware_file ff ON ff.firmware_id = f.firmware_id WHERE f.file IS "
		   "NOT NULL AND f.state <> 'pending'",
	[BACK_TO_PENDING] = "UPDATE firmware SET state = 'pending', state_reason = 'the file is "
			    "being verified again' WHERE firmware_id = ?1 AND state <> 'pending'",
	[RENEW_URL] =
		"UPDATE firmware SET url = ?2 WHERE firmware_id = ?1 AND " FW_FIRMWARE_URL_MADE,
};

enum fw_status fw_firmware_stored_prepare(struct fw_firmware_files *files, struct fw_error *error)
{
	return fw_db_prepare(files->transaction->db, sql, files->stored, STATEMENTS, error);
}

struct stale_row {
	char firmware_id[FW_ID_MAX + 1];
	char *url; /* NULL: back to pending */
};

struct stale {
	struct stale_row rows[STALE_ROWS];
	size_t count;
};

static void add_stale(struct stale *stale, struct fw_slice firmware_id, char *url)
{
	struct stale_row *row = &stale->rows[stale->count];

	if (!firmware_id.len || firmware_id.len > FW_ID_MAX) {
		free(url);
		return;
	}
	memcpy(row->firmware_id, firmware_id.at, firmware_id.len);
	row->firmware_id[firmware_id.len] = '\0';
	row->url = url;
	stale->count++;
}

/* Does this row of STORED still describe its file? A rejected row without a row of firmware_file
 * was rejected by hand, and stays so. */
static bool still_holds(const struct fw_firmware_files *files, sqlite3_stmt *statement)
{
	const char *file = (const char *)sqlite3_column_text(statement, 1);
	bool ready = sqlite3_column_int(statement, 2),
	     remembered = sqlite3_column_int(statement, 4);
	struct fw_file_stamp now,
		stamp = {.size = sqlite3_column_int64(statement, 8),
			.mtime_ns = sqlite3_column_int64(statement, 9),
			.ctime_ns = sqlite3_column_int64(statement, 10),
			.inode = sqlite3_column_int64(statement, 11)};

	if (!remembered)
		return !ready;
	if (!sqlite3_column_int(statement, 5) || (ready && !sqlite3_column_int(statement, 6)))
		return false;
	now = fw_folder_look(files->hosting->folder, file ? file : "");
	return fw_file_stamp_equal(&now, &stamp);
}

static void check_url(
	const struct fw_firmware_files *files, sqlite3_stmt *statement, struct stale *stale)
{
	char *url;

	if (!sqlite3_column_int(statement, 7))
		return;
	url = fw_hosting_plain_url(
		files->hosting, fw_db_text(statement, 0), fw_db_text(statement, 1));
	if (url && !fw_slice_equal(fw_slice_of(url), fw_db_text(statement, 3)))
		add_stale(stale, fw_db_text(statement, 0), url);
	else
		free(url);
}

static enum fw_status find_stale(struct fw_firmware_files *files, struct stale *stale)
{
	sqlite3_stmt *statement = files->stored[STORED];
	enum fw_status status;

	while ((status = fw_db_step(statement)) == FW_OK && stale->count < STALE_ROWS) {
		if (!still_holds(files, statement))
			add_stale(stale, fw_db_text(statement, 0), NULL);
		else
			check_url(files, statement, stale);
	}
	sqlite3_reset(statement);
	return status == FW_NOT_FOUND ? FW_OK : status;
}

static enum fw_status renew(struct fw_firmware_files *files, void *context)
{
	struct stale *stale = context;
	enum fw_status status = FW_OK;

	for (size_t i = 0; i < stale->count && status == FW_OK; i++) {
		sqlite3_stmt *statement =
			files->stored[stale->rows[i].url ? RENEW_URL : BACK_TO_PENDING];

		fw_db_bind_text(statement, 1, fw_slice_of(stale->rows[i].firmware_id));
		if (stale->rows[i].url)
			fw_db_bind_text(statement, 2, fw_slice_of(stale->rows[i].url));
		status = fw_db_run(statement);
		/* a url that the rules refuse must not hold up the others: the row keeps its old
		 * one */
		if (status == FW_INVALID)
			status = FW_OK;
	}
	return status;
}

enum fw_status fw_firmware_stored_review(struct fw_firmware_files *files, bool *more)
{
	struct stale stale = {.count = 0};
	enum fw_status status;

	if (fw_verifier_changed(files->verifier) ||
		atomic_exchange(&files->hosting->suspect, false) ||
		fw_boot_ms() >= files->next_look)
		files->look_at_files = true;
	if (!files->look_at_files)
		return FW_OK;
	/* ends transfers of what is being written to */
	fw_transfers_sample(files->transfers);
	status = find_stale(files, &stale);
	if (status == FW_OK && stale.count)
		status = fw_firmware_files_in_transaction(files, renew, &stale);
	for (size_t i = 0; i < stale.count; i++)
		free(stale.rows[i].url);
	if (status != FW_OK)
		return status;
	files->look_at_files = stale.count == STALE_ROWS;
	*more |= files->look_at_files;
	files->look_for_pending |= stale.count > 0;
	files->next_look = fw_boot_ms() + LOOK_EVERY_MS;
	return FW_OK;
}
