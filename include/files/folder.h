/* The folder of firmware files: opening them safely, and noticing that they changed. Knows nothing
 * of the catalog; any thread unless said otherwise.
 *
 * A name is plain: 1 to 255 bytes, no slash, no leading dot, no control characters. What it names
 * must be a regular file: no symbolic link, device, pipe or folder is ever opened for reading. */
#ifndef FW_FILES_FOLDER_H
#define FW_FILES_FOLDER_H

#include <sys/stat.h>

#include "base/fw.h"

/* Tells one state of a file from any other: no write, replacement or change of its times leaves all
 * of it as it was, provided that the file had been left alone for a moment before
 * (fw_file_settled), since the kernel's clock for files is coarse. */
struct fw_file_stamp {
	int64_t size; /* bytes */
	int64_t mtime_ns, ctime_ns;
	int64_t inode;
};

struct fw_file_stamp fw_file_stamp_of(const struct stat *status);
bool fw_file_stamp_equal(const struct fw_file_stamp *a, const struct fw_file_stamp *b);

#define FW_FILE_SETTLE_MS 1000
#define FW_FILE_SETTLE_UNSEEN_MS 10000 /* for FW_WRITERS_UNKNOWN */

/* Has nobody touched the file for `settle_ms`? Also true of a time in the future: the clock was set
 * back. `now`: Unix ms. */
bool fw_file_settled(const struct fw_file_stamp *stamp, int64_t now, int64_t settle_ms);

/* On the I/O thread (base/io_thread.h), at start: makes the folder if it is missing. FW_OK, or
 * FW_INVALID with a message that says what to change. */
enum fw_status fw_folder_prepare(const char *folder, struct fw_error *error);

/* Is the folder on a file system that another machine, or another process, may keep waiting without
 * end? True also when it cannot be told. */
bool fw_folder_remote(const char *folder);

/* The name of that file system, for people (static): "NFS". NULL: it is none of these, or cannot be
 * told. */
const char *fw_folder_remote_kind(const char *path);

bool fw_folder_name_valid(const char *name);

/* Opens for reading; never blocks, never follows a link in the last component. FW_OK: *fd is the
 * caller's to close. Else a sentence is in `error`: FW_NOT_FOUND; FW_INVALID (a bad name, or no
 * regular file); FW_BUSY (it cannot be opened now, for want of descriptors or memory, or by an
 * error of the disk); FW_IO (it cannot be opened, such as for want of rights). */
enum fw_status fw_folder_open(const char *folder, const char *name, int *fd,
	struct fw_file_stamp *stamp, struct fw_error *error);

/* Does `file`, which need not be there, lie in the folder itself? Looks at the disk; any thread. */
bool fw_folder_holds(const char *folder, const char *file);

/* Does `name` in the folder belong to `file`, such as the catalog? It does when it begins with the
 * name of `file`, which lies in this folder (its log is one), or when it is another name of the
 * same file. It need not be there. Any thread. */
bool fw_folder_belongs(const char *folder, const char *name, const char *file);

/* Renames, in the open folder, but never over another file. False: errno says why. */
bool fw_folder_rename(int folder, const char *from, const char *to);

/* Deletes the files whose names begin with `prefix` and that nobody has locked (flock). */
void fw_folder_sweep(const char *folder, const char *prefix);

/* How the name looks now, whatever kind of file it is; all zero when there is none. Equal to an
 * earlier look: nothing happened to it. */
struct fw_file_stamp fw_folder_look(const char *folder, const char *name);

/* Is the file under this name still the one of the stamp? Costs one system call. */
bool fw_folder_unchanged(const char *folder, const char *name, const struct fw_file_stamp *stamp);

/* Is what was opened still what it was? */
bool fw_folder_fd_unchanged(int fd, const struct fw_file_stamp *stamp);

/* Has anybody this file open for writing, or mapped? `fd` is open for reading only, and not shared
 * with other threads. Unknown where the kernel gives no lease: to a process that neither owns the
 * file nor has CAP_LEASE, and on file systems of other machines. */
enum fw_file_writers { FW_WRITERS_NONE, FW_WRITERS_SOME, FW_WRITERS_UNKNOWN };
enum fw_file_writers fw_folder_writers(int fd);

/* Watches the folder by inotify. One thread at a time. Only a hint that it is time to look: it sees
 * nothing that happens on other machines of a network file system, and may miss much when the
 * kernel's queue overflows. */
struct fw_watch;

/* NULL when the system has none to give: do without. */
struct fw_watch *fw_watch_open(const char *folder);
void fw_watch_close(struct fw_watch *watch); /* NULL is fine */

int fw_watch_fd(const struct fw_watch *watch); /* readable when something happened */

/* Takes what happened. True when anything in the folder may have changed. Goes on watching a folder
 * that was removed and made again. */
bool fw_watch_take(struct fw_watch *watch);

#endif
