/* The life of firmware rows that name a file (the picture in firmware_files.h), and a round of
 * work.
 *
 * A file may change at any moment, and so may its row. The verifier works on a copy of the row, on
 * a thread of its own. So its result is written only if the row still says what that copy says.
 * Otherwise the row stays pending, and is given to the verifier again. */
#include "store/firmware_files_internal.h"

#include <stdlib.h>

#define GUARD_EVERY_MS 1000

static void warn_of_url_base(struct fw_firmware_files *files)
{
	const struct fw_hosting *hosting = files->hosting;

	if (fw_hosting_is_unreachable(hosting))
		fw_transaction_log(files->transaction, FW_LOG_WARNING,
			"plugin_opt_url_base is '%s', which devices cannot reach: set it to a name "
			"or an address by which they reach this machine, such as "
			"http://firmware.example.com:8080",
			hosting->url_base);
}

enum fw_status fw_firmware_files_open(struct fw_transaction *transaction,
	struct fw_hosting *hosting, struct fw_transfers *transfers, struct fw_firmware_files **out,
	struct fw_error *error)
{
	struct fw_firmware_files *files = calloc(1, sizeof(*files));
	enum fw_status status;

	if (!files)
		return FW_NOMEM;
	files->transaction = transaction;
	files->hosting = hosting;
	files->transfers = transfers;
	files->look_for_pending = files->look_at_files = true;
	warn_of_url_base(files);
	status = fw_firmware_verdict_prepare(files, error);
	if (status == FW_OK)
		status = fw_firmware_stored_prepare(files, error);
	if (status == FW_OK)
		status = fw_firmware_pending_prepare(files, error);
	if (status == FW_OK)
		status = fw_downloads_open(transaction, transfers, &files->downloads, error);
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
	fw_db_finalize(files->verdict, FW_VERDICT_STATEMENTS);
	fw_db_finalize(files->stored, FW_STORED_STATEMENTS);
	fw_db_finalize(files->pending, FW_PENDING_STATEMENTS);
	free(files);
}

enum fw_status fw_firmware_files_in_transaction(struct fw_firmware_files *files,
	enum fw_status (*job)(struct fw_firmware_files *files, void *context), void *context)
{
	enum fw_status status = fw_transaction_begin(files->transaction);

	return status == FW_OK ? fw_transaction_end(files->transaction, job(files, context), 0)
			       : status;
}

void fw_firmware_files_try_again_after(struct fw_firmware_files *files, int64_t ms)
{
	if (ms > files->again_ms)
		files->again_ms = ms;
}

enum fw_status fw_firmware_files_flush(struct fw_firmware_files *files)
{
	fw_transfers_sample(files->transfers);
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
	fw_transfers_sample(files->transfers);
}

enum fw_status fw_firmware_files_work(struct fw_firmware_files *files, bool *more)
{
	enum fw_status status = fw_firmware_verdict_apply(files, more);

	if (status == FW_OK)
		status = fw_firmware_stored_review(files, more);
	if (status == FW_OK)
		status = fw_firmware_pending_submit(files);
	if (status == FW_OK)
		status = fw_downloads_work(files->downloads, more);
	return status;
}
