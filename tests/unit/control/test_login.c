/* Who asks: Basic, cookies, and what too many failures do. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "folder.h"
#include "password_fixture.h"

#include "control/login.h"
#include "control/login_limit.h"

#define ANN                                                                                        \
	"ann:$7$101$+HNecD3UitSdsw4C$cKb8ITjfUbFOH9boPf4u/"                                        \
	"g7JqBZLzdG0u2L6JMqUb8v8R59aq0B3BUGFIJnjj"                                                 \
	"sZJfs+VW72X+n87ihtn9KGFqg==\n"
#define HERE FW_SLICE("here")

static struct fw_login *login;
static struct fw_login_result result;
static bool behind_proxy;

static int open_login(void **state)
{
	static char ann[] = "ann", vic[] = "vic";
	static char *admins[] = {ann, NULL}, *viewers[] = {ann, vic, NULL};
	struct fw_login_config config = {.password_file = "pw",
		.admins = admins,
		.viewers = viewers,
		.behind_proxy = behind_proxy};
	struct fw_error error;

	(void)state;
	write_users(ANN "vic" ANN "dev" ANN);
	/* the same password for each */
	assert_int_equal(system("sed -i 's/^vicann/vic/; s/^devann/dev/' pw"), 0);
	return fw_login_open(&config, &login, &error) == FW_OK ? 0 : -1;
}

static int close_login(void **state)
{
	(void)state;
	behind_proxy = false;
	fw_login_close(login);
	return 0;
}

static enum fw_login_verdict check(const char *user, const char *password, const char *from)
{
	fw_login_check(login, fw_slice_of(user), fw_slice_of(password), fw_slice_of(from), &result);
	return result.verdict;
}

static void test_rights(void **state)
{
	(void)state;
	assert_int_equal(check("ann", "secret", "a"), FW_LOGIN_OK);
	assert_int_equal(result.session.right, FW_RIGHT_ADMIN);
	assert_int_equal(check("vic", "secret", "a"), FW_LOGIN_OK);
	assert_int_equal(result.session.right, FW_RIGHT_VIEW);
	assert_int_equal(check("dev", "secret", "a"), FW_LOGIN_FOREIGN);
	assert_int_equal(check("dev", "wrong", "a"), FW_LOGIN_WRONG);
	assert_int_equal(check("nobody", "secret", "a"), FW_LOGIN_WRONG);
}

static void test_five_failures(void **state)
{
	(void)state;
	for (int i = 0; i < 5; i++)
		assert_int_equal(check(i % 2 ? "ann" : "nobody", "wrong", "a"), FW_LOGIN_WRONG);
	assert_int_equal(check("ann", "secret", "a"), FW_LOGIN_WAIT);
	assert_in_range(result.wait_seconds, 299, 300);
	assert_int_equal(check("ann", "secret", "b"), FW_LOGIN_OK);
}

/* Whatever is told in the log ends in a wait: nobody fills it. */
static void test_each_kind_of_failure_counts(void **state)
{
	char long_name[400];

	(void)state;
	memset(long_name, 'x', sizeof(long_name) - 1);
	long_name[sizeof(long_name) - 1] = '\0';
	for (int i = 0; i < 5; i++)
		assert_int_equal(check(long_name, "x", "a"), FW_LOGIN_WRONG);
	assert_int_equal(check(long_name, "x", "a"), FW_LOGIN_WAIT);
	for (int i = 0; i < 5; i++)
		assert_int_equal(check("dev", "secret", "b"), FW_LOGIN_FOREIGN);
	assert_int_equal(check("dev", "secret", "b"), FW_LOGIN_WAIT);
	write_users(ANN "vic:$8$of another kind\n");
	for (int i = 0; i < 5; i++)
		assert_int_equal(check("vic", "x", "c"), FW_LOGIN_FAILED);
	assert_int_equal(check("vic", "x", "c"), FW_LOGIN_WAIT);
}

/* A file that is no good is nobody's failure: it is told once. */
static void test_a_bad_file_keeps_nobody_waiting(void **state)
{
	(void)state;
	assert_int_equal(chmod("pw", 0604), 0);
	for (int i = 0; i < 8; i++)
		assert_int_equal(check("ann", "secret", "a"), FW_LOGIN_FAILED);
	assert_int_equal(chmod("pw", 0600), 0);
	assert_int_equal(check("ann", "secret", "a"), FW_LOGIN_OK);
}

static void test_five_failures_behind_a_proxy(void **state)
{
	(void)state;
	for (int i = 0; i < 5; i++)
		assert_int_equal(check("ann", "wrong", "proxy"), FW_LOGIN_WRONG);
	assert_int_equal(check("ann", "secret", "proxy"), FW_LOGIN_WAIT);
	assert_int_equal(check("vic", "secret", "proxy"), FW_LOGIN_OK);
}

static void identify(const char *authorization, const char *cookie)
{
	fw_login_identify(login, authorization, cookie, HERE, &result);
}

static void test_basic(void **state)
{
	(void)state;
	identify(NULL, NULL);
	assert_int_equal(result.verdict, FW_LOGIN_NONE);
	identify("Basic YW5uOnNlY3JldA==", NULL);
	assert_int_equal(result.verdict, FW_LOGIN_OK);
	assert_string_equal(result.session.user, "ann");
	identify("basic  YW5uOnNlY3JldA==", NULL);
	assert_int_equal(result.verdict, FW_LOGIN_OK);
	identify("Basic YW5uOndyb25n", NULL);
	assert_int_equal(result.verdict, FW_LOGIN_WRONG);
	identify("Bearer YW5uOnNlY3JldA==", NULL);
	assert_int_equal(result.verdict, FW_LOGIN_NONE);
	identify("Basic", NULL);
	assert_int_equal(result.verdict, FW_LOGIN_NONE);
	identify("Basic !!!!", NULL);
	assert_int_equal(result.verdict, FW_LOGIN_NONE);
	identify("Basic ====", NULL);
	assert_int_equal(result.verdict, FW_LOGIN_NONE);
}

static void test_session(void **state)
{
	char token[FW_SESSION_TOKEN], cookie[256];

	(void)state;
	assert_int_equal(check("ann", "secret", "a"), FW_LOGIN_OK);
	assert_true(fw_login_begin(login, &result.session, token));
	snprintf(cookie, sizeof(cookie), "theme=dark; fw_session=%s", token);
	identify(NULL, cookie);
	assert_int_equal(result.verdict, FW_LOGIN_OK);
	assert_string_equal(result.session.user, "ann");
	token[0] ^= 1;
	snprintf(cookie + 12, sizeof(cookie) - 12, "fw_session=%s", token);
	identify(NULL, cookie);
	assert_int_equal(result.verdict, FW_LOGIN_NONE);
	token[0] ^= 1;
	snprintf(cookie, sizeof(cookie), "fw_session=%s", token);
	fw_login_end(login, cookie);
	identify(NULL, cookie);
	assert_int_equal(result.verdict, FW_LOGIN_NONE);
}

static void test_a_new_password_ends_sessions(void **state)
{
	char token[FW_SESSION_TOKEN], cookie[256];

	(void)state;
	assert_int_equal(check("ann", "secret", "a"), FW_LOGIN_OK);
	assert_true(fw_login_begin(login, &result.session, token));
	snprintf(cookie, sizeof(cookie), "fw_session=%s", token);
	write_users("ann:$6$AAAA$BBBB\n");
	identify(NULL, cookie);
	assert_int_equal(result.verdict, FW_LOGIN_NONE);
	write_users(ANN);
	identify(NULL, cookie);
	assert_int_equal(result.verdict, FW_LOGIN_NONE);
}

static void test_cookie_header(void **state)
{
	(void)state;
	assert_int_equal(fw_login_token(NULL).len, 0);
	assert_int_equal(fw_login_token("").len, 0);
	assert_int_equal(fw_login_token("fw_session").len, 0);
	assert_int_equal(fw_login_token("xfw_session=1").len, 0);
	assert_true(fw_slice_equal(fw_login_token("a=b;fw_session=1;c"), FW_SLICE("1")));
	assert_true(fw_slice_equal(fw_login_token(";;  fw_session=1 2"), FW_SLICE("1 2")));
}

/* --- sessions by themselves --- */

static void test_idle_sessions_end(void **state)
{
	struct fw_sessions *sessions = fw_sessions_new();
	struct fw_session session = {.user = "ann"}, found;
	char token[FW_SESSION_TOKEN];

	(void)state;
	assert_true(fw_sessions_begin(sessions, &session, 1000, token));
	assert_int_equal(strlen(token), 64);
	assert_true(fw_sessions_find(sessions, fw_slice_of(token), 1799000, &found));
	assert_true(fw_sessions_find(sessions, fw_slice_of(token), 3598999, &found));
	assert_false(fw_sessions_find(sessions, fw_slice_of(token), 5398999, &found));
	assert_false(fw_sessions_find(sessions, fw_slice_of(token), 3598999, &found));
	fw_sessions_free(sessions);
}

/* As many as you like: the one idle for longest gives way. */
static void test_many_sessions(void **state)
{
	struct fw_sessions *sessions = fw_sessions_new();
	struct fw_session session = {.user = "ann"}, found;
	char tokens[FW_SESSIONS_MOST + 1][FW_SESSION_TOKEN];

	(void)state;
	for (size_t i = 0; i < FW_SESSIONS_MOST; i++)
		assert_true(fw_sessions_begin(sessions, &session, (int64_t)i, tokens[i]));
	assert_true(fw_sessions_find(sessions, fw_slice_of(tokens[0]), 100, &found));
	assert_true(fw_sessions_begin(sessions, &session, 101, tokens[FW_SESSIONS_MOST]));
	assert_true(fw_sessions_find(sessions, fw_slice_of(tokens[0]), 102, &found));
	assert_false(fw_sessions_find(sessions, fw_slice_of(tokens[1]), 102, &found));
	assert_true(fw_sessions_find(sessions, fw_slice_of(tokens[FW_SESSIONS_MOST]), 102, &found));
	fw_sessions_free(sessions);
}

/* --- the limit by itself --- */

static struct fw_login_limit limit;

static void test_failures_age(void **state)
{
	(void)state;
	memset(&limit, 0, sizeof(limit));
	for (int64_t i = 1; i <= 5; i++) {
		assert_int_equal(fw_login_limit_wait(&limit, HERE, i * 1000), 0);
		fw_login_limit_failed(&limit, HERE, i * 1000);
	}
	assert_int_equal(fw_login_limit_wait(&limit, HERE, 5000), 296);
	assert_int_equal(fw_login_limit_wait(&limit, HERE, 300999), 1);
	assert_int_equal(fw_login_limit_wait(&limit, HERE, 301000), 0);
	fw_login_limit_failed(&limit, HERE, 301000);
	assert_int_equal(fw_login_limit_wait(&limit, HERE, 301000), 1);
}

/* A flood from many places forgets the oldest ones, and grows nothing. */
static void test_many_places(void **state)
{
	(void)state;
	memset(&limit, 0, sizeof(limit));
	for (int i = 0; i < 5; i++)
		fw_login_limit_failed(&limit, HERE, 1000);
	for (uint32_t i = 0; i < FW_LOGIN_SOURCES; i++)
		fw_login_limit_failed(&limit, (struct fw_slice){(const char *)&i, sizeof(i)}, 2000);
	assert_int_equal(fw_login_limit_wait(&limit, HERE, 2000), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_login, close_login)

static int open_behind_proxy(void **state)
{
	behind_proxy = true;
	return open_login(state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_rights),
		TEST(test_five_failures),
		TEST(test_each_kind_of_failure_counts),
		TEST(test_a_bad_file_keeps_nobody_waiting),
		cmocka_unit_test_setup_teardown(
			test_five_failures_behind_a_proxy, open_behind_proxy, close_login),
		TEST(test_basic),
		TEST(test_session),
		TEST(test_a_new_password_ends_sessions),
		cmocka_unit_test(test_cookie_header),
		cmocka_unit_test(test_idle_sessions_end),
		cmocka_unit_test(test_many_sessions),
		cmocka_unit_test(test_failures_age),
		cmocka_unit_test(test_many_places),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
