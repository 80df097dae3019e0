/* What `watch` shows of a task. */
#ifndef FW_CTRL_WATCH_H
#define FW_CTRL_WATCH_H

#include <jansson.h>
#include <stdbool.h>

#define FW_CTRL_BAR_SIZE 31

/* The parts of its devices: # success, x failed, - canceled, > under way, blank: waiting. */
void fw_ctrl_bar(const json_t *task, char bar[FW_CTRL_BAR_SIZE]);

/* The line, harmless. */
void fw_ctrl_watch_line(const json_t *task, char *line, size_t size);

/* Is nothing of it open any more? */
bool fw_ctrl_watch_is_over(const json_t *task);

#endif
