/* What becomes of a device that failed, or that puts its upgrade off (plugin/doc/rollouts.md,
 * "Retries and deferrals").
 *
 * Durations and times are milliseconds. Pure, without errors; any thread. */
#ifndef FW_UPGRADE_RETRY_H
#define FW_UPGRADE_RETRY_H

#include "base/fw.h"
#include "upgrade/state_machine.h"

#define FW_RETRY_DELAY_MAX_MS INT64_C(86400000) /* doubling ends here */
#define FW_RETRY_TURN_MAX 1000000               /* of task_device.turn */

struct fw_retry {
	int limit;        /* how many retries a row has; 0: none */
	int64_t delay_ms; /* before the first time */
	bool any;         /* task.retry_on: 'any', not 'transient' */
};

/* Is a failure of that kind retried, if there are retries left? `said_retry`: the device's own
 * failure carried "retry": true. */
bool fw_retry_covers(const struct fw_retry *retry, enum fw_failure failure, bool said_retry);

/* Is the row retried, after `retries` retries since an operator's last step? */
bool fw_retry_is_due(
	const struct fw_retry *retry, enum fw_failure failure, bool said_retry, int64_t retries);

/* Time from the failure to the retry number `number`, from 1: doubled for each one before, to at
 * most a day (or to delay_ms itself, if that is longer), and up to a quarter more by the row's
 * `turn`, so that rows that failed together do not come back together. */
int64_t fw_retry_delay_ms(const struct fw_retry *retry, int64_t number, int64_t turn);

/* May a device defer its upgrade at `now`, having first been offered it at `told`, both on one
 * clock? (Not offered yet: `told` is `now`.) The offer's member "mandatory" is the opposite.
 * `defer_ms`: task.defer_seconds in ms, -1 for NULL: for ever. *until: when the upgrade becomes
 * mandatory, for "deferUntil"; -1: never. */
bool fw_retry_may_defer(int64_t defer_ms, int64_t told, int64_t now, int64_t *until);

#endif
