/* Local time is counted in minutes since 1970-01-01 00:00 of the zone, a Thursday. No window is
 * longer than a day, so only two can be open at a minute: that of the same day, and that of the day
 * before. */
#include "upgrade/window.h"

#define MINUTE_MS 60000
#define DAY 1440   /* minutes */
#define THURSDAY 3 /* of the day 0, when Monday is 0 */
#define WEEK 7     /* days */
#define NEVER (-1)

static int64_t floor_div(int64_t value, int64_t by)
{
	return value / by - (value % by < 0);
}

static int64_t local_minute(int64_t wall_ms, int offset_minutes)
{
	return floor_div(wall_ms, MINUTE_MS) + offset_minutes;
}

static int64_t wall_of(int64_t minute, int offset_minutes)
{
	return (minute - offset_minutes) * MINUTE_MS;
}

static bool begins_on(const struct fw_window *window, int64_t day)
{
	int64_t weekday = day + THURSDAY - floor_div(day + THURSDAY, WEEK) * WEEK;

	return window->days >> weekday & 1u;
}

static bool is_open_at(const struct fw_window *window, int64_t minute)
{
	int64_t today = floor_div(minute, DAY);

	for (int64_t day = today; day >= today - 1; day--) {
		int64_t begin = day * DAY + window->start;

		if (begins_on(window, day) && minute >= begin && minute < begin + window->minutes)
			return true;
	}
	return false;
}

int fw_window_offset(
	const struct fw_window *window, bool device_known, int device_minutes, int broker_minutes)
{
	if (window->clock == FW_WINDOW_UTC)
		return 0;
	return window->clock == FW_WINDOW_DEVICE && device_known ? device_minutes : broker_minutes;
}

bool fw_window_is_open(const struct fw_window *window, int64_t wall_ms, int offset_minutes)
{
	return !window->minutes || is_open_at(window, local_minute(wall_ms, offset_minutes));
}

int64_t fw_window_opens_at(const struct fw_window *window, int64_t wall_ms, int offset_minutes)
{
	int64_t minute = local_minute(wall_ms, offset_minutes);
	int64_t today = floor_div(minute, DAY);

	if (fw_window_is_open(window, wall_ms, offset_minutes))
		return wall_ms;
	for (int64_t day = today; day <= today + WEEK; day++) {
		int64_t begin = day * DAY + window->start;

		if (begins_on(window, day) && begin > minute)
			return wall_of(begin, offset_minutes);
	}
	return NEVER;
}
