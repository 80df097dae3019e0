/* The spool as its own files see it: a list of segment files, the last of which is written.
 *
 *   spool.c         opens and closes it, and recovers what an earlier run left
 *   spool_append.c  the broker thread's side
 *   spool_read.c    the store thread's side
 *   spool_sync.c    the same: safe against loss of power
 *
 * The broker thread writes, the store thread reads and deletes. They share:
 *  - the list, under `lock`: the writer takes it once a segment (4 MiB); the reader where it has
 *    read all, and when it releases or syncs;
 *  - a segment's `end`: the writer publishes it after the bytes are in the file, the reader reads
 *    no further.
 * The writer's segment is never deleted, so neither thread ever holds a segment that the other may
 * free. */
#ifndef FW_SPOOL_SPOOL_INTERNAL_H
#define FW_SPOOL_SPOOL_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "spool/mapping.h"
#include "spool/segment.h"
#include "spool/spool.h"

#define FW_SPOOL_SEQUENCE_MAX ((uint64_t)INT64_MAX) /* SQLite's integers end there */
#define FW_SPOOL_SEGMENT_MOST (FW_SPOOL_SEGMENT + FW_SPOOL_RECORD_MAX) /* bytes */

struct fw_spool_segment {
	struct fw_spool_segment *next; /* under the lock */
	uint64_t first;
	uint64_t highest_possible; /* of a leftover: no record in it is numbered above */
	uint32_t magic;
	bool leftover; /* from an earlier run */
	_Atomic uint64_t end;
	/* the store thread's */
	uint64_t released; /* all before this offset is in the catalog */
	uint64_t synced;   /* all before this offset is safe against loss of power */
	uint64_t counted;  /* damage before this offset is counted already */
	struct fw_segment_unreadable bad;
};

struct fw_spool {
	char *prefix;
	struct fw_spool_io io;
	_Atomic uint64_t last;
	_Atomic uint64_t bytes;
	atomic_bool suspect;

	pthread_mutex_t lock;
	struct fw_spool_segment *head, *tail;
	struct fw_spool_segment *writing; /* NULL until the first append; always the tail */

	/* the broker thread's */
	int fd; /* of `writing`, -1: none */
	struct fw_mapping map;
	uint64_t offset; /* where the next record goes */
	uint64_t next;   /* its number */
	unsigned char *frame;

	/* the store thread's */
	struct fw_spool_segment *reading; /* NULL: to be found */
	struct fw_segment_cursor cursor;
	uint64_t sequence; /* of the last record read */
	bool unnamed;      /* a segment was synced, and its folder not yet */
	unsigned char *buffer;
	struct fw_spool_damage damage;
};

/* A segment in memory, malloc'd; NULL when out of memory. */
struct fw_spool_segment *fw_spool_segment_new(uint64_t first, uint32_t magic);
/* Opens its file. The descriptor, or -1 with errno. */
int fw_spool_segment_open(
	const struct fw_spool *spool, const struct fw_spool_segment *segment, int flags);
void fw_spool_segment_unlink(const struct fw_spool *spool, const struct fw_spool_segment *segment);
/* Puts a segment at the end of the list. */
void fw_spool_link(struct fw_spool *spool, struct fw_spool_segment *segment);

/* Points the spool's cursor at the first byte of `segment` that is not released. `below`: the
 * number at which the next segment begins. FW_OK or FW_IO. */
enum fw_status fw_spool_cursor_open(
	struct fw_spool *spool, struct fw_spool_segment *segment, uint64_t below);
void fw_spool_cursor_close(struct fw_spool *spool);
/* One step of the cursor through `segment`, up to the offset `limit`; counts the damage on its way.
 * FW_OK with *record, FW_NOT_FOUND at the end, or an error. */
enum fw_status fw_spool_cursor_step(struct fw_spool *spool, struct fw_spool_segment *segment,
	uint64_t limit, struct fw_segment_record *record);

/* The system's own pwrite, as struct fw_spool_io has it. */
long fw_spool_system_pwrite(int fd, const void *bytes, size_t len, int64_t offset);

#endif
