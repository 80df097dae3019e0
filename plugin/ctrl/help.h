/* The texts of `help`. */
#ifndef FW_CTRL_HELP_H
#define FW_CTRL_HELP_H

#include <stdio.h>

#include "ctrl/table.h"

/* All sub-commands: the usage of each, and what it does. */
void fw_ctrl_help(FILE *out);
/* One sub-command with its options. */
void fw_ctrl_help_of(FILE *out, const struct fw_ctrl_command *command);
/* "createTask PRODUCT VERSION NAME", without the end of the line. */
void fw_ctrl_usage(FILE *out, const struct fw_ctrl_command *command);

#endif
