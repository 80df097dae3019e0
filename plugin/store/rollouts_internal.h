/* The rollouts as their own files see them.
 *
 *   rollouts.c       which tasks are watched, and what is due
 *   rollout_start.c  may a row be pushed, and was it superseded?
 *   rollout_steps.c  carries out the steps that the rules give
 *   rollout_loss.c   absences, and whether a loss is due to the upgrade */
#ifndef FW_STORE_ROLLOUTS_INTERNAL_H
#define FW_STORE_ROLLOUTS_INTERNAL_H

#include "base/table.h"
#include "catalog/db.h"
#include "catalog/rollout_row.h"
#include "store/rollouts.h"

enum fw_rollouts_statement {
	FW_ROLLOUTS_PLAN,
	FW_ROLLOUTS_DEVICE,
	FW_ROLLOUTS_MANAGED,
	FW_ROLLOUTS_PAUSE,
	FW_ROLLOUTS_STOP,
	FW_ROLLOUTS_NEXT_STAGE,
	FW_ROLLOUTS_HOLD,
	FW_ROLLOUTS_NEW_EPOCH,
	FW_ROLLOUTS_WAKE_RETRIES,
	FW_ROLLOUTS_SUPERSEDED_BY,
	FW_ROLLOUTS_STARTED_LATELY,
	FW_ROLLOUTS_NOT_STARTED,
	FW_ROLLOUTS_BEGIN_ABSENCES,
	FW_ROLLOUTS_STATEMENTS
};

struct fw_rollouts {
	struct fw_transaction *transaction;
	struct fw_places *places;
	struct fw_table *watches; /* task_id to what rollouts.c keeps of it */
	size_t calls;             /* how many of them have rows to be called */
	int64_t seen_wall_ms;     /* the latest wall time that the catalog recorded */
	bool behind_logged;       /* that the wall clock is behind */
	int64_t wall_offset_ms;   /* wall clock minus steady clock, when the former was last set */
	struct fw_loss_sample *loss_sample; /* rollout_loss.c's; NULL: no device was lost yet */
	sqlite3_stmt *statements[FW_ROLLOUTS_STATEMENTS];
};

/* The clocks of the open transaction. Logs once when the wall clock falls behind
 * (fw_rollout_wall_is_behind). */
struct fw_rollout_now fw_rollouts_now(struct fw_rollouts *rollouts);

/* FW_OK, FW_NOT_FOUND when there is no such task, or an error. */
enum fw_status fw_rollouts_load(
	struct fw_rollouts *rollouts, struct fw_slice task_id, struct fw_rollout_row *out);

/* Carries out a step of the task. FW_OK, FW_NOT_FOUND when an operator's trigger keeps the task as
 * it was, or an error. */
enum fw_status fw_rollout_steps_carry_out(struct fw_rollouts *rollouts, struct fw_slice task_id,
	const struct fw_rollout_row *rollout, const struct fw_rollout_step *step);

#endif
