/* One slot a device, by a seeded hash of its ids. Of two devices that share a slot, only the last
 * one is remembered. */
#include "service/pull_dedup.h"

#include <stdlib.h>

#define SLOTS 65536u      /* a power of two */
#define REPEATED_MS 60000 /* a pull that is equal to one younger than this is a repetition */

struct slot {
	/* hashes: of the ids; of version, offer, connection and generation */
	uint64_t device, content;
	int64_t at; /* Unix ms */
};

struct fw_pull_dedup {
	uint64_t seed;
	struct slot slots[SLOTS];
};

struct fw_pull_dedup *fw_pull_dedup_new(void)
{
	struct fw_pull_dedup *pull_dedup = calloc(1, sizeof(*pull_dedup));

	if (pull_dedup)
		pull_dedup->seed = fw_random();
	return pull_dedup;
}

void fw_pull_dedup_free(struct fw_pull_dedup *pull_dedup)
{
	free(pull_dedup);
}

static struct slot *slot_of(struct fw_pull_dedup *pull_dedup, uint64_t device)
{
	return &pull_dedup->slots[(device ^ device >> 32) & (SLOTS - 1)];
}

bool fw_pull_dedup_note(struct fw_pull_dedup *pull_dedup, struct fw_slice product,
	struct fw_slice device, const struct fw_pull_report *pull)
{
	uint64_t device_hash = fw_hash_device(pull_dedup->seed, product, device);
	uint64_t when[] = {pull->connection, pull->generation};
	uint64_t content = fw_hash(
		fw_hash(pull_dedup->seed, when, sizeof(when)), pull->version.at, pull->version.len);
	struct slot *slot = slot_of(pull_dedup, device_hash);
	bool recent = pull->now >= slot->at && pull->now - slot->at < REPEATED_MS;

	if (pull->offered.len)
		content = fw_hash(fw_hash(content, "", 1), pull->offered.at, pull->offered.len);
	if (slot->device == device_hash && slot->content == content && recent)
		return false;
	*slot = (struct slot){device_hash, content, pull->now};
	return true;
}

void fw_pull_dedup_forget(
	struct fw_pull_dedup *pull_dedup, struct fw_slice product, struct fw_slice device)
{
	slot_of(pull_dedup, fw_hash_device(pull_dedup->seed, product, device))->at = 0;
}
