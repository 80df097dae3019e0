/* Replaces stat and fstat of SQLite's "unix" VFS (sqlite.org/c3ref/vfs.html, xSetSystemCall): on
 * I/O threads they flip the highest bit of st_dev. Installed once a process, whatever number of
 * plugins uses it, and taken back by the last one. */
#include "catalog/vfs.h"

#include <stddef.h>
#include <sys/stat.h>

#include <sqlite3.h>

#define OTHER_SIDE ((dev_t)1 << 63)

typedef int (*stat_call)(const char *path, struct stat *out);
typedef int (*fstat_call)(int fd, struct stat *out);

/* shared by all instances of the plugin in one broker */
static unsigned users;
static stat_call system_stat;
static fstat_call system_fstat;
static _Thread_local bool here; /* this thread is one of the I/O threads */

static int vfs_stat(const char *path, struct stat *out)
{
	int result = system_stat(path, out);

	if (result == 0 && here)
		out->st_dev ^= OTHER_SIDE;
	return result;
}

static int vfs_fstat(int fd, struct stat *out)
{
	int result = system_fstat(fd, out);

	if (result == 0 && here)
		out->st_dev ^= OTHER_SIDE;
	return result;
}

bool fw_vfs_begin(void)
{
	sqlite3_vfs *vfs = sqlite3_vfs_find("unix");

	if (users) {
		users++;
		return true;
	}
	/* with a 32-bit off_t or time_t, SQLite may have been built with another struct stat */
	if (sizeof(void *) < 8 || !vfs || vfs != sqlite3_vfs_find(NULL) || vfs->iVersion < 3 ||
		!vfs->xGetSystemCall || !vfs->xSetSystemCall)
		return false;
	system_stat = (stat_call)vfs->xGetSystemCall(vfs, "stat");
	system_fstat = (fstat_call)vfs->xGetSystemCall(vfs, "fstat");
	if (!system_stat || !system_fstat)
		return false;
	if (vfs->xSetSystemCall(vfs, "stat", (sqlite3_syscall_ptr)vfs_stat) != SQLITE_OK)
		return false;
	if (vfs->xSetSystemCall(vfs, "fstat", (sqlite3_syscall_ptr)vfs_fstat) == SQLITE_OK) {
		users = 1;
		return true;
	}
	vfs->xSetSystemCall(vfs, "stat", (sqlite3_syscall_ptr)system_stat);
	return false;
}

void fw_vfs_here(void)
{
	here = true;
}

void fw_vfs_end(void)
{
	sqlite3_vfs *vfs = sqlite3_vfs_find("unix");

	if (--users)
		return;
	if (!vfs || vfs->xGetSystemCall(vfs, "fstat") != (sqlite3_syscall_ptr)vfs_fstat)
		return;
	vfs->xSetSystemCall(vfs, "stat", (sqlite3_syscall_ptr)system_stat);
	vfs->xSetSystemCall(vfs, "fstat", (sqlite3_syscall_ptr)system_fstat);
}
