/* A bucket stores how many parts of a token it had, and when. What came since is added when it is
 * read, so that no timer runs. */
#include "upgrade/start_rate.h"

#define TOKEN INT64_C(60000) /* parts: the milliseconds of a minute */

int64_t fw_start_rate_per_minute(int64_t per_minute, int64_t doubles_after, int64_t proved)
{
	int64_t doublings = doubles_after > 0 ? proved / doubles_after : 0;

	if (doublings < 0)
		doublings = 0;
	if (doublings > FW_START_RATE_DOUBLINGS)
		doublings = FW_START_RATE_DOUBLINGS;
	return per_minute * (INT64_C(1) << doublings);
}

void fw_start_rate_init(struct fw_start_rate *bucket, int64_t since_ms)
{
	*bucket = (struct fw_start_rate){.since_ms = since_ms};
}

/* Parts that the bucket holds at most: the tokens of a second, at least one. */
static int64_t capacity(int64_t rate)
{
	return (rate + 59) / 60 * TOKEN;
}

/* Parts that are there now. */
static int64_t filled(const struct fw_start_rate *bucket, int64_t rate, int64_t now_ms)
{
	int64_t full = capacity(rate);
	int64_t elapsed = now_ms - bucket->since_ms;

	if (bucket->parts >= full)
		return full;
	if (elapsed <= 0)
		return bucket->parts;
	/* divided first, since elapsed * rate could overflow */
	if (elapsed >= (full - bucket->parts + rate - 1) / rate)
		return full;
	return bucket->parts + elapsed * rate;
}

int64_t fw_start_rate_tokens(const struct fw_start_rate *bucket, int64_t rate, int64_t now_ms)
{
	return rate > 0 ? filled(bucket, rate, now_ms) / TOKEN : INT64_MAX;
}

bool fw_start_rate_take(struct fw_start_rate *bucket, int64_t rate, int64_t now_ms)
{
	if (fw_start_rate_tokens(bucket, rate, now_ms) < 1)
		return false;
	if (rate <= 0)
		return true;
	bucket->parts = filled(bucket, rate, now_ms) - TOKEN;
	if (bucket->since_ms < now_ms)
		bucket->since_ms = now_ms;
	return true;
}

int64_t fw_start_rate_wait_ms(const struct fw_start_rate *bucket, int64_t rate, int64_t now_ms)
{
	int64_t early = bucket->since_ms > now_ms ? bucket->since_ms - now_ms : 0;

	if (fw_start_rate_tokens(bucket, rate, now_ms) >= 1)
		return 0;
	return early + (TOKEN - filled(bucket, rate, now_ms) + rate - 1) / rate;
}
