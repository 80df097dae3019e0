/* Who is next to start in a task that has rules of its own. Its waiting rows are walked in their
 * turn, a part at a time, and the walk stops where no place is left. A device that shows itself
 * behind the walk's back, and finds no place, joins the line, which goes before the rest of the
 * walk. So places that come free are given in the order of turns, and nobody who is away holds
 * anybody up, without a look at the whole task each time. Rows that were started before are walked
 * first: a stage that is full holds up the others alone. In a task without stages any order will
 * do: that of the devices' ids, which needs no index of its own.
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

/* Some of the task's rows may start. The walk goes on where it stands, or begins anew. FW_OK or
 * FW_NOMEM. */
enum fw_status fw_start_lines_call(
	struct fw_start_lines *lines, const struct fw_rollout_call *call);

/* The device may start but for a place. `again`: it was started before, so that no stage bounds it:
 * it goes before those of any turn, who may wait for the stage. FW_OK or FW_NOMEM. */
enum fw_status fw_start_lines_join(struct fw_start_lines *lines, struct fw_slice task_id,
	struct fw_slice product, struct fw_slice device, int64_t turn, bool again);

/* No place is left in the task: nobody of it is next until it is called. */
void fw_start_lines_rest(struct fw_start_lines *lines, struct fw_slice task_id);

/* Is anybody next? */
bool fw_start_lines_wait(const struct fw_start_lines *lines);

/* The devices that are next in one of the tasks that were called: at most `most` into `found`, sets
 * *count, and `task_id` (FW_ID_MAX + 1 bytes). Those known to be away are left out. *count 0: that
 * task has nobody left, or there was none. FW_OK, or an error. */
enum fw_status fw_start_lines_next(struct fw_start_lines *lines, char *task_id,
	struct fw_device_name *found, size_t most, size_t *count);

/* Of what fw_start_lines_next found last, the first `count` were looked at; the others come again.
 */
void fw_start_lines_passed(struct fw_start_lines *lines, size_t count);

#endif
