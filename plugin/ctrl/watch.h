/* What `watch` shows of a task, which is the data of getTask. Pure. */
#ifndef FW_CTRL_WATCH_H
#define FW_CTRL_WATCH_H

#include <jansson.h>
#include <stdbool.h>

#define FW_CTRL_BAR_SIZE 31

/* The task's devices as a bar: # success, x failed, - canceled, > under way, blank: waiting. */
void fw_ctrl_bar(const json_t *task, char bar[FW_CTRL_BAR_SIZE]);

/* The bar, the counts, and what the task waits for, as one line that no terminal obeys. */
void fw_ctrl_watch_line(const json_t *task, char *line, size_t size);

/* True if no device waits or is under way, and none can come. A failed one may still be retried. */
bool fw_ctrl_watch_is_over(const json_t *task);

#endif
