/* Writes into a firmware row what the verifier found of its file: ready, rejected, or what the row
 * still waits for.
 *
 * Each statement's WHERE compares the row with the copy that the verifier worked on, so that a row
 * that has changed since stays as it is. A result stays in memory until the catalog has it. */
#include "store/firmware_files_internal.h"

#include <stdlib.h>

#define UNSETTLED_MS 250 /* before a file that is being written is tried again */
#define UNREAD_MS 5000   /* before one that could not be read is */

enum statement { READY, REJECT, HAS_REASON, WAIT, REMEMBER, STATEMENTS };
_Static_assert(STATEMENTS == FW_VERDICT_STATEMENTS, "as many as struct fw_firmware_files has");

/* The row is still as the verifier got it: ?1 to ?6. */
#define AS_SUBMITTED                                                                               \
	" WHERE firmware_id = ?1 AND state = 'pending' AND file IS ?2 AND size IS ?3 AND "         \
	"sign_method IS ?4 AND sign IS ?5"                                                         \
	" AND (SELECT public_key FROM product p WHERE p.product_id = firmware.product_id) IS ?6"

static const char *const sql[STATEMENTS] = {
	/* an earlier made url may be of another file, or have another url_base */
	[READY] = "UPDATE firmware SET state = 'ready', state_reason = NULL, size = coalesce(size, "
		  "?7), sign_method = coalesce(sign_method, ?8),"
		  " sign = coalesce(sign, ?9), url = iif(" FW_FIRMWARE_URL_MADE
		  ", ?10, coalesce(url, ?10))" AS_SUBMITTED,
	[REJECT] = "UPDATE firmware SET state = 'rejected', state_reason = ?7" AS_SUBMITTED,
	[HAS_REASON] = "SELECT 1 FROM firmware WHERE firmware_id = ?1 AND state_reason IS ?2",
	[WAIT] = "UPDATE firmware SET state_reason = ?7" AS_SUBMITTED,
	/* a url that equals what the plugin would make counts as made by it */
	[REMEMBER] = "INSERT OR REPLACE INTO firmware_file (firmware_id, file, size, mtime_ns, "
		     "ctime_ns, inode, sha256, verified_at, url_made)"
		     " SELECT f.firmware_id, f.file, ?2, ?3, ?4, ?5, ?6, ?7, coalesce(f.url = ?8, "
		     "0) OR " FW_FIRMWARE_URL_MADE " FROM firmware f WHERE f.firmware_id = ?1",
};

enum fw_status fw_firmware_verdict_prepare(struct fw_firmware_files *files, struct fw_error *error)
{
	return fw_db_prepare(files->transaction->db, sql, files->verdict, STATEMENTS, error);
}

static void bind_as_submitted(sqlite3_stmt *statement, const struct fw_verify_job *job)
{
	fw_db_bind_text(statement, 1, fw_slice_of(job->firmware_id));
	fw_db_bind_text(statement, 2, fw_slice_of(job->file));
	if (job->size >= 0)
		fw_db_bind_integer(statement, 3, job->size);
	else
		sqlite3_bind_null(statement, 3);
	fw_db_bind_text(statement, 4, fw_slice_of(job->sign_method));
	fw_db_bind_text(statement, 5, fw_slice_of(job->sign));
	fw_db_bind_text(statement, 6, fw_slice_of(job->public_key));
}

static enum fw_status remember(
	struct fw_firmware_files *files, const struct fw_verify_result *result, const char *url)
{
	sqlite3_stmt *statement = files->verdict[REMEMBER];
	bool good = result->outcome == FW_VERIFY_GOOD;

	fw_db_bind_text(statement, 1, fw_slice_of(result->job.firmware_id));
	fw_db_bind_integer(statement, 2, result->stamp.size);
	fw_db_bind_integer(statement, 3, result->stamp.mtime_ns);
	fw_db_bind_integer(statement, 4, result->stamp.ctime_ns);
	fw_db_bind_integer(statement, 5, result->stamp.inode);
	fw_db_bind_text(statement, 6, fw_slice_of(good ? result->digest.sha256 : NULL));
	fw_db_bind_integer(statement, 7, files->transaction->wall_ms);
	fw_db_bind_text(statement, 8, fw_slice_of(url));
	return fw_db_run(statement);
}

static sqlite3_stmt *start_verdict(
	struct fw_firmware_files *files, const struct fw_verify_result *result, const char *url)
{
	bool good = result->outcome == FW_VERIFY_GOOD;
	sqlite3_stmt *statement = files->verdict[good ? READY : REJECT];

	bind_as_submitted(statement, &result->job);
	if (!good) {
		fw_db_bind_text(statement, 7, fw_slice_of(result->reason.text));
		return statement;
	}
	fw_db_bind_integer(statement, 7, result->stamp.size);
	fw_db_bind_text(statement, 8, fw_slice_of(fw_sign_method_name(result->method)));
	fw_db_bind_text(statement, 9, fw_slice_of(result->digest.digest));
	fw_db_bind_text(statement, 10, fw_slice_of(url));
	return statement;
}

static enum fw_status write_verdict(struct fw_firmware_files *files, void *context)
{
	const struct fw_verify_result *result = &files->result;
	char *url = fw_hosting_plain_url(files->hosting, fw_slice_of(result->job.firmware_id),
		fw_slice_of(result->job.file));
	bool *applied = context;
	enum fw_status status = url ? fw_db_run(start_verdict(files, result, url)) : FW_NOMEM;

	*applied = status == FW_OK && sqlite3_changes(files->transaction->db) > 0;
	if (*applied)
		status = remember(files, result, url);
	free(url);
	/* an operator's trigger keeps the row from being rejected */
	if (status == FW_INVALID && result->outcome == FW_VERIFY_BAD) {
		fw_firmware_files_try_again_after(files, UNREAD_MS);
		status = fw_transaction_pass_over(
			files->transaction, status, "that a file is rejected");
	}
	return status;
}

static void log_verdict(struct fw_firmware_files *files, const struct fw_verify_result *result)
{
	if (result->outcome == FW_VERIFY_GOOD)
		fw_transaction_log(files->transaction, FW_LOG_INFO,
			"firmware '%s' is ready: its file has %lld bytes, sha256 %s",
			result->job.firmware_id, (long long)result->stamp.size,
			result->digest.sha256);
	else
		fw_transaction_log(files->transaction, FW_LOG_WARNING,
			"firmware '%s' is rejected: %s", result->job.firmware_id,
			result->reason.text);
}

/* What the plugin itself fills in (url, sign) breaks the catalog's rules. The row is rejected, so
 * that its file is not verified for ever. */
static enum fw_status refuse_verdict(struct fw_firmware_files *files, bool *applied)
{
	struct fw_verify_result *result = &files->result;

	result->outcome = FW_VERIFY_BAD;
	result->reason.text[0] = '\0';
	fw_error_set(&result->reason,
		"what follows from the file cannot be written into the row: %s",
		files->transaction->error.text);
	return fw_firmware_files_in_transaction(files, write_verdict, applied);
}

static enum fw_status write_waiting(struct fw_firmware_files *files, void *context)
{
	sqlite3_stmt *statement = files->verdict[WAIT];

	(void)context;
	bind_as_submitted(statement, &files->result.job);
	fw_db_bind_text(statement, 7, fw_slice_of(files->result.reason.text));
	return fw_transaction_pass_over(
		files->transaction, fw_db_run(statement), "what a file waits for");
}

/* A trigger has ended the transaction of a verdict. The file is verified again. */
static enum fw_status pass_over_ended(struct fw_firmware_files *files, enum fw_status status)
{
	if (status != FW_INVALID)
		return status;
	fw_transaction_log_passed_over(
		files->transaction, "what a file is found to be", files->transaction->error.text);
	return FW_OK;
}

/* The file cannot be verified yet: writes the reason into its row, once. A file may be open for
 * hours. */
static enum fw_status note_waiting(struct fw_firmware_files *files)
{
	const struct fw_verify_result *result = &files->result;
	sqlite3_stmt *statement = files->verdict[HAS_REASON];
	enum fw_status status;

	fw_firmware_files_try_again_after(
		files, result->outcome == FW_VERIFY_UNREAD ? UNREAD_MS : UNSETTLED_MS);
	if (!result->reason.text[0])
		return FW_OK;
	fw_db_bind_text(statement, 1, fw_slice_of(result->job.firmware_id));
	fw_db_bind_text(statement, 2, fw_slice_of(result->reason.text));
	status = fw_db_step(statement);
	sqlite3_reset(statement);
	if (status == FW_NOT_FOUND)
		status = fw_firmware_files_in_transaction(files, write_waiting, NULL);
	return pass_over_ended(files, status);
}

enum fw_status fw_firmware_verdict_apply(struct fw_firmware_files *files, bool *changed)
{
	bool applied = false;
	enum fw_status status;

	if (!files->has_result &&
		!(files->has_result = fw_verifier_take(files->verifier, &files->result)))
		return FW_OK;
	if (files->result.outcome == FW_VERIFY_UNSETTLED ||
		files->result.outcome == FW_VERIFY_UNREAD) {
		status = note_waiting(files);
		if (status != FW_OK)
			return status;
	} else {
		status = fw_firmware_files_in_transaction(files, write_verdict, &applied);
		if (status == FW_INVALID)
			status = refuse_verdict(files, &applied);
		status = pass_over_ended(files, status);
		if (status != FW_OK)
			return status;
		if (applied)
			log_verdict(files, &files->result);
		else
			fw_firmware_files_try_again_after(files, UNSETTLED_MS);
		*changed |= applied;
	}
	fw_verify_job_clear(&files->result.job);
	files->has_result = false;
	files->look_for_pending = true;
	return FW_OK;
}
