/* Reads a file once, computes its digests, and compares `sign`. SHA-256 is computed in every case:
 * it is what HTTP caches know the file by, and what ecdsa-sha256 and rsa-sha256 sign. Only ed25519
 * needs the whole file in memory, the others a buffer. */
#include "files/digest.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#define PIECE (256u * 1024)
#define PROGRESS_EVERY (INT64_C(16) << 20)

static const struct {
	const char *name, *key_type; /* NULL: a digest */
	const char *key_words;
} methods[FW_SIGN_METHODS] = {
	[FW_SIGN_MD5] = {"md5", NULL, NULL},
	[FW_SIGN_SHA256] = {"sha256", NULL, NULL},
	[FW_SIGN_SHA512] = {"sha512", NULL, NULL},
	[FW_SIGN_ED25519] = {"ed25519", "ED25519",
		"an Ed25519 key (openssl genpkey -algorithm ed25519)"},
	[FW_SIGN_ECDSA_SHA256] = {"ecdsa-sha256", "EC",
		"an elliptic curve key (openssl genpkey -algorithm EC -pkeyopt "
		"ec_paramgen_curve:P-256)"},
	[FW_SIGN_RSA_SHA256] = {"rsa-sha256", "RSA",
		"an RSA key (openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:3072)"},
};

bool fw_sign_method_parse(struct fw_slice name, enum fw_sign_method *out)
{
	for (size_t i = 0; i < FW_SIGN_METHODS; i++) {
		if (fw_slice_equal(name, fw_slice_of(methods[i].name))) {
			*out = (enum fw_sign_method)i;
			return true;
		}
	}
	return false;
}

const char *fw_sign_method_name(enum fw_sign_method method)
{
	return methods[method].name;
}

bool fw_sign_method_is_digest(enum fw_sign_method method)
{
	return !methods[method].key_type;
}

/* Did OpenSSL fail for want of memory? That says nothing about a key, a signature, or a file.
 * Forgets the failure. */
static bool lacked_memory(void)
{
	bool lacked = false;
	unsigned long code;

	while ((code = ERR_get_error()))
		lacked |= ERR_GET_REASON(code) == ERR_R_MALLOC_FAILURE;
	return lacked;
}

static enum fw_status out_of_memory(struct fw_error *error)
{
	fw_error_set(error, "out of memory");
	return FW_NOMEM;
}

static enum fw_status openssl_failed(struct fw_error *error, const char *what)
{
	const char *reason = ERR_reason_error_string(ERR_peek_last_error());

	if (lacked_memory())
		return out_of_memory(error);
	fw_error_set(error, "OpenSSL refuses %s: %s", what, reason ? reason : "no reason given");
	return FW_FAILED;
}

/* OpenSSL's own callback would ask at the terminal. */
/* NOLINTNEXTLINE(readability-non-const-parameter): the type is OpenSSL's */
static int no_password(char *buffer, int size, int writing, void *context)
{
	(void)buffer;
	(void)size;
	(void)writing;
	(void)context;
	return -1;
}

static enum fw_status load_key(
	enum fw_sign_method method, const char *pem, EVP_PKEY **out, struct fw_error *error)
{
	BIO *bio;
	EVP_PKEY *key;

	if (!pem || !pem[0]) {
		fw_error_set(error,
			"sign_method '%s' needs the product's public_key, and it has none: UPDATE "
			"product SET public_key = ...",
			methods[method].name);
		return FW_INVALID;
	}
	bio = BIO_new_mem_buf(pem, -1);
	key = bio ? PEM_read_bio_PUBKEY(bio, NULL, no_password, NULL) : NULL;
	BIO_free(bio);
	if (lacked_memory() && !key)
		return out_of_memory(error);
	if (!key) {
		fw_error_set(error,
			"the product's public_key is not a whole PEM public key: set it to what "
			"'openssl pkey -in private.pem -pubout' prints");
		return FW_INVALID;
	}
	if (!EVP_PKEY_is_a(key, methods[method].key_type)) {
		const char *type = EVP_PKEY_get0_type_name(key);

		fw_error_set(error,
			"the product's public_key is of type %s, but sign_method '%s' needs %s",
			type ? type : "unknown", methods[method].name, methods[method].key_words);
		EVP_PKEY_free(key);
		return FW_INVALID;
	}
	*out = key;
	return FW_OK;
}

static bool is_base64(const char *text, size_t len)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	size_t plain = strspn(text, digits);

	return len >= 4 && len % 4 == 0 && len <= 65536 && len - plain <= 2 &&
		strspn(text + plain, "=") == len - plain;
}

static enum fw_status decode_signature(
	const char *text, unsigned char **out, size_t *out_len, struct fw_error *error)
{
	size_t len = text ? strlen(text) : 0;
	unsigned char *bytes;
	int got;

	if (!is_base64(text ? text : "", len)) {
		fw_error_set(error,
			"sign is not base64 on one line: use what 'openssl base64 -A -in "
			"signature' prints");
		return FW_INVALID;
	}
	bytes = malloc(len);
	if (!bytes)
		return out_of_memory(error);
	/* it counts the padding as bytes */
	got = EVP_DecodeBlock(bytes, (const unsigned char *)text, (int)len);
	if (got < 3) {
		free(bytes);
		fw_error_set(error, "sign is not base64");
		return FW_INVALID;
	}
	*out = bytes;
	*out_len = (size_t)got - (len - strcspn(text, "="));
	return FW_OK;
}

/* Everything a run needs, freed in one place. */
struct run {
	const struct fw_digest_request *request;
	struct fw_error *error;
	EVP_MD_CTX *sha256, *other; /* other: md5 or sha512, or NULL */
	unsigned char *buffer;      /* PIECE bytes, or the whole file */
	size_t buffer_size;
	bool whole;
	EVP_PKEY *key;
	unsigned char *signature;
	size_t signature_len;
};

static enum fw_status start_hash(struct run *run, const char *name, EVP_MD_CTX **out)
{
	EVP_MD *digest = EVP_MD_fetch(NULL, name, NULL);
	enum fw_status status = FW_OK;

	*out = EVP_MD_CTX_new();
	if (!digest || !*out || EVP_DigestInit_ex2(*out, digest, NULL) != 1)
		status = openssl_failed(run->error, name);
	EVP_MD_free(digest);
	return status;
}

static enum fw_status make_buffer(struct run *run)
{
	run->whole = run->request->method == FW_SIGN_ED25519;
	if (run->whole && run->request->size > FW_DIGEST_ED25519_MAX) {
		fw_error_set(run->error,
			"ed25519 needs the whole file in memory, and is limited to %lld bytes: "
			"sign this file by ecdsa-sha256 or rsa-sha256",
			(long long)FW_DIGEST_ED25519_MAX);
		return FW_INVALID;
	}
	run->buffer_size =
		run->whole && run->request->size > PIECE ? (size_t)run->request->size : PIECE;
	run->buffer = mmap(
		NULL, run->buffer_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (run->buffer == MAP_FAILED) {
		run->buffer = NULL;
		return out_of_memory(run->error);
	}
	return FW_OK;
}

static enum fw_status prepare(struct run *run)
{
	enum fw_sign_method method = run->request->method;
	enum fw_status status = FW_OK;

	if (!fw_sign_method_is_digest(method)) {
		status = load_key(method, run->request->public_key, &run->key, run->error);
		if (status == FW_OK)
			status = decode_signature(run->request->sign, &run->signature,
				&run->signature_len, run->error);
	}
	if (status == FW_OK)
		status = make_buffer(run);
	if (status == FW_OK)
		status = start_hash(run, "SHA256", &run->sha256);
	if (status == FW_OK && (method == FW_SIGN_MD5 || method == FW_SIGN_SHA512))
		status = start_hash(run, method == FW_SIGN_MD5 ? "MD5" : "SHA512", &run->other);
	return status;
}

static enum fw_status read_piece(
	struct run *run, unsigned char *at, size_t most, int64_t offset, size_t *got)
{
	ssize_t len;

	do {
		len = pread(run->request->fd, at, most, offset);
	} while (len < 0 && errno == EINTR);
	if (len < 0) {
		fw_error_set(run->error, "the file cannot be read now: %s", strerror(errno));
		return FW_IO;
	}
	*got = (size_t)len;
	return FW_OK;
}

static enum fw_status wrong_length(struct run *run)
{
	fw_error_set(run->error, "the file changed while it was read");
	return FW_CORRUPT;
}

static enum fw_status hash_file(struct run *run)
{
	const struct fw_digest_request *request = run->request;
	int64_t done = 0, told = 0;
	unsigned char beyond;
	size_t got;
	enum fw_status status;

	while (done < request->size) {
		unsigned char *at = run->whole ? run->buffer + done : run->buffer;
		int64_t left = request->size - done;

		if (request->cancel && atomic_load(request->cancel)) {
			fw_error_set(run->error, "canceled");
			return FW_BUSY;
		}
		status = read_piece(
			run, at, left < (int64_t)PIECE ? (size_t)left : PIECE, done, &got);
		if (status != FW_OK)
			return status;
		if (got == 0)
			return wrong_length(run);
		if (EVP_DigestUpdate(run->sha256, at, got) != 1 ||
			(run->other && EVP_DigestUpdate(run->other, at, got) != 1))
			return openssl_failed(run->error, "hashing");
		done += (int64_t)got;
		if (request->progress && (done - told >= PROGRESS_EVERY || done == request->size)) {
			request->progress(request->context, done);
			told = done;
		}
	}
	status = read_piece(run, &beyond, 1, done, &got);
	return status == FW_OK && got ? wrong_length(run) : status;
}

static enum fw_status finish_hash(
	struct run *run, EVP_MD_CTX *context, unsigned char *bytes, char *hex)
{
	unsigned len = 0;

	if (EVP_DigestFinal_ex(context, bytes, &len) != 1)
		return openssl_failed(run->error, "hashing");
	fw_hex(hex, bytes, len);
	return FW_OK;
}

static bool verify_whole(struct run *run)
{
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	bool good = context && EVP_DigestVerifyInit(context, NULL, NULL, NULL, run->key) == 1 &&
		EVP_DigestVerify(context, run->signature, run->signature_len, run->buffer,
			(size_t)run->request->size) == 1;

	EVP_MD_CTX_free(context);
	return good;
}

static bool verify_sha256(struct run *run, const unsigned char *digest)
{
	EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_pkey(NULL, run->key, NULL);
	bool good = context && EVP_PKEY_verify_init(context) == 1 &&
		(run->request->method != FW_SIGN_RSA_SHA256 ||
			EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PADDING) == 1) &&
		EVP_PKEY_CTX_set_signature_md(context, EVP_sha256()) == 1 &&
		EVP_PKEY_verify(context, run->signature, run->signature_len, digest, 32) == 1;

	EVP_PKEY_CTX_free(context);
	return good;
}

static enum fw_status check_signature(struct run *run, const unsigned char *sha256)
{
	bool good = run->whole ? verify_whole(run) : verify_sha256(run, sha256);

	if (lacked_memory() && !good)
		return out_of_memory(run->error);
	if (good)
		return FW_OK;
	fw_error_set(run->error,
		"sign (%s) is not the signature of this file by the owner of the product's "
		"public_key: another file, another key, or a damaged signature",
		methods[run->request->method].name);
	return FW_INVALID;
}

static enum fw_status finish(struct run *run, struct fw_digest_result *out)
{
	const char *sign = run->request->sign;
	unsigned char sha256[EVP_MAX_MD_SIZE], other[EVP_MAX_MD_SIZE];
	struct fw_digest_result result = {"", ""};
	enum fw_status status = finish_hash(run, run->sha256, sha256, result.sha256);

	if (status == FW_OK && run->other)
		status = finish_hash(run, run->other, other, result.digest);
	if (status == FW_OK && run->request->method == FW_SIGN_SHA256)
		memcpy(result.digest, result.sha256, sizeof(result.sha256));
	if (status == FW_OK && run->key)
		status = check_signature(run, sha256);
	if (status == FW_OK && !run->key && sign && strcmp(sign, result.digest) != 0) {
		fw_error_set(run->error,
			"sign (%s) is %.140s, but that of the file is %s: put the right file "
			"there, or set sign to NULL to have it filled in",
			methods[run->request->method].name, sign, result.digest);
		status = FW_INVALID;
	}
	if (status == FW_OK)
		*out = result;
	return status;
}

enum fw_status fw_digest_file(const struct fw_digest_request *request, struct fw_digest_result *out,
	struct fw_error *error)
{
	struct run run = {.request = request, .error = error};
	enum fw_status status = prepare(&run);

	if (status == FW_OK) {
		posix_fadvise(request->fd, 0, 0, POSIX_FADV_SEQUENTIAL);
		status = hash_file(&run);
	}
	if (status == FW_OK)
		status = finish(&run, out);
	if (run.buffer)
		munmap(run.buffer, run.buffer_size);
	EVP_MD_CTX_free(run.sha256);
	EVP_MD_CTX_free(run.other);
	EVP_PKEY_free(run.key);
	free(run.signature);
	return status;
}
