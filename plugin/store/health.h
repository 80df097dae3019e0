/* What the operator is told of the catalog's health while the broker runs: once when something
 * begins, and once when it is over. For the store's own files; store thread only. */
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
	bool wal_told, pinned_told; /* that the log is large, and that it is so for one reader */
	int64_t next_look;          /* boot ms */
	int64_t error_since;        /* boot ms, 0: none */
	int64_t error_at;           /* boot ms of the last time */
	bool error_told;
	struct fw_spool_damage damage_told;
};

/* The catalog at `path` has just been opened. */
void fw_health_init(struct fw_health *health, struct fw_transaction *transaction, const char *path);

/* Looks at the catalog's files, now and then. */
void fw_health_look(struct fw_health *health);

/* Looks now whether the catalog is still the one that was opened: health->lost. */
void fw_health_look_at_catalog(struct fw_health *health);

/* How the last round of work went: tells an error that lasts. */
void fw_health_note(struct fw_health *health, enum fw_status status);

/* What the spool has met so far: tells what is new. */
void fw_health_note_damage(struct fw_health *health, struct fw_spool_damage damage);

#endif
