/* Words of the command line, as the command that is sent, and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "ctrl/arguments.h"
#include "ctrl/values.h"

static struct fw_error error;

/* Reads a line, its words parted by single spaces; "_" in a word is a space. NULL: refused. */
static json_t *read_line(const char *line, struct fw_ctrl_asked *asked)
{
	char copy[512], *words[32], *rest = copy;
	int count = 0;
	const struct fw_ctrl_command *command;

	snprintf(copy, sizeof(copy), "%s", line);
	for (char *word; (word = strsep(&rest, " ")); words[count++] = word) {
		for (char *at = word; (at = strchr(at, '_')); *at = ' ')
			;
	}
	command = fw_ctrl_command_find(words[0]);
	assert_non_null(command);
	error = (struct fw_error){""};
	if (!fw_ctrl_arguments(command, count - 1, words + 1, asked, &error))
		return NULL;
	return asked->command;
}

/* Both as JSON with sorted members. */
static void becomes(const char *line, const char *expected)
{
	struct fw_ctrl_asked asked;
	json_t *command = read_line(line, &asked), *wanted = json_loads(expected, 0, NULL);
	char *text;

	assert_non_null(wanted);
	if (!command)
		fail_msg("%s: %s", line, error.text);
	json_object_set_new(wanted, "command", json_incref(json_object_get(command, "command")));
	text = json_dumps(command, JSON_COMPACT | JSON_SORT_KEYS);
	if (!json_equal(command, wanted))
		fail_msg("%s\nis: %s\nnot: %s", line, text, expected);
	free(text);
	json_decref(command);
	json_decref(wanted);
}

static void refuses(const char *line, const char *sentence)
{
	struct fw_ctrl_asked asked;
	json_t *command = read_line(line, &asked);

	if (command) {
		json_decref(command);
		fail_msg("%s: not refused", line);
	}
	if (!strstr(error.text, sentence))
		fail_msg("%s: '%s', not '%s'", line, error.text, sentence);
}

static void test_places(void **state)
{
	(void)state;
	becomes("getDetails", "{}");
	becomes("createProduct lamp", "{\"productId\":\"lamp\"}");
	becomes("createProduct lamp Die_Lampe", "{\"productId\":\"lamp\",\"name\":\"Die Lampe\"}");
	becomes("createFirmware lamp 2.0 3 --file x.bin",
		"{\"productId\":\"lamp\",\"version\":\"2.0\",\"versionOrder\":3,\"file\":\"x.bin\","
		"\"name\":\"2.0\"}");
	becomes("listTasks", "{}");
	becomes("stopTaskDevices t a,b -- -c", "{\"taskId\":\"t\",\"devices\":[\"a,b\",\"-c\"]}");
	becomes("addTaskDevices t --tag hall", "{\"taskId\":\"t\",\"tag\":\"hall\"}");
	becomes("addTaskDevices t --devices a,b --devices c",
		"{\"taskId\":\"t\",\"devices\":[\"a\",\"b\",\"c\"]}");
	becomes("createTask --firmware-id f Spring --mode pull",
		"{\"firmwareId\":\"f\",\"name\":\"Spring\",\"mode\":\"pull\"}");
	becomes("createTask lamp 2.0 Spring",
		"{\"productId\":\"lamp\",\"version\":\"2.0\","
		"\"name\":\"Spring\",\"mode\":\"push\"}");
	becomes("watch t --interval 5s --exit-status", "{\"taskId\":\"t\"}");
	refuses("createTask lamp 2.0", "createTask: NAME is missing");
	refuses("createFirmware lamp 2.0", "VERSION-ORDER is missing");
	refuses("getTask", "TASK is missing");
	refuses("stopTaskDevices t", "DEVICE is missing");
	refuses("getTask a b", "'b' is one word too many");
	refuses("getProduct lamp --product-id oven", "productId is given twice");
}

static void test_option_names(void **state)
{
	(void)state;
	becomes("modifyTask t --max-in-flight 5", "{\"taskId\":\"t\",\"maxInFlight\":5}");
	becomes("modifyTask t --maxInFlight=5", "{\"taskId\":\"t\",\"maxInFlight\":5}");
	becomes("modifyTask t --no-max-in-flight", "{\"taskId\":\"t\",\"maxInFlight\":null}");
	becomes("modifyTask t --allow-downgrade --no-continuous",
		"{\"taskId\":\"t\",\"allowDowngrade\":true,\"continuous\":false}");
	becomes("modifyTask t --description --json",
		"{\"taskId\":\"t\",\"description\":\"--json\"}");
	becomes("listTasks --state running --count 5 --all", "{\"state\":\"running\",\"count\":5}");
	becomes("previewTask lamp 2.0 --filter-version 1.0 --filter-presence online",
		"{\"productId\":\"lamp\",\"version\":\"2.0\","
		"\"filter\":{\"version\":\"1.0\",\"presence\":\"online\"}}");
	refuses("modifyTask t --max-in-fligt 5", "modifyTask has no option --max-in-fligt");
	refuses("modifyTask t --max-in-flight", "its value is missing");
	refuses("modifyTask t --max-in-flight 5 --max-in-flight 6", "given twice");
	refuses("modifyTask t --allow-downgrade=1", "no option");
	refuses("modifyTask t --tag hall", "modifyTask has no option --tag");
	refuses("listTasks -u ada", "stand before the word firmware");
	refuses("getTask t --all", "no option --all");
	refuses("getTask t --interval 5", "no option --interval");
	refuses("watch t --interval 0", "not a time");
}

static void test_own_options(void **state)
{
	struct fw_ctrl_asked asked;

	(void)state;
	json_decref(read_line("listTasks --json --all", &asked));
	assert_true(asked.json && asked.all && !asked.help && asked.interval == 1);
	json_decref(read_line("watch t --interval 2m --exit-status", &asked));
	assert_true(asked.interval == 120 && asked.exit_status && !asked.json);
	json_decref(read_line("createTask --help", &asked));
	assert_true(asked.help);
}

static void test_values(void **state)
{
	(void)state;
	becomes("modifyTask t --timeout-seconds 90", "{\"taskId\":\"t\",\"timeoutSeconds\":90}");
	becomes("modifyTask t --timeout-seconds 2h", "{\"taskId\":\"t\",\"timeoutSeconds\":7200}");
	becomes("modifyTask t --window-start 22:30 --window-minutes 2h --window-days Mon,sun",
		"{\"taskId\":\"t\",\"windowStart\":1350,\"windowMinutes\":120,\"windowDays\":65}");
	becomes("modifyTask t --start-at 2026-12-24T08:00Z --end-at 2026-12-24T08:00:01Z",
		"{\"taskId\":\"t\",\"startAt\":1798099200000,\"endAt\":1798099201000}");
	becomes("modifyTask t --start-at 2040-01-01T00:00Z",
		"{\"taskId\":\"t\",\"startAt\":2208988800000}");
	becomes("modifyTask t --start-at 1798099200000",
		"{\"taskId\":\"t\",\"startAt\":1798099200000}");
	becomes("modifyFirmware f --parameters {\"a\":[1]}",
		"{\"firmwareId\":\"f\",\"parameters\":{\"a\":[1]}}");
	becomes("modifyDevice p d --tags a,,b,",
		"{\"productId\":\"p\",\"deviceId\":\"d\","
		"\"tags\":[\"a\",\"b\"]}");
	becomes("modifyDevice p d --utc-offset-minutes -90",
		"{\"productId\":\"p\",\"deviceId\":\"d\",\"utcOffsetMinutes\":-90}");
	refuses("modifyTask t --max-in-flight 5x", "it must be a whole number");
	refuses("modifyTask t --max-in-flight 99999999999999999999", "whole number");
	refuses("modifyTask t --timeout-seconds 5y", "such as 90, 15m, 2h or 1d");
	refuses("modifyTask t --timeout-seconds -5", "such as 90");
	refuses("modifyTask t --timeout-seconds 9223372036854775807d", "such as 90");
	refuses("modifyTask t --window-minutes 90s", "minutes");
	refuses("modifyTask t --window-start 24:00", "22:30");
	refuses("modifyTask t --window-days mon,mo", "mon,tue");
	refuses("modifyTask t --start-at tomorrow", "2026-12-24T08:00");
	refuses("modifyTask t --start-at 2026-12-24T08:00X", "2026-12-24T08:00");
	refuses("modifyFirmware f --parameters {", "a JSON object");
	refuses("modifyTask t --name \xff", "UTF-8");
}

static void test_stages(void **state)
{
	(void)state;
	becomes("modifyTask t --stages 1,10,100",
		"{\"taskId\":\"t\",\"stages\":[{\"untilPercent\":1},{\"untilPercent\":10},"
		"{\"untilPercent\":100}]}");
	becomes("modifyTask t --stages 5dev/95+2h:pause,0.5%,100",
		"{\"taskId\":\"t\",\"stages\":[{\"untilCount\":5,\"successPercent\":95,"
		"\"holdSeconds\":7200,\"onSuccess\":\"pause\"},{\"untilPercent\":0.5},"
		"{\"untilPercent\":100}]}");
	refuses("modifyTask t --stages 1,", "a stage is UNTIL");
	refuses("modifyTask t --stages ,1", "a stage is UNTIL");
	refuses("modifyTask t --stages 1;10", "a stage is UNTIL");
	refuses("modifyTask t --stages nan", "a stage is UNTIL");
	refuses("modifyTask t --stages 0x10", "a stage is UNTIL");
	refuses("modifyTask t --stages 1.5dev", "a stage is UNTIL");
	refuses("modifyTask t --stages 99999999999999999999", "a stage is UNTIL");
	refuses("modifyTask t --stages 1/9x", "a stage is UNTIL");
	refuses("modifyTask t --stages 1:stop", "a stage is UNTIL");
	refuses("modifyTask t --stages 1/95/95", "a stage is UNTIL");
	refuses("modifyTask t --stages "
		"1111111111111111111111111111111111111111111111111111111111111111111111",
		"a stage is UNTIL");
}

static void test_values_of_files(void **state)
{
	char path[] = "/tmp/ctrl-values-XXXXXX", line[128];
	int file = mkstemp(path);

	(void)state;
	assert_true(file >= 0);
	assert_int_equal(write(file, "a,1\nb\r\n\n", 8), 8);
	close(file);
	snprintf(line, sizeof(line), "stopTaskDevices t --devices-file %s", path);
	becomes(line, "{\"taskId\":\"t\",\"devices\":[\"a,1\",\"b\"]}");
	snprintf(line, sizeof(line), "modifyProduct p --public-key-file=%s", path);
	becomes(line, "{\"productId\":\"p\",\"publicKey\":\"a,1\\nb\"}");
	unlink(path);
	refuses(line, "No such file");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_places),
		cmocka_unit_test(test_option_names),
		cmocka_unit_test(test_own_options),
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_stages),
		cmocka_unit_test(test_values_of_files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
