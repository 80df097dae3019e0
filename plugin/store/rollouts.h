/* The rollouts: reads what a task's row and stages say and what its rows count, asks the rules
 * (upgrade/rollout.h, upgrade/start_gate.h), and carries out the step that they give: holds a
 * stage, begins the next one, pauses or ends the task.
 *
 * A task is reviewed in the transaction that changed its counts, so that the failure which stops it
 * is followed by no push; and when a time comes that its rules named. For the store's own files;
 * store thread only. */
#ifndef FW_STORE_ROLLOUTS_H
#define FW_STORE_ROLLOUTS_H

#include "store/transaction.h"
#include "upgrade/places.h"
#include "upgrade/start_gate.h"

struct fw_rollouts;
struct fw_task_device;

/* `transaction` and `places` are borrowed. FW_OK, or an error with a message in `error`. The caller
 * owns *out. */
enum fw_status fw_rollouts_open(struct fw_transaction *transaction, struct fw_places *places,
	struct fw_rollouts **out, struct fw_error *error);
void fw_rollouts_close(struct fw_rollouts *rollouts); /* NULL is fine */

/* What came of a row that is about to be pushed. */
struct fw_rollout_start {
	enum fw_start_wait wait; /* FW_WAITS_FOR_NOTHING: the place is its own */
	int64_t again;           /* steady ms when the wait of this device is over, 0 unknown */
	bool closed; /* no row of the task may start now: it is looked at again by itself */
};

/* Inside a transaction: takes the place of a waiting row, until the transaction ends. */
enum fw_status fw_rollouts_take(struct fw_rollouts *rollouts, const struct fw_task_device *row,
	struct fw_rollout_start *out);

/* The newest task that supersedes and has taken the place of the row; "" when none has. `by` holds
 * FW_ID_MAX + 1 bytes. FW_OK, or an error. */
enum fw_status fw_rollouts_superseded_by(
	struct fw_rollouts *rollouts, const struct fw_task_device *row, char *by);

/* Inside a transaction: the counts of the task have changed, or it may be due: carries out its
 * steps. FW_OK also when there is no such task. */
enum fw_status fw_rollouts_review(struct fw_rollouts *rollouts, struct fw_slice task_id);

/* The task is one to be watched, after a start of the broker or an operator's change: it is due. */
enum fw_status fw_rollouts_watch(struct fw_rollouts *rollouts, struct fw_slice task_id);

/* Does the task have rules of its own? Then it is watched, and due. Rows of it that were to be
 * tried again while it was paused are due, too. */
enum fw_status fw_rollouts_changed(
	struct fw_rollouts *rollouts, struct fw_slice task_id, bool *managed);

/* Watches all tasks that are running or paused and have rules of their own. */
enum fw_status fw_rollouts_watch_all(struct fw_rollouts *rollouts);

/* All watched tasks are due, and their rows are called anew. */
void fw_rollouts_call_all(struct fw_rollouts *rollouts);

/* Inside a transaction: reviews tasks that are due, at most `most`. *more: others are. */
enum fw_status fw_rollouts_work(struct fw_rollouts *rollouts, size_t most, bool *more);

/* Notes what time it is by the wall clock. In each round, also while no task asks for it: one that
 * is made after the clock went back does. */
void fw_rollouts_note_wall(struct fw_rollouts *rollouts);

/* Is a task due? By both clocks. */
bool fw_rollouts_due(const struct fw_rollouts *rollouts);

/* Steady ms when the next one is due, INT64_MAX when none is. */
int64_t fw_rollouts_next_due(const struct fw_rollouts *rollouts);

/* Is the loss of the device of this row the upgrade's doing, or do as many go that were not
 * upgraded? */
enum fw_status fw_rollouts_loss_is_common(
	struct fw_rollouts *rollouts, const struct fw_task_device *row, bool *common);

/* Inside the first transaction after a start: absences are counted from now on, since the broker
 * saw nobody come or go while it was down. FW_OK, or an error. */
enum fw_status fw_rollouts_begin_absences(struct fw_rollouts *rollouts);

/* A task in which more rows may start than before: its waiting rows want a look. */
struct fw_rollout_call {
	char task_id[FW_ID_MAX + 1], product_id[FW_ID_MAX + 1];
	bool in_turns;   /* it has stages: their order is that of the turns */
	bool known_only; /* not those whose presence is unknown: a stage is to come */
	bool anew;       /* from the first one on */
};

/* The next such task. False when there is none. */
bool fw_rollouts_next_hungry(struct fw_rollouts *rollouts, struct fw_rollout_call *out);

#endif
