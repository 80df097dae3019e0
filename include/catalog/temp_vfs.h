/* SQLite's temporary files, beside the catalog.
 *
 * SQLite writes a statement's journal over 64 KiB, and what a query sorts beyond its cache, into a
 * file that it looks for a place for: SQLITE_TMPDIR, TMPDIR, /var/tmp, /usr/tmp, /tmp, the working
 * directory (sqlite.org/tempfiles.html, section 5). A broker in a container may have none that can
 * be written, and on others a small /tmp is full. The catalog's folder can be written as long as
 * the catalog can. So each connection gets a VFS that is SQLite's "unix", and gives a temporary
 * file a name beside the catalog: "firmware.db-sqlite-tmp". SQLite removes the name as soon as the
 * file is open, and the VFS an empty file of that name, which a crash left. While a file of that
 * name has bytes, no temporary file can be opened: it is somebody's, and stays. */
#ifndef FW_CATALOG_TEMP_VFS_H
#define FW_CATALOG_TEMP_VFS_H

#include <stdbool.h>

/* One user more of the VFS for the catalog at `path`: a plugin that is loaded a second time for the
 * same catalog uses it too, until its start fails. False when out of memory or where SQLite has no
 * "unix". Any thread. */
bool fw_temp_vfs_begin(const char *path);

/* The name of the VFS for connections to the catalog at `path`, for sqlite3_open_v2; it is made
 * with the first. NULL, which is SQLite's default VFS, when out of memory or where SQLite has no
 * "unix". Valid until fw_temp_vfs_end. Any thread. */
const char *fw_temp_vfs_name(const char *path);

/* One user less, after the last of its connections to the catalog at `path` is closed. The last
 * user's call frees the VFS, and so does one without a user. Does nothing when there is no VFS. Any
 * thread. */
void fw_temp_vfs_end(const char *path);

#endif
