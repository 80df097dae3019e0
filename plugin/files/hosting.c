/* Where files are, what their URLs are, and whether a device can reach the host of these. */
#include "files/hosting.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum fw_status fw_hosting_init(
	struct fw_hosting *hosting, const struct fw_options *options, struct fw_error *error)
{
	enum fw_status status = fw_folder_prepare(options->files_dir, error);

	hosting->folder = options->files_dir;
	hosting->url_base = options->url_base;
	hosting->remote = status == FW_OK && fw_folder_remote(options->files_dir);
	hosting->ttl_seconds = options->url_ttl_seconds;
	atomic_store(&hosting->suspect, false);
	if (status == FW_OK && fw_hosting_expires(hosting))
		status = fw_url_key_load(options->url_secret_file, &hosting->key, error);
	return status;
}

/* The host of a URL: without user, port and the brackets of an IPv6 address. False when it is
 * longer than any address that is looked for. */
static bool host_of(const char *url, char *host, size_t size)
{
	const char *at = strstr(url, "://"), *user;
	size_t len;

	if (!at)
		return false;
	at += 3;
	len = strcspn(at, "/?#");
	user = memrchr(at, '@', len);
	if (user) {
		len -= (size_t)(user + 1 - at);
		at = user + 1;
	}
	if (*at == '[') {
		at++;
		len = strcspn(at, "]%");
	} else {
		const char *colon = memchr(at, ':', len);

		len = colon ? (size_t)(colon - at) : len;
	}
	/* "localhost." is the same name */
	len -= len && at[len - 1] == '.';
	return fw_slice_copy((struct fw_slice){at, len}, host, size);
}

/* In network order. 0.0.0.0/8 is this host, 127.0.0.0/8 loopback (RFC 1122, section 3.2.1.3). */
static bool is_local_v4(const unsigned char *address)
{
	return address[0] == 0 || address[0] == 127;
}

/* RFC 4291: unspecified, loopback, and IPv4 ones in their IPv6 form. */
static bool is_local_v6(const struct in6_addr *address)
{
	if (IN6_IS_ADDR_UNSPECIFIED(address) || IN6_IS_ADDR_LOOPBACK(address))
		return true;
	return (IN6_IS_ADDR_V4MAPPED(address) || IN6_IS_ADDR_V4COMPAT(address)) &&
		is_local_v4(address->s6_addr + 12);
}

static bool is_localhost(const char *host)
{
	static const char name[] = "localhost";
	size_t len = strlen(host), own = sizeof(name) - 1;

	/* and all names below it: RFC 6761, section 6.3 */
	return len >= own && strcasecmp(host + len - own, name) == 0 &&
		(len == own || host[len - own - 1] == '.');
}

bool fw_hosting_is_unreachable(const struct fw_hosting *hosting)
{
	char host[256];
	struct in_addr v4;
	struct in6_addr v6;

	if (!hosting->url_base || !host_of(hosting->url_base, host, sizeof(host)))
		return false;
	/* also in the forms that clients still take: 127.1, 0x7f.1, 0 */
	if (inet_aton(host, &v4))
		return is_local_v4((const unsigned char *)&v4.s_addr);
	if (inet_pton(AF_INET6, host, &v6) == 1)
		return is_local_v6(&v6);
	return is_localhost(host);
}

bool fw_hosting_holds(
	struct fw_hosting *hosting, const char *file, const struct fw_file_stamp *stamp)
{
	if (fw_folder_unchanged(hosting->folder, file, stamp))
		return true;
	atomic_store(&hosting->suspect, true);
	return false;
}

bool fw_hosting_may_hold(
	struct fw_hosting *hosting, const char *file, const struct fw_file_stamp *stamp)
{
	return hosting->remote || fw_hosting_holds(hosting, file, stamp);
}

char *fw_hosting_plain_url(
	const struct fw_hosting *hosting, struct fw_slice firmware_id, struct fw_slice file)
{
	char *url = NULL;

	if (hosting->url_base)
		return fw_url_plain(hosting->url_base, firmware_id, file);
	return asprintf(&url, "chunk:%.*s", (int)firmware_id.len, firmware_id.at) < 0 ? NULL : url;
}

bool fw_hosting_expires(const struct fw_hosting *hosting)
{
	return hosting->ttl_seconds > 0 && hosting->url_base;
}

char *fw_hosting_url(const struct fw_hosting *hosting, struct fw_slice product,
	struct fw_slice device, const char *firmware_id, const char *file, int64_t now)
{
	/* rounded up: it is over when the second that `expires` names begins */
	struct fw_url_grant grant = {.product = product,
		.device = device,
		.firmware_id = fw_slice_of(firmware_id),
		.file = fw_slice_of(file),
		.expires = (now + 999) / 1000 + hosting->ttl_seconds};

	return fw_url_mint(hosting->url_base, &hosting->key, &grant);
}
