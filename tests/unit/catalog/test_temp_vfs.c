/* SQLite's temporary files lie beside the catalog, whatever folders for them the machine has. */
#include "catalog/temp_vfs.h"

#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "catalog/db.h"
#include "folder.h"

/* more than the cache of two pages keeps in memory */
#define FILL                                                                                       \
	"PRAGMA temp_store = FILE; PRAGMA temp.cache_size = 2; CREATE TEMP TABLE filler (x);"      \
	"WITH RECURSIVE n (i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 200)"         \
	" INSERT INTO filler SELECT zeroblob(4000) FROM n"

static char path[4096], temporary[4200];

/* How many open files of this process end in " (deleted)", and how many of those are `name`. */
static void count_deleted(const char *name, int *deleted, int *named)
{
	DIR *open_files = opendir("/proc/self/fd");
	struct dirent *entry;

	*deleted = *named = 0;
	assert_non_null(open_files);
	while ((entry = readdir(open_files))) {
		char target[8192] = "", *suffix;

		if (readlinkat(dirfd(open_files), entry->d_name, target, sizeof(target) - 1) < 0)
			continue;
		suffix = strstr(target, " (deleted)");
		if (!suffix)
			continue;
		*suffix = '\0';
		*deleted += 1;
		*named += strcmp(target, name) == 0;
	}
	closedir(open_files);
}

static sqlite3 *open_and_fill(void)
{
	struct fw_error error = {""};
	sqlite3 *db;

	assert_int_equal(fw_db_open(path, 0, &db, &error), FW_OK);
	assert_int_equal(fw_db_exec(db, FILL, &error), FW_OK);
	return db;
}

static void test_lies_beside_the_catalog(void **state)
{
	sqlite3 *first, *second;
	int before, deleted, named;

	(void)state;
	count_deleted(temporary, &before, &named);
	first = open_and_fill();
	second = open_and_fill();
	count_deleted(temporary, &deleted, &named);
	assert_true(named >= 2);
	assert_int_equal(deleted - before, named);
	assert_int_equal(access(temporary, F_OK), -1);
	assert_int_equal(sqlite3_close(first), SQLITE_OK);
	assert_int_equal(sqlite3_close(second), SQLITE_OK);
}

static void test_crash_left_one(void **state)
{
	sqlite3 *db;

	(void)state;
	close(open(temporary, O_WRONLY | O_CREAT, 0600));
	db = open_and_fill();
	assert_int_equal(access(temporary, F_OK), -1);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static void test_a_file_of_somebody_stays(void **state)
{
	FILE *file = fopen(temporary, "w");
	struct fw_error error = {""};
	sqlite3 *db;

	(void)state;
	fputs("a copy of the catalog", file);
	fclose(file);
	assert_int_equal(fw_db_open(path, 0, &db, &error), FW_OK);
	assert_int_equal(fw_db_exec(db, FILL, &error), FW_IO);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
	assert_int_equal(unlink(temporary), 0);
}

static void test_one_for_each_catalog(void **state)
{
	const char *name = fw_temp_vfs_name("/one"), *other = fw_temp_vfs_name("/two");

	(void)state;
	assert_string_not_equal(name, other);
	assert_ptr_equal(fw_temp_vfs_name("/one"), name);
	assert_non_null(sqlite3_vfs_find(name));
	assert_ptr_equal(sqlite3_vfs_find(NULL), sqlite3_vfs_find("unix"));
	fw_temp_vfs_end("/one");
	fw_temp_vfs_end("/one");
	assert_non_null(sqlite3_vfs_find(other));
	fw_temp_vfs_end("/two");
	fw_temp_vfs_end("/three");
}

/* A plugin that is loaded twice: the second one does not start, and the first one goes on. */
static void test_stays_for_the_other_user(void **state)
{
	const char *name;

	(void)state;
	assert_true(fw_temp_vfs_begin("/one"));
	name = fw_temp_vfs_name("/one");
	assert_true(fw_temp_vfs_begin("/one"));
	fw_temp_vfs_end("/one");
	assert_ptr_equal(sqlite3_vfs_find(name)->zName, name);
	fw_temp_vfs_end("/one");
	assert_null(sqlite3_vfs_find("mosquitto-firmware /one"));
}

static int set_up(void **state)
{
	int result = make_folder(state);

	snprintf(path, sizeof(path), "%s/catalog.db", folder);
	snprintf(temporary, sizeof(temporary), "%s-sqlite-tmp", path);
	return result;
}

static int tear_down(void **state)
{
	fw_temp_vfs_end(path);
	return remove_folder(state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_lies_beside_the_catalog),
		cmocka_unit_test(test_crash_left_one),
		cmocka_unit_test(test_a_file_of_somebody_stays),
		cmocka_unit_test(test_one_for_each_catalog),
		cmocka_unit_test(test_stays_for_the_other_user)};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
