/* The rows of table task_device: finding, reading and writing them. What becomes of a row, its
 * transitions say (store/transition.h). For the store's own files; store thread only, inside a
 * transaction. */
#ifndef FW_STORE_TASK_DEVICE_H
#define FW_STORE_TASK_DEVICE_H

#include "store/rollouts.h"
#include "store/task_events.h"
#include "store/transaction.h"
#include "upgrade/state_machine.h"

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
	bool offered;         /* firmware ready and product enabled: it may be pushed */
	bool online, offline; /* presence; neither: unknown */
	bool was_online;      /* when this attempt was pushed */
	bool untold;          /* its task event is still to be sent */
	/* the device runs a higher version than the target's, and the task does not allow a
	 * lower one */
	bool newer;
	/* something was sent since the device last reported a version, to this connection: */
	bool sent;
	int64_t connection; /* 0: nobody knew whether the device is there */
	/* the newest and the oldest by which the device is there now, 0 if unknown */
	int64_t device_connection, device_oldest;
	int progress;
	int64_t attempts, interruptions, attempt_limit;
	int64_t pushed_at, responded_at, completed_at, interrupted_at; /* Unix ms */
	int64_t due_at, pushed_clock;                                  /* steady ms */
	int64_t device_due_at, settles_at; /* of the device, steady ms */
	int64_t response_timeout_ms, timeout_ms;
	/* of the rollout */
	bool managed;         /* its task has stages, a stop, a rate, a cap or times of its own */
	bool complete_proves; /* the task's gate is 'complete', not 'version' */
	bool proved, bad;     /* as counted */
	bool in_turns;        /* its task has stages */
	int64_t turn, retries;
	int64_t verified_at, retry_at, deferred_until, first_told_at; /* Unix ms */
	int64_t wake_clock, trial_clock, lost_clock;                  /* steady ms */
	int64_t trial_ms, lost_ms; /* lost_ms 0: nobody is lost */
	int64_t retry_limit, retry_ms;
	bool retry_any;
	int64_t defer_ms;                       /* -1: no limit */
	int64_t task_created_at, task_position; /* the order of tasks */
	struct fw_task_device_counted stored;   /* as the catalog has it */
};

struct fw_task_devices;

/* `transaction` and `events` are borrowed. FW_OK, or an error with a message in `error`. The caller
 * owns *out. */
enum fw_status fw_task_devices_open(struct fw_transaction *transaction,
	struct fw_task_events *events, struct fw_rollouts *rollouts, struct fw_task_devices **out,
	struct fw_error *error);
void fw_task_devices_close(struct fw_task_devices *rows); /* NULL is fine */

/* Each fills `found`, at most `most` rows, and sets *count. FW_OK also when there is none. */
enum fw_status fw_task_devices_of_firmware(struct fw_task_devices *rows, struct fw_slice product,
	struct fw_slice firmware_id, struct fw_slice device, struct fw_task_device *found,
	size_t most, size_t *count);
/* the one under way first, then what may be pushed, oldest task first, then the others */
enum fw_status fw_task_devices_open_of_device(struct fw_task_devices *rows, struct fw_slice product,
	struct fw_slice device, struct fw_task_device *found, size_t most, size_t *count);
/* since it last reported a version, whatever became of them */
enum fw_status fw_task_devices_sent_to_device(struct fw_task_devices *rows, struct fw_slice product,
	struct fw_slice device, struct fw_task_device *found, size_t most, size_t *count);
/* whose timeout is over, as far as devices have been heard */
enum fw_status fw_task_devices_due(
	struct fw_task_devices *rows, struct fw_task_device *found, size_t most, size_t *count);

/* Does a connection of this number still stand, of a device that is online by those from `oldest`
 * to `newest`? As far as is known: one in between may have ended. */
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

/* When an open or proved row is looked at: at the end of the time that its device may be away, or
 * of its trial. Steady milliseconds; 0: neither is set. */
static inline int64_t fw_task_device_wakes_at(const struct fw_task_device *row)
{
	return row->lost_clock ? row->lost_clock : row->trial_clock;
}

/* What of a write is not in the row: its error_reason and from_version, when they change. */
struct fw_task_device_change {
	bool reason_set;
	struct fw_slice reason; /* empty: NULL */
	bool from_version_set;
	/* counted as proved, as bad, in the epoch of now */
	bool proved_now, bad_now;
};

/* Writes the row as it is in memory. What is counted is written only when it has changed: each
 * trigger that looks at those columns costs a quarter of the rest. FW_OK, FW_NOT_FOUND when a
 * trigger of the operator's keeps the row as it was (sqlite.org/lang_createtrigger.html,
 * "RAISE(IGNORE)"), or an error. */
enum fw_status fw_task_devices_write(struct fw_task_devices *rows, struct fw_task_device *row,
	const struct fw_task_device_change *change);

/* Each fills `found` as above: the rows whose wake_clock is over, as far as devices have been
 * heard; those of a device that are on trial; those of a device that were given up as lost. */
enum fw_status fw_task_devices_waking(
	struct fw_task_devices *rows, struct fw_task_device *found, size_t most, size_t *count);
enum fw_status fw_task_devices_on_trial(struct fw_task_devices *rows, struct fw_slice product,
	struct fw_slice device, struct fw_task_device *found, size_t most, size_t *count);
enum fw_status fw_task_devices_lost(struct fw_task_devices *rows, struct fw_slice product,
	struct fw_slice device, struct fw_task_device *found, size_t most, size_t *count);

/* The earliest wake_clock of all rows, INT64_MAX when there is none. */
enum fw_status fw_task_devices_next_wake(struct fw_task_devices *rows, int64_t *wake);

/* The earliest due_at of all rows, INT64_MAX when there is none. */
enum fw_status fw_task_devices_next_due(struct fw_task_devices *rows, int64_t *due);

#endif
