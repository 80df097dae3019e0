/* Makes the words behind a sub-command on the command line the command that is sent. */
#ifndef FW_CTRL_ARGUMENTS_H
#define FW_CTRL_ARGUMENTS_H

#include <jansson.h>

#include "base/fw.h"
#include "ctrl/table.h"

struct fw_ctrl_asked {
	json_t *command;  /* {"command", members...}; owned */
	bool json;        /* --json: the data as it is */
	bool all;         /* --all: all pages of a list */
	bool help;        /* --help: nothing is sent */
	bool exit_status; /* --exit-status, of watch */
	int64_t interval; /* --interval, of watch: seconds */
};

/* Reads the `argc` words behind the name of the sub-command, and reorders `argv`. False with a
 * sentence in `error`; then there is nothing to free. */
bool fw_ctrl_arguments(const struct fw_ctrl_command *command, int argc, char **argv,
	struct fw_ctrl_asked *asked, struct fw_error *error);

/* How usage calls a place: PRODUCT of productId, in `text`. */
void fw_ctrl_place_name(const struct fw_ctrl_place *place, char *text, size_t size);

#endif
