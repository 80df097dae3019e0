/* `help`, made of the table of sub-commands. */
#include "ctrl/help.h"

#include <string.h>

#include "ctrl/arguments.h"
#include "ctrl/run.h"
#include "ctrl/values.h"

/* What usage shows behind an option. */
static const char *const values[] = {
	[FW_CTRL_TEXT] = " TEXT",
	[FW_CTRL_INTEGER] = " NUMBER",
	[FW_CTRL_FLAG] = "",
	[FW_CTRL_TEXTS] = " A,B,...",
	[FW_CTRL_JSON] = " JSON",
	[FW_CTRL_STAGES] = " STAGES",
	[FW_CTRL_SECONDS] = " TIME",
	[FW_CTRL_MINUTES] = " MINUTES",
	[FW_CTRL_CLOCK] = " HH:MM",
	[FW_CTRL_DAYS] = " mon,tue,...",
	[FW_CTRL_TIME] = " WHEN",
};

void fw_ctrl_usage(FILE *out, const struct fw_ctrl_command *command)
{
	struct fw_ctrl_place place;
	const char *at = NULL;
	char name[32];

	fputs(command->name, out);
	while (fw_ctrl_next_place(command, &at, &place)) {
		fw_ctrl_place_name(&place, name, sizeof(name));
		fprintf(out, place.may_lack ? " [%s%s]" : " %s%s", name,
			place.takes_rest ? "..." : "");
	}
}

/* True if the member must be given by its place, so that it is not listed as an option. */
static bool is_place(const struct fw_ctrl_command *command, const char *member)
{
	struct fw_ctrl_place place;
	const char *at = NULL;

	while (fw_ctrl_next_place(command, &at, &place)) {
		if (strlen(member) == place.len && strncmp(member, place.member, place.len) == 0)
			return !place.may_lack;
	}
	return false;
}

static void show_option(FILE *out, const char *name, const char *value, const char *help)
{
	char text[80];

	snprintf(text, sizeof(text), "%s%s", name, value);
	fprintf(out, strlen(text) < 34 ? "  %-34s %s\n" : "  %s\n%37s%s\n", text,
		strlen(text) < 34 ? help : "", help);
}

static void show_options(FILE *out, const struct fw_ctrl_command *command)
{
	const struct fw_ctrl_option *option = NULL;
	char name[64];

	while ((option = fw_ctrl_next_option(command, option))) {
		if (is_place(command, option->member))
			continue;
		fw_ctrl_option_name(option->member, name, sizeof(name));
		show_option(out, name, values[option->form], option->help);
	}
	if (command->lists)
		show_option(out, "--all", "", "all pages");
	if (command->run == fw_ctrl_watch) {
		show_option(out, "--interval", " TIME", "how often it looks, 1 s without it");
		show_option(out, "--exit-status", "", "status 13 when devices failed");
	}
	show_option(out, "--json", "", "the data as JSON");
}

void fw_ctrl_help_of(FILE *out, const struct fw_ctrl_command *command)
{
	fputs("Usage: mosquitto_ctrl [CONNECTION OPTION...] firmware ", out);
	fw_ctrl_usage(out, command);
	fprintf(out, " [OPTION...]\n\n%s\n\n", command->help);
	show_options(out, command);
	if (command->uses & (FW_CTRL_CREATE | FW_CTRL_MODIFY))
		fputs("\n--no-NAME instead of an option says false, or takes the value away.\n"
		      "--NAME-file PATH takes the value from a file; - is the input.\n",
			out);
}

void fw_ctrl_help(FILE *out)
{
	fputs("Firmware, devices and upgrade tasks of a broker with mosquitto_firmware.so.\n\n"
	      "Usage: mosquitto_ctrl [CONNECTION OPTION...] firmware SUBCOMMAND ...\n"
	      "       mosquitto_ctrl firmware help [SUBCOMMAND]\n\n",
		out);
	for (const struct fw_ctrl_command *command = fw_ctrl_commands; command->name; command++) {
		fputs("  ", out);
		fw_ctrl_usage(out, command);
		fprintf(out, "\n        %s\n", command->help);
	}
	fputs("\nThe user (-u) must be named by plugin_opt_admins, or by plugin_opt_admin_viewers "
	      "to read.\nSee mosquitto_ctrl_firmware(1).\n",
		out);
}
