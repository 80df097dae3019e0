/* Compares the entity-tags and dates of a request with those of the file, and decides in the order
 * of RFC 9110, section 13.2.2. */
#include "http/condition.h"

#include <string.h>
#include <strings.h>

static const char *skip_blanks(const char *at)
{
	return at + strspn(at, " \t");
}

/* An entity-tag (RFC 9110, section 8.8.3): is it `etag`? Moves behind it; false also when there is
 * none, with *at at NULL. */
static bool take_tag(const char **at, const char *etag, bool strong)
{
	bool weak = strncmp(*at, "W/", 2) == 0;
	const char *begin = *at + (weak ? 2 : 0),
		   *end = *begin == '"' ? strchr(begin + 1, '"') : NULL;
	size_t len;

	if (!end) {
		*at = NULL;
		return false;
	}
	len = (size_t)(end + 1 - begin);
	*at = end + 1;
	return !(weak && strong) && strlen(etag) == len && memcmp(begin, etag, len) == 0;
}

/* Is the tag in a list such as `W/"a", "b"`, or is that "*"? What follows a mistake is not read. */
static bool in_list(const char *list, const char *etag, bool strong)
{
	const char *at = skip_blanks(list);

	if (*at == '*')
		return *skip_blanks(at + 1) == '\0';
	while (*at) {
		if (*at != ',') {
			bool found = take_tag(&at, etag, strong);

			if (!at)
				return false;
			at = skip_blanks(at);
			if (*at != ',' && *at != '\0')
				return false;
			if (found)
				return true;
		}
		at += strspn(at, ", \t");
	}
	return false;
}

static void add_date(const struct fw_http_conditions *conditions, const char *value,
	struct fw_http_condition_date *date)
{
	date->valid = !date->given && fw_http_date_parse(value, conditions->now, &date->seconds);
	date->given = true;
}

/* A tag must be ours by strong comparison, a date the one that we told (section 13.1.5). */
static bool range_condition(const struct fw_http_conditions *conditions, const char *value)
{
	const struct fw_http_validators *validators = conditions->validators;
	const char *at = skip_blanks(value);
	int64_t date;

	if (*at == '"' || strncmp(at, "W/", 2) == 0)
		return take_tag(&at, validators->etag, true) && *skip_blanks(at) == '\0';
	return validators->has_modified && fw_http_date_parse(at, conditions->now, &date) &&
		date == validators->modified;
}

void fw_http_conditions_add(
	struct fw_http_conditions *conditions, const char *name, const char *value)
{
	const char *etag = conditions->validators->etag;

	if (!value)
		value = "";
	if (strcasecmp(name, "If-Match") == 0) {
		conditions->has_match = true;
		conditions->matches |= in_list(value, etag, true);
	} else if (strcasecmp(name, "If-None-Match") == 0) {
		conditions->has_none_match = true;
		conditions->none_matches |= in_list(value, etag, false);
	} else if (strcasecmp(name, "If-Modified-Since") == 0) {
		add_date(conditions, value, &conditions->modified_since);
	} else if (strcasecmp(name, "If-Unmodified-Since") == 0) {
		add_date(conditions, value, &conditions->unmodified_since);
	} else if (strcasecmp(name, "If-Range") == 0) {
		conditions->range_condition =
			!conditions->has_range_condition && range_condition(conditions, value);
		conditions->has_range_condition = true;
	}
}

/* Was the file changed after this date? `otherwise` when that cannot be said: the text is no date,
 * or the file's own is not known. */
static bool changed_since(const struct fw_http_conditions *conditions,
	const struct fw_http_condition_date *date, bool otherwise)
{
	if (!date->valid || !conditions->validators->has_modified)
		return otherwise;
	return conditions->validators->modified > date->seconds;
}

enum fw_http_verdict fw_http_conditions_check(const struct fw_http_conditions *conditions)
{
	if (conditions->has_match) {
		if (!conditions->matches)
			return FW_HTTP_FAILED;
	} else if (changed_since(conditions, &conditions->unmodified_since, false)) {
		return FW_HTTP_FAILED;
	}
	if (conditions->has_none_match)
		return conditions->none_matches ? FW_HTTP_NOT_MODIFIED : FW_HTTP_GO_ON;
	return changed_since(conditions, &conditions->modified_since, true) ? FW_HTTP_GO_ON
									    : FW_HTTP_NOT_MODIFIED;
}

bool fw_http_conditions_allow_range(const struct fw_http_conditions *conditions)
{
	return !conditions->has_range_condition || conditions->range_condition;
}
