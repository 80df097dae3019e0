/* For which products a device is served. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "service/registration.h"

#include "noted_uplink.h"

#define LAMP FW_SLICE("lamp")
#define TAP FW_SLICE("tap")
#define D1 FW_SLICE("d1")

/* The catalog: has lamp a row of any device, has tap one? */
static struct {
	bool lamp, tap;
	enum fw_status status;
	unsigned asked;
} rows;
static struct fw_unapplied *unapplied;
static uint64_t generation;

static enum fw_status find(
	void *context, struct fw_slice product, struct fw_slice device, bool *here, bool *elsewhere)
{
	(void)context;
	(void)device;
	rows.asked++;
	*here = fw_slice_equal(product, LAMP) ? rows.lamp : rows.tap;
	*elsewhere = fw_slice_equal(product, LAMP) ? rows.tap : rows.lamp;
	return rows.status;
}

static struct fw_registration *begin(enum fw_registration_mode mode)
{
	struct fw_registration *registration = fw_registration_new(mode, find, NULL, unapplied);

	assert_non_null(registration);
	return registration;
}

static int set_up(void **state)
{
	(void)state;
	rows.lamp = rows.tap = false;
	rows.status = FW_OK;
	rows.asked = 0;
	generation = 1;
	unapplied = fw_unapplied_new();
	return unapplied ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	fw_unapplied_free(unapplied);
	return 0;
}

static void test_once_by_rows(void **state)
{
	struct fw_registration *registration = begin(FW_REGISTRATION_ONCE);

	(void)state;
	assert_int_equal(
		fw_registration_of(registration, LAMP, D1, generation), FW_STANDING_UNHEARD);
	rows.lamp = true;
	assert_int_equal(
		fw_registration_of(registration, LAMP, D1, generation), FW_STANDING_REGISTERED);
	assert_int_equal(
		fw_registration_of(registration, TAP, D1, generation), FW_STANDING_FOREIGN);
	rows.tap = true;
	assert_int_equal(
		fw_registration_of(registration, TAP, D1, generation), FW_STANDING_REGISTERED);
	fw_registration_free(registration);
}

static void test_once_by_what_is_not_applied_yet(void **state)
{
	struct fw_registration *registration = begin(FW_REGISTRATION_ONCE);

	(void)state;
	assert_int_equal(note_id_heard(unapplied, LAMP, D1), FW_OK);
	assert_int_equal(
		fw_registration_of(registration, LAMP, D1, generation), FW_STANDING_REGISTERED);
	assert_int_equal(
		fw_registration_of(registration, TAP, D1, generation), FW_STANDING_FOREIGN);
	rows.tap = true;
	assert_int_equal(
		fw_registration_of(registration, TAP, D1, generation), FW_STANDING_REGISTERED);
	assert_int_equal(
		fw_registration_of(registration, LAMP, D1, generation), FW_STANDING_REGISTERED);
	fw_registration_free(registration);
}

/* What was kept while the catalog could not be asked counts if the catalog has the id nowhere. */
static void test_once_by_what_was_not_checked(void **state)
{
	struct fw_registration *registration = begin(FW_REGISTRATION_ONCE);

	(void)state;
	assert_int_equal(note_id_unchecked(unapplied, TAP, D1), FW_OK);
	assert_int_equal(
		fw_registration_of(registration, TAP, D1, generation), FW_STANDING_REGISTERED);
	assert_int_equal(
		fw_registration_of(registration, LAMP, D1, generation), FW_STANDING_FOREIGN);
	rows.lamp = true;
	assert_int_equal(
		fw_registration_of(registration, TAP, D1, generation), FW_STANDING_FOREIGN);
	assert_int_equal(
		fw_registration_of(registration, LAMP, D1, generation), FW_STANDING_REGISTERED);
	/* an operator speaks for it */
	assert_int_equal(note_id_heard(unapplied, TAP, D1), FW_OK);
	assert_int_equal(
		fw_registration_of(registration, TAP, D1, generation), FW_STANDING_REGISTERED);
	fw_registration_free(registration);
}

static void test_closed(void **state)
{
	struct fw_registration *registration = begin(FW_REGISTRATION_CLOSED);

	(void)state;
	assert_int_equal(note_id_heard(unapplied, LAMP, D1), FW_OK);
	assert_int_equal(
		fw_registration_of(registration, LAMP, D1, generation), FW_STANDING_FOREIGN);
	rows.lamp = true;
	assert_int_equal(
		fw_registration_of(registration, LAMP, D1, generation), FW_STANDING_REGISTERED);
	fw_registration_free(registration);
}

static void test_open_asks_nobody(void **state)
{
	struct fw_registration *registration = begin(FW_REGISTRATION_OPEN);

	(void)state;
	rows.tap = true;
	assert_int_equal(
		fw_registration_of(registration, LAMP, D1, generation), FW_STANDING_REGISTERED);
	assert_int_equal(rows.asked, 0);
	fw_registration_free(registration);
}

static void test_a_row_is_looked_for_once_a_generation(void **state)
{
	struct fw_registration *registration = begin(FW_REGISTRATION_ONCE);

	(void)state;
	rows.lamp = true;
	for (unsigned i = 0; i < 100; i++)
		assert_int_equal(fw_registration_of(registration, LAMP, D1, generation),
			FW_STANDING_REGISTERED);
	assert_int_equal(rows.asked, 1);
	rows.lamp = false;
	rows.tap = true;
	generation++;
	assert_int_equal(
		fw_registration_of(registration, LAMP, D1, generation), FW_STANDING_FOREIGN);
	/* what was not found is looked for each time */
	rows.lamp = true;
	assert_int_equal(
		fw_registration_of(registration, LAMP, D1, generation), FW_STANDING_REGISTERED);
	assert_int_equal(rows.asked, 3);
	fw_registration_free(registration);
}

static void test_ids_do_not_run_together(void **state)
{
	struct fw_registration *registration = begin(FW_REGISTRATION_ONCE);

	(void)state;
	rows.lamp = true;
	assert_int_equal(fw_registration_of(registration, LAMP, FW_SLICE("1"), generation),
		FW_STANDING_REGISTERED);
	assert_int_equal(
		fw_registration_of(registration, FW_SLICE("lam"), FW_SLICE("p1"), generation),
		FW_STANDING_FOREIGN);
	fw_registration_free(registration);
}

static void test_a_catalog_that_cannot_be_asked(void **state)
{
	struct fw_registration *registration = begin(FW_REGISTRATION_ONCE);

	(void)state;
	rows.status = FW_IO;
	assert_int_equal(
		fw_registration_of(registration, LAMP, D1, generation), FW_STANDING_UNKNOWN);
	rows.status = FW_OK;
	assert_int_equal(
		fw_registration_of(registration, LAMP, D1, generation), FW_STANDING_UNHEARD);
	fw_registration_free(registration);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_once_by_rows, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			test_once_by_what_is_not_applied_yet, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			test_once_by_what_was_not_checked, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_closed, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_open_asks_nobody, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			test_a_row_is_looked_for_once_a_generation, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_ids_do_not_run_together, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			test_a_catalog_that_cannot_be_asked, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
