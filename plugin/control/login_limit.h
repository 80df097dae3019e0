/* Counts failed logins by source: an address, or behind a proxy a user name. After
 * FW_LOGIN_FAILURES of them within FW_LOGIN_WINDOW_MS each login from that source must wait. Not
 * locked: one thread at a time. Pure. */
#ifndef FW_CONTROL_LOGIN_LIMIT_H
#define FW_CONTROL_LOGIN_LIMIT_H

#include "base/fw.h"

#define FW_LOGIN_FAILURES 5u
#define FW_LOGIN_WINDOW_MS INT64_C(300000)
#define FW_LOGIN_SOURCES 1024u /* that are remembered; a further one replaces the oldest */

struct fw_login_limit {
	uint64_t seed; /* of the hashes; set before the first question */
	struct fw_login_source {
		uint64_t hash;                     /* 0: none */
		int64_t failed[FW_LOGIN_FAILURES]; /* boot ms, the oldest first; 0: none */
	} sources[FW_LOGIN_SOURCES];
};

/* Seconds until the source may try again; 0: now. `now`: boot ms, here and below. */
int fw_login_limit_wait(const struct fw_login_limit *limit, struct fw_slice source, int64_t now);

/* Counts a failure. */
void fw_login_limit_failed(struct fw_login_limit *limit, struct fw_slice source, int64_t now);

#endif
