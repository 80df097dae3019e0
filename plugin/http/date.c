/* HTTP-dates: RFC 9110, section 5.6.7. strptime and strftime would go by the broker's locale. */
#include "http/condition.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

static const char *const months[] = {
	"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
static const char *const days[] = {
	"Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"};

/* Exactly `count` digits. */
static bool take_digits(const char **at, int count, int *out)
{
	int number = 0;

	for (int i = 0; i < count; i++) {
		char digit = (*at)[i];

		if (digit < '0' || digit > '9')
			return false;
		number = number * 10 + (digit - '0');
	}
	*at += count;
	*out = number;
	return true;
}

static bool take_text(const char **at, const char *text)
{
	size_t len = strlen(text);

	if (strncmp(*at, text, len) != 0)
		return false;
	*at += len;
	return true;
}

static bool take_month(const char **at, struct tm *out)
{
	for (int i = 0; i < 12; i++) {
		if (take_text(at, months[i])) {
			out->tm_mon = i;
			return true;
		}
	}
	return false;
}

/* A day's name of three letters, or the whole of it. */
static bool take_day_name(const char **at, bool whole)
{
	for (size_t i = 0; i < 7; i++) {
		if (strncmp(*at, days[i], 3) != 0)
			continue;
		*at += 3;
		return !whole || take_text(at, days[i] + 3);
	}
	return false;
}

static bool take_time(const char **at, struct tm *out)
{
	return take_digits(at, 2, &out->tm_hour) && take_text(at, ":") &&
		take_digits(at, 2, &out->tm_min) && take_text(at, ":") &&
		take_digits(at, 2, &out->tm_sec);
}

static bool take_year(const char **at, struct tm *out)
{
	int year;

	if (!take_digits(at, 4, &year))
		return false;
	out->tm_year = year - 1900;
	return true;
}

/* Sun, 06 Nov 1994 08:49:37 GMT */
static bool take_fixed(const char **at, struct tm *out)
{
	return take_day_name(at, false) && take_text(at, ", ") &&
		take_digits(at, 2, &out->tm_mday) && take_text(at, " ") && take_month(at, out) &&
		take_text(at, " ") && take_year(at, out) && take_text(at, " ") &&
		take_time(at, out) && take_text(at, " GMT");
}

/* A year that seems to be more than fifty years ahead is the last one with these digits. */
static bool take_short_year(const char **at, int64_t now, struct tm *out)
{
	time_t seconds = (time_t)now;
	struct tm today;
	int year;

	if (!take_digits(at, 2, &year) || !gmtime_r(&seconds, &today))
		return false;
	out->tm_year = today.tm_year - today.tm_year % 100 + year;
	if (out->tm_year > today.tm_year + 50)
		out->tm_year -= 100;
	return true;
}

/* Sunday, 06-Nov-94 08:49:37 GMT */
static bool take_rfc850(const char **at, int64_t now, struct tm *out)
{
	return take_day_name(at, true) && take_text(at, ", ") &&
		take_digits(at, 2, &out->tm_mday) && take_text(at, "-") && take_month(at, out) &&
		take_text(at, "-") && take_short_year(at, now, out) && take_text(at, " ") &&
		take_time(at, out) && take_text(at, " GMT");
}

/* Sun Nov  6 08:49:37 1994 */
static bool take_asctime(const char **at, struct tm *out)
{
	if (!take_day_name(at, false) || !take_text(at, " ") || !take_month(at, out) ||
		!take_text(at, " "))
		return false;
	if (take_text(at, " ") ? !take_digits(at, 1, &out->tm_mday)
			       : !take_digits(at, 2, &out->tm_mday))
		return false;
	return take_text(at, " ") && take_time(at, out) && take_text(at, " ") && take_year(at, out);
}

/* False for what no calendar has, such as the 30th of February. */
static bool seconds_of(struct tm *time, int64_t *out)
{
	struct tm given = *time;

	if (given.tm_mday < 1 || given.tm_hour > 23 || given.tm_min > 59 || given.tm_sec > 60)
		return false;
	*out = (int64_t)timegm(time);
	return time->tm_mday == given.tm_mday || given.tm_sec == 60;
}

bool fw_http_date_parse(const char *text, int64_t now, int64_t *out)
{
	const char *begin = text + strspn(text, " \t"), *at = begin;
	struct tm time = {0};

	if (!take_fixed(&at, &time)) {
		time = (struct tm){0};
		at = begin;
		if (!take_rfc850(&at, now, &time)) {
			time = (struct tm){0};
			at = begin;
			if (!take_asctime(&at, &time))
				return false;
		}
	}
	return at[strspn(at, " \t")] == '\0' && seconds_of(&time, out);
}

bool fw_http_date_format(int64_t seconds, char text[FW_HTTP_DATE])
{
	time_t when = (time_t)seconds;
	struct tm time;

	if (!gmtime_r(&when, &time) || time.tm_year < -900 || time.tm_year > 8099)
		return false;
	snprintf(text, FW_HTTP_DATE, "%.3s, %02u %s %04u %02u:%02u:%02u GMT", days[time.tm_wday],
		(unsigned)time.tm_mday % 100, months[time.tm_mon],
		(unsigned)(time.tm_year + 1900) % 10000, (unsigned)time.tm_hour % 100,
		(unsigned)time.tm_min % 100, (unsigned)time.tm_sec % 100);
	return true;
}
