/* Reads the spool, and releases what was read: the store thread's side.
 *
 * A cursor walks the segments in their order, up to the offset that the writer has published. A
 * segment of which all is released is deleted, unless it is the one being written. */
#include "spool/spool_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

/* No record of a segment that is not being written is numbered above this. Under the lock. */
static uint64_t segment_last(const struct fw_spool_segment *segment)
{
	return segment->next ? segment->next->first - 1 : segment->highest_possible;
}

/* A deleted file reads as damage: an error here would hold up all segments behind it. */
enum fw_status fw_spool_cursor_open(
	struct fw_spool *spool, struct fw_spool_segment *segment, uint64_t below)
{
	int fd = fw_spool_segment_open(spool, segment, O_RDONLY | O_NONBLOCK | O_NOFOLLOW);

	spool->cursor = (struct fw_segment_cursor){
		.fd = fd,
		.pread = spool->io.pread,
		.padded = segment->leftover,
		.buffer = spool->buffer,
		.bad = &segment->bad,
		.magic = segment->magic,
		.first = segment->first,
		.below = below,
		.at = segment->released,
	};
	return fd < 0 && errno != ENOENT ? FW_IO : FW_OK;
}

void fw_spool_cursor_close(struct fw_spool *spool)
{
	if (spool->cursor.fd >= 0)
		close(spool->cursor.fd);
	spool->cursor.fd = -1;
	spool->reading = NULL;
}

/* After a rewind the cursor passes the same places again: their damage is counted once. */
enum fw_status fw_spool_cursor_step(struct fw_spool *spool, struct fw_spool_segment *segment,
	uint64_t limit, struct fw_segment_record *record)
{
	uint64_t from = spool->cursor.at, skipped;
	enum fw_status status = fw_segment_cursor_next(&spool->cursor, limit, record, &skipped);

	if (skipped == 0 || from + skipped <= segment->counted)
		return status;
	if (status == FW_NOT_FOUND && segment->leftover)
		spool->damage.torn_tails++;
	else
		spool->damage.gaps++;
	spool->damage.bytes_skipped +=
		from + skipped - (from > segment->counted ? from : segment->counted);
	segment->counted = from + skipped;
	return status;
}

/* The segment after the one being read, or, if there is none, the first with something unread; NULL
 * if there is nothing. *below: the number at which the one after that begins. */
static struct fw_spool_segment *segment_ahead(struct fw_spool *spool, uint64_t *below)
{
	struct fw_spool_segment *segment;

	pthread_mutex_lock(&spool->lock);
	segment = spool->reading ? spool->reading->next : spool->head;
	while (!spool->reading && segment && segment != spool->writing &&
		segment_last(segment) <= spool->sequence)
		segment = segment->next;
	*below = segment && segment->next ? segment->next->first : FW_SPOOL_SEQUENCE_MAX + 1;
	pthread_mutex_unlock(&spool->lock);
	return segment;
}

/* All up to `end` of the segment being read, if there is one, has been read: goes on to what is
 * behind it. FW_NOT_FOUND: there is nothing. */
static enum fw_status advance(struct fw_spool *spool, uint64_t end)
{
	uint64_t below;
	struct fw_spool_segment *segment = segment_ahead(spool, &below);
	enum fw_status status;

	/* the writer may have added to the old segment before it began the new one */
	if (spool->reading &&
		atomic_load_explicit(&spool->reading->end, memory_order_acquire) > end)
		return FW_OK;
	if (!segment)
		return FW_NOT_FOUND;
	fw_spool_cursor_close(spool);
	status = fw_spool_cursor_open(spool, segment, below);
	if (status == FW_OK)
		spool->reading = segment;
	return status;
}

enum fw_status fw_spool_read(
	struct fw_spool *spool, const unsigned char **payload, size_t *len, uint64_t *sequence)
{
	struct fw_segment_record record;
	enum fw_status status = spool->reading ? FW_OK : advance(spool, 0);

	while (status == FW_OK) {
		uint64_t end = atomic_load_explicit(&spool->reading->end, memory_order_acquire);

		status = fw_spool_cursor_step(spool, spool->reading, end, &record);
		if (status == FW_OK && record.sequence > spool->sequence) {
			*payload = record.payload;
			*len = record.len;
			*sequence = spool->sequence = record.sequence;
			return FW_OK;
		}
		if (status == FW_NOT_FOUND)
			status = advance(spool, end);
	}
	return status;
}

void fw_spool_rewind(struct fw_spool *spool, uint64_t sequence)
{
	fw_spool_cursor_close(spool);
	spool->sequence = sequence;
}

/* Takes the segments that hold nothing above `sequence` off the list, and returns them as a list.
 * `passed`: all that was read is released, and so are the segments before the one being read. */
static struct fw_spool_segment *detach_released(
	struct fw_spool *spool, uint64_t sequence, bool passed)
{
	struct fw_spool_segment *gone, *last = NULL;

	pthread_mutex_lock(&spool->lock);
	gone = spool->head;
	while (spool->head && spool->head != spool->writing &&
		(segment_last(spool->head) <= sequence ||
			(passed && spool->reading && spool->head != spool->reading))) {
		last = spool->head;
		if (last == spool->reading)
			passed = false;
		spool->head = last->next;
	}
	if (!spool->head)
		spool->tail = NULL;
	pthread_mutex_unlock(&spool->lock);
	if (!last)
		return NULL;
	last->next = NULL;
	return gone;
}

void fw_spool_release(struct fw_spool *spool, uint64_t sequence)
{
	struct fw_spool_segment *gone, *next;

	gone = detach_released(spool, sequence, sequence >= spool->sequence);
	if (sequence > spool->sequence)
		spool->sequence = sequence;
	for (; gone; gone = next) {
		next = gone->next;
		if (gone == spool->reading)
			fw_spool_cursor_close(spool);
		fw_spool_segment_unlink(spool, gone);
		atomic_fetch_sub(&spool->bytes, atomic_load(&gone->end) - gone->released);
		free(gone);
	}
	if (spool->reading && sequence == spool->sequence) {
		atomic_fetch_sub(&spool->bytes, spool->cursor.at - spool->reading->released);
		spool->reading->released = spool->cursor.at;
	}
}
