/* The scheduler's steady clock: milliseconds that a step of the wall clock does not move, and that go on over a restart of
 * the broker or of the machine. Timeouts are kept on it. Pure but for fw_clock_read. */
#ifndef FW_CLOCK_H
#define FW_CLOCK_H

#include "fw.h"

#define FW_BOOT_ID_MAX 40u

/* A moment on all clocks at once. */
struct fw_clock_moment {
	int64_t wall_ms;  /* Unix time */
	int64_t boot_ms;  /* since the machine started, CLOCK_BOOTTIME */
	char boot_id[FW_BOOT_ID_MAX]; /* which start: /proc/sys/kernel/random/boot_id; empty if unknown */
};

struct fw_clock {
	int64_t offset; /* steady time is boot_ms + offset */
};

/* Reads the system's clocks. Any thread. */
void fw_clock_read(struct fw_clock_moment *now);

/* Goes on from `steady_ms`, saved at the moment `saved`: by the boot clock when the machine has not restarted since, else by the
 * wall clock, never backwards. */
void fw_clock_resume(struct fw_clock *clock, int64_t steady_ms, const struct fw_clock_moment *saved, const struct fw_clock_moment *now);

/* Any thread that owns the clock. */
int64_t fw_clock_now(const struct fw_clock *clock);

#endif
