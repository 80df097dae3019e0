/* Writes a firmware file into files_dir: a dot-file that grows, and whose SHA-256 is computed as it
 * comes. It takes its name when it is whole and on the disk. An upload that breaks off leaves
 * nothing; fw_upload_sweep deletes what a crash left. One thread at a time for each object. */
#ifndef FW_CONTROL_UPLOAD_H
#define FW_CONTROL_UPLOAD_H

#include "base/fw.h"
#include "files/digest.h"

struct fw_upload;

enum fw_upload_status {
	FW_UPLOAD_OK,
	FW_UPLOAD_BAD_NAME, /* not plain: files/folder.h */
	FW_UPLOAD_EXISTS,   /* there is a file of that name */
	FW_UPLOAD_NO_SPACE, /* the disk has no room for it */
	FW_UPLOAD_SHORT,    /* fewer or more bytes came than were told */
	FW_UPLOAD_FAILED,   /* the system refuses, or out of memory */
};

/* Each leaves a sentence in `error` unless it is FW_UPLOAD_OK. */

/* `size`: bytes that will come. Reserves the room for them on the disk where the file system can,
 * but never the last 16 MiB. FW_UPLOAD_OK: the caller frees *out. */
enum fw_upload_status fw_upload_begin(const char *folder, const char *name, int64_t size,
	struct fw_upload **out, struct fw_error *error);

enum fw_upload_status fw_upload_write(
	struct fw_upload *upload, const void *bytes, size_t len, struct fw_error *error);

/* All has come: syncs the file, and gives it its name, unless there is a file of that name now.
 * Then `sha256` is its digest in lower-case hex. */
enum fw_upload_status fw_upload_finish(
	struct fw_upload *upload, char sha256[FW_SHA256_TEXT], struct fw_error *error);

/* Deletes the file if it is not finished, and frees the object. NULL is fine. */
void fw_upload_free(struct fw_upload *upload);

/* Deletes what uploads left in the folder that a crash broke off. */
void fw_upload_sweep(const char *folder);

#endif
