/* The files of the spool: what they are called, how a record is framed, and a cursor that reads
 * records through damage. Private to the spool (spool/spool.h describes the format). */
#ifndef FW_SPOOL_SEGMENT_H
#define FW_SPOOL_SEGMENT_H

#include "base/fw.h"

/* Bytes of a record's payload, as version 0.1.0 could write it: its uplinks had up to 64 KiB. */
#define FW_SPOOL_PAYLOAD_MAX (65536u + 1024u)
#define FW_SPOOL_HEADER 20u
#define FW_SPOOL_RECORD_MAX (FW_SPOOL_HEADER + FW_SPOOL_PAYLOAD_MAX)
#define FW_SPOOL_BUFFER (256u * 1024) /* bytes a cursor reads at once; holds any record */

/* Writes one record into `frame` (FW_SPOOL_RECORD_MAX bytes); returns its bytes. Any thread. */
size_t fw_segment_frame(
	unsigned char *frame, uint32_t magic, uint64_t sequence, const void *payload, size_t len);

/* What of a segment could not be read: it is tried some times, and then given up. Outlives the
 * cursor, which is opened anew whenever a transaction is rolled back because of it. Starts as zero.
 */
struct fw_segment_unreadable {
	bool met;       /* from now on page by page, so that what can be read is */
	uint64_t page;  /* the one that failed last */
	unsigned tries; /* how often */
	/* pages before this one are given up at once when they fail, and so is this one: bad
	 * sectors stand together */
	uint64_t below;
};

/* Reads one segment from front to back. The owner fills in all but the last group, which starts as
 * zero. */
struct fw_segment_cursor {
	int fd; /* -1: the file is gone; all of it reads as damage */
	long (*pread)(int fd, void *bytes, size_t len, int64_t offset);
	bool padded;                       /* zeros may follow the last record */
	unsigned char *buffer;             /* FW_SPOOL_BUFFER bytes, borrowed */
	struct fw_segment_unreadable *bad; /* the segment's, borrowed */

	uint32_t magic;
	uint64_t first; /* the segment's records are numbered from `first` on, below `below` */
	uint64_t below;

	uint64_t at;          /* offset of what comes next */
	uint64_t last;        /* sequence of the last record, 0 at the front */
	uint64_t start, held; /* the part of the file that is in the buffer */
};

struct fw_segment_record {
	/* in the cursor's buffer: valid until the cursor's next step */
	const unsigned char *payload;
	size_t len;
	uint64_t sequence;
};

/* The next record that ends by the offset `limit`, which never shrinks. FW_OK; FW_NOT_FOUND: no
 * other up to `limit`, where the cursor now stands; FW_IO: nothing changed, try again. *skipped:
 * bytes without a record before it, but not the zeros that end at `limit` if the segment is padded:
 * there was nothing. */
enum fw_status fw_segment_cursor_next(struct fw_segment_cursor *cursor, uint64_t limit,
	struct fw_segment_record *record, uint64_t *skipped);

/* The path of a segment, written to `path` of PATH_MAX bytes; returns `path`. A prefix that
 * fw_directory_list took fits. */
const char *fw_directory_path(const char *prefix, uint64_t first, uint32_t magic, char *path);

struct fw_directory_entry {
	uint64_t first;
	uint32_t magic;
	uint64_t size; /* bytes, not 0 */
};

/* Lists the segments of an earlier run, in their order, and deletes the empty ones. Other names,
 * and what is no regular file, are passed over. FW_OK: the caller frees *out (never NULL).
 * FW_NOMEM, or FW_IO with a message in `error`. On the I/O thread, at start. */
enum fw_status fw_directory_list(
	const char *prefix, struct fw_directory_entry **out, size_t *count, struct fw_error *error);

#endif
