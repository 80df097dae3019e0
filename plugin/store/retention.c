/* Deletes old rows of the logs, once a minute, ROWS of each log in a transaction.
 *
 * What is old is measured by the believed time (fw_clock_believed), not by the wall clock alone.
 * Its state is stored in catalog_state, so that it outlives a restart. */
#include "store/retention.h"

#include "catalog/db.h"

#define EVERY_MS 60000
#define ROWS 500
#define DAY_MS INT64_C(86400000)
#define HOUR_MS INT64_C(3600000)
/* so long after a start of the machine its clock may not have been set yet */
#define SETTING_MS HOUR_MS

/* Without a saved reference, the clocks of the last transaction are the reference. */
static const char read_trust[] =
	"SELECT iif(trust_wall_ms, trust_wall_ms, clock_wall_ms), iif(trust_wall_ms, "
	"trust_steady_ms,"
	" clock_ms), trust_off_ms, trust_off_since,"
	" iif(trust_boot_id <> '', trust_boot_id, clock_boot_id) FROM catalog_state";
static const char save_trust[] =
	"UPDATE catalog_state SET trust_wall_ms = ?1, trust_steady_ms = ?2, trust_off_ms = ?3,"
	" trust_off_since = ?4, trust_boot_id = ?5";

enum fw_status fw_retention_init(struct fw_retention *retention, struct fw_transaction *transaction,
	struct fw_history *history, struct fw_firmware_files *files, int64_t days,
	struct fw_error *error)
{
	const char *const sql[] = {read_trust};
	sqlite3_stmt *statement = NULL;
	enum fw_status status = fw_db_prepare(transaction->db, sql, &statement, 1, error);
	struct fw_slice boot;

	*retention = (struct fw_retention){
		.transaction = transaction, .history = history, .files = files, .days = days};
	if (status == FW_OK)
		status = fw_db_step(statement);
	if (status == FW_OK) {
		retention->trust =
			(struct fw_clock_trust){.wall_ms = sqlite3_column_int64(statement, 0),
				.steady_ms = sqlite3_column_int64(statement, 1),
				.off_ms = sqlite3_column_int64(statement, 2),
				.off_since = sqlite3_column_int64(statement, 3)};
		boot = fw_db_text(statement, 4);
		retention->another_boot =
			boot.len && !fw_slice_equal(boot, fw_slice_of(transaction->boot_id));
	}
	sqlite3_finalize(statement);
	return status;
}

static enum fw_status save(const struct fw_retention *retention)
{
	const char *const sql[] = {save_trust};
	sqlite3_stmt *statement = NULL;
	enum fw_status status = fw_db_prepare(retention->transaction->db, sql, &statement, 1, NULL);

	if (status != FW_OK)
		return status;
	fw_db_bind_integer(statement, 1, retention->trust.wall_ms);
	fw_db_bind_integer(statement, 2, retention->trust.steady_ms);
	fw_db_bind_integer(statement, 3, retention->trust.off_ms);
	fw_db_bind_integer(statement, 4, retention->trust.off_since);
	sqlite3_bind_text(statement, 5, retention->transaction->boot_id, -1, SQLITE_STATIC);
	status = fw_db_run(statement);
	sqlite3_finalize(statement);
	return status;
}

static void log_held(struct fw_retention *retention, int64_t believed)
{
	if (retention->held_logged)
		return;
	retention->held_logged = true;
	fw_transaction_log(retention->transaction, FW_LOG_WARNING,
		"the clock went ahead by %lld hours, so log_retention_days is counted as if it had "
		"not:"
		" set the clock, or, if it is right now, wait: after %lld days like this it is "
		"believed",
		(long long)((retention->transaction->wall_ms - believed) / HOUR_MS),
		(long long)retention->days);
}

/* Within a transaction, whose time counts. */
static enum fw_status prune(struct fw_retention *retention, bool *left)
{
	bool held;
	int64_t now = fw_clock_believed(&retention->trust, retention->transaction->wall_ms,
		retention->transaction->steady_ms, retention->days * DAY_MS, &held);
	int64_t before = now - retention->days * DAY_MS;
	enum fw_status status = fw_history_prune(retention->history, before, ROWS, left);

	if (held)
		log_held(retention, now);
	else
		retention->held_logged = false;
	if (status == FW_OK)
		status = fw_firmware_files_prune(retention->files, before, ROWS, left);
	return status == FW_OK ? save(retention) : status;
}

static bool is_due(struct fw_retention *retention)
{
	if (!retention->days || fw_boot_ms() < retention->next)
		return false;
	if (retention->another_boot && fw_boot_ms() < SETTING_MS) {
		fw_transaction_log(retention->transaction, FW_LOG_NOTICE,
			"the machine was started, and its clock may not be set yet: "
			"log_retention_days deletes nothing before it has been up for an hour");
		retention->next = SETTING_MS;
		return false;
	}
	retention->another_boot = false;
	return true;
}

enum fw_status fw_retention_work(struct fw_retention *retention, bool *left)
{
	enum fw_status status;

	*left = false;
	if (!is_due(retention))
		return FW_OK;
	status = fw_transaction_begin(retention->transaction);
	if (status == FW_OK)
		status = fw_transaction_end(retention->transaction, prune(retention, left), 0);
	if (status == FW_OK && !*left)
		retention->next = fw_boot_ms() + EVERY_MS;
	return status;
}
