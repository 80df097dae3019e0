/* Firmware rows that name a file, as their own files see them.
 *
 *   firmware_files.c    life cycle, and a round of work
 *   firmware_pending.c  a pending row is given to the verifier
 *   firmware_verdict.c  what the verifier found is written into the row
 *   firmware_stored.c   rows whose file changed since go back to pending */
#ifndef FW_STORE_FIRMWARE_FILES_INTERNAL_H
#define FW_STORE_FIRMWARE_FILES_INTERNAL_H

#include "catalog/db.h"
#include "files/verifier.h"
#include "store/downloads.h"
#include "store/firmware_files.h"

#define FW_VERDICT_STATEMENTS 5
#define FW_STORED_STATEMENTS 3
#define FW_PENDING_STATEMENTS 1

/* The plugin made the url of firmware ?1. */
#define FW_FIRMWARE_URL_MADE                                                                       \
	"EXISTS (SELECT 1 FROM firmware_file ff WHERE ff.firmware_id = ?1 AND ff.url_made = 1)"

struct fw_firmware_files {
	struct fw_transaction *transaction;
	struct fw_hosting *hosting;
	struct fw_transfers *transfers;
	struct fw_verifier *verifier;
	sqlite3_stmt *verdict[FW_VERDICT_STATEMENTS];
	sqlite3_stmt *stored[FW_STORED_STATEMENTS];
	sqlite3_stmt *pending[FW_PENDING_STATEMENTS];
	char cursor[FW_ID_MAX + 1]; /* the pending row that was tried last in this pass */
	bool look_for_pending, look_at_files;
	/* how long the next pass waits, since a file of this one must be tried again; 0: none */
	int64_t again_ms;
	int64_t pending_after;         /* boot ms: not before */
	int64_t next_look, next_guard; /* boot ms */
	int64_t data_version;          /* at which pending rows were last looked for */
	bool has_result;               /* taken from the verifier, not yet in the catalog */
	struct fw_verify_result result;
	struct fw_downloads *downloads;
};

/* Runs `job` in a transaction of its own. */
enum fw_status fw_firmware_files_in_transaction(struct fw_firmware_files *files,
	enum fw_status (*job)(struct fw_firmware_files *files, void *context), void *context);
/* A file of this pass must be tried again after `ms`: of several such files the longest counts. */
void fw_firmware_files_try_again_after(struct fw_firmware_files *files, int64_t ms);

/* Each prepares its statements. FW_OK, or an error with a message in `error`. */
enum fw_status fw_firmware_verdict_prepare(struct fw_firmware_files *files, struct fw_error *error);
enum fw_status fw_firmware_stored_prepare(struct fw_firmware_files *files, struct fw_error *error);
enum fw_status fw_firmware_pending_prepare(struct fw_firmware_files *files, struct fw_error *error);

/* Writes what the verifier found, if it has found anything. Sets *changed when a row became ready
 * or rejected. */
enum fw_status fw_firmware_verdict_apply(struct fw_firmware_files *files, bool *changed);
/* Compares rows with what is in the folder, when that is due. Sets *more when there is more to do
 * at once. */
enum fw_status fw_firmware_stored_review(struct fw_firmware_files *files, bool *more);
/* Gives the next pending row to the verifier, when that is idle. */
enum fw_status fw_firmware_pending_submit(struct fw_firmware_files *files);

#endif
