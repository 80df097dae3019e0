/* The sub-commands agree with the table of commands: each command has one, each member an option,
 * and what must be given has a place, or goes without saying. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "control/commands.h"
#include "ctrl/arguments.h"
#include "ctrl/run.h"
#include "ctrl/table.h"
#include "ctrl/values.h"

static unsigned wrong;

static void complain(const char *command, const char *member, const char *text)
{
	fprintf(stderr, "%s %s: %s\n", command, member, text);
	wrong++;
}

/* The command that a sub-command is, or begins with. */
static const struct fw_command_info *command_of(const struct fw_ctrl_command *sub)
{
	const char *name = sub->run == fw_ctrl_watch ? "getTask"
		: sub->run == fw_ctrl_why            ? "getDeviceHistory"
						     : sub->name;

	return fw_commands_find(name);
}

static bool fits(enum fw_member_type type, enum fw_ctrl_form form)
{
	switch (form) {
	case FW_CTRL_TEXT:
		return type == FW_MEMBER_TEXT;
	case FW_CTRL_FLAG:
		return type == FW_MEMBER_BOOLEAN;
	case FW_CTRL_TEXTS:
		return type == FW_MEMBER_TEXTS;
	case FW_CTRL_JSON:
		return type == FW_MEMBER_OBJECT;
	case FW_CTRL_STAGES:
		return type == FW_MEMBER_OBJECTS;
	default:
		return type == FW_MEMBER_INTEGER;
	}
}

/* Is it given in every case: by its place, or as a default? */
static bool is_always_given(const struct fw_ctrl_command *sub, const char *member)
{
	struct fw_ctrl_place place;
	const char *at = NULL;
	size_t len = strlen(member);

	while (fw_ctrl_next_place(sub, &at, &place)) {
		if (place.len == len && memcmp(place.member, member, len) == 0 && !place.may_lack)
			return true;
	}
	at = sub->defaults ? strstr(sub->defaults, member) : NULL;
	return at && at[len] == '=';
}

static void check_member(const struct fw_ctrl_command *sub, const struct fw_command_info *info,
	const struct fw_command_member *member, const char *name)
{
	const struct fw_ctrl_option *option = fw_ctrl_option_of(sub, name, strlen(name));

	if (!option)
		complain(sub->name, name, "the command takes it, and there is no option");
	else if (!fits(member->type, option->form))
		complain(sub->name, name, "the option is of another type");
	if (fw_command_requires(info, member) && !is_always_given(sub, name))
		complain(sub->name, name, "must be given, and may be left out");
}

static void check_members(const struct fw_ctrl_command *sub, const struct fw_command_info *info)
{
	const struct fw_command_member *member = NULL;
	char name[64];

	while ((member = fw_command_next_member(info, member))) {
		if (sub->run &&
			(strcmp(member->name, "count") == 0 || strcmp(member->name, "after") == 0))
			continue;
		if (member->type != FW_MEMBER_RECORD) {
			check_member(sub, info, member, member->name);
			continue;
		}
		for (const struct fw_command_member *m = member->members; m->name; m++) {
			snprintf(name, sizeof(name), "%s.%s", member->name, m->name);
			check_member(sub, info, m, name);
		}
	}
}

static bool takes(const struct fw_command_info *info, const char *name)
{
	const struct fw_command_member *member = NULL;
	size_t len = strcspn(name, ".");

	while ((member = fw_command_next_member(info, member))) {
		if (strlen(member->name) == len && memcmp(member->name, name, len) == 0)
			return true;
	}
	return false;
}

static void check_options(const struct fw_ctrl_command *sub, const struct fw_command_info *info)
{
	const struct fw_ctrl_option *option = NULL;

	while ((option = fw_ctrl_next_option(sub, option))) {
		if (!takes(info, option->member))
			complain(sub->name, option->member, "is no member of the command");
		if (!option->help || !option->help[0])
			complain(sub->name, option->member, "has no help");
	}
}

/* Are the columns members of the answer? */
static void check_columns(const struct fw_ctrl_command *sub, const struct fw_command_info *info)
{
	char column[64];
	int len;

	for (const char *at = sub->columns; at && sscanf(at, " %63s%n", column, &len) == 1;
		at += len) {
		const struct fw_command_member *member = info->answer;

		while (member && member->name &&
			(!(member->uses & FW_USE_ANSWER) || strcmp(member->name, column) != 0))
			member++;
		/* of retryTask, which answers the task and this */
		if ((!member || !member->name) && strcmp(column, "changed") != 0)
			complain(sub->name, column, "is nowhere in the answer");
	}
}

static void test_sub_commands_are_commands(void **state)
{
	(void)state;
	for (const struct fw_ctrl_command *sub = fw_ctrl_commands; sub->name; sub++) {
		const struct fw_command_info *info = command_of(sub);

		assert_non_null(info);
		check_members(sub, info);
		check_options(sub, info);
		check_columns(sub, info);
		if (!sub->run && strcmp(sub->help, info->help) != 0)
			complain(sub->name, "", "has another sentence than the command");
		if (!sub->run && sub->lists != (info->shape == FW_ANSWER_PAGE))
			complain(sub->name, "", "only one of both is a list");
	}
	assert_int_equal(wrong, 0);
}

static void test_each_command_has_one(void **state)
{
	size_t count;
	const struct fw_command_info *table = fw_commands_table(&count);

	(void)state;
	for (size_t i = 0; i < count; i++) {
		const struct fw_ctrl_command *sub = fw_ctrl_command_find(table[i].name);

		if (!sub)
			complain(table[i].name, "", "has no sub-command");
	}
	assert_int_equal(wrong, 0);
	assert_true(fw_ctrl_command_find("LISTTASKS") == fw_ctrl_command_find("listTasks"));
	assert_null(fw_ctrl_command_find("list"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sub_commands_are_commands),
		cmocka_unit_test(test_each_command_has_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
