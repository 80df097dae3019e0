/* What is asked about a task: why devices failed, and how far it was when. */
#include "control/internal.h"

#define REASONS_MAX 500

const struct fw_command_member fw_failure_members[] = {
	{"taskId", NULL, FW_MEMBER_TEXT, FW_USE_FILTER, FW_USE_FILTER, 0, 0, NULL, "of which task"},
	{"failure", "failure", FW_MEMBER_TEXT, FW_USE_ANSWER, 0, 0, 0, NULL, "its kind"},
	{"errorReason", "error_reason", FW_MEMBER_TEXT, FW_USE_ANSWER, 0, 0, 0, NULL, "for people"},
	{"count", "count", FW_MEMBER_INTEGER, FW_USE_ANSWER, 0, 0, 0, NULL, "devices"},
	{0},
};

const struct fw_command_member fw_progress_members[] = {
	{"taskId", NULL, FW_MEMBER_TEXT, FW_USE_FILTER, FW_USE_FILTER, 0, 0, NULL, "of which task"},
	{"points", NULL, FW_MEMBER_INTEGER, FW_USE_FILTER, 0, 2, 500, NULL,
		"how many, 100 without it"},
	{"at", NULL, FW_MEMBER_INTEGER, FW_USE_ANSWER, 0, 0, 0, NULL, "Unix ms"},
	{"success", NULL, FW_MEMBER_INTEGER, FW_USE_ANSWER, 0, 0, 0, NULL, "until then"},
	{"failed", NULL, FW_MEMBER_INTEGER, FW_USE_ANSWER, 0, 0, 0, NULL, "until then"},
	{0},
};

static enum fw_status answer_items(struct fw_call *call, const char *sql, json_t *args)
{
	json_t *rows = NULL;
	enum fw_status status = fw_call_query(call, sql, args, &rows);

	if (status == FW_OK && json_object_set(call->data, "items", rows) != 0)
		status = FW_NOMEM;
	json_decref(rows);
	return status;
}

enum fw_status fw_task_failures(struct fw_call *call)
{
	enum fw_status status = fw_entity_find(call, &fw_task_entity);

	if (status != FW_OK)
		return status;
	return answer_items(call,
		"SELECT failure, error_reason AS \"errorReason\", count FROM failure_reasons"
		" WHERE task_id = ?1 ORDER BY count DESC, failure, error_reason LIMIT ?2",
		json_pack("[O,i]", json_array_get(call->keys, 0), REASONS_MAX));
}

/* Divides the time from the first end to the last into equal parts. Each part is a range of the
 * index task_device_ended, so that nothing is sorted. The conditions of `r` repeat those of the
 * index word by word: only then SQLite uses a partial index
 * (https://sqlite.org/partialindex.html, 3.1). */
static const char progress_sql[] =
	"WITH RECURSIVE span AS ("
	" SELECT min(completed_at) - 1 AS since, max(completed_at) AS until FROM task_device"
	" WHERE task_id = ?1 AND state IN ('success', 'failed') AND completed_at > created_at),"
	" part (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM part WHERE n < ?2),"
	" edge AS (SELECT since + (until - since) * (n - 1) / ?2 AS since,"
	" since + (until - since) * n / ?2 AS until FROM part CROSS JOIN span"
	" WHERE since IS NOT NULL),"
	" counted AS (SELECT edge.until AS at,"
	" count(*) FILTER (WHERE r.state = 'success') AS success,"
	" count(*) FILTER (WHERE r.state = 'failed') AS failed"
	" FROM edge LEFT JOIN task_device AS r ON r.task_id = ?1"
	" AND r.state IN ('success', 'failed') AND r.completed_at > r.created_at"
	" AND r.completed_at > edge.since AND r.completed_at <= edge.until"
	" WHERE edge.until > edge.since GROUP BY edge.until)"
	" SELECT at, sum(success) OVER (ORDER BY at) AS success,"
	" sum(failed) OVER (ORDER BY at) AS failed FROM counted ORDER BY at";

enum fw_status fw_task_progress(struct fw_call *call)
{
	const json_t *points = fw_call_member(call, "points");
	enum fw_status status = fw_entity_find(call, &fw_task_entity);

	if (status != FW_OK)
		return status;
	return answer_items(call, progress_sql,
		json_pack("[O,I]", json_array_get(call->keys, 0),
			points ? json_integer_value(points) : (json_int_t)100));
}
