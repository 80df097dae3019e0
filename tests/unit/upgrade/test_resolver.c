/* "Answering a pull", step by step, and the cache: against a source that is a table in memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "upgrade/resolver.h"

#define LAMP FW_SLICE("lamp")
#define D1 FW_SLICE("d1")
#define NOW 1700000000000

static struct {
	enum fw_status trouble; /* of every question but generation; FW_OK: none */
	enum fw_status generation_trouble;
	uint64_t generation;
	bool restless; /* the generation moves each time it is asked for */
	unsigned asked, rows_asked;
	struct fw_product product;
	struct {
		const char *version;
		int64_t order;
		bool ready;
	} firmware[8];
	const char *open[4];   /* versions, lowest order first */
	const char *under_way; /* of these, the one that is processing */
	bool held;             /* it cannot be handed out now */
	bool downgrade;        /* of all open rows */
	const char *recorded;
	const char *label;  /* what it says again and again when 2.0 is installed */
	const char *before; /* what it ran before the upgrade that it completed */
} source;

static struct fw_unapplied *unapplied;
static struct fw_resolver *catalog;

static enum fw_status generation(void *context, uint64_t *out)
{
	(void)context;
	if (source.restless)
		source.generation++;
	*out = source.generation;
	return source.generation_trouble;
}

static enum fw_status product(void *context, struct fw_slice id, struct fw_product *out)
{
	(void)context;
	source.asked++;
	if (source.trouble)
		return source.trouble;
	*out = source.product;
	return fw_slice_equal(id, LAMP) ? FW_OK : FW_NOT_FOUND;
}

static enum fw_status copy_of(size_t i, struct fw_firmware **out)
{
	char id[32];

	snprintf(id, sizeof(id), "f%s", source.firmware[i].version);
	*out = fw_firmware_copy(&(struct fw_firmware){.order = source.firmware[i].order,
		.ready = source.firmware[i].ready,
		.firmware_id = id,
		.version = source.firmware[i].version,
		.rendered = source.firmware[i].ready ? "\"url\":\"x\"" : NULL});
	assert_non_null(*out);
	return FW_OK;
}

static enum fw_status by_version(
	void *context, struct fw_slice id, struct fw_slice version, struct fw_firmware **out)
{
	(void)context;
	(void)id;
	source.asked++;
	if (source.trouble)
		return source.trouble;
	for (size_t i = 0; i < 8 && source.firmware[i].version; i++) {
		if (fw_slice_equal(fw_slice_of(source.firmware[i].version), version))
			return copy_of(i, out);
	}
	return FW_NOT_FOUND;
}

/* The highest ready one, or the lowest above `above`. */
static enum fw_status best(bool highest, int64_t above, struct fw_firmware **out)
{
	size_t found = 8;

	source.asked++;
	if (source.trouble)
		return source.trouble;
	for (size_t i = 0; i < 8 && source.firmware[i].version; i++) {
		int64_t order = source.firmware[i].order;

		if (source.firmware[i].ready && order > above &&
			(found == 8 || (order > source.firmware[found].order) == highest))
			found = i;
	}
	return found == 8 ? FW_NOT_FOUND : copy_of(found, out);
}

static enum fw_status latest(void *context, struct fw_slice id, struct fw_firmware **out)
{
	(void)context;
	(void)id;
	return best(true, INT64_MIN, out);
}

static enum fw_status next(
	void *context, struct fw_slice id, int64_t order, struct fw_firmware **out)
{
	(void)context;
	(void)id;
	return best(false, order, out);
}

/* source.open has the lowest order first. */
static enum fw_status open_rows(void *context, struct fw_slice id, struct fw_slice device,
	bool lowest_first, struct fw_open_row *rows, size_t *count)
{
	size_t open = 0;

	(void)context;
	(void)id;
	source.rows_asked++;
	*count = 0;
	if (source.trouble)
		return source.trouble;
	while (open < 4 && source.open[open] && fw_slice_equal(device, D1))
		open++;
	for (size_t i = 0; i < open; i++) {
		size_t from = lowest_first ? i : open - 1 - i;

		snprintf(rows[i].version, sizeof(rows[i].version), "%s", source.open[from]);
		snprintf(
			rows[i].firmware_id, sizeof(rows[i].firmware_id), "f%s", source.open[from]);
		rows[i].order = 0;
		for (size_t k = 0; k < 8 && source.firmware[k].version; k++) {
			if (strcmp(source.firmware[k].version, source.open[from]) == 0)
				rows[i].order = source.firmware[k].order;
		}
		rows[i].processing =
			source.under_way && strcmp(source.open[from], source.under_way) == 0;
		rows[i].offered = !rows[i].processing || !source.held;
		rows[i].downgrade = source.downgrade;
		/* the one under way comes first */
		if (rows[i].processing && i) {
			struct fw_open_row first = rows[i];

			memmove(rows + 1, rows, i * sizeof(rows[0]));
			rows[0] = first;
		}
	}
	*count = open;
	return FW_OK;
}

static enum fw_status device_version(
	void *context, struct fw_slice id, struct fw_slice device, char *version, size_t size)
{
	(void)context;
	(void)id;
	if (source.trouble)
		return source.trouble;
	if (!source.recorded || !fw_slice_equal(device, D1))
		return FW_NOT_FOUND;
	snprintf(version, size, "%s", source.recorded);
	return FW_OK;
}

static enum fw_status completed_from(void *context, struct fw_slice id, struct fw_slice device,
	int64_t now, char *version, size_t size)
{
	(void)context;
	(void)id;
	assert_int_equal(now, NOW);
	if (source.trouble)
		return source.trouble;
	if (!source.before || !fw_slice_equal(device, D1))
		return FW_NOT_FOUND;
	snprintf(version, size, "%s", source.before);
	return FW_OK;
}

static enum fw_status is_mislabelled(void *context, struct fw_slice id, struct fw_slice device,
	const char *firmware_id, struct fw_slice version, bool *out)
{
	(void)context;
	(void)id;
	if (source.trouble)
		return source.trouble;
	if (!source.label || !fw_slice_equal(device, D1) || strcmp(firmware_id, "f2.0") != 0)
		return FW_NOT_FOUND;
	*out = fw_slice_equal(version, fw_slice_of(source.label));
	return FW_OK;
}

/* Firmware 2.0 has the id f2.0. */
static enum fw_status version_of(
	void *context, struct fw_slice id, struct fw_slice firmware_id, char *version, size_t size)
{
	(void)context;
	(void)id;
	if (source.trouble)
		return source.trouble;
	if (firmware_id.len < 2)
		return FW_NOT_FOUND;
	fw_slice_copy((struct fw_slice){firmware_id.at + 1, firmware_id.len - 1}, version, size);
	return FW_OK;
}

static const struct fw_resolver_source table = {NULL, generation, product, by_version, latest, next,
	open_rows, device_version, completed_from, is_mislabelled, version_of};

/* A product with 1.0, 1.1, 2.0 in this order, and 3.0 that is not ready. */
static int set_up(void **state)
{
	(void)state;
	memset(&source, 0, sizeof(source));
	source.generation = 1;
	source.product.enabled = true;
	source.firmware[0].version = "2.0", source.firmware[0].order = 3,
	source.firmware[0].ready = true;
	source.firmware[1].version = "1.0", source.firmware[1].order = 1,
	source.firmware[1].ready = true;
	source.firmware[2].version = "1.1", source.firmware[2].order = 2,
	source.firmware[2].ready = true;
	source.firmware[3].version = "3.0", source.firmware[3].order = 4;
	unapplied = fw_unapplied_new();
	catalog = fw_resolver_new(&table, unapplied);
	return unapplied && catalog ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	fw_resolver_free(catalog);
	fw_unapplied_free(unapplied);
	return 0;
}

static struct fw_answer ask(const char *current, const char *request)
{
	struct fw_pull pull = {.product = LAMP,
		.device = D1,
		.current = fw_slice_of(current),
		.request = fw_slice_of(request),
		.now = NOW};
	struct fw_answer answer;

	assert_int_equal(fw_resolver_answer(catalog, &pull, &answer), FW_OK);
	return answer;
}

static void assert_offer(const char *current, const char *request, const char *version)
{
	struct fw_answer answer = ask(current, request);

	assert_int_equal(answer.code, FW_PULL_OFFER);
	assert_string_equal(answer.firmware->version, version);
	assert_non_null(answer.firmware->rendered);
}

static void assert_code(const char *current, const char *request, enum fw_pull_code code)
{
	assert_int_equal(ask(current, request).code, code);
}

/* The table has changed. */
static void changed(void)
{
	source.generation++;
}

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
	assert_int_equal(fw_unapplied_note(
				 unapplied, LAMP, D1, (struct fw_slice){NULL, 0}, FW_SLICE("f2.0")),
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
		fw_unapplied_note(unapplied, LAMP, D1, FW_SLICE("1.0"), (struct fw_slice){NULL, 0}),
		FW_OK);
	assert_offer("1.0", NULL, "2.0");
}

static void test_a_pull_before_the_restart_that_is_not_applied_yet(void **state)
{
	(void)state;
	source.recorded = "1.0";
	assert_int_equal(
		fw_unapplied_note(unapplied, LAMP, D1, FW_SLICE("2.0"), FW_SLICE("f2.0")), FW_OK);
	assert_code("1.0", NULL, FW_PULL_NO_UPDATE);
	assert_code(NULL, NULL, FW_PULL_NO_UPDATE);
	assert_offer("1.1", NULL, "2.0");
	assert_int_equal(
		fw_unapplied_note(unapplied, LAMP, D1, FW_SLICE("1.0"), (struct fw_slice){NULL, 0}),
		FW_OK);
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
	fw_unapplied_note(unapplied, LAMP, D1, FW_SLICE("1.1"), FW_SLICE("f2.0"));
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
	fw_unapplied_note(unapplied, LAMP, D1, (struct fw_slice){NULL, 0}, FW_SLICE("1.1"));
	assert_code(NULL, NULL, FW_PULL_NO_UPDATE);
}

static void test_cached_until_the_generation_moves(void **state)
{
	(void)state;
	assert_offer("1.0", NULL, "2.0");
	assert_code("2.0", NULL, FW_PULL_NO_UPDATE);
	source.asked = 0;
	assert_offer("1.0", NULL, "2.0");
	assert_code("2.0", NULL, FW_PULL_NO_UPDATE);
	assert_int_equal(source.asked, 0);
	source.firmware[0].ready = false;
	assert_offer("1.0", NULL, "2.0");
	changed();
	assert_offer("1.0", NULL, "1.1");
	assert_true(source.asked > 0);
}

/* The version asked for last is remembered with the product: whoever runs another is not taken for
 * it, however long its version is. */
static void test_devices_with_different_versions_take_turns(void **state)
{
	static const char longest[] =
		"2.0-0123456789012345678901234567890123456789012345678901234567890";

	(void)state;
	source.firmware[4].version = longest, source.firmware[4].order = 5,
	source.firmware[4].ready = true;
	for (int i = 0; i < 3; i++) {
		assert_offer("1.0", NULL, longest);
		assert_code(longest, NULL, FW_PULL_NO_UPDATE);
		assert_offer("1.1", NULL, longest);
		assert_offer("unheard of", NULL, longest);
		assert_offer("2.0-0123456789012345678901234567", NULL, longest);
		assert_code("3.0-and-more", "9.9", FW_PULL_VERSION_NOT_FOUND);
	}
}

/* Another connection may commit between any two questions of one answer. */
static void test_changes_in_the_middle_of_an_answer(void **state)
{
	(void)state;
	source.restless = true;
	for (int i = 0; i < 100; i++) {
		source.product = (struct fw_product){.enabled = true,
			.open_tasks = i % 2,
			.policy = (enum fw_pull_policy)(i % 3)};
		source.open[0] = i % 4 == 1 ? "1.1" : NULL;
		source.firmware[0].ready = i % 5;
		ask(i % 7 ? "1.0" : NULL, i % 11 ? NULL : "1.1");
	}
	assert_offer(NULL, "1.1", "1.1");
}

static void test_not_found_is_cached_and_found_later(void **state)
{
	(void)state;
	assert_code(NULL, "9.9", FW_PULL_VERSION_NOT_FOUND);
	source.asked = 0;
	assert_code(NULL, "9.9", FW_PULL_VERSION_NOT_FOUND);
	assert_int_equal(source.asked, 0);
	source.firmware[4].version = "9.9", source.firmware[4].order = 9,
	source.firmware[4].ready = true;
	changed();
	assert_offer(NULL, "9.9", "9.9");
}

static void test_trouble_is_passed_on_and_not_kept(void **state)
{
	static const enum fw_status troubles[] = {FW_BUSY, FW_IO, FW_CORRUPT, FW_NOMEM};
	struct fw_pull pull = {.product = LAMP, .device = D1};
	struct fw_answer answer;

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		changed();
		source.trouble = troubles[i];
		assert_int_equal(fw_resolver_answer(catalog, &pull, &answer), troubles[i]);
		source.trouble = FW_OK;
		source.generation_trouble = troubles[i];
		assert_int_equal(fw_resolver_answer(catalog, &pull, &answer), troubles[i]);
		source.generation_trouble = FW_OK;
		assert_offer(NULL, NULL, "2.0");
	}
}

/* Made-up versions and products cannot make the cache grow without end, nor make it answer wrongly.
 */
static void test_many_questions(void **state)
{
	(void)state;
	for (int i = 0; i < 70000; i++) {
		char version[16];

		snprintf(version, sizeof(version), "x%d", i);
		assert_code(NULL, version, FW_PULL_VERSION_NOT_FOUND);
	}
	assert_offer(NULL, "1.1", "1.1");
	assert_offer("1.0", NULL, "2.0");
}

static void test_a_version_too_long_is_no_crash(void **state)
{
	char long_version[FW_VERSION_MAX * 4 + 2];
	struct fw_pull pull = {
		.product = LAMP, .device = D1, .current = {long_version, sizeof(long_version) - 1}};
	struct fw_answer answer;

	(void)state;
	memset(long_version, 'x', sizeof(long_version));
	long_version[sizeof(long_version) - 1] = '\0';
	assert_int_not_equal(fw_resolver_answer(catalog, &pull, &answer), FW_OK);
	pull.current.len--;
	assert_int_equal(fw_resolver_answer(catalog, &pull, &answer), FW_OK);
	assert_string_equal(answer.firmware->version, "2.0");
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
		cmocka_unit_test_setup_teardown(test_nothing_ready, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			test_a_row_whose_firmware_is_withdrawn, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_unapplied_uplinks_count, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			test_cached_until_the_generation_moves, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			test_devices_with_different_versions_take_turns, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			test_changes_in_the_middle_of_an_answer, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			test_not_found_is_cached_and_found_later, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			test_trouble_is_passed_on_and_not_kept, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_many_questions, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			test_a_version_too_long_is_no_crash, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
