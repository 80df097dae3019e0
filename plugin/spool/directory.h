/* The files of the spool: what they are called, and which of them an earlier run left. Private to
 * the spool. */
#ifndef FW_SPOOL_DIRECTORY_H
#define FW_SPOOL_DIRECTORY_H

#include "base/fw.h"

/* The path of a segment, written to `path` of PATH_MAX bytes; returns `path`. A prefix that
 * fw_directory_list took fits. */
const char *fw_directory_path(const char *prefix, uint64_t first, uint32_t magic, char *path);

/* The folder of the files that begin with `prefix`, written to `folder` of PATH_MAX bytes; returns
 * `folder`. */
const char *fw_directory_folder(const char *prefix, char *folder);

struct fw_directory_entry {
	uint64_t first; /* number of the segment's first record */
	uint32_t magic;
	uint64_t size; /* bytes, not 0 */
};

/* Lists the segments of an earlier run, in the order of their numbers, and deletes the empty ones.
 * Other names, and what is no regular file, are passed over. FW_OK: the caller frees *out (never
 * NULL). FW_NOMEM, or FW_IO with a message in `error`. On the I/O thread, at start. */
enum fw_status fw_directory_list(
	const char *prefix, struct fw_directory_entry **out, size_t *count, struct fw_error *error);

#endif
