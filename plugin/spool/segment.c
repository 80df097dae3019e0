/* Framing and reading of a spool segment.
 *
 * A record is taken only if all of this holds: the segment's random magic, a length within bounds,
 * a sequence that rises and is no higher than the offset allows, and the checksum. So the rest of a
 * longer, failed record that a shorter one overwrote is never taken for a record. */
#include "spool/segment.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "base/bytes.h"

#define LENGTH_AT 4u
#define SEQUENCE_AT 8u
#define CRC_AT 16u
#define READ_TRIES 10u
#define PAGE 4096u
#define CRC_POLYNOMIAL 0x82f63b78u /* Castagnoli, bits reversed */

static uint32_t crc_table[8][256];
static pthread_once_t crc_once = PTHREAD_ONCE_INIT;

static void crc_fill(void)
{
	for (uint32_t i = 0; i < 256; i++) {
		uint32_t crc = i;

		for (int bit = 0; bit < 8; bit++)
			crc = (crc >> 1) ^ (crc & 1 ? CRC_POLYNOMIAL : 0);
		crc_table[0][i] = crc;
	}
	for (uint32_t i = 0; i < 256; i++)
		for (int slice = 1; slice < 8; slice++)
			crc_table[slice][i] = (crc_table[slice - 1][i] >> 8) ^
				crc_table[0][crc_table[slice - 1][i] & 0xff];
}

/* Eight bytes a step (slicing-by-8): a byte a step would cost more than the write it protects. */
static uint32_t crc_update(uint32_t crc, const unsigned char *at, size_t len)
{
	for (; len >= 8; at += 8, len -= 8) {
		uint64_t word = fw_get64(at) ^ crc;

		crc = crc_table[7][word & 0xff] ^ crc_table[6][(word >> 8) & 0xff] ^
			crc_table[5][(word >> 16) & 0xff] ^ crc_table[4][(word >> 24) & 0xff] ^
			crc_table[3][(word >> 32) & 0xff] ^ crc_table[2][(word >> 40) & 0xff] ^
			crc_table[1][(word >> 48) & 0xff] ^ crc_table[0][word >> 56];
	}
	for (; len > 0; at++, len--)
		crc = (crc >> 8) ^ crc_table[0][(crc ^ *at) & 0xff];
	return crc;
}

/* The checksum of the record at `frame`, whose payload has `len` bytes: over its length, sequence
 * and payload. */
static uint32_t record_crc(const unsigned char *frame, size_t len)
{
	uint32_t crc;

	pthread_once(&crc_once, crc_fill);
	crc = crc_update(0xffffffffu, frame + LENGTH_AT, CRC_AT - LENGTH_AT);
	return ~crc_update(crc, frame + FW_SPOOL_HEADER, len);
}

size_t fw_segment_frame(
	unsigned char *frame, uint32_t magic, uint64_t sequence, const void *payload, size_t len)
{
	fw_put32(frame, magic);
	fw_put32(frame + LENGTH_AT, (uint32_t)len);
	fw_put64(frame + SEQUENCE_AT, sequence);
	memcpy(frame + FW_SPOOL_HEADER, payload, len);
	fw_put32(frame + CRC_AT, record_crc(frame, len));
	return FW_SPOOL_HEADER + len;
}

/* Fills the buffer with 0xff in the place of bytes that cannot be read; returns `len`. No record
 * begins with these bytes, and unlike zeros they count as damage. */
static size_t fill_unreadable(struct fw_segment_cursor *cursor, size_t len)
{
	memset(cursor->buffer + cursor->held, 0xff, len);
	return len;
}

/* Notes that reading failed at `offset`. True: its page is given up. */
static bool give_up_page(struct fw_segment_unreadable *bad, uint64_t offset)
{
	uint64_t page = offset / PAGE;

	if (page != bad->page)
		bad->tries = 0;
	bad->met = true;
	bad->page = page;
	if ((!bad->below || page > bad->below) && bad->tries++ < READ_TRIES)
		return false;
	if (page >= bad->below)
		bad->below = page + 1;
	return true;
}

/* Brings at least `want` bytes from the offset `from` on into the buffer. When it must read, it
 * reads as much as fits up to `limit`: one system call serves many records. */
static enum fw_status fill_buffer(
	struct fw_segment_cursor *cursor, uint64_t from, size_t want, uint64_t limit)
{
	size_t size = limit - from < FW_SPOOL_BUFFER ? (size_t)(limit - from) : FW_SPOOL_BUFFER;

	if (from >= cursor->start && from + want <= cursor->start + cursor->held)
		return FW_OK;
	cursor->start = from;
	cursor->held = 0;
	while (cursor->held < want) {
		uint64_t offset = from + cursor->held;
		size_t left = size - (size_t)cursor->held;
		size_t rest = PAGE - (size_t)(offset % PAGE);
		size_t page = rest < left ? rest : left;
		unsigned char *to = cursor->buffer + cursor->held;
		long got = cursor->fd < 0
			? 0
			: cursor->pread(
				  cursor->fd, to, cursor->bad->met ? page : left, (int64_t)offset);

		if (got > 0) {
			cursor->held += (size_t)got;
		} else if (got == 0) {
			cursor->held += fill_unreadable(cursor, left);
		} else if (errno != EINTR) {
			if (!give_up_page(cursor->bad, offset))
				return FW_IO;
			cursor->held += fill_unreadable(cursor, page);
		}
	}
	return FW_OK;
}

/* Whether the header fits a record at the offset `from`. The records of a segment are numbered one
 * by one, so that a record's offset bounds its sequence. */
static bool header_fits(const struct fw_segment_cursor *cursor, const unsigned char *header,
	uint64_t from, uint64_t limit)
{
	uint32_t len = fw_get32(header + LENGTH_AT);
	uint64_t sequence = fw_get64(header + SEQUENCE_AT);

	return fw_get32(header) == cursor->magic && len >= 1 && len <= FW_SPOOL_PAYLOAD_MAX &&
		len <= limit - from - FW_SPOOL_HEADER && sequence >= cursor->first &&
		sequence < cursor->below && sequence > cursor->last &&
		sequence - cursor->first <= from / (FW_SPOOL_HEADER + 1);
}

/* Reads the record at the offset `from`. FW_NOT_FOUND: there is none. */
static enum fw_status read_record(struct fw_segment_cursor *cursor, uint64_t from, uint64_t limit,
	struct fw_segment_record *record)
{
	const unsigned char *frame;
	enum fw_status status;
	size_t len;

	if (limit - from <= FW_SPOOL_HEADER)
		return FW_NOT_FOUND;
	status = fill_buffer(cursor, from, FW_SPOOL_HEADER, limit);
	if (status != FW_OK)
		return status;
	frame = cursor->buffer + (from - cursor->start);
	if (!header_fits(cursor, frame, from, limit))
		return FW_NOT_FOUND;
	len = fw_get32(frame + LENGTH_AT);
	status = fill_buffer(cursor, from, FW_SPOOL_HEADER + len, limit);
	if (status != FW_OK)
		return status;
	frame = cursor->buffer + (from - cursor->start);
	if (fw_get32(frame + CRC_AT) != record_crc(frame, len))
		return FW_NOT_FOUND;
	*record = (struct fw_segment_record){
		frame + FW_SPOOL_HEADER, len, fw_get64(frame + SEQUENCE_AT)};
	return FW_OK;
}

/* Moves *from on to the next place where a record may begin. */
static enum fw_status find_magic(struct fw_segment_cursor *cursor, uint64_t *from, uint64_t limit)
{
	unsigned char magic[4];

	fw_put32(magic, cursor->magic);
	while (limit - *from > FW_SPOOL_HEADER) {
		enum fw_status status = fill_buffer(cursor, *from, sizeof(magic), limit);
		const unsigned char *at = cursor->buffer + (*from - cursor->start);
		const unsigned char *found;

		if (status != FW_OK)
			return status;
		found = memmem(
			at, (size_t)(cursor->start + cursor->held - *from), magic, sizeof(magic));
		if (found) {
			*from += (uint64_t)(found - at);
			return FW_OK;
		}
		/* the magic may straddle the end of the buffer */
		*from = cursor->start + cursor->held - (sizeof(magic) - 1);
	}
	return FW_NOT_FOUND;
}

/* *end: where the zeros begin that end at `limit`, or `from` when there is nothing else. */
static enum fw_status end_of_bytes(
	struct fw_segment_cursor *cursor, uint64_t from, uint64_t limit, uint64_t *end)
{
	*end = from;
	while (from < limit) {
		enum fw_status status = fill_buffer(cursor, from, 1, limit);
		uint64_t next = cursor->start + cursor->held;

		if (status != FW_OK)
			return status;
		for (uint64_t at = next; at > from && *end <= from; at--) {
			if (cursor->buffer[at - 1 - cursor->start])
				*end = at;
		}
		from = next;
	}
	return FW_OK;
}

enum fw_status fw_segment_cursor_next(struct fw_segment_cursor *cursor, uint64_t limit,
	struct fw_segment_record *record, uint64_t *skipped)
{
	uint64_t from = cursor->at;
	enum fw_status status = read_record(cursor, from, limit, record);

	while (status == FW_NOT_FOUND && from < limit) {
		from++;
		status = find_magic(cursor, &from, limit);
		if (status != FW_OK)
			break;
		status = read_record(cursor, from, limit, record);
	}
	*skipped = 0;
	if (status == FW_OK) {
		*skipped = from - cursor->at;
		cursor->at = from + FW_SPOOL_HEADER + record->len;
		cursor->last = record->sequence;
		return FW_OK;
	}
	if (status == FW_NOT_FOUND) {
		uint64_t end = limit;

		if (cursor->padded && end_of_bytes(cursor, cursor->at, limit, &end) != FW_OK)
			return FW_IO;
		*skipped = end - cursor->at;
		cursor->at = limit;
	}
	return status;
}
