/* Conditional requests: RFC 9110, section 13. Pure; any thread.
 *
 * Give each header line of a request to fw_http_conditions_add, in any order; then ask
 * fw_http_conditions_check and fw_http_conditions_allow_range. Lines are not kept. */
#ifndef FW_HTTP_CONDITION_H
#define FW_HTTP_CONDITION_H

#include "base/fw.h"

#define FW_HTTP_DATE 30u /* bytes of an HTTP-date and its terminator */

/* What the file is now. */
struct fw_http_validators {
	const char *etag; /* a strong one, with its quotes */
	bool has_modified;
	int64_t modified; /* Last-Modified, Unix seconds */
};

/* A date in a request. It is not valid when it is no date, or is given twice. */
struct fw_http_condition_date {
	bool given, valid;
	int64_t seconds; /* Unix */
};

struct fw_http_conditions {
	const struct fw_http_validators *validators;
	int64_t now;             /* Unix seconds, for years of two digits */
	bool has_match, matches; /* If-Match; the file is one of those, by strong comparison */
	bool has_none_match,
		none_matches; /* If-None-Match; the file is one of those, by weak comparison */
	struct fw_http_condition_date modified_since, unmodified_since;
	bool has_range_condition, range_condition; /* If-Range; it holds */
};

enum fw_http_verdict {
	FW_HTTP_GO_ON,
	FW_HTTP_NOT_MODIFIED, /* 304 */
	FW_HTTP_FAILED,       /* 412 */
};

/* Reads a header line; does nothing with one that is no condition. */
void fw_http_conditions_add(
	struct fw_http_conditions *conditions, const char *name, const char *value);

/* Of a GET or HEAD, in the order of RFC 9110, section 13.2.2. */
enum fw_http_verdict fw_http_conditions_check(const struct fw_http_conditions *conditions);

/* May a Range header be looked at? False: the whole file is to be sent (section 13.1.5). */
bool fw_http_conditions_allow_range(const struct fw_http_conditions *conditions);

/* An HTTP-date in one of its three forms (section 5.6.7), blanks around it allowed. `now`: Unix
 * seconds. */
bool fw_http_date_parse(const char *text, int64_t now, int64_t *out);

/* Whatever the locale. False when the year has not four digits. */
bool fw_http_date_format(int64_t seconds, char text[FW_HTTP_DATE]);

#endif
