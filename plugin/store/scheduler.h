/* The scheduler: sends pushes, decides timeouts, and carries out what follows from operators'
 * changes.
 *
 * It reacts: to a device that shows itself, a row that ended, a task that started. A task's waiting
 * rows are swept once, when it starts or is continued, and after a start of the broker; no timer
 * scans the fleet. For the store's own files; store thread only. */
#ifndef FW_STORE_SCHEDULER_H
#define FW_STORE_SCHEDULER_H

#include "store/device.h"
#include "store/task_device.h"

struct fw_scheduler;

/* The parts that it uses; all borrowed. */
struct fw_scheduler_parts {
	struct fw_transaction *transaction;
	struct fw_task_events *events;
	struct fw_rollouts *rollouts;
	struct fw_task_devices *rows;
	struct fw_devices *devices;
};

/* FW_OK, or an error with a message in `error`. The caller owns *out. */
enum fw_status fw_scheduler_open(
	const struct fw_scheduler_parts *parts, struct fw_scheduler **out, struct fw_error *error);
void fw_scheduler_close(struct fw_scheduler *scheduler); /* NULL is fine */

/* Inside a transaction: pushes the device's oldest waiting row that may be pushed, unless an
 * upgrade is under way, the device is offline, or the push must wait for its report (device.due_at,
 * settles_at). To a device of unknown presence a row is pushed once at most. Rows whose target the
 * device has passed are canceled. FW_OK, or an error. */
enum fw_status fw_scheduler_push_next(
	struct fw_scheduler *scheduler, struct fw_slice product, struct fw_slice device);

/* Inside a transaction: if the device's report has been waited for long enough, nothing waits for
 * it any more, and an attempt that was sent to an earlier connection and not answered is
 * interrupted. Then fw_scheduler_push_next. FW_OK, or an error. */
enum fw_status fw_scheduler_settle_and_push(
	struct fw_scheduler *scheduler, struct fw_slice product, struct fw_slice device);

/* Opens transactions of its own, each short: does a part of what is due. *more: there is more to do
 * at once. FW_OK, or the error that rolled the last of them back: to be tried again later. */
enum fw_status fw_scheduler_work(struct fw_scheduler *scheduler, bool *more);

/* Steady ms of the next timeout; INT64_MAX when there is none; 0 when it must be read again, which
 * fw_scheduler_work does. */
int64_t fw_scheduler_next_due(const struct fw_scheduler *scheduler);

/* The caller committed a transaction: the next timeout may be earlier now, and its triggers may
 * have queued changes. */
void fw_scheduler_changed(struct fw_scheduler *scheduler);

#endif
