/* Each place keeps the times of its last failures. It must wait while all of them are within the
 * window. */
#include "control/login_limit.h"

#include <string.h>

#define LAST (FW_LOGIN_FAILURES - 1)

static uint64_t hash_of(const struct fw_login_limit *limit, struct fw_slice place)
{
	return fw_hash(limit->seed, place.at, place.len) | 1;
}

int fw_login_limit_wait(const struct fw_login_limit *limit, struct fw_slice place, int64_t now)
{
	uint64_t hash = hash_of(limit, place);

	for (size_t i = 0; i < FW_LOGIN_PLACES; i++) {
		const struct fw_login_place *at = &limit->places[i];
		int64_t left = at->failed[0] + FW_LOGIN_WINDOW_MS - now;

		if (at->place == hash)
			return at->failed[0] && left > 0 ? (int)((left + 999) / 1000) : 0;
	}
	return 0;
}

/* Its own, or the one whose last failure is the longest ago. */
static struct fw_login_place *place_for(struct fw_login_limit *limit, uint64_t hash)
{
	struct fw_login_place *oldest = &limit->places[0];

	for (size_t i = 0; i < FW_LOGIN_PLACES; i++) {
		struct fw_login_place *at = &limit->places[i];

		if (at->place == hash)
			return at;
		if (at->failed[LAST] < oldest->failed[LAST])
			oldest = at;
	}
	memset(oldest, 0, sizeof(*oldest));
	oldest->place = hash;
	return oldest;
}

void fw_login_limit_failed(struct fw_login_limit *limit, struct fw_slice place, int64_t now)
{
	struct fw_login_place *at = place_for(limit, hash_of(limit, place));

	memmove(at->failed, at->failed + 1, LAST * sizeof(at->failed[0]));
	at->failed[LAST] = now > 0 ? now : 1;
}
