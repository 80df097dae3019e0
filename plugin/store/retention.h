/* Deletes rows of the logs that are older than log_retention_days, some at a time. The wall clock
 * alone is not trusted (fw_clock_believed): one that was ahead for a minute would delete the whole
 * history. For the store's own files; store thread only. */
#ifndef FW_STORE_RETENTION_H
#define FW_STORE_RETENTION_H

#include "store/firmware_files.h"
#include "store/history.h"
#include "store/transaction.h"

struct fw_retention {
	struct fw_transaction *transaction; /* all borrowed */
	struct fw_history *history;
	struct fw_firmware_files *files;
	int64_t days; /* 0: nothing is deleted */
	struct fw_clock_trust trust;
	bool another_boot; /* the machine was restarted since the reference was saved */
	bool held_logged;  /* that the wall clock is ahead and not believed */
	int64_t next;      /* boot ms */
};

/* After fw_transaction_open, before the first transaction: reads the saved state of the believed
 * time. FW_OK, or an error with a message in `error`. */
enum fw_status fw_retention_init(struct fw_retention *retention, struct fw_transaction *transaction,
	struct fw_history *history, struct fw_firmware_files *files, int64_t days,
	struct fw_error *error);

/* When it is due, one transaction. *left: there may be more to delete now. FW_OK, or the error that
 * rolled it back. */
enum fw_status fw_retention_work(struct fw_retention *retention, bool *left);

#endif
