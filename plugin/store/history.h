/* The logs of what devices said, progress_log and version_log; whether a progress is a redelivery;
 * and the deletion of old rows of all logs. For the store's own files; store thread only, inside a
 * transaction. */
#ifndef FW_STORE_HISTORY_H
#define FW_STORE_HISTORY_H

#include "protocol/uplink.h"
#include "store/task_device.h"

/* The firmware that a progress names: what the message left out is completed from the catalog.
 * Terminated, empty for unknown. */
struct fw_firmware_ref {
	char firmware_id[FW_ID_MAX + 1];
	char version[FW_VERSION_BUFFER];
};

struct fw_history;

/* `transaction` is borrowed. FW_OK, or an error with a message in `error`. The caller owns *out. */
enum fw_status fw_history_open(
	struct fw_transaction *transaction, struct fw_history **out, struct fw_error *error);
void fw_history_close(struct fw_history *history); /* NULL is fine */

/* Writes a row of progress_log. `task_id`: of the row that the progress is about, NULL if there is
 * none. FW_OK, or an error. */
enum fw_status fw_history_progress(struct fw_history *history, const struct fw_uplink *uplink,
	const struct fw_firmware_ref *firmware, const char *task_id);

/* Writes a row of version_log: the device runs another version than before. `previous` is empty
 * when that was unknown. FW_OK, or an error. */
enum fw_status fw_history_version(struct fw_history *history, const struct fw_uplink *uplink,
	struct fw_slice version, struct fw_slice previous);

/* *is_redelivered: this progress is in the log already, and came again because its acknowledgement
 * was lost. With a timestamp: an equal one was logged at `since` (Unix ms, 0: ever) or later.
 * Without: an equal one came by an earlier connection, at `since` or later, and at most ten minutes
 * ago. FW_OK, or an error. */
enum fw_status fw_history_is_redelivered(struct fw_history *history, const struct fw_uplink *uplink,
	const struct fw_firmware_ref *firmware, int64_t since, bool *is_redelivered);

/* Deletes at most `most` rows older than `before` (Unix ms) of each of progress_log, version_log
 * and admin_log; *left: some may remain. */
enum fw_status fw_history_prune(
	struct fw_history *history, int64_t before, int64_t most, bool *left);

#endif
