/* SQLite's connections on two sides that do not share a table of open files (base/io_thread.h).
 *
 * SQLite's "unix" files know each other within a process: those of one inode share locks,
 * descriptors and the WAL-index, since POSIX locks belong to the process (os_unix.c, "Posix
 * Advisory Locking"). To the kernel they belong to the table of open files, so with two tables the
 * connections of the one must be strangers to those of the other, as if they were in two processes:
 * each takes its own locks, on its own descriptors. They are told apart by the number of the
 * device, which SQLite learns from fstat and uses for nothing else. */
#ifndef FW_CATALOG_VFS_H
#define FW_CATALOG_VFS_H

#include <stdbool.h>

/* Main thread, before the first connection. False: SQLite does not allow it here, and the I/O
 * thread must have the broker's table. */
bool fw_vfs_begin(void);

/* The connections that the calling thread opens from now on are strangers to all others. */
void fw_vfs_here(void);

/* Main thread, after the last connection is closed; once for each fw_vfs_begin that was true. */
void fw_vfs_end(void);

#endif
