/* Password files as mosquitto_passwd makes them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "folder.h"
#include "password_fixture.h"

#include <sys/resource.h>
#include <sys/time.h>

#include <openssl/evp.h>
#include <openssl/kdf.h>

#include "control/password_file.h"

/* Made by mosquitto_passwd 2.0.11 -H sha512-pbkdf2 and -H sha512. */
#define ANN                                                                                        \
	"ann:$7$101$+HNecD3UitSdsw4C$cKb8ITjfUbFOH9boPf4u/"                                        \
	"g7JqBZLzdG0u2L6JMqUb8v8R59aq0B3BUGFIJnjj"                                                 \
	"sZJfs+VW72X+n87ihtn9KGFqg==\n"
#define BOB                                                                                        \
	"bob:$7$101$giyyvTif4a+tC8bK$StSb06C0EwIzU4uaEQzStAUpJ4wcxf4jsQycmIT+"                     \
	"Iw0KzEdNr1SC5IClZWNjy"                                                                    \
	"Xe97ptGncH/jdDxvOvpDvNDpw==\r\n"

/* Made by the argon2 tool of libargon2, which Mosquitto 2.1 has its passwords made by, the first
 * with Mosquitto's costs. The tool of Debian's Mosquitto 2.1 makes none. */
#define ARGON2_SALT                                                                                \
	"S1FsV3ZPZjJTOHI4VG5OVW5QVTRZbVdaK3l2czlOMkhMUHUwTU1UUzVxVmdSL2dyanE2bGh5emE0QWhxdjZrRg$"
#define CY_HASH                                                                                    \
	"fZWOT/H8b0nXHdcTvhv6UkhSEaUxSBDtL4T+s1DzTdodPPL5ywvKtaG/rOw0yo+d6FSzvfolwytxoKWmTuG6MQ"
#define CY "cy:$argon2id$v=19$m=47104,t=1,p=1$" ARGON2_SALT CY_HASH "\n"
#define DI                                                                                         \
	"di:$argon2id$v=19$m=64,t=2,p=4$" ARGON2_SALT "E6HoZXq/xtQM3FjMehBzx7T/2OtUSCYdw1izyfB"    \
	"JpZ9xkK+JvHl+HppYqSjK4S3DRkDQMKiTNqoZIrH9q46dJw\n"

static struct fw_password_file *file;
static struct fw_error error;

static enum fw_status check(const char *user, const char *password)
{
	error.text[0] = '\0';
	return fw_password_file_check(file, fw_slice_of(user), fw_slice_of(password), &error);
}

static int open_file(void **state)
{
	(void)state;
	write_users("# a comment\n\n" ANN BOB "nobody\n:$6$x$y\n");
	return fw_password_file_open("pw", &file, &error) == FW_OK ? 0 : -1;
}

static int close_file(void **state)
{
	(void)state;
	fw_password_file_close(file);
	return 0;
}

static void test_right_and_wrong(void **state)
{
	(void)state;
	assert_int_equal(check("ann", "secret"), FW_OK);
	assert_int_equal(check("bob", "x:y"), FW_OK);
	assert_int_equal(check("ann", "secre"), FW_INVALID);
	assert_int_equal(check("ann", "secret "), FW_INVALID);
	assert_int_equal(check("ann", ""), FW_INVALID);
	assert_int_equal(check("bob", "secret"), FW_INVALID);
	assert_int_equal(check("Ann", "secret"), FW_INVALID);
	assert_int_equal(check("nobody", ""), FW_INVALID);
	assert_int_equal(check("", ""), FW_INVALID);
	assert_string_equal(error.text, "");
}

static void test_a_password_of_any_length(void **state)
{
	static char long_one[100000];

	(void)state;
	memset(long_one, 'x', sizeof(long_one) - 1);
	assert_int_equal(check("ann", long_one), FW_INVALID);
	assert_int_equal(check(long_one, "x"), FW_INVALID);
}

static void test_the_tool_itself(void **state)
{
	(void)state;
	if (system("command -v mosquitto_passwd >/dev/null") != 0)
		skip();
	write_users(ANN);
	shell("mosquitto_passwd -H sha512 -b pw old 'sechs $6$'");
	shell("mosquitto_passwd -H sha512-pbkdf2 -b pw new sieben");
	assert_int_equal(check("old", "sechs $6$"), FW_OK);
	assert_int_equal(check("old", "sechs"), FW_INVALID);
	assert_int_equal(check("new", "sieben"), FW_OK);
	assert_int_equal(check("ann", "secret"), FW_OK);
}

static void test_lines_that_are_no_good(void **state)
{
	static const char *const lines[] = {"x:plain", "x:$7$101$AAAA", "x:$7$$AAAA$BBBB",
		"x:$7$0$AAAA$BBBB", "x:$7$99999999$AAAA$BBBB", "x:$6$AAAA$BBBB", "x:$6$AAAA",
		"x:$7$1x1$AAAA$BBBB", "x:$argon2id$v=19$m=65536,t=3,p=4$AAAA$BBBB", "x:", "x:$",
		"x:$6$", "x:$6$$", "x:$6$====$====",
		/* costs that are none, or too high */
		"x:$argon2id$v=16$m=64,t=1,p=1$" ARGON2_SALT CY_HASH,
		"x:$argon2id$v=19$m=262145,t=1,p=1$" ARGON2_SALT CY_HASH,
		"x:$argon2id$v=19$m=262144,t=17,p=1$" ARGON2_SALT CY_HASH,
		"x:$argon2id$v=19$m=7,t=1,p=1$" ARGON2_SALT CY_HASH,
		"x:$argon2id$v=19$m=64,t=1,p=0$" ARGON2_SALT CY_HASH,
		"x:$argon2id$v=19$m=64,t=0,p=1$" ARGON2_SALT CY_HASH,
		"x:$argon2id$v=19$m=64,t=1,p=1,x$" ARGON2_SALT CY_HASH,
		"x:$argon2id$v=19$m=64,t=1$" ARGON2_SALT CY_HASH,
		"x:$argon2id$m=64,t=1,p=1$" ARGON2_SALT CY_HASH,
		"x:$argon2i$v=19$m=64,t=1,p=1$" ARGON2_SALT CY_HASH};

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		write_users(lines[i]);
		assert_int_equal(check("x", "plain"), FW_FAILED);
		assert_non_null(strstr(error.text, "mosquitto_passwd -H sha512-pbkdf2"));
		assert_int_equal(fw_password_file_mark(file, FW_SLICE("y")), 0);
	}
}

/* Where OpenSSL has it; elsewhere the user is told what to do. */
static void test_argon2id(void **state)
{
	EVP_KDF *kdf = EVP_KDF_fetch(NULL, "ARGON2ID", NULL);

	(void)state;
	write_users(ANN CY DI);
	if (kdf) {
		assert_int_equal(check("cy", "secret"), FW_OK);
		assert_int_equal(check("di", "x:y"), FW_OK);
		assert_int_equal(check("cy", "secre"), FW_INVALID);
		assert_int_equal(check("cy", ""), FW_INVALID);
		assert_int_equal(check("di", "secret"), FW_INVALID);
		/* its hash is that of the last line, which is whose it is not */
		assert_int_equal(check("nobody", "x:y"), FW_INVALID);
	} else {
		assert_int_equal(check("cy", "secret"), FW_FAILED);
		assert_non_null(strstr(error.text, "mosquitto_passwd -H sha512-pbkdf2"));
	}
	EVP_KDF_free(kdf);
	assert_int_equal(check("ann", "secret"), FW_OK);
	write_users(CY ANN);
	assert_int_equal(check("nobody", "secret"), FW_INVALID);
}

static void test_read_again_when_it_changes(void **state)
{
	uint64_t mark = fw_password_file_mark(file, FW_SLICE("ann"));

	(void)state;
	assert_true(mark != 0);
	assert_int_equal(fw_password_file_mark(file, FW_SLICE("ann")), mark);
	write_users(BOB);
	assert_int_equal(check("ann", "secret"), FW_INVALID);
	assert_int_equal(fw_password_file_mark(file, FW_SLICE("ann")), 0);
	/* a change within the moment that the file's time does not tell */
	write_users(ANN);
	assert_int_equal(check("ann", "secret"), FW_OK);
	assert_int_equal(fw_password_file_mark(file, FW_SLICE("ann")), mark);
}

static void test_others_may_not_read_it(void **state)
{
	struct fw_password_file *other = NULL;

	(void)state;
	assert_int_equal(chmod("pw", 0604), 0);
	assert_int_equal(check("ann", "secret"), FW_FAILED);
	assert_non_null(strstr(error.text, "chmod o= pw"));
	assert_int_equal(check("ann", "secret"), FW_FAILED);
	assert_string_equal(error.text, "");
	assert_int_equal(fw_password_file_open("pw", &other, &error), FW_INVALID);
	assert_int_equal(chmod("pw", 0640), 0);
	assert_int_equal(check("ann", "secret"), FW_OK);
	assert_int_equal(unlink("pw"), 0);
	assert_int_equal(check("ann", "secret"), FW_FAILED);
	assert_non_null(strstr(error.text, "No such file"));
	assert_int_equal(fw_password_file_open("pw", &other, &error), FW_INVALID);
	assert_int_equal(fw_password_file_open(".", &other, &error), FW_INVALID);
}

/* It leaves no trace in the file, and is over all the same. */
static void test_a_fault_that_passes(void **state)
{
	struct rlimit limit, none;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	none = (struct rlimit){.rlim_cur = 0, .rlim_max = limit.rlim_max};
	write_users(ANN);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	assert_int_equal(check("ann", "secret"), FW_FAILED);
	assert_non_null(strstr(error.text, "Too many open files"));
	assert_int_equal(check("ann", "secret"), FW_FAILED);
	assert_string_equal(error.text, "");
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	assert_int_equal(check("ann", "secret"), FW_OK);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_file, close_file)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_right_and_wrong),
		TEST(test_a_password_of_any_length),
		TEST(test_the_tool_itself),
		TEST(test_lines_that_are_no_good),
		TEST(test_argon2id),
		TEST(test_read_again_when_it_changes),
		TEST(test_others_may_not_read_it),
		TEST(test_a_fault_that_passes),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
