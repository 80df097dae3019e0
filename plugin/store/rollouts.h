/* The rollouts: reads a task's row, its stage and its counts, asks the rules (upgrade/rollout.h,
 * upgrade/start_gate.h), and carries out the step that they give: holds a stage, begins the next
 * one, pauses or stops the task.
 *
 * A task is reviewed in the transaction of a failure that counts as bad, so that no push follows
 * the failure that pauses it; soon after any other change; and when a time comes that its rules
 * named. For the store's own files; store thread only. */
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

/* Whether a row may be pushed. */
struct fw_rollout_start {
	enum fw_start_wait wait; /* FW_WAITS_FOR_NOTHING: it may start */
	int64_t again;           /* steady ms when the wait of this device is over, 0 unknown */
	bool closed; /* no row of the task may start now: it is reviewed when that ends */
};

/* Inside a transaction: may a waiting row start? `now`: if it may, it does, and has its place until
 * the transaction ends; else nothing is taken. FW_OK, or an error. */
enum fw_status fw_rollouts_may_start(struct fw_rollouts *rollouts, const struct fw_task_device *row,
	bool now, struct fw_rollout_start *out);

/* In `by`, of FW_ID_MAX + 1 bytes: the newest task that has superseded the row; "" when none has.
 * FW_OK, or an error. */
enum fw_status fw_rollouts_superseded_by(
	struct fw_rollouts *rollouts, const struct fw_task_device *row, char *by);

/* Inside a transaction: the counts of the task have changed, or it may be due: carries out its
 * steps. A step that an operator's trigger prevents is skipped, and tried again in a minute. A
 * RAISE(ABORT) is logged. FW_OK also when there is no such task. */
enum fw_status fw_rollouts_review(struct fw_rollouts *rollouts, struct fw_slice task_id);

/* The task is due for a review, and watched from now on if it has rules of its own. FW_OK or
 * FW_NOMEM. */
enum fw_status fw_rollouts_watch(struct fw_rollouts *rollouts, struct fw_slice task_id);

/* Inside a transaction: an operator changed the task. *managed: it has rules of its own; then it is
 * watched and due. Retries that came due while it was paused are due now. FW_OK, or an error. */
enum fw_status fw_rollouts_changed(
	struct fw_rollouts *rollouts, struct fw_slice task_id, bool *managed);

/* Watches all tasks that are running or paused and have rules of their own; all are due. FW_OK, or
 * an error. */
enum fw_status fw_rollouts_watch_all(struct fw_rollouts *rollouts);

/* All watched tasks are due, and their rows are called anew. */
void fw_rollouts_call_all(struct fw_rollouts *rollouts);

/* Inside a transaction: reviews tasks that are due, at most `most`. Sets *more when others are.
 * FW_OK, or an error. */
enum fw_status fw_rollouts_work(struct fw_rollouts *rollouts, size_t most, bool *more);

/* Records the latest time of the wall clock. Called in each round, also while no task has times: a
 * task that is made after the clock went back depends on it. */
void fw_rollouts_note_wall(struct fw_rollouts *rollouts);

/* Is a task due? By both clocks. */
bool fw_rollouts_due(const struct fw_rollouts *rollouts);

/* Steady ms when the next task is due by the steady clock, INT64_MAX when none is. */
int64_t fw_rollouts_next_due(const struct fw_rollouts *rollouts);

/* *common: the loss of this row's device is not due to the upgrade, since devices that were not
 * upgraded go away at a similar rate. FW_OK, or an error. */
enum fw_status fw_rollouts_loss_is_common(
	struct fw_rollouts *rollouts, const struct fw_task_device *row, bool *common);

/* Inside one of the first transactions after a start: absences are counted from now on, since
 * nobody saw devices come or go while the broker was down. FW_OK, or an error. */
enum fw_status fw_rollouts_begin_absences(struct fw_rollouts *rollouts);

/* A task in which more rows may start than before: its waiting rows are to be looked at. */
struct fw_rollout_call {
	char task_id[FW_ID_MAX + 1], product_id[FW_ID_MAX + 1];
	bool in_turns;   /* it has stages: rows start in the order of their turns */
	bool known_only; /* devices of unknown presence do not start: there are later stages */
	bool restart;    /* the walk begins at the first row again (store/start_line.h) */
};

/* The next such task, once. False when there is none. */
bool fw_rollouts_next_call(struct fw_rollouts *rollouts, struct fw_rollout_call *out);

#endif
