/* Which device downloads what, gathered in memory until the store writes it into the catalog.
 * Bounded. Any thread. */
#ifndef FW_FILES_TRANSFERS_H
#define FW_FILES_TRANSFERS_H

#include "base/fw.h"
#include "files/spans.h"

#define FW_TRANSFERS_IMAGE 17u /* 16 hex digits of an image's SHA-256, and the terminator */
#define FW_TRANSFERS_SPANS 16u /* of a record */

struct fw_transfers;

/* A part of a transfer, reported when it starts, while it lasts, and when it ends. */
struct fw_transfer {
	/* device is empty when nothing proves which one it is */
	struct fw_slice product, device, firmware_id;
	/* its SHA-256 in hex, which tells it from others of that firmware id; may be empty */
	struct fw_slice image;
	int64_t total;   /* size of the file */
	int64_t bytes;   /* of one piece of the file, sent since the last report */
	int64_t reached; /* offset in the file where that piece ends */
	bool started;    /* the first report of a request */
};

/* A row of the table download, or what is to be added to it. */
struct fw_transfers_record {
	char product_id[FW_ID_MAX + 1], device_id[FW_ID_MAX + 1], firmware_id[FW_ID_MAX + 1];
	int64_t first_at, last_at; /* Unix ms; last_at 0: no byte yet */
	int64_t bytes, reached, total, requests;
	char image[FW_TRANSFERS_IMAGE]; /* what was sent; empty: not known */
	/* what was sent of the file, as far as there is room */
	struct fw_span spans[FW_TRANSFERS_SPANS];
	size_t span_count;
};

struct fw_transfers *fw_transfers_new(size_t most);     /* NULL when out of memory */
void fw_transfers_free(struct fw_transfers *transfers); /* NULL is fine */

/* Adds to what is gathered of this device, firmware and image. Records beyond `most` are dropped.
 */
void fw_transfers_note(struct fw_transfers *transfers, const struct fw_transfers_record *record);

/* `sample` reports how far the transfers in progress are; NULL for none. Once this returns, the
 * sampler before is not running. fw_transfers_sample calls it: before records are taken. */
void fw_transfers_set_sampler(
	struct fw_transfers *transfers, void (*sample)(void *context), void *context);
void fw_transfers_sample(struct fw_transfers *transfers);

/* Takes up to `most` records out; returns how many. Records come in rounds: what is noted during
 * one belongs to the next. *left: this round has more. */
size_t fw_transfers_take(struct fw_transfers *transfers, struct fw_transfers_record *records,
	size_t most, bool *left);

#endif
