/* SQLite's connections on two sides that do not share a table of open files (base/io_thread.h).
 *
 * Within a process, SQLite's "unix" VFS lets the connections to one inode share locks, descriptors
 * and the WAL-index, since POSIX locks belong to the process (os_unix.c, "Posix Advisory Locking").
 * To the kernel these locks belong to the table of open files. So with two tables the connections
 * of one side must not share with those of the other, as if they were in two processes: each takes
 * its own locks, on its own descriptors. To that end stat and fstat report another st_dev on the
 * I/O thread's side; SQLite uses st_dev for nothing else. */
#ifndef FW_CATALOG_VFS_H
#define FW_CATALOG_VFS_H

#include <stdbool.h>

/* Broker thread, before the first connection. False: this SQLite does not allow it, and the I/O
 * thread must use the broker's table. */
bool fw_vfs_begin(void);

/* The connections that the calling thread opens from now on are of the I/O thread's side. */
void fw_vfs_here(void);

/* Broker thread, after the last connection is closed; once for each fw_vfs_begin that was true. */
void fw_vfs_end(void);

#endif
