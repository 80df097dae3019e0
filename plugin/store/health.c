/* Watches the catalog's file, its log, the spool, and the results of the rounds of work.
 *
 * Each condition has a flag `..._logged`. There is a line when a condition begins,
 * none while it lasts, and for an error one when it is over. A lock that another connection holds
 * is logged when it lasts; any other error at once. */
#include "store/health.h"

#include "catalog/db.h"

#define LOCKED_MS 5000                 /* a lock that lasts so long is logged */
#define WELL_AGAIN_MS 2000             /* so long after its last time an error is over */
#define WAL_LARGE (INT64_C(256) << 20) /* bytes */
#define LOOK_EVERY_MS 5000

void fw_health_init(struct fw_health *health, struct fw_transaction *transaction, const char *path)
{
	struct stat now;

	*health = (struct fw_health){.transaction = transaction, .path = path};
	if (stat(path, &now) == 0) {
		health->device = now.st_dev;
		health->inode = now.st_ino;
	}
}

/* SQLite goes on writing to a file that was removed or replaced, and nobody would ever read that.
 * So the store writes nothing while `lost` is set: uplinks stay in the spool. */
void fw_health_check_catalog(struct fw_health *health)
{
	struct stat now;
	bool there = stat(health->path, &now) == 0;
	bool lost = !there || now.st_dev != health->device || now.st_ino != health->inode;

	if (lost && !health->lost && there)
		fw_transaction_log(health->transaction, FW_LOG_ERROR,
			"the catalog '%s' was replaced while in use: restart the broker to use the "
			"new one",
			health->path);
	else if (lost && !health->lost)
		fw_transaction_log(health->transaction, FW_LOG_ERROR,
			"the catalog '%s' was removed while in use: put it back, or stop the "
			"broker and put a backup there; what"
			" devices say meanwhile is saved beside it",
			health->path);
	health->lost = lost;
	if (lost)
		fw_checkpoint_empty_log(&health->transaction->checkpoint);
}

/* Readers keep SQLite from starting the log over (sqlite.org/wal.html, "Avoiding Excessively Large
 * WAL Files"). */
static void check_wal(struct fw_health *health)
{
	int64_t bytes = fw_db_log_bytes(health->path);
	bool pinned = fw_checkpoint_is_pinned(&health->transaction->checkpoint);

	if (bytes > WAL_LARGE && (!health->wal_logged || (pinned && !health->pinned_logged))) {
		fw_transaction_log(health->transaction, FW_LOG_WARNING,
			"'%s-wal' has grown to %lld MiB, %s", health->path,
			(long long)(bytes >> 20),
			fw_checkpoint_hindrance(&health->transaction->checkpoint));
		health->wal_logged = true;
		health->pinned_logged = pinned;
	} else if (bytes >= 0 && bytes < WAL_LARGE / 2) {
		health->wal_logged = false;
	}
}

void fw_health_check(struct fw_health *health)
{
	if (fw_boot_ms() < health->next_look)
		return;
	health->next_look = fw_boot_ms() + LOOK_EVERY_MS;
	fw_health_check_catalog(health);
	check_wal(health);
}

void fw_health_note_damage(struct fw_health *health, struct fw_spool_damage damage)
{
	if (damage.bytes_skipped == health->damage_logged.bytes_skipped)
		return;
	fw_transaction_log(health->transaction,
		damage.gaps > health->damage_logged.gaps ? FW_LOG_ERROR : FW_LOG_WARNING,
		"the spool beside '%s' was damaged: %llu bytes skipped, %llu torn ends (uplinks "
		"that were not acknowledged), %llu gaps",
		health->path, (unsigned long long)damage.bytes_skipped,
		(unsigned long long)damage.torn_tails, (unsigned long long)damage.gaps);
	health->damage_logged = damage;
}

static const char *error_name(enum fw_status status)
{
	switch (status) {
	case FW_BUSY:
		return "another connection holds its lock (an operator's open transaction?)";
	case FW_FULL:
		return "the disk is full";
	case FW_NOMEM:
		return "out of memory";
	default:
		return NULL;
	}
}

void fw_health_note(struct fw_health *health, enum fw_status status, const char *job)
{
	const char *name = error_name(status);

	if (status == FW_OK) {
		/* on a disk that is nearly full a short transaction may succeed in between */
		if (health->error_logged && fw_boot_ms() < health->error_at + WELL_AGAIN_MS)
			return;
		if (health->error_logged)
			fw_transaction_log(health->transaction, FW_LOG_NOTICE,
				"the catalog can be written again; what was saved is being "
				"applied");
		health->error_since = 0;
		health->error_logged = false;
		return;
	}
	health->error_at = fw_boot_ms();
	if (!health->error_since)
		health->error_since = fw_boot_ms();
	if (health->error_logged ||
		fw_boot_ms() - health->error_since < (status == FW_BUSY ? LOCKED_MS : 0))
		return;
	health->error_logged = true;
	fw_transaction_log(health->transaction, FW_LOG_WARNING,
		"the catalog cannot be written: %s (job: %s); uplinks are saved in the spool and "
		"applied later",
		name ? name : health->transaction->error.text, job);
}
