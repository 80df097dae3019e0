/* Makes, signs and checks the URLs of firmware files, and keeps the key in a file that others must
 * not read. */
#include "files/url.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#define KEY_RANDOM 32u
#define KEY_LEAST 16u

static enum fw_status refuse_key(struct fw_error *error, const char *path, const char *what)
{
	fw_error_set(error, "plugin_opt_url_secret_file: %s '%s'%s%s", what, path,
		errno ? ": " : "", errno ? strerror(errno) : "");
	return FW_INVALID;
}

/* Written whole under another name first, so that a crash leaves no half key; never over one that
 * another process made meanwhile. */
static enum fw_status make_key(const char *path, struct fw_error *error)
{
	unsigned char random[KEY_RANDOM];
	char text[2 * KEY_RANDOM + 2], *temporary = NULL;
	enum fw_status status = FW_OK;
	int fd;

	if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random))
		return refuse_key(error, path, "no random bytes for");
	fw_hex(text, random, sizeof(random));
	text[2 * KEY_RANDOM] = '\n';
	if (asprintf(&temporary, "%s.%ld", path, (long)getpid()) < 0)
		return FW_NOMEM;
	fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0 || write(fd, text, 2 * KEY_RANDOM + 1) != (ssize_t)(2 * KEY_RANDOM + 1) ||
		fsync(fd) != 0 || (link(temporary, path) != 0 && errno != EEXIST))
		status = refuse_key(error, path, "cannot make the key file");
	if (fd >= 0)
		close(fd);
	unlink(temporary);
	free(temporary);
	OPENSSL_cleanse(random, sizeof(random));
	OPENSSL_cleanse(text, sizeof(text));
	return status;
}

static enum fw_status read_key(
	int fd, const char *path, struct fw_url_key *out, struct fw_error *error)
{
	struct stat status;
	ssize_t len;

	errno = 0;
	if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode))
		return refuse_key(error, path, "is not a regular file:");
	if (status.st_mode & (S_IRWXO | S_IWGRP))
		return refuse_key(error, path, "others may read or change the key (chmod 600):");
	len = read(fd, out->bytes, sizeof(out->bytes));
	while (len > 0 && (out->bytes[len - 1] == '\n' || out->bytes[len - 1] == '\r'))
		len--;
	if (len < (ssize_t)KEY_LEAST || len >= (ssize_t)sizeof(out->bytes))
		return refuse_key(error, path,
			"must have 16 to 1023 bytes of key, such as 'openssl rand -hex 32' "
			"prints:");
	out->len = (size_t)len;
	return FW_OK;
}

enum fw_status fw_url_key_load(const char *path, struct fw_url_key *out, struct fw_error *error)
{
	enum fw_status status = FW_OK;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0 && errno == ENOENT) {
		status = make_key(path, error);
		fd = status == FW_OK ? open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK) : -1;
	}
	if (status == FW_OK)
		status = fd < 0 ? refuse_key(error, path, "cannot read the key file")
				: read_key(fd, path, out, error);
	if (fd >= 0)
		close(fd);
	return status;
}

char *fw_url_encode(char *at, struct fw_slice text)
{
	static const char upper[] = "0123456789ABCDEF";

	for (size_t i = 0; i < text.len; i++) {
		unsigned char byte = (unsigned char)text.at[i];

		if ((byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
			(byte >= '0' && byte <= '9') || byte == '-' || byte == '.' || byte == '_' ||
			byte == '~') {
			*at++ = (char)byte;
		} else {
			*at++ = '%';
			*at++ = upper[byte >> 4];
			*at++ = upper[byte & 15];
		}
	}
	return at;
}

/* Room for the plain URL and `more` bytes; *end is where it ends. */
static char *start_url(const char *base, struct fw_slice firmware_id, struct fw_slice file,
	size_t more, char **end)
{
	size_t len = strlen(base);
	char *url = malloc(len + sizeof("/firmware//") + 3 * (firmware_id.len + file.len) + more);
	char *at;

	if (!url)
		return NULL;
	at = mempcpy(url, base, len);
	at = mempcpy(at, "/firmware/", 10);
	at = fw_url_encode(at, firmware_id);
	*at++ = '/';
	*end = fw_url_encode(at, file);
	**end = '\0';
	return url;
}

char *fw_url_plain(const char *base, struct fw_slice firmware_id, struct fw_slice file)
{
	char *end;

	return start_url(base, firmware_id, file, 1, &end);
}

char *fw_url_mint(const char *base, const struct fw_url_key *key, const struct fw_url_grant *grant)
{
	char signature[FW_URL_SIGNATURE], *end, *url;

	if (!fw_url_sign(key, grant, signature))
		return NULL;
	url = start_url(base, grant->firmware_id, grant->file, 3 * grant->device.len + 128, &end);
	if (!url)
		return NULL;
	end = fw_url_encode(mempcpy(end, "?device=", 8), grant->device);
	sprintf(end, "&expires=%" PRId64 "&signature=%s", grant->expires, signature);
	return url;
}

/* Bytes of what is signed. The catalog's own rules keep each field within its limit. */
#define CANONICAL_MAX 1024u

bool fw_url_sign(const struct fw_url_key *key, const struct fw_url_grant *grant,
	char signature[FW_URL_SIGNATURE])
{
	char text[CANONICAL_MAX];
	unsigned char mac[EVP_MAX_MD_SIZE];
	unsigned mac_len = 0;
	int len;

	if (grant->product.len > FW_ID_MAX || grant->device.len > FW_ID_MAX ||
		grant->firmware_id.len > FW_ID_MAX || grant->file.len > 255)
		return false;
	len = snprintf(text, sizeof(text),
		"mosquitto-firmware-url-1\n%.*s\n%.*s\n%.*s\n%.*s\n%" PRId64,
		(int)grant->product.len, grant->product.at, (int)grant->device.len,
		grant->device.at, (int)grant->firmware_id.len, grant->firmware_id.at,
		(int)grant->file.len, grant->file.at, grant->expires);
	if (len < 0 || (size_t)len >= sizeof(text) ||
		!HMAC(EVP_sha256(), key->bytes, (int)key->len, (const unsigned char *)text,
			(size_t)len, mac, &mac_len) ||
		mac_len != 32)
		return false;
	fw_hex(signature, mac, mac_len);
	return true;
}

bool fw_url_check(const struct fw_url_key *key, const struct fw_url_grant *grant,
	struct fw_slice signature, int64_t now)
{
	char expected[FW_URL_SIGNATURE];

	if (signature.len != FW_URL_SIGNATURE - 1 || !fw_url_sign(key, grant, expected))
		return false;
	return CRYPTO_memcmp(expected, signature.at, signature.len) == 0 && now < grant->expires;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

bool fw_url_decode(char *text, size_t *len)
{
	char *out = text, *end = text + *len;

	for (char *at = text; at < end; at++) {
		int high, low;

		if (*at != '%') {
			*out++ = *at;
			continue;
		}
		if (end - at < 3)
			return false;
		high = hex_digit(at[1]);
		low = hex_digit(at[2]);
		if (high < 0 || low < 0 || (high == 0 && low == 0))
			return false;
		*out++ = (char)(high * 16 + low);
		at += 2;
	}
	*len = (size_t)(out - text);
	return true;
}
