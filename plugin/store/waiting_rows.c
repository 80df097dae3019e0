/* The sweeps: a list of tasks whose waiting rows the scheduler still has to look at.
 *
 * A sweep is in memory alone. After a start of the broker each running task is swept anew, so none
 * is lost. A sweep walks the rows by device_id and remembers the last one: no row comes twice. */
#include "store/waiting_rows.h"

#include <stdlib.h>
#include <string.h>

#include "base/table.h"
#include "catalog/db.h"
#include "catalog/rollout_row.h"

enum statement { WAITING_AFTER, RUNNING_TASKS, STATEMENTS };

static const char *const sql[STATEMENTS] = {
	[WAITING_AFTER] =
		"SELECT device_id FROM task_device"
		" WHERE task_id = ?1 AND device_id > ?2 AND state = 'waiting' ORDER BY device_id",
	[RUNNING_TASKS] =
		"SELECT t.task_id, c.product_id FROM task t"
		" JOIN task_count c ON c.task_id = t.task_id WHERE t.mode = 'push'"
		" AND t.state = 'running' AND c.waiting > 0 AND NOT (" FW_ROLLOUT_IS_MANAGED ")"
		" ORDER BY t.created_at, t.position",
};

/* A walk over the waiting rows of a task, by device_id. */
struct sweep {
	struct sweep *next;
	char task_id[FW_ID_MAX + 1], product_id[FW_ID_MAX + 1];
	char after[FW_ID_MAX + 1]; /* the last device looked at */
};

struct fw_waiting_rows {
	struct sweep *first, **last; /* oldest request first */
	struct fw_table *by_task;
	sqlite3_stmt *statements[STATEMENTS];
};

enum fw_status fw_waiting_rows_open(
	struct fw_transaction *transaction, struct fw_waiting_rows **out, struct fw_error *error)
{
	struct fw_waiting_rows *waiting_rows = calloc(1, sizeof(*waiting_rows));
	enum fw_status status = FW_NOMEM;

	if (!waiting_rows)
		return FW_NOMEM;
	waiting_rows->last = &waiting_rows->first;
	waiting_rows->by_task = fw_table_new(0);
	if (waiting_rows->by_task)
		status = fw_db_prepare(
			transaction->db, sql, waiting_rows->statements, STATEMENTS, error);
	if (status != FW_OK) {
		fw_waiting_rows_close(waiting_rows);
		return status;
	}
	*out = waiting_rows;
	return FW_OK;
}

static void drop_first(struct fw_waiting_rows *waiting_rows)
{
	struct sweep *sweep = waiting_rows->first;

	waiting_rows->first = sweep->next;
	if (!waiting_rows->first)
		waiting_rows->last = &waiting_rows->first;
	fw_table_remove(waiting_rows->by_task, fw_slice_of(sweep->task_id));
	free(sweep);
}

void fw_waiting_rows_close(struct fw_waiting_rows *waiting_rows)
{
	if (!waiting_rows)
		return;
	while (waiting_rows->first)
		drop_first(waiting_rows);
	fw_table_free(waiting_rows->by_task);
	fw_db_finalize(waiting_rows->statements, STATEMENTS);
	free(waiting_rows);
}

enum fw_status fw_waiting_rows_request(
	struct fw_waiting_rows *waiting_rows, struct fw_slice task_id, struct fw_slice product)
{
	struct sweep *sweep = fw_table_get(waiting_rows->by_task, task_id);

	if (sweep) {
		sweep->after[0] = '\0';
		return FW_OK;
	}
	if (task_id.len > FW_ID_MAX || !(sweep = calloc(1, sizeof(*sweep))))
		return FW_NOMEM;
	fw_slice_copy(task_id, sweep->task_id, sizeof(sweep->task_id));
	fw_slice_copy(product, sweep->product_id, sizeof(sweep->product_id));
	if (fw_table_put(waiting_rows->by_task, task_id, sweep, NULL) != FW_OK) {
		free(sweep);
		return FW_NOMEM;
	}
	*waiting_rows->last = sweep;
	waiting_rows->last = &sweep->next;
	return FW_OK;
}

enum fw_status fw_waiting_rows_request_running(struct fw_waiting_rows *waiting_rows)
{
	sqlite3_stmt *statement = waiting_rows->statements[RUNNING_TASKS];
	enum fw_status status, requested = FW_OK;

	while ((status = fw_db_step(statement)) == FW_OK && requested == FW_OK)
		requested = fw_waiting_rows_request(
			waiting_rows, fw_db_text(statement, 0), fw_db_text(statement, 1));
	sqlite3_reset(statement);
	return status == FW_NOT_FOUND ? requested : status;
}

bool fw_waiting_rows_wait(const struct fw_waiting_rows *waiting_rows)
{
	return waiting_rows->first != NULL;
}

enum fw_status fw_waiting_rows_find(struct fw_waiting_rows *waiting_rows,
	struct fw_device_name *found, size_t most, size_t *count)
{
	sqlite3_stmt *statement = waiting_rows->statements[WAITING_AFTER];
	const struct sweep *sweep = waiting_rows->first;
	enum fw_status status = FW_OK;

	*count = 0;
	/* an empty text, not NULL: the first device follows it */
	sqlite3_bind_text(statement, 1, sweep->task_id, -1, SQLITE_STATIC);
	sqlite3_bind_text(statement, 2, sweep->after, -1, SQLITE_STATIC);
	while (*count < most && (status = fw_db_step(statement)) == FW_OK) {
		struct fw_device_name *name = &found[(*count)++];

		memcpy(name->product, sweep->product_id, sizeof(name->product));
		fw_db_copy_text(statement, 0, name->device, sizeof(name->device));
	}
	sqlite3_reset(statement);
	return status == FW_NOT_FOUND ? FW_OK : status;
}

void fw_waiting_rows_passed(struct fw_waiting_rows *waiting_rows, const char *last, bool done)
{
	if (last)
		fw_slice_copy(fw_slice_of(last), waiting_rows->first->after,
			sizeof(waiting_rows->first->after));
	if (done)
		drop_first(waiting_rows);
}
