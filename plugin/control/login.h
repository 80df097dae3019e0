/* Who asks: by a cookie, or by HTTP Basic. Any thread. */
#ifndef FW_CONTROL_LOGIN_H
#define FW_CONTROL_LOGIN_H

#include "control/session.h"

/* The lists are borrowed for the life of the login, the rest for the call. */
struct fw_login_config {
	const char *password_file; /* NULL: nobody can log in */
	char **admins, **viewers;  /* NULL-terminated; NULL: nobody */
	/* all come from one address: failures count by user name */
	bool behind_proxy;
};

struct fw_login;

enum fw_login_verdict {
	FW_LOGIN_OK,
	FW_LOGIN_NONE,    /* no user name, and no cookie of a session */
	FW_LOGIN_WRONG,   /* no such user with this password */
	FW_LOGIN_WAIT,    /* too many failures */
	FW_LOGIN_FOREIGN, /* the password is right, and the user is in no list */
	FW_LOGIN_FAILED,  /* the password file, or the user's line, cannot be used */
};

struct fw_login_result {
	enum fw_login_verdict verdict;
	struct fw_session session; /* of FW_LOGIN_OK */
	int wait_seconds;          /* of FW_LOGIN_WAIT */
	struct fw_error error;     /* a line for the log; empty: none */
};

/* FW_OK: the caller owns *out. FW_INVALID with a message: see fw_password_file_open. FW_NOMEM. */
enum fw_status fw_login_open(
	const struct fw_login_config *config, struct fw_login **out, struct fw_error *error);
void fw_login_close(struct fw_login *login); /* NULL is fine */

/* Checks user name and password. `from`: tells one client from another, such as its address. May
 * take a second of processor; callers take turns. */
void fw_login_check(struct fw_login *login, struct fw_slice user, struct fw_slice password,
	struct fw_slice from, struct fw_login_result *out);

/* Checks the headers Authorization and Cookie; NULL: absent. Authorization alone counts if both are
 * there. */
void fw_login_identify(struct fw_login *login, const char *authorization, const char *cookie,
	struct fw_slice from, struct fw_login_result *out);

/* Begins a session of the user who logged in; false when the system has no random bytes. */
bool fw_login_begin(
	struct fw_login *login, const struct fw_session *session, char token[FW_SESSION_TOKEN]);

/* Ends the session of the cookie, if it names one. */
void fw_login_end(struct fw_login *login, const char *cookie);

#define FW_LOGIN_COOKIE "fw_session"

/* The value of our cookie in a Cookie header; empty: none. Pure. */
struct fw_slice fw_login_token(const char *cookie);

/* User name and password of HTTP Basic, decoded into `buffer` of `size` bytes, into which *user and
 * *password point. False: it is no HTTP Basic, or does not fit. Pure. */
bool fw_login_basic(const char *authorization, char *buffer, size_t size, struct fw_slice *user,
	struct fw_slice *password);

#endif
