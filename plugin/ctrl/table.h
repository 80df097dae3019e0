/* The sub-commands of `mosquitto_ctrl firmware`, as one table. The module has no code of the table
 * of commands (control/commands.h); tests/unit/ctrl/test_ctrl_table.c holds the two together. */
#ifndef FW_CTRL_TABLE_H
#define FW_CTRL_TABLE_H

#include <stdbool.h>
#include <stddef.h>

/* How a value is written on the command line. */
enum fw_ctrl_form {
	FW_CTRL_TEXT,
	FW_CTRL_INTEGER,
	FW_CTRL_FLAG,    /* no value: --allow-downgrade, --no-allow-downgrade */
	FW_CTRL_TEXTS,   /* with commas between; may be repeated */
	FW_CTRL_JSON,    /* an object */
	FW_CTRL_STAGES,  /* 1/95+2h,10,100 */
	FW_CTRL_SECONDS, /* 90, 90s, 15m, 2h, 1d */
	FW_CTRL_MINUTES, /* 90, 15m, 2h, 1d */
	FW_CTRL_CLOCK,   /* 22:30, as minutes of the day */
	FW_CTRL_DAYS,    /* mon,tue, as bits */
	FW_CTRL_TIME,    /* 2026-12-24T08:00, with Z for UTC; or +2h; or Unix ms */
};

/* For which commands an option is: bits, as in the table of commands. */
enum fw_ctrl_use {
	FW_CTRL_CREATE = 1,
	FW_CTRL_MODIFY = 2,
	FW_CTRL_NAME = 4,
	FW_CTRL_LIST = 8,
};

/* A member of commands. On the command line maxInFlight is --max-in-flight. An array ends with one
 * whose member is NULL. */
struct fw_ctrl_option {
	const char *member; /* "filter.version" is the member version of the object filter */
	enum fw_ctrl_form form;
	unsigned uses;    /* enum fw_ctrl_use */
	const char *help; /* a phrase */
};

struct fw_ctrl_run;

struct fw_ctrl_command {
	const char *name;
	/* Members that are given by their place, with a space between: "[name]" may be left out;
	 * "devices..." takes all that follow; "version|firmwareId" is no place when the option
	 * --firmware-id is given. NULL: none. */
	const char *places;
	const struct fw_ctrl_option *options; /* those with a bit of `uses`; NULL: none */
	unsigned uses;
	bool lists; /* answers pages of items: --count, --after, --all */
	/* "mode=push name=@version": what is sent when it is not given; @: that of another member.
	 * NULL: nothing. */
	const char *defaults;
	/* Members that people are shown, of each item or of the data; NULL: all that are there. */
	const char *columns;
	const char *help; /* a sentence */
	/* Carries it out; false with run->error. NULL: fw_ctrl_ask_and_show, with the command of
	 * this name. */
	bool (*run)(struct fw_ctrl_run *run);
};

extern const struct fw_ctrl_option fw_ctrl_product_options[], fw_ctrl_firmware_options[],
	fw_ctrl_device_options[], fw_ctrl_history_options[], fw_ctrl_file_options[],
	fw_ctrl_task_options[], fw_ctrl_pause_options[], fw_ctrl_preview_options[],
	fw_ctrl_task_device_options[], fw_ctrl_changed_options[], fw_ctrl_task_view_options[],
	fw_ctrl_log_options[], fw_ctrl_download_options[], fw_ctrl_stuck_options[],
	fw_ctrl_admin_log_options[], fw_ctrl_page_options[];

/* In the order of the documents; behind the last, one whose name is NULL. */
extern const struct fw_ctrl_command fw_ctrl_commands[];

/* The sub-command of this name, in upper or lower case. NULL: there is none. */
const struct fw_ctrl_command *fw_ctrl_command_find(const char *name);

/* The options that a command takes, one after the other, `count` and `after` of lists among them:
 * `previous` NULL begins, NULL is returned behind the last. */
const struct fw_ctrl_option *fw_ctrl_next_option(
	const struct fw_ctrl_command *command, const struct fw_ctrl_option *previous);

/* The option of this member; NULL: there is none. */
const struct fw_ctrl_option *fw_ctrl_option_of(
	const struct fw_ctrl_command *command, const char *member, size_t len);

/* A member that is given by its place. */
struct fw_ctrl_place {
	const char *member; /* not terminated */
	size_t len;
	bool may_lack, takes_rest;
	const char *instead; /* the option that stands for it, not terminated; NULL: none */
	size_t instead_len;
};

/* The next place of command->places behind *at, which is NULL at first. False behind the last. */
bool fw_ctrl_next_place(
	const struct fw_ctrl_command *command, const char **at, struct fw_ctrl_place *place);

#endif
