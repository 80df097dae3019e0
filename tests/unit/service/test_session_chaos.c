/* A whole session through the service, from open to close, with every allocation of the plugin, of
 * SQLite and of the broker made to fail in turn. Nothing crashes, nothing leaks, no answer is
 * wrong, and what was acknowledged is in the catalog. FW_LONG=1 tries them one by one, else
 * some of them. */
#include "fuzz/stepped.h"

#include <setjmp.h>
#include <stdarg.h>

#include "service/internal.h"

#include "folder.h"

#include "failing.h"

#define TRIES 100    /* more than fail in a row */
#define OF_PLUGIN 12 /* so many of the plugin's allocations are tried in the short form, */
#define OF_SQLITE 4  /* so many of SQLite's, */
#define OF_BROKER 12 /* and so many of the broker's for its second form */

static const struct fw_client lamp = {&lamp, "d1", NULL}, other = {&other, "d2", NULL},
			      console = {&console, "console", "admin"},
			      evil = {&evil, "evil", NULL};

static const char *const first_rows =
	"INSERT INTO product (product_id, name) VALUES ('lamp', 'Lamp');"
	"INSERT INTO firmware (firmware_id, product_id, name, version, version_order, sign_method, "
	"sign, url, size) VALUES"
	" ('f1', 'lamp', 'One', '1.0', 2, 'md5', '00000000000000000000000000000000', 'http://x/1', "
	"10),"
	" ('f2', 'lamp', 'Two', '2.0', 3, 'md5', '00000000000000000000000000000000', 'http://x/2', "
	"20);"
	"INSERT INTO firmware (firmware_id, product_id, name, version, version_order, file) VALUES "
	"('f3', 'lamp', 'Three', '0.3', 1, 'image');"
	"INSERT INTO device (product_id, device_id) VALUES ('lamp', 'd1'), ('lamp', 'd2');";

static struct {
	struct fw_service *service;
	sqlite3 *operator;
	unsigned answers, pushes, chunks; /* published by now */
	char answer[4096];
} session;

/* --- the broker --- */

static enum fw_status publish(void *context, const struct fw_publication *publication)
{
	(void)context;
	if (fails(FAIL_BROKER))
		return FW_NOMEM;
	if (strstr(publication->topic, "/firmware/upgrade"))
		session.pushes++;
	else if (strstr(publication->topic, "/chunk/reply/"))
		session.chunks++;
	else if (publication->topic[0] == '/' && !strstr(publication->topic, "/firmware/task")) {
		session.answers++;
		snprintf(session.answer, sizeof(session.answer), "%s %s", publication->topic,
			publication->payload);
	}
	return FW_OK;
}

static enum fw_status reply_to(void *context, const void *properties, struct fw_reply_to *out)
{
	(void)context;
	*out = (struct fw_reply_to){NULL, NULL, 0};
	if (fails(FAIL_BROKER))
		return FW_NOMEM;
	out->response_topic = strdup(properties);
	out->correlation = strdup("correlation");
	out->correlation_len = 11;
	return out->response_topic && out->correlation
		? FW_OK
		: (free(out->response_topic), free(out->correlation),
			  *out = (struct fw_reply_to){NULL, NULL, 0}, FW_NOMEM);
}

static void log_line(void *context, enum fw_log_level level, const char *text)
{
	(void)context;
	(void)level;
	assert_true(text && text[0]);
}

/* --- the operator, for whom nothing fails --- */

static void operate(const char *sql)
{
	char *error = NULL;

	in_turn = false;
	if (sqlite3_exec(session.operator, sql, NULL, NULL, &error) != SQLITE_OK)
		fail_msg("%s: %s", sql, error);
	in_turn = true;
}

static void assert_rows(const char *sql, const char *expected)
{
	sqlite3_stmt *statement = NULL;
	const char *text;

	in_turn = false;
	assert_int_equal(
		sqlite3_prepare_v2(session.operator, sql, -1, &statement, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
	text = (const char *)sqlite3_column_text(statement, 0);
	if (strcmp(text ? text : "", expected) != 0)
		fail_msg("%s: %s instead of %s, after %s allocation %ld", sql, text, expected,
			failing.kind == FAIL_PLUGIN ? "the plugin's" : "another's", failing.at);
	sqlite3_finalize(statement);
	in_turn = true;
}

static void assert_answered(const char *what)
{
	if (!strstr(session.answer, what))
		fail_msg("answered %s instead of %s, after failure %ld", session.answer, what,
			failing.at);
}

/* --- the session --- */

static void take_step(void)
{
	bool more = true;

	for (unsigned i = 0; i < TRIES && more; i++) {
		if (step_store(&more) != FW_OK)
			more = true;
		fw_service_tick(session.service);
	}
	assert_false(more);
}

/* As a device does that gets no acknowledgement: it sends again. */
static void say(const struct fw_client *client, const char *topic, const char *payload)
{
	const struct fw_incoming request = {
		.topic = topic, .payload = payload, .len = strlen(payload), .qos = 1};
	enum fw_verdict verdict = FW_NO_ACK;

	for (int i = 0; i < TRIES && verdict == FW_NO_ACK; i++)
		verdict = fw_service_message(session.service, client, &request);
	assert_int_equal(verdict, FW_PASS);
}

/* As a device does that gets no answer: it asks again. */
static enum fw_verdict ask(const struct fw_client *client, const char *topic, const char *payload,
	const char *response_topic)
{
	const struct fw_incoming request = {.topic = topic,
		.payload = payload,
		.len = strlen(payload),
		.qos = 1,
		.properties = response_topic};
	unsigned before = session.answers;
	enum fw_verdict verdict = FW_PASS;

	session.answer[0] = '\0';
	for (int i = 0; i < TRIES && session.answers == before; i++)
		verdict = fw_service_message(session.service, client, &request);
	assert_int_equal(session.answers, before + 1);
	return verdict;
}

static void download(void)
{
	static const char payload[] = "{\"firmwareId\":\"f3\",\"offset\":0,\"length\":7}";
	unsigned before = session.chunks;

	for (int i = 0; i < TRIES && session.chunks == before; i++) {
		say(&lamp, "/lamp/d1/firmware/chunk", payload);
		while (fw_chunks_under_way(fw_download_chunks(session.service->download)))
			fw_service_tick(session.service);
	}
	assert_int_equal(session.chunks, before + 1);
}

static void talk(void)
{
	fw_service_connected(session.service, &lamp, true);
	fw_service_subscribed(session.service, &lamp, "/lamp/d1/firmware/#");
	say(&lamp, "/lamp/d1/firmware/report", "{\"version\":\"0.9\",\"timestamp\":1}");
	assert_int_equal(ask(&evil, "/lamp/d1/firmware/read", "{\"messageId\":\"\\u0041\"}", NULL),
		FW_ANSWERED);
	assert_answered("\"version\":\"0.9\"");
	assert_answered("\"messageId\":\"\\u0041\"");
	take_step();
	ask(&lamp, "/lamp/d1/firmware/pull",
		"{\"messageId\":7,\"x\":[1,{\"y\":\"\\u00fc, and more text than fits into a small "
		"buffer\"}]}",
		"/lamp/d1/inbox");
	assert_answered("/lamp/d1/inbox ");
	assert_answered("\"version\":\"2.0\"");
	ask(&lamp, "/lamp/d1/firmware/pull", "{\"requestVersion\":\"7\"}", NULL);
	assert_answered("version_not_found");
	ask(&other, "/lamp/d2/firmware/pull", "[]", NULL);
	assert_answered("bad_request");
	assert_int_equal(
		fw_service_message(session.service, &evil,
			&(struct fw_incoming){
				.topic = "/lamp/d1/firmware/report", .payload = "{}", .len = 2}),
		FW_DENY);
	say(&console, "/lamp/d2/firmware/report", "{\"version\":\"1.0\",\"timestamp\":2,\"x\":{}}");
	say(&lamp, "/lamp/d1/elsewhere", "");
	download();
	/* else the task's row would be what the pull was answered with */
	take_step();
}

static void upgrade(void)
{
	operate("INSERT INTO task (task_id, firmware_id, name, mode) VALUES ('t', 'f2', 'n', "
		"'push')");
	/* one whose coming was lost is noticed late, and is waited for */
	for (int i = 0; i < 10; i++) {
		take_step();
		skipped_ms += FW_HOLD_MS / 5;
	}
	/* what the broker had no memory for is not sent again: the task's timeout is for that */
	if (session.pushes != 2 && !(failing.kind == FAIL_BROKER && failing.failed))
		fail_msg("%u pushes after failure %ld", session.pushes, failing.at);
	assert_rows("SELECT state FROM task_device WHERE device_id = 'd1'", "processing");
	say(&lamp, "/lamp/d1/firmware/upgrade/reply", "{\"success\":true,\"timestamp\":3}");
	say(&lamp, "/lamp/d1/firmware/upgrade/progress",
		"{\"progress\":50,\"firmwareId\":\"f2\",\"timestamp\":4}");
	take_step();
	assert_rows("SELECT progress FROM task_device WHERE device_id = 'd1'", "50");
	say(&lamp, "/lamp/d1/firmware/upgrade/progress",
		"{\"progress\":100,\"complete\":true,\"success\":true,\"firmwareId\":\"f2\","
		"\"timestamp\":5,\"x\":[]}");
	ask(&lamp, "/lamp/d1/firmware/pull", "{\"messageId\":\"m\"}", NULL);
	assert_answered("no_update");
	take_step();
	fw_service_gone(session.service, &lamp,
		&(struct fw_takeover_client){.handle = lamp.handle, .id = lamp.id},
		FW_ENDING_OTHER);
	/* stays in the spool for the next start */
	say(&other, "/lamp/d2/firmware/upgrade/progress", "{\"progress\":99,\"timestamp\":6}");
}

static void assert_all_recorded(void)
{
	assert_rows("SELECT group_concat(device_id || progress) FROM (SELECT device_id, progress "
		    "FROM progress_log ORDER BY log_id)",
		"d150,d1100,d299");
	assert_rows("SELECT group_concat(device_id || version || coalesce(presence, '')) FROM "
		    "(SELECT * FROM device ORDER BY 1, 2)",
		"d12.0,d21.0");
	assert_rows("SELECT group_concat(device_id || state) FROM (SELECT * FROM task_device ORDER "
		    "BY device_id)",
		"d1success,d2processing");
	assert_rows(
		"SELECT count(*) FROM pragma_integrity_check WHERE integrity_check <> 'ok'", "0");
	assert_rows("SELECT plugin_writing FROM catalog_state", "0");
}

static struct fw_options options;

/* Opens, again if that fails, which it must say. */
static void start(void)
{
	const struct fw_broker broker = {.publish = publish, .reply_to = reply_to, .log = log_line};
	enum fw_status status = FW_NOMEM;
	struct fw_error error = {""};

	for (int i = 0; i < TRIES && status != FW_OK; i++) {
		error.text[0] = '\0';
		status = fw_service_open(&options, &broker, &session.service, &error);
		assert_true(status == FW_OK || error.text[0]);
	}
	if (status != FW_OK)
		fail_msg("does not start: %s, after failure %ld", error.text, failing.at);
}

static void read_options(void)
{
	static const struct fw_option_line lines[] = {
		{"db_file", "firmware.db"}, {"files_dir", "files"}, {"operators", "admin, other"}};
	enum fw_status status = FW_NOMEM;

	for (int i = 0; i < 20 && status == FW_NOMEM; i++) {
		struct fw_error error = {""};

		if (i > 0)
			fw_options_clear(&options);
		status = fw_options_parse(lines, 3, &options, &error);
	}
	assert_int_equal(status, FW_OK);
}

/* The catalog that sessions begin with. */
static void make_catalog(void)
{
	bool more;

	shell("mkdir -p files && printf '%04000d' 7 >files/image && touch -d '1 hour ago' "
	      "files/image");
	memset(&session, 0, sizeof(session));
	failing_start(FAIL_PLUGIN, 0, 0);
	read_options();
	start();
	assert_int_equal(sqlite3_open("firmware.db", &session.operator), SQLITE_OK);
	operate(first_rows);
	for (;;) {
		sqlite3_stmt *statement = NULL;
		bool ready;

		step_store(&more);
		sqlite3_prepare_v2(session.operator,
			"SELECT state = 'ready' FROM firmware WHERE firmware_id = 'f3'", -1,
			&statement, NULL);
		ready = sqlite3_step(statement) == SQLITE_ROW && sqlite3_column_int(statement, 0);
		sqlite3_finalize(statement);
		if (ready)
			break;
		usleep(1000);
	}
	fw_service_close(session.service);
	sqlite3_close(session.operator);
	session.operator= NULL;
	session.service = NULL;
	fw_options_clear(&options);
	failing_stop();
	shell("cp firmware.db template.db");
}

static void copy_template(void)
{
	static char bytes[1 << 20];
	FILE *file;
	size_t len;

	shell("rm -f firmware.db-*");
	file = fopen("template.db", "rb");
	assert_non_null(file);
	len = fread(bytes, 1, sizeof(bytes), file);
	fclose(file);
	assert_true(len < sizeof(bytes));
	write_file("firmware.db", bytes, len);
}

static void end_service(void)
{
	fw_service_close(session.service);
	session.service = NULL;
}

static void end_session(void)
{
	in_turn = false;
	end_service();
	sqlite3_close(session.operator);
	session.operator= NULL;
	fw_options_clear(&options);
}

static int after_failure(void **state)
{
	(void)state;
	end_session();
	return 0;
}

static void run_session(enum failing kind, long at, long in_a_row)
{
	long live;

	copy_template();
	memset(&session, 0, sizeof(session));
	live = failing.live;
	assert_int_equal(sqlite3_open("firmware.db", &session.operator), SQLITE_OK);
	failing_start(kind, at, in_a_row);
	read_options();
	start();
	talk();
	upgrade();
	end_service();
	failing_stop();
	start();
	in_turn = false;
	take_step();
	assert_all_recorded();
	end_session();
	if (failing.live != live)
		fail_msg("%ld blocks leaked after failure %ld", failing.live - live, failing.at);
}

static void try_all(enum failing kind, long tries, long in_a_row)
{
	long step_by, all;

	run_session(kind, 0, 0);
	all = failing.count[kind];
	assert_true(all > 0);
	step_by = tries && all > tries ? all / tries : 1;
	for (long at = 1; at <= all; at += step_by) {
		run_session(kind, at, in_a_row);
		/* SQLite does without some of what it asks for */
		if (!failing.failed)
			print_message("allocation %ld was not reached\n", at);
	}
	print_message("%ld allocations, each %ldth failed, %ld in a row\n", all, step_by, in_a_row);
}

static bool long_form(void)
{
	return getenv("FW_LONG") != NULL;
}

static void test_plugin(void **state)
{
	(void)state;
	try_all(FAIL_PLUGIN, long_form() ? 0 : OF_PLUGIN, 1);
}

static void test_plugin_for_a_while(void **state)
{
	(void)state;
	try_all(FAIL_PLUGIN, long_form() ? 0 : OF_PLUGIN / 3, 5);
}

static void test_sqlite(void **state)
{
	(void)state;
	try_all(FAIL_SQLITE, long_form() ? 0 : OF_SQLITE, 1);
}

static void test_sqlite_for_a_while(void **state)
{
	(void)state;
	try_all(FAIL_SQLITE, long_form() ? 1000 : OF_SQLITE / 3, 50);
}

static void test_broker(void **state)
{
	(void)state;
	try_all(FAIL_BROKER, 0, 1);
	try_all(FAIL_BROKER, long_form() ? 0 : OF_BROKER, 3);
}

static int set_up(void **state)
{
	failing_install();
	if (make_folder(state) != 0)
		return -1;
	make_catalog();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_broker, after_failure),
		cmocka_unit_test_teardown(test_plugin, after_failure),
		cmocka_unit_test_teardown(test_plugin_for_a_while, after_failure),
		cmocka_unit_test_teardown(test_sqlite, after_failure),
		cmocka_unit_test_teardown(test_sqlite_for_a_while, after_failure),
	};

	return cmocka_run_group_tests(tests, set_up, remove_folder);
}
