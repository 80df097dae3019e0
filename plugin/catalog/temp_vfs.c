/* A VFS for each catalog, in a list under a lock.
 *
 * It is made with the first connection, or by fw_temp_vfs_begin, and is freed with its last user.
 * Its functions are those of SQLite's "unix", but for xOpen, which gives a file without a name one
 * beside the catalog. Invariant: a temporary file has its name only while the lock is held, so one
 * name is enough for all of them. */
#include "catalog/temp_vfs.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sqlite3.h>

#define NAME_PREFIX "mosquitto-firmware "
/* SQLite looks for the parameters of a URI behind a name's first NUL, up to a second one
 * (sqlite.org/c3ref/uri_boolean.html) */
#define TEMPORARY_SUFFIX "-sqlite-tmp\0"

/* Of one catalog. The members of `base` but xOpen are those of SQLite's "unix", which do not ask
 * which VFS they belong to. */
struct temp_vfs {
	sqlite3_vfs base; /* its zName is NAME_PREFIX and the catalog's path */
	sqlite3_vfs *unix_vfs;
	struct temp_vfs *next;
	unsigned users; /* see fw_temp_vfs_begin */
	/* an open file keeps a pointer to it, so all temporary files have this one */
	char *temporary;
	char texts[];
};

/* guards the list, and a temporary file's name from when it is made until it is removed */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct temp_vfs *all;

/* A crash leaves an empty file, since SQLite removes the name before it writes: any other one is
 * somebody's. False: the name is not free. */
static bool free_name(const char *path)
{
	struct stat left;

	if (lstat(path, &left) != 0)
		return errno == ENOENT;
	return S_ISREG(left.st_mode) && left.st_size == 0 && unlink(path) == 0;
}

static int open_temporary(struct temp_vfs *vfs, sqlite3_file *file, int flags, int *flags_out)
{
	int code = SQLITE_CANTOPEN;

	file->pMethods = NULL;
	pthread_mutex_lock(&lock);
	if (free_name(vfs->temporary))
		code = vfs->unix_vfs->xOpen(vfs->unix_vfs, vfs->temporary, file, flags, flags_out);
	pthread_mutex_unlock(&lock);
	return code;
}

/* sqlite3_vfs.xOpen: a temporary file has no name (sqlite.org/c3ref/vfs.html). */
static int open_file(
	sqlite3_vfs *base, const char *name, sqlite3_file *file, int flags, int *flags_out)
{
	struct temp_vfs *vfs = (struct temp_vfs *)base;

	if (!name)
		return open_temporary(vfs, file, flags, flags_out);
	return vfs->unix_vfs->xOpen(vfs->unix_vfs, name, file, flags, flags_out);
}

static struct temp_vfs *make_vfs(const char *path)
{
	sqlite3_vfs *unix_vfs = sqlite3_vfs_find("unix");
	size_t name_size = sizeof(NAME_PREFIX) + strlen(path);
	struct temp_vfs *vfs;

	if (!unix_vfs)
		return NULL;
	vfs = malloc(sizeof(*vfs) + name_size + strlen(path) + sizeof(TEMPORARY_SUFFIX));
	if (!vfs)
		return NULL;
	vfs->base = *unix_vfs;
	vfs->base.pNext = NULL;
	vfs->base.zName = vfs->texts;
	vfs->base.xOpen = open_file;
	vfs->unix_vfs = unix_vfs;
	vfs->users = 0;
	vfs->temporary = vfs->texts + name_size;
	strcpy(stpcpy(vfs->texts, NAME_PREFIX), path);
	memcpy(stpcpy(vfs->temporary, path), TEMPORARY_SUFFIX, sizeof(TEMPORARY_SUFFIX));
	return vfs;
}

static bool is_of(const struct temp_vfs *vfs, const char *path)
{
	return strcmp(vfs->texts + strlen(NAME_PREFIX), path) == 0;
}

static struct temp_vfs *add_vfs(const char *path)
{
	struct temp_vfs *vfs = make_vfs(path);

	if (!vfs || sqlite3_vfs_register(&vfs->base, 0) != SQLITE_OK) {
		free(vfs);
		return NULL;
	}
	vfs->next = all;
	all = vfs;
	return vfs;
}

/* With the lock held. */
static struct temp_vfs *find_vfs(const char *path)
{
	struct temp_vfs *vfs = all;

	while (vfs && !is_of(vfs, path))
		vfs = vfs->next;
	return vfs ? vfs : add_vfs(path);
}

bool fw_temp_vfs_begin(const char *path)
{
	struct temp_vfs *vfs;

	pthread_mutex_lock(&lock);
	vfs = find_vfs(path);
	if (vfs)
		vfs->users++;
	pthread_mutex_unlock(&lock);
	return vfs;
}

const char *fw_temp_vfs_name(const char *path)
{
	struct temp_vfs *vfs;

	pthread_mutex_lock(&lock);
	vfs = find_vfs(path);
	pthread_mutex_unlock(&lock);
	return vfs ? vfs->base.zName : NULL;
}

void fw_temp_vfs_end(const char *path)
{
	struct temp_vfs **link = &all, *vfs;

	pthread_mutex_lock(&lock);
	while (*link && !is_of(*link, path))
		link = &(*link)->next;
	vfs = *link;
	if (vfs && vfs->users > 1) {
		vfs->users--;
		vfs = NULL;
	} else if (vfs) {
		*link = vfs->next;
		sqlite3_vfs_unregister(&vfs->base);
	}
	pthread_mutex_unlock(&lock);
	free(vfs);
}
