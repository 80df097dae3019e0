/* What the verifier found is applied only to a row that still says what it said when the verifier
 * was asked: else the row is pending still, and asked for again. */
#include "store/firmware_files.h"

#include <stdlib.h>
#include <string.h>

#include "catalog/db.h"
#include "files/verifier.h"
#include "store/downloads.h"

/* at all files: what inotify does not see, such as another machine's writes */
#define LOOK_EVERY_MS 20000
#define UNSETTLED_MS 250 /* before a file that is being written is tried again */
#define UNREAD_MS 5000   /* before one that could not be read is */
#define GUARD_EVERY_MS 1000
#define STALE_ROWS 64u /* of one transaction */

enum statement {
	PENDING,
	STORED,
	BACK_TO_PENDING,
	RENEW_URL,
	READY,
	REJECT,
	TOLD,
	WAIT,
	REMEMBER,
	STATEMENTS
};

/* Parameters of the row as the verifier was told it. */
#define AS_TOLD                                                                                    \
	" WHERE firmware_id = ?1 AND state = 'pending' AND file IS ?2 AND size IS ?3 AND "         \
	"sign_method IS ?4 AND sign IS ?5"                                                         \
	" AND (SELECT public_key FROM product p WHERE p.product_id = firmware.product_id) IS ?6"

#define URL_MADE                                                                                   \
	"EXISTS (SELECT 1 FROM firmware_file ff WHERE ff.firmware_id = ?1 AND ff.url_made = 1)"

static const char *const sql[STATEMENTS] = {
	[PENDING] = "SELECT f.firmware_id, f.file, f.size, f.sign_method, f.sign, p.public_key "
		    "FROM firmware f"
		    " CROSS JOIN product p ON p.product_id = f.product_id"
		    " WHERE f.state = 'pending' AND f.file IS NOT NULL AND f.firmware_id > ?1 "
		    "ORDER BY f.firmware_id LIMIT 1",
	[STORED] = "SELECT f.firmware_id, f.file, f.state = 'ready', f.url, ff.firmware_id IS NOT "
		   "NULL, ff.file IS f.file, ff.sha256 IS NOT NULL,"
		   " ff.url_made, ff.size, ff.mtime_ns, ff.ctime_ns, ff.inode FROM firmware f"
		   " LEFT JOIN firmware_file ff ON ff.firmware_id = f.firmware_id WHERE f.file IS "
		   "NOT NULL AND f.state <> 'pending'",
	[BACK_TO_PENDING] = "UPDATE firmware SET state = 'pending', state_reason = 'the file is "
			    "being verified again' WHERE firmware_id = ?1 AND state <> 'pending'",
	[RENEW_URL] = "UPDATE firmware SET url = ?2 WHERE firmware_id = ?1 AND " URL_MADE,
	/* a url that was made may be that of another file, or have another url_base */
	[READY] = "UPDATE firmware SET state = 'ready', state_reason = NULL, size = coalesce(size, "
		  "?7), sign_method = coalesce(sign_method, ?8),"
		  " sign = coalesce(sign, ?9), url = iif(" URL_MADE
		  ", ?10, coalesce(url, ?10))" AS_TOLD,
	[REJECT] = "UPDATE firmware SET state = 'rejected', state_reason = ?7" AS_TOLD,
	[TOLD] = "SELECT 1 FROM firmware WHERE firmware_id = ?1 AND state_reason IS ?2",
	[WAIT] = "UPDATE firmware SET state_reason = ?7" AS_TOLD,
	/* a url that is now what the plugin would make was made by it, or is as good as that */
	[REMEMBER] = "INSERT OR REPLACE INTO firmware_file (firmware_id, file, size, mtime_ns, "
		     "ctime_ns, inode, sha256, verified_at, url_made)"
		     " SELECT f.firmware_id, f.file, ?2, ?3, ?4, ?5, ?6, ?7, coalesce(f.url = ?8, "
		     "0) OR " URL_MADE " FROM firmware f WHERE f.firmware_id = ?1",
};

struct fw_firmware_files {
	struct fw_transaction *transaction;
	struct fw_hosting *hosting;
	struct fw_transfers *access;
	struct fw_verifier *verifier;
	sqlite3_stmt *statements[STATEMENTS];
	char cursor[FW_ID_MAX + 1]; /* the pending row that was tried last: they take turns */
	bool look_for_pending, look_at_files;
	/* until a file of this turn is tried again; 0: none has to be */
	int64_t again_ms;
	int64_t pending_after;         /* boot ms: not before */
	int64_t next_look, next_guard; /* boot ms */
	int64_t data_version;          /* at which pending rows were last looked for */
	bool has_result;               /* taken from the verifier, not yet in the catalog */
	struct fw_verify_result result;
	struct fw_downloads *downloads;
};

enum fw_status fw_firmware_files_open(struct fw_transaction *transaction,
	struct fw_hosting *hosting, struct fw_transfers *access, struct fw_firmware_files **out,
	struct fw_error *error)
{
	struct fw_firmware_files *files = calloc(1, sizeof(*files));
	enum fw_status status;

	if (!files)
		return FW_NOMEM;
	files->transaction = transaction;
	files->hosting = hosting;
	files->access = access;
	files->look_for_pending = files->look_at_files = true;
	if (fw_hosting_names_nobody(hosting))
		fw_transaction_log(transaction, FW_LOG_WARNING,
			"plugin_opt_url_base is '%s', which devices cannot reach: set it to a name "
			"or an address by which they reach this machine, such as "
			"http://firmware.example.com:8080",
			hosting->url_base);
	status = fw_db_prepare(transaction->db, sql, files->statements, STATEMENTS, error);
	if (status == FW_OK)
		status = fw_downloads_open(transaction, access, &files->downloads, error);
	if (status == FW_OK)
		status = fw_verifier_start(hosting->folder, &files->verifier, error);
	if (status != FW_OK) {
		fw_firmware_files_close(files);
		return status;
	}
	*out = files;
	return FW_OK;
}

void fw_firmware_files_close(struct fw_firmware_files *files)
{
	if (!files)
		return;
	fw_verifier_stop(files->verifier);
	fw_downloads_close(files->downloads);
	if (files->has_result)
		fw_verify_job_clear(&files->result.job);
	fw_db_finalize(files->statements, STATEMENTS);
	free(files);
}

static enum fw_status in_transaction(struct fw_firmware_files *files,
	enum fw_status (*job)(struct fw_firmware_files *files, void *context), void *context)
{
	enum fw_status status = fw_transaction_begin(files->transaction);

	return status == FW_OK ? fw_transaction_end(files->transaction, job(files, context), 0)
			       : status;
}

/* --- results --- */

static void bind_as_told(sqlite3_stmt *statement, const struct fw_verify_job *job)
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
	sqlite3_stmt *statement = files->statements[REMEMBER];
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
	sqlite3_stmt *statement = files->statements[good ? READY : REJECT];

	bind_as_told(statement, &result->job);
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

/* A file of this turn wants another try: the longest wait of all of them counts. */
static void try_again_after(struct fw_firmware_files *files, int64_t ms)
{
	if (ms > files->again_ms)
		files->again_ms = ms;
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
	/* that it cannot even be rejected is a rule of the operator's */
	if (status == FW_INVALID && result->outcome == FW_VERIFY_BAD) {
		try_again_after(files, UNREAD_MS);
		status = fw_transaction_pass_over(
			files->transaction, status, "that a file is rejected");
	}
	return status;
}

static void tell(struct fw_firmware_files *files, const struct fw_verify_result *result)
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

/* A made-up url or a sign that breaks the table's rules is nobody's fault but ours; it must not be
 * tried for ever. */
static enum fw_status refuse_verdict(struct fw_firmware_files *files, bool *applied)
{
	struct fw_verify_result *result = &files->result;

	result->outcome = FW_VERIFY_BAD;
	result->reason.text[0] = '\0';
	fw_error_set(&result->reason,
		"what follows from the file cannot be written into the row: %s",
		files->transaction->trouble);
	return in_transaction(files, write_verdict, applied);
}

static enum fw_status write_waiting(struct fw_firmware_files *files, void *context)
{
	sqlite3_stmt *statement = files->statements[WAIT];

	(void)context;
	bind_as_told(statement, &files->result.job);
	fw_db_bind_text(statement, 7, fw_slice_of(files->result.reason.text));
	return fw_transaction_pass_over(
		files->transaction, fw_db_run(statement), "what a file waits for");
}

/* A file may be kept open for hours: what its row waits for is written down, once. */
static enum fw_status tell_waiting(struct fw_firmware_files *files)
{
	const struct fw_verify_result *result = &files->result;
	sqlite3_stmt *statement = files->statements[TOLD];
	enum fw_status status;

	try_again_after(files, result->outcome == FW_VERIFY_UNREAD ? UNREAD_MS : UNSETTLED_MS);
	if (!result->reason.text[0])
		return FW_OK;
	fw_db_bind_text(statement, 1, fw_slice_of(result->job.firmware_id));
	fw_db_bind_text(statement, 2, fw_slice_of(result->reason.text));
	status = fw_db_step(statement);
	sqlite3_reset(statement);
	return status == FW_NOT_FOUND ? in_transaction(files, write_waiting, NULL) : status;
}

static enum fw_status apply_result(struct fw_firmware_files *files, bool *changed)
{
	bool applied = false;
	enum fw_status status;

	if (!files->has_result &&
		!(files->has_result = fw_verifier_take(files->verifier, &files->result)))
		return FW_OK;
	if (files->result.outcome == FW_VERIFY_UNSETTLED ||
		files->result.outcome == FW_VERIFY_UNREAD) {
		status = tell_waiting(files);
		if (status != FW_OK)
			return status;
	} else {
		status = in_transaction(files, write_verdict, &applied);
		if (status == FW_INVALID)
			status = refuse_verdict(files, &applied);
		if (status != FW_OK && status != FW_INVALID)
			return status;
		if (applied)
			tell(files, &files->result);
		else
			try_again_after(files, UNSETTLED_MS);
		*changed |= applied;
	}
	fw_verify_job_clear(&files->result.job);
	files->has_result = false;
	files->look_for_pending = true;
	return FW_OK;
}

/* --- what is stored and what is there --- */

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

/* Does this row of STORED still describe what is in the folder? A rejected row that nothing is
 * remembered of was rejected by hand. */
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
	sqlite3_stmt *statement = files->statements[STORED];
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
			files->statements[stale->rows[i].url ? RENEW_URL : BACK_TO_PENDING];

		fw_db_bind_text(statement, 1, fw_slice_of(stale->rows[i].firmware_id));
		if (stale->rows[i].url)
			fw_db_bind_text(statement, 2, fw_slice_of(stale->rows[i].url));
		status = fw_db_run(statement);
		/* a url that the rules refuse must not hold up the others: the row keeps the one it
		 * has */
		if (status == FW_INVALID)
			status = FW_OK;
	}
	return status;
}

static enum fw_status look_at_files(struct fw_firmware_files *files, bool *more)
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
	fw_transfers_sample(files->access);
	status = find_stale(files, &stale);
	if (status == FW_OK && stale.count)
		status = in_transaction(files, renew, &stale);
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

/* --- pending rows --- */

static bool copy_text(sqlite3_stmt *statement, int column, char **out)
{
	struct fw_slice text = fw_db_text(statement, column);

	*out = text.at ? strndup(text.at, text.len) : NULL;
	return !text.at || *out;
}

static enum fw_status read_job(struct fw_firmware_files *files, struct fw_verify_job *job)
{
	sqlite3_stmt *statement = files->statements[PENDING];
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

/* Operators' changes are seen by the data version; the plugin's own set look_for_pending. */
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

/* The end of a turn: if it met files that are being written, the next one begins in a moment; if
 * one could not be read, a little later. */
static void finish_pass(struct fw_firmware_files *files)
{
	files->look_for_pending = files->again_ms || files->cursor[0];
	if (files->again_ms)
		files->pending_after = fw_boot_ms() + files->again_ms;
	files->cursor[0] = '\0';
	files->again_ms = 0;
}

static enum fw_status submit_pending(struct fw_firmware_files *files)
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

/* --- downloads --- */

enum fw_status fw_firmware_files_flush(struct fw_firmware_files *files)
{
	fw_transfers_sample(files->access);
	return fw_downloads_flush(files->downloads);
}

enum fw_status fw_firmware_files_prune(
	struct fw_firmware_files *files, int64_t before, int64_t most, bool *left)
{
	return fw_downloads_prune(files->downloads, before, most, left);
}

void fw_firmware_files_guard(struct fw_firmware_files *files)
{
	if (fw_boot_ms() < files->next_guard)
		return;
	files->next_guard = fw_boot_ms() + GUARD_EVERY_MS;
	fw_transfers_sample(files->access);
}

enum fw_status fw_firmware_files_work(struct fw_firmware_files *files, bool *more)
{
	enum fw_status status = apply_result(files, more);

	if (status == FW_OK)
		status = look_at_files(files, more);
	if (status == FW_OK)
		status = submit_pending(files);
	if (status == FW_OK)
		status = fw_downloads_work(files->downloads, more);
	return status;
}
