/* Looks up ready firmware that has a file, for the threads that send files, on a connection of its
 * own that only reads (PRAGMA query_only). Any thread: callers take turns. */
#ifndef FW_CATALOG_FILE_READER_H
#define FW_CATALOG_FILE_READER_H

#include "files/hosting.h"

struct fw_file_reader;

/* On the I/O thread (base/io_thread.h). `path` is a migrated catalog; `hosting` is borrowed. FW_OK,
 * FW_NOMEM, or an error with a message in `error`. The caller owns *out. */
enum fw_status fw_file_reader_open(const char *path, struct fw_hosting *hosting,
	struct fw_file_reader **out, struct fw_error *error);
void fw_file_reader_close(struct fw_file_reader *file_reader); /* NULL is fine */

/* Opens the file of ready firmware, if the file on disk is the one that was verified. `file`,
 * unless empty, must be its name. FW_OK: out->fd is the caller's. FW_NOT_FOUND; FW_BUSY: try again;
 * or the catalog's error. */
enum fw_status fw_file_reader_find(struct fw_file_reader *file_reader, struct fw_slice firmware_id,
	struct fw_slice file, struct fw_hosted_file *out);

/* Was the firmware deleted or rejected, so that its transfers must end? False when the catalog
 * cannot be read now. */
bool fw_file_reader_withdrawn(struct fw_file_reader *file_reader, struct fw_slice firmware_id);

#endif
