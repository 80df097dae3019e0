/* How much a device may say (option `device_rate_per_minute`): a token bucket for each device id,
 * whatever the product. Broker thread only; pure.
 *
 * A message costs one token for each 256 bytes of payload that it begins, 32 at most: what it makes
 * the plugin write grows with it, so that an hour of it is bounded in bytes too
 * (plugin/doc/security.md, "Rate").
 *
 * Memory is of fixed size. Where it is short, the bucket that lacks the fewest tokens is dropped,
 * and its device has a full one again. So nobody is refused for another's sake, and the device that
 * says too much, whose bucket lacks most, is remembered longest. */
#ifndef FW_SERVICE_DEVICE_RATE_H
#define FW_SERVICE_DEVICE_RATE_H

#include "base/fw.h"

#define FW_DEVICE_RATE_TOKEN_BYTES 256u
/* of one message; a larger one than 8 KiB is refused by its size */
#define FW_DEVICE_RATE_TOKENS_MAX 32u

struct fw_device_rate;

/* `per_minute`: the size of each bucket, and how many tokens come back in a minute; 0: no limit.
 * NULL when out of memory. */
struct fw_device_rate *fw_device_rate_new(int64_t per_minute);
void fw_device_rate_free(struct fw_device_rate *rate); /* NULL is fine */

/* The device sends a payload of `bytes` bytes. True: the tokens were there, and are taken. False:
 * too few are left, and none is taken. `now`: boot ms. */
bool fw_device_rate_take(
	struct fw_device_rate *rate, struct fw_slice device, size_t bytes, int64_t now);

#endif
