/* A bucket is one number: when it is full again. A token that is taken moves it by the time in
 * which one comes back, and it may be a second ahead at most. */
#include "base/token_bucket.h"

#define SECOND_US INT64_C(1000000)

static int64_t later(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

bool fw_token_bucket_ready(const struct fw_token_bucket *bucket, int64_t rate, int64_t now_ms)
{
	return !rate ||
		later(bucket->taken_us, now_ms * 1000) + SECOND_US / rate <=
		now_ms * 1000 + SECOND_US;
}

bool fw_token_bucket_take(struct fw_token_bucket *bucket, int64_t rate, int64_t now_ms)
{
	if (!fw_token_bucket_ready(bucket, rate, now_ms))
		return false;
	if (!rate)
		return true;
	bucket->taken_us = later(bucket->taken_us, now_ms * 1000) + SECOND_US / rate;
	return true;
}

int64_t fw_token_bucket_place(struct fw_token_bucket *bucket, int64_t rate, int64_t now_ms)
{
	if (!rate)
		return now_ms;
	/* the bucket has been emptied: from here on there is a token each SECOND_US / rate */
	bucket->placed_us = later(bucket->placed_us, now_ms * 1000) + SECOND_US / rate;
	return bucket->placed_us / 1000 + 1;
}
