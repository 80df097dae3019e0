/* The scheduler's steady clock: milliseconds that a step of the wall clock does not move, and that
 * go on over a restart of the broker or of the machine. Timeouts are kept on it. Pure but for
 * fw_clock_read. */
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

/* Any thread that owns the clock. */
int64_t fw_clock_now(const struct fw_clock *clock);

/* Minutes that this machine's zone is ahead of UTC at `wall_ms` (Unix ms). Any thread. */
int fw_clock_utc_offset(int64_t wall_ms);

/* a wall clock that is off by less is set, not wrong */
#define FW_CLOCK_SLACK_MS INT64_C(3600000)

/* How far the wall clock is believed, for what cannot be undone. It is followed while it goes as
 * the steady clock does. What is ahead must have stayed so for long, what is behind for an hour,
 * before the reference takes it. */
struct fw_clock_trust {
	/* the reference: both at one moment; wall_ms 0: there is none yet */
	int64_t wall_ms, steady_ms;
	/* by so much the wall clock left the reference; 0: it did not */
	int64_t off_ms;
	int64_t off_since; /* steady ms */
};

/* The wall time that is believed: never beyond `wall`, nor beyond the reference and the steady time
 * that passed since. *held: the wall clock is ahead of that. It is believed when it has been ahead
 * by the same for `patience_ms`. Changes *trust. */
int64_t fw_clock_believed(struct fw_clock_trust *trust, int64_t wall, int64_t steady,
	int64_t patience_ms, bool *held);

#endif
