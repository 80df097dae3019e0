/* URLs of firmware files: {base}/firmware/{firmwareId}/{file}, and those that expire: with
 * ?device=...&expires=...&signature=... for one device. Pure but for fw_url_key_load; any
 * thread.
 *
 * signature is HMAC-SHA256 in lower-case hex, by the key in the secret file (its text without the
 * line end), over these lines, each but the last ended by a line feed: "mosquitto-firmware-url-1",
 * product, device, firmware id, file, expires. None of them can contain a line feed. */
#ifndef FW_FILES_URL_H
#define FW_FILES_URL_H

#include "base/fw.h"

#define FW_URL_KEY_MAX 1024u
#define FW_URL_SIGNATURE 65u /* hex digits and the terminator */

struct fw_url_key {
	unsigned char bytes[FW_URL_KEY_MAX];
	size_t len;
};

/* On the I/O thread (base/io_thread.h), at start. Reads the key, or makes the file (64 hex digits
 * of 32 random bytes, mode 0600) when it is missing. FW_OK; FW_NOMEM; FW_INVALID with a message
 * that says what to change: it cannot be made or read, others may read it, a short or long key. */
enum fw_status fw_url_key_load(const char *path, struct fw_url_key *out, struct fw_error *error);

/* What a signed URL allows: one device, one file, for a time. */
struct fw_url_grant {
	struct fw_slice product, device, firmware_id, file;
	int64_t expires; /* Unix time in seconds */
};

/* A URL without, and one with an expiry; malloc'd. NULL when out of memory, or where fw_url_sign
 * fails. */
char *fw_url_plain(const char *base, struct fw_slice firmware_id, struct fw_slice file);
char *fw_url_mint(const char *base, const struct fw_url_key *key, const struct fw_url_grant *grant);

/* False when an id or the file's name is too long, or OpenSSL refuses. */
bool fw_url_sign(const struct fw_url_key *key, const struct fw_url_grant *grant,
	char signature[FW_URL_SIGNATURE]);

/* Is the signature that of the grant, and the grant not expired? `now`: Unix seconds. Takes the
 * same time wherever it differs. */
bool fw_url_check(const struct fw_url_key *key, const struct fw_url_grant *grant,
	struct fw_slice signature, int64_t now);

/* Writes `text` with all but RFC 3986's unreserved characters (section 2.3) as %XX: up to 3 bytes
 * each, not terminated. Returns the end. */
char *fw_url_encode(char *at, struct fw_slice text);

/* %XX to bytes, in place; the new length in *len. False for what is no valid escape, and for %00.
 */
bool fw_url_decode(char *text, size_t *len);

#endif
