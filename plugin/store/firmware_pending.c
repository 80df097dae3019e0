/* Gives pending firmware rows to the verifier, one at a time, in the order of their ids. A pass
 * over all pending rows ends with the last id. When some of its files have to be tried again, the
 * next pass begins after a wait. */
#include "store/firmware_files_internal.h"

#include <string.h>

enum statement { PENDING, STATEMENTS };
_Static_assert(STATEMENTS == FW_PENDING_STATEMENTS, "as many as struct fw_firmware_files has");

static const char *const sql[STATEMENTS] = {
	[PENDING] = "SELECT f.firmware_id, f.file, f.size, f.sign_method, f.sign, p.public_key "
		    "FROM firmware f"
		    " CROSS JOIN product p ON p.product_id = f.product_id"
		    " WHERE f.state = 'pending' AND f.file IS NOT NULL AND f.firmware_id > ?1 "
		    "ORDER BY f.firmware_id LIMIT 1",
};

enum fw_status fw_firmware_pending_prepare(struct fw_firmware_files *files, struct fw_error *error)
{
	return fw_db_prepare(files->transaction->db, sql, files->pending, STATEMENTS, error);
}

static bool copy_text(sqlite3_stmt *statement, int column, char **out)
{
	struct fw_slice text = fw_db_text(statement, column);

	*out = text.at ? strndup(text.at, text.len) : NULL;
	return !text.at || *out;
}

static enum fw_status read_job(struct fw_firmware_files *files, struct fw_verify_job *job)
{
	sqlite3_stmt *statement = files->pending[PENDING];
	enum fw_status status;

	sqlite3_bind_text(statement, 1, files->cursor, -1, SQLITE_STATIC);
	status = fw_db_step(statement);
	if (status != FW_OK)
		return status;
	*job = (struct fw_verify_job){.size = sqlite3_column_type(statement, 2) == SQLITE_NULL
			? -1
			: sqlite3_column_int64(statement, 2)};
	if (!copy_text(statement, 0, &job->firmware_id) || !copy_text(statement, 1, &job->file) ||
		!copy_text(statement, 3, &job->sign_method) ||
		!copy_text(statement, 4, &job->sign) ||
		!copy_text(statement, 5, &job->public_key) || !job->firmware_id ||
		strlen(job->firmware_id) > FW_ID_MAX)
		status = FW_NOMEM;
	sqlite3_reset(statement);
	if (status != FW_OK)
		fw_verify_job_clear(job);
	return status;
}

/* PRAGMA data_version shows operators' changes; the plugin's own set look_for_pending. */
static enum fw_status note_changes(struct fw_firmware_files *files)
{
	int64_t data_version = 0;
	enum fw_status status =
		fw_db_integer(files->transaction->db, "PRAGMA data_version", &data_version, NULL);

	if (status == FW_OK && data_version != files->data_version) {
		files->data_version = data_version;
		files->look_for_pending = true;
		files->pending_after = 0;
	}
	return status;
}

/* Ends a pass. Where it met files that must be tried again, the next pass begins after a wait. */
static void finish_pass(struct fw_firmware_files *files)
{
	files->look_for_pending = files->again_ms || files->cursor[0];
	if (files->again_ms)
		files->pending_after = fw_boot_ms() + files->again_ms;
	files->cursor[0] = '\0';
	files->again_ms = 0;
}

enum fw_status fw_firmware_pending_submit(struct fw_firmware_files *files)
{
	struct fw_verify_job job;
	enum fw_status status = note_changes(files);

	if (status != FW_OK || !files->look_for_pending || fw_boot_ms() < files->pending_after ||
		!fw_verifier_idle(files->verifier))
		return status;
	status = read_job(files, &job);
	if (status == FW_NOT_FOUND) {
		finish_pass(files);
		return FW_OK;
	}
	if (status != FW_OK)
		return status;
	memcpy(files->cursor, job.firmware_id, strlen(job.firmware_id) + 1);
	fw_verifier_submit(files->verifier, job);
	return FW_OK;
}
