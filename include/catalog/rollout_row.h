/* A task's row, its current stage and its counts, as the rules of rollouts take them
 * (upgrade/rollout.h). For the owner of a connection, on its thread. */
#ifndef FW_CATALOG_ROLLOUT_ROW_H
#define FW_CATALOG_ROLLOUT_ROW_H

#include <sqlite3.h>

#include "base/fw.h"
#include "upgrade/rollout.h"

/* Of task `t`: does it have rules of its own, beyond those of every task? */
#define FW_ROLLOUT_IS_MANAGED                                                                      \
	"t.stop_failed_percent IS NOT NULL OR t.stop_failed_count IS NOT NULL"                     \
	" OR t.rate_per_minute IS NOT NULL OR t.max_in_flight IS NOT NULL"                         \
	" OR t.min_online_seconds > 0 OR t.start_at IS NOT NULL OR t.end_at IS NOT NULL"           \
	" OR t.window_start IS NOT NULL"                                                           \
	" OR EXISTS (SELECT 1 FROM task_stage s WHERE s.task_id = t.task_id)"

/* The query of fw_rollout_row_load: FW_SELECT_ROLLOUT "WHERE t.task_id = ?1" */
#define FW_SELECT_ROLLOUT                                                                          \
	"SELECT t.state, t.gate = 'complete', t.stop_failed_percent, t.stop_failed_min,"           \
	" t.stop_failed_count, t.stop_window, t.rate_per_minute, t.rate_doubles_after,"            \
	" t.max_in_flight, t.min_online_seconds * 1000, t.start_at, t.end_at,"                     \
	" t.end_action = 'stop', t.window_start, t.window_minutes, t.window_days,"                 \
	" t.window_clock, t.retry_limit, t.retry_seconds * 1000, t.retry_on = 'any',"              \
	" iif(t.defer_seconds IS NULL, -1, t.defer_seconds * 1000), t.trial_seconds * 1000,"       \
	" t.lost_seconds * 1000, t.stage,"                                                         \
	" (SELECT count(*) FROM task_stage n WHERE n.task_id = t.task_id),"                        \
	" g.until_percent, g.until_count, g.success_percent, g.hold_seconds * 1000,"               \
	" g.on_success = 'pause',"                                                                 \
	" c.waiting + c.processing + c.success + c.failed - c.spared, c.started, c.processing,"    \
	" c.proved, c.bad, c.bad_final, c.bad_forgiven, c.epoch_good, c.epoch_bad, c.hold_since,"  \
	" f.product_id, f.state = 'ready' AND p.firmware_enabled, f.min_version_order,"            \
	" t.mode = 'push', c.waiting + c.processing + c.retrying > 0 OR "                          \
	"t.continuous, c.retrying > 0, " FW_ROLLOUT_IS_MANAGED                                     \
	" FROM task t CROSS JOIN task_count c ON c.task_id = t.task_id"                            \
	" CROSS JOIN firmware f ON f.firmware_id = t.firmware_id"                                  \
	" CROSS JOIN product p ON p.product_id = f.product_id"                                     \
	" LEFT JOIN task_stage g ON g.task_id = t.task_id AND g.stage = t.stage "

struct fw_rollout_row {
	struct fw_rollout_plan plan;
	struct fw_rollout_counts counts;
	char product_id[FW_ID_MAX + 1];
	bool firmware_ready; /* and its product enabled */
	int64_t min_order;   /* firmware.min_version_order; 0: none */
	bool push;           /* mode: 'push', not 'pull' */
	bool is_open;        /* some rows are to be upgraded, or others will come */
	bool retries_wait;   /* of some failed rows */
	bool is_managed;
};

/* Asks `statement`, prepared from that query, for a task, and resets it. FW_OK, FW_NOT_FOUND when
 * there is no such task, or an error. */
enum fw_status fw_rollout_row_load(
	sqlite3_stmt *statement, struct fw_slice task_id, struct fw_rollout_row *out);

#endif
