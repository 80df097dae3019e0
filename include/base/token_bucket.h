/* How many messages a second: a token bucket that holds the tokens of one second and is full at
 * first. Who finds it empty gets a time to try again, each later than the one before. Pure; one
 * thread at a time. Times are steady milliseconds. `rate`: tokens a second; 0: no limit, nothing is
 * taken and nobody waits. */
#ifndef FW_BASE_TOKEN_BUCKET_H
#define FW_BASE_TOKEN_BUCKET_H

#include "base/fw.h"

struct fw_token_bucket {
	int64_t taken_us;  /* steady microseconds when all tokens that were taken are back */
	int64_t placed_us; /* and the last time that was given to try again */
};

/* Takes a token, if there is one now. */
bool fw_token_bucket_take(struct fw_token_bucket *bucket, int64_t rate, int64_t now_ms);

/* Is there a token? */
bool fw_token_bucket_ready(const struct fw_token_bucket *bucket, int64_t rate, int64_t now_ms);

/* When to try again, of a bucket that is empty. Without a limit: now. */
int64_t fw_token_bucket_place(struct fw_token_bucket *bucket, int64_t rate, int64_t now_ms);

#endif
