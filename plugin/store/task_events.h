/* The task events: what is told of a row that changed, and the queue of what operators changed by
 * hand (table task_change), whose rows are told, too. More events than the rate allows are not
 * lost: their rows are marked untold, and told later as they are then.
 *
 * For the store's own files; store thread only, inside a transaction of the writer. */
#ifndef FW_STORE_TASK_EVENTS_H
#define FW_STORE_TASK_EVENTS_H

#include "upgrade/state_machine.h"
#include "store/transaction.h"

struct fw_notices;

/* `writer` is borrowed. FW_OK, or trouble with a sentence in `error`. The caller owns *out. */
enum fw_status fw_notices_open(
	struct fw_writer *writer, struct fw_notices **out, struct fw_error *error);
void fw_notices_close(struct fw_notices *notices); /* NULL is fine */

/* A row as it is told. Borrowed for the call. */
struct fw_notice {
	const char *task_id, *device_id, *product_id, *firmware_id;
	enum fw_row_state state;
	int progress;       /* percent */
	const char *reason; /* NULL: none */
};

/* May a task event be sent now? Who listens to them takes them from a queue that is not endless.
 * True takes a place of the rate. False: the row is to be marked untold. */
bool fw_notices_may_tell(struct fw_notices *notices);

/* Queues the event. What operators made of the row before is taken out of the queue and told first,
 * as far as there is room. FW_OK, or trouble. */
enum fw_status fw_notices_tell(struct fw_notices *notices, const struct fw_notice *notice);

/* Sends the events of rows that are marked untold, as far as the rate and the outbox allow. *more:
 * the rate allows more at once. FW_OK, or trouble. */
enum fw_status fw_notices_tell_untold(struct fw_notices *notices, bool *more);

/* What an operator changed by hand. */
struct fw_change {
	char task_id[FW_ID_MAX + 1], device_id[FW_ID_MAX + 1];
	char product_id[FW_ID_MAX + 1]; /* empty: the task is not known any more */
	char firmware_id[FW_ID_MAX + 1];
	bool sweep; /* the task's waiting rows want a look; no device_id */
};

/* Takes the oldest change out of the queue, and queues the event for the state that the row came to
 * by it, or marks the row untold. FW_OK, FW_NOT_FOUND (there is none), or trouble. */
enum fw_status fw_notices_take_change(struct fw_notices *notices, struct fw_change *change);

#endif
