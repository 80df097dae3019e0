/* Is the loss of a device due to its upgrade? A power cut takes devices away that were not
 * upgraded, too. So a sample of started rows is compared with a sample of devices that have not
 * started, the control group (upgrade/trial.h).
 *
 * A power cut loses thousands of devices at once, and a sample takes some ten thousand rows to
 * read. So both samples are read once in a transaction, for all lost rows of a task. */
#include "store/rollouts_internal.h"

#include <stdlib.h>
#include <string.h>

#include "store/task_device.h"
#include "upgrade/trial.h"

#define ROWS_READ 20000   /* at most, for each of the two samples */
#define IDLE_DEVICES 2000 /* at most, in the control group */
#define NOT_AWAY (-1)

/* A row that was started. Steady milliseconds. */
struct started {
	int64_t pushed_clock;
	bool lost;
};

struct fw_loss_sample {
	char task_id[FW_ID_MAX + 1];
	uint64_t transaction; /* the one that read the samples; 0: none */
	size_t started_count, idle_count;
	struct started started[ROWS_READ];
	int64_t away[IDLE_DEVICES]; /* of the control group: steady ms since when, or NOT_AWAY */
};

static void add_started(struct fw_loss_sample *sample, sqlite3_stmt *row)
{
	sample->started[sample->started_count++] =
		(struct started){sqlite3_column_int64(row, 0), sqlite3_column_int(row, 1) != 0};
}

static void add_idle(struct fw_loss_sample *sample, sqlite3_stmt *row)
{
	sample->away[sample->idle_count++] = sqlite3_column_int64(row, 0);
}

/* Adds all rows of the statement, whose LIMIT is the room for them, and resets it. */
static enum fw_status add_all(struct fw_loss_sample *sample, sqlite3_stmt *statement,
	void (*add)(struct fw_loss_sample *sample, sqlite3_stmt *row))
{
	enum fw_status status;

	while ((status = fw_db_step(statement)) == FW_OK)
		add(sample, statement);
	sqlite3_reset(statement);
	return status == FW_NOT_FOUND ? FW_OK : status;
}

static enum fw_status read_sample(struct fw_rollouts *rollouts, struct fw_loss_sample *sample,
	const struct fw_task_device *row)
{
	sqlite3_stmt *statement = rollouts->statements[FW_ROLLOUTS_STARTED_LATELY];
	enum fw_status status;

	sample->transaction = 0;
	sample->started_count = sample->idle_count = 0;
	memcpy(sample->task_id, row->task_id, sizeof(sample->task_id));
	fw_db_bind_text(statement, 1, fw_slice_of(row->task_id));
	fw_db_bind_integer(statement, 2, ROWS_READ);
	status = add_all(sample, statement, add_started);
	statement = rollouts->statements[FW_ROLLOUTS_NOT_STARTED];
	fw_db_bind_text(statement, 1, fw_slice_of(row->task_id));
	fw_db_bind_text(statement, 2, fw_slice_of(row->product_id));
	fw_db_bind_integer(statement, 3, ROWS_READ);
	fw_db_bind_integer(statement, 4, IDLE_DEVICES);
	if (status == FW_OK)
		status = add_all(sample, statement, add_idle);
	if (status == FW_OK)
		sample->transaction = rollouts->transaction->number;
	return status;
}

static enum fw_status find_sample(struct fw_rollouts *rollouts, const struct fw_task_device *row)
{
	struct fw_loss_sample *sample = rollouts->loss_sample;

	if (!sample)
		sample = rollouts->loss_sample = calloc(1, sizeof(*sample));
	if (!sample)
		return FW_NOMEM;
	if (sample->transaction == rollouts->transaction->number &&
		strcmp(sample->task_id, row->task_id) == 0)
		return FW_OK;
	return read_sample(rollouts, sample, row);
}

/* How many rows were started at `since` or later; *lost: how many of these are lost. */
static int64_t count_started(const struct fw_loss_sample *sample, int64_t since, int64_t *lost)
{
	int64_t count = 0;

	for (size_t i = 0; i < sample->started_count; i++) {
		const struct started *one = &sample->started[i];

		count += one->pushed_clock >= since;
		*lost += one->pushed_clock >= since && one->lost;
	}
	return count;
}

/* How many devices of the control group count: those online, and those away since `known` or later.
 * A device that went before `known` went for another reason. *away: how many went up to `until`. */
static int64_t count_idle(
	const struct fw_loss_sample *sample, int64_t known, int64_t until, int64_t *away)
{
	int64_t count = 0;

	for (size_t i = 0; i < sample->idle_count; i++) {
		int64_t since = sample->away[i];

		count += since == NOT_AWAY || since >= known;
		*away += since != NOT_AWAY && since >= known && since <= until;
	}
	return count;
}

enum fw_status fw_rollouts_loss_is_common(
	struct fw_rollouts *rollouts, const struct fw_task_device *row, bool *common)
{
	int64_t now = rollouts->transaction->steady_ms;
	int64_t since = now - fw_trial_lookback_ms(row->lost_ms, row->trial_ms);
	int64_t started, lost = 0, idle, away = 0;
	enum fw_status status = find_sample(rollouts, row);

	if (status != FW_OK)
		return status;
	/* the row in question is among the started ones, however long its device may be away */
	started = count_started(rollouts->loss_sample,
		row->pushed_clock < since ? row->pushed_clock : since, &lost);
	idle = count_idle(
		rollouts->loss_sample, row->pushed_clock - row->lost_ms, now - row->lost_ms, &away);
	/* + 1: the row in question is not written as lost yet */
	*common = !fw_trial_is_remarkable(lost + 1, started, away, idle);
	return FW_OK;
}

enum fw_status fw_rollouts_begin_absences(struct fw_rollouts *rollouts)
{
	sqlite3_stmt *statement = rollouts->statements[FW_ROLLOUTS_BEGIN_ABSENCES];

	fw_db_bind_integer(statement, 1, rollouts->transaction->steady_ms);
	/* where connections are not reported, a device that was online may still be online */
	fw_db_bind_integer(statement, 2, rollouts->transaction->context->sees_connections);
	fw_db_bind_integer(statement, 3, rollouts->transaction->wall_ms);
	return fw_transaction_pass_over(
		rollouts->transaction, fw_db_run(statement), "since when devices are away");
}
