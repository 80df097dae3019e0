/* URLs: made, and accepted only as they were made. */
#include "files/url.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "folder.h"

static const struct fw_url_key key = {.bytes = "0123456789abcdef0123456789abcdef", .len = 32};
static const struct fw_url_grant grant = {.product = FW_SLICE("lamp"),
	.device = FW_SLICE("lamp-1"),
	.firmware_id = FW_SLICE("f1"),
	.file = FW_SLICE("image.bin"),
	.expires = 1700000600};

static void test_plain(void **state)
{
	char *url =
		fw_url_plain("http://h:8080", FW_SLICE("f-1.A_z"), FW_SLICE("a b%/\xc3\xa4~?.bin"));

	(void)state;
	assert_string_equal(url, "http://h:8080/firmware/f-1.A_z/a%20b%25%2F%C3%A4~%3F.bin");
	free(url);
}

/* The same by the openssl command. */
static void test_signature(void **state)
{
	char signature[FW_URL_SIGNATURE], *url;
	char expected[400];

	(void)state;
	shell("printf 'mosquitto-firmware-url-1\\nlamp\\nlamp-1\\nf1\\nimage.bin\\n1700000600' |"
	      " openssl dgst -sha256 -hmac 0123456789abcdef0123456789abcdef | sed 's/.* //' >sum");
	assert_true(fw_url_sign(&key, &grant, signature));
	assert_string_equal(signature, read_text("sum"));
	url = fw_url_mint("https://cdn", &key, &grant);
	snprintf(expected, sizeof(expected),
		"https://cdn/firmware/f1/image.bin?device=lamp-1&expires=1700000600&signature=%s",
		signature);
	assert_string_equal(url, expected);
	free(url);
}

static void test_check(void **state)
{
	char signature[FW_URL_SIGNATURE], other[FW_URL_SIGNATURE];
	struct fw_url_grant forged[6] = {grant, grant, grant, grant, grant, grant};
	struct fw_url_key other_key = key;
	struct fw_slice good = {signature, 64};

	(void)state;
	assert_true(fw_url_sign(&key, &grant, signature));
	assert_true(fw_url_check(&key, &grant, good, 1700000599));
	assert_false(fw_url_check(&key, &grant, good, 1700000600));
	forged[0].product = FW_SLICE("oven");
	forged[1].device = FW_SLICE("lamp-2");
	forged[2].firmware_id = FW_SLICE("f2");
	forged[3].file = FW_SLICE("other");
	forged[4].expires++;
	forged[5].device = FW_SLICE("lamp-1\nf1");
	forged[5].firmware_id = FW_SLICE("image.bin");
	for (size_t i = 0; i < 6; i++)
		assert_false(fw_url_check(&key, &forged[i], good, 1));
	for (size_t i = 0; i < 64; i++) {
		memcpy(other, signature, sizeof(other));
		other[i] = other[i] == 'a' ? 'b' : 'a';
		assert_false(fw_url_check(&key, &grant, (struct fw_slice){other, 64}, 1));
		assert_false(fw_url_check(&key, &grant, (struct fw_slice){signature, i}, 1));
	}
	other_key.bytes[0] ^= 1;
	assert_false(fw_url_check(&other_key, &grant, good, 1));
}

static void test_decode(void **state)
{
	static const struct {
		const char *in, *out; /* NULL: refused */
	} cases[] = {
		{"", ""},
		{"abc", "abc"},
		{"a%20b", "a b"},
		{"%c3%A4", "\xc3\xa4"},
		{"%2F..", "/.."},
		{"+", "+"},
		{"%2525", "%25"},
		{"%", NULL},
		{"%4", NULL},
		{"%4g", NULL},
		{"%00", NULL},
		{"a%00b", NULL},
		{"%zz", NULL},
		{"abc%", NULL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char text[32];
		size_t len = strlen(cases[i].in);

		memcpy(text, cases[i].in, len + 1);
		assert_true(fw_url_decode(text, &len) == (cases[i].out != NULL));
		if (cases[i].out) {
			assert_int_equal(len, strlen(cases[i].out));
			assert_memory_equal(text, cases[i].out, len);
		}
	}
}

static void test_key_file(void **state)
{
	struct fw_url_key made, again;
	struct stat status;

	(void)state;
	assert_int_equal(fw_url_key_load("secret", &made, NULL), FW_OK);
	assert_int_equal(made.len, 64);
	assert_int_equal(stat("secret", &status), 0);
	assert_int_equal(status.st_mode & 0777, 0600);
	assert_int_equal(fw_url_key_load("secret", &again, NULL), FW_OK);
	assert_int_equal(again.len, 64);
	assert_memory_equal(made.bytes, again.bytes, 64);
	shell("test $(ls | grep -c '^secret') = 1");
}

static void test_bad_key_files(void **state)
{
	static const char *const commands[] = {
		"rm -f k; mkdir k",
		"rm -rf k; printf short >k; chmod 600 k",
		"rm -rf k; openssl rand -hex 32 >k; chmod 644 k",
		"rm -rf k; head -c 1024 /dev/zero | tr '\\0' a >k; chmod 600 k",
		"rm -rf k; mkfifo k; chmod 600 k",
		"rm -rf k; : >k; chmod 600 k",
	};
	struct fw_url_key out;

	(void)state;
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		struct fw_error error = {""};

		shell(commands[i]);
		if (fw_url_key_load("k", &out, &error) != FW_INVALID)
			fail_msg("not refused: %s", commands[i]);
		assert_non_null(strstr(error.text, "plugin_opt_url_secret_file"));
	}
	assert_int_equal(fw_url_key_load("absent/k", &out, NULL), FW_INVALID);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plain),
		cmocka_unit_test(test_signature),
		cmocka_unit_test(test_check),
		cmocka_unit_test(test_decode),
		cmocka_unit_test(test_key_file),
		cmocka_unit_test(test_bad_key_files),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
