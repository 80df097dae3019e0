/* Sessions of the page: which user has which cookie. Kept in memory alone, so they end with the
 * broker. Any thread. */
#ifndef FW_CONTROL_SESSION_H
#define FW_CONTROL_SESSION_H

#include "control/commands.h"
#include "control/password_file.h"

#define FW_SESSION_BYTES 32u                        /* random bytes of a token */
#define FW_SESSION_TOKEN (2 * FW_SESSION_BYTES + 1) /* bytes of one in hex, terminated */
#define FW_SESSION_IDLE_MS INT64_C(1800000)         /* without a request a session ends */
#define FW_SESSIONS_MOST 64u /* a further one replaces the one that is idle for longest */

struct fw_sessions;

struct fw_session {
	char user[FW_PASSWORD_USER_MAX + 1];
	enum fw_right right;
	uint64_t mark; /* of the user's line in the password file when the login began */
};

struct fw_sessions *fw_sessions_new(void); /* NULL when out of memory */
void fw_sessions_free(struct fw_sessions *sessions);

/* Begins a session, and makes its token. `now`: boot ms, here and below. False when the system has
 * no random bytes to give. */
bool fw_sessions_begin(struct fw_sessions *sessions, const struct fw_session *session, int64_t now,
	char token[FW_SESSION_TOKEN]);

/* Finds the session of the token, whose idle time begins anew. False: there is none, or it has
 * ended. */
bool fw_sessions_find(
	struct fw_sessions *sessions, struct fw_slice token, int64_t now, struct fw_session *out);

/* Ends the session of the token, if there is one. */
void fw_sessions_end(struct fw_sessions *sessions, struct fw_slice token);

#endif
