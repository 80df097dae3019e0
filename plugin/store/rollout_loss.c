/* Is the loss of a device the upgrade's doing? A power cut takes devices away that were not
 * upgraded, too: a sample of each kind is compared (upgrade/trial.h). */
#include "store/rollouts_internal.h"
#include "store/task_device.h"
#include "upgrade/trial.h"

static enum fw_status count_two(sqlite3_stmt *statement, int64_t *all, int64_t *some)
{
	enum fw_status status = fw_db_step(statement);

	if (status == FW_OK) {
		*all = sqlite3_column_int64(statement, 0);
		*some = sqlite3_column_int64(statement, 1);
	}
	sqlite3_reset(statement);
	return status;
}

enum fw_status fw_rollouts_loss_is_common(
	struct fw_rollouts *rollouts, const struct fw_task_device *row, bool *common)
{
	int64_t now = rollouts->transaction->steady_ms;
	int64_t since = now - fw_trial_lookback_ms(row->lost_ms, row->trial_ms);
	int64_t started = 0, lost = 0, idle = 0, away = 0;
	sqlite3_stmt *statement = rollouts->statements[FW_ROLLOUTS_STARTED_LATELY];
	enum fw_status status;

	fw_db_bind_text(statement, 1, fw_slice_of(row->task_id));
	/* the one in question is of them, however long its absence was waited for */
	fw_db_bind_integer(statement, 2, row->pushed_clock < since ? row->pushed_clock : since);
	status = count_two(statement, &started, &lost);
	statement = rollouts->statements[FW_ROLLOUTS_NOT_STARTED];
	fw_db_bind_text(statement, 1, fw_slice_of(row->task_id));
	fw_db_bind_integer(statement, 2, now - row->lost_ms);
	fw_db_bind_text(statement, 3, fw_slice_of(row->product_id));
	/* who was lost before this row started went for another reason, and is no witness */
	fw_db_bind_integer(statement, 4, row->pushed_clock - row->lost_ms);
	if (status == FW_OK)
		status = count_two(statement, &idle, &away);
	/* the device in question is not written down yet */
	*common = status == FW_OK && !fw_trial_is_remarkable(lost + 1, started, away, idle);
	return status;
}

enum fw_status fw_rollouts_begin_absences(struct fw_rollouts *rollouts)
{
	sqlite3_stmt *statement = rollouts->statements[FW_ROLLOUTS_BEGIN_ABSENCES];

	/* a device that says nothing is not known to be away */
	if (!rollouts->transaction->sees_connections)
		return FW_OK;
	fw_db_bind_integer(statement, 1, rollouts->transaction->steady_ms);
	return fw_db_run(statement);
}
