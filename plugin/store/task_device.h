/* The rows of table task_device: finds, reads and writes them. store/transition.h decides what is
 * written. For the store's own files; store thread only, inside a transaction. */
#ifndef FW_STORE_TASK_DEVICE_H
#define FW_STORE_TASK_DEVICE_H

#include "store/rollouts.h"
#include "store/task_events.h"
#include "store/transaction.h"
#include "upgrade/state_machine.h"

/* Rows of a device that are read at a time: hardly ever more are open. What is beyond stays as it
 * is until these have ended and the device says something again, or until its own timeout. */
#define FW_TASK_DEVICE_ROWS_MAX 32u

/* What of a row is counted in task_count. */
struct fw_task_device_counted {
	enum fw_upgrade_state state;
	int64_t attempts, retry_at;
	bool proved, bad;
};

/* A row of task_device with what the rules ask of its task, firmware and device. Times are 0 where
 * the column is NULL. */
struct fw_task_device {
	char task_id[FW_ID_MAX + 1], device_id[FW_ID_MAX + 1], product_id[FW_ID_MAX + 1],
		firmware_id[FW_ID_MAX + 1];
	char version[FW_VERSION_BUFFER];        /* the target */
	char device_version[FW_VERSION_BUFFER]; /* what the device runs, empty if unknown */
	enum fw_upgrade_state state;
	enum fw_failure failure;
	bool failed_by_device, push, task_running, task_stopped; /* neither: paused */
	bool downgrade;       /* the task allows a lower version than the device's */
	bool offered;         /* firmware ready and product enabled */
	bool online, offline; /* presence; neither: unknown */
	bool was_online;      /* when this attempt was pushed */
	bool untold;          /* its task event is still to be sent */
	/* the device runs a higher version than the target's, and the task does not allow a
	 * lower one */
	bool newer;
	bool sent;          /* something was sent since the device last reported, to `connection` */
	int64_t connection; /* 0: sent while the device's presence was unknown */
	/* the newest and the oldest connection by which the device is online now, 0 if unknown */
	int64_t device_connection, device_oldest;
	int progress;
	int64_t attempts, interruptions, attempt_limit;
	int64_t pushed_at, responded_at, completed_at, interrupted_at; /* Unix ms */
	int64_t due_at, pushed_clock;                                  /* steady ms */
	int64_t device_due_at, settles_at; /* of the device, steady ms */
	int64_t response_timeout_ms, timeout_ms;
	/* of the rollout */
	/* the gate decides when it starts: its task has rules of its own (FW_ROLLOUT_IS_MANAGED),
	 * its firmware has a min_version_order, or its device has deferred it */
	bool managed;
	bool complete_proves; /* the task's gate is 'complete', not 'version' */
	bool proved, bad;     /* counted as such in task_count */
	bool in_turns;        /* its task has stages */
	int64_t turn, retries;
	int64_t verified_at, retry_at, deferred_until, first_told_at; /* Unix ms */
	int64_t wake_clock, trial_clock, lost_clock;                  /* steady ms */
	int64_t trial_ms, lost_ms; /* lost_ms 0: no device is given up as lost */
	int64_t retry_limit, retry_ms;
	bool retry_any;
	int64_t defer_ms;                       /* -1: no limit */
	int64_t task_created_at, task_position; /* the order of tasks */
	struct fw_task_device_counted stored;   /* as the catalog has it */
};

struct fw_task_devices;

/* `transaction`, `events` and `rollouts` are borrowed. FW_OK, or an error with a message in
 * `error`. The caller owns *out. */
enum fw_status fw_task_devices_open(struct fw_transaction *transaction,
	struct fw_task_events *events, struct fw_rollouts *rollouts, struct fw_task_devices **out,
	struct fw_error *error);
void fw_task_devices_close(struct fw_task_devices *rows); /* NULL is fine */

/* Each of these fills `found`, at most `most` rows, and sets *count. FW_OK also when there is none,
 * or an error.
 *
 * The device's rows of a firmware: the one that is processing first, then those that wait, the
 * oldest task first, then those that ended, the newest task first. */
enum fw_status fw_task_devices_find_of_firmware(struct fw_task_devices *rows,
	struct fw_slice product, struct fw_slice firmware_id, struct fw_slice device,
	struct fw_task_device *found, size_t most, size_t *count);
/* The device's open rows: the one that is processing first, then those that may be pushed, the
 * oldest task first, then the others, likewise. */
enum fw_status fw_task_devices_find_open(struct fw_task_devices *rows, struct fw_slice product,
	struct fw_slice device, struct fw_task_device *found, size_t most, size_t *count);
/* The device's rows of which something was sent since it last reported a version, in any state. */
enum fw_status fw_task_devices_find_sent(struct fw_task_devices *rows, struct fw_slice product,
	struct fw_slice device, struct fw_task_device *found, size_t most, size_t *count);
/* Rows whose timeout is over by heard_until_ms of the transaction, by due_at. */
enum fw_status fw_task_devices_find_due(
	struct fw_task_devices *rows, struct fw_task_device *found, size_t most, size_t *count);

/* Rows whose wake_clock is over by heard_until_ms of the transaction, by wake_clock. */
enum fw_status fw_task_devices_find_waking(
	struct fw_task_devices *rows, struct fw_task_device *found, size_t most, size_t *count);
/* The device's rows that are on trial. */
enum fw_status fw_task_devices_find_on_trial(struct fw_task_devices *rows, struct fw_slice product,
	struct fw_slice device, struct fw_task_device *found, size_t most, size_t *count);
/* The device's rows that were given up as lost. */
enum fw_status fw_task_devices_find_lost(struct fw_task_devices *rows, struct fw_slice product,
	struct fw_slice device, struct fw_task_device *found, size_t most, size_t *count);

/* Does the connection of this number still stand, of a device that is online by connections from
 * `oldest` to `newest`? As far as is known: a connection between these may have ended. */
static inline bool fw_task_device_connection_stands(
	int64_t connection, int64_t oldest, int64_t newest)
{
	return connection && connection <= newest && connection >= (oldest ? oldest : newest);
}

/* May the row be pushed, were the device there to hear it, and its task's rules let it start? */
static inline bool fw_task_device_is_pushable(const struct fw_task_device *row)
{
	return row->state == FW_UPGRADE_WAITING && row->push && row->task_running && row->offered;
}

/* How long after a push the device may take to answer: until the row's first timeout. Then what was
 * sent expires, too. Milliseconds. */
static inline int64_t fw_task_device_answer_ms(const struct fw_task_device *row)
{
	return row->response_timeout_ms < row->timeout_ms ? row->response_timeout_ms
							  : row->timeout_ms;
}

/* When a started row is looked at: at the end of the time that its device may be away, or else of
 * its trial. Steady milliseconds; 0: neither is set. */
static inline int64_t fw_task_device_wakes_at(const struct fw_task_device *row)
{
	return row->lost_clock ? row->lost_clock : row->trial_clock;
}

/* What a write changes beside the members of the row. */
struct fw_task_device_change {
	bool reason_set;
	struct fw_slice reason; /* empty: NULL */
	bool from_version_set;  /* to the row's device_version */
	/* counts as proved, as bad, from now on: in the task's current epoch */
	bool proved_now, bad_now;
};

/* Writes the row as it is in memory. What is counted is written only when it has changed: each
 * trigger that looks at those columns costs a quarter of the rest. FW_OK, FW_NOT_FOUND when a
 * trigger of the operator's keeps the row as it was (sqlite.org/lang_createtrigger.html,
 * "RAISE(IGNORE)"), or an error. */
enum fw_status fw_task_devices_write(struct fw_task_devices *rows, struct fw_task_device *row,
	const struct fw_task_device_change *change);

/* The earliest wake_clock of all rows, INT64_MAX when there is none. */
enum fw_status fw_task_devices_next_wake(struct fw_task_devices *rows, int64_t *wake);

/* The earliest due_at of all rows, INT64_MAX when there is none. */
enum fw_status fw_task_devices_next_due(struct fw_task_devices *rows, int64_t *due);

#endif
