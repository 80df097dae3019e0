/* The task events: a message for each new state of a row, and the queue of operators' changes
 * (table task_change), which are announced, too. Events above the rate are not lost: their rows are
 * marked untold, and announced later with the state of that time.
 *
 * For the store's own files; store thread only, inside a transaction. */
#ifndef FW_STORE_TASK_EVENTS_H
#define FW_STORE_TASK_EVENTS_H

#include "store/transaction.h"
#include "upgrade/state_machine.h"

struct fw_task_events;

/* `transaction` is borrowed. FW_OK, or an error with a message in `error`. The caller owns *out. */
enum fw_status fw_task_events_open(
	struct fw_transaction *transaction, struct fw_task_events **out, struct fw_error *error);
void fw_task_events_close(struct fw_task_events *events); /* NULL is fine */

/* What an event says of a row. Borrowed for the call. */
struct fw_task_event {
	const char *task_id, *device_id, *product_id, *firmware_id;
	enum fw_upgrade_state state;
	int progress;       /* percent */
	const char *reason; /* NULL: none */
};

/* May a task event be sent now? The rate (option connection_rate) keeps the broker's queue to a
 * listener from overflowing. True takes a token. False: the caller marks the row untold. */
bool fw_task_events_may_announce(struct fw_task_events *events);

/* Queues the event. Operators' earlier changes of the row are taken out of task_change and
 * announced first, as far as the outbox has room. FW_OK, or an error. */
enum fw_status fw_task_events_announce(
	struct fw_task_events *events, const struct fw_task_event *event);

/* Sends the events of rows that are marked untold, as far as the rate and the outbox allow. *more:
 * the rate allows more at once. FW_OK, or an error. */
enum fw_status fw_task_events_announce_untold(struct fw_task_events *events, bool *more);

/* What an operator changed by hand. */
struct fw_change {
	char task_id[FW_ID_MAX + 1], device_id[FW_ID_MAX + 1];
	char product_id[FW_ID_MAX + 1]; /* empty: the task is not known any more */
	char firmware_id[FW_ID_MAX + 1];
	bool sweep; /* the task's waiting rows are to be looked at; no device_id */
};

/* Takes the oldest change out of task_change, and queues the event of the state that it brought the
 * row to, or marks the row untold. FW_OK, FW_NOT_FOUND (there is no change), or an error. */
enum fw_status fw_task_events_take_change(struct fw_task_events *events, struct fw_change *change);

#endif
