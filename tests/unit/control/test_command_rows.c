/* Products, firmware, devices, files: each command, and the lists a page at a time. */
#include "control/commands_fixture.h"

#include <signal.h>
#include <sys/resource.h>

static void test_products(void **state)
{
	struct world *world = *state;
	json_t *data = good(world, PRODUCT);

	holds(data, "productId", "'lamp'");
	holds(data, "firmwareEnabled", "true");
	json_decref(data);
	data = good(world,
		"{'command':'modifyProduct','productId':'lamp','firmwareEnabled':0,"
		"'pullPolicy':'task'}");
	holds(data, "firmwareEnabled", "false");
	json_decref(data);
	sql_gives(world, "SELECT pull_policy AS v FROM product", "'task'");
	refused(world, PRODUCT, "conflict",
		"there is one already: choose another product.product_id");
	refused(world, "{'command':'modifyProduct','productId':'lamp','name':null}", "conflict",
		"product.name cannot be null");
	data = good(world, "{'command':'listProducts'}");
	holds(data, "items.0.name", "'Lamp'");
	holds(data, "totalCount", "1");
	holds(data, "next", "null");
	json_decref(data);
	data = good(world, "{'command':'deleteProduct','productId':'lamp'}");
	holds(data, "productId", "'lamp'");
	json_decref(data);
	refused(world, "{'command':'getProduct','productId':'lamp'}", "not_found",
		"no such product: 'lamp'");
	refused(world, "{'command':'deleteProduct','productId':'lamp'}", "not_found", "lamp");
	refused(world, "{'command':'modifyProduct','productId':'lamp'}", "not_found", "lamp");
}

static void test_firmware(void **state)
{
	struct world *world = *state;
	json_t *data = good(world,
		"{'command':'createFirmware','productId':'lamp','name':'n','version':'3.0',"
		"'versionOrder':3,'file':'a.bin','parameters':{'reboot':true,'n':[1.5]}}");
	char text[160];

	holds(data, "state", "'pending'");
	holds(data, "parameters", "{'reboot':true,'n':[1.5]}");
	holds(data, "tasks", "0");
	snprintf(text, sizeof(text), "{'command':'deleteFirmware','firmwareId':'%s'}",
		json_string_value(json_object_get(data, "firmwareId")));
	json_decref(data);
	data = good(world, "{'command':'listFirmware','productId':'lamp','state':'ready'}");
	holds(data, "items.1.version", "'2.0'");
	holds(data, "totalCount", "2");
	json_decref(data);
	data = good(world,
		"{'command':'modifyFirmware','firmwareId':'f1','state':'rejected',"
		"'stateReason':'withdrawn','minVersionOrder':null}");
	holds(data, "stateReason", "'withdrawn'");
	json_decref(data);
	data = good(world, "{'command':'getFirmware','firmwareId':'f1'}");
	holds(data, "state", "'rejected'");
	json_decref(data);
	done(world, text);
	refused(world, text, "not_found", "no such firmware");
}

static void test_devices(void **state)
{
	struct world *world = *state;
	json_t *data = good(world,
		"{'command':'createDevice','productId':'lamp','deviceId':'x',"
		"'tags':['b','a','a']}");

	holds(data, "tags", "['a','b']");
	holds(data, "presence", "null");
	json_decref(data);
	data = good(world,
		"{'command':'modifyDevice','productId':'lamp','deviceId':'x',"
		"'name':'Hall','tags':['b','c']}");
	holds(data, "tags", "['b','c']");
	json_decref(data);
	data = good(world, "{'command':'getDevice','productId':'lamp','deviceId':'x'}");
	holds(data, "name", "'Hall'");
	json_decref(data);
	data = good(world, "{'command':'listDevices','productId':'lamp','tag':'c'}");
	holds(data, "items.0.deviceId", "'x'");
	holds(data, "items.1", "nothing");
	json_decref(data);
	data = good(world, "{'command':'listDevices','text':'hall','presence':'unknown'}");
	holds(data, "items.0.deviceId", "'x'");
	json_decref(data);
	done(world, "{'command':'modifyDevice','productId':'lamp','deviceId':'x','tags':[]}");
	done(world, "{'command':'deleteDevice','productId':'lamp','deviceId':'x'}");
	refused(world, "{'command':'deleteDevice','productId':'lamp','deviceId':'x'}", "not_found",
		"no such device: 'lamp/x'");
}

/* ",'after':'CURSOR'", in the fixture's quotes; empty where the list has ended. */
static void write_after(const json_t *next, char *text, size_t size)
{
	const char *from = json_is_string(next) ? json_string_value(next) : "";
	size_t len = 0;

	text[0] = '\0';
	if (!from[0])
		return;
	len = (size_t)snprintf(text, size, ",'after':'");
	for (; *from; from++)
		len += (size_t)snprintf(
			text + len, size - len, "%s%c", *from == '"' ? "\\" : "", *from);
	snprintf(text + len, size - len, "'");
}

/* Walks a list by pages of two, and counts its items. */
static size_t walk(struct world *world, const char *list, const char *members)
{
	char after[256] = "", text[512];
	size_t count = 0;

	do {
		json_t *data;

		snprintf(
			text, sizeof(text), "{'command':'%s','count':2%s%s}", list, members, after);
		data = good(world, text);
		count += json_array_size(json_object_get(data, "items"));
		write_after(json_object_get(data, "next"), after, sizeof(after));
		json_decref(data);
	} while (after[0]);
	return count;
}

static void test_pages(void **state)
{
	struct world *world = *state;

	done(world, "{'command':'createProduct','productId':'oven'}");
	sql(world,
		"INSERT INTO device (product_id, device_id) VALUES ('oven', 'a'), ('oven', 'b'),"
		" ('oven', 'c')");
	assert_int_equal(walk(world, "listDevices", ""), 8);
	assert_int_equal(walk(world, "listDevices", ",'productId':'oven'"), 3);
	assert_int_equal(walk(world, "listDevices", ",'productId':'lamp','version':'1.0'"), 5);
	assert_int_equal(walk(world, "listDevices", ",'productId':'none'"), 0);
}

/* Who times out first comes first, whatever page it is on; who was pushed a moment ago is not. */
static void test_stuck_pages(void **state)
{
	struct world *world = *state;
	json_t *data;

	done(world, TASK(""));
	plugin_sql(world,
		"UPDATE task_device SET state = 'processing', attempts = 1, pushed_at = 1,"
		" due_at = 50 - (SELECT count(*) FROM task_device AS r"
		" WHERE r.device_id < task_device.device_id) / 2");
	plugin_sql(world,
		"UPDATE task_device SET pushed_at = (SELECT ms FROM now)"
		" WHERE device_id = 'd2'");
	data = good(world, "{'command':'listStuckDevices'}");
	holds(data, "items.0.deviceId", "'d5'");
	holds(data, "items.1.deviceId", "'d3'");
	holds(data, "items.2.deviceId", "'d4'");
	holds(data, "items.3.deviceId", "'d1'");
	holds(data, "items.4", "nothing");
	json_decref(data);
	assert_int_equal(walk(world, "listStuckDevices", ""), 4);
	assert_int_equal(walk(world, "listStuckDevices", ",'taskId':'t'"), 4);
}

static void test_history(void **state)
{
	struct world *world = *state;
	json_t *data;

	plugin_sql(world,
		"INSERT INTO version_log (received_at, product_id, device_id, version)"
		" VALUES (1, 'lamp', 'd1', 'a'), (5, 'lamp', 'd1', 'b'), (5, 'lamp', 'd1', 'c'),"
		" (5, 'lamp', 'd1', 'd'), (9, 'lamp', 'd1', 'e')");
	data = good(world,
		"{'command':'getDeviceHistory','productId':'lamp','deviceId':'d1',"
		"'count':3}");
	holds(data, "items.0.version", "'e'");
	holds(data, "next", "'[5,2]'");
	json_decref(data);
	data = good(world,
		"{'command':'getDeviceHistory','productId':'lamp','deviceId':'d1',"
		"'count':3,'after':'[5,2]'}");
	holds(data, "items.1.version", "'a'");
	holds(data, "items.1.what", "'version'");
	holds(data, "next", "null");
	json_decref(data);
	refused(world, "{'command':'getDeviceHistory','productId':'lamp','deviceId':'x'}",
		"not_found", "no such device");
	refused(world,
		"{'command':'getDeviceHistory','productId':'lamp','deviceId':'d1','after':'5'}",
		"bad_request", "after");
}

static void drop(struct world *world, const char *name)
{
	char path[256];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", world->files, name);
	file = fopen(path, "w");
	assert_non_null(file);
	fputs("abc", file);
	fclose(file);
}

static void test_files(void **state)
{
	struct world *world = *state;
	json_t *data;

	drop(world, "b.bin");
	drop(world, "a.bin");
	drop(world, ".hidden");
	done(world,
		"{'command':'createFirmware','firmwareId':'f3','productId':'lamp','name':'n',"
		"'version':'3','versionOrder':3,'file':'a.bin'}");
	data = good(world, "{'command':'listFiles','count':1}");
	holds(data, "items.0.file", "'a.bin'");
	holds(data, "items.0.size", "3");
	holds(data, "items.0.firmware", "['f3']");
	holds(data, "next", "'a.bin'");
	json_decref(data);
	data = good(world, "{'command':'listFiles','after':'a.bin'}");
	holds(data, "items.0.file", "'b.bin'");
	holds(data, "next", "null");
	json_decref(data);
	refused(world, "{'command':'deleteFile','file':'a.bin'}", "conflict", "f3 names this file");
	refused(world, "{'command':'deleteFile','file':'../firmware.db'}", "not_found", "no such");
	refused(world, "{'command':'deleteFile','file':'.hidden'}", "not_found", "no such");
	done(world, "{'command':'deleteFile','file':'b.bin'}");
	refused(world, "{'command':'deleteFile','file':'b.bin'}", "not_found", "no such file");
}

/* The commit fails: the file is where it was. */
static void test_a_delete_that_fails(void **state)
{
	struct world *world = *state;
	struct rlimit limit, none;
	char path[160];

	drop(world, "a.bin");
	snprintf(path, sizeof(path), "%s/a.bin", world->files);
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
	none = (struct rlimit){.rlim_cur = 1, .rlim_max = limit.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
	refused(world, "{'command':'deleteFile','file':'a.bin'}", "failed", "disk");
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	assert_int_equal(access(path, F_OK), 0);
	done(world, "{'command':'deleteFile','file':'a.bin'}");
	assert_int_equal(access(path, F_OK), -1);
	/* and no other name is left of it */
	assert_int_equal(rmdir(world->files), 0);
	assert_int_equal(mkdir(world->files, 0755), 0);
}

/* Somebody gave both one folder. */
static void test_files_beside_the_catalog(void **state)
{
	struct world *world = *state;
	char other[160];

	strcpy(world->files, world->folder);
	world_open_commands(world, 0, 0);
	drop(world, "firmware");
	refused(world, "{'command':'deleteFile','file':'firmware.db'}", "conflict", "the catalog");
	refused(world, "{'command':'deleteFile','file':'firmware.db-wal'}", "conflict",
		"belongs to it");
	snprintf(other, sizeof(other), "%s/other.bin", world->folder);
	assert_int_equal(link(world->db, other), 0);
	refused(world, "{'command':'deleteFile','file':'other.bin'}", "conflict", "the catalog");
	assert_int_equal(unlink(other), 0);
	done(world, "{'command':'deleteFile','file':'firmware'}");
	assert_int_equal(access(world->db, F_OK), 0);
}

static void test_details(void **state)
{
	struct world *world = *state;
	json_t *data = good(world, "{'command':'getDetails'}");

	holds(data, "version", "'" FW_VERSION_TEXT "'");
	holds(data, "schema", "7");
	holds(data, "firmware", "2");
	holds(data, "user", "'ada'");
	holds(data, "right", "'admin'");
	assert_true(json_integer_value(json_object_get(data, "catalogBytes")) > 0);
	json_decref(data);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_products, world_setup, world_teardown),
		FILLED(test_firmware),
		FILLED(test_devices),
		FILLED(test_pages),
		FILLED(test_stuck_pages),
		FILLED(test_history),
		FILLED(test_files),
		FILLED(test_a_delete_that_fails),
		FILLED(test_files_beside_the_catalog),
		FILLED(test_details),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
