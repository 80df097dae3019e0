/* Digests and signatures: what the openssl command makes verifies, and nothing else does. */
#include "files/digest.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "folder.h"

static struct fw_error last;

/* The linker puts it in place of malloc: tests/CMakeLists.txt. */
static bool no_memory;
void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);

void *__wrap_malloc(size_t size)
{
	return no_memory ? NULL : __real_malloc(size);
}

static enum fw_status check(const char *file, enum fw_sign_method method, const char *sign,
	const char *key, struct fw_digest_result *out)
{
	struct fw_digest_request request = {
		.fd = open(file, O_RDONLY), .method = method, .sign = sign, .public_key = key};
	struct stat status;
	struct fw_digest_result ignored;
	enum fw_status result;

	assert_true(request.fd >= 0);
	assert_int_equal(fstat(request.fd, &status), 0);
	request.size = status.st_size;
	last.text[0] = '\0';
	result = fw_digest_file(&request, out ? out : &ignored, &last);
	close(request.fd);
	assert_true((result == FW_OK) == (last.text[0] == '\0'));
	return result;
}

static void assert_refused(const char *file, enum fw_sign_method method, const char *sign,
	const char *key, const char *words)
{
	assert_int_equal(check(file, method, sign, key, NULL), FW_INVALID);
	if (!strstr(last.text, words))
		fail_msg("wanted '%s' in: %s", words, last.text);
}

static char *text_of(const char *name)
{
	return strdup(read_text(name));
}

static void test_names(void **state)
{
	enum fw_sign_method method;

	(void)state;
	for (int i = 0; i < FW_SIGN_METHODS; i++) {
		assert_true(fw_sign_method_parse(
			fw_slice_of(fw_sign_method_name((enum fw_sign_method)i)), &method));
		assert_int_equal(method, i);
	}
	assert_false(fw_sign_method_parse(FW_SLICE("SHA256"), &method));
	assert_false(fw_sign_method_parse(FW_SLICE(""), &method));
	assert_true(fw_sign_method_is_digest(FW_SIGN_SHA512));
	assert_false(fw_sign_method_is_digest(FW_SIGN_ED25519));
}

static void test_digests(void **state)
{
	static const struct {
		enum fw_sign_method method;
		const char *command;
	} digests[] = {
		{FW_SIGN_MD5, "openssl dgst -md5 -r image | cut -d' ' -f1 >sum"},
		{FW_SIGN_SHA256, "openssl dgst -sha256 -r image | cut -d' ' -f1 >sum"},
		{FW_SIGN_SHA512, "openssl dgst -sha512 -r image | cut -d' ' -f1 >sum"},
	};
	/* around the size of a piece */
	static const char *const images[] = {"printf a >image",
		"head -c 262143 /dev/urandom >image", "head -c 262144 /dev/urandom >image",
		"head -c 262145 /dev/urandom >image", "head -c 3000000 /dev/urandom >image"};

	(void)state;
	for (size_t image = 0; image < 5; image++) {
		shell(images[image]);
		for (size_t i = 0; i < 3; i++) {
			struct fw_digest_result result;
			char *sum, *sha256;

			shell(digests[i].command);
			sum = text_of("sum");
			assert_int_equal(
				check("image", digests[i].method, NULL, NULL, &result), FW_OK);
			assert_string_equal(result.digest, sum);
			assert_int_equal(
				check("image", digests[i].method, sum, NULL, &result), FW_OK);
			shell(digests[1].command);
			sha256 = text_of("sum");
			assert_string_equal(result.sha256, sha256);
			sum[0] = sum[0] == '0' ? '1' : '0';
			assert_refused(
				"image", digests[i].method, sum, NULL, "but that of the file is");
			free(sum);
			free(sha256);
		}
	}
}

static const struct {
	enum fw_sign_method method;
	const char *key, *sign;
} signatures[] = {
	{FW_SIGN_ED25519, "openssl genpkey -algorithm ed25519 -out %s",
		"openssl pkeyutl -sign -rawin -inkey %s -in image -out raw"},
	{FW_SIGN_ECDSA_SHA256,
		"openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out %s",
		"openssl dgst -sha256 -sign %s -out raw image"},
	{FW_SIGN_ECDSA_SHA256,
		"openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-384 -out %s",
		"openssl dgst -sha256 -sign %s -out raw image"},
	{FW_SIGN_RSA_SHA256, "openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out %s",
		"openssl dgst -sha256 -sign %s -out raw image"},
};

static char *make_public_key(const char *command, const char *name)
{
	const char *at = strstr(command, "%s");
	char text[256];

	snprintf(text, sizeof(text), "%.*s%s >log 2>&1 && openssl pkey -in %s -pubout -out pub",
		(int)(at - command), command, name, name);
	shell(text);
	return text_of("pub");
}

static char *make_signature(const char *command, const char *key)
{
	const char *at = strstr(command, "%s");
	char text[256];

	snprintf(text, sizeof(text), "%.*s%s%s && openssl base64 -A -in raw -out sign",
		(int)(at - command), command, key, at + 2);
	shell(text);
	return text_of("sign");
}

static void test_signatures(void **state)
{
	(void)state;
	shell("head -c 700001 /dev/urandom >image; cp image other; printf x >>other");
	for (size_t i = 0; i < sizeof(signatures) / sizeof(signatures[0]); i++) {
		char *key = make_public_key(signatures[i].key, "private"),
		     *foreign = make_public_key(signatures[i].key, "foreign");
		char *sign = make_signature(signatures[i].sign, "private"), *cut;
		struct fw_digest_result result;

		assert_int_equal(check("image", signatures[i].method, sign, key, &result), FW_OK);
		assert_string_equal(result.digest, "");
		assert_int_equal(strlen(result.sha256), 64);
		assert_refused("other", signatures[i].method, sign, key,
			"is not the signature of this file");
		assert_refused("image", signatures[i].method, sign, foreign,
			"is not the signature of this file");
		assert_refused(
			"image", signatures[i].method, sign, NULL, "UPDATE product SET public_key");
		assert_refused(
			"image", signatures[i].method, sign, "", "UPDATE product SET public_key");
		assert_refused("image", signatures[i].method, "", key, "not base64");
		assert_refused("image", signatures[i].method, NULL, key, "not base64");
		assert_refused("image", signatures[i].method, "AAAA", key, "is not the signature");
		cut = strdup(key);
		cut[strlen(cut) / 2] = '\0';
		assert_refused("image", signatures[i].method, sign, cut, "not a whole PEM");
		free(cut);
		free(key);
		free(foreign);
		free(sign);
	}
}

static void test_wrong_kind_of_key(void **state)
{
	char *ed = make_public_key(signatures[0].key, "k1"),
	     *ec = make_public_key(signatures[1].key, "k2"),
	     *rsa = make_public_key(signatures[3].key, "k3");

	(void)state;
	shell("printf abc >image");
	assert_refused("image", FW_SIGN_ED25519, "AAAA", rsa,
		"type RSA, but sign_method 'ed25519' needs an Ed25519 key");
	assert_refused("image", FW_SIGN_RSA_SHA256, "AAAA", ec,
		"type EC, but sign_method 'rsa-sha256' needs an RSA key");
	assert_refused("image", FW_SIGN_ECDSA_SHA256, "AAAA", ed,
		"type ED25519, but sign_method 'ecdsa-sha256' needs an elliptic");
	free(ed);
	free(ec);
	free(rsa);
}

/* A password would be asked for at the terminal. */
static void test_no_password_is_asked(void **state)
{
	(void)state;
	shell("printf abc >image");
	assert_refused("image", FW_SIGN_RSA_SHA256, "AAAA",
		"-----BEGIN PUBLIC KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: "
		"AES-256-CBC,00112233445566778899AABBCCDDEEFF\n\nAAAA\n-----END PUBLIC KEY-----\n",
		"not a whole PEM");
}

static void test_bad_base64(void **state)
{
	static const char *const bad[] = {"A", "AAA", "AA=A", "A===", "====", "AAAA ", " AAA",
		"AAA\n", "AA\nA", "!!!!", "AAAA=", "AAA\xc3"};
	char *key = make_public_key(signatures[1].key, "k");

	(void)state;
	shell("printf abc >image");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_refused("image", FW_SIGN_ECDSA_SHA256, bad[i], key, "not base64");
	free(key);
}

static void test_length_must_hold(void **state)
{
	struct fw_digest_request request = {.size = 10, .method = FW_SIGN_SHA256};
	struct fw_digest_result result;

	(void)state;
	shell("printf 123456789 >short; printf 12345678901 >long");
	request.fd = open("short", O_RDONLY);
	assert_int_equal(fw_digest_file(&request, &result, NULL), FW_CORRUPT);
	close(request.fd);
	request.fd = open("long", O_RDONLY);
	assert_int_equal(fw_digest_file(&request, &result, NULL), FW_CORRUPT);
	close(request.fd);
	request.fd = open(".", O_RDONLY);
	assert_int_equal(fw_digest_file(&request, &result, NULL), FW_IO);
	close(request.fd);
}

static void test_too_large_for_ed25519(void **state)
{
	char *key = make_public_key(signatures[0].key, "k");

	(void)state;
	shell("truncate -s 257M sparse");
	assert_refused("sparse", FW_SIGN_ED25519, "AAAA", key, "sign this file by ecdsa-sha256");
	free(key);
}

static atomic_bool cancel;
static int64_t told;

static void on_progress(void *context, int64_t done)
{
	(void)context;
	assert_true(done > told);
	told = done;
	if (done >= INT64_C(64) << 20)
		atomic_store(&cancel, true);
}

static void test_cancel_and_progress(void **state)
{
	struct fw_digest_request request = {.size = INT64_C(10) << 30,
		.method = FW_SIGN_SHA256,
		.cancel = &cancel,
		.progress = on_progress};
	struct fw_digest_result result;

	(void)state;
	shell("truncate -s 10G sparse");
	request.fd = open("sparse", O_RDONLY);
	assert_int_equal(fw_digest_file(&request, &result, NULL), FW_BUSY);
	assert_true(told >= INT64_C(64) << 20 && told < INT64_C(200) << 20);
	close(request.fd);
}

static void test_without_memory_the_error_says_so(void **state)
{
	char *key = make_public_key("openssl genpkey -algorithm ed25519 -out %s", "memory.pem");

	(void)state;
	shell("printf a >image");
	no_memory = true;
	assert_int_equal(check("image", FW_SIGN_ED25519, "QUJD", key, NULL), FW_NOMEM);
	no_memory = false;
	assert_string_equal(last.text, "out of memory");
	free(key);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_digests),
		cmocka_unit_test(test_signatures),
		cmocka_unit_test(test_wrong_kind_of_key),
		cmocka_unit_test(test_no_password_is_asked),
		cmocka_unit_test(test_bad_base64),
		cmocka_unit_test(test_length_must_hold),
		cmocka_unit_test(test_too_large_for_ed25519),
		cmocka_unit_test(test_cancel_and_progress),
		cmocka_unit_test(test_without_memory_the_error_says_so),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
