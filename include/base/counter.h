/* The counters published under $SYS/broker/firmware/. Any thread: each is one relaxed atomic. */
#ifndef FW_BASE_COUNTER_H
#define FW_BASE_COUNTER_H

#include <stdatomic.h>

#include "base/fw.h"

enum fw_counter {
	FW_COUNT_PULLS_ANSWERED,
	FW_COUNT_PULLS_BAD_REQUEST,
	FW_COUNT_PULLS_UNKNOWN_PRODUCT,
	FW_COUNT_PULLS_FIRMWARE_DISABLED,
	FW_COUNT_PULLS_VERSION_NOT_FOUND,
	FW_COUNT_PULLS_NO_UPDATE,
	FW_COUNT_READS,
	FW_COUNT_REPORTS,
	FW_COUNT_PROGRESS,
	FW_COUNT_REPLIES,
	FW_COUNT_REFUSED, /* messages refused: not the device, not allowed, malformed */
	FW_COUNT_MENDED,  /* messages taken without a faulty part */
	FW_COUNT_ASTRAY,  /* publishes on topics that look like ours and are none */
	FW_COUNT_LIMITED, /* of these, beyond device_rate_per_minute */
	FW_COUNT_UNSAVED, /* uplinks not acknowledged, because they could not be kept */
	FW_COUNT_PUSHES,
	FW_COUNT_DOWNLOADS_BEGUN,    /* by HTTP: answers with bytes of a file */
	FW_COUNT_DOWNLOADS_FINISHED, /* of these, sent to their end */
	FW_COUNT_DOWNLOADS_BYTES,
	/* requests answered with an error, and connections beyond an address's share */
	FW_COUNT_DOWNLOADS_REFUSED,
	FW_COUNT_CHUNKS_SENT,
	FW_COUNT_CHUNKS_BYTES,
	FW_COUNT_CHUNKS_REFUSED, /* answered on chunk/error */
	FW_COUNT_SPOOL_BYTES,    /* a gauge */
	FW_COUNTERS
};

struct fw_counters {
	atomic_uint_fast64_t value[FW_COUNTERS];
};

/* NULL counts nothing. */
static inline void fw_count_add(struct fw_counters *counters, enum fw_counter counter, uint64_t by)
{
	if (counters)
		atomic_fetch_add_explicit(&counters->value[counter], by, memory_order_relaxed);
}

static inline void fw_count(struct fw_counters *counters, enum fw_counter counter)
{
	fw_count_add(counters, counter, 1);
}

static inline void fw_count_set(
	struct fw_counters *counters, enum fw_counter counter, uint64_t value)
{
	atomic_store_explicit(&counters->value[counter], value, memory_order_relaxed);
}

static inline uint64_t fw_count_get(const struct fw_counters *counters, enum fw_counter counter)
{
	return atomic_load_explicit(&counters->value[counter], memory_order_relaxed);
}

/* The topic after "$SYS/broker/firmware/", such as "pulls/answered". Static. */
const char *fw_counter_topic(enum fw_counter counter);

#endif
