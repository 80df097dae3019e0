#include "clock.h"

#include <fcntl.h>
#include <string.h>
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

void fw_clock_resume(struct fw_clock *clock, int64_t steady_ms, const struct fw_clock_moment *saved, const struct fw_clock_moment *now)
{
	bool same_boot = saved->boot_id[0] && strcmp(saved->boot_id, now->boot_id) == 0;
	int64_t elapsed = same_boot ? now->boot_ms - saved->boot_ms : now->wall_ms - saved->wall_ms;

	/* the very first start has saved nothing */
	if (elapsed < 0 || saved->wall_ms == 0)
		elapsed = 0;
	clock->offset = steady_ms + elapsed - now->boot_ms;
}

int64_t fw_clock_now(const struct fw_clock *clock)
{
	return fw_boot_ms() + clock->offset;
}
