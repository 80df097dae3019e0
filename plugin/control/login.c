/* Checks logins, and limits failed ones. Passwords are checked one at a time: so a flood of guesses
 * takes one processor at most, and no guess comes between a failure and its count. */
#include "control/login.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include "control/login_limit.h"

#define BASIC_MOST 2048u /* bytes of user name and password in base64 */

struct fw_login {
	struct fw_login_config config;
	struct fw_password_file *file;
	struct fw_sessions *sessions;
	pthread_mutex_t lock; /* guards the limit; held during a check of a password */
	struct fw_login_limit limit;
};

enum fw_status fw_login_open(
	const struct fw_login_config *config, struct fw_login **out, struct fw_error *error)
{
	struct fw_login *login = calloc(1, sizeof(*login));
	enum fw_status status = FW_OK;

	if (!login)
		return FW_NOMEM;
	login->config = *config;
	login->limit.seed = fw_random();
	pthread_mutex_init(&login->lock, NULL);
	login->sessions = fw_sessions_new();
	if (!login->sessions)
		status = FW_NOMEM;
	else if (config->password_file)
		status = fw_password_file_open(config->password_file, &login->file, error);
	if (status != FW_OK) {
		fw_login_close(login);
		return status;
	}
	*out = login;
	return FW_OK;
}

void fw_login_close(struct fw_login *login)
{
	if (!login)
		return;
	fw_password_file_close(login->file);
	fw_sessions_free(login->sessions);
	pthread_mutex_destroy(&login->lock);
	free(login);
}

static bool is_in(char **list, struct fw_slice user)
{
	for (; list && *list; list++) {
		if (fw_slice_equal(fw_slice_of(*list), user))
			return true;
	}
	return false;
}

static bool right_of(const struct fw_login *login, struct fw_slice user, enum fw_right *right)
{
	*right = FW_RIGHT_ADMIN;
	if (is_in(login->config.admins, user))
		return true;
	*right = FW_RIGHT_VIEW;
	return is_in(login->config.viewers, user);
}

/* The failures that count are those that the log has a line of: so the limit bounds the lines. */
static bool is_failure(const struct fw_login_result *result)
{
	return result->verdict == FW_LOGIN_WRONG || result->verdict == FW_LOGIN_FOREIGN ||
		(result->verdict == FW_LOGIN_FAILED && result->error.text[0]);
}

/* The verdict on a user name that is not too long. */
static enum fw_login_verdict verdict_of(struct fw_login *login, struct fw_slice user,
	struct fw_slice password, struct fw_login_result *out)
{
	enum fw_status status = fw_password_file_check(login->file, user, password, &out->error);

	if (status == FW_FAILED)
		return FW_LOGIN_FAILED;
	if (status != FW_OK)
		return FW_LOGIN_WRONG;
	return right_of(login, user, &out->session.right) ? FW_LOGIN_OK : FW_LOGIN_FOREIGN;
}

/* With the lock held. */
static void check_password(struct fw_login *login, struct fw_slice user, struct fw_slice password,
	struct fw_slice from, struct fw_login_result *out)
{
	int64_t now = fw_boot_ms();

	out->wait_seconds = fw_login_limit_wait(&login->limit, from, now);
	if (out->wait_seconds)
		out->verdict = FW_LOGIN_WAIT;
	else if (fw_slice_copy(user, out->session.user, sizeof(out->session.user)))
		out->verdict = verdict_of(login, user, password, out);
	if (is_failure(out))
		fw_login_limit_failed(&login->limit, from, now);
}

void fw_login_check(struct fw_login *login, struct fw_slice user, struct fw_slice password,
	struct fw_slice from, struct fw_login_result *out)
{
	*out = (struct fw_login_result){.verdict = FW_LOGIN_WRONG};
	if (!login->file)
		return;
	/* before the check: should the line change meanwhile, the session has the old mark */
	out->session.mark = fw_password_file_mark(login->file, user);
	pthread_mutex_lock(&login->lock);
	check_password(login, user, password, login->config.behind_proxy ? user : from, out);
	pthread_mutex_unlock(&login->lock);
}

/* --- headers --- */

struct fw_slice fw_login_token(const char *cookie)
{
	static const char name[] = FW_LOGIN_COOKIE "=";

	while (cookie && *cookie) {
		size_t len;

		cookie += strspn(cookie, " \t;");
		len = strcspn(cookie, ";");
		if (strncmp(cookie, name, sizeof(name) - 1) == 0)
			return (struct fw_slice){
				cookie + sizeof(name) - 1, len - (sizeof(name) - 1)};
		cookie += len;
	}
	return (struct fw_slice){NULL, 0};
}

/* How many '=' end the text: OpenSSL decodes each to a byte. */
static int padding_of(const char *text, size_t len)
{
	int padding = 0;

	while (padding < 2 && len > 0 && text[len - 1 - (size_t)padding] == '=')
		padding++;
	return padding;
}

bool fw_login_basic(const char *authorization, char *buffer, size_t size, struct fw_slice *user,
	struct fw_slice *password)
{
	const char *colon, *text;
	size_t len;
	int got;

	if (!authorization || strncasecmp(authorization, "Basic ", 6) != 0)
		return false;
	text = authorization + 6 + strspn(authorization + 6, " ");
	len = strlen(text);
	if (len == 0 || len % 4 != 0 || len / 4 * 3 > size)
		return false;
	got = EVP_DecodeBlock((unsigned char *)buffer, (const unsigned char *)text, (int)len);
	if (got < 0)
		return false;
	got -= padding_of(text, len);
	colon = memchr(buffer, ':', (size_t)got);
	if (!colon)
		return false;
	*user = (struct fw_slice){buffer, (size_t)(colon - buffer)};
	*password = (struct fw_slice){colon + 1, (size_t)got - user->len - 1};
	return true;
}

/* A session ends when the user's line in the password file changes. */
static bool find_session(struct fw_login *login, struct fw_slice token, struct fw_session *out)
{
	if (!fw_sessions_find(login->sessions, token, fw_boot_ms(), out))
		return false;
	if (login->file && fw_password_file_mark(login->file, fw_slice_of(out->user)) == out->mark)
		return true;
	fw_sessions_end(login->sessions, token);
	return false;
}

void fw_login_identify(struct fw_login *login, const char *authorization, const char *cookie,
	struct fw_slice from, struct fw_login_result *out)
{
	char buffer[BASIC_MOST];
	struct fw_slice token = fw_login_token(cookie), user, password;

	*out = (struct fw_login_result){.verdict = FW_LOGIN_NONE};
	if (fw_login_basic(authorization, buffer, sizeof(buffer), &user, &password)) {
		fw_login_check(login, user, password, from, out);
		OPENSSL_cleanse(buffer, sizeof(buffer));
	} else if (!authorization && token.len && find_session(login, token, &out->session)) {
		out->verdict = FW_LOGIN_OK;
	}
}

bool fw_login_begin(
	struct fw_login *login, const struct fw_session *session, char token[FW_SESSION_TOKEN])
{
	return fw_sessions_begin(login->sessions, session, fw_boot_ms(), token);
}

void fw_login_end(struct fw_login *login, const char *cookie)
{
	fw_sessions_end(login->sessions, fw_login_token(cookie));
}
