/* Which waiting rows the scheduler still has to look at: the sweeps of tasks, in the order in which
 * they were requested. Each is walked by device_id, a part at a time.
 *
 * For the store's own files; store thread only. */
#ifndef FW_STORE_WAITING_ROWS_H
#define FW_STORE_WAITING_ROWS_H

#include "store/device.h"

struct fw_waiting_rows;

/* `transaction` is borrowed. FW_OK, or an error with a message in `error`. The caller owns *out. */
enum fw_status fw_waiting_rows_open(
	struct fw_transaction *transaction, struct fw_waiting_rows **out, struct fw_error *error);
void fw_waiting_rows_close(struct fw_waiting_rows *waiting_rows); /* NULL is fine */

/* Requests a sweep of a task. A sweep under way begins anew: rows that it has passed may wait
 * again. FW_OK or FW_NOMEM. */
enum fw_status fw_waiting_rows_request(
	struct fw_waiting_rows *waiting_rows, struct fw_slice task_id, struct fw_slice product);

/* Requests a sweep of each running push task that has waiting rows and no rules of its own. FW_OK,
 * or an error. */
enum fw_status fw_waiting_rows_request_running(struct fw_waiting_rows *waiting_rows);

/* Is there a sweep? */
bool fw_waiting_rows_wait(const struct fw_waiting_rows *waiting_rows);

/* The devices of the next waiting rows of the first sweep, which must exist: at most `most` into
 * `found`, sets *count; fewer than `most`: the sweep ends with them. FW_OK, or an error. */
enum fw_status fw_waiting_rows_find(struct fw_waiting_rows *waiting_rows,
	struct fw_device_name *found, size_t most, size_t *count);

/* The transaction is committed in which the first sweep came as far as the device `last` (NULL: no
 * further). `done`: none of its rows is left. */
void fw_waiting_rows_passed(struct fw_waiting_rows *waiting_rows, const char *last, bool done);

#endif
