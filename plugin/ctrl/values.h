/* Reads the values of options, from text to JSON. */
#ifndef FW_CTRL_VALUES_H
#define FW_CTRL_VALUES_H

#include <jansson.h>

#include "base/fw.h"
#include "ctrl/table.h"

/* The value as the command has it, a new reference; NULL with a sentence in `error`. */
json_t *fw_ctrl_value(
	const struct fw_ctrl_option *option, const char *text, struct fw_error *error);

/* The value that a file of at most 1 MiB has ("-": standard input): of FW_CTRL_TEXTS a text each
 * line, else the whole file without line ends behind it. As fw_ctrl_value. */
json_t *fw_ctrl_value_of_file(
	const struct fw_ctrl_option *option, const char *path, struct fw_error *error);

/* The stages of "1/95+2h:pause,10,100" or "5dev,100": see stages.c. As fw_ctrl_value. */
json_t *fw_ctrl_stages(const char *text, struct fw_error *error);

/* Reads "90" or "15m" as *seconds; a number alone counts `unit` seconds. False: it is neither. */
bool fw_ctrl_duration(const char *text, int64_t unit, int64_t *seconds);

/* --max-in-flight of maxInFlight, in `text`. */
void fw_ctrl_option_name(const char *member, char *text, size_t size);

#endif
