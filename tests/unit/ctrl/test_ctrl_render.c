/* What people are shown: tables, things, the bar, and what keeps a device; and which options of the
 * connection are found. Hostile texts stay text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "ctrl/help.h"
#include "ctrl/login.h"
#include "ctrl/render.h"
#include "ctrl/run.h"
#include "ctrl/watch.h"
#include "ctrl/why.h"

static char *text;
static size_t size;

static FILE *begin(void)
{
	FILE *out;

	free(text);
	text = NULL;
	out = open_memstream(&text, &size);
	assert_non_null(out);
	return out;
}

static json_t *json(const char *literal)
{
	json_t *value = json_loads(literal, 0, NULL);

	assert_non_null(value);
	return value;
}

static void items_are(const char *columns, const char *literal, const char *expected)
{
	json_t *items = json(literal);
	FILE *out = begin();

	fw_ctrl_show_items(out, columns, items);
	fclose(out);
	json_decref(items);
	assert_string_equal(text, expected);
}

static void record_is(const char *columns, const char *literal, const char *expected)
{
	json_t *data = json(literal);
	FILE *out = begin();

	fw_ctrl_show_record(out, columns, data);
	fclose(out);
	json_decref(data);
	assert_string_equal(text, expected);
}

static void test_tables(void **state)
{
	(void)state;
	items_are("deviceId state", "[]", "none\n");
	items_are("deviceId total waitsFor",
		"[{\"deviceId\":\"a\",\"total\":5},{\"deviceId\":\"long one\",\"total\":12345,"
		"\"waitsFor\":\"stage\"}]",
		"DEVICE    TOTAL  WAITS FOR\n"
		"a             5  -\n"
		"long one  12345  stage\n");
	/* two columns each */
	items_are("name state", "[{\"name\":\"灯泡\",\"state\":\"x\"},{\"name\":\"abcd\"}]",
		"NAME  STATE\n灯泡  x\nabcd  -\n");
	items_are(NULL, "[{\"b\":true,\"a\":[\"x\",\"y\"]}]", "B    A\nyes  x,y\n");
}

static void test_times(void **state)
{
	(void)state;
	items_are("at lastSeenAt deferredUntil",
		"[{\"at\":1795966062054,\"lastSeenAt\":null,\"deferredUntil\":1000},"
		"{\"at\":2208988800000}]",
		"AT                   LAST SEEN  DEFERRED UNTIL\n"
		"2026-11-29 15:27:42  -          1970-01-01 00:00:01\n"
		"2040-01-01 00:00:00  -          -\n");
}

static void test_hostile_texts(void **state)
{
	(void)state;
	items_are(
		"name", "[{\"name\":\"a\\u001b[2Jb\\nc\\u202ed\\u0085\"}]", "NAME\na?[2Jb?c?d?\n");
	record_is(NULL, "{\"name\":\"a\\r\\u0007\"}", "name: a??\n");
	record_is(NULL, "{\"parameters\":{\"x\\u202e\":\"\\u009b\"}}",
		"parameters: {\"x?\":\"?\"}\n");
}

static void test_long_texts(void **state)
{
	char literal[600], *name = literal + 10;
	json_t *items;
	FILE *out = begin();

	(void)state;
	strcpy(literal, "[{\"name\":\"");
	memset(name, 'x', 300);
	strcpy(name + 300, "\",\"b\":1}]");
	items = json(literal);
	fw_ctrl_show_items(out, "name b", items);
	fclose(out);
	json_decref(items);
	assert_non_null(strstr(text, "xxx...  1\n"));
	assert_int_equal(size, 2 * (64 + 2 + 2));
}

static void test_records(void **state)
{
	(void)state;
	record_is(NULL,
		"{\"taskId\":\"t\",\"maxInFlight\":null,\"description\":\"\",\"percent\":5,"
		"\"continuous\":false,\"stages\":[{\"stage\":1,\"untilPercent\":1.5}]}",
		"task:       t\n"
		"percent:    5\n"
		"continuous: no\n"
		"\nstages:\n"
		"STAGE  UNTIL PERCENT\n"
		"    1            1.5\n");
	record_is("percent nothing taskId", "{\"taskId\":\"t\",\"percent\":5,\"x\":1}",
		"percent: 5\ntask:    t\n");
}

static void test_cut(void **state)
{
	char short_one[] = "abc", long_one[] = "abcdefgh", wide[] = "灯灯灯灯灯灯";

	(void)state;
	fw_ctrl_cut(short_one, 3);
	assert_string_equal(short_one, "abc");
	fw_ctrl_cut(long_one, 6);
	assert_string_equal(long_one, "abc...");
	fw_ctrl_cut(wide, 8);
	assert_string_equal(wide, "灯灯...");
	assert_int_equal(fw_ctrl_width("灯泡x"), 5);
}

static void test_watch(void **state)
{
	json_t *task = json(
		"{\"state\":\"running\",\"total\":60,\"success\":30,\"failed\":2,\"canceled\":4,"
		"\"processing\":4,\"waiting\":20,\"percent\":53,\"stage\":2,\"stages\":[{},{},{}],"
		"\"waitsFor\":\"stage\",\"continuous\":false,\"pausedReason\":null}");
	char line[1024];

	(void)state;
	fw_ctrl_watch_line(task, line, sizeof(line));
	assert_string_equal(line,
		"[###############x-->>          ]  53 %  30 success, 2 failed, "
		"4 under way, 20 waiting, 4 canceled, stage 2 of 3, "
		"waits for: stage");
	assert_false(fw_ctrl_watch_is_over(task));
	json_object_set_new(task, "state", json_string("paused"));
	json_object_set_new(task, "pausedReason", json_string("5 of 20\x1b[31m failed"));
	fw_ctrl_watch_line(task, line, sizeof(line));
	assert_non_null(strstr(line, "stage 2 of 3, paused: 5 of 20?[31m failed"));
	json_object_set_new(task, "waiting", json_integer(0));
	json_object_set_new(task, "processing", json_integer(0));
	assert_true(fw_ctrl_watch_is_over(task));
	json_object_set_new(task, "continuous", json_true());
	assert_false(fw_ctrl_watch_is_over(task));
	json_object_set_new(task, "state", json_string("stopped"));
	assert_true(fw_ctrl_watch_is_over(task));
	json_decref(task);
	task = json("{\"total\":0}");
	fw_ctrl_bar(task, line);
	assert_string_equal(line, "                              ");
	json_decref(task);
}

static void means(const char *row, const char *part)
{
	json_t *value = json(row);
	const char *meaning = fw_ctrl_why_means(value);

	if (!strstr(meaning, part))
		fail_msg("%s: '%s'", row, meaning);
	json_decref(value);
}

static void test_why(void **state)
{
	(void)state;
	means("{\"state\":\"waiting\",\"waitsFor\":\"device offline\"}", "when it comes");
	means("{\"state\":\"waiting\",\"waitsFor\":null}", "about to start");
	means("{\"state\":\"failed\",\"waitsFor\":\"retry\"}", "by itself");
	means("{\"state\":\"failed\"}", "retryTaskDevices");
	means("{\"state\":\"canceled\"}", "continueTaskDevices");
	means("{}", "");
}

static void test_help(void **state)
{
	FILE *out = begin();

	(void)state;
	fw_ctrl_help(out);
	fclose(out);
	for (const struct fw_ctrl_command *sub = fw_ctrl_commands; sub->name; sub++)
		assert_non_null(strstr(text, sub->name));
	assert_non_null(strstr(text, "createTask PRODUCT VERSION NAME\n"));
	assert_non_null(strstr(text, "addTaskDevices TASK [DEVICE...]\n"));
	out = begin();
	fw_ctrl_help_of(out, fw_ctrl_command_find("modifyTask"));
	fclose(out);
	assert_non_null(strstr(text, "--max-in-flight NUMBER"));
	assert_null(strstr(text, "--task-id"));
}

/* ---- Options of the connection */

static void test_rest_of_words(void **state)
{
	static const char words[] = "mosquitto_ctrl\0--psk-identity\0me\0--psk\0c0ffee\0"
				    "--keyform\0pem\0firmware\0listTasks\0--psk\0no";
	struct fw_ctrl_rest rest = {.psk = ""};

	(void)state;
	fw_ctrl_rest_of_words(&rest, words, sizeof(words), 3);
	assert_string_equal(rest.psk, "c0ffee");
	assert_string_equal(rest.psk_identity, "me");
	assert_string_equal(rest.keyform, "pem");
	assert_false(rest.tls_use_os_certs);
	rest = (struct fw_ctrl_rest){.psk = ""};
	fw_ctrl_rest_of_words(&rest, words, sizeof(words), 30);
	assert_string_equal(rest.psk, "");
	fw_ctrl_rest_of_line(&rest, "--psk beef\n");
	fw_ctrl_rest_of_line(&rest, "--tls-use-os-certs\n");
	fw_ctrl_rest_of_line(&rest, "\n");
	fw_ctrl_rest_of_line(&rest, "# --psk no\n");
	assert_string_equal(rest.psk, "beef");
	assert_true(rest.tls_use_os_certs);
}

/* The port that is taken, and negative when the connection is private. */
static int port_of(int port, char *cafile, const char *psk)
{
	char host[] = "broker.test";
	struct fw_ctrl_shared shared = {.host = host, .port = port, .cafile = cafile};
	struct fw_ctrl_login login = {.shared = &shared};

	snprintf(login.rest.psk, sizeof(login.rest.psk), "%s", psk);
	return fw_ctrl_login_is_private(&login) ? -fw_ctrl_login_port(&login)
						: fw_ctrl_login_port(&login);
}

static void test_login(void **state)
{
	char ca[] = "ca.pem";

	(void)state;
	assert_int_equal(port_of(-1, NULL, ""), 1883);
	assert_int_equal(port_of(1884, NULL, ""), 1884);
	assert_int_equal(port_of(0, NULL, ""), 0);
	assert_int_equal(port_of(8883, NULL, ""), -8883);
	assert_int_equal(port_of(-1, ca, ""), -8883);
	assert_int_equal(port_of(-1, NULL, "c0ffee"), -8883);
	assert_int_equal(port_of(1884, ca, ""), -1884);
}

static int free_text(void **state)
{
	(void)state;
	free(text);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tables),
		cmocka_unit_test(test_times),
		cmocka_unit_test(test_hostile_texts),
		cmocka_unit_test(test_long_texts),
		cmocka_unit_test(test_records),
		cmocka_unit_test(test_cut),
		cmocka_unit_test(test_watch),
		cmocka_unit_test(test_why),
		cmocka_unit_test(test_help),
		cmocka_unit_test(test_rest_of_words),
		cmocka_unit_test(test_login),
	};

	setenv("TZ", "UTC", 1);
	tzset();
	return cmocka_run_group_tests(tests, NULL, free_text);
}
