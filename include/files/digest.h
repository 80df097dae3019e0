/* Digests and signatures of files, by OpenSSL. Pure but for reading the file. Any thread but the
 * broker's, since a large file takes long.
 *
 * What the `openssl` command makes is what verifies here: `dgst -sha256 -sign` for ecdsa-sha256 and
 * rsa-sha256 (PKCS #1 v1.5), `pkeyutl -sign -rawin` for ed25519. */
#ifndef FW_FILES_DIGEST_H
#define FW_FILES_DIGEST_H

#include <stdatomic.h>

#include "base/fw.h"

enum fw_sign_method {
	FW_SIGN_MD5,
	FW_SIGN_SHA256,
	FW_SIGN_SHA512,
	FW_SIGN_ED25519,
	FW_SIGN_ECDSA_SHA256,
	FW_SIGN_RSA_SHA256,
	FW_SIGN_METHODS
};

#define FW_SHA256_TEXT 65u  /* 64 hex digits and the terminator */
#define FW_DIGEST_TEXT 129u /* of any method */

/* Ed25519 is verified over the whole message at once, so the file is read into memory, and larger
 * files need another method. It is not mapped: a mapped file that is truncated ends the process by
 * SIGBUS. */
#define FW_DIGEST_ED25519_MAX (INT64_C(256) << 20)

bool fw_sign_method_parse(struct fw_slice name, enum fw_sign_method *out);
const char *fw_sign_method_name(enum fw_sign_method method); /* static */
bool fw_sign_method_is_digest(enum fw_sign_method method);   /* else a signature */

struct fw_digest_request {
	int fd; /* borrowed; its position is not used */
	/* bytes the file has; it is an error when it has more or fewer by the time it is read */
	int64_t size;
	enum fw_sign_method method;
	const char *sign;          /* what it must match; NULL with a digest: it is only computed */
	const char *public_key;    /* PEM, for signatures */
	const atomic_bool *cancel; /* set by another thread to end early; NULL: never */
	/* bytes read so far, now and then; may be NULL */
	void (*progress)(void *context, int64_t done);
	void *context;
};

struct fw_digest_result {
	char sha256[FW_SHA256_TEXT]; /* of the file, whatever the method */
	char digest[FW_DIGEST_TEXT]; /* by the method, empty when that is a signature */
};

/* FW_OK: *out is set, and the file matches `sign` if one was given. Else a sentence is in `error`:
 * FW_INVALID (does not match; no key, a wrong one, or no PEM; `sign` is no base64; too large for
 * ed25519), FW_CORRUPT (the file's length is not `size`), FW_BUSY (canceled), FW_IO, FW_NOMEM,
 * FW_FAILED (OpenSSL refuses, such as md5 under FIPS). */
enum fw_status fw_digest_file(const struct fw_digest_request *request, struct fw_digest_result *out,
	struct fw_error *error);

#endif
