/* What acknowledged uplinks said is known until the store has applied it, and no longer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "upgrade/unapplied.h"

#include "allocator.h"
#include "noted_uplink.h"

static size_t freed;

static void counted_free(void *memory)
{
	freed += memory != NULL;
	free(memory);
}

#define free counted_free

#include "upgrade/unapplied.c"

#define LAMP FW_SLICE("lamp")
#define D1 FW_SLICE("d1")
#define NONE ((struct fw_slice){NULL, 0})

static struct fw_unapplied *unapplied;

static int set_up(void **state)
{
	(void)state;
	unapplied = fw_unapplied_new();
	return unapplied ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	allocations_left = -1;
	fw_unapplied_free(unapplied);
	return 0;
}

static void note(struct fw_slice device, const char *version, const char *closed)
{
	assert_int_equal(
		note_uplink(unapplied, LAMP, device, fw_slice_of(version), fw_slice_of(closed)),
		FW_OK);
}

static void assert_version(struct fw_slice device, const char *version)
{
	assert_true(fw_slice_equal(
		fw_unapplied_running(unapplied, LAMP, device).version, fw_slice_of(version)));
}

static bool is_closed(const char *firmware_id, const char *version)
{
	return fw_unapplied_closed(
		unapplied, LAMP, D1, fw_slice_of(firmware_id), fw_slice_of(version));
}

static void test_the_last_version_counts(void **state)
{
	(void)state;
	assert_version(D1, NULL);
	note(D1, "1.0", NULL);
	note(D1, "2.0", NULL);
	note(D1, NULL, "f9");
	assert_version(D1, "2.0");
	assert_version(FW_SLICE("d2"), NULL);
	assert_int_equal(fw_unapplied_running(unapplied, FW_SLICE("oven"), D1).version.len, 0);
}

static void test_forgotten_once_applied(void **state)
{
	(void)state;
	note(D1, "1.0", "f1"); /* record 1 */
	fw_unapplied_applied(unapplied, 0, 1);
	assert_version(D1, "1.0");
	fw_unapplied_applied(unapplied, 1, 1);
	assert_version(D1, NULL);
	assert_false(is_closed("f1", "x"));
}

static void test_what_came_later_is_kept(void **state)
{
	(void)state;
	note(D1, "1.0", NULL); /* record 1 */
	fw_unapplied_applied(unapplied, 0, 1);
	note(D1, "2.0", NULL);             /* record 2 */
	note(FW_SLICE("d2"), "2.0", NULL); /* record 3 */
	assert_version(D1, "2.0");
	fw_unapplied_applied(unapplied, 1, 3);
	assert_version(D1, "2.0");
	assert_version(FW_SLICE("d2"), "2.0");
	fw_unapplied_applied(unapplied, 2, 3);
	assert_version(FW_SLICE("d2"), "2.0");
	fw_unapplied_applied(unapplied, 3, 3);
	assert_version(D1, NULL);
	assert_version(FW_SLICE("d2"), NULL);
}

/* However the store and the broker's ticks interleave: nothing unapplied is ever forgotten, and in
 * the end all is. */
static void test_any_interleaving(void **state)
{
	uint64_t last = 0, applied = 0, noted[8] = {0};
	unsigned random = 1;

	(void)state;
	for (int step = 0; step < 20000; step++) {
		char id[8], version[24];
		unsigned device;

		random = random * 1103515245u + 12345u;
		device = random >> 16 & 7;
		snprintf(id, sizeof(id), "d%u", device);
		if (random >> 20 & 1) {
			last++;
			noted[device] = last;
			snprintf(version, sizeof(version), "v%llu", (unsigned long long)last);
			note(fw_slice_of(id), version, NULL);
		} else {
			applied += (random >> 24) % (last - applied + 1);
			fw_unapplied_applied(unapplied, applied, last);
		}
		if (noted[device] > applied) {
			snprintf(version, sizeof(version), "v%llu",
				(unsigned long long)noted[device]);
			assert_version(fw_slice_of(id), version);
		}
	}
	fw_unapplied_applied(unapplied, last, last);
	fw_unapplied_applied(unapplied, last, last);
	assert_version(FW_SLICE("d0"), NULL);
	assert_version(FW_SLICE("d7"), NULL);
}

static void test_closed_by_id_or_version(void **state)
{
	(void)state;
	note(D1, NULL, "f1");
	note(D1, NULL, "2.0");
	assert_true(is_closed("f1", "1.0"));
	assert_true(is_closed("f2", "2.0"));
	assert_false(is_closed("f3", "3.0"));
	/* what it runs, it need not be given */
	note(D1, "3.0", NULL);
	assert_true(is_closed("f3", "3.0"));
	assert_false(fw_unapplied_closed(
		unapplied, LAMP, FW_SLICE("d2"), FW_SLICE("f1"), FW_SLICE("1.0")));
}

static void test_closed_is_bounded_the_latest_stay(void **state)
{
	(void)state;
	for (unsigned i = 0; i < FW_UNAPPLIED_CLOSED_MAX + 2; i++)
		note(D1, NULL, (char[]){'f', (char)('0' + i), '\0'});
	assert_false(is_closed("f0", "x"));
	assert_false(is_closed("f1", "x"));
	assert_true(is_closed("f2", "x"));
	assert_true(is_closed("f5", "x"));
}

static void test_closed_over_both_generations(void **state)
{
	(void)state;
	note(D1, NULL, "f1");
	fw_unapplied_applied(unapplied, 0, 1);
	note(D1, NULL, "f2");
	assert_true(is_closed("f1", "x"));
	assert_true(is_closed("f2", "x"));
}

static void test_ids_do_not_run_together(void **state)
{
	(void)state;
	assert_int_equal(
		note_uplink(unapplied, FW_SLICE("a"), FW_SLICE("bc"), FW_SLICE("1"), NONE), FW_OK);
	assert_int_equal(
		fw_unapplied_running(unapplied, FW_SLICE("ab"), FW_SLICE("c")).version.len, 0);
}

static bool heard_for(const char *product)
{
	bool unchecked;

	return fw_slice_equal(
		fw_unapplied_product(unapplied, D1, &unchecked), fw_slice_of(product));
}

static void test_an_id_is_heard_for_one_product(void **state)
{
	(void)state;
	assert_true(heard_for(NULL));
	assert_int_equal(note_id_heard(unapplied, LAMP, D1), FW_OK);
	assert_int_equal(note_id_heard(unapplied, FW_SLICE("oven"), D1), FW_OK);
	assert_true(heard_for("lamp"));
	assert_version(D1, NULL);
	/* what comes later changes nothing until the first one is applied */
	fw_unapplied_applied(unapplied, 0, 1);
	assert_int_equal(note_id_heard(unapplied, FW_SLICE("oven"), D1), FW_OK);
	assert_true(heard_for("lamp"));
	fw_unapplied_applied(unapplied, 1, 2);
	assert_true(heard_for(NULL));
	assert_int_equal(note_id_heard(unapplied, FW_SLICE("oven"), D1), FW_OK);
	assert_true(heard_for("oven"));
}

static void test_room(void **state)
{
	(void)state;
	for (unsigned i = 0; i < FW_UNAPPLIED_MAX; i++) {
		char id[16];

		snprintf(id, sizeof(id), "%u", i);
		note(fw_slice_of(id), "1", NULL);
	}
	assert_int_equal(note_uplink(unapplied, LAMP, D1, FW_SLICE("1"), NONE), FW_FULL);
	assert_int_equal(note_id_heard(unapplied, LAMP, D1), FW_FULL);
	fw_unapplied_applied(unapplied, 0, 1);
	fw_unapplied_applied(unapplied, 1, 1);
	assert_int_equal(note_uplink(unapplied, LAMP, D1, FW_SLICE("1"), NONE), FW_OK);
	assert_int_equal(note_id_heard(unapplied, LAMP, D1), FW_OK);
}

/* What the store has applied after a long lock is forgotten at once, and freed a few devices at
 * each call: nobody waits for it. */
static void test_many_are_freed_little_by_little(void **state)
{
	const unsigned devices = 5000;
	char id[16];
	size_t before;

	(void)state;
	for (unsigned i = 0; i < devices; i++) {
		snprintf(id, sizeof(id), "%u", i);
		note(fw_slice_of(id), "1", "f1");
		if (i == devices / 2)
			fw_unapplied_applied(unapplied, 0, devices / 2);
	}
	freed = before = 0;
	for (unsigned call = 0; freed < devices * 3; call++) {
		fw_unapplied_applied(unapplied, devices, devices);
		assert_true(freed - before <= 64 * 3); /* a device, its version, what it closed */
		before = freed;
		snprintf(id, sizeof(id), "%u", call % devices);
		assert_version(fw_slice_of(id), NULL);
		assert_true(call < devices); /* it ends */
	}
	assert_int_equal(freed, devices * 3);
}

/* Turn after turn, while what was forgotten before still waits: all of it counts, nothing is
 * answered from it. */
static void test_what_waits_to_be_freed_counts(void **state)
{
	char id[16];
	size_t noted = 0;

	(void)state;
	freed = 0;
	for (unsigned turn = 1; turn <= 10; turn++) {
		for (unsigned i = 0; i < 1000; i++, noted++) {
			snprintf(id, sizeof(id), "%u", i);
			note(fw_slice_of(id), "1", NULL);
		}
		fw_unapplied_applied(unapplied, turn, turn);
		assert_version(FW_SLICE("0"), NULL);
		assert_version(FW_SLICE("999"), NULL);
		assert_int_equal(fw_table_count(unapplied->young) + fw_table_count(unapplied->old) +
				unapplied->retired.count,
			noted - freed / 2);
	}
	assert_true(freed / 2 <= 10 * 64);
}

static void test_want_of_memory(void **state)
{
	(void)state;
	note(FW_SLICE("d2"), "1.0", NULL);
	for (long left = 0;; left++) {
		enum fw_status status;

		allocations_left = left;
		status = note_uplink(unapplied, LAMP, D1, FW_SLICE("2.0"), FW_SLICE("f1"));
		allocations_left = -1;
		assert_version(FW_SLICE("d2"), "1.0");
		if (status == FW_OK)
			break;
		assert_int_equal(status, FW_NOMEM);
	}
	assert_version(D1, "2.0");
	assert_true(is_closed("f1", "x"));
	for (long left = 0;; left++) {
		enum fw_status status;

		allocations_left = left;
		status = note_id_heard(unapplied, LAMP, D1);
		allocations_left = -1;
		if (status == FW_OK)
			break;
		assert_true(heard_for(NULL));
	}
	assert_true(heard_for("lamp"));
	allocations_left = 0;
	assert_null(fw_unapplied_new());
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_the_last_version_counts, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_forgotten_once_applied, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_what_came_later_is_kept, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_any_interleaving, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_closed_by_id_or_version, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			test_closed_is_bounded_the_latest_stay, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			test_closed_over_both_generations, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_ids_do_not_run_together, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			test_an_id_is_heard_for_one_product, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_room, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			test_many_are_freed_little_by_little, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			test_what_waits_to_be_freed_counts, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_want_of_memory, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
