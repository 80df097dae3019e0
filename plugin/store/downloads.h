/* Table download: which device downloads what, and how far, written every two seconds. For the
 * store's own files; store thread only. */
#ifndef FW_STORE_DOWNLOADS_H
#define FW_STORE_DOWNLOADS_H

#include "files/transfers.h"
#include "store/transaction.h"

struct fw_downloads;

/* `transaction` and `transfers` are borrowed. FW_OK, or an error with a message in `error`. The
 * caller owns *out. */
enum fw_status fw_downloads_open(struct fw_transaction *transaction, struct fw_transfers *transfers,
	struct fw_downloads **out, struct fw_error *error);
void fw_downloads_close(struct fw_downloads *download); /* NULL is fine */

/* When it is due, writes some records in a transaction of its own. Sets *more when others are left.
 * FW_OK, or the error that rolled it back: to be tried again later. */
enum fw_status fw_downloads_work(struct fw_downloads *download, bool *more);

/* When the broker stops: writes all records, for at most two seconds. */
enum fw_status fw_downloads_flush(struct fw_downloads *download);

/* Inside a transaction. Deletes up to `most` rows whose last byte was sent before `before` (Unix
 * ms). Sets *left when others may remain. */
enum fw_status fw_downloads_prune(
	struct fw_downloads *download, int64_t before, int64_t most, bool *left);

#endif
