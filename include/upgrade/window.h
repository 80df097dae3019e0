/* The window of a task: a time of day on some days of the week, which may go on past midnight.
 * Outside of it nothing starts.
 *
 * Wall times are Unix milliseconds. An offset is the minutes by which local time is ahead of UTC.
 * The caller gives the offset at the wall time in question, so that summer time counts. Pure,
 * without errors; any thread. */
#ifndef FW_UPGRADE_WINDOW_H
#define FW_UPGRADE_WINDOW_H

#include "base/fw.h"

/* Whose time of day, as task.window_clock has it. */
enum fw_window_clock { FW_WINDOW_UTC, FW_WINDOW_BROKER, FW_WINDOW_DEVICE };

struct fw_window {
	int start;     /* minute of the day at which it opens, 0 to 1439 */
	int minutes;   /* for how long, 1 to 1440; 0: there is no window, it is always open */
	unsigned days; /* on which it opens: bit 0 is Monday */
	enum fw_window_clock clock;
};

/* The offset that the window goes by, in minutes: 0, the broker's or the device's. Where the
 * device's is not known, the broker's counts. */
int fw_window_offset(
	const struct fw_window *window, bool device_known, int device_minutes, int broker_minutes);

/* Is it open? At the millisecond it opens: yes. At the one it closes: no. */
bool fw_window_is_open(const struct fw_window *window, int64_t wall_ms, int offset_minutes);

/* The wall time at which it is open next: `wall_ms` itself when it is open. -1: never, since it has
 * no days. */
int64_t fw_window_opens_at(const struct fw_window *window, int64_t wall_ms, int offset_minutes);

#endif
