/* The window of a task: every boundary, the days of the week, midnight, and other zones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "upgrade/window.h"

#define MINUTE INT64_C(60000)
#define DAY (1440 * MINUTE)
#define MONDAY (INT64_C(19723) * DAY) /* 2024-01-01 00:00 UTC, a Monday */
#define AT(day, hour, minute) (MONDAY + (day)*DAY + ((hour)*60 + (minute)) * MINUTE)
#define MON 0
#define SAT 5
#define SUN 6
#define ON(day) (1u << (day))
#define EVERY_DAY 127u
#define NEVER (-1)

struct moment {
	const char *words;
	struct fw_window window;
	int64_t wall;
	int offset;
	bool open;
	int64_t opens, closes;
};

#define NIGHT                                                                                      \
	{                                                                                          \
		.start = 23 * 60, .minutes = 180, .days = ON(SAT)                                  \
	}
#define EARLY                                                                                      \
	{                                                                                          \
		.start = 0, .minutes = 60, .days = ON(MON)                                         \
	}
#define LATE                                                                                       \
	{                                                                                          \
		.start = 23 * 60 + 59, .minutes = 1440, .days = ON(SUN)                            \
	}
#define FULL                                                                                       \
	{                                                                                          \
		.start = 0, .minutes = 1440, .days = EVERY_DAY                                     \
	}

static const struct moment moments[] = {
	{"no window", {0}, AT(3, 4, 5), 0, true, AT(3, 4, 5), NEVER},
	{"Saturday 23:00 for 180 minutes is open on Sunday 01:59", NIGHT, AT(SUN, 1, 59), 0, true,
		AT(SUN, 1, 59), AT(SUN, 2, 0)},
	{"to its last millisecond", NIGHT, AT(SUN, 2, 0) - 1, 0, true, AT(SUN, 2, 0) - 1,
		AT(SUN, 2, 0)},
	{"and then closed for six days", NIGHT, AT(SUN, 2, 0), 0, false, AT(SUN + SAT + 1, 23, 0),
		AT(SUN, 2, 0)},
	{"a millisecond before it opens", NIGHT, AT(SAT, 23, 0) - 1, 0, false, AT(SAT, 23, 0),
		AT(SAT, 23, 0) - 1},
	{"when it opens", NIGHT, AT(SAT, 23, 0), 0, true, AT(SAT, 23, 0), AT(SUN, 2, 0)},
	{"Saturday 01:00 would belong to Friday", NIGHT, AT(SAT, 1, 0), 0, false, AT(SAT, 23, 0),
		AT(SAT, 1, 0)},
	{"Sunday 23:30 is another day", NIGHT, AT(SUN, 23, 30), 0, false, AT(SAT + 7, 23, 0),
		AT(SUN, 23, 30)},
	{"from Sunday to Monday", LATE, AT(7, 12, 0), 0, true, AT(7, 12, 0), AT(7, 23, 59)},
	{"and closed there", LATE, AT(7, 23, 59), 0, false, AT(SUN + 7, 23, 59), AT(7, 23, 59)},
	{"a minute of Sunday", LATE, AT(SUN, 23, 58), 0, false, AT(SUN, 23, 59), AT(SUN, 23, 58)},
	{"Monday at midnight", EARLY, AT(MON, 0, 0), 0, true, AT(MON, 0, 0), AT(MON, 1, 0)},
	{"before it, Sunday", EARLY, AT(MON, 0, 0) - 1, 0, false, AT(MON, 0, 0), AT(MON, 0, 0) - 1},
	{"missed by an hour: a week", EARLY, AT(MON, 1, 0), 0, false, AT(7, 0, 0), AT(MON, 1, 0)},
	{"all minutes of all days", FULL, AT(2, 0, 0), 0, true, AT(2, 0, 0), NEVER},
	{"a whole day", {.start = 0, .minutes = 1440, .days = ON(2)}, AT(2, 23, 59), 0, true,
		AT(2, 23, 59), AT(3, 0, 0)},
	{"two whole days follow each other", {.start = 600, .minutes = 1440, .days = ON(2) | ON(3)},
		AT(2, 10, 0), 0, true, AT(2, 10, 0), AT(4, 10, 0)},
	{"one minute", {.start = 1439, .minutes = 1, .days = EVERY_DAY}, AT(1, 23, 59), 0, true,
		AT(1, 23, 59), AT(2, 0, 0)},
	{"no days", {.start = 0, .minutes = 60, .days = 0}, AT(1, 0, 0), 0, false, NEVER,
		AT(1, 0, 0)},
	{"two hours ahead of UTC: Sunday there", NIGHT, AT(SAT, 23, 59), 120, true, AT(SAT, 23, 59),
		AT(SUN, 0, 0)},
	{"it opens there at 21:00 UTC", NIGHT, AT(SAT, 20, 59), 120, false, AT(SAT, 21, 0),
		AT(SAT, 20, 59)},
	{"behind UTC: Sunday night there is Monday here", LATE, AT(7, 5, 59), -360, true,
		AT(7, 5, 59), AT(8, 5, 59)},
	{"behind by half an hour", EARLY, AT(MON, 9, 30), -570, true, AT(MON, 9, 30),
		AT(MON, 10, 30)},
	{"the farthest zone", EARLY, AT(MON, 0, 0) - 840 * MINUTE, 840, true,
		AT(MON, 0, 0) - 840 * MINUTE, AT(MON, 1, 0) - 840 * MINUTE},
	{"the other one", EARLY, AT(MON, 0, 0) + 840 * MINUTE, -840, true,
		AT(MON, 0, 0) + 840 * MINUTE, AT(MON, 1, 0) + 840 * MINUTE},
	{"the first day of Unix, a Thursday", {.start = 0, .minutes = 1, .days = ON(3)}, 0, 0, true,
		0, MINUTE},
	{"before Unix: a Wednesday", {.start = 0, .minutes = 1440, .days = ON(2)}, -1, 0, true, -1,
		0},
	{"west of Unix: still Wednesday", {.start = 0, .minutes = 1440, .days = ON(2)}, 0, -60,
		true, 0, 60 * MINUTE},
};

/* When it closes next, as fw_window_is_open has it at `wall_ms` and at each minute of the nine days
 * behind it. `wall_ms` itself when it is closed; NEVER. */
static int64_t closes_at(const struct fw_window *window, int64_t wall_ms, int offset)
{
	int64_t at = wall_ms;

	while (fw_window_is_open(window, at, offset)) {
		at += MINUTE - (at % MINUTE + MINUTE) % MINUTE;
		if (at > wall_ms + 9 * DAY)
			return NEVER;
	}
	return at;
}

static void a_window_is_open_in_its_time(void **ignored)
{
	(void)ignored;
	for (size_t i = 0; i < sizeof(moments) / sizeof(moments[0]); i++) {
		const struct moment *m = &moments[i];
		int64_t opens = fw_window_opens_at(&m->window, m->wall, m->offset);
		int64_t closes = closes_at(&m->window, m->wall, m->offset);

		if (fw_window_is_open(&m->window, m->wall, m->offset) != m->open)
			fail_msg("\"%s\": open", m->words);
		if (opens != m->opens)
			fail_msg("\"%s\": opens %lld min off", m->words,
				(long long)((opens - m->opens) / MINUTE));
		if (closes != m->closes)
			fail_msg("\"%s\": closes %lld min off", m->words,
				(long long)((closes - m->closes) / MINUTE));
	}
}

/* Of each minute of nine days: where it opens and closes is so. */
static void its_edges_are_where_it_changes(void **ignored)
{
	static const struct fw_window windows[] = {NIGHT, EARLY, LATE,
		{.start = 700, .minutes = 90, .days = ON(1) | ON(4)},
		{.start = 720, .minutes = 1440, .days = ON(5) | ON(6) | ON(0)}};

	(void)ignored;
	for (size_t i = 0; i < sizeof(windows) / sizeof(windows[0]); i++) {
		for (int64_t wall = MONDAY; wall < MONDAY + 9 * DAY; wall += 7 * MINUTE) {
			bool open = fw_window_is_open(&windows[i], wall, 330);
			int64_t edge = open ? closes_at(&windows[i], wall, 330)
					    : fw_window_opens_at(&windows[i], wall, 330);

			assert_true(edge > wall && edge <= wall + 7 * DAY);
			assert_int_equal(fw_window_is_open(&windows[i], edge - 1, 330), open);
			assert_int_equal(fw_window_is_open(&windows[i], edge, 330), !open);
		}
	}
}

static void each_clock_has_its_offset(void **ignored)
{
	struct fw_window window = {.clock = FW_WINDOW_UTC};

	(void)ignored;
	assert_int_equal(fw_window_offset(&window, true, 60, 120), 0);
	window.clock = FW_WINDOW_BROKER;
	assert_int_equal(fw_window_offset(&window, true, 60, 120), 120);
	window.clock = FW_WINDOW_DEVICE;
	assert_int_equal(fw_window_offset(&window, true, 60, 120), 60);
	assert_int_equal(fw_window_offset(&window, true, 0, 120), 0);
	assert_int_equal(fw_window_offset(&window, false, 0, 120), 120);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_window_is_open_in_its_time),
		cmocka_unit_test(its_edges_are_where_it_changes),
		cmocka_unit_test(each_clock_has_its_offset),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
