/* The Range header: RFC 9110, section 14. */
#include "http/server.h"

#include <string.h>
#include <strings.h>

static const char *skip_blanks(const char *at)
{
	while (*at == ' ' || *at == '\t')
		at++;
	return at;
}

/* A number, as large as int64_t goes. False when there is none. */
static bool take_number(const char **at, int64_t *out)
{
	const char *digit = *at;
	int64_t number = 0;

	for (; *digit >= '0' && *digit <= '9'; digit++) {
		int value = *digit - '0';

		number = number > (INT64_MAX - value) / 10 ? INT64_MAX : number * 10 + value;
	}
	if (digit == *at)
		return false;
	*at = digit;
	*out = number;
	return true;
}

static enum fw_http_range suffix(int64_t wanted, int64_t size, struct fw_http_range_of *out)
{
	if (wanted == 0 || size == 0)
		return FW_RANGE_UNSATISFIABLE;
	out->length = wanted < size ? wanted : size;
	out->first = size - out->length;
	return FW_RANGE_PART;
}

/* One range, with the blanks behind it. FW_RANGE_NONE: it is not valid. */
static enum fw_http_range take_range(const char **text, int64_t size, struct fw_http_range_of *out)
{
	int64_t from = 0, to = INT64_MAX;
	const char *at = *text;
	bool has_from = take_number(&at, &from);

	at = skip_blanks(at);
	if (*at++ != '-')
		return FW_RANGE_NONE;
	at = skip_blanks(at);
	if (!take_number(&at, &to) && !has_from)
		return FW_RANGE_NONE;
	*text = skip_blanks(at);
	if (!has_from)
		return suffix(to, size, out);
	if (to < from)
		return FW_RANGE_NONE;
	if (from >= size)
		return FW_RANGE_UNSATISFIABLE;
	*out = (struct fw_http_range_of){from, (to < size ? to + 1 : size) - from};
	return FW_RANGE_PART;
}

/* The list's beginning; NULL: other units, or no list. */
static const char *skip_unit(const char *header)
{
	const char *at;

	if (!header || strncasecmp(header, "bytes", 5) != 0)
		return NULL;
	at = skip_blanks(header + 5);
	return *at == '=' ? at + 1 : NULL;
}

/* Elements of a list may be empty (section 5.6.1). */
static const char *skip_empty(const char *at)
{
	while (*at == ',' || *at == ' ' || *at == '\t')
		at++;
	return at;
}

enum fw_http_range fw_http_ranges_parse(
	const char *header, int64_t size, struct fw_http_range_of *ranges, size_t *count)
{
	const char *at = skip_unit(header);
	int64_t left = size;
	size_t asked = 0, found = 0;

	for (at = at ? skip_empty(at) : ""; *at; at = skip_empty(at)) {
		struct fw_http_range_of range;
		enum fw_http_range kind = take_range(&at, size, &range);

		if (kind == FW_RANGE_NONE || (*at != ',' && *at != '\0') ||
			++asked > FW_HTTP_RANGES_MOST)
			return FW_RANGE_NONE;
		if (kind == FW_RANGE_UNSATISFIABLE)
			continue;
		if (range.length > left)
			return FW_RANGE_NONE;
		left -= range.length;
		ranges[found++] = range;
	}
	*count = found;
	if (!asked)
		return FW_RANGE_NONE;
	return found ? FW_RANGE_PART : FW_RANGE_UNSATISFIABLE;
}
