/* Any bytes where an address comes in: what was minted is granted, and decodes to what it was made of; nothing else is. Any bytes as a Range
 * header: a part lies within the file. */
#include <stdlib.h>
#include <string.h>

#include "http.h"
#include "topic.h"
#include "url.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
	if (!holds)
		abort();
}

static void check_range(const char *header, int64_t size)
{
	int64_t first = -1, length = -1;

	switch (fw_http_range_parse(header, size, &first, &length)) {
	case FW_RANGE_PART:
		check(first >= 0 && length >= 1 && first < size && length <= size - first);
		break;
	default:
		break;
	}
}

static void check_decode(const char *text, size_t len)
{
	size_t shorter = len;
	char *copy = malloc(len + 1);

	if (!copy)
		return;
	memcpy(copy, text, len + 1);
	if (fw_url_decode(copy, &shorter))
		check(shorter <= len && !memchr(copy, '\0', shorter));
	free(copy);
}

/* The value of `name` in the query, decoded in place. */
static struct fw_slice parameter(char *url, const char *name)
{
	char *at = strstr(url, name);
	size_t len;

	check(at);
	at += strlen(name);
	len = strcspn(at, "&");
	check(fw_url_decode(at, &len));
	return (struct fw_slice){at, len};
}

static void check_mint(const struct fw_url_grant *grant, const struct fw_url_key *key)
{
	char *url = fw_url_mint("http://b", key, grant);
	struct fw_slice device, signature;
	struct fw_url_grant asked = *grant;
	char changed[FW_URL_SIGNATURE];

	if (!url)
		return;
	check(!strpbrk(url, " \n\r\t\"<>") && strncmp(url, "http://b/firmware/", 18) == 0);
	signature = parameter(url, "&signature=");
	device = parameter(url, "?device=");
	check(fw_slice_equal(device, grant->device) && signature.len == FW_URL_SIGNATURE - 1);
	asked.device = device;
	check(fw_url_check(key, &asked, signature, grant->expires - 1) && !fw_url_check(key, &asked, signature, grant->expires));
	memcpy(changed, signature.at, FW_URL_SIGNATURE - 1);
	changed[(size_t)grant->expires % (FW_URL_SIGNATURE - 1)] ^= 1;
	check(!fw_url_check(key, &asked, (struct fw_slice){changed, FW_URL_SIGNATURE - 1}, 0));
	asked.device = FW_SLICE("another");
	check(fw_slice_equal(device, asked.device) || !fw_url_check(key, &asked, signature, 0));
	free(url);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fw_url_key key = {{0}, 32};
	struct fw_url_grant grant = {.product = FW_SLICE("p"), .firmware_id = FW_SLICE("f"), .file = FW_SLICE("x.bin"), .expires = 1 + (int64_t)size};
	char *text;

	if (size < 33 || !(text = malloc(size - 31)))
		return 0;
	memcpy(key.bytes, data, 32);
	memcpy(text, data + 32, size - 32);
	text[size - 32] = '\0';
	check_range(text, (int64_t)(data[0] | data[1] << 8) << data[2] % 48);
	check_decode(text, strlen(text));
	grant.device = fw_slice_of(text);
	if (fw_topic_id_valid(grant.device))
		check_mint(&grant, &key);
	check(!fw_url_check(&key, &grant, grant.device, 0));
	free(text);
	return 0;
}
