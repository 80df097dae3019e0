/* The log lines about the health of the catalog and the spool while the broker runs: one when a
 * condition begins, and for an error one when it is over. For the store's own files; store thread
 * only. */
#ifndef FW_STORE_HEALTH_H
#define FW_STORE_HEALTH_H

#include <sys/stat.h>

#include "spool/spool.h"
#include "store/transaction.h"

struct fw_health {
	struct fw_transaction *transaction; /* borrowed, for its log lines */
	const char *path;                   /* of the catalog, borrowed */
	dev_t device;
	ino_t inode;
	/* the catalog was removed or replaced: nobody would see what is written */
	bool lost;
	/* that SQLite's log is large, and that one reader is the cause */
	bool wal_logged, pinned_logged;
	int64_t next_look;   /* boot ms */
	int64_t error_since; /* boot ms, 0: none */
	int64_t error_at;    /* boot ms of the last time */
	bool error_logged;
	struct fw_spool_damage damage_logged;
};

/* The catalog at `path` has just been opened. */
void fw_health_init(struct fw_health *health, struct fw_transaction *transaction, const char *path);

/* Checks the catalog's files, every few seconds. */
void fw_health_check(struct fw_health *health);

/* Sets health->lost: whether the file at the path is no longer the catalog that was opened. */
void fw_health_check_catalog(struct fw_health *health);

/* `status`: how the last round of work went; `job`: the name of the last job that ran. Logs an
 * error with it: FW_BUSY if it lasts, others at once. */
void fw_health_note(struct fw_health *health, enum fw_status status, const char *job);

/* `damage`: what the spool has met so far. Logs it when there is more than before. */
void fw_health_note_damage(struct fw_health *health, struct fw_spool_damage damage);

#endif
