/* Which device is next to start in a task that has rules of its own.
 *
 * The task's waiting rows are walked in the order of their turns, a part at a time. The walk stops
 * where no place is left, and passes over devices that are away. A device that shows itself after
 * the walk has passed it, and gets no place, joins the line, which goes before the rest of the
 * walk. So places that come free are given in the order of turns, no device that is away holds up
 * others, and the task is not walked anew each time. Rows that were started before are walked
 * first, since a full stage does not hold them up. In a task without stages the walk is in the
 * order of the devices' ids, which needs no index of its own.
 *
 * For the store's own files; store thread only. */
#ifndef FW_STORE_START_LINE_H
#define FW_STORE_START_LINE_H

#include "store/device.h"
#include "store/rollouts.h"

struct fw_start_lines;

/* `transaction` is borrowed. FW_OK, or an error with a message in `error`. The caller owns *out. */
enum fw_status fw_start_lines_open(
	struct fw_transaction *transaction, struct fw_start_lines **out, struct fw_error *error);
void fw_start_lines_close(struct fw_start_lines *lines); /* NULL is fine */

/* Some of the task's rows may start. The walk goes on where it stands, or begins again. FW_OK or
 * FW_NOMEM. */
enum fw_status fw_start_lines_call(
	struct fw_start_lines *lines, const struct fw_rollout_call *call);

/* The device could start, if there were a place: it joins the line, unless the walk will come to
 * it. `again`: it was started before, so no stage bounds it, and it goes before all turns. FW_OK or
 * FW_NOMEM. */
enum fw_status fw_start_lines_join(struct fw_start_lines *lines, struct fw_slice task_id,
	struct fw_slice product, struct fw_slice device, int64_t turn, bool again);

/* No place is left in the task: none of its devices is next until the task is called. */
void fw_start_lines_rest(struct fw_start_lines *lines, struct fw_slice task_id);

/* Is a task called? */
bool fw_start_lines_wait(const struct fw_start_lines *lines);

/* The devices that are next in one of the called tasks: at most `most` into `found`, sets *count,
 * and `task_id` (FW_ID_MAX + 1 bytes). Devices that are offline are left out. *count 0: this part
 * of the walk has none, or no task is called. FW_OK, or an error. */
enum fw_status fw_start_lines_next(struct fw_start_lines *lines, char *task_id,
	struct fw_device_name *found, size_t most, size_t *count);

/* Of the devices that fw_start_lines_next found last, the first `count` were looked at; the others
 * come again. */
void fw_start_lines_passed(struct fw_start_lines *lines, size_t count);

#endif
