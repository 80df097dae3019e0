/* The share of each device that downloads in chunks: how many of its requests wait, and when it has
 * had what it asked for at its rate. Bounded: the last 65,536 devices at most are remembered.
 * Callers hold a lock. Pure but for the clock. */
#ifndef FW_DOWNLOAD_CHUNK_SHARE_H
#define FW_DOWNLOAD_CHUNK_SHARE_H

#include "base/fw.h"

struct fw_chunk_shares;
struct fw_chunk_share; /* of one device */

struct fw_chunk_shares *fw_chunk_shares_new(void);         /* NULL when out of memory */
void fw_chunk_shares_free(struct fw_chunk_shares *shares); /* NULL is fine */

/* A device asks for `length` bytes. Returns its share, to be given back once the request is read,
 * and in *due the boot time in ms before which it must not be read. NULL: FW_CHUNK_OF_DEVICE of its
 * requests wait already, or memory is out. */
struct fw_chunk_share *fw_chunk_share_take(struct fw_chunk_shares *shares, struct fw_slice product,
	struct fw_slice device, int64_t length, int64_t *due);
void fw_chunk_share_give_back(struct fw_chunk_share *share);

#endif
