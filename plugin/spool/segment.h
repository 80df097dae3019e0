/* A segment of the spool: how a record is framed, and a cursor that reads records through damage.
 * Private to the spool (spool/spool.h describes the format). */
#ifndef FW_SPOOL_SEGMENT_H
#define FW_SPOOL_SEGMENT_H

#include "base/fw.h"

/* Bytes of a record's payload. Uplinks of earlier versions had up to 64 KiB. */
#define FW_SPOOL_PAYLOAD_MAX (65536u + 1024u)
#define FW_SPOOL_HEADER 20u
#define FW_SPOOL_RECORD_MAX (FW_SPOOL_HEADER + FW_SPOOL_PAYLOAD_MAX)
#define FW_SPOOL_BUFFER (256u * 1024) /* bytes a cursor reads at once; holds any record */

/* Writes one record into `frame` (FW_SPOOL_RECORD_MAX bytes); returns its bytes. Any thread. */
size_t fw_segment_frame(
	unsigned char *frame, uint32_t magic, uint64_t sequence, const void *payload, size_t len);

/* The pages of a segment that could not be read. A page is tried some times and then given up. The
 * struct outlives the cursor, which is opened anew whenever a failed read rolls a transaction back.
 * Starts as zero. */
struct fw_segment_unreadable {
	bool met;       /* a read has failed: read page by page, so that good pages are read */
	uint64_t page;  /* the one that failed last */
	unsigned tries; /* how often */
	/* Pages up to this one are given up at their first failure: bad sectors stand together. 0:
	 * none was given up yet. */
	uint64_t below;
};

/* Reads one segment from front to back. The owner fills in the first three groups; the last one
 * starts as zero. */
struct fw_segment_cursor {
	int fd; /* -1: the file is gone; all of it reads as damage */
	long (*pread)(int fd, void *bytes, size_t len, int64_t offset);
	bool padded;                       /* zeros may follow the last record */
	unsigned char *buffer;             /* FW_SPOOL_BUFFER bytes, borrowed */
	struct fw_segment_unreadable *bad; /* the segment's, borrowed */

	uint32_t magic;
	uint64_t first; /* the segment's records are numbered from `first` on, below `below` */
	uint64_t below;

	uint64_t at; /* offset of what comes next */

	uint64_t last;        /* sequence of the last record read, 0: none yet */
	uint64_t start, held; /* the part of the file that is in the buffer */
};

struct fw_segment_record {
	/* in the cursor's buffer: valid until the cursor's next step */
	const unsigned char *payload;
	size_t len;
	uint64_t sequence;
};

/* Reads the next record that ends at or before the offset `limit`, which never shrinks. FW_OK;
 * FW_NOT_FOUND: there is none up to `limit`, where the cursor now stands; FW_IO: nothing changed,
 * try again. *skipped: damaged bytes before the record or `limit`. Zeros that end at `limit` are no
 * damage in a padded segment. */
enum fw_status fw_segment_cursor_next(struct fw_segment_cursor *cursor, uint64_t limit,
	struct fw_segment_record *record, uint64_t *skipped);

#endif
