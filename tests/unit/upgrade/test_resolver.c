/* "Answering a pull", step by step. */
#include "noted_uplink.h"
#include "resolver_fixture.h"

static void test_step_1(void **state)
{
	struct fw_answer answer;

	(void)state;
	assert_int_equal(fw_resolver_answer(catalog,
				 &(struct fw_pull){.product = FW_SLICE("oven"),
					 .device = D1,
					 .request = FW_SLICE("2.0")},
				 &answer),
		FW_OK);
	assert_int_equal(answer.code, FW_PULL_UNKNOWN_PRODUCT);
	source.product.enabled = false;
	assert_code(NULL, NULL, FW_PULL_FIRMWARE_DISABLED);
	assert_code(NULL, "2.0", FW_PULL_FIRMWARE_DISABLED);
	assert_code(NULL, "9.9", FW_PULL_FIRMWARE_DISABLED);
}

static void test_step_2(void **state)
{
	(void)state;
	assert_offer("2.0", "1.0", "1.0");
	assert_offer("1.0", "1.0", "1.0");
	assert_code("1.0", "3.0", FW_PULL_VERSION_NOT_FOUND);
	assert_code("1.0", "9.9", FW_PULL_VERSION_NOT_FOUND);
	/* whatever the tasks and the policy */
	source.product =
		(struct fw_product){.enabled = true, .open_tasks = true, .policy = FW_POLICY_TASK};
	source.open[0] = "1.1";
	changed();
	assert_offer(NULL, "2.0", "2.0");
	assert_true(ask(NULL, "2.0").of_task);
}

static void test_step_3(void **state)
{
	static const struct {
		enum fw_pull_policy policy;
		const char *version;
	} expected[] = {
		{FW_POLICY_STEPWISE, "1.0"}, {FW_POLICY_LATEST, "1.1"}, {FW_POLICY_TASK, "1.1"}};

	(void)state;
	source.open[0] = "1.0";
	source.open[1] = "1.1";
	for (size_t i = 0; i < 3; i++) {
		source.product = (struct fw_product){
			.enabled = true, .open_tasks = true, .policy = expected[i].policy};
		changed();
		assert_offer(NULL, NULL, expected[i].version);
		assert_true(ask(NULL, NULL).of_task);
	}
	/* without open tasks in the product nobody asks for rows */
	source.rows_asked = 0;
	source.product.open_tasks = false;
	changed();
	assert_code(NULL, NULL, FW_PULL_NO_UPDATE);
	assert_int_equal(source.rows_asked, 0);
}

static void test_step_3_without_a_row_goes_on(void **state)
{
	(void)state;
	source.product.open_tasks = true;
	assert_offer("1.0", NULL, "2.0");
	assert_false(ask("1.0", NULL).of_task);
}

static void test_step_4(void **state)
{
	(void)state;
	assert_offer(NULL, NULL, "2.0");
	assert_offer("1.0", NULL, "2.0");
	assert_offer("unheard of", NULL, "2.0");
	source.product.policy = FW_POLICY_STEPWISE;
	changed();
	assert_offer(NULL, NULL, "1.0");
	assert_offer("unheard of", NULL, "1.0");
	assert_offer("1.0", NULL, "1.1");
	assert_offer("1.1", NULL, "2.0");
	assert_code("2.0", NULL, FW_PULL_NO_UPDATE);
	source.product.policy = FW_POLICY_TASK;
	changed();
	assert_code("1.0", NULL, FW_PULL_NO_UPDATE);
	assert_code(NULL, NULL, FW_PULL_NO_UPDATE);
}

static void test_step_5(void **state)
{
	(void)state;
	assert_code("2.0", NULL, FW_PULL_NO_UPDATE);
	assert_code("3.0", NULL, FW_PULL_NO_UPDATE); /* it runs what is not ready, and is above */
	source.product.open_tasks = true;
	source.open[0] = "1.1";
	changed();
	assert_code("1.1", NULL, FW_PULL_NO_UPDATE);
	assert_code("2.0", NULL, FW_PULL_NO_UPDATE);
	assert_offer("1.0", NULL, "1.1");
	source.recorded = "2.0";
	assert_code(NULL, NULL, FW_PULL_NO_UPDATE);
	assert_offer("1.0", NULL, "1.1"); /* its own word counts more */
}

static void test_one_upgrade_at_a_time(void **state)
{
	(void)state;
	source.product = (struct fw_product){.enabled = true, .open_tasks = true};
	source.open[0] = "1.1";
	source.open[1] = "2.0";
	source.under_way = "1.1";
	assert_offer("1.0", NULL, "1.1");
	source.product.policy = FW_POLICY_STEPWISE;
	source.under_way = "2.0";
	changed();
	assert_offer("1.0", NULL, "2.0");
	/* it is under way all the same */
	source.held = true;
	assert_code("1.0", NULL, FW_PULL_NO_UPDATE);
	source.product.policy = FW_POLICY_LATEST;
	changed();
	assert_code("1.0", NULL, FW_PULL_NO_UPDATE);
	assert_offer("1.0", "1.1", "1.1");
	/* until an uplink that is not applied yet says that it ended */
	assert_int_equal(
		note_uplink(unapplied, LAMP, D1, (struct fw_slice){NULL, 0}, FW_SLICE("f2.0")),
		FW_OK);
	assert_offer("1.0", NULL, "1.1");
}

static void test_a_task_that_allows_downgrades(void **state)
{
	(void)state;
	source.product.open_tasks = true;
	source.open[0] = "1.1";
	assert_code("2.0", NULL, FW_PULL_NO_UPDATE);
	source.downgrade = true;
	assert_offer("2.0", NULL, "1.1");
	assert_offer("1.0", NULL, "1.1");
	assert_code("1.1", NULL, FW_PULL_NO_UPDATE);
	/* the policy never does */
	source.open[0] = NULL;
	assert_code("2.0", NULL, FW_PULL_NO_UPDATE);
	assert_code("3.0", NULL, FW_PULL_NO_UPDATE);
}

/* It has said complete, and not restarted yet. */
static void test_a_pull_before_the_restart(void **state)
{
	(void)state;
	source.product.completing = true;
	source.recorded = "2.0";
	source.before = "1.0";
	assert_code("1.0", NULL, FW_PULL_NO_UPDATE);
	assert_true(ask("1.0", NULL).before_restart);
	assert_offer("1.0", "1.1", "1.1");
	/* another version is news */
	assert_offer("1.1", NULL, "2.0");
	assert_false(ask("1.1", NULL).before_restart);
	/* it has reported, as far as uplinks tell that are not applied yet */
	assert_int_equal(
		note_uplink(unapplied, LAMP, D1, FW_SLICE("1.0"), (struct fw_slice){NULL, 0}),
		FW_OK);
	assert_offer("1.0", NULL, "2.0");
}

static void test_a_pull_before_the_restart_that_is_not_applied_yet(void **state)
{
	(void)state;
	source.recorded = "1.0";
	assert_int_equal(
		note_uplink(unapplied, LAMP, D1, FW_SLICE("2.0"), FW_SLICE("f2.0")), FW_OK);
	assert_code("1.0", NULL, FW_PULL_NO_UPDATE);
	assert_code(NULL, NULL, FW_PULL_NO_UPDATE);
	assert_offer("1.1", NULL, "2.0");
	assert_int_equal(
		note_uplink(unapplied, LAMP, D1, FW_SLICE("1.0"), (struct fw_slice){NULL, 0}),
		FW_OK);
	assert_offer("1.0", NULL, "2.0");
}

/* Completed, by the id of the firmware alone. */
static void complete(const char *firmware_id)
{
	const struct fw_uplink uplink = {.kind = FW_UPLINK_PROGRESS,
		.product = LAMP,
		.device = D1,
		.firmware_id = fw_slice_of(firmware_id),
		.complete = true,
		.success = true};

	assert_int_equal(fw_unapplied_note(unapplied, &uplink, false), FW_OK);
}

static void assert_device_version(const char *expected)
{
	char version[64];

	assert_int_equal(
		fw_resolver_device_version(catalog, LAMP, D1, version, sizeof(version)), FW_OK);
	assert_string_equal(version, expected);
}

static void test_an_upgrade_that_is_completed_by_its_firmware_alone(void **state)
{
	unsigned asked;

	(void)state;
	source.recorded = "1.0";
	complete("f2.0");
	assert_device_version("2.0");
	assert_code("1.0", NULL, FW_PULL_NO_UPDATE);
	assert_true(ask("1.0", NULL).before_restart);
	assert_code(NULL, NULL, FW_PULL_NO_UPDATE);
	assert_offer("1.1", NULL, "2.0");
	/* which firmware that is, the catalog is asked once */
	asked = source.asked;
	assert_code("1.0", NULL, FW_PULL_NO_UPDATE);
	assert_device_version("2.0");
	assert_int_equal(source.asked, asked);
	/* and again once it has changed */
	source.firmware[0].version = "2.1";
	changed();
	assert_device_version("1.0");
}

static void test_firmware_that_the_catalog_does_not_have_names_no_version(void **state)
{
	(void)state;
	source.recorded = "1.0";
	complete("f9.9");
	assert_device_version("1.0");
	assert_false(ask("1.0", NULL).before_restart);
	assert_offer("1.0", NULL, "2.0");
}

static void test_nothing_ready(void **state)
{
	(void)state;
	memset(source.firmware, 0, sizeof(source.firmware));
	source.firmware[0].version = "3.0", source.firmware[0].order = 4;
	assert_code(NULL, NULL, FW_PULL_NO_UPDATE);
	source.product.policy = FW_POLICY_STEPWISE;
	changed();
	assert_code("3.0", NULL, FW_PULL_NO_UPDATE);
}

static void test_a_row_whose_firmware_is_withdrawn(void **state)
{
	(void)state;
	source.product.open_tasks = true;
	source.open[0] = "3.0";
	assert_code("1.0", NULL, FW_PULL_NO_UPDATE);
}

static void test_unapplied_uplinks_count(void **state)
{
	char version[64];

	(void)state;
	source.recorded = "1.0";
	source.product.open_tasks = true;
	source.open[0] = "1.1";
	source.open[1] = "2.0";
	assert_offer(NULL, NULL, "2.0");
	note_uplink(unapplied, LAMP, D1, FW_SLICE("1.1"), FW_SLICE("f2.0"));
	/* 2.0 has ended, 1.1 it runs */
	assert_int_equal(
		fw_resolver_device_version(catalog, LAMP, D1, version, sizeof(version)), FW_OK);
	assert_string_equal(version, "1.1");
	source.product.policy = FW_POLICY_TASK;
	changed();
	assert_code(NULL, NULL, FW_PULL_NO_UPDATE);
	/* another device is not concerned */
	assert_int_equal(
		fw_resolver_device_version(catalog, LAMP, FW_SLICE("d2"), version, sizeof(version)),
		FW_NOT_FOUND);
	fw_unapplied_applied(unapplied, 0, 1);
	assert_code(NULL, NULL, FW_PULL_NO_UPDATE);
	fw_unapplied_applied(unapplied, 1, 1);
	source.open[1] = NULL;
	assert_offer(NULL, NULL, "1.1");
	note_uplink(unapplied, LAMP, D1, (struct fw_slice){NULL, 0}, FW_SLICE("1.1"));
	assert_code(NULL, NULL, FW_PULL_NO_UPDATE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_step_1, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_step_2, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_step_3, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			test_step_3_without_a_row_goes_on, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_step_4, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_step_5, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_one_upgrade_at_a_time, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			test_a_task_that_allows_downgrades, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_a_pull_before_the_restart, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			test_a_pull_before_the_restart_that_is_not_applied_yet, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			test_an_upgrade_that_is_completed_by_its_firmware_alone, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			test_firmware_that_the_catalog_does_not_have_names_no_version, set_up,
			tear_down),
		cmocka_unit_test_setup_teardown(test_nothing_ready, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			test_a_row_whose_firmware_is_withdrawn, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_unapplied_uplinks_count, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
