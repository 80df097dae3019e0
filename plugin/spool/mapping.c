/* The mapping of the segment being written, and the handler of SIGBUS that guards its addresses.
 *
 * grow() brings pages into memory ahead of the copies, and makes the file longer ahead of the
 * pages. Invariants: ready <= length <= size; one mapping at most in the process, since the guard
 * is global. */
#include "spool/mapping.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#ifndef MADV_POPULATE_WRITE /* musl */
#define MADV_POPULATE_WRITE 23
#endif

#define PAGE 4096u
/* by so many bytes the file grows; after a crash, zeros stay behind the last record */
#define GROWTH (128u * 1024)
/* so many bytes of pages are brought into memory in advance; they take copies even after the disk
 * has failed */
#define WINDOW (16u * 1024)

/* What the signal handler reads: the one mapping, and whether a page of it was missing. */
static struct {
	unsigned char *volatile at;
	volatile size_t size;
	volatile sig_atomic_t missed;
	struct sigaction before;
} guard;

static void pass_on(int number, siginfo_t *info, void *context)
{
	if (guard.before.sa_flags & SA_SIGINFO) {
		guard.before.sa_sigaction(number, info, context);
	} else if (guard.before.sa_handler != SIG_DFL && guard.before.sa_handler != SIG_IGN) {
		guard.before.sa_handler(number);
	} else {
		/* the instruction is tried again, and ends the process as without this handler; a
		 * signal that a process sent (si_code <= 0) is raised again */
		signal(number, SIG_DFL);
		if (info->si_code <= 0)
			raise(number);
	}
}

static void on_sigbus(int number, siginfo_t *info, void *context)
{
	uintptr_t fault = (uintptr_t)info->si_addr, from = (uintptr_t)guard.at;
	int saved = errno;

	if (!from || fault < from || fault >= from + guard.size ||
		mmap((void *)(fault & ~(uintptr_t)(PAGE - 1)), PAGE, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED)
		pass_on(number, info, context);
	else
		guard.missed = 1;
	errno = saved;
}

static bool set_guard(unsigned char *at, size_t size)
{
	struct sigaction ours = {.sa_sigaction = on_sigbus, .sa_flags = SA_SIGINFO | SA_RESTART};

	sigemptyset(&ours.sa_mask);
	if (sigaction(SIGBUS, &ours, &guard.before) != 0)
		return false;
	guard.size = size;
	guard.missed = 0;
	guard.at = at;
	return true;
}

static void drop_guard(void)
{
	guard.at = NULL;
	sigaction(SIGBUS, &guard.before, NULL);
}

bool fw_mapping_open(struct fw_mapping *map, int fd, size_t size)
{
	void *at;

	if (guard.at || sysconf(_SC_PAGESIZE) != PAGE)
		return false;
	size = (size + GROWTH - 1) / GROWTH * GROWTH;
	at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (at == MAP_FAILED)
		return false;
	if (!set_guard(at, size)) {
		munmap(at, size);
		return false;
	}
	*map = (struct fw_mapping){.at = at, .size = size, .fd = fd};
	return true;
}

/* Brings one more window into memory, and makes the file longer first where needed. Populating all
 * of its pages at once turns a missing page into an error instead of SIGBUS. A kernel before Linux
 * 5.14 cannot do that (EINVAL), and provides each page when it is written to. */
static bool grow(struct fw_mapping *map)
{
	if (map->ready == map->size)
		return false;
	if (map->ready == map->length) {
		if (ftruncate(map->fd, (off_t)(map->length + GROWTH)) != 0)
			return false;
		map->length += GROWTH;
	}
	if (madvise(map->at + map->ready, WINDOW, MADV_POPULATE_WRITE) != 0 && errno != EINVAL)
		return false;
	map->ready += WINDOW;
	return true;
}

bool fw_mapping_write(struct fw_mapping *map, const void *bytes, size_t len, uint64_t offset)
{
	while (offset + len > map->ready) {
		if (!grow(map))
			return false;
	}
	memcpy(map->at + offset, bytes, len);
	/* the compiler must not read `missed` before the copy is over */
	__asm__ volatile("" ::: "memory");
	return !guard.missed;
}

void fw_mapping_close(struct fw_mapping *map, uint64_t end)
{
	if (!map->at)
		return;
	drop_guard();
	munmap(map->at, map->size);
	/* if it cannot be cut, zeros stay behind the last record, as after a crash */
	(void)!ftruncate(map->fd, (off_t)end);
	*map = (struct fw_mapping){.at = NULL, .fd = -1};
}
