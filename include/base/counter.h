/* What is counted since the start: published under $SYS/broker/firmware/, and exported as metrics.
 * Any thread: each is one relaxed atomic. */
#ifndef FW_BASE_COUNTER_H
#define FW_BASE_COUNTER_H

#include <stdatomic.h>

#include "base/fw.h"

#define FW_COUNT_FAILURES 9u   /* kinds of failure: upgrade/state_machine.h */
#define FW_COUNT_DURATIONS 14u /* spans that upgrades are counted by; the last one has no end */
#define FW_COUNT_FACES 2u
#define FW_COUNT_OUTCOMES 8u

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
	FW_COUNT_LIMITED, /* refused ones that were beyond device_rate_per_minute */
	/* uplinks that could not be saved; none is acknowledged, but pulls that had their answer */
	FW_COUNT_UNSAVED,
	FW_COUNT_PUSHES,
	FW_COUNT_DOWNLOADS_BEGUN,    /* by HTTP: answers with bytes of a file */
	FW_COUNT_DOWNLOADS_FINISHED, /* those that were sent to their end */
	FW_COUNT_DOWNLOADS_BYTES,
	/* requests answered with an error, and connections beyond an address's share */
	FW_COUNT_DOWNLOADS_REFUSED,
	FW_COUNT_CHUNKS_SENT,
	FW_COUNT_CHUNKS_BYTES,
	FW_COUNT_CHUNKS_REFUSED, /* answered on chunk/error */
	FW_COUNT_SPOOL_BYTES,    /* a gauge */
	FW_COUNTERS_PUBLISHED,

	/* metrics only */
	FW_COUNT_CHUNKS_BEGUN = FW_COUNTERS_PUBLISHED, /* chunks from the beginning of a file */
	FW_COUNT_CHUNKS_FINISHED,                      /* chunks that reach its end */
	/* Unix ms when the oldest uplink came that the catalog does not have; 0: there is none. A
	 * gauge */
	FW_COUNT_SPOOL_OLDEST,
	FW_COUNT_ENDED_SUCCESS, /* rows of tasks */
	FW_COUNT_ENDED_CANCELED,
	FW_COUNT_ENDED_FAILED, /* by the kind of the failure */
	FW_COUNT_TOOK = FW_COUNT_ENDED_FAILED + FW_COUNT_FAILURES,
	/* upgrades, by how long they took: fw_counter_took */
	FW_COUNT_TOOK_MS = FW_COUNT_TOOK + FW_COUNT_DURATIONS, /* all of them together */
	/* requests for commands, by face and outcome: fw_count_request */
	FW_COUNT_REQUESTS,
	FW_COUNTERS = FW_COUNT_REQUESTS + FW_COUNT_FACES * FW_COUNT_OUTCOMES
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

/* The topic after "$SYS/broker/firmware/", such as "pulls/answered", of one below
 * FW_COUNTERS_PUBLISHED. Static. */
const char *fw_counter_topic(enum fw_counter counter);

/* The seconds up to which an upgrade is counted by FW_COUNT_TOOK + `index`; 0: it has no end. */
unsigned fw_counter_took(size_t index);

/* Counts a request for a command. `face`: "control" or "http"; `outcome`: "ok" or the code of the
 * error. What is neither counts as the face "http", as the outcome "failed". */
void fw_count_request(struct fw_counters *counters, const char *face, const char *outcome);

/* Names of FW_COUNT_REQUESTS + `face` * FW_COUNT_OUTCOMES + `outcome`. Static. */
const char *fw_counter_face(size_t face);
const char *fw_counter_outcome(size_t outcome);

#endif
