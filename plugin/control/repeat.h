/* A create that may be repeated: a script that got no answer sends it again, and succeeds if the
 * task that is there is what it asks for. Pure but for the commands; any thread. */
#ifndef FW_CONTROL_REPEAT_H
#define FW_CONTROL_REPEAT_H

#include "control/api.h"

/* True if `task`, as its GET answers it, is what `create` asks for. Numbers are compared by their
 * value, objects by the members that `create` has. Its devices are looked up by commands of
 * `asker`; which ones a tag or a filter chose when the task was made is not known any more. All is
 * borrowed. */
bool fw_repeat_is_same(const struct fw_api_commands *commands, const struct fw_asker *asker,
	const json_t *task, const json_t *create);

#endif
