/* The Range header: RFC 9110, section 14. */
#include "http.h"

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

static enum fw_http_range suffix(int64_t wanted, int64_t size, int64_t *first, int64_t *length)
{
	if (wanted == 0 || size == 0)
		return FW_RANGE_UNSATISFIABLE;
	*length = wanted < size ? wanted : size;
	*first = size - *length;
	return FW_RANGE_PART;
}

enum fw_http_range fw_http_range_parse(const char *header, int64_t size, int64_t *first, int64_t *length)
{
	int64_t from = 0, to = INT64_MAX;
	const char *at;
	bool has_from;

	if (!header || strncasecmp(header, "bytes", 5) != 0)
		return FW_RANGE_NONE;
	at = skip_blanks(header + 5);
	if (*at++ != '=')
		return FW_RANGE_NONE;
	at = skip_blanks(at);
	has_from = take_number(&at, &from);
	at = skip_blanks(at);
	if (*at++ != '-')
		return FW_RANGE_NONE;
	at = skip_blanks(at);
	if (!take_number(&at, &to) && !has_from)
		return FW_RANGE_NONE;
	if (*skip_blanks(at) != '\0')
		return FW_RANGE_NONE;
	if (!has_from)
		return suffix(to, size, first, length);
	if (to < from)
		return FW_RANGE_NONE;
	if (from >= size)
		return FW_RANGE_UNSATISFIABLE;
	*first = from;
	*length = (to < size ? to + 1 : size) - from;
	return FW_RANGE_PART;
}
