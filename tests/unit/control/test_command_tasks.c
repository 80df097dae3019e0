/* Tasks and their devices: each command, and what the catalog refuses, in its own words. */
#include "control/commands_fixture.h"

static void test_create(void **state)
{
	struct world *world = *state;
	json_t *data = good(world,
		TASK(",'description':'D','responseTimeoutSeconds':7,'timeoutSeconds':8,"
		     "'attemptLimit':3,'allowDowngrade':true,'gate':'complete',"
		     "'stopFailedPercent':10,'stopFailedMin':6,'stopFailedCount':9,'stopWindow':20,"
		     "'ratePerMinute':5,'rateDoublesAfter':50,'maxInFlight':4,"
		     "'minOnlineSeconds':3,'startAt':1,'endAt':99999999999999,"
		     "'endAction':'stop','windowStart':60,'windowMinutes':30,'windowDays':3,"
		     "'windowClock':'device','retryLimit':2,'retrySeconds':30,'retryOn':'any',"
		     "'deferSeconds':40,'trialSeconds':50,'lostSeconds':70,'supersede':true,"
		     "'continuous':true,'state':'paused','pausedReason':'why',"
		     "'stages':[{'untilPercent':20,'successPercent':50,'holdSeconds':9,"
		     "'onSuccess':'pause'},{'untilCount':3},{'untilPercent':100}]"));

	holds(data, "total", "5");
	holds(data, "productId", "'lamp'");
	holds(data, "releaseType", "'all'");
	holds(data, "supersede", "true");
	holds(data, "windowDays", "3");
	holds(data, "pausedReason", "'why'");
	holds(data, "waitsFor", "'task paused'");
	holds(data, "stages.0",
		"{'stage':1,'untilPercent':20.0,'untilCount':null,'successPercent':50,"
		"'holdSeconds':9,'onSuccess':'pause','budget':1,'needed':1}");
	holds(data, "stages.1.budget", "3");
	json_decref(data);
	data = good(world, "{'command':'listTasks','productId':'lamp','state':'paused'}");
	holds(data, "items.0.taskId", "'t'");
	holds(data, "totalCount", "1");
	json_decref(data);
}

static void test_choose(void **state)
{
	struct world *world = *state;
	json_t *data;

	done(world, "{'command':'modifyDevice','productId':'lamp','deviceId':'d2','tags':['x']}");
	sql(world, "UPDATE device SET presence = 'online' WHERE device_id IN ('d3', 'd4')");
	sql(world, "UPDATE device SET version = '2.0' WHERE device_id = 'd4'");
	data = good(world,
		"{'command':'createTask','productId':'lamp','version':'2.0','name':'n',"
		"'mode':'pull','devices':['d1','d5']}");
	holds(data, "releaseType", "'part'");
	holds(data, "total", "2");
	json_decref(data);
	data = good(world, TASK(",'tag':'x'"));
	holds(data, "total", "1");
	json_decref(data);
	data = good(world,
		"{'command':'createTask','taskId':'u','firmwareId':'f2','name':'n',"
		"'mode':'push','filter':{'presence':'online','version':'1.0'}}");
	holds(data, "total", "1");
	json_decref(data);
	sql_gives(world, "SELECT device_id AS v FROM task_device WHERE task_id = 'u'", "'d3'");
	refused(world,
		"{'command':'createTask','taskId':'v','firmwareId':'f2','name':'n','mode':'push',"
		"'devices':['d1','none']}",
		"conflict", "device 'none': the product of this task has no such device");
	refused(world,
		"{'command':'createTask','taskId':'v','firmwareId':'f2','name':'n','mode':'push',"
		"'tag':'none'}",
		"not_found", "no device of the product is chosen");
	refused(world,
		"{'command':'createTask','productId':'lamp','version':'9','name':'n','mode':'push'"
		"}",
		"not_found", "product 'lamp' has no firmware of version '9'");
	sql_gives(world, "SELECT count(*) AS v FROM task", "3");
}

static void test_preview(void **state)
{
	struct world *world = *state;
	json_t *data;

	sql(world,
		"UPDATE device SET version = '2.0', presence = 'offline' WHERE device_id = 'd1'");
	sql(world,
		"UPDATE device SET presence = 'online', last_seen_at = (SELECT ms FROM now)"
		" WHERE device_id = 'd2'");
	data = good(world, "{'command':'previewTask','firmwareId':'f2'}");
	holds(data, "devices", "5");
	holds(data, "alreadyRunning", "1");
	holds(data, "offline", "1");
	holds(data, "online", "1");
	holds(data, "notSeen", "4");
	holds(data, "newer", "0");
	json_decref(data);
	data = good(world,
		"{'command':'previewTask','productId':'lamp','version':'1.0',"
		"'devices':['d1','d2','x','x']}");
	holds(data, "devices", "2");
	holds(data, "newer", "1");
	holds(data, "unknown", "1");
	holds(data, "firmwareId", "'f1'");
	json_decref(data);
	data = good(world, "{'command':'previewTask','firmwareId':'f2','filter':{'version':'0'}}");
	holds(data, "devices", "0");
	holds(data, "notSeen", "0");
	json_decref(data);
	refused(world, "{'command':'previewTask','firmwareId':'x'}", "not_found", "no such fi");
	sql_gives(world, "SELECT count(*) AS v FROM task", "0");
}

/* What a card shows: how many of the waiting devices are away, and what the fleet runs. */
static void test_counts(void **state)
{
	struct world *world = *state;
	json_t *data;

	sql(world, "UPDATE device SET presence = 'online' WHERE device_id IN ('d1', 'd2')");
	sql(world, "UPDATE device SET version = '2.0' WHERE device_id = 'd1'");
	data = good(world, TASK(""));
	holds(data, "waiting", "4");
	holds(data, "offline", "3");
	json_decref(data);
	sql(world, "UPDATE device SET presence = 'offline' WHERE device_id = 'd2'");
	sql(world, "UPDATE device SET presence = 'online' WHERE device_id = 'd3'");
	sql(world, "UPDATE device SET presence = 'online' WHERE device_id = 'd4'");
	data = good(world, "{'command':'getTask','taskId':'t'}");
	holds(data, "offline", "2");
	json_decref(data);
	data = good(world, "{'command':'getProductVersions','productId':'lamp'}");
	holds(data, "items.1", "{'version':'2.0','versionOrder':2,'devices':1,'online':1}");
	holds(data, "items.0.devices", "4");
	holds(data, "items.0.online", "2");
	json_decref(data);
}

static void test_verbs(void **state)
{
	struct world *world = *state;
	json_t *data;

	done(world, TASK(",'stages':[{'untilPercent':20},{'untilPercent':100}]"));
	data = good(world, "{'command':'pauseTask','taskId':'t','pausedReason':'lunch'}");
	holds(data, "pausedReason", "'lunch'");
	json_decref(data);
	refused(world, "{'command':'pauseTask','taskId':'t'}", "conflict", "nothing paused");
	data = good(world, "{'command':'resumeTask','taskId':'t'}");
	holds(data, "state", "'running'");
	json_decref(data);
	refused(world, "{'command':'resumeTask','taskId':'t'}", "conflict", "nothing resumed");
	data = good(world, "{'command':'nextStage','taskId':'t'}");
	holds(data, "stage", "2");
	json_decref(data);
	refused(world, "{'command':'nextStage','taskId':'t'}", "conflict", "no such stage");
	refused(world, "{'command':'continueTask','taskId':'t'}", "conflict", "nothing continued");
	refused(world, "{'command':'deleteTask','taskId':'t'}", "conflict", "stop it first");
	data = good(world, "{'command':'stopTask','taskId':'t'}");
	holds(data, "canceled", "5");
	json_decref(data);
	data = good(world, "{'command':'continueTask','taskId':'t'}");
	holds(data, "waiting", "5");
	json_decref(data);
	done(world, "{'command':'stopTask','taskId':'t'}");
	done(world, "{'command':'deleteTask','taskId':'t'}");
	refused(world, "{'command':'stopTask','taskId':'t'}", "not_found", "no such task: 't'");
	data = good(world, "{'command':'getTaskLog','taskId':'t','count':3}");
	holds(data, "items.0.what", "'stopped'");
	assert_true(json_is_string(json_object_get(data, "next")));
	json_decref(data);
}

static void test_modify(void **state)
{
	struct world *world = *state;
	json_t *data;

	done(world, TASK(",'stages':[{'untilPercent':1},{'untilPercent':5},{'untilPercent':10}]"));
	data = good(world,
		"{'command':'modifyTask','taskId':'t','name':'N','ratePerMinute':7,"
		"'stages':[{'untilPercent':10},{'untilPercent':50,'holdSeconds':1}]}");
	holds(data, "name", "'N'");
	holds(data, "stages.0.untilPercent", "10.0");
	holds(data, "stages.1.holdSeconds", "1");
	holds(data, "stages.2", "nothing");
	json_decref(data);
	sql(world, "UPDATE task SET stage = 2");
	data = good(world,
		"{'command':'modifyTask','taskId':'t','ratePerMinute':null,"
		"'stages':[{'untilPercent':10},{'untilPercent':60},{'untilCount':9}]}");
	holds(data, "ratePerMinute", "null");
	holds(data, "stages.2.untilCount", "9");
	json_decref(data);
	refused(world, "{'command':'modifyTask','taskId':'t','stages':[{'untilPercent':11}]}",
		"conflict", "this stage has begun");
	refused(world, "{'command':'modifyTask','taskId':'t','mode':'pull'}", "conflict",
		"cannot change");
	refused(world, "{'command':'modifyTask','taskId':'none','mode':'pull'}", "not_found", "no");
}

/* Brings d1 to failed and d2 to success, d3 is under way, as the plugin does. */
static void run_some(struct world *world)
{
	plugin_sql(world,
		"UPDATE task_device SET state = 'failed', attempts = 1, failure = 'device',"
		" error_reason = 'flash', completed_at = created_at + 1000"
		" WHERE device_id = 'd1'");
	plugin_sql(world,
		"UPDATE task_device SET state = 'success', attempts = 1,"
		" completed_at = created_at + 5000 WHERE device_id = 'd2'");
	plugin_sql(world,
		"UPDATE task_device SET state = 'processing', attempts = 1, due_at = 1,"
		" pushed_at = 1 WHERE device_id = 'd3'");
}

static void test_devices(void **state)
{
	struct world *world = *state;
	json_t *data;

	done(world, TASK(",'devices':['d1','d2','d3','d4']"));
	run_some(world);
	data = good(world, "{'command':'listTaskDevices','taskId':'t','state':'failed'}");
	holds(data, "items.0.deviceId", "'d1'");
	holds(data, "items.0.errorReason", "'flash'");
	holds(data, "totalCount", "1");
	json_decref(data);
	data = good(
		world, "{'command':'listTaskDevices','taskId':'t','reason':'flash','text':'D'}");
	holds(data, "items.0.failure", "'device'");
	holds(data, "totalCount", "nothing");
	json_decref(data);
	data = good(world,
		"{'command':'listTaskDevices','taskId':'t','waitsFor':'device offline',"
		"'count':1}");
	holds(data, "items.0.deviceId", "'d4'");
	json_decref(data);
	data = good(world,
		"{'command':'stopTaskDevices','taskId':'t','devices':['d2','d3','d4',"
		"'d5']}");
	holds(data, "changed", "1");
	holds(data, "refused.0.code", "'conflict'");
	holds(data, "refused.1.deviceId", "'d3'");
	holds(data, "refused.2.code", "'not_found'");
	json_decref(data);
	data = good(world, "{'command':'continueTaskDevices','taskId':'t','devices':['d4','d1']}");
	holds(data, "changed", "1");
	holds(data, "refused.0.error",
		"'no canceled row of this task and device: nothing continued'");
	json_decref(data);
	data = good(
		world, "{'command':'retryTaskDevices','taskId':'t','devices':['d1','d2','d4']}");
	holds(data, "changed", "1");
	holds(data, "refused.1.error", "'no failed row of this task and device: nothing retried'");
	json_decref(data);
	data = good(world, "{'command':'removeTaskDevices','taskId':'t','devices':['d2','d4']}");
	holds(data, "changed", "1");
	holds(data, "refused.0.deviceId", "'d4'");
	json_decref(data);
	refused(world, "{'command':'addTaskDevices','taskId':'none','devices':['d1']}", "not_found",
		"no such task");
	refused(world, "{'command':'addTaskDevices','taskId':'t'}", "bad_request", "which ones");
}

static void test_add(void **state)
{
	struct world *world = *state;
	json_t *data;

	done(world, TASK(",'devices':['d1']"));
	data = good(world, "{'command':'addTaskDevices','taskId':'t','devices':['d1','d2','x']}");
	holds(data, "changed", "1");
	holds(data, "refused.0.deviceId", "'d1'");
	holds(data, "refused.1.deviceId", "'x'");
	json_decref(data);
	data = good(world, "{'command':'addTaskDevices','taskId':'t','filter':{'version':'1.0'}}");
	holds(data, "changed", "3");
	holds(data, "refused", "[]");
	json_decref(data);
}

static void test_looks(void **state)
{
	struct world *world = *state;
	json_t *data;

	done(world, TASK(""));
	run_some(world);
	data = good(world, "{'command':'getTaskFailures','taskId':'t'}");
	holds(data, "items", "[{'failure':'device','errorReason':'flash','count':1}]");
	json_decref(data);
	data = good(world, "{'command':'getTaskProgress','taskId':'t','points':2}");
	holds(data, "items.0.failed", "1");
	holds(data, "items.0.success", "0");
	holds(data, "items.1.success", "1");
	holds(data, "items.1.failed", "1");
	json_decref(data);
	plugin_sql(world, "UPDATE task_device SET retry_at = 9 WHERE device_id = 'd1'");
	data = good(world, "{'command':'getTask','taskId':'t'}");
	holds(data, "failed", "1");
	holds(data, "retrying", "1");
	json_decref(data);
	data = good(world, "{'command':'listStuckDevices'}");
	holds(data, "items.0.deviceId", "'d3'");
	json_decref(data);
	data = good(world, "{'command':'listStuckDevices','minutes':525600,'productId':'oven'}");
	holds(data, "items", "[]");
	json_decref(data);
	data = good(world, "{'command':'retryTask','taskId':'t'}");
	holds(data, "changed", "1");
	json_decref(data);
	done(world, "{'command':'listDownloads','productId':'lamp','active':true}");
	data = good(world, "{'command':'listAdminLog','command':'listAdminLog'}");
	json_decref(data);
	refused(world, "{'command':'getTaskFailures','taskId':'x'}", "not_found", "no such task");
	refused(world, "{'command':'getTaskProgress','taskId':'x'}", "not_found", "no such task");
}

/* A part of the id or of the name, whatever the case; another product's device of that id is
 * another device. */
static void test_text(void **state)
{
	static const struct {
		const char *text, *found;
	} searches[] = {
		{"D3", "['d3']"},
		{"south", "['d4']"},
		{"OUTH G", "['d4']"},
		{"north", "[]"},
		{"nobody", "[]"},
	};
	struct world *world = *state;

	done(world, "{'command':'createProduct','productId':'oven'}");
	sql(world,
		"UPDATE device SET name = 'South gate' WHERE device_id = 'd4';"
		"INSERT INTO device (product_id, device_id, name) VALUES ('oven', 'd5', 'North')");
	done(world, TASK(""));
	for (size_t i = 0; i < sizeof(searches) / sizeof(searches[0]); i++) {
		char command[128];
		json_t *data, *items, *found = json_array();

		snprintf(command, sizeof(command),
			"{'command':'listTaskDevices','taskId':'t','text':'%s'}", searches[i].text);
		data = good(world, command);
		items = json_object_get(data, "items");
		for (size_t at = 0; at < json_array_size(items); at++)
			json_array_append(
				found, json_object_get(json_array_get(items, at), "deviceId"));
		json_object_set_new(data, "found", found);
		holds(data, "found", searches[i].found);
		json_decref(data);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FILLED(test_create),
		FILLED(test_choose),
		FILLED(test_preview),
		FILLED(test_counts),
		FILLED(test_verbs),
		FILLED(test_modify),
		FILLED(test_devices),
		FILLED(test_add),
		FILLED(test_looks),
		FILLED(test_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
