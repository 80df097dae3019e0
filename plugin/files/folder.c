/* Opens files of a folder that others write to, and finds out whether they changed: by stamps, by
 * leases, by inotify. */
#include "files/folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#ifndef RENAME_NOREPLACE /* musl has the system call only */
#define RENAME_NOREPLACE 1u
#define renameat2(from, old, to, new, flags) (int)syscall(SYS_renameat2, from, old, to, new, flags)
#endif

#define PATH_SIZE 4400u /* PATH_MAX, a slash and a name */

struct fw_file_stamp fw_file_stamp_of(const struct stat *status)
{
	return (struct fw_file_stamp){.size = status->st_size,
		.mtime_ns = (int64_t)status->st_mtim.tv_sec * 1000000000 + status->st_mtim.tv_nsec,
		.ctime_ns = (int64_t)status->st_ctim.tv_sec * 1000000000 + status->st_ctim.tv_nsec,
		.inode = (int64_t)status->st_ino};
}

bool fw_file_stamp_equal(const struct fw_file_stamp *a, const struct fw_file_stamp *b)
{
	return a->size == b->size && a->mtime_ns == b->mtime_ns && a->ctime_ns == b->ctime_ns &&
		a->inode == b->inode;
}

bool fw_file_settled(const struct fw_file_stamp *stamp, int64_t now, int64_t settle_ms)
{
	int64_t age = now - stamp->ctime_ns / 1000000;

	/* a time in the future is not waited for */
	return age < -settle_ms || age >= settle_ms;
}

enum fw_status fw_folder_prepare(const char *folder, struct fw_error *error)
{
	struct stat status;

	if (mkdir(folder, 0750) != 0 && errno != EEXIST) {
		fw_error_set(error,
			"plugin_opt_files_dir: cannot make the folder '%s': %s. Make it and let "
			"the broker's user (id %ld) read it, e.g. 'install -d -o mosquitto -g "
			"mosquitto %s'",
			folder, strerror(errno), (long)geteuid(), folder);
		return FW_INVALID;
	}
	if (stat(folder, &status) != 0 || !S_ISDIR(status.st_mode) ||
		access(folder, R_OK | X_OK) != 0) {
		fw_error_set(error,
			"plugin_opt_files_dir: '%s' is not a folder that the broker's user (id "
			"%ld) may read: give it to that user, e.g. 'install -d -o mosquitto -g "
			"mosquitto %s'",
			folder, (long)geteuid(), folder);
		return FW_INVALID;
	}
	return FW_OK;
}

bool fw_folder_name_valid(const char *name)
{
	size_t len = name ? strlen(name) : 0;

	if (len == 0 || len > 255 || name[0] == '.')
		return false;
	for (size_t i = 0; i < len; i++) {
		unsigned char byte = (unsigned char)name[i];

		if (byte < 0x20 || byte == 0x7f || byte == '/')
			return false;
	}
	return true;
}

static bool make_path(char *path, const char *folder, const char *name)
{
	return fw_folder_name_valid(name) &&
		(size_t)snprintf(path, PATH_SIZE, "%s/%s", folder, name) < PATH_SIZE;
}

static enum fw_status not_opened(const char *name, int reason, struct fw_error *error)
{
	if (reason == ENOENT) {
		fw_error_set(error, "there is no file '%.255s' in files_dir: copy it there", name);
		return FW_NOT_FOUND;
	}
	if (reason == ELOOP || reason == ENXIO || reason == ENODEV) {
		fw_error_set(error,
			"'%.255s' in files_dir is a symbolic link or a special file: put the file "
			"itself there",
			name);
		return FW_INVALID;
	}
	if (reason == EMFILE || reason == ENFILE || reason == ENOMEM || reason == EIO ||
		reason == ESTALE || reason == EINTR) {
		fw_error_set(error, "the file '%.255s' in files_dir cannot be read now: %s", name,
			strerror(reason));
		return FW_BUSY;
	}
	fw_error_set(error, "the file '%.255s' in files_dir cannot be read: %s%s", name,
		strerror(reason),
		reason == EACCES ? " (let the broker's user read it: chmod a+r)" : "");
	return FW_IO;
}

enum fw_status fw_folder_open(const char *folder, const char *name, int *fd,
	struct fw_file_stamp *stamp, struct fw_error *error)
{
	char path[PATH_SIZE];
	struct stat status;
	int opened;

	if (!make_path(path, folder, name)) {
		fw_error_set(error,
			"file must be a plain name in files_dir, without / and without a leading "
			"dot");
		return FW_INVALID;
	}
	/* looked at first, because opening a device may have effects; O_NONBLOCK for the pipe that
	 * comes in between */
	if (lstat(path, &status) == 0 && !S_ISREG(status.st_mode))
		return not_opened(name, ELOOP, error);
	opened = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (opened < 0)
		return not_opened(name, errno, error);
	if (fstat(opened, &status) != 0 || !S_ISREG(status.st_mode)) {
		close(opened);
		return not_opened(name, ELOOP, error);
	}
	*stamp = fw_file_stamp_of(&status);
	*fd = opened;
	return FW_OK;
}

bool fw_folder_holds(const char *folder, const char *file)
{
	const char *slash = strrchr(file, '/');
	struct stat a, b;
	char *of_file = strndup(file, slash ? (size_t)(slash - file) + 1 : 0);
	bool same = of_file && stat(folder, &a) == 0 && stat(slash ? of_file : ".", &b) == 0 &&
		a.st_dev == b.st_dev && a.st_ino == b.st_ino;

	free(of_file);
	return same;
}

bool fw_folder_belongs(const char *folder, const char *name, const char *file)
{
	const char *slash = strrchr(file, '/');
	const char *base = slash ? slash + 1 : file;
	char path[PATH_SIZE];
	struct stat a, b;

	if (strncasecmp(name, base, strlen(base)) == 0 && fw_folder_holds(folder, file))
		return true;
	return make_path(path, folder, name) && stat(path, &a) == 0 && stat(file, &b) == 0 &&
		a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

/* Where the file system cannot do it in one step, by a second link. */
bool fw_folder_rename(int folder, const char *from, const char *to)
{
	if (renameat2(folder, from, folder, to, RENAME_NOREPLACE) == 0)
		return true;
	if ((errno != EINVAL && errno != ENOSYS) || linkat(folder, from, folder, to, 0) != 0)
		return false;
	unlinkat(folder, from, 0);
	return true;
}

static void sweep_one(int folder, const char *name)
{
	int fd = openat(folder, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

	if (fd < 0)
		return;
	if (flock(fd, LOCK_EX | LOCK_NB) == 0)
		unlinkat(folder, name, 0);
	close(fd);
}

void fw_folder_sweep(const char *folder, const char *prefix)
{
	DIR *entries = opendir(folder);
	struct dirent *entry;

	if (!entries)
		return;
	while ((entry = readdir(entries))) {
		if (strncmp(entry->d_name, prefix, strlen(prefix)) == 0)
			sweep_one(dirfd(entries), entry->d_name);
	}
	closedir(entries);
}

struct fw_file_stamp fw_folder_look(const char *folder, const char *name)
{
	char path[PATH_SIZE];
	struct stat status;

	if (!make_path(path, folder, name) || lstat(path, &status) != 0)
		return (struct fw_file_stamp){0};
	return fw_file_stamp_of(&status);
}

static bool has_stamp(const struct stat *status, const struct fw_file_stamp *stamp)
{
	struct fw_file_stamp now = fw_file_stamp_of(status);

	return S_ISREG(status->st_mode) && fw_file_stamp_equal(&now, stamp);
}

bool fw_folder_unchanged(const char *folder, const char *name, const struct fw_file_stamp *stamp)
{
	char path[PATH_SIZE];
	struct stat status;

	return make_path(path, folder, name) && lstat(path, &status) == 0 &&
		has_stamp(&status, stamp);
}

bool fw_folder_fd_unchanged(int fd, const struct fw_file_stamp *stamp)
{
	struct stat status;

	return fstat(fd, &status) == 0 && has_stamp(&status, stamp);
}

/* File systems that another machine, or another process, serves. Numbers that linux/magic.h lacks
 * are from the kernel's and their makers' sources. */
static const struct {
	unsigned magic;
	const char *name;
} remote_kinds[] = {
	{NFS_SUPER_MAGIC, "NFS"},
	{SMB_SUPER_MAGIC, "SMB"},
	{CIFS_SUPER_MAGIC, "SMB"},
	{SMB2_SUPER_MAGIC, "SMB"},
	{V9FS_MAGIC, "9p"},
	/* sshfs, virtiofs and others; whatever serves it, it may hang */
	{FUSE_SUPER_MAGIC, "FUSE"},
	{CEPH_SUPER_MAGIC, "CephFS"},
	{AFS_FS_MAGIC, "AFS"},
	{AFS_SUPER_MAGIC, "AFS"},
	{CODA_SUPER_MAGIC, "Coda"},
	{OCFS2_SUPER_MAGIC, "OCFS2"},
	{0x01161970, "GFS2"},
	{0x0bd00bd0, "Lustre"},
	{0x47504653, "GPFS"},
	{0x19830326, "BeeGFS"},
	{0x786f4256, "a VirtualBox folder"},
	{0xbacbacbc, "a VMware folder"},
};

static const char *remote_kind(const struct statfs *status)
{
	for (size_t i = 0; i < sizeof(remote_kinds) / sizeof(remote_kinds[0]); i++) {
		if ((unsigned)status->f_type == remote_kinds[i].magic)
			return remote_kinds[i].name;
	}
	return NULL;
}

bool fw_folder_remote(const char *folder)
{
	struct statfs status;

	return statfs(folder, &status) != 0 || remote_kind(&status);
}

const char *fw_folder_remote_kind(const char *path)
{
	struct statfs status;

	return statfs(path, &status) == 0 ? remote_kind(&status) : NULL;
}

/* On these a lease may also be refused when nobody writes. */
static bool opened_remote(int fd)
{
	struct statfs status;

	return fstatfs(fd, &status) != 0 || remote_kind(&status);
}

/* By a read lease, which the kernel gives only while nobody has the file open for writing. It is
 * given back at once; whoever opens the file in between waits for that. The kernel then sends this
 * process a signal, by default SIGIO, which would end it: hence SIGURG, which is ignored by
 * default, and for this thread alone. */
enum fw_file_writers fw_folder_writers(int fd)
{
	struct f_owner_ex owner = {F_OWNER_TID, (pid_t)syscall(SYS_gettid)};

	if (fcntl(fd, F_SETOWN_EX, &owner) != 0 || fcntl(fd, F_SETSIG, SIGURG) != 0)
		return FW_WRITERS_UNKNOWN;
	if (fcntl(fd, F_SETLEASE, F_RDLCK) == 0) {
		fcntl(fd, F_SETLEASE, F_UNLCK);
		return FW_WRITERS_NONE;
	}
	return errno == EAGAIN && !opened_remote(fd) ? FW_WRITERS_SOME : FW_WRITERS_UNKNOWN;
}

struct fw_watch {
	int fd, of_folder; /* of_folder: -1 while there is none to watch */
	char folder[];
};

#define EVENTS                                                                                     \
	(IN_CLOSE_WRITE | IN_MODIFY | IN_ATTRIB | IN_CREATE | IN_DELETE | IN_MOVED_FROM |          \
		IN_MOVED_TO | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR)

static void watch_folder(struct fw_watch *watch)
{
	watch->of_folder = inotify_add_watch(watch->fd, watch->folder, EVENTS);
}

struct fw_watch *fw_watch_open(const char *folder)
{
	size_t len = strlen(folder);
	struct fw_watch *watch = malloc(sizeof(*watch) + len + 1);

	if (!watch)
		return NULL;
	memcpy(watch->folder, folder, len + 1);
	watch->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (watch->fd < 0) {
		free(watch);
		return NULL;
	}
	watch_folder(watch);
	return watch;
}

void fw_watch_close(struct fw_watch *watch)
{
	if (!watch)
		return;
	close(watch->fd);
	free(watch);
}

int fw_watch_fd(const struct fw_watch *watch)
{
	return watch->fd;
}

bool fw_watch_take(struct fw_watch *watch)
{
	_Alignas(struct inotify_event) char events[4096];
	bool any = false;
	ssize_t len;

	while ((len = read(watch->fd, events, sizeof(events))) > 0) {
		any = true;
		for (char *at = events; at < events + len;) {
			const struct inotify_event *event =
				(const struct inotify_event *)(const void *)at;

			if (event->wd == watch->of_folder &&
				(event->mask & (IN_IGNORED | IN_MOVE_SELF)))
				watch->of_folder = -1;
			at += sizeof(*event) + event->len;
		}
	}
	if (watch->of_folder < 0) {
		watch_folder(watch);
		any |= watch->of_folder >= 0;
	}
	return any;
}
