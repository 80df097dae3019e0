/* A share is one number: when the device has had what it asked for. Devices are remembered in two
 * generations of a table: who asks is in the young one; when that is full it becomes the old one,
 * and the old one is dropped, a few entries at each request. */
#include "download/chunk_share.h"

#include <stdlib.h>
#include <string.h>

#include "base/table.h"
#include "download/chunk.h"

#define DEVICES_MOST 65536u /* remembered for a while */
#define FREED_A_REQUEST 64u /* a request adds one at most, so this catches up */
#define SECOND_US 1000000
/* due times are multiples of it, so that many requests become ready in one walk of the delayed */
#define LATER_MS 10

struct fw_chunk_share {
	unsigned waiting;  /* requests not yet read */
	int64_t served_us; /* boot time in us by which it has had what it asked for, at its rate */
	bool forgotten;    /* in no table any more */
};

struct fw_chunk_shares {
	struct fw_table *young, *old; /* product/device to struct fw_chunk_share */
	struct fw_retired retired;
};

/* A share that requests still hold is freed with the last of them. */
static void forget(void *value)
{
	struct fw_chunk_share *share = value;

	share->forgotten = true;
	if (!share->waiting)
		free(share);
}

struct fw_chunk_shares *fw_chunk_shares_new(void)
{
	struct fw_chunk_shares *shares = calloc(1, sizeof(*shares));

	if (!shares)
		return NULL;
	shares->young = fw_table_new(0);
	shares->old = fw_table_new(0);
	if (shares->young && shares->old)
		return shares;
	fw_chunk_shares_free(shares);
	return NULL;
}

void fw_chunk_shares_free(struct fw_chunk_shares *shares)
{
	if (!shares)
		return;
	if (shares->young)
		fw_table_clear(shares->young, forget);
	if (shares->old)
		fw_table_clear(shares->old, forget);
	fw_table_free(shares->young);
	fw_table_free(shares->old);
	fw_retired_free_some(&shares->retired, SIZE_MAX, forget);
	free(shares);
}

static void turn_over(struct fw_chunk_shares *shares)
{
	struct fw_table *emptied;

	fw_table_retire(&shares->old, &shares->retired, forget);
	emptied = shares->old;
	shares->old = shares->young;
	shares->young = emptied;
}

static struct fw_chunk_share *find_share(
	struct fw_chunk_shares *shares, struct fw_slice product, struct fw_slice device)
{
	char buffer[FW_DEVICE_KEY];
	struct fw_slice key = fw_device_key(buffer, product, device);
	struct fw_chunk_share *share;

	share = fw_table_get(shares->young, key);
	if (share)
		return share;
	share = fw_table_remove(shares->old, key);
	if (fw_table_count(shares->young) >= DEVICES_MOST / 2)
		turn_over(shares);
	fw_retired_free_some(&shares->retired, FREED_A_REQUEST, forget);
	if (!share)
		share = calloc(1, sizeof(*share));
	if (!share || fw_table_put(shares->young, key, share, NULL) == FW_OK)
		return share;
	forget(share);
	return NULL;
}

struct fw_chunk_share *fw_chunk_share_take(struct fw_chunk_shares *shares, struct fw_slice product,
	struct fw_slice device, int64_t length, int64_t *due)
{
	int64_t second_ago = fw_boot_ms() * 1000 - SECOND_US;
	struct fw_chunk_share *share = find_share(shares, product, device);

	if (!share || share->waiting >= FW_CHUNK_OF_DEVICE)
		return NULL;
	/* what it did not ask for in the last second it may have at once */
	if (share->served_us < second_ago)
		share->served_us = second_ago;
	*due = (share->served_us / 1000 + LATER_MS - 1) / LATER_MS * LATER_MS;
	share->served_us += length * SECOND_US / FW_CHUNK_DEVICE_RATE;
	share->waiting++;
	return share;
}

void fw_chunk_share_give_back(struct fw_chunk_share *share)
{
	if (--share->waiting == 0 && share->forgotten)
		free(share);
}
