/* What the parts of apply share: an uplink under way, and what each kind of uplink does to the
 * catalog. For the files apply*.c only.
 *
 *   apply.c            the device of the uplink, and which kind it is
 *   apply_report.c     report: the device runs a version
 *   apply_progress.c   progress: how far an upgrade is, and how it ended
 *   apply_reply.c      upgrade/reply: the answer to a push
 *   apply_pull.c       pull: the version the device runs, and the firmware it was offered
 *   apply_version.c    what follows for rows of tasks from the version that the device runs
 *   apply_row.c        which row of a task an uplink is about
 *   apply_firmware.c   which firmware an uplink names */
#ifndef FW_STORE_APPLY_INTERNAL_H
#define FW_STORE_APPLY_INTERNAL_H

#include "catalog/db.h"
#include "store/apply.h"
#include "store/transition.h"

enum fw_apply_statement {
	FW_APPLY_FIRMWARE_BY_ID,
	FW_APPLY_FIRMWARE_BY_VERSION,
	FW_APPLY_STATEMENTS
};

/* The firmware found last: most progress of a fleet is about one firmware. It holds within one
 * transaction, in which nobody else changes the catalog. */
struct fw_apply_last_firmware {
	uint64_t transaction;
	bool by_id;
	char product[FW_ID_MAX + 1];
	char asked[FW_VERSION_BUFFER]; /* its id or its version */
	struct fw_firmware_ref found;
};

struct fw_apply {
	struct fw_apply_parts with;
	sqlite3_stmt *statements[FW_APPLY_STATEMENTS];
	struct fw_apply_last_firmware last_firmware;
	/* This uplink ended an upgrade by naming its version. The device may still send the
	 * progress that completes it. */
	bool target_reached;
	/* This uplink may be what the device's next push waits for: the scheduler looks at the
	 * device once the uplink is applied. */
	bool device_freed;
};

/* The connection by which the uplink came, as SQLite stores it; 0: unknown. */
static inline int64_t fw_apply_connection_of(const struct fw_uplink *uplink)
{
	return (int64_t)uplink->connection;
}

/* One function a kind of uplink. `device` is the row of its device. FW_OK, FW_INVALID when the
 * catalog's rules refuse it, or an error. */
enum fw_status fw_apply_report(
	struct fw_apply *apply, const struct fw_uplink *uplink, struct fw_device *device);
enum fw_status fw_apply_progress(
	struct fw_apply *apply, const struct fw_uplink *uplink, struct fw_device *device);
enum fw_status fw_apply_reply(
	struct fw_apply *apply, const struct fw_uplink *uplink, struct fw_device *device);
enum fw_status fw_apply_pull(
	struct fw_apply *apply, const struct fw_uplink *uplink, struct fw_device *device);

/* Records that the device runs `version`, by its own report. */
enum fw_status fw_apply_version_record(struct fw_apply *apply, const struct fw_uplink *uplink,
	struct fw_device *device, struct fw_slice version);
/* Writes the history of versions, when `version` is new (`is_new`). */
enum fw_status fw_apply_version_log(struct fw_apply *apply, const struct fw_uplink *uplink,
	const struct fw_device *device, struct fw_slice version, bool is_new);
/* Rows of tasks to `version` have reached their end. */
enum fw_status fw_apply_version_end_reached(
	struct fw_apply *apply, const struct fw_uplink *uplink, struct fw_slice version);
/* Rows of tasks to other versions: those whose version the device has passed end. A row under way
 * fails or is repeated, if the device itself `reported` the version. Rows of `version` itself that
 * waited for the end of a row under way succeed. */
enum fw_status fw_apply_version_review_others(struct fw_apply *apply,
	const struct fw_uplink *uplink, struct fw_slice version, bool reported);
/* Rows of other versions that are on trial, or were given up as lost: the device went back. */
enum fw_status fw_apply_version_review_trials(
	struct fw_apply *apply, const struct fw_uplink *uplink, struct fw_slice version);
/* The device has told its version: no later message is about what was sent to it before. */
enum fw_status fw_apply_version_forget_sendings(
	struct fw_apply *apply, const struct fw_uplink *uplink);

/* Finds the row that a progress or an upgrade/reply is about, and the firmware that it names.
 * *count is 0 or 1. FW_OK, or an error. */
enum fw_status fw_apply_row_find(struct fw_apply *apply, const struct fw_uplink *uplink,
	struct fw_firmware_ref *firmware, struct fw_task_device *row, size_t *count);
/* Carries out the transition of `event` on a row, with what the uplink says. FW_OK, FW_INVALID when
 * the catalog's rules refuse it, or an error. */
enum fw_status fw_apply_row_step(struct fw_apply *apply, const struct fw_uplink *uplink,
	struct fw_task_device *row, enum fw_upgrade_event event);
/* May the device defer the row's upgrade by this uplink? *until: when the upgrade becomes
 * mandatory, in Unix milliseconds; -1: never. */
bool fw_apply_row_may_defer(
	const struct fw_uplink *uplink, const struct fw_task_device *row, int64_t *until);
/* Was the uplink sent before the attempt under way began? Then it is not about that attempt. */
bool fw_apply_row_said_before(const struct fw_uplink *uplink, const struct fw_task_device *row);

extern const char *const fw_apply_firmware_sql[FW_APPLY_STATEMENTS];
/* In *found the id and the version of a product's firmware, asked for by the one or the other.
 * Inside a transaction. FW_OK, FW_NOT_FOUND, or an error. */
enum fw_status fw_apply_firmware_query(struct fw_apply *apply, struct fw_slice product,
	struct fw_slice asked, bool by_id, struct fw_firmware_ref *found);

#endif
