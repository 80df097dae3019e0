/* The life of firmware rows that name a file, and the table of downloads.
 * For the store's own files; store thread only, but for open and close.
 *
 *   pending -- verified --> ready -- file looks different, or is gone --> pending
 *      \----- differs -----> rejected -- file looks different ----------> pending
 */
#ifndef FW_STORE_FIRMWARE_FILES_H
#define FW_STORE_FIRMWARE_FILES_H

#include "files/hosting.h"
#include "files/transfers.h"
#include "store/transaction.h"

struct fw_firmware_files;

/* These two on the I/O thread (base/io_thread.h). Starts the verifier. All is borrowed. */
enum fw_status fw_firmware_files_open(struct fw_transaction *transaction,
	struct fw_hosting *hosting, struct fw_transfers *transfers, struct fw_firmware_files **out,
	struct fw_error *error);
void fw_firmware_files_close(struct fw_firmware_files *files); /* NULL is fine */

/* Ends transfers of files that were written to. Needs no catalog: call it in every round, also
 * while the catalog is locked. */
void fw_firmware_files_guard(struct fw_firmware_files *files);

/* Opens transactions of its own, each short: does a part of what is due. *more: there is more to do
 * at once, here or for the scheduler (firmware became ready). FW_OK, or the error that rolled the
 * last of them back: to be tried again later. */
enum fw_status fw_firmware_files_work(struct fw_firmware_files *files, bool *more);

/* When the broker stops: writes what was downloaded, for two seconds at most. FW_OK or an error. */
enum fw_status fw_firmware_files_flush(struct fw_firmware_files *files);

/* Inside a transaction: deletes at most `most` rows of table download whose last byte was sent
 * before `before` (Unix ms). Sets *left when others may remain. */
enum fw_status fw_firmware_files_prune(
	struct fw_firmware_files *files, int64_t before, int64_t most, bool *left);

#endif
