/* The scheduler's steady clock: milliseconds that a step of the wall clock does not move, and that
 * go on through restarts of the broker and of the machine. Timeouts are kept on it.
 *
 * fw_clock_resume, fw_clock_at and fw_clock_believed are pure; the others ask the system. */
#ifndef FW_BASE_CLOCK_H
#define FW_BASE_CLOCK_H

#include "base/fw.h"

#define FW_BOOT_ID_MAX 40u

/* A moment on all clocks at once. */
struct fw_clock_moment {
	int64_t wall_ms; /* Unix time */
	int64_t boot_ms; /* since the machine started, CLOCK_BOOTTIME */
	/* which start: /proc/sys/kernel/random/boot_id; empty if unknown */
	char boot_id[FW_BOOT_ID_MAX];
};

struct fw_clock {
	int64_t offset; /* steady time is boot_ms + offset */
};

/* Reads the system's clocks. Any thread. */
void fw_clock_read(struct fw_clock_moment *now);

/* Goes on from `steady_ms`, saved at the moment `saved`: by the boot clock when the machine has not
 * restarted since, else by the wall clock, never backwards. */
void fw_clock_resume(struct fw_clock *clock, int64_t steady_ms, const struct fw_clock_moment *saved,
	const struct fw_clock_moment *now);

/* The steady time at `boot_ms`, a moment of fw_boot_ms. */
int64_t fw_clock_at(const struct fw_clock *clock, int64_t boot_ms);

/* The steady time now, in ms. Any thread that owns the clock. */
int64_t fw_clock_now(const struct fw_clock *clock);

/* Minutes that this machine's zone is ahead of UTC at `wall_ms` (Unix ms). Any thread. */
int fw_clock_utc_offset(int64_t wall_ms);

/* up to this difference a wall clock was adjusted; beyond it, it may be wrong */
#define FW_CLOCK_SLACK_MS INT64_C(3600000)

/* How far the wall clock is believed where an act cannot be undone. It is followed while it runs as
 * the steady clock does. A jump ahead is believed after the patience of fw_clock_believed, a jump
 * back after an hour. */
struct fw_clock_trust {
	/* the reference: both at one moment; wall_ms 0: there is none yet */
	int64_t wall_ms, steady_ms;
	int64_t off_ms;    /* how far the wall clock is from the reference; 0: it is not */
	int64_t off_since; /* steady ms when it jumped there */
};

/* The wall time (Unix ms) that is believed: the lower of `wall` and of the reference plus the
 * steady time that passed since. *held: the wall clock is ahead of that, and has been so for less
 * than `patience_ms`. Changes *trust. */
int64_t fw_clock_believed(struct fw_clock_trust *trust, int64_t wall, int64_t steady,
	int64_t patience_ms, bool *held);

#endif
