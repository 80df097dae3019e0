/* The stages of a task: given when it is created, or replaced when it is modified.
 *
 * A stage that has begun may not be written to. So stages that are given as they stand are left
 * alone. The first one that differs is changed. Those behind it are deleted before that, and
 * inserted anew after it: the catalog wants the stages to rise at each moment, so they cannot be
 * changed one by one. */
#include <stdlib.h>

#include "control/internal.h"

/* Number of the first parameter for a column; before it are the task and the stage. */
#define FIRST 3u

static json_t *task_of(const struct fw_call *call)
{
	return json_array_get(call->keys, 0);
}

static bool is_given(const struct fw_command_member *member, const json_t *stage)
{
	return member->uses & FW_USE_CREATE && json_object_get(stage, member->name);
}

/* The arguments: the task, the number, and the columns that are given. A new array. */
static json_t *stage_args(const json_t *task_id, size_t number, const json_t *stage)
{
	json_t *args = json_pack("[O,I]", task_id, (json_int_t)number);

	for (const struct fw_command_member *m = fw_stage_members; args && m->name; m++) {
		if (!is_given(m, stage))
			continue;
		if (json_array_append(args, json_object_get(stage, m->name)) != 0) {
			json_decref(args);
			return NULL;
		}
	}
	return args;
}

static enum fw_status run_stage(struct fw_call *call, struct fw_text *text, size_t number,
	const json_t *stage, json_t **row)
{
	char *sql = fw_text_end(text);
	enum fw_status status = FW_NOMEM;

	if (sql && row)
		status = fw_call_row(call, sql, stage_args(task_of(call), number, stage), row);
	else if (sql)
		status = fw_call_query(call, sql, stage_args(task_of(call), number, stage), NULL);
	free(sql);
	return status;
}

static enum fw_status insert_stage(struct fw_call *call, size_t number, const json_t *stage)
{
	struct fw_text sql = {0};
	size_t last = FIRST;

	fw_text_add(&sql, "INSERT INTO task_stage (task_id, stage");
	for (const struct fw_command_member *m = fw_stage_members; m->name; m++) {
		if (!is_given(m, stage))
			continue;
		fw_text_add(&sql, ", %s", m->column);
		last++;
	}
	fw_text_add(&sql, ") VALUES (?1, ?2");
	for (size_t i = FIRST; i < last; i++)
		fw_text_add(&sql, ", ?%zu", i);
	fw_text_add(&sql, ")");
	return run_stage(call, &sql, number, stage, NULL);
}

/* A column that is not given gets the default of a new stage. */
static enum fw_status update_stage(struct fw_call *call, size_t number, const json_t *stage)
{
	struct fw_text sql = {0};
	size_t at = FIRST;

	fw_text_add(&sql, "UPDATE task_stage SET stage = ?2");
	for (const struct fw_command_member *m = fw_stage_members; m->name; m++) {
		if (is_given(m, stage))
			fw_text_add(&sql, ", %s = ?%zu", m->column, at++);
		else if (m->uses & FW_USE_CREATE)
			fw_text_add(&sql,
				", %s = (SELECT trim(dflt_value, '''')"
				" FROM pragma_table_info('task_stage') WHERE name = '%s')",
				m->column, m->column);
	}
	fw_text_add(&sql, " WHERE task_id = ?1 AND stage = ?2");
	return run_stage(call, &sql, number, stage, NULL);
}

/* Deletes a stage; a trigger deletes those behind it. */
static enum fw_status delete_stages(struct fw_call *call, size_t number)
{
	return fw_call_query(call, "DELETE FROM task_stage WHERE task_id = ?1 AND stage = ?2",
		json_pack("[O,I]", task_of(call), (json_int_t)number), NULL);
}

/* FW_OK: the task has this stage as it is given. FW_NOT_FOUND: it differs, or is not there. */
static enum fw_status compare_stage(struct fw_call *call, size_t number, const json_t *stage)
{
	struct fw_text sql = {0};
	json_t *row = NULL;
	size_t at = FIRST;
	enum fw_status status;

	fw_text_add(&sql, "SELECT 1 AS n FROM task_stage WHERE task_id = ?1 AND stage = ?2");
	for (const struct fw_command_member *m = fw_stage_members; m->name; m++) {
		if (is_given(m, stage))
			fw_text_add(&sql, " AND %s IS ?%zu", m->column, at++);
	}
	status = run_stage(call, &sql, number, stage, &row);
	json_decref(row);
	return status;
}

enum fw_status fw_task_stages(struct fw_call *call)
{
	const json_t *stages = fw_call_member(call, "stages");
	size_t same = 0;
	enum fw_status status = FW_OK;

	if (!json_is_array(stages))
		return FW_OK;
	while (same < json_array_size(stages) && status == FW_OK) {
		status = compare_stage(call, same + 1, json_array_get(stages, same));
		same += status == FW_OK;
	}
	if (status != FW_OK && status != FW_NOT_FOUND)
		return status;
	if (same == json_array_size(stages))
		return delete_stages(call, same + 1);
	status = delete_stages(call, same + 2);
	if (status == FW_OK)
		status = update_stage(call, same + 1, json_array_get(stages, same));
	if (status == FW_OK && fw_admin_changes(call->admin) == 1)
		same++;
	for (; same < json_array_size(stages) && status == FW_OK; same++)
		status = insert_stage(call, same + 1, json_array_get(stages, same));
	return status;
}
