/* The scheduler as its own files see it.
 *
 *   scheduler.c           life cycle, a round of work, the sweeps
 *   scheduler_device.c    what one device is sent next
 *   scheduler_timeouts.c  rows and devices that are due
 *   scheduler_changes.c   what operators changed
 *   scheduler_rollouts.c  tasks with rules of their own, and rows that wake up */
#ifndef FW_STORE_SCHEDULER_INTERNAL_H
#define FW_STORE_SCHEDULER_INTERNAL_H

#include "catalog/db.h"
#include "store/push.h"
#include "store/scheduler.h"
#include "store/start_line.h"
#include "store/transition.h"
#include "store/waiting_rows.h"

/* rows of one transaction, so that it takes some tens of milliseconds at worst */
#define FW_SCHEDULER_STEP_ROWS 128u
/* How long after the start devices of unknown presence are not pushed: those that come back show
 * themselves in this time, and are pushed by their connection. */
#define FW_SCHEDULER_COME_BACK_MS 3000
#define FW_SCHEDULER_UNKNOWN_DUE 0 /* next_due: must be read again */
#define FW_SCHEDULER_CHANGES_STATEMENTS 3

struct fw_scheduler {
	struct fw_transaction *transaction;
	struct fw_task_events *events;
	struct fw_task_devices *rows;
	struct fw_devices *devices;
	sqlite3_stmt *changes[FW_SCHEDULER_CHANGES_STATEMENTS];
	struct fw_waiting_rows *waiting_rows;
	struct fw_push *pushes;
	struct fw_rollouts *rollouts;
	struct fw_start_lines *lines;
	/* the task in which the last device that was looked at got no place; "": it needed none */
	char full_task[FW_ID_MAX + 1];
	/* the task whose line is being walked; "": none */
	char line_task[FW_ID_MAX + 1];
	int64_t next_due;       /* steady ms */
	int64_t first_sweep_at; /* steady ms; INT64_MAX: it has begun */
	int64_t data_version;   /* at which task_change was last read */
};

/* Has the outbox room for the messages of another row, those of its queued changes included? */
bool fw_scheduler_has_room(const struct fw_scheduler *scheduler);

/* Reads when the next row or device is due. FW_OK, or an error. */
enum fw_status fw_scheduler_timeouts_find_next(struct fw_scheduler *scheduler);
/* One transaction, if anything is due: ends what took too long. Sets *more when there is more.
 * FW_OK, or an error. */
enum fw_status fw_scheduler_timeouts_expire(struct fw_scheduler *scheduler, bool *more);

/* *starts: the row may be pushed, in a task with rules of its own. `now`: it is pushed at once, and
 * takes its place; else it only asks. FW_OK, or an error. */
enum fw_status fw_scheduler_rollouts_may_start(
	struct fw_scheduler *scheduler, const struct fw_task_device *row, bool now, bool *starts);
/* Inside a transaction: rows whose wake_clock is over. *done: none is left. FW_OK, or an error. */
enum fw_status fw_scheduler_rollouts_wake(struct fw_scheduler *scheduler, bool *done);
/* Transactions, if anything is due: steps of tasks, and starts. Sets *more when there is more.
 * FW_OK, or an error. */
enum fw_status fw_scheduler_rollouts_work(struct fw_scheduler *scheduler, bool *more);

/* Prepares the statements. FW_OK, or an error with a message in `error`. */
enum fw_status fw_scheduler_changes_prepare(struct fw_scheduler *scheduler, struct fw_error *error);
/* One transaction, if the queues of changes may hold something: handles some of it. Sets *more when
 * there may be more. FW_OK, or an error. */
enum fw_status fw_scheduler_changes_take(struct fw_scheduler *scheduler, bool *more);

#endif
