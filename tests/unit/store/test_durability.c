/* Option `sync full`: when the spool is synced, by a clock of the test's own. */
#include "spool_fixture.h"

#include "store/durability.h"

#define INTERVAL 100

static int64_t now_ms;
static int synced; /* files */
static bool disk_fails;

int64_t __wrap_fw_boot_ms(void);
int64_t __wrap_fw_boot_ms(void)
{
	return now_ms;
}

/* NOLINTBEGIN(readability-inconsistent-declaration-parameter-name): the system's names begin with
 * underscores */
int fdatasync(int fd)
{
	(void)fd;
	synced++;
	errno = EIO;
	return disk_fails ? -1 : 0;
}
/* NOLINTEND(readability-inconsistent-declaration-parameter-name) */

/* A spool with one uplink, and a look behind it. */
static struct fw_durability begin(void **state, bool full)
{
	struct fw_durability durability = {
		.spool = reopen(*state, 0), .full = full, .interval_ms = INTERVAL};

	now_ms = 1000000;
	disk_fails = false;
	append(durability.spool, "one");
	assert_int_equal(fw_durability_check(&durability, 0), FW_OK);
	synced = 0;
	return durability;
}

/* A look `ms` later, with so many files synced by it. */
static void expect_look(struct fw_durability *durability, int64_t ms, uint64_t applied, int files)
{
	now_ms += ms;
	synced = 0;
	assert_int_equal(fw_durability_check(durability, applied), FW_OK);
	assert_int_equal(synced, files);
}

static void test_nothing_waits_with_sync_normal(void **state)
{
	struct fw_durability durability = begin(state, false);

	expect_look(&durability, INTERVAL, 0, 0);
	append(durability.spool, "two");
	expect_look(&durability, 10 * INTERVAL, 0, 0);
	assert_int_equal(fw_durability_flush(&durability, 0), FW_OK);
	assert_int_equal(synced, 0);
	assert_int_equal(fw_durability_sleep_ms(&durability, 5000), 5000);
	fw_spool_close(durability.spool);
}

/* The catalog's log is synced by each commit. */
static void test_what_the_catalog_has_is_not_synced_in_the_spool(void **state)
{
	struct fw_durability durability = begin(state, true);

	for (uint64_t applied = 2; applied < 10; applied++) {
		append(durability.spool, "another");
		expect_look(&durability, INTERVAL / 2, applied, 0);
	}
	fw_spool_close(durability.spool);
}

static void test_what_the_catalog_does_not_get_is_synced_within_the_interval(void **state)
{
	struct fw_durability durability = begin(state, true);

	append(durability.spool, "two");
	expect_look(&durability, INTERVAL / 2 - 1, 1, 0); /* too early for a look */
	expect_look(&durability, 1, 1, 0);                /* it may have come just now */
	expect_look(&durability, INTERVAL / 2, 1, 1);
	expect_look(&durability, INTERVAL / 2, 1, 0);
	assert_int_equal(fw_durability_sleep_ms(&durability, 5000), INTERVAL / 2);
	assert_int_equal(fw_durability_sleep_ms(&durability, 10), 10);
	fw_spool_close(durability.spool);
}

static void test_a_thread_that_was_held_up_syncs_at_once(void **state)
{
	struct fw_durability durability = begin(state, true);

	append(durability.spool, "two");
	expect_look(&durability, INTERVAL, 1, 1);
	fw_spool_close(durability.spool);
}

/* What an earlier run applied is not safe before this one's first commit: nothing counts as
 * applied until then. */
static void test_the_first_look_syncs_what_an_earlier_run_left(void **state)
{
	struct fw_durability durability = begin(state, false);

	fw_spool_close(durability.spool);
	durability = (struct fw_durability){
		.spool = reopen(*state, 0), .full = true, .interval_ms = INTERVAL};
	expect_look(&durability, 0, 0, 1);
	expect_look(&durability, INTERVAL, 0, 0);
	fw_spool_close(durability.spool);
}

static void test_after_an_error_the_next_look_tries_again(void **state)
{
	struct fw_durability durability = begin(state, true);

	append(durability.spool, "two");
	disk_fails = true;
	now_ms += INTERVAL;
	assert_int_equal(fw_durability_check(&durability, 0), FW_IO);
	assert_int_equal(fw_durability_flush(&durability, 0), FW_IO);
	disk_fails = false;
	expect_look(&durability, INTERVAL / 2, 0, 1);
	fw_spool_close(durability.spool);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_nothing_waits_with_sync_normal),
		TEST(test_what_the_catalog_has_is_not_synced_in_the_spool),
		TEST(test_what_the_catalog_does_not_get_is_synced_within_the_interval),
		TEST(test_a_thread_that_was_held_up_syncs_at_once),
		TEST(test_the_first_look_syncs_what_an_earlier_run_left),
		TEST(test_after_an_error_the_next_look_tries_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
