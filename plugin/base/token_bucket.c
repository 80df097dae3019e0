#include "base/token_bucket.h"

#define SECOND_US INT64_C(1000000)

static int64_t later(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

bool fw_token_bucket_ready(const struct fw_token_bucket *pace, int64_t rate, int64_t now_ms)
{
	return !rate ||
		later(pace->taken_us, now_ms * 1000) + SECOND_US / rate <=
		now_ms * 1000 + SECOND_US;
}

bool fw_token_bucket_take(struct fw_token_bucket *pace, int64_t rate, int64_t now_ms)
{
	if (!fw_token_bucket_ready(pace, rate, now_ms))
		return false;
	pace->taken_us = later(pace->taken_us, now_ms * 1000) + SECOND_US / rate;
	return true;
}

int64_t fw_token_bucket_place(struct fw_token_bucket *pace, int64_t rate, int64_t now_ms)
{
	/* the bucket has been emptied: from here on there is a token each SECOND_US / rate */
	pace->placed_us = later(pace->placed_us, now_ms * 1000) + SECOND_US / rate;
	return pace->placed_us / 1000 + 1;
}
