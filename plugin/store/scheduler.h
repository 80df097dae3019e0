/* The scheduler: sends pushes, ends what takes too long, and carries operators' changes on.
 *
 * It reacts: to a device that shows itself, a row that ended, a task that started. A task's waiting
 * rows are swept once, when it starts or is continued, and after a start of the broker; the fleet
 * is never scanned on a timer. For the store's own files; store thread only. */
#ifndef FW_STORE_SCHEDULER_H
#define FW_STORE_SCHEDULER_H

#include "store/device.h"
#include "store/task_device.h"

struct fw_scheduler;

/* What it works with; borrowed. */
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

/* Inside a transaction: pushes the oldest task that waits for this device, unless another upgrade
 * of it is under way, it is known to be offline, it is waited for to say what it runs
 * (device.due_at, settles_at), or there is none. While nobody knows whether it is there, a row is
 * pushed once at most. Rows whose target it has passed are canceled. */
enum fw_status fw_scheduler_device(
	struct fw_scheduler *scheduler, struct fw_slice product, struct fw_slice device);

/* Inside a transaction: the device may be due (device.due_at), and is not waited for any more then:
 * an attempt that was sent to an earlier connection and not answered is over. Then as above. */
enum fw_status fw_scheduler_look(
	struct fw_scheduler *scheduler, struct fw_slice product, struct fw_slice device);

/* Opens transactions of its own, each short: does a part of what is due. *more: there is more to do
 * at once. FW_OK, or the error that rolled the last of them back: to be tried again later. */
enum fw_status fw_scheduler_work(struct fw_scheduler *scheduler, bool *more);

/* Steady ms of the next timeout, INT64_MAX when none is known. */
int64_t fw_scheduler_next_due(const struct fw_scheduler *scheduler);

/* The caller committed a transaction: the next timeout may be earlier now, and its triggers may
 * have queued changes. */
void fw_scheduler_changed(struct fw_scheduler *scheduler);

#endif
