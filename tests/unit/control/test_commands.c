/* Carrying out commands: the table, what a command must be, rights, the log, deadlines. */
#include "control/commands_fixture.h"

#include <sys/resource.h>

static json_t *request(struct world *world, const char *body, size_t len)
{
	struct fw_asker asker = {FW_SLICE("ada"), FW_SLICE("ctrl-1"), "control", FW_RIGHT_ADMIN};
	json_t *answer = fw_commands_request(world->commands, &asker, (struct fw_slice){body, len});

	assert_non_null(answer);
	return answer;
}

static void code_of_request(struct world *world, const char *body, const char *code)
{
	json_t *answer = request(world, body, strlen(body));

	holds(answer, "responses.0.code", code);
	json_decref(answer);
}

static const char *error_of(const json_t *answer, size_t index)
{
	const json_t *response = json_array_get(json_object_get(answer, "responses"), index);
	const char *error = json_string_value(json_object_get(response, "error"));

	assert_non_null(error);
	return error;
}

static void test_table(void **state)
{
	size_t count;
	const struct fw_command_info *table = fw_commands_table(&count);

	(void)state;
	assert_int_equal(count, 44);
	for (size_t i = 0; i < count; i++) {
		const struct fw_command_member *member = NULL;
		size_t members = 0;

		assert_ptr_equal(fw_commands_find(table[i].name), &table[i]);
		assert_non_null(table[i].help);
		assert_non_null(table[i].action);
		assert_true(table[i].shape || table[i].writes || table[i].answer);
		while ((member = fw_command_next_member(&table[i], member))) {
			assert_non_null(member->help);
			members++;
			for (const char *c = member->name; *c; c++)
				assert_true(*c != '_');
		}
		assert_true(members >= (table[i].shape == FW_ANSWER_PAGE ? 2 : 0));
	}
	assert_null(fw_commands_find("createproduct"));
}

static void test_members(void **state)
{
	struct world *world = *state;

	refused(world, "{'command':'nothing'}", "bad_request", "there is no command 'nothing'");
	refused(world, "{}", "bad_request", "command is missing");
	refused(world, "1", "bad_request", "a command is an object");
	refused(world, "{'command':'getProduct'}", "bad_request", "productId is missing");
	refused(world, "{'command':'getProduct','productId':null}", "bad_request",
		"productId is missing");
	refused(world, "{'command':'getProduct','productId':7}", "bad_request",
		"productId must be a string");
	refused(world, "{'command':'getProduct','productId':'lamp','name':'x'}", "bad_request",
		"getProduct has no member 'name'");
	refused(world, "{'command':'createProduct','productId':'p','firmwareEnabled':2}",
		"bad_request", "firmwareEnabled must be true or false");
	refused(world, HOSTED("f", "3", "1.5"), "bad_request", "versionOrder must be a whole");
	refused(world, "{'command':'getDetails','correlationData':1}", "bad_request",
		"correlationData must be a string");
	refused(world, "{'command':'listProducts','count':501}", "bad_request",
		"count must be 1 to 500");
	refused(world, "{'command':'listProducts','count':0}", "bad_request", "count");
	refused(world, "{'command':'listProducts','after':'x'}", "bad_request",
		"after must be the next of the page before");
	refused(world, "{'command':'listProducts','after':'[{}]'}", "bad_request", "after");
	refused(world, TASK(",'devices':[]"), "bad_request", "devices must have 1 to 10000");
	refused(world, TASK(",'devices':['d1',2]"), "bad_request", "an array of strings");
	refused(world, TASK(",'stages':[1]"), "bad_request", "an array of objects");
	refused(world, TASK(",'stages':[{'until':1}]"), "bad_request", "stages has no member 'u");
	refused(world, TASK(",'filter':{}"), "bad_request", "filter is empty");
	refused(world, TASK(",'filter':{'versoin':'1'}"), "bad_request", "filter has no member");
	refused(world, TASK(",'tag':'x','devices':['d1']"), "bad_request", "together");
	refused(world, TASK(",'releaseType':'all','devices':['d1']"), "bad_request", "releaseType");
	refused(world, TASK(",'version':'2.0'"), "bad_request", "either firmwareId");
	sql_gives(world, "SELECT count(*) AS v FROM task", "0");
}

static void test_requests(void **state)
{
	struct world *world = *state;
	static const char brackets[] = "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[";
	static const char two[] = "{\"commands\":[{\"command\":\"listProducts\"},{}]}";
	size_t len = FW_COMMANDS_BYTES_MAX + 1;
	char *text = malloc(len);
	json_t *answer, *many = json_array();

	assert_non_null(text);
	memset(text, ' ', len);
	answer = request(world, text, len);
	holds(answer, "responses.0.code", "'too_large'");
	json_decref(answer);
	free(text);
	code_of_request(world, "", "'bad_request'");
	code_of_request(world, "{\"commands\":[", "'bad_request'");
	code_of_request(world, "[]", "'bad_request'");
	code_of_request(world, "{\"commands\":[],\"more\":1}", "'bad_request'");
	code_of_request(world, "{\"commands\":[],\"commands\":[]}", "'bad_request'");
	code_of_request(world, "{\"commands\":[\"\\u0000\"]}", "'bad_request'");
	answer = request(world, brackets, sizeof(brackets) - 1);
	holds(answer, "responses.0.error", "'the body is nested too deep: at most 32 brackets'");
	json_decref(answer);
	for (int i = 0; i <= 100; i++)
		json_array_append_new(many, json_object());
	many = json_pack("{s:o}", "commands", many);
	text = json_dumps(many, 0);
	code_of_request(world, text, "'too_large'");
	free(text);
	json_decref(many);
	answer = request(world, two, strlen(two));
	holds(answer, "responses.0.data.items.0.productId", "'lamp'");
	holds(answer, "responses.1.command", "'Unknown command'");
	json_decref(answer);
}

/* A hundred pages: the answer ends, and what writes is done all the same. */
static void test_a_long_answer(void **state)
{
	struct world *world = *state;
	json_t *list = json_array(), *answer, *last;
	size_t length;
	char *text;

	sql(world,
		"WITH RECURSIVE i (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM i WHERE n < 500)"
		" INSERT INTO device (product_id, device_id, name)"
		" SELECT 'lamp', 'x' || n, printf('%.60c', 'n') FROM i");
	for (int i = 0; i < 99; i++)
		json_array_append_new(
			list, json_pack("{s:s,s:i}", "command", "listDevices", "count", 500));
	json_array_append_new(list,
		json_pack("{s:s,s:s,s:s}", "command", "modifyProduct", "productId", "lamp", "name",
			"Long"));
	list = json_pack("{s:o}", "commands", list);
	text = json_dumps(list, 0);
	answer = request(world, text, strlen(text));
	holds(answer, "responses.0.data.items.499.productId", "'lamp'");
	holds(answer, "responses.98.code", "'too_large'");
	last = json_array_get(json_object_get(answer, "responses"), 99);
	holds(last, "data.name", "'Long'");
	length = json_dumpb(answer, NULL, 0, JSON_COMPACT);
	assert_true(length > FW_COMMANDS_ANSWER_MAX);
	assert_true(length < FW_COMMANDS_ANSWER_MAX + (1u << 20));
	json_decref(answer);
	done(world, "{'command':'listDevices','count':500}");
	free(text);
	json_decref(list);
}

static void test_rights(void **state)
{
	struct world *world = *state;
	size_t count;
	const struct fw_command_info *table = fw_commands_table(&count);

	for (size_t i = 0; i < count; i++) {
		char text[96];
		json_t *answer;
		const char *code;

		snprintf(text, sizeof(text), "{'command':'%s'}", table[i].name);
		answer = ask_as(world, FW_RIGHT_VIEW, text);
		code = json_string_value(json_object_get(answer, "code"));
		assert_int_equal(code && strcmp(code, "not_allowed") == 0, table[i].writes);
		json_decref(answer);
	}
	sql_gives(world, "SELECT count(*) AS v FROM admin_log WHERE outcome LIKE 'not_allowed: %'",
		"24");
}

/* A viewer fills no disk with what he may not do. */
static void test_many_not_allowed(void **state)
{
	struct world *world = *state;

	for (int i = 0; i < 100; i++)
		json_decref(ask_as(world, FW_RIGHT_VIEW, PRODUCT));
	sql_gives(world, "SELECT count(*) AS v FROM admin_log WHERE outcome LIKE 'not_allowed: %'",
		"60");
	done(world, "{'command':'modifyProduct','productId':'lamp','name':'x'}");
	sql_gives(world, "SELECT outcome AS v FROM admin_log ORDER BY log_id DESC LIMIT 1", "'ok'");
}

static void test_log(void **state)
{
	struct world *world = *state;

	done(world, "{'command':'modifyProduct','productId':'lamp','name':'x'}");
	assert_string_equal(world->line, "modifyProduct 'lamp' by 'ada' (control ctrl-1): ok");
	assert_string_equal(world->outcome, "ok");
	refused(world, "{'command':'deleteProduct','productId':'lamp'}", "conflict", "firmware");
	assert_string_equal(world->outcome, "conflict");
	sql_gives(world,
		"SELECT who || '|' || from_ || '|' || command || '|' || subject || '|' ||"
		" substr(outcome, 1, 30) AS v FROM admin_log ORDER BY log_id DESC LIMIT 1",
		"'ada|control ctrl-1|deleteProduct|lamp|conflict: this product has fir'");
	refused(world, "{'command':'getProduct','productId':'none'}", "not_found", "none");
	assert_string_equal(world->outcome, "not_found");
	assert_int_equal(fw_admin_exec(world->sql, "DELETE FROM admin_log"), FW_INVALID);
	assert_int_equal(fw_admin_exec(world->sql, "UPDATE admin_log SET who = 'x'"), FW_INVALID);
	assert_non_null(strstr(fw_admin_message(world->sql), "append-only"));
	assert_int_equal(fw_admin_exec(world->sql,
				 "INSERT INTO admin_log (at, who, from_, command, subject, outcome)"
				 " VALUES (1, '', '', '', '', '')"),
		FW_INVALID);
}

static void test_locked(void **state)
{
	struct world *world = *state;

	world_open_commands(world, 0, 20);
	sql(world, "BEGIN IMMEDIATE");
	refused(world, "{'command':'modifyProduct','productId':'lamp','name':'x'}", "busy",
		"the catalog is locked");
	done(world, "{'command':'getProduct','productId':'lamp'}");
	sql(world, "ROLLBACK");
	done(world, "{'command':'modifyProduct','productId':'lamp','name':'x'}");
}

/* A request of a hundred takes as long as two of them; what writes is done all the same. */
static void check_many_slow_reads(struct world *world)
{
	static const char slow[] = "{\"command\":\"listDevices\",\"text\":\"nowhere\"},";
	static const char write[] =
		"{\"command\":\"modifyProduct\",\"productId\":\"lamp\",\"name\":\"slow\"}]}";
	char body[100 * sizeof(slow) + sizeof(write)] = "{\"commands\":[";
	json_t *answer;
	unsigned waited = 0;

	for (int i = 0; i < 99; i++)
		strcat(body, slow);
	strcat(body, write);
	answer = request(world, body, strlen(body));
	for (size_t i = 0; i < 99; i++)
		waited += strstr(error_of(answer, i), "before this one") == NULL;
	/* each takes a deadline at least */
	assert_in_range(waited, 1, 2);
	holds(answer, "responses.98.code", "'busy'");
	holds(json_array_get(json_object_get(answer, "responses"), 99), "data.name", "'slow'");
	json_decref(answer);
	/* the next request is another one */
	done(world, "{'command':'getProduct','productId':'lamp'}");
}

static void test_deadline(void **state)
{
	struct world *world = *state;
	json_t *rows = NULL;

	sql(world, "BEGIN; ");
	plugin_sql(world,
		"INSERT INTO device (product_id, device_id) WITH RECURSIVE n (i) AS"
		" (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 100000)"
		" SELECT 'lamp', 'm' || i FROM n");
	sql(world, "COMMIT");
	world_open_commands(world, 1, 0);
	refused(world, "{'command':'listDevices','text':'nowhere'}", "busy", "took too long");
	/* SQLite's log can begin anew: nobody reads */
	assert_int_equal(
		fw_admin_query(world->sql, "PRAGMA wal_checkpoint(TRUNCATE)", json_array(), &rows),
		FW_OK);
	holds(rows, "0.busy", "0");
	json_decref(rows);
	check_many_slow_reads(world);
	world_open_commands(world, 0, 0);
	done(world, "{'command':'listDevices','text':'nowhere'}");
	fw_commands_stop(world->commands);
	refused(world, "{'command':'listDevices','text':'nowhere'}", "failed", "about to stop");
}

/* How often this thread slept in the middle of a statement of some tens of milliseconds. */
static long sleeps(struct world *world, bool writes)
{
	struct rusage before, after;

	assert_int_equal(fw_admin_begin(world->sql, writes), FW_OK);
	getrusage(RUSAGE_THREAD, &before);
	sql_gives(world,
		"WITH RECURSIVE n (i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n"
		" WHERE i < 500000) SELECT count(*) AS v FROM n",
		"500000");
	getrusage(RUSAGE_THREAD, &after);
	assert_int_equal(fw_admin_end(world->sql, false), FW_OK);
	return after.ru_nvcsw - before.ru_nvcsw;
}

static void test_who_reads_makes_room(void **state)
{
	assert_in_range(sleeps(*state, false), 10, 100000);
	/* others wait for the lock */
	assert_in_range(sleeps(*state, true), 0, 9);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table),
		FILLED(test_members),
		FILLED(test_requests),
		FILLED(test_a_long_answer),
		FILLED(test_rights),
		FILLED(test_many_not_allowed),
		FILLED(test_log),
		FILLED(test_locked),
		FILLED(test_deadline),
		FILLED(test_who_reads_makes_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
