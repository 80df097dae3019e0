/* The logs of what devices said, progress_log and version_log; and whether a progress was said
 * before. For the store's own files; store thread only, inside a transaction. */
#ifndef FW_STORE_HISTORY_H
#define FW_STORE_HISTORY_H

#include "protocol/uplink.h"
#include "store/task_device.h"

/* The firmware that a progress names, as far as it does or the catalog knows; terminated, empty for
 * none. */
struct fw_firmware_ref {
	char firmware_id[FW_ID_MAX + 1];
	char version[FW_VERSION_BUFFER];
};

struct fw_history;

/* `transaction` is borrowed. FW_OK, or an error with a message in `error`. The caller owns *out. */
enum fw_status fw_history_open(
	struct fw_transaction *transaction, struct fw_history **out, struct fw_error *error);
void fw_history_close(struct fw_history *history); /* NULL is fine */

/* `task_id`: of the row that the progress is about, NULL if there is none. */
enum fw_status fw_history_progress(struct fw_history *history, const struct fw_uplink *uplink,
	const struct fw_firmware_ref *named, const char *task_id);

/* The device runs another version than before; `previous` is empty when it was unknown. */
enum fw_status fw_history_version(struct fw_history *history, const struct fw_uplink *uplink,
	struct fw_slice version, struct fw_slice previous);

/* *again: this progress is in the log already, and came now because its acknowledgement was lost.
 * With a time of its own an equal one is; without, an equal one by an earlier connection, at
 * `since` (Unix ms) or later, less than ten minutes ago. */
enum fw_status fw_history_is_redelivered(struct fw_history *history, const struct fw_uplink *uplink,
	const struct fw_firmware_ref *named, int64_t since, bool *again);

/* Deletes at most `most` rows of each log that are older than `before` (Unix ms); *left: some
 * remain. */
enum fw_status fw_history_prune(
	struct fw_history *history, int64_t before, int64_t most, bool *left);

#endif
