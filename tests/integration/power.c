/* A disk that forgets, for power.bats:  LD_PRELOAD=power.so POWER_FOLDER=DIR POWER_DISK=DIR ...
 *
 * Of the files in POWER_FOLDER it keeps in POWER_DISK what a loss of power leaves at least:
 *   content/NAME  the file as it was when it was last synced (fsync, fdatasync)
 *   names/NAME    the folder was synced while the file was there
 * A file without a name is lost, and so is all that was written after the last sync. What is
 * deleted is gone at once, which is the worst that can happen. Both folders of POWER_DISK must be
 * there. Errors end the process: a test that kept too little would find nothing. */
#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define PAGE 4096
#define REAL(name) ((__typeof__(&(name)))dlsym(RTLD_NEXT, #name))

/* the threads of a process; processes never sync one file at once here */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void check(bool good, const char *what)
{
	if (good)
		return;
	perror(what);
	abort();
}

/* The file's name in POWER_FOLDER, "" for that folder itself; NULL: it lies elsewhere. */
static const char *name_of(const char *path)
{
	const char *folder = getenv("POWER_FOLDER");
	size_t len = folder ? strlen(folder) : 0;

	if (!len || strncmp(path, folder, len) != 0 || (path[len] && path[len] != '/'))
		return NULL;
	path += len + (path[len] == '/');
	return strchr(path, '/') ? NULL : path;
}

static int open_kept(const char *kind, const char *name)
{
	char path[PATH_MAX];
	int fd;

	snprintf(path, sizeof(path), "%s/%s/%s", getenv("POWER_DISK"), kind, name);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	check(fd >= 0, path);
	return fd;
}

static void keep_page(int from, int to, off_t at)
{
	char now[PAGE], kept[PAGE];
	ssize_t len = pread(from, now, PAGE, at);

	check(len >= 0, "read");
	if (pread(to, kept, PAGE, at) != len || memcmp(now, kept, (size_t)len) != 0)
		check(pwrite(to, now, (size_t)len, at) == len, "keep");
}

/* Reads by the caller's descriptor: to close another one would end SQLite's locks (fcntl(2)). */
static void keep_file(int from, const char *name)
{
	int to = open_kept("content", name);
	struct stat info;

	check(fstat(from, &info) == 0 && ftruncate(to, info.st_size) == 0, "keep");
	for (off_t at = 0; at < info.st_size; at += PAGE)
		keep_page(from, to, at);
	close(to);
}

static void keep_names(const char *folder)
{
	DIR *dir = opendir(folder);
	struct dirent *entry;

	check(dir, folder);
	while ((entry = readdir(dir))) {
		if (entry->d_type != DT_REG)
			continue;
		close(open_kept("content", entry->d_name));
		close(open_kept("names", entry->d_name));
	}
	closedir(dir);
}

static void forget(const char *name)
{
	static const char *const kinds[] = {"content", "names"};
	char path[PATH_MAX];

	for (size_t i = 0; i < 2; i++) {
		snprintf(path, sizeof(path), "%s/%s/%s", getenv("POWER_DISK"), kinds[i], name);
		REAL(unlink)(path);
	}
}

static void keep(int fd)
{
	char link[40], path[PATH_MAX];
	const char *name;
	ssize_t len;

	snprintf(link, sizeof(link), "/proc/thread-self/fd/%d", fd);
	len = readlink(link, path, sizeof(path) - 1);
	if (len < 0)
		return;
	path[len] = '\0';
	name = name_of(path);
	if (!name)
		return;
	pthread_mutex_lock(&lock);
	if (*name)
		keep_file(fd, name);
	else
		keep_names(path);
	pthread_mutex_unlock(&lock);
}

/* NOLINTBEGIN(readability-inconsistent-declaration-parameter-name): the system's names begin with
 * underscores */

int fsync(int fd)
{
	keep(fd);
	return REAL(fsync)(fd);
}

int fdatasync(int fd)
{
	keep(fd);
	return REAL(fdatasync)(fd);
}

int unlink(const char *path)
{
	const char *name = name_of(path);

	if (name && *name) {
		pthread_mutex_lock(&lock);
		forget(name);
		pthread_mutex_unlock(&lock);
	}
	return REAL(unlink)(path);
}

/* NOLINTEND(readability-inconsistent-declaration-parameter-name) */
