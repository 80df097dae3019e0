/* The dot-file is locked (flock) meanwhile, so that a sweep tells a removal that is under way from
 * one that a crash broke off. */
#include "control/removal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "files/folder.h"

#define PREFIX ".firmware-deleted-"

struct fw_removal {
	int folder, fd; /* fd holds the lock; -1: the file cannot be opened */
	char name[256];
	char dot_name[sizeof(PREFIX) + 16];
};

static void removal_free(struct fw_removal *removal)
{
	if (removal->fd >= 0)
		close(removal->fd);
	if (removal->folder >= 0)
		close(removal->folder);
	free(removal);
}

/* Gives the file its dot-name. 0, or an errno. */
static int take_away(struct fw_removal *removal, const char *folder)
{
	struct stat status;

	removal->folder = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (removal->folder < 0 ||
		fstatat(removal->folder, removal->name, &status, AT_SYMLINK_NOFOLLOW) != 0)
		return errno;
	if (S_ISDIR(status.st_mode))
		return EISDIR;
	removal->fd = openat(
		removal->folder, removal->name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (removal->fd >= 0)
		(void)!flock(removal->fd, LOCK_EX | LOCK_NB);
	snprintf(removal->dot_name, sizeof(removal->dot_name), PREFIX "%016llx",
		(unsigned long long)fw_random());
	return renameat(removal->folder, removal->name, removal->folder, removal->dot_name) == 0
		? 0
		: errno;
}

enum fw_status fw_removal_begin(
	const char *folder, const char *name, struct fw_removal **out, struct fw_error *error)
{
	struct fw_removal *removal = calloc(1, sizeof(*removal));
	int reason;

	if (!removal)
		return FW_NOMEM;
	removal->folder = removal->fd = -1;
	snprintf(removal->name, sizeof(removal->name), "%s", name);
	reason = take_away(removal, folder);
	if (reason == 0) {
		*out = removal;
		return FW_OK;
	}
	removal_free(removal);
	if (reason == ENOENT) {
		fw_error_set(error, "no such file: '%.200s'", name);
		return FW_NOT_FOUND;
	}
	fw_error_set(error, "cannot delete '%.200s': %s", name, strerror(reason));
	return FW_FAILED;
}

enum fw_status fw_removal_end(struct fw_removal *removal, bool committed, struct fw_error *error)
{
	bool done;

	if (!removal)
		return FW_OK;
	if (committed)
		done = unlinkat(removal->folder, removal->dot_name, 0) == 0;
	else
		done = fw_folder_rename(removal->folder, removal->dot_name, removal->name);
	if (!done)
		fw_error_set(error, "'%.200s' in files_dir is '%s' now: %s", removal->name,
			removal->dot_name, strerror(errno));
	removal_free(removal);
	return done ? FW_OK : FW_FAILED;
}

void fw_removal_sweep(const char *folder)
{
	fw_folder_sweep(folder, PREFIX);
}
