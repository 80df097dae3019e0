/* How rows of tasks were sent and ended in the open transaction, for the counters. For the store's
 * own files; store thread only.
 *
 * A transaction may be rolled back and done again, so that is counted when it is committed.
 * Embedded; all zero when nothing was sent and nothing ended. */
#ifndef FW_STORE_OUTCOMES_H
#define FW_STORE_OUTCOMES_H

#include "base/counter.h"
#include "upgrade/state_machine.h"

struct fw_outcomes {
	uint32_t pushes;
	uint32_t success, canceled, failed[FW_FAILURES];
	uint32_t took[FW_COUNT_DURATIONS];
	int64_t took_ms;
	bool any;
};

/* The offer of a row is among what the transaction publishes. */
void fw_outcomes_note_push(struct fw_outcomes *outcomes);

/* A row has come to `state`; waiting and processing are not counted. */
void fw_outcomes_note(
	struct fw_outcomes *outcomes, enum fw_upgrade_state state, enum fw_failure failure);

/* An upgrade succeeded `ms` after it was sent; below 0 it is not counted. */
void fw_outcomes_note_duration(struct fw_outcomes *outcomes, int64_t ms);

/* Adds all to the counters (NULL: to none), and sets `outcomes` to zero. */
void fw_outcomes_count(struct fw_outcomes *outcomes, struct fw_counters *counters);

#endif
