/* Loaded before the broker: its wall clock and its boot clock stand where the model test puts them.
 * They are two numbers of milliseconds in the file $FW_MODEL_CLOCK, which is mapped. The monotonic
 * clock goes on by itself, so that waits and the broker's own timers last as long as they do. */
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum hand { WALL, BOOT, HANDS };

static const volatile int64_t *hands;

__attribute__((constructor)) static void open_clock(void)
{
	const char *path = getenv("FW_MODEL_CLOCK");
	int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	void *mapped;

	if (fd < 0)
		return;
	mapped = mmap(NULL, HANDS * sizeof(*hands), PROT_READ, MAP_SHARED, fd, 0);
	close(fd);
	if (mapped != MAP_FAILED)
		hands = mapped;
}

int clock_gettime(clockid_t clock, struct timespec *now)
{
	int64_t ms;

	if (!hands || (clock != CLOCK_REALTIME && clock != CLOCK_BOOTTIME))
		return (int)syscall(SYS_clock_gettime, clock, now);
	ms = hands[clock == CLOCK_REALTIME ? WALL : BOOT];
	now->tv_sec = (time_t)(ms / 1000);
	now->tv_nsec = (long)(ms % 1000) * 1000000;
	return 0;
}

int gettimeofday(struct timeval *now, void *zone)
{
	struct timespec time;
	int status = clock_gettime(CLOCK_REALTIME, &time);

	(void)zone;
	now->tv_sec = time.tv_sec;
	now->tv_usec = (suseconds_t)(time.tv_nsec / 1000);
	return status;
}

time_t time(time_t *out)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	if (out)
		*out = now.tv_sec;
	return now.tv_sec;
}
