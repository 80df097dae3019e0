/* Deletes rows of the logs that are older than log_retention_days, some at a time. The wall clock
 * alone deletes nothing: a clock that was ahead for a minute would take the whole history with it.
 * See fw_clock_believed. For the store's own files; store thread only. */
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
	bool another_boot; /* the steady clock went on by the wall clock */
	bool held_told;
	int64_t next; /* boot ms */
};

/* After fw_transaction_open, before the first transaction: reads how far the clock was believed.
 * FW_OK; else a sentence is in `error`. */
enum fw_status fw_retention_init(struct fw_retention *retention, struct fw_transaction *transaction,
	struct fw_history *history, struct fw_firmware_files *files, int64_t days,
	struct fw_error *error);

/* When it is due, one transaction. *left: there is more to delete now. */
enum fw_status fw_retention_work(struct fw_retention *retention, bool *left);

#endif
