/* The values of options, from text to JSON. */
#ifndef FW_CTRL_VALUES_H
#define FW_CTRL_VALUES_H

#include <jansson.h>

#include "base/fw.h"
#include "ctrl/table.h"

/* The value as the command has it, a new reference; NULL with a sentence in `error`. */
json_t *fw_ctrl_value(
	const struct fw_ctrl_option *option, const char *text, struct fw_error *error);

/* The same of what is in a file ("-": standard input): of texts one a line, else all of it, without
 * the line's end behind it. At most a MiB. */
json_t *fw_ctrl_value_of_file(
	const struct fw_ctrl_option *option, const char *path, struct fw_error *error);

/* "1/95+2h:pause,10,100" or "5dev,100": each stage until so many per cent, or devices; of them so
 * many per cent must be proved; and hold for so long. */
json_t *fw_ctrl_stages(const char *text, struct fw_error *error);

/* "90", "15m": seconds. A number alone counts `unit` seconds. False: it is none. */
bool fw_ctrl_duration(const char *text, int64_t unit, int64_t *seconds);

/* --max-in-flight of maxInFlight, in `text`. */
void fw_ctrl_option_name(const char *member, char *text, size_t size);

#endif
