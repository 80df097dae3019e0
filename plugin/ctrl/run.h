/* A sub-command while it is carried out: what is asked for, by which connection, and where the
 * answer is shown. */
#ifndef FW_CTRL_RUN_H
#define FW_CTRL_RUN_H

#include <stdio.h>

#include "ctrl/arguments.h"
#include "ctrl/client.h"
#include "ctrl/table.h"

struct fw_ctrl_run {
	const struct fw_ctrl_command *command;
	struct fw_ctrl_asked asked;
	struct fw_ctrl_client *client;
	FILE *out;
	struct fw_error error; /* why it failed; empty: there is nothing to say */
};

/* Sends run->asked.command, and shows the answer: a table, its pages, or a record. False with
 * run->error. So are the next two. */
bool fw_ctrl_ask_and_show(struct fw_ctrl_run *run);

/* `watch`: shows a bar, drawn anew at each interval, until the task is over. */
bool fw_ctrl_watch(struct fw_ctrl_run *run);

/* `why`: shows what keeps a device from its upgrade, task by task. */
bool fw_ctrl_why(struct fw_ctrl_run *run);

/* Shows the data as JSON: in many lines, or in one. */
void fw_ctrl_show_json(FILE *out, const json_t *data, bool one_line);

#endif
