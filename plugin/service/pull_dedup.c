#include "service/pull_dedup.h"

#include <stdlib.h>

#define SLOTS 65536u /* a power of two */
#define NEWS_MS 60000

struct slot {
	uint64_t device, told; /* hashes; told: the version and the offer, by this connection, in this generation */
	int64_t at;               /* Unix ms */
};

struct fw_recent {
	uint64_t seed;
	struct slot slots[SLOTS];
};

struct fw_recent *fw_recent_new(void)
{
	struct fw_recent *recent = calloc(1, sizeof(*recent));

	if (recent)
		recent->seed = fw_random();
	return recent;
}

void fw_recent_free(struct fw_recent *recent)
{
	free(recent);
}

static struct slot *slot_of(struct fw_recent *recent, uint64_t device)
{
	return &recent->slots[(device ^ device >> 32) & (SLOTS - 1)];
}

bool fw_recent_note(struct fw_recent *recent, struct fw_slice product, struct fw_slice device, const struct fw_recent_word *word)
{
	uint64_t device_hash = fw_hash_device(recent->seed, product, device);
	uint64_t when[] = {word->connection, word->generation};
	uint64_t told = fw_hash(fw_hash(recent->seed, when, sizeof(when)), word->version.at, word->version.len);
	struct slot *slot = slot_of(recent, device_hash);
	bool age_known = word->now >= slot->at && word->now - slot->at < NEWS_MS;

	if (word->offered.len)
		told = fw_hash(fw_hash(told, "", 1), word->offered.at, word->offered.len);

	if (slot->device == device_hash && slot->told == told && age_known)
		return false;
	*slot = (struct slot){device_hash, told, word->now};
	return true;
}

void fw_recent_forget(struct fw_recent *recent, struct fw_slice product, struct fw_slice device)
{
	slot_of(recent, fw_hash_device(recent->seed, product, device))->at = 0;
}
