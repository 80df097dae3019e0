/* What the page asks again and again costs the same whatever the fleet: SQLite's steps are counted,
 * for a task of a thousand devices and of four thousand. */
#include "control/commands_fixture.h"

#include <sqlite3.h>

static long long steps;
static long long pages; /* looked at, in the cache or not */

static int count_cost(unsigned what, void *context, void *statement, void *took)
{
	static const int kinds[] = {SQLITE_DBSTATUS_CACHE_HIT, SQLITE_DBSTATUS_CACHE_MISS};
	int looked, unused;

	(void)what;
	(void)context;
	(void)took;
	steps += sqlite3_stmt_status(statement, SQLITE_STMTSTATUS_VM_STEP, 1);
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		sqlite3_db_status(sqlite3_db_handle(statement), kinds[i], &looked, &unused, 1);
		pages += looked;
	}
	return 0;
}

/* An extension's entry: called for each connection that is opened from then on. */
static int watch(sqlite3 *db, const char **message, const struct sqlite3_api_routines *api)
{
	(void)message;
	(void)api;
	return sqlite3_trace_v2(db, SQLITE_TRACE_PROFILE, count_cost, NULL);
}

static const char *const questions[] = {
	"{'command':'getDetails'}",
	"{'command':'listProducts'}",
	"{'command':'listFirmware','state':'rejected'}",
	"{'command':'listDevices','productId':'lamp'}",
	"{'command':'getDevice','productId':'lamp','deviceId':'d900'}",
	"{'command':'getDeviceHistory','productId':'lamp','deviceId':'d900'}",
	"{'command':'listTasks','state':'running'}",
	"{'command':'getTask','taskId':'t'}",
	"{'command':'getTaskProgress','taskId':'t','points':100}",
	"{'command':'getTaskFailures','taskId':'t'}",
	"{'command':'getTaskLog','taskId':'t'}",
	"{'command':'listTaskDevices','taskId':'t'}",
	"{'command':'listStuckDevices','minutes':0}",
	"{'command':'listDownloads'}",
};

#define QUESTIONS (sizeof(questions) / sizeof(questions[0]))

/* A task for `devices` that are under way but for two that have ended. */
static void fleet(struct world *world, int devices)
{
	fill(world, devices);
	done(world, TASK(""));
	plugin_sql(world,
		"UPDATE task_device SET state = 'processing', attempts = 1, due_at = 1,"
		" pushed_at = 1");
	plugin_sql(world,
		"UPDATE task_device SET state = 'failed', failure = 'device', due_at = NULL,"
		" completed_at = created_at + 1000 WHERE device_id = 'd1'");
	plugin_sql(world,
		"UPDATE task_device SET state = 'success', due_at = NULL,"
		" completed_at = created_at + 5000 WHERE device_id = 'd2'");
}

/* What walks the rows and finds none, and looks up nothing for each. */
static const struct {
	const char *question;
	int most; /* steps a row */
} walks[] = {
	/* the view of what a row waits for is asked of those alone that wait */
	{"{'command':'listTaskDevices','taskId':'t','waitsFor':'stage'}", 20},
	/* names are looked through once, the device of a row is not looked up */
	{"{'command':'listTaskDevices','taskId':'t','text':'nobody'}", 30},
};

static void test_filters(void **state)
{
	const int devices = 1000;
	void *filled = NULL;
	struct world *world;

	(void)state;
	assert_int_equal(world_setup(&filled), 0);
	world = filled;
	fleet(world, devices);
	for (size_t i = 0; i < sizeof(walks) / sizeof(walks[0]); i++) {
		steps = pages = 0;
		done(world, walks[i].question);
		print_message("%s: %lld steps, %lld pages for %d rows\n", walks[i].question, steps,
			pages, devices);
		assert_true(steps > 0 && steps / devices <= walks[i].most);
		assert_true(pages > 0 && pages <= devices / 10);
	}
	assert_int_equal(world_teardown(&filled), 0);
}

static void measure(int devices, long long costs[QUESTIONS])
{
	void *state = NULL;
	struct world *world;

	assert_int_equal(world_setup(&state), 0);
	world = state;
	fleet(world, devices);
	for (size_t i = 0; i < QUESTIONS; i++) {
		done(world, questions[i]); /* what is remembered from now on */
		steps = 0;
		done(world, questions[i]);
		costs[i] = steps;
	}
	assert_int_equal(world_teardown(&state), 0);
}

static void test_fleets(void **state)
{
	long long few[QUESTIONS], many[QUESTIONS];
	unsigned dear = 0;

	(void)state;
	measure(1000, few);
	measure(4000, many);
	for (size_t i = 0; i < QUESTIONS; i++) {
		assert_true(few[i] > 0);
		if (many[i] <= few[i] + few[i] / 4)
			continue;
		dear++;
		print_message("%s: %lld steps of a thousand devices, %lld of four thousand\n",
			questions[i], few[i], many[i]);
	}
	assert_int_equal(dear, 0);
}

static int watch_all(void **state)
{
	(void)state;
	return sqlite3_auto_extension((void (*)(void))watch) == SQLITE_OK ? 0 : -1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fleets),
		cmocka_unit_test(test_filters),
	};

	return cmocka_run_group_tests(tests, watch_all, NULL);
}
