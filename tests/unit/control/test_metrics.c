/* The metrics of a temporary catalog: what they say in both formats, what they leave out, and that
 * they neither wait nor hold anything. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "folder.h"

#include "catalog/db.h"
#include "catalog/schema.h"
#include "control/metrics.h"
#include "control/metrics_text.h"

#define P "mosquitto_firmware_"

static struct fw_counters counters;
static sqlite3 *db;
static struct fw_metrics *metrics;
static char *text;

/* The plugin's own statements: operators may not write everything. */
static void exec(const char *sql)
{
	struct fw_error error = {""};

	if (fw_db_exec(db, sql, &error) != FW_OK)
		fail_msg("%s: %s", sql, error.text);
}

static void open_metrics(int deadline_ms)
{
	struct fw_metrics_config config = {
		.db_file = "firmware.db", .counters = &counters, .deadline_ms = deadline_ms};

	fw_metrics_close(metrics);
	assert_int_equal(fw_metrics_open(&config, &metrics), FW_OK);
}

static int start(void **state)
{
	struct fw_error error = {""};

	(void)state;
	if (system("rm -rf firmware.db*") != 0 ||
		fw_schema_prepare("firmware.db", NULL, &error) != FW_OK ||
		fw_db_open("firmware.db", 1000, &db, &error) != FW_OK)
		return -1;
	memset(&counters, 0, sizeof(counters));
	exec("UPDATE catalog_state SET plugin_writing = 1");
	exec("INSERT INTO product (product_id) VALUES ('lamp')");
	exec("INSERT INTO firmware (firmware_id, product_id, name, version, version_order, "
	     "sign_method, sign, url, size) VALUES ('f1', 'lamp', 'n', '1.0', 1, 'md5', "
	     "'00000000000000000000000000000000', 'http://x/', 1)");
	open_metrics(0);
	return 0;
}

static int finish(void **state)
{
	(void)state;
	fw_metrics_close(metrics);
	metrics = NULL;
	sqlite3_close(db);
	free(text);
	text = NULL;
	return 0;
}

static const char *render(bool openmetrics)
{
	size_t length;

	free(text);
	text = NULL;
	assert_int_equal(fw_metrics_render(metrics, openmetrics, &text, &length), FW_OK);
	assert_int_equal(strlen(text), length);
	return text;
}

static bool has_line(const char *line)
{
	size_t len = strlen(line);

	for (const char *at = text; (at = strstr(at, line)); at++) {
		if ((at == text || at[-1] == '\n') && at[len] == '\n')
			return true;
	}
	return false;
}

static void assert_line(const char *line)
{
	if (!has_line(line))
		fail_msg("no line '%s' in\n%s", line, text);
}

/* How many samples begin so. */
static unsigned count_of(const char *start_of_line)
{
	unsigned count = 0;

	for (const char *at = text; (at = strstr(at, start_of_line)); at++)
		count += at == text || at[-1] == '\n';
	return count;
}

static void test_every_family_has_its_help_and_type(void **state)
{
	static const char *const families[] = {"info", "pulls_total", "reads_total",
		"reports_total", "progress_total", "pushes_total", "messages_refused_total",
		"messages_unsaved_total", "spool_bytes", "spool_oldest_timestamp_seconds",
		"catalog_bytes", "catalog_wal_bytes", "devices", "devices_online",
		"devices_by_version", "task_devices", "task_devices_finished_total",
		"upgrade_duration_seconds", "task_paused", "downloads_begun_total",
		"downloads_finished_total", "downloads_bytes_total", "downloads_refused_total",
		"firmware", "admin_requests_total"};
	char line[128];

	(void)state;
	render(false);
	for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++) {
		snprintf(line, sizeof(line), "# HELP " P "%s ", families[i]);
		assert_int_equal(count_of(line), 1);
		snprintf(line, sizeof(line), "# TYPE " P "%s ", families[i]);
		assert_int_equal(count_of(line), 1);
	}
	assert_int_equal(count_of("# HELP "), sizeof(families) / sizeof(families[0]));
	assert_null(strstr(text, "# EOF"));
}

static void test_openmetrics_names_families_its_own_way(void **state)
{
	(void)state;
	render(true);
	assert_line("# TYPE mosquitto_firmware info");
	assert_line("# TYPE " P "pulls counter");
	assert_line(P "pulls_total{code=\"no_update\"} 0");
	assert_line("# TYPE " P "upgrade_duration_seconds histogram");
	assert_int_equal(count_of("# HELP " P "pulls_total"), 0);
	assert_string_equal(text + strlen(text) - 6, "# EOF\n");
	assert_int_equal(count_of("# EOF"), 1);
}

static void test_counters(void **state)
{
	(void)state;
	fw_count_add(&counters, FW_COUNT_PULLS_NO_UPDATE, 3);
	fw_count_add(&counters, FW_COUNT_CHUNKS_BYTES, 1ull << 60);
	fw_count(&counters, (enum fw_counter)(FW_COUNT_TOOK + 2));
	fw_count_add(&counters, FW_COUNT_TOOK_MS, 21007);
	fw_count_set(&counters, FW_COUNT_SPOOL_OLDEST, 1700000000123);
	fw_count_request(&counters, "control", "conflict");
	fw_count_request(&counters, "smoke signals", "rain");
	render(false);
	assert_line(P "pulls_total{code=\"no_update\"} 3");
	assert_line(P "downloads_bytes_total{via=\"mqtt\"} 1152921504606846976");
	assert_line(P "upgrade_duration_seconds_bucket{le=\"15.0\"} 0");
	assert_line(P "upgrade_duration_seconds_bucket{le=\"30.0\"} 1");
	assert_line(P "upgrade_duration_seconds_bucket{le=\"+Inf\"} 1");
	assert_line(P "upgrade_duration_seconds_sum 21.007");
	assert_line(P "upgrade_duration_seconds_count 1");
	assert_line(P "spool_oldest_timestamp_seconds 1700000000.123");
	assert_line(P "admin_requests_total{face=\"control\",outcome=\"conflict\"} 1");
	assert_line(P "admin_requests_total{face=\"http\",outcome=\"failed\"} 1");
}

static void test_label_values_are_escaped(void **state)
{
	struct fw_metrics_text out = {.openmetrics = false};
	char *written = NULL;
	size_t len;

	(void)state;
	out.out = open_memstream(&written, &len);
	fw_metrics_family(&out, "x", FW_METRICS_GAUGE, "Help.");
	fw_metrics_sample(&out, 1, "a", "q\" b\\ n\n \xc3\xa4 \xff\xc3", "b", "", FW_LABELS_END);
	fclose(out.out);
	assert_non_null(
		strstr(written, P "x{a=\"q\\\" b\\\\ n\\n \xc3\xa4 \\\\xff\\\\xc3\",b=\"\"} 1\n"));
	free(written);
	exec("INSERT INTO product (product_id) VALUES ('l\"a\\mp')");
	exec("INSERT INTO device (product_id, device_id, version) VALUES ('l\"a\\mp', 'd', "
	     "'v\"\\')");
	render(false);
	assert_line(P "devices{product=\"l\\\"a\\\\mp\"} 1");
	assert_line(P "devices_by_version{product=\"l\\\"a\\\\mp\",version=\"v\\\"\\\\\"} 1");
}

static void test_no_device_and_no_error_is_named(void **state)
{
	(void)state;
	exec("INSERT INTO device (product_id, device_id, version) VALUES ('lamp', 'secret', "
	     "'0.9')");
	exec("INSERT INTO task (task_id, firmware_id, name, mode) VALUES ('t', 'f1', 'hidden', "
	     "'push')");
	exec("UPDATE task_device SET state = 'failed', attempts = 1, failure = 'device', "
	     "error_reason = 'burnt'");
	exec("UPDATE task SET state = 'paused', paused_reason = 'smoke'");
	render(true);
	assert_line(P "task_devices{task=\"t\",product=\"lamp\",state=\"failed\"} 1");
	assert_null(strstr(text, "secret"));
	assert_null(strstr(text, "burnt"));
	assert_null(strstr(text, "smoke"));
	assert_null(strstr(text, "hidden"));
}

static void test_devices_of_products(void **state)
{
	(void)state;
	exec("INSERT INTO product (product_id) VALUES ('fan'), ('zoo')");
	exec("INSERT INTO device (product_id, device_id, version, presence) VALUES"
	     " ('lamp', 'd1', '1.0', 'online'), ('lamp', 'd2', '1.0', 'offline'),"
	     " ('lamp', 'd3', NULL, NULL), ('zoo', 'd1', '2.0', 'online')");
	render(false);
	assert_line(P "devices{product=\"fan\"} 0");
	assert_line(P "devices{product=\"lamp\"} 3");
	assert_line(P "devices_online{product=\"lamp\"} 1");
	assert_line(P "devices_online{product=\"zoo\"} 1");
	assert_line(P "devices_by_version{product=\"lamp\",version=\"1.0\"} 2");
	assert_line(P "devices_by_version{product=\"lamp\",version=\"\"} 1");
	assert_line(P "firmware{state=\"ready\"} 1");
	assert_int_equal(count_of(P "devices_by_version{"), 3);
}

/* Versions v1 to v30, of i devices each; "other" is also a version. */
static void test_the_20_largest_versions_and_the_others(void **state)
{
	(void)state;
	exec("WITH RECURSIVE n (v, i) AS (VALUES (1, 1) UNION ALL SELECT iif(i < v, v, v + 1), "
	     "iif(i < v, i + 1, 1) FROM n WHERE v < 31)"
	     " INSERT INTO device (product_id, device_id, version)"
	     " SELECT 'lamp', v || '-' || i, 'v' || v FROM n WHERE v <= 30");
	exec("INSERT INTO device (product_id, device_id, version) VALUES ('lamp', 'o', 'other')");
	render(false);
	assert_line(P "devices{product=\"lamp\"} 466");
	assert_line(P "devices_by_version{product=\"lamp\",version=\"v30\"} 30");
	assert_line(P "devices_by_version{product=\"lamp\",version=\"v11\"} 11");
	assert_line(P "devices_by_version{product=\"lamp\",version=\"other\"} 56");
	assert_int_equal(count_of(P "devices_by_version{"), 21);
}

/* A count that takes long on a busy machine is not repeated at once. */
static void render_until(const char *line)
{
	for (int i = 0; i < 500; i++) {
		render(false);
		if (has_line(line))
			return;
		usleep(20000);
	}
	assert_line(line);
}

/* The number of devices is counted anew soon while that is cheap, that of versions is not. */
static void test_versions_are_recounted_each_minute_at_most(void **state)
{
	(void)state;
	render(false);
	exec("INSERT INTO device (product_id, device_id, version) VALUES ('lamp', 'd1', '1.0')");
	render_until(P "devices_by_version{product=\"lamp\",version=\"1.0\"} 1");
	exec("INSERT INTO device (product_id, device_id, version) VALUES ('lamp', 'd2', '1.0')");
	render_until(P "devices{product=\"lamp\"} 2");
	assert_line(P "devices_by_version{product=\"lamp\",version=\"1.0\"} 1");
}

/* More than a part of the count has, in several products. */
static void test_many_devices(void **state)
{
	(void)state;
	exec("INSERT INTO product (product_id) VALUES ('a'), ('b')");
	exec("BEGIN; WITH RECURSIVE n (i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < "
	     "30000) INSERT INTO device (product_id, device_id, version, presence)"
	     " SELECT iif(i % 3, 'a', 'b'), 'd' || i, 'v' || (i % 2), iif(i % 5, 'online', NULL)"
	     " FROM n; COMMIT");
	render(false);
	assert_line(P "devices{product=\"a\"} 20000");
	assert_line(P "devices{product=\"b\"} 10000");
	assert_line(P "devices_online{product=\"a\"} 16000");
	assert_line(P "devices_by_version{product=\"a\",version=\"v0\"} 10000");
	assert_line(P "devices_by_version{product=\"b\",version=\"v1\"} 5000");
	assert_line(P "devices{product=\"lamp\"} 0");
}

static void test_51_open_tasks(void **state)
{
	(void)state;
	exec("INSERT INTO device (product_id, device_id, version) VALUES ('lamp', 'd1', '0.9')");
	exec("WITH RECURSIVE n (i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 52)"
	     " INSERT INTO task (task_id, firmware_id, name, mode, created_at)"
	     " SELECT 't' || i, 'f1', 'n', 'push', i FROM n");
	exec("UPDATE task_device SET state = 'success' WHERE task_id = 't52'");
	exec("UPDATE task SET state = 'paused' WHERE task_id = 't1'");
	render(false);
	assert_int_equal(count_of(P "task_paused{"), 50);
	assert_int_equal(count_of(P "task_devices{"), 250);
	/* what is paused is never left out, what is over always */
	assert_line(P "task_paused{task=\"t1\",product=\"lamp\"} 1");
	assert_line(P "task_paused{task=\"t51\",product=\"lamp\"} 0");
	assert_line(P "task_devices{task=\"t51\",product=\"lamp\",state=\"waiting\"} 1");
	assert_int_equal(count_of(P "task_paused{task=\"t2\""), 0);
	assert_int_equal(count_of(P "task_paused{task=\"t52\""), 0);
}

/* Readers of a catalog in WAL mode wait for nobody who writes. */
static void test_a_writer_holds_up_nothing(void **state)
{
	int64_t begun;

	(void)state;
	exec("BEGIN IMMEDIATE");
	begun = fw_boot_ms();
	render(false);
	assert_true(fw_boot_ms() - begun < 1500);
	assert_int_equal(count_of(P "firmware{"), 3);
	exec("ROLLBACK");
}

/* A catalog that is locked altogether: the counters are there, the rest is not. */
static void test_a_locked_catalog(void **state)
{
	int64_t begun;

	(void)state;
	exec("PRAGMA wal_checkpoint(TRUNCATE); PRAGMA journal_mode = DELETE; BEGIN EXCLUSIVE");
	begun = fw_boot_ms();
	render(true);
	assert_true(fw_boot_ms() - begun < 3000);
	assert_int_equal(count_of(P "firmware{"), 0);
	assert_int_equal(count_of(P "devices{"), 0);
	assert_int_equal(count_of(P "reads_total "), 1);
	assert_int_equal(count_of("# EOF"), 1);
	exec("ROLLBACK");
	render(true);
	assert_int_equal(count_of(P "firmware{"), 3);
	assert_line(P "devices{product=\"lamp\"} 0");
}

static void test_a_missing_catalog_is_not_made(void **state)
{
	(void)state;
	shell("mkdir away && mv firmware.db* away");
	render(false);
	assert_int_equal(count_of(P "firmware{"), 0);
	assert_int_equal(count_of(P "catalog_bytes"), 0);
	assert_int_equal(count_of(P "pulls_total{"), 6);
	assert_int_not_equal(access("firmware.db", F_OK), 0);
	shell("mv away/* . && rmdir away");
	render(false);
	assert_int_equal(count_of(P "firmware{"), 3);
}

/* SQLite would take the log for that of the new file. */
static void test_a_catalog_in_place_of_another_is_not_opened(void **state)
{
	(void)state;
	render(false);
	assert_int_equal(count_of(P "firmware{"), 3);
	shell("cp firmware.db other.db && mv other.db firmware.db");
	render(false);
	assert_int_equal(count_of(P "firmware{"), 0);
}

static void test_a_damaged_catalog(void **state)
{
	(void)state;
	sqlite3_close(db);
	db = NULL;
	shell("rm -f firmware.db*; head -c 8192 /dev/urandom >firmware.db");
	for (int i = 0; i < 2; i++) {
		render(false);
		assert_int_equal(count_of(P "firmware{"), 0);
		assert_int_equal(count_of(P "pulls_total{"), 6);
		assert_line(P "catalog_bytes 8192");
	}
}

/* With next to no time the count goes on from scrape to scrape, and what it found stands. */
static void test_a_count_goes_on_in_the_next_look(void **state)
{
	unsigned looks = 0;

	(void)state;
	exec("BEGIN; WITH RECURSIVE n (i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < "
	     "100000) INSERT INTO device (product_id, device_id, version)"
	     " SELECT 'lamp', 'd' || i, '1.0' FROM n; COMMIT");
	open_metrics(2);
	do
		render(false);
	while (++looks < 1000 && !count_of(P "devices{"));
	assert_true(looks > 1 && looks < 1000);
	assert_line(P "devices{product=\"lamp\"} 100000");
	assert_line(P "devices_by_version{product=\"lamp\",version=\"1.0\"} 100000");
}

/* No read transaction is open behind a rendering: the log can be started over. */
static void test_the_log_is_not_held(void **state)
{
	int log = -1, done = -1;

	(void)state;
	render(false);
	exec("INSERT INTO product (product_id) VALUES ('p')");
	assert_int_equal(
		sqlite3_wal_checkpoint_v2(db, NULL, SQLITE_CHECKPOINT_TRUNCATE, &log, &done),
		SQLITE_OK);
	assert_int_equal(log, 0);
	render(false);
	assert_line(P "catalog_wal_bytes 0");
}

static void *render_often(void *argument)
{
	for (int i = 0; i < 25; i++) {
		char *out = NULL;
		size_t length;

		if (fw_metrics_render(metrics, i % 2, &out, &length) != FW_OK)
			return NULL;
		free(out);
	}
	return argument;
}

static void test_many_threads(void **state)
{
	pthread_t threads[4];
	void *result;

	(void)state;
	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, render_often, threads), 0);
	for (int i = 0; i < 4; i++) {
		pthread_join(threads[i], &result);
		assert_ptr_equal(result, threads);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, finish)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_every_family_has_its_help_and_type),
		TEST(test_openmetrics_names_families_its_own_way),
		TEST(test_counters),
		TEST(test_label_values_are_escaped),
		TEST(test_no_device_and_no_error_is_named),
		TEST(test_devices_of_products),
		TEST(test_the_20_largest_versions_and_the_others),
		TEST(test_versions_are_recounted_each_minute_at_most),
		TEST(test_many_devices),
		TEST(test_51_open_tasks),
		TEST(test_a_writer_holds_up_nothing),
		TEST(test_a_locked_catalog),
		TEST(test_a_missing_catalog_is_not_made),
		TEST(test_a_catalog_in_place_of_another_is_not_opened),
		TEST(test_a_damaged_catalog),
		TEST(test_a_count_goes_on_in_the_next_look),
		TEST(test_the_log_is_not_held),
		TEST(test_many_threads),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
