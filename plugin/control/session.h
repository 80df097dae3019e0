/* Logins of the page: who has which cookie. Kept in memory alone, so they end with the broker. Any
 * thread. */
#ifndef FW_CONTROL_SESSION_H
#define FW_CONTROL_SESSION_H

#include "control/commands.h"
#include "control/password_file.h"

#define FW_SESSION_BYTES 32u /* random ones of a cookie */
#define FW_SESSION_TOKEN (2 * FW_SESSION_BYTES + 1)
#define FW_SESSION_IDLE_MS INT64_C(1800000)
#define FW_SESSIONS_MOST 64u /* a further one takes the place of the one idle for longest */

struct fw_sessions;

struct fw_session {
	char user[FW_PASSWORD_USER_MAX + 1];
	enum fw_right right;
	uint64_t mark; /* of the user's line in the password file when the login began */
};

struct fw_sessions *fw_sessions_new(void); /* NULL when out of memory */
void fw_sessions_free(struct fw_sessions *sessions);

/* `now`: boot ms, here and below. False when the system has no random bytes to give. */
bool fw_sessions_begin(struct fw_sessions *sessions, const struct fw_session *session, int64_t now,
	char token[FW_SESSION_TOKEN]);

/* The session of the token, whose idle time begins anew. False: there is none, or not any more. */
bool fw_sessions_find(
	struct fw_sessions *sessions, struct fw_slice token, int64_t now, struct fw_session *out);

/* Ends the session of the token, if there is one. */
void fw_sessions_end(struct fw_sessions *sessions, struct fw_slice token);

#endif
