/* A firmware file on its way out of files_dir, beside a transaction: it becomes a dot-file, which
 * nobody is served and no firmware can name, and is deleted once the catalog has committed. If the
 * commit fails it gets its name back. What a crash left is removed by fw_removal_sweep. One thread
 * at a time for each object. */
#ifndef FW_CONTROL_REMOVAL_H
#define FW_CONTROL_REMOVAL_H

#include "base/fw.h"

struct fw_removal;

/* Takes the name from the file. FW_OK: the caller ends *out. FW_NOT_FOUND; FW_FAILED: the system
 * refuses, or it is a folder; FW_NOMEM: then a sentence is in `error`. */
enum fw_status fw_removal_begin(
	const char *folder, const char *name, struct fw_removal **out, struct fw_error *error);

/* Deletes the file, or gives it its name back, and frees the object; NULL is fine. FW_FAILED: the
 * name is another file's now, or the system refuses: `error` tells where the file is. */
enum fw_status fw_removal_end(struct fw_removal *removal, bool committed, struct fw_error *error);

/* Deletes what removals of a process that is gone left in the folder. */
void fw_removal_sweep(const char *folder);

#endif
