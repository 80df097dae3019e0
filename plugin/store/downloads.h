/* Table download: who downloads what, and how far, written down every two seconds. The store's
 * thread. */
#ifndef FW_STORE_DOWNLOADS_H
#define FW_STORE_DOWNLOADS_H

#include "files/transfers.h"
#include "store/transaction.h"

struct fw_downloads;

/* FW_OK, FW_NOMEM, or an error with a message. Writer and transfers are borrowed. */
enum fw_status fw_downloads_open(struct fw_transaction *transaction, struct fw_transfers *transfers,
	struct fw_downloads **out, struct fw_error *error);
void fw_downloads_close(struct fw_downloads *download); /* NULL is fine */

/* Writes some when it is due, in a transaction of its own; *more: there are others. */
enum fw_status fw_downloads_work(struct fw_downloads *download, bool *more);

/* Writes all, for at most two seconds: the broker stops. */
enum fw_status fw_downloads_flush(struct fw_downloads *download);

/* Deletes up to `most` rows whose last byte was sent before `before` (Unix ms); *left: there are
 * others. */
enum fw_status fw_downloads_prune(
	struct fw_downloads *download, int64_t before, int64_t most, bool *left);

#endif
