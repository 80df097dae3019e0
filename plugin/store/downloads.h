/* Table download: who downloads what, and how far, written down every two seconds. The store's
 * thread. */
#ifndef FW_STORE_DOWNLOADS_H
#define FW_STORE_DOWNLOADS_H

#include "files/transfers.h"
#include "store/transaction.h"

struct fw_store_download;

/* FW_OK, FW_NOMEM, or trouble with a sentence. Writer and access are borrowed. */
enum fw_status fw_store_download_open(struct fw_writer *writer, struct fw_access *access,
	struct fw_store_download **out, struct fw_error *error);
void fw_store_download_close(struct fw_store_download *download); /* NULL is fine */

/* Writes some when it is due, in a transaction of its own; *more: there are others. */
enum fw_status fw_store_download_work(struct fw_store_download *download, bool *more);

/* Writes all, for at most two seconds: the broker stops. */
enum fw_status fw_store_download_flush(struct fw_store_download *download);

/* Deletes up to `most` rows whose last byte was sent before `before` (Unix ms); *left: there are
 * others. */
enum fw_status fw_store_download_prune(
	struct fw_store_download *download, int64_t before, int64_t most, bool *left);

#endif
