/* The logs of what devices said, and whether a progress is in them already.
 *
 * QoS 1 delivers a message again when its acknowledgement was lost (MQTT 5, section 4.4). A
 * progress with a timestamp is a redelivery of any equal one of the same attempt. Without a
 * timestamp it is one only of an equal progress that came by an earlier connection, and not long
 * ago. To tell that, the log_id with which each connection's rows begin is remembered, for a
 * bounded number of connections. */
#include "store/history.h"

#include <stdlib.h>

#include "base/table.h"
#include "catalog/db.h"

/* A redelivered message is searched in so many of a device's latest log rows: a client has fewer
 * messages in flight. */
#define REDELIVERY_ROWS 64
/* Connections whose first log row is remembered. */
#define CONNECTIONS_MAX 100000u

enum statement {
	PROGRESS_LOGGED,
	LOG_PROGRESS,
	LAST_LOG,
	LOG_VERSION,
	PRUNE_PROGRESS,
	PRUNE_VERSION,
	PRUNE_ADMIN,
	STATEMENTS
};

static const char *const sql[STATEMENTS] = {
	/* with a timestamp: the same content since ?11; without: also logged before this
	 * connection. The latest first. No LIMIT, for which SQLite would build a temporary table */
	[PROGRESS_LOGGED] =
		"SELECT (?3 > 0 OR log_id < ?10) AND received_at >= ?11 AND firmware_id IS ?4 AND "
		"version IS ?5"
		" AND progress IS ?6 AND complete IS ?7 AND success IS ?8 AND error_reason IS ?9"
		" FROM progress_log WHERE product_id = ?1 AND device_id = ?2 AND reported_at IS ?3 "
		"ORDER BY log_id DESC",
	[LOG_PROGRESS] =
		"INSERT INTO progress_log (product_id, device_id, reported_at, firmware_id, "
		"version, progress, complete, success, error_reason,"
		" received_at, task_id) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
	[LAST_LOG] = "SELECT max(log_id) FROM progress_log",
	[LOG_VERSION] = "INSERT INTO version_log (received_at, reported_at, product_id, device_id, "
			"version, previous_version)"
			" VALUES (?4, ?3, ?1, ?2, ?5, ?6)",
	/* log_id grows with received_at, so the old rows are the first ones; except for rows from a
	 * time when the clock was ahead, which ?3, the time now, leaves out */
	[PRUNE_PROGRESS] =
		"DELETE FROM progress_log WHERE log_id IN (SELECT log_id FROM progress_log WHERE "
		"received_at <= ?3 ORDER BY log_id LIMIT ?1) AND received_at < ?2",
	[PRUNE_VERSION] = "DELETE FROM version_log WHERE log_id IN (SELECT log_id FROM version_log "
			  "WHERE received_at <= ?3 ORDER BY log_id LIMIT ?1) AND received_at < ?2",
	[PRUNE_ADMIN] = "DELETE FROM admin_log WHERE log_id IN (SELECT log_id FROM admin_log "
			"WHERE at <= ?3 ORDER BY log_id LIMIT ?1) AND at < ?2",
};

struct fw_history {
	struct fw_transaction *transaction;
	sqlite3_stmt *statements[STATEMENTS];
	/* connection number to the log_id from which on its rows begin (as a pointer) */
	struct fw_table *first_logs;
};

enum fw_status fw_history_open(
	struct fw_transaction *transaction, struct fw_history **out, struct fw_error *error)
{
	struct fw_history *history = calloc(1, sizeof(*history));
	enum fw_status status;

	if (!history)
		return FW_NOMEM;
	history->transaction = transaction;
	history->first_logs = fw_table_new(0);
	status = history->first_logs
		? fw_db_prepare(transaction->db, sql, history->statements, STATEMENTS, error)
		: FW_NOMEM;
	if (status != FW_OK) {
		fw_history_close(history);
		return status;
	}
	*out = history;
	return FW_OK;
}

void fw_history_close(struct fw_history *history)
{
	if (!history)
		return;
	fw_db_finalize(history->statements, STATEMENTS);
	fw_table_free(history->first_logs);
	free(history);
}

/* The parameters that the statements of both logs begin with. */
static sqlite3_stmt *start_log(
	struct fw_history *history, enum statement which, const struct fw_uplink *uplink)
{
	sqlite3_stmt *statement = history->statements[which];

	fw_db_bind_text(statement, 1, uplink->product);
	fw_db_bind_text(statement, 2, uplink->device);
	if (uplink->has_reported_at)
		sqlite3_bind_int64(statement, 3, uplink->reported_at);
	else
		sqlite3_bind_null(statement, 3);
	return statement;
}

/* The parameters that LOG_PROGRESS and PROGRESS_LOGGED share. */
static sqlite3_stmt *start_progress(struct fw_history *history, enum statement which,
	const struct fw_uplink *uplink, const struct fw_firmware_ref *firmware)
{
	sqlite3_stmt *statement = start_log(history, which, uplink);

	fw_db_bind_text(statement, 4, fw_slice_of(firmware->firmware_id));
	fw_db_bind_text(statement, 5, fw_slice_of(firmware->version));
	if (uplink->has_progress)
		sqlite3_bind_int(statement, 6, uplink->progress);
	else
		sqlite3_bind_null(statement, 6);
	sqlite3_bind_int(statement, 7, uplink->complete);
	if (uplink->complete)
		sqlite3_bind_int(statement, 8, uplink->success);
	else
		sqlite3_bind_null(statement, 8);
	fw_db_bind_text(statement, 9, uplink->error_reason);
	return statement;
}

enum fw_status fw_history_progress(struct fw_history *history, const struct fw_uplink *uplink,
	const struct fw_firmware_ref *firmware, const char *task_id)
{
	sqlite3_stmt *statement = start_progress(history, LOG_PROGRESS, uplink, firmware);

	fw_db_bind_integer(statement, 10, uplink->received_at);
	fw_db_bind_text(statement, 11, fw_slice_of(task_id));
	return fw_db_run(statement);
}

enum fw_status fw_history_version(struct fw_history *history, const struct fw_uplink *uplink,
	struct fw_slice version, struct fw_slice previous)
{
	sqlite3_stmt *statement = start_log(history, LOG_VERSION, uplink);

	fw_db_bind_integer(statement, 4, uplink->received_at);
	fw_db_bind_text(statement, 5, version);
	fw_db_bind_text(statement, 6, previous);
	return fw_db_run(statement);
}

/* The log_id with which the rows of this connection begin. */
static enum fw_status first_log_of(struct fw_history *history, uint64_t connection, int64_t *log_id)
{
	struct fw_slice key = {(const char *)&connection, sizeof(connection)};
	void *known = connection ? fw_table_get(history->first_logs, key) : NULL;
	sqlite3_stmt *statement = history->statements[LAST_LOG];
	enum fw_status status;

	if (known) {
		*log_id = (int64_t)(intptr_t)known;
		return FW_OK;
	}
	status = fw_db_step(statement);
	if (status != FW_OK)
		return status;
	*log_id = sqlite3_column_int64(statement, 0) + 1;
	sqlite3_reset(statement);
	if (!connection)
		return FW_OK;
	if (fw_table_count(history->first_logs) >= CONNECTIONS_MAX)
		fw_table_clear(history->first_logs, NULL);
	/* out of memory, an equal progress may count as a redelivery: no harm */
	fw_table_put(history->first_logs, key, (void *)(intptr_t)*log_id, NULL);
	return FW_OK;
}

enum fw_status fw_history_is_redelivered(struct fw_history *history, const struct fw_uplink *uplink,
	const struct fw_firmware_ref *firmware, int64_t since, bool *is_redelivered)
{
	int64_t window = uplink->received_at - FW_REDELIVERY_MS;
	sqlite3_stmt *statement;
	int64_t first_log = 0;
	enum fw_status status = fw_uplink_has_time(uplink)
		? FW_OK
		: first_log_of(history, uplink->connection, &first_log);

	*is_redelivered = false;
	/* what came with QoS 0 never comes again */
	if (status != FW_OK || uplink->at_most_once)
		return status;
	statement = start_progress(history, PROGRESS_LOGGED, uplink, firmware);
	fw_db_bind_integer(statement, 10, first_log);
	fw_db_bind_integer(
		statement, 11, fw_uplink_has_time(uplink) || since > window ? since : window);
	for (int row = 0; row < REDELIVERY_ROWS && !*is_redelivered &&
		(status = fw_db_step(statement)) == FW_OK;
		row++)
		*is_redelivered = sqlite3_column_int(statement, 0);
	sqlite3_reset(statement);
	return status == FW_NOT_FOUND ? FW_OK : status;
}

enum fw_status fw_history_prune(
	struct fw_history *history, int64_t before, int64_t most, bool *left)
{
	static const enum statement logs[] = {PRUNE_PROGRESS, PRUNE_VERSION, PRUNE_ADMIN};
	enum fw_status status = FW_OK;

	*left = false;
	for (size_t i = 0; i < sizeof(logs) / sizeof(logs[0]) && status == FW_OK; i++) {
		fw_db_bind_integer(history->statements[logs[i]], 1, most);
		fw_db_bind_integer(history->statements[logs[i]], 2, before);
		fw_db_bind_integer(history->statements[logs[i]], 3, history->transaction->wall_ms);
		status = fw_db_run(history->statements[logs[i]]);
		*left |= status == FW_OK && sqlite3_changes(history->transaction->db) >= most;
	}
	return status;
}
