/* A bucket is one number: when it is full again. A token that is taken moves that moment by the
 * time in which one comes back. A bucket that is full by now needs no memory. The others lie in
 * sets of eight; the set is chosen by a seeded hash, so no device knows who shares its own. */
#include "service/device_rate.h"

#include <stdlib.h>

#define SETS 4096u /* a power of two */
#define WAYS 8u
#define MINUTE_US INT64_C(60000000)

struct bucket {
	uint64_t device; /* hash */
	int64_t full_us; /* boot time, microseconds */
};

struct fw_device_rate {
	int64_t most;     /* tokens */
	int64_t token_us; /* in which one comes back */
	uint64_t seed;
	struct bucket buckets[SETS][WAYS];
};

struct fw_device_rate *fw_device_rate_new(int64_t per_minute)
{
	struct fw_device_rate *rate = calloc(1, sizeof(*rate));

	if (!rate)
		return NULL;
	rate->most = per_minute;
	rate->token_us = per_minute ? MINUTE_US / per_minute : 0;
	rate->seed = fw_random();
	return rate;
}

void fw_device_rate_free(struct fw_device_rate *rate)
{
	free(rate);
}

/* The device's bucket, or the one of its set that lacks the fewest tokens. */
static struct bucket *find_bucket(struct fw_device_rate *rate, uint64_t device)
{
	struct bucket *set = rate->buckets[(device ^ device >> 32) & (SETS - 1)], *least = set;

	for (struct bucket *bucket = set; bucket < set + WAYS; bucket++) {
		if (bucket->device == device)
			return bucket;
		if (bucket->full_us < least->full_us)
			least = bucket;
	}
	return least;
}

static int64_t cost_of(const struct fw_device_rate *rate, size_t bytes)
{
	int64_t tokens = FW_DEVICE_RATE_TOKENS_MAX;

	if (bytes <= FW_DEVICE_RATE_TOKEN_BYTES)
		tokens = 1;
	else if (bytes < (size_t)FW_DEVICE_RATE_TOKEN_BYTES * FW_DEVICE_RATE_TOKENS_MAX)
		tokens = (int64_t)((bytes + FW_DEVICE_RATE_TOKEN_BYTES - 1) /
			FW_DEVICE_RATE_TOKEN_BYTES);
	/* what a full bucket does not hold would be refused for ever */
	return tokens < rate->most ? tokens : rate->most;
}

bool fw_device_rate_take(
	struct fw_device_rate *rate, struct fw_slice device, size_t bytes, int64_t now)
{
	int64_t now_us = now * 1000, full_us = now_us;
	struct bucket *bucket;
	uint64_t hash;

	if (!rate->most)
		return true;
	hash = fw_hash(rate->seed, device.at, device.len);
	bucket = find_bucket(rate, hash);
	if (bucket->device == hash && bucket->full_us > now_us)
		full_us = bucket->full_us;
	full_us += cost_of(rate, bytes) * rate->token_us;
	if (full_us - now_us > rate->most * rate->token_us)
		return false;
	*bucket = (struct bucket){hash, full_us};
	return true;
}
