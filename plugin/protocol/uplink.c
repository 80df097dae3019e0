/* The binary form of an uplink, made for the broker thread: no allocation, one pass.
 *
 *   0  version (1)      1  kind     2  flags     3  progress
 *   4  received_at (8)  12 reported_at (8)       20 connection (8)
 *   28 lengths of product, device, version, firmware_id, error_reason (2 each)
 *   38 the five texts, one after the other
 *
 * Version 2 has what version 1 lacks, and is written only where it is needed:
 *   38 length of task_id (2)   40 retry_after (4)   44 utc_offset (2)
 *   46 the six texts, task_id last
 *
 * Little endian. What is absent is zero, so that an uplink has one encoding only. */
#include "protocol/uplink.h"

#include <string.h>

#include "base/bytes.h"
#include "protocol/message.h"

#define FORMAT 1u
#define FORMAT_LONG 2u
#define HEADER 38u
#define HEADER_LONG 46u
#define LENGTHS 28u
#define TEXTS 5u
#define TEXTS_LONG 6u
#define RETRY_AFTER 40u
#define UTC_OFFSET 44u

enum flag {
	HAS_REPORTED_AT = 1 << 0,
	HAS_PROGRESS = 1 << 1,
	COMPLETE = 1 << 2,
	SUCCESS = 1 << 3,
	/* old records lack it, and count as sent with QoS 1 or 2 */
	AT_MOST_ONCE = 1 << 4,
	/* old records lack it, and count as checked */
	UNCHECKED = 1 << 7,
	ALL_FLAGS = HAS_REPORTED_AT | HAS_PROGRESS | COMPLETE | SUCCESS | AT_MOST_ONCE | UNCHECKED,
	/* version 2 */
	RETRY = 1 << 5,
	HAS_UTC_OFFSET = 1 << 6,
	ALL_FLAGS_LONG = ALL_FLAGS | RETRY | HAS_UTC_OFFSET,
};

static bool id_fits(size_t len)
{
	return len >= 1 && len <= FW_ID_MAX;
}

/* What version 2 has beyond version 1: no version has written anything else. */
static bool long_in_range(const struct fw_uplink *uplink)
{
	return uplink->retry_after >= 0 && uplink->retry_after <= FW_RETRY_AFTER_MAX &&
		uplink->utc_offset >= -FW_UTC_OFFSET_MAX &&
		uplink->utc_offset <= FW_UTC_OFFSET_MAX && uplink->task_id.len <= FW_ID_MAX;
}

/* The encoder refuses what the decoder would: nothing is acknowledged that cannot be applied later.
 */
static bool encodable(const struct fw_uplink *uplink)
{
	return uplink->kind >= FW_UPLINK_REPORT && uplink->kind <= FW_UPLINK_PULL &&
		id_fits(uplink->product.len) && id_fits(uplink->device.len) &&
		(!uplink->has_progress || (uplink->progress >= 0 && uplink->progress <= 100)) &&
		long_in_range(uplink);
}

static bool is_long(const struct fw_uplink *uplink)
{
	return uplink->retry_after || uplink->retry || uplink->has_utc_offset ||
		uplink->task_id.len;
}

static unsigned flags_of(const struct fw_uplink *uplink)
{
	return (uplink->has_reported_at ? HAS_REPORTED_AT : 0u) |
		(uplink->has_progress ? HAS_PROGRESS : 0u) | (uplink->complete ? COMPLETE : 0u) |
		(uplink->success ? SUCCESS : 0u) | (uplink->at_most_once ? AT_MOST_ONCE : 0u) |
		(uplink->retry ? RETRY : 0u) | (uplink->has_utc_offset ? HAS_UTC_OFFSET : 0u) |
		(uplink->unchecked ? UNCHECKED : 0u);
}

static void put_header(const struct fw_uplink *uplink, unsigned char *buffer)
{
	buffer[0] = is_long(uplink) ? FORMAT_LONG : FORMAT;
	buffer[1] = (unsigned char)uplink->kind;
	buffer[2] = (unsigned char)flags_of(uplink);
	buffer[3] = uplink->has_progress ? (unsigned char)uplink->progress : 0;
	fw_put64(buffer + 4, (uint64_t)uplink->received_at);
	fw_put64(buffer + 12, uplink->has_reported_at ? (uint64_t)uplink->reported_at : 0);
	fw_put64(buffer + 20, uplink->connection);
	if (!is_long(uplink))
		return;
	fw_put32(buffer + RETRY_AFTER, (uint32_t)uplink->retry_after);
	fw_put16(buffer + UTC_OFFSET,
		uplink->has_utc_offset ? (uint16_t)(int16_t)uplink->utc_offset : 0);
}

size_t fw_uplink_encode(const struct fw_uplink *uplink, unsigned char *buffer, size_t size)
{
	const struct fw_slice texts[TEXTS_LONG] = {uplink->product, uplink->device, uplink->version,
		uplink->firmware_id, uplink->error_reason, uplink->task_id};
	size_t count = is_long(uplink) ? TEXTS_LONG : TEXTS;
	size_t used = is_long(uplink) ? HEADER_LONG : HEADER;

	if (size < used || !encodable(uplink))
		return 0;
	put_header(uplink, buffer);
	for (size_t i = 0; i < count; i++) {
		if (texts[i].len > UINT16_MAX || texts[i].len > size - used)
			return 0;
		fw_put16(buffer + LENGTHS + 2 * i, (uint16_t)texts[i].len);
		if (texts[i].len > 0)
			memcpy(buffer + used, texts[i].at, texts[i].len);
		used += texts[i].len;
	}
	return used;
}

static bool header_valid(const unsigned char *bytes, size_t len)
{
	unsigned known = bytes[0] == FORMAT_LONG ? ALL_FLAGS_LONG : ALL_FLAGS;

	if (bytes[0] != FORMAT && (bytes[0] != FORMAT_LONG || len < HEADER_LONG))
		return false;
	if (bytes[1] < FW_UPLINK_REPORT || bytes[1] > FW_UPLINK_PULL)
		return false;
	if ((bytes[2] & ~known) != 0 || bytes[3] > 100)
		return false;
	if (!(bytes[2] & HAS_PROGRESS) && bytes[3] != 0)
		return false;
	return (bytes[2] & HAS_REPORTED_AT) || fw_get64(bytes + 12) == 0;
}

/* What version 2 has beyond version 1. False: the record has none of it, or a value is out of
 * range. */
static bool read_long(const unsigned char *bytes, struct fw_uplink *out)
{
	out->retry = bytes[2] & RETRY;
	out->has_utc_offset = bytes[2] & HAS_UTC_OFFSET;
	if (fw_get32(bytes + RETRY_AFTER) > INT32_MAX)
		return false;
	out->retry_after = (int)fw_get32(bytes + RETRY_AFTER);
	out->utc_offset = (int16_t)fw_get16(bytes + UTC_OFFSET);
	return is_long(out) && long_in_range(out) && (out->has_utc_offset || !out->utc_offset);
}

/* The texts, which fill the rest of the record; those that the version lacks stay as they are. */
static bool read_texts(const unsigned char *bytes, size_t len, struct fw_slice *texts)
{
	size_t count = bytes[0] == FORMAT_LONG ? TEXTS_LONG : TEXTS;
	size_t used = bytes[0] == FORMAT_LONG ? HEADER_LONG : HEADER;

	for (size_t i = 0; i < count; i++) {
		texts[i] = (struct fw_slice){
			(const char *)bytes + used, fw_get16(bytes + LENGTHS + 2 * i)};
		if (texts[i].len > len - used)
			return false;
		used += texts[i].len;
	}
	return used == len && id_fits(texts[0].len) && id_fits(texts[1].len);
}

enum fw_status fw_uplink_decode(const unsigned char *bytes, size_t len, struct fw_uplink *out)
{
	struct fw_slice texts[TEXTS_LONG] = {{NULL, 0}};
	struct fw_uplink uplink;

	if (len < HEADER || !header_valid(bytes, len) || !read_texts(bytes, len, texts))
		return FW_CORRUPT;
	uplink = (struct fw_uplink){
		.kind = (enum fw_uplink_kind)bytes[1],
		.received_at = (int64_t)fw_get64(bytes + 4),
		.has_reported_at = bytes[2] & HAS_REPORTED_AT,
		.reported_at = (int64_t)fw_get64(bytes + 12),
		.connection = fw_get64(bytes + 20),
		.product = texts[0],
		.device = texts[1],
		.version = texts[2],
		.firmware_id = texts[3],
		.error_reason = texts[4],
		.task_id = texts[5].at ? texts[5] : (struct fw_slice){(const char *)bytes, 0},
		.has_progress = bytes[2] & HAS_PROGRESS,
		.progress = bytes[3],
		.complete = bytes[2] & COMPLETE,
		.success = bytes[2] & SUCCESS,
		.at_most_once = bytes[2] & AT_MOST_ONCE,
		.unchecked = bytes[2] & UNCHECKED,
	};
	if (bytes[0] == FORMAT_LONG && !read_long(bytes, &uplink))
		return FW_CORRUPT;
	*out = uplink;
	return FW_OK;
}
