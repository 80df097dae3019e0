/* Looks up ready firmware with a file for those who send it, on a connection of its own that only reads (PRAGMA query_only). Any thread: callers
 * take turns. */
#ifndef FW_CATALOG_FILE_READER_H
#define FW_CATALOG_FILE_READER_H

#include "files/hosting.h"

struct fw_finder;

/* On the side (side.h). `path` is a migrated catalog; `delivery` is borrowed. */
enum fw_status fw_finder_open(const char *path, struct fw_delivery *delivery, struct fw_finder **out, struct fw_error *error);
void fw_finder_close(struct fw_finder *finder); /* NULL is fine */

/* Opens the file of ready firmware, if what is on disk is what was verified. `file`: must be its name, unless it is empty. FW_OK: out->fd is the
 * caller's. FW_NOT_FOUND; or the catalog's trouble. */
enum fw_status fw_finder_find(struct fw_finder *finder, struct fw_slice firmware_id, struct fw_slice file, struct fw_hosted_file *out);

/* Was it deleted or rejected, so that what is under way of it must end? False when the catalog cannot be read now. */
bool fw_finder_withdrawn(struct fw_finder *finder, struct fw_slice firmware_id);

#endif
