/* Makes the system calls of a process fail, for disk.bats:  LD_PRELOAD=faults.so FAULTS=FILE
 * mosquitto ...
 *
 * FILE is a text of one line, read anew for each call:  OPERATIONS ERRNO PERCENT NAME
 * OPERATIONS is any of w (writing, making longer), s (syncing), o (opening for writing), r
 * (reading), or - for none. So many per cent of the calls on files whose path contains NAME (NAME$:
 * ends with it) fail. Half of the writes that fail write a part before. FILE must have 64 bytes.
 *
 * With STATFS_TYPE=NUMBER every file is on a file system of that type (statfs(2)). */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/vfs.h>
#include <unistd.h>

static const char *orders;

__attribute__((constructor)) static void map_orders(void)
{
	const char *path = getenv("FAULTS");
	int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	void *map = fd < 0 ? MAP_FAILED : mmap(NULL, 64, PROT_READ, MAP_SHARED, fd, 0);

	if (map != MAP_FAILED)
		orders = map;
	if (fd >= 0)
		close(fd);
}

static bool names(const char *path, const char *name)
{
	size_t len = strlen(name), end = strlen(path);

	if (len == 0 || name[len - 1] != '$')
		return strstr(path, name);
	return end >= len - 1 && strncmp(path + end - (len - 1), name, len - 1) == 0;
}

/* The error that this call is to fail with, 0: none. */
static int fault(char operation, int fd, const char *path)
{
	char line[65] = "", which[8], name[33], link[40], target[4096];
	int code, percent;
	ssize_t len;

	if (!orders || *(const volatile char *)orders == '-')
		return 0;
	memcpy(line, orders, 64);
	if (sscanf(line, "%7s %d %d %32s", which, &code, &percent, name) != 4 ||
		!strchr(which, operation))
		return 0;
	if (!path) {
		snprintf(link, sizeof(link), "/proc/thread-self/fd/%d", fd);
		len = readlink(link, target, sizeof(target) - 1);
		if (len < 0)
			return 0;
		target[len] = '\0';
		path = target;
	}
	return names(path, name) && random() % 100 < percent ? code : 0;
}

#define REAL(name) ((__typeof__(&(name)))dlsym(RTLD_NEXT, #name))

#define FAIL_OR(operation, fd, call)                                                               \
	do {                                                                                       \
		int code = fault(operation, fd, NULL);                                             \
		if (!code)                                                                         \
			return call;                                                               \
		errno = code;                                                                      \
		return -1;                                                                         \
	} while (0)

/* NOLINTBEGIN(readability-inconsistent-declaration-parameter-name): the system's names begin with
 * underscores */
ssize_t pwrite64(int fd, const void *bytes, size_t len, off64_t offset)
{
	int code = fault('w', fd, NULL);

	if (!code)
		return REAL(pwrite64)(fd, bytes, len, offset);
	if (len > 1 && random() % 2)
		REAL(pwrite64)(fd, bytes, len / 2, offset);
	errno = code;
	return -1;
}

ssize_t pwrite(int fd, const void *bytes, size_t len, off_t offset)
{
	return pwrite64(fd, bytes, len, offset);
}
ssize_t write(int fd, const void *bytes, size_t len)
{
	FAIL_OR('w', fd, REAL(write)(fd, bytes, len));
}
ssize_t pread64(int fd, void *bytes, size_t len, off64_t offset)
{
	FAIL_OR('r', fd, REAL(pread64)(fd, bytes, len, offset));
}
ssize_t pread(int fd, void *bytes, size_t len, off_t offset)
{
	return pread64(fd, bytes, len, offset);
}
int ftruncate64(int fd, off64_t len)
{
	FAIL_OR('w', fd, REAL(ftruncate64)(fd, len));
}
int ftruncate(int fd, off_t len)
{
	return ftruncate64(fd, len);
}
int fsync(int fd)
{
	FAIL_OR('s', fd, REAL(fsync)(fd));
}
int fdatasync(int fd)
{
	FAIL_OR('s', fd, REAL(fdatasync)(fd));
}

int open64(const char *path, int flags, ...)
{
	int code = (flags & (O_WRONLY | O_RDWR)) ? fault('o', -1, path) : 0;
	unsigned mode = 0;
	va_list arguments;

	if (flags & (O_CREAT | O_TMPFILE)) {
		va_start(arguments, flags);
		mode = va_arg(arguments, unsigned);
		va_end(arguments);
	}
	if (!code)
		return REAL(open64)(path, flags, mode);
	errno = code;
	return -1;
}

int open(const char *path, int flags, ...)
{
	unsigned mode = 0;
	va_list arguments;

	if (flags & (O_CREAT | O_TMPFILE)) {
		va_start(arguments, flags);
		mode = va_arg(arguments, unsigned);
		va_end(arguments);
	}
	return open64(path, flags, mode);
}
/* NOLINTEND(readability-inconsistent-declaration-parameter-name) */

/* What a program calls that is built with large files. */
int statfs64(const char *path, struct statfs64 *status)
{
	int (*real)(const char *, struct statfs64 *) = dlsym(RTLD_NEXT, "statfs64");
	const char *type = getenv("STATFS_TYPE");
	int code = real(path, status);

	if (type)
		status->f_type = strtol(type, NULL, 0);
	return code;
}

int statfs(const char *path, struct statfs *status)
{
	int (*real)(const char *, struct statfs *) = dlsym(RTLD_NEXT, "statfs");
	const char *type = getenv("STATFS_TYPE");
	int code = real(path, status);

	if (type)
		status->f_type = strtol(type, NULL, 0);
	return code;
}
