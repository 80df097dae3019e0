/* The steady clock is CLOCK_BOOTTIME and an offset, which continues what the last run saved. */
#include "base/clock.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

void fw_clock_read(struct fw_clock_moment *now)
{
	int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	ssize_t len = fd >= 0 ? read(fd, now->boot_id, sizeof(now->boot_id) - 1) : 0;

	if (fd >= 0)
		close(fd);
	now->boot_id[len > 0 ? len : 0] = '\0';
	now->boot_id[strcspn(now->boot_id, "\n")] = '\0';
	now->wall_ms = fw_now_ms();
	now->boot_ms = fw_boot_ms();
}

void fw_clock_resume(struct fw_clock *clock, int64_t steady_ms, const struct fw_clock_moment *saved,
	const struct fw_clock_moment *now)
{
	bool same_boot = saved->boot_id[0] && strcmp(saved->boot_id, now->boot_id) == 0;
	int64_t elapsed = same_boot ? now->boot_ms - saved->boot_ms : now->wall_ms - saved->wall_ms;

	/* the very first start has saved nothing */
	if (elapsed < 0 || saved->wall_ms == 0)
		elapsed = 0;
	clock->offset = steady_ms + elapsed - now->boot_ms;
}

int64_t fw_clock_at(const struct fw_clock *clock, int64_t boot_ms)
{
	return boot_ms + clock->offset;
}

int64_t fw_clock_now(const struct fw_clock *clock)
{
	return fw_clock_at(clock, fw_boot_ms());
}

/* Has the wall clock been off by the same for so long? */
static bool stayed_off(
	struct fw_clock_trust *trust, int64_t off, int64_t steady, int64_t patience_ms)
{
	if (trust->off_ms == 0 || llabs(off - trust->off_ms) > FW_CLOCK_SLACK_MS) {
		trust->off_ms = off;
		trust->off_since = steady;
	}
	return steady - trust->off_since >= patience_ms;
}

int64_t fw_clock_believed(
	struct fw_clock_trust *trust, int64_t wall, int64_t steady, int64_t patience_ms, bool *held)
{
	int64_t expected = trust->wall_ms + (steady - trust->steady_ms);
	int64_t off = wall - expected;

	*held = false;
	if (trust->wall_ms == 0 || llabs(off) <= FW_CLOCK_SLACK_MS ||
		stayed_off(trust, off, steady, off < 0 ? FW_CLOCK_SLACK_MS : patience_ms)) {
		*trust = (struct fw_clock_trust){.wall_ms = wall, .steady_ms = steady};
		return wall;
	}
	*held = off > 0;
	return off < 0 ? wall : expected;
}

int fw_clock_utc_offset(int64_t wall_ms)
{
	time_t seconds = (time_t)(wall_ms / 1000);
	struct tm local;

	return localtime_r(&seconds, &local) ? (int)(local.tm_gmtoff / 60) : 0;
}
