/* What `why` says of a device in a task. */
#ifndef FW_CTRL_WHY_H
#define FW_CTRL_WHY_H

#include <jansson.h>

/* What the waitsFor of a row of listTaskDevices, or its state, means, and what to do. Static, or
 * borrowed from the row. */
const char *fw_ctrl_why_means(const json_t *row);

#endif
