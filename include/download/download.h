/* The download service: HTTP and chunks over MQTT, started and stopped together. On the I/O thread
 * (base/io_thread.h) where nothing else is said. */
#ifndef FW_DOWNLOAD_DOWNLOAD_H
#define FW_DOWNLOAD_DOWNLOAD_H

#include "base/options.h"
#include "download/chunk.h"
#include "files/hosting.h"
#include "files/transfers.h"

struct fw_download;

/* Prepares the folder and the key, which the store and the answers need; serves nothing yet.
 * `options` and `counters` are borrowed. FW_OK, or FW_INVALID with a message, FW_NOMEM. */
enum fw_status fw_download_new(const struct fw_options *options, struct fw_counters *counters,
	struct fw_download **out, struct fw_error *error);
void fw_download_free(struct fw_download *download); /* stops; NULL is fine */

/* The catalog is there: serves chunks, for which `waker` wakes the broker's thread, and HTTP when
 * the options say so. FW_OK, or an error with a message, FW_NOMEM. */
enum fw_status fw_download_start(
	struct fw_download *download, struct fw_waker waker, struct fw_error *error);
void fw_download_stop(struct fw_download *download); /* ends all transfers; NULL is fine */

/* Any thread. These live as long as the download. */
struct fw_hosting *fw_download_hosting(struct fw_download *download);
struct fw_transfers *fw_download_transfers(struct fw_download *download);
struct fw_chunks *fw_download_chunks(struct fw_download *download); /* between start and stop */

#endif
