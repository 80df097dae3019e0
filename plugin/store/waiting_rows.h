/* Which waiting rows the scheduler is still to look at: tasks wait in the order in which their
 * sweeps were requested, and each is walked by device_id, a part at a time.
 *
 * For the store's own files; store thread only. */
#ifndef FW_STORE_WAITING_ROWS_H
#define FW_STORE_WAITING_ROWS_H

#include "store/device.h"

struct fw_sweeps;

/* `writer` is borrowed. FW_OK, or trouble with a sentence in `error`. The caller owns *out. */
enum fw_status fw_sweeps_open(
	struct fw_writer *writer, struct fw_sweeps **out, struct fw_error *error);
void fw_sweeps_close(struct fw_sweeps *sweeps); /* NULL is fine */

/* A task's waiting rows want a look. A sweep under way begins anew: rows behind it may wait again.
 * FW_OK or FW_NOMEM. */
enum fw_status fw_sweeps_request(
	struct fw_sweeps *sweeps, struct fw_slice task_id, struct fw_slice product);

/* Requests a sweep of each running task that has waiting rows. FW_OK, or trouble. */
enum fw_status fw_sweeps_request_running(struct fw_sweeps *sweeps);

/* Is there one? */
bool fw_sweeps_wait(const struct fw_sweeps *sweeps);

/* The devices of the next waiting rows of the first sweep, of which there must be one: at most
 * `most` into `found`, sets *count; fewer than `most`: it ends with them. FW_OK, or trouble. */
enum fw_status fw_sweeps_find(
	struct fw_sweeps *sweeps, struct fw_device_name *found, size_t most, size_t *count);

/* The first sweep came as far as the device `last` (NULL: no further), and that is kept. `done`:
 * none of its rows is left. */
void fw_sweeps_passed(struct fw_sweeps *sweeps, const char *last, bool done);

#endif
