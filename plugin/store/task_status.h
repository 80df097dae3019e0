/* The status of a task as a whole: the retained message $SYS/broker/firmware/tasks/{taskId},
 * updated at most once a second, and removed with the task. And the log lines for what operators
 * did to a task.
 *
 * For the store's own files; store thread only. */
#ifndef FW_STORE_TASK_STATUS_H
#define FW_STORE_TASK_STATUS_H

#include "store/transaction.h"

struct fw_task_status;

/* `transaction` is borrowed. FW_OK, or an error with a message in `error`. The caller owns *out. */
enum fw_status fw_task_status_open(
	struct fw_transaction *transaction, struct fw_task_status **out, struct fw_error *error);
void fw_task_status_close(struct fw_task_status *status); /* NULL is fine */

/* The task, or a row of it, has changed. FW_OK or FW_NOMEM. NULL is fine. */
enum fw_status fw_task_status_note(struct fw_task_status *status, struct fw_slice task_id);

/* Outside of transactions: publishes what is due. Sets *more when there is more to do at once.
 * FW_OK, or an error: what was not published is tried again. */
enum fw_status fw_task_status_work(struct fw_task_status *status, bool *more);

#endif
