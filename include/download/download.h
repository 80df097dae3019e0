/* Brings files to devices: the parts of the download side, started and stopped together. On the side (side.h), but for what says
 * otherwise. */
#ifndef FW_DOWNLOAD_DOWNLOAD_H
#define FW_DOWNLOAD_DOWNLOAD_H

#include "files/transfers.h"
#include "download/chunk.h"
#include "files/hosting.h"
#include "base/options.h"

struct fw_courier;

/* Folder and key: what the store and the answers need. `options` and `counters` are borrowed. FW_OK, or FW_INVALID with a sentence, FW_NOMEM. */
enum fw_status fw_courier_new(const struct fw_options *options, struct fw_counters *counters, struct fw_courier **out, struct fw_error *error);
void fw_courier_free(struct fw_courier *courier); /* stops; NULL is fine */

/* The catalog is there: serves chunks, and HTTP when the options say so. */
enum fw_status fw_courier_start(struct fw_courier *courier, struct fw_error *error);
void fw_courier_stop(struct fw_courier *courier); /* ends all transfers; NULL is fine */

/* Any thread. These live as long as the courier. */
struct fw_delivery *fw_courier_delivery(struct fw_courier *courier);
struct fw_access *fw_courier_access(struct fw_courier *courier);
struct fw_chunks *fw_courier_chunks(struct fw_courier *courier); /* between start and stop */

#endif
