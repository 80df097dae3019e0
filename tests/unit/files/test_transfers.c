/* Downloads gathered until they are written down. */
#include "files/transfers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct fw_transfers_record record(
	const char *device, const char *firmware_id, int64_t at, int64_t bytes, int64_t reached)
{
	struct fw_transfers_record made = {.product_id = "lamp",
		.first_at = at,
		.last_at = bytes ? at : 0,
		.bytes = bytes,
		.reached = reached,
		.total = 100,
		.requests = 1};

	snprintf(made.device_id, sizeof(made.device_id), "%s", device);
	snprintf(made.firmware_id, sizeof(made.firmware_id), "%s", firmware_id);
	return made;
}

static void note(struct fw_transfers *transfers, struct fw_transfers_record made)
{
	fw_transfers_note(transfers, &made);
}

static void test_merged(void **state)
{
	struct fw_transfers *transfers = fw_transfers_new(10);
	struct fw_transfers_record out[10];
	bool left;

	(void)state;
	note(transfers, record("d1", "f1", 1000, 0, 0));
	note(transfers, record("d1", "f1", 3000, 40, 60));
	note(transfers, record("d1", "f1", 2000, 20, 20));
	note(transfers, record("d2", "f1", 1000, 1, 1));
	note(transfers, record("", "f1", 1000, 1, 1));
	note(transfers, record("d1", "f2", 1000, 1, 1));
	assert_int_equal(fw_transfers_take(transfers, out, 10, &left), 4);
	for (size_t i = 0; i < 4; i++) {
		if (strcmp(out[i].device_id, "d1") != 0 || strcmp(out[i].firmware_id, "f1") != 0)
			continue;
		assert_true(out[i].first_at == 1000 && out[i].last_at == 3000 &&
			out[i].bytes == 60 && out[i].reached == 60 && out[i].requests == 3);
	}
	assert_int_equal(fw_transfers_take(transfers, out, 10, &left), 0);
	fw_transfers_free(transfers);
	fw_transfers_free(NULL);
}

static void test_bounded_and_taken_in_parts(void **state)
{
	struct fw_transfers *transfers = fw_transfers_new(5);
	struct fw_transfers_record out[3];
	char device[8];
	bool left;

	(void)state;
	for (int i = 0; i < 9; i++) {
		snprintf(device, sizeof(device), "d%d", i);
		note(transfers, record(device, "f", 1, 1, 1));
	}
	note(transfers, record("d0", "f", 1, 1, 1));
	assert_int_equal(fw_transfers_take(transfers, out, 3, &left), 3);
	assert_true(left);
	fw_transfers_note(transfers, &out[0]);
	/* what came meanwhile is not among the rest */
	assert_int_equal(fw_transfers_take(transfers, out, 3, &left), 2);
	assert_false(left);
	assert_int_equal(fw_transfers_take(transfers, out, 3, &left), 1);
	assert_false(left);
	assert_int_equal(fw_transfers_take(transfers, out, 3, &left), 0);
	assert_false(left);
	fw_transfers_free(transfers);
}

/* Devices that go on keep nobody else from being written down. */
static void test_comes_to_an_end(void **state)
{
	struct fw_transfers *transfers = fw_transfers_new(10);
	struct fw_transfers_record out;
	char device[8];
	int times[4] = {0};
	bool left = true;

	(void)state;
	for (int i = 0; i < 4; i++) {
		snprintf(device, sizeof(device), "%d", i);
		note(transfers, record(device, "f", 1, 1, 1));
	}
	for (int i = 0; i < 4; i++) {
		assert_true(left);
		assert_int_equal(fw_transfers_take(transfers, &out, 1, &left), 1);
		times[atoi(out.device_id)]++;
		note(transfers, out);
	}
	assert_false(left);
	for (int i = 0; i < 4; i++)
		assert_int_equal(times[i], 1);
	/* the bound is that of both tables */
	assert_int_equal(fw_transfers_take(transfers, &out, 1, &left), 1);
	for (int i = 4; i < 20; i++) {
		snprintf(device, sizeof(device), "%d", i);
		note(transfers, record(device, "f", 1, 1, 1));
	}
	for (int i = 0; i < 10; i++)
		assert_int_equal(fw_transfers_take(transfers, &out, 1, &left), 1);
	assert_int_equal(fw_transfers_take(transfers, &out, 1, &left), 0);
	fw_transfers_free(transfers);
}

static void count(void *context)
{
	++*(int *)context;
}

static void test_sampler(void **state)
{
	struct fw_transfers *transfers = fw_transfers_new(5);
	int counted = 0;

	(void)state;
	fw_transfers_sample(transfers);
	fw_transfers_set_sampler(transfers, count, &counted);
	fw_transfers_sample(transfers);
	fw_transfers_set_sampler(transfers, NULL, NULL);
	fw_transfers_sample(transfers);
	assert_int_equal(counted, 1);
	fw_transfers_free(transfers);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_merged),
		cmocka_unit_test(test_bounded_and_taken_in_parts),
		cmocka_unit_test(test_comes_to_an_end),
		cmocka_unit_test(test_sampler),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
