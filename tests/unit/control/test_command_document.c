/* plugin/doc/control.md has the table of commands as the program has it. What is missing there is
 * printed, to be put in. DOCUMENT is its path. */
#include "control/commands_fixture.h"

#include "control/internal.h"

static char *document;

static const struct {
	const struct fw_command_member *members;
	const char *title;
} subjects[] = {
	{fw_product_members, "products"},
	{fw_versions_members, "versions"},
	{fw_firmware_members, "firmware"},
	{fw_device_members, "devices"},
	{fw_history_members, "history"},
	{fw_file_members, "files"},
	{fw_task_members, "tasks"},
	{fw_stage_members, "stages"},
	{fw_pause_members, "pause"},
	{fw_preview_members, "preview"},
	{fw_task_device_members, "devices of a task"},
	{fw_changed_members, "changes"},
	{fw_failure_members, "failures"},
	{fw_progress_members, "progress"},
	{fw_task_log_members, "log of tasks"},
	{fw_download_members, "downloads"},
	{fw_stuck_members, "stuck devices"},
	{fw_admin_log_members, "log of commands"},
	{fw_details_members, "details"},
};

static const char *const types[] = {
	[FW_MEMBER_TEXT] = "string",
	[FW_MEMBER_INTEGER] = "integer",
	[FW_MEMBER_NUMBER] = "number",
	[FW_MEMBER_BOOLEAN] = "boolean",
	[FW_MEMBER_OBJECT] = "object",
	[FW_MEMBER_TEXTS] = "strings",
	[FW_MEMBER_OBJECTS] = "objects",
	[FW_MEMBER_RECORD] = "object",
};

static unsigned missing;

static void expect(const char *line)
{
	if (strlen(line) > 101)
		missing += (unsigned)fprintf(stderr, "%zu columns: %s", strlen(line), line);
	if (strstr(document, line))
		return;
	fputs(line, stderr);
	missing++;
}

static const char *title_of(const struct fw_command_member *members)
{
	for (size_t i = 0; members && i < sizeof(subjects) / sizeof(subjects[0]); i++) {
		if (subjects[i].members == members)
			return subjects[i].title;
	}
	return "";
}

static void test_commands_are_told(void **state)
{
	size_t count;
	const struct fw_command_info *table = fw_commands_table(&count);
	char line[256];

	(void)state;
	for (size_t i = 0; i < count; i++) {
		const struct fw_command_member *of =
			table[i].members ? table[i].members : table[i].answer;

		assert_string_not_equal(title_of(of), "");
		snprintf(line, sizeof(line), "| `%s` | %s | %s | %s |\n", table[i].name,
			table[i].writes                            ? "writes"
				: table[i].shape == FW_ANSWER_PAGE ? "list"
								   : "",
			title_of(of), table[i].help);
		expect(line);
	}
	assert_int_equal(missing, 0);
}

/* "**C** M A": a bold one must be given. */
static void write_uses(const struct fw_command_member *member, char *text, size_t size)
{
	static const struct {
		unsigned use;
		char letter;
	} uses[] = {{FW_USE_CREATE, 'C'}, {FW_USE_NAME, 'N'}, {FW_USE_MODIFY, 'M'},
		{FW_USE_FILTER, 'L'}, {FW_USE_ANSWER, 'A'}};
	size_t len = 0;

	text[0] = '\0';
	for (size_t i = 0; i < sizeof(uses) / sizeof(uses[0]); i++) {
		const char *bold = member->required & uses[i].use ? "**" : "";

		if (member->uses & uses[i].use)
			len += (size_t)snprintf(text + len, size - len, "%s%s%c%s", len ? " " : "",
				bold, uses[i].letter, bold);
	}
}

static void test_members_are_told(void **state)
{
	char line[256], uses[64];

	(void)state;
	for (size_t i = 0; i < sizeof(subjects) / sizeof(subjects[0]); i++) {
		snprintf(line, sizeof(line), "### Members: %s\n", subjects[i].title);
		expect(line);
		for (const struct fw_command_member *m = subjects[i].members; m->name; m++) {
			write_uses(m, uses, sizeof(uses));
			snprintf(line, sizeof(line), "| `%s` | %s | %s | %s |\n", m->name,
				types[m->type], uses, m->help);
			expect(line);
		}
	}
	assert_int_equal(missing, 0);
}

static int read_document(void **state)
{
	FILE *file = fopen(DOCUMENT, "r");
	size_t size = 1 << 20;

	(void)state;
	assert_non_null(file);
	document = calloc(1, size);
	assert_non_null(document);
	assert_true(fread(document, 1, size - 1, file) < size - 1);
	fclose(file);
	return 0;
}

static int free_document(void **state)
{
	(void)state;
	free(document);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_commands_are_told),
		cmocka_unit_test(test_members_are_told),
	};

	return cmocka_run_group_tests(tests, read_document, free_document);
}
