/* Each source keeps the times of its last failures, and must wait while all of them are within the
 * window. A hash stands for the source: its name may be long, and is the client's to choose. */
#include "control/login_limit.h"

#include <string.h>

#define LAST (FW_LOGIN_FAILURES - 1)

static uint64_t hash_of(const struct fw_login_limit *limit, struct fw_slice source)
{
	return fw_hash(limit->seed, source.at, source.len) | 1;
}

int fw_login_limit_wait(const struct fw_login_limit *limit, struct fw_slice source, int64_t now)
{
	uint64_t hash = hash_of(limit, source);

	for (size_t i = 0; i < FW_LOGIN_SOURCES; i++) {
		const struct fw_login_source *at = &limit->sources[i];
		int64_t left = at->failed[0] + FW_LOGIN_WINDOW_MS - now;

		if (at->hash == hash)
			return at->failed[0] && left > 0 ? (int)((left + 999) / 1000) : 0;
	}
	return 0;
}

/* The entry of this source, else the one whose last failure is the longest ago, emptied. */
static struct fw_login_source *source_for(struct fw_login_limit *limit, uint64_t hash)
{
	struct fw_login_source *oldest = &limit->sources[0];

	for (size_t i = 0; i < FW_LOGIN_SOURCES; i++) {
		struct fw_login_source *at = &limit->sources[i];

		if (at->hash == hash)
			return at;
		if (at->failed[LAST] < oldest->failed[LAST])
			oldest = at;
	}
	memset(oldest, 0, sizeof(*oldest));
	oldest->hash = hash;
	return oldest;
}

void fw_login_limit_failed(struct fw_login_limit *limit, struct fw_slice source, int64_t now)
{
	struct fw_login_source *at = source_for(limit, hash_of(limit, source));

	memmove(at->failed, at->failed + 1, LAST * sizeof(at->failed[0]));
	at->failed[LAST] = now > 0 ? now : 1;
}
