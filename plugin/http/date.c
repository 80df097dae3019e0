/* HTTP-dates: RFC 9110, section 5.6.7. strptime and strftime would go by the broker's locale,
 * timegm and gmtime_r end in 2038 where time_t has 32 bits. */
#include "http/condition.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

static const char *const months[] = {
	"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
static const char *const days[] = {
	"Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"};

#define DAY_SECONDS 86400
#define FIRST_SECOND (-30610224000) /* of the year 1000 */
#define LAST_SECOND 253402300799    /* of the year 9999 */
#define ERA_YEARS 400               /* after so many years the calendar repeats */
#define ERA_DAYS 146097
#define EPOCH_DAY 719468 /* 1970-01-01, counted from 0000-03-01 */
#define EPOCH_WEEKDAY 4  /* a Thursday */

/* Divides towards minus infinity. */
static int64_t floor_div(int64_t value, int64_t by)
{
	return value / by - (value % by < 0);
}

/* Days before the month, of a year that begins with March: a leap day is then its last. */
static int64_t days_before(int64_t month)
{
	return (153 * month + 2) / 5;
}

/* Days from 1970-01-01 to a day of the Gregorian calendar. */
static int64_t day_of(const struct tm *date)
{
	int64_t month = (date->tm_mon + 10) % 12;
	int64_t year = (int64_t)date->tm_year + 1900 - (month >= 10);
	int64_t era = floor_div(year, ERA_YEARS), of_era = year - era * ERA_YEARS;

	return era * ERA_DAYS + of_era * 365 + of_era / 4 - of_era / 100 + days_before(month) +
		date->tm_mday - 1 - EPOCH_DAY;
}

/* The date of a day, the inverse of day_of. */
static struct tm date_of(int64_t day)
{
	int64_t era = floor_div(day + EPOCH_DAY, ERA_DAYS);
	int64_t of_era = day + EPOCH_DAY - era * ERA_DAYS;
	int64_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
	int64_t of_year = of_era - (365 * year + year / 4 - year / 100);
	int64_t month = (5 * of_year + 2) / 153;

	return (struct tm){.tm_year = (int)(era * ERA_YEARS + year + (month >= 10) - 1900),
		.tm_mon = (int)((month + 2) % 12),
		.tm_mday = (int)(of_year - days_before(month) + 1),
		.tm_wday = (int)(day + EPOCH_WEEKDAY - floor_div(day + EPOCH_WEEKDAY, 7) * 7)};
}

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
	struct tm today = date_of(floor_div(now, DAY_SECONDS));
	int year;

	if (!take_digits(at, 2, &year))
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
static bool seconds_of(const struct tm *time, int64_t *out)
{
	int64_t day = day_of(time);

	if (time->tm_mday < 1 || time->tm_hour > 23 || time->tm_min > 59 || time->tm_sec > 60 ||
		date_of(day).tm_mday != time->tm_mday)
		return false;
	*out = day * DAY_SECONDS + time->tm_hour * 3600 + time->tm_min * 60 + time->tm_sec;
	return true;
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
	int64_t day = floor_div(seconds, DAY_SECONDS), of_day = seconds - day * DAY_SECONDS;
	struct tm time;

	if (seconds < FIRST_SECOND || seconds > LAST_SECOND)
		return false;
	time = date_of(day);
	snprintf(text, FW_HTTP_DATE, "%.3s, %02u %s %04u %02u:%02u:%02u GMT", days[time.tm_wday],
		(unsigned)time.tm_mday % 100, months[time.tm_mon],
		(unsigned)(time.tm_year + 1900) % 10000, (unsigned)(of_day / 3600) % 100,
		(unsigned)(of_day / 60 % 60) % 100, (unsigned)(of_day % 60) % 100);
	return true;
}
