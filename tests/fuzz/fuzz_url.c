/* Any bytes where an address comes in: what was minted is granted, and decodes to what it was made
 * of; nothing else is. Any bytes as a Range header: the parts lie within the file, and are not more
 * than it. Any lines as the conditions of a request. */
#include <stdlib.h>
#include <string.h>

#include "http/multipart.h"
#include "http/condition.h"
#include "protocol/topic.h"
#include "files/url.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
	if (!holds)
		abort();
}

/* The body of several ranges has the bytes that its layout says, wherever it is cut. */
static void check_multipart(int64_t size, const struct fw_http_range_of *ranges, size_t count)
{
	struct fw_http_multipart *multipart = fw_http_multipart_new(-1, size, ranges, count);
	struct fw_http_range_of piece;
	int64_t at = 0, seen = 0, asked = 0;
	size_t pieces = 0;

	if (!multipart)
		return;
	for (size_t i = 0; i < count; i++)
		asked += ranges[i].length;
	for (int64_t step = fw_http_multipart_length(multipart) / 7 + 1;
		at < fw_http_multipart_length(multipart);) {
		int64_t to = at + step < fw_http_multipart_length(multipart)
			? at + step
			: fw_http_multipart_length(multipart);

		for (; fw_http_multipart_piece(multipart, &at, to, &piece); pieces++) {
			check(piece.first >= 0 && piece.length >= 1 &&
				piece.length <= size - piece.first);
			seen += piece.length;
		}
		at = to;
	}
	check(seen == asked && pieces >= count && pieces <= count + 7);
	fw_http_multipart_free(multipart);
}

static void check_range(const char *header, int64_t size)
{
	struct fw_http_range_of ranges[FW_HTTP_RANGES_MOST];
	int64_t left = size;
	size_t count = 0;

	if (fw_http_ranges_parse(header, size, ranges, &count) != FW_RANGE_PART)
		return;
	check(count >= 1 && count <= FW_HTTP_RANGES_MOST);
	for (size_t i = 0; i < count; i++) {
		check(ranges[i].first >= 0 && ranges[i].length >= 1 &&
			ranges[i].length <= size - ranges[i].first);
		check(ranges[i].length <= left);
		left -= ranges[i].length;
	}
	check_multipart(size, ranges, count);
}

/* Lines of a head, `name: value` each: whatever they are, what they ask for can be told. */
static void check_conditions(const char *text)
{
	static const struct fw_http_validators validators = {"\"e1\"", true, 784111777};
	struct fw_http_conditions conditions = {.validators = &validators, .now = 1735689600};
	char *copy = strdup(text), *rest = copy, *line, written[FW_HTTP_DATE];
	int64_t date, again;

	while (copy && (line = strsep(&rest, "\n"))) {
		char *value = strchr(line, ':');

		if (fw_http_date_parse(line, 1735689600, &date) &&
			fw_http_date_format(date, written))
			check(fw_http_date_parse(written, 1735689600, &again) && again == date);
		if (value)
			*value++ = '\0';
		fw_http_conditions_add(&conditions, line, value);
	}
	free(copy);
	if (conditions.has_match && !conditions.matches)
		check(fw_http_conditions_check(&conditions) == FW_HTTP_FAILED);
	else if (conditions.has_match && conditions.none_matches)
		check(fw_http_conditions_check(&conditions) == FW_HTTP_NOT_MODIFIED);
	check(conditions.has_range_condition || fw_http_conditions_allow_range(&conditions));
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
	check(fw_url_check(key, &asked, signature, grant->expires - 1) &&
		!fw_url_check(key, &asked, signature, grant->expires));
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
	struct fw_url_grant grant = {.product = FW_SLICE("p"),
		.firmware_id = FW_SLICE("f"),
		.file = FW_SLICE("x.bin"),
		.expires = 1 + (int64_t)size};
	char *text;

	if (size < 33 || !(text = malloc(size - 31)))
		return 0;
	memcpy(key.bytes, data, 32);
	memcpy(text, data + 32, size - 32);
	text[size - 32] = '\0';
	check_range(text, (int64_t)(data[0] | data[1] << 8) << data[2] % 48);
	check_conditions(text);
	check_decode(text, strlen(text));
	grant.device = fw_slice_of(text);
	if (fw_topic_id_valid(grant.device))
		check_mint(&grant, &key);
	check(!fw_url_check(&key, &grant, grant.device, 0));
	free(text);
	return 0;
}
