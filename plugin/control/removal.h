/* Deletes a file of files_dir together with a transaction. The file becomes a dot-file, which is
 * served to nobody and which no firmware can name. It is deleted when the transaction has
 * committed, and gets its name back when that fails. fw_removal_sweep deletes what a crash left.
 * One thread at a time for each object. */
#ifndef FW_CONTROL_REMOVAL_H
#define FW_CONTROL_REMOVAL_H

#include "base/fw.h"

struct fw_removal;

/* Takes the name from the file. FW_OK: the caller ends *out. FW_NOT_FOUND, or FW_FAILED (the system
 * refuses, or it is a folder), with a sentence in `error`. FW_NOMEM without one. */
enum fw_status fw_removal_begin(
	const char *folder, const char *name, struct fw_removal **out, struct fw_error *error);

/* Deletes the file, or gives it its name back, and frees the object; NULL is fine. FW_FAILED: the
 * name is another file's now, or the system refuses: `error` tells where the file is. */
enum fw_status fw_removal_end(struct fw_removal *removal, bool committed, struct fw_error *error);

/* Deletes what removals left in the folder that a crash broke off. */
void fw_removal_sweep(const char *folder);

#endif
