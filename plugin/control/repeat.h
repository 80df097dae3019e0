/* A create that may be repeated: a script that got no answer sends it again, and is told that all
 * is well, if what is there is what it asked for. */
#ifndef FW_CONTROL_REPEAT_H
#define FW_CONTROL_REPEAT_H

#include "control/api.h"

/* Is `task`, as its GET answers it, what `create` asks for? Numbers are compared by their value,
 * and of objects the members that were asked for. Devices are looked up, by commands as `asker`;
 * whom a tag or a filter chose when the task was made is not known any more. Borrowed. */
bool fw_repeat_is_same(const struct fw_api_commands *commands, const struct fw_asker *asker,
	const json_t *task, const json_t *create);

#endif
