/* The writing connection: what a reader that never ends does to SQLite's log. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "folder.h"
#include "catalog/db.h"
#include "catalog/schema.h"
#include "store/transaction.h"

#define MOST 10000 /* pages */

static const struct fw_store_context context;
static struct fw_transaction transaction = {.context = &context};
static sqlite3 *reader;

static int64_t log_size(void)
{
	struct stat info;

	return stat("catalog.db-wal", &info) == 0 ? info.st_size : 0;
}

/* One transaction that adds some pages to the log; what its begin said. */
static enum fw_status write_some(void)
{
	enum fw_status status = fw_transaction_begin(&transaction);

	if (status != FW_OK)
		return status;
	assert_int_equal(fw_db_exec(transaction.db,
				 "INSERT INTO progress_log (received_at, product_id, device_id, "
				 "error_reason)"
				 " VALUES (1, 'p', 'd', hex(randomblob(100000)))",
				 NULL),
		FW_OK);
	return fw_transaction_commit(&transaction, 0);
}

static void write_times(int times)
{
	for (int i = 0; i < times; i++)
		assert_int_equal(write_some(), FW_OK);
}

static void test_log_is_started_over(void **state)
{
	(void)state;
	write_times(300);
	assert_true(log_size() < 24 * 1024 * 1024);
}

static void test_reader_does_not_make_the_log_grow_without_bound(void **state)
{
	enum fw_status status;
	int64_t size;
	int written = 0;

	(void)state;
	transaction.checkpoint.most_pages = MOST;
	assert_int_equal(
		fw_db_exec(reader, "BEGIN; SELECT count(*) FROM progress_log", NULL), FW_OK);
	while ((status = write_some()) == FW_OK)
		assert_true(++written < 1000);
	assert_int_equal(status, FW_FAILED);
	assert_non_null(
		strstr(transaction.error.text, "some connection keeps a read transaction open"));
	size = log_size();
	assert_true(size >= MOST * INT64_C(4096) && size < (MOST + 200) * INT64_C(4200));
	for (int i = 0; i < 30; i++) {
		assert_int_equal(write_some(), FW_FAILED);
		usleep(50000);
	}
	assert_int_equal(log_size(), size);

	assert_int_equal(fw_db_exec(reader, "COMMIT", NULL), FW_OK);
	for (int i = 0; i < 60 && (status = write_some()) != FW_OK; i++)
		usleep(50000);
	assert_int_equal(status, FW_OK);
	assert_true(log_size() < size / 2);
	write_times(100);
}

static void end(sqlite3 *db)
{
	assert_int_equal(fw_db_exec(db, "COMMIT", NULL), FW_OK);
}

static void begin(sqlite3 *db)
{
	assert_int_equal(fw_db_exec(db, "BEGIN; SELECT count(*) FROM progress_log", NULL), FW_OK);
}

/* Each of them is short, but there is always one. */
static void test_overlapping_readers_are_told_from_one_that_does_not_end(void **state)
{
	sqlite3 *readers[2] = {reader, NULL};
	struct fw_error error = {""};
	enum fw_status status = FW_OK;
	int turn = 0;

	(void)state;
	transaction.checkpoint.most_pages = MOST;
	assert_int_equal(fw_db_open("catalog.db", 50, &readers[1], &error), FW_OK);
	begin(readers[0]);
	while (status == FW_OK && turn < 1000) {
		for (int i = 0; i < 10 && status == FW_OK; i++)
			status = write_some();
		begin(readers[++turn % 2]);
		end(readers[(turn + 1) % 2]);
		transaction.checkpoint.not_before = 0; /* the test is faster than time */
	}
	assert_int_equal(status, FW_FAILED);
	assert_non_null(strstr(transaction.error.text, "read transactions overlap without end"));
	/* the one that is left now does not end */
	transaction.checkpoint.moved_at -= 70000;
	for (int i = 0; i < 2; i++) {
		transaction.checkpoint.not_before = 0;
		assert_int_equal(write_some(), FW_FAILED);
		transaction.checkpoint.moved_at -= 70000;
	}
	assert_non_null(strstr(
		transaction.error.text, "some connection keeps a read transaction open: end it"));
	end(readers[turn % 2]);
	sqlite3_close(readers[1]);
	transaction.checkpoint.not_before = 0;
	assert_int_equal(write_some(), FW_OK);
}

static int open_both(void **state)
{
	struct fw_error error = {""};
	sqlite3 *db = NULL;

	(void)state;
	if (make_folder(state) != 0 || fw_schema_prepare("catalog.db", &db, &error) != FW_OK)
		return -1;
	if (fw_transaction_open(&transaction, db, false, &error) != FW_OK)
		return -1;
	return fw_db_open("catalog.db", 50, &reader, &error) == FW_OK ? 0 : -1;
}

static int close_both(void **state)
{
	sqlite3_close(reader);
	fw_transaction_close(&transaction);
	return remove_folder(state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_log_is_started_over),
		cmocka_unit_test(test_reader_does_not_make_the_log_grow_without_bound),
		cmocka_unit_test(test_overlapping_readers_are_told_from_one_that_does_not_end),
	};

	return cmocka_run_group_tests(tests, open_both, close_both);
}
