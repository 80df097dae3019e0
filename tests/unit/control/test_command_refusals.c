/* Every kind of refusal of the schema, met by a command: the answer's error is the sentence that
 * stands in the schema, letter by letter. */
#include "catalog/schema_data.h"
#include "control/commands_fixture.h"

/* Does the schema have the sentence? There a quote within it is written twice. */
static bool in_schema(const char *sentence)
{
	char doubled[1200], *to = doubled;

	for (const char *from = sentence; *from; from++) {
		if (*from == '\'')
			*to++ = '\'';
		*to++ = *from;
	}
	*to = '\0';
	for (const struct fw_schema_file *file = fw_schema_files; file->name; file++) {
		/* the names of constraints are in double quotes */
		if (strstr(file->sql, doubled) || strstr(file->sql, sentence))
			return true;
	}
	return false;
}

static void conflicts(struct world *world, const char *text)
{
	json_t *answer = ask_as(world, FW_RIGHT_ADMIN, text);
	const char *error = json_string_value(json_object_get(answer, "error"));
	const char *code = json_string_value(json_object_get(answer, "code"));

	if (!error)
		fail_msg("%s: not refused", text);
	if (strcmp(code, "conflict") != 0 || !in_schema(error))
		fail_msg("%s: %s: %s", text, code, error);
	json_decref(answer);
}

#define NEW_FIRMWARE(members)                                                                      \
	"{'command':'createFirmware','productId':'lamp','name':'n','version':'9',"                 \
	"'versionOrder':9,'file':'a'" members "}"
#define NEW_TASK(members)                                                                          \
	"{'command':'createTask','firmwareId':'f2','name':'n','mode':'push'" members "}"
#define MODIFY(what, id, members) "{'command':'modify" what "'," id "," members "}"
#define LAMP "'productId':'lamp'"
#define F1 "'firmwareId':'f1'"
#define F2 "'firmwareId':'f2'"
#define T "'taskId':'t'"

static const char *const products[] = {
	"{'command':'createProduct','productId':'a/b'}",
	"{'command':'createProduct','productId':''}",
	"{'command':'createProduct','productId':' a'}",
	"{'command':'createProduct','productId':'a\xc2\xa0z'}",
	"{'command':'createProduct','productId':'p','pullPolicy':'x'}",
	"{'command':'createProduct','productId':'p','publicKey':'x'}",
	"{'command':'createProduct','productId':'p','name':'"
	"0123456789012345678901234567890123456789012345678901234567890123456789'}",
	"{'command':'deleteProduct','productId':'lamp'}",
	"{'command':'deleteProduct','productId':'only'}",
	NULL,
};

static const char *const firmware[] = {
	"{'command':'createFirmware','productId':'x','name':'n','version':'9','versionOrder':9,"
	"'file':'a'}",
	NEW_FIRMWARE(",'firmwareId':'f1'"),
	NEW_FIRMWARE(",'firmwareId':'a b'"),
	NEW_FIRMWARE(",'firmwareId':'..'"),
	"{'command':'createFirmware','productId':'lamp','name':'n','version':'1.0',"
	"'versionOrder':9,'file':'a'}",
	"{'command':'createFirmware','productId':'lamp','name':'n','version':'9',"
	"'versionOrder':1,'file':'a'}",
	"{'command':'createFirmware','productId':'lamp','name':'n','version':'9',"
	"'versionOrder':0,'file':'a'}",
	"{'command':'createFirmware','productId':'lamp','name':'','version':'9',"
	"'versionOrder':9,'file':'a'}",
	"{'command':'createFirmware','productId':'lamp','name':'n','version':'9 ',"
	"'versionOrder':9,'file':'a'}",
	"{'command':'createFirmware','productId':'lamp','name':'n','version':'9',"
	"'versionOrder':9}",
	NEW_FIRMWARE(",'signMethod':'crc'"),
	NEW_FIRMWARE(",'signMethod':'md5','sign':'x'"),
	NEW_FIRMWARE(",'signMethod':'ed25519','sign':'x'"),
	NEW_FIRMWARE(",'sign':'abcd'"),
	NEW_FIRMWARE(",'size':0"),
	NEW_FIRMWARE(",'url':'a b'"),
	NEW_FIRMWARE(",'minVersionOrder':0"),
	"{'command':'createFirmware','productId':'lamp','name':'n','version':'9',"
	"'versionOrder':9,'file':'.a'}",
	MODIFY("Firmware", F2, "'version':'1.0'"),
	MODIFY("Firmware", F2, "'versionOrder':1"),
	MODIFY("Firmware", F2, "'productId':'x'"),
	MODIFY("Firmware", F2, "'state':'x'"),
	MODIFY("Firmware", "'firmwareId':'pending'", "'state':'ready'"),
	NULL,
};

static const char *const devices[] = {
	"{'command':'createDevice','productId':'x','deviceId':'d'}",
	"{'command':'createDevice','productId':'lamp','deviceId':'a#'}",
	"{'command':'createDevice','productId':'lamp','deviceId':'a '}",
	"{'command':'createDevice','productId':'lamp','deviceId':'n','version':''}",
	"{'command':'createDevice','productId':'lamp','deviceId':'n','presence':'here'}",
	"{'command':'createDevice','productId':'lamp','deviceId':'n','utcOffsetMinutes':999}",
	"{'command':'createDevice','productId':'lamp','deviceId':'n','tags':['']}",
	NULL,
};

static const char *const new_tasks[] = {
	"{'command':'createTask','firmwareId':'x','name':'n','mode':'push'}",
	"{'command':'createTask','firmwareId':'pending','name':'n','mode':'push'}",
	"{'command':'createTask','firmwareId':'rejected','name':'n','mode':'push'}",
	"{'command':'createTask','firmwareId':'f2','name':'','mode':'push'}",
	"{'command':'createTask','firmwareId':'f2','name':'n','mode':'pushy'}",
	NEW_TASK(",'position':4"),
	NEW_TASK(",'stage':2"),
	NEW_TASK(",'pausedReason':'x'"),
	NEW_TASK(",'taskId':'t'"),
	NEW_TASK(",'taskId':'a b'"),
	NEW_TASK(",'state':'x'"),
	NEW_TASK(",'releaseType':'x'"),
	NEW_TASK(",'responseTimeoutSeconds':0"),
	NEW_TASK(",'timeoutSeconds':100000"),
	NEW_TASK(",'attemptLimit':0"),
	NEW_TASK(",'gate':'x'"),
	NEW_TASK(",'stopFailedPercent':101"),
	NEW_TASK(",'stopFailedMin':0"),
	NEW_TASK(",'stopFailedCount':0"),
	NEW_TASK(",'stopWindow':1"),
	NEW_TASK(",'ratePerMinute':0"),
	NEW_TASK(",'rateDoublesAfter':0"),
	NEW_TASK(",'maxInFlight':0"),
	NEW_TASK(",'minOnlineSeconds':-1"),
	NEW_TASK(",'startAt':-1"),
	NEW_TASK(",'endAt':5"),
	NEW_TASK(",'startAt':99999999999999,'endAt':99999999999998"),
	NEW_TASK(",'endAction':'x'"),
	NEW_TASK(",'windowStart':1"),
	NEW_TASK(",'windowStart':1440,'windowMinutes':1"),
	NEW_TASK(",'windowStart':1,'windowMinutes':1441"),
	NEW_TASK(",'windowDays':128"),
	NEW_TASK(",'windowClock':'x'"),
	NEW_TASK(",'retryLimit':11"),
	NEW_TASK(",'retrySeconds':0"),
	NEW_TASK(",'retryOn':'x'"),
	NEW_TASK(",'deferSeconds':-1"),
	NEW_TASK(",'trialSeconds':-1"),
	NEW_TASK(",'lostSeconds':1"),
	NEW_TASK(",'continuous':true,'tag':'x'"),
	NEW_TASK(",'continuous':true"),
	NEW_TASK(",'stages':[{}]"),
	NEW_TASK(",'stages':[{'untilPercent':5},{'untilPercent':5}]"),
	NEW_TASK(",'stages':[{'untilPercent':101}]"),
	NEW_TASK(",'stages':[{'untilCount':0}]"),
	NEW_TASK(",'stages':[{'untilCount':1,'successPercent':101}]"),
	NEW_TASK(",'stages':[{'untilCount':1,'holdSeconds':-1}]"),
	NEW_TASK(",'stages':[{'untilCount':1,'onSuccess':'x'}]"),
	NULL,
};

/* Of the task t, which is under way, and of what belongs to it. */
static const char *const tasks[] = {
	MODIFY("Task", T, "'firmwareId':'f1'"),
	MODIFY("Task", T, "'mode':'pull'"),
	MODIFY("Task", T, "'releaseType':'part'"),
	MODIFY("Task", T, "'position':9"),
	MODIFY("Task", T, "'stage':1"),
	MODIFY("Task", T, "'stage':9"),
	MODIFY("Task", T, "'pausedReason':'x'"),
	MODIFY("Task", T, "'pausedAt':5"),
	MODIFY("Task", T, "'endAt':5"),
	MODIFY("Task", T, "'state':'x'"),
	MODIFY("Task", T, "'stages':[{'untilPercent':11}]"),
	MODIFY("Firmware", F2, "'version':'7'"),
	MODIFY("Product", LAMP, "'publicKey':'PRIVATE KEY'"),
	"{'command':'deleteTask','taskId':'t'}",
	"{'command':'deleteFirmware','firmwareId':'f2'}",
	"{'command':'deleteDevice','productId':'lamp','deviceId':'d1'}",
	"{'command':'nextStage','taskId':'t'}",
	NULL,
};

static void all_conflict(struct world *world, const char *const *commands)
{
	for (; *commands; commands++)
		conflicts(world, *commands);
}

/* Each refusal of a device in a list stands in the schema, too. */
static void devices_conflict(struct world *world, const char *text, size_t expected)
{
	json_t *data = good(world, text), *refused_ones = json_object_get(data, "refused");

	assert_int_equal(json_array_size(refused_ones), expected);
	for (size_t i = 0; i < expected; i++)
		assert_true(in_schema(json_string_value(
			json_object_get(json_array_get(refused_ones, i), "error"))));
	json_decref(data);
}

static int refusals_setup(void **state)
{
	struct world *world;
	int code = filled_setup(state);

	world = *state;
	done(world, "{'command':'createProduct','productId':'only'}");
	done(world, "{'command':'createDevice','productId':'only','deviceId':'d'}");
	done(world,
		"{'command':'createFirmware','firmwareId':'pending','productId':'lamp',"
		"'name':'n','version':'3','versionOrder':3,'file':'a'}");
	done(world, HOSTED("rejected", "4", "4"));
	done(world, MODIFY("Firmware", "'firmwareId':'rejected'", "'state':'rejected'"));
	done(world,
		NEW_TASK(",'taskId':'t','continuous':true,'stages':[{'untilPercent':10},"
			 "{'untilPercent':100}]"));
	done(world, "{'command':'nextStage','taskId':'t'}");
	plugin_sql(world,
		"UPDATE task_device SET state = 'success', attempts = 1 WHERE device_id = 'd1'");
	plugin_sql(world,
		"UPDATE task_device SET state = 'processing', attempts = 1"
		" WHERE device_id = 'd2'");
	return code;
}

static void test_rows(void **state)
{
	all_conflict(*state, products);
	all_conflict(*state, firmware);
	all_conflict(*state, devices);
}

static void test_new_tasks(void **state)
{
	struct world *world = *state;

	done(world, "{'command':'modifyDevice','productId':'lamp','deviceId':'d1','tags':['x']}");
	all_conflict(world, new_tasks);
	done(world, MODIFY("Product", LAMP, "'firmwareEnabled':false"));
	conflicts(world, NEW_TASK(""));
	sql_gives(world, "SELECT count(*) AS v FROM task", "1");
	sql_gives(world, "SELECT count(*) AS v FROM task_stage", "2");
}

static void test_tasks(void **state)
{
	struct world *world = *state;

	all_conflict(world, tasks);
	devices_conflict(
		world, "{'command':'stopTaskDevices','taskId':'t','devices':['d1','d2']}", 2);
	devices_conflict(
		world, "{'command':'retryTaskDevices','taskId':'t','devices':['d1','d2']}", 2);
	devices_conflict(
		world, "{'command':'continueTaskDevices','taskId':'t','devices':['d1','d2']}", 2);
	devices_conflict(
		world, "{'command':'removeTaskDevices','taskId':'t','devices':['d2','d3']}", 2);
	devices_conflict(
		world, "{'command':'addTaskDevices','taskId':'t','devices':['d1','x']}", 2);
	done(world, "{'command':'stopTask','taskId':'t'}");
	devices_conflict(
		world, "{'command':'continueTaskDevices','taskId':'t','devices':['d3']}", 1);
	sql_gives(world, "SELECT count(*) AS v FROM task_device", "5");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_rows, refusals_setup, world_teardown),
		cmocka_unit_test_setup_teardown(test_new_tasks, refusals_setup, world_teardown),
		cmocka_unit_test_setup_teardown(test_tasks, refusals_setup, world_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
