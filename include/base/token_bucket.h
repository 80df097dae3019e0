/* How many messages a second: a token bucket that holds the tokens of one second, full at first,
 * and gives places in the queue behind it. Pure; one thread at a time. Times are steady
 * milliseconds. */
#ifndef FW_BASE_TOKEN_BUCKET_H
#define FW_BASE_TOKEN_BUCKET_H

#include "base/fw.h"

struct fw_token_bucket {
	int64_t taken_us;  /* until when the tokens that were taken last, at the bucket's rate */
	int64_t placed_us; /* and the places that were given */
};

/* Takes a token, if there is one now. `rate` a second, from 1. */
bool fw_token_bucket_take(struct fw_token_bucket *pace, int64_t rate, int64_t now_ms);

/* Is there a token? Always, with a rate of 0. */
bool fw_token_bucket_ready(const struct fw_token_bucket *pace, int64_t rate, int64_t now_ms);

/* When the next one in the queue may try again: later than the one before. */
int64_t fw_token_bucket_place(struct fw_token_bucket *pace, int64_t rate, int64_t now_ms);

#endif
