/* Failed logins: after FW_LOGIN_FAILURES of them within FW_LOGIN_WINDOW_MS from one place, whoever
 * comes from there waits. Not locked: one thread at a time. Pure. */
#ifndef FW_CONTROL_LOGIN_LIMIT_H
#define FW_CONTROL_LOGIN_LIMIT_H

#include "base/fw.h"

#define FW_LOGIN_FAILURES 5u
#define FW_LOGIN_WINDOW_MS INT64_C(300000)
#define FW_LOGIN_PLACES 1024u /* that are remembered; a further one takes the oldest's */

struct fw_login_limit {
	uint64_t seed; /* of the hashes; set before the first question */
	struct fw_login_place {
		uint64_t place;                    /* hash; 0: none */
		int64_t failed[FW_LOGIN_FAILURES]; /* boot ms, the oldest first; 0: none */
	} places[FW_LOGIN_PLACES];
};

/* Seconds until it may be tried from there, 0: now. `now`: boot ms. */
int fw_login_limit_wait(const struct fw_login_limit *limit, struct fw_slice place, int64_t now);

void fw_login_limit_failed(struct fw_login_limit *limit, struct fw_slice place, int64_t now);

#endif
