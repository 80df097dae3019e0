/* An error of the catalog is logged with the job of the store that met it, and a trigger of the
 * operator's holds up no other job. */
#include "stepped_service.h"

#include "catalog/temp_vfs.h"

static const struct fw_client d1 = {&d1, "d1", NULL};

static char logged[2048]; /* the lines since it was emptied */

static void log_line(void *context, enum fw_log_level level, const char *text)
{
	(void)context;
	(void)level;
	snprintf(logged + strlen(logged), sizeof(logged) - strlen(logged), "%s\n", text);
}

static const struct fw_broker broker = {.publish = publish_nothing, .log = log_line};

static int start(void **state)
{
	(void)state;
	open_service(&broker,
		"INSERT INTO product (product_id) VALUES ('lamp');"
		"INSERT INTO firmware (firmware_id, product_id, name, version, version_order,"
		" sign_method, sign, url, size)"
		" VALUES ('f2', 'lamp', 'Two', '2.0', 2, 'md5', '00000000000000000000000000000000',"
		" 'http://x/2', 20);"
		"INSERT INTO device (product_id, device_id) VALUES ('lamp', 'd1')");
	return 0;
}

/* Rounds until one fails, or the store and the broker have nothing more to tell each other. */
static enum fw_status work(void)
{
	for (unsigned rounds = 0; rounds < 20; rounds++) {
		bool more;
		enum fw_status status = step_store(&more);

		fw_service_tick(service); /* it logs what the store has to say */
		if (status != FW_OK)
			return status;
	}
	return FW_OK;
}

/* A trigger of this `event` refuses what `job` does, until it is dropped. */
static void fails_in(const char *job, const char *event)
{
	char text[512];

	snprintf(text, sizeof(text),
		"CREATE TRIGGER no %s BEGIN SELECT RAISE(ROLLBACK, 'no, please'); END", event);
	operate(text);
	logged[0] = '\0';
	assert_int_not_equal(work(), FW_OK);
	snprintf(text, sizeof(text),
		"the catalog cannot be written: no, please (job: %s); uplinks are saved in the "
		"spool "
		"and applied later",
		job);
	assert_non_null(strstr(logged, text));
	operate("DROP TRIGGER no");
	logged[0] = '\0';
	skipped_ms += 10000;
	assert_int_equal(work(), FW_OK);
	assert_non_null(strstr(logged, "the catalog can be written again"));
}

static void an_error_names_the_job(void **state)
{
	(void)state;
	assert_int_equal(work(), FW_OK);
	fw_service_connected(service, &d1, true);
	fails_in("uplinks and presence", "BEFORE UPDATE OF presence ON device");
	operate("INSERT INTO task (task_id, firmware_id, name, mode, release_type)"
		" VALUES ('t', 'f2', 'n', 'push', 'part');"
		"INSERT INTO task_device (task_id, device_id) VALUES ('t', 'd1')");
	fails_in("starts and timeouts", "BEFORE UPDATE OF state ON task_device");
}

/* The jobs of a start come before the uplinks. */
static void a_start_is_not_held_up_by_a_trigger(void **state)
{
	bool more;

	(void)state;
	operate("BEGIN; UPDATE catalog_state SET plugin_writing = 1;"
		"UPDATE device SET presence = 'online';"
		"UPDATE catalog_state SET plugin_writing = 0; COMMIT;"
		"CREATE TRIGGER no BEFORE UPDATE OF presence ON device WHEN NEW.presence IS NULL"
		" BEGIN SELECT RAISE(ROLLBACK, 'no, please'); END");
	assert_int_equal(step_store(&more), FW_OK);
	fw_service_tick(service);
	assert_non_null(strstr(logged,
		"refuse that the presence of devices is unknown, which is "
		"passed over: no, please"));
	assert_int_equal(step_store(&more), FW_OK);
	assert_true(stepped_store->committed_once);
}

/* A plugin that is loaded twice: the second one does not start, and the first one goes on. */
static void test_second_of_a_catalog(void **state)
{
	struct fw_error error = {""};
	struct fw_service *second = NULL;
	char name[4200];
	bool more;

	(void)state;
	snprintf(name, sizeof(name), "%s", fw_temp_vfs_name(options.db_file));
	assert_int_not_equal(fw_service_open(&options, &broker, &second, &error), FW_OK);
	assert_non_null(sqlite3_vfs_find(name));
	assert_int_equal(step_store(&more), FW_OK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(an_error_names_the_job, start, close_service),
		cmocka_unit_test_setup_teardown(
			a_start_is_not_held_up_by_a_trigger, start, close_service),
		cmocka_unit_test_setup_teardown(test_second_of_a_catalog, start, close_service),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
