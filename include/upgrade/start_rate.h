/* How many devices a task starts a minute: a token bucket that is empty at first and holds the
 * tokens of a second, at least one. (base/token_bucket.h is full at first.)
 *
 * Times are steady milliseconds; a rate is in starts a minute, 0: no limit. Exact: a token has
 * 60,000 parts, and each millisecond brings as many as the rate. Pure, without errors; one thread
 * at a time. */
#ifndef FW_UPGRADE_START_RATE_H
#define FW_UPGRADE_START_RATE_H

#include "base/fw.h"

#define FW_START_RATE_DOUBLINGS 10

struct fw_start_rate {
	int64_t parts; /* of a token, at since_ms */
	int64_t since_ms;
};

/* The rate after `proved` devices were proved: `per_minute`, doubled after each `doubles_after` of
 * them (0: never), FW_START_RATE_DOUBLINGS times at most. */
int64_t fw_start_rate_per_minute(int64_t per_minute, int64_t doubles_after, int64_t proved);

/* A bucket that was empty at `since_ms`: when the broker started, also for a task that is made
 * later. So the bucket of a later task is full, and its first device does not wait. */
void fw_start_rate_init(struct fw_start_rate *bucket, int64_t since_ms);

/* How many tokens the bucket has; INT64_MAX without a limit. */
int64_t fw_start_rate_tokens(const struct fw_start_rate *bucket, int64_t rate, int64_t now_ms);

/* Takes a token; false: there is none. Without a limit it is true, and changes nothing. */
bool fw_start_rate_take(struct fw_start_rate *bucket, int64_t rate, int64_t now_ms);

/* Milliseconds until there is a token; 0: there is one. */
int64_t fw_start_rate_wait_ms(const struct fw_start_rate *bucket, int64_t rate, int64_t now_ms);

#endif
