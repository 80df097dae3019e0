/* fw_spool_sync: what it waits for, what it leaves alone, and what becomes of an error. */
#include "spool_fixture.h"

#include <inttypes.h>

/* What was asked of the disk since the last look, and what it answers. */
static struct {
	int files, folders;           /* fdatasync; fsync */
	int files_fail, folders_fail; /* the next so many */
	uint64_t first;               /* of the segment that was asked last, by its name */
	void (*meanwhile)(void);      /* called once, while a file is written */
} disk;

/* NOLINTBEGIN(readability-inconsistent-declaration-parameter-name): the system's names begin with
 * underscores */
int fdatasync(int fd)
{
	void (*meanwhile)(void) = disk.meanwhile;
	char link[40], path[400];
	ssize_t len;

	disk.files++;
	disk.meanwhile = NULL;
	if (meanwhile)
		meanwhile();
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	len = readlink(link, path, sizeof(path) - 1);
	assert_true(len > 0);
	path[len] = '\0';
	assert_int_equal(sscanf(strstr(path, "/spool-"), "/spool-%" SCNu64 "-", &disk.first), 1);
	if (disk.files_fail == 0)
		return 0;
	disk.files_fail--;
	errno = EIO;
	return -1;
}

int fsync(int fd)
{
	struct stat info;

	assert_int_equal(fstat(fd, &info), 0);
	assert_true(S_ISDIR(info.st_mode));
	disk.folders++;
	if (disk.folders_fail == 0)
		return 0;
	disk.folders_fail--;
	errno = EIO;
	return -1;
}
/* NOLINTEND(readability-inconsistent-declaration-parameter-name) */

/* Syncs, and compares how many files and folders the disk was asked for. */
static void expect_sync(
	struct fw_spool *spool, enum fw_status status, uint64_t sequence, int files, int folders)
{
	uint64_t got = 4711;

	disk.files = disk.folders = 0;
	assert_int_equal(fw_spool_sync(spool, &got), status);
	assert_int_equal(got, status == FW_OK ? sequence : 4711);
	assert_int_equal(disk.files, files);
	assert_int_equal(disk.folders, folders);
}

static struct fw_spool *fresh(void **state)
{
	memset(&disk, 0, sizeof(disk));
	return reopen(*state, 0);
}

static void test_the_file_and_its_name_and_then_the_file_alone(void **state)
{
	struct fw_spool *spool = fresh(state);

	expect_sync(spool, FW_OK, 0, 0, 0);
	append(spool, "one");
	expect_sync(spool, FW_OK, 1, 1, 1);
	expect_sync(spool, FW_OK, 1, 0, 0);
	append(spool, "two");
	append(spool, "three");
	expect_sync(spool, FW_OK, 3, 1, 0);
	fw_spool_close(spool);
}

/* The end of the old file is as unsafe as the beginning of the new one. */
static void test_both_files_when_the_spool_went_to_the_next(void **state)
{
	struct fw_spool *spool = fresh(state);

	append(spool, "one");
	expect_sync(spool, FW_OK, 1, 1, 1);
	append_big(spool, BIG_PER_SEGMENT + 1);
	assert_int_equal(file_count(*state), 2);
	expect_sync(spool, FW_OK, BIG_PER_SEGMENT + 2, 2, 1);
	append(spool, "in the new one");
	expect_sync(spool, FW_OK, BIG_PER_SEGMENT + 3, 1, 0);
	assert_in_range(disk.first, 2, BIG_PER_SEGMENT + 2);
	fw_spool_close(spool);
}

/* They are where the kernel or an earlier run without `sync full` left them. */
static void test_files_of_an_earlier_run(void **state)
{
	struct fw_spool *spool = fresh(state);

	append_big(spool, BIG_PER_SEGMENT + 1);
	fw_spool_close(spool);
	spool = reopen(*state, 0);
	expect_sync(spool, FW_OK, BIG_PER_SEGMENT + 1, 2, 1);
	expect_sync(spool, FW_OK, BIG_PER_SEGMENT + 1, 0, 0);
	fw_spool_close(spool);
}

static struct fw_spool *during;

static void append_meanwhile(void)
{
	append(during, "while the disk writes");
}

static void test_what_comes_while_the_disk_writes_is_for_the_next(void **state)
{
	struct fw_spool *spool = during = fresh(state);

	append(spool, "one");
	disk.meanwhile = append_meanwhile;
	expect_sync(spool, FW_OK, 1, 1, 1);
	expect_sync(spool, FW_OK, 2, 1, 0);
	fw_spool_close(spool);
}

static void test_a_file_that_could_not_be_synced_is_asked_for_again(void **state)
{
	struct fw_spool *spool = fresh(state);

	append_big(spool, BIG_PER_SEGMENT + 1);
	disk.files_fail = 1;
	expect_sync(spool, FW_IO, 0, 1, 0);
	expect_sync(spool, FW_OK, BIG_PER_SEGMENT + 1, 2, 1);
	fw_spool_close(spool);
}

/* The first file is safe then, the second not; the names of both are not. */
static void test_the_second_file_fails(void **state)
{
	struct fw_spool *spool = during = fresh(state);

	append_big(spool, BIG_PER_SEGMENT);
	expect_sync(spool, FW_OK, BIG_PER_SEGMENT, 1, 1);
	append(spool, "in the new one");
	disk.files_fail = 2;
	expect_sync(spool, FW_IO, 0, 1, 0);
	expect_sync(spool, FW_IO, 0, 1, 0);
	expect_sync(spool, FW_OK, BIG_PER_SEGMENT + 1, 1, 1);
	fw_spool_close(spool);
}

static void test_a_folder_that_could_not_be_synced_is_asked_for_again(void **state)
{
	struct fw_spool *spool = fresh(state);

	append(spool, "one");
	disk.folders_fail = 2;
	expect_sync(spool, FW_IO, 0, 1, 1);
	expect_sync(spool, FW_IO, 0, 0, 1);
	expect_sync(spool, FW_OK, 1, 0, 1);
	expect_sync(spool, FW_OK, 1, 0, 0);
	fw_spool_close(spool);
}

static int no_descriptors;

static int open_or_not(const char *path, int flags, unsigned mode)
{
	if (!(flags & O_CREAT) && no_descriptors) {
		errno = no_descriptors;
		return -1;
	}
	return open(path, flags, mode);
}

static void test_a_file_that_cannot_be_opened(void **state)
{
	const struct fixture *fixture = *state;
	struct fw_spool_io io = {.open = open_or_not};
	struct fw_error error = {""};
	struct fw_spool *spool;

	memset(&disk, 0, sizeof(disk));
	assert_int_equal(fw_spool_open(fixture->prefix, 0, &io, &spool, &error), FW_OK);
	append(spool, "one");
	no_descriptors = EMFILE;
	expect_sync(spool, FW_IO, 0, 0, 0);
	no_descriptors = 0;
	expect_sync(spool, FW_OK, 1, 1, 1);
	/* what somebody removed is damage, and holds up nothing */
	append(spool, "two");
	no_descriptors = ENOENT;
	expect_sync(spool, FW_OK, 2, 0, 0);
	no_descriptors = 0;
	fw_spool_close(spool);
}

/* To be safe in the spool is not to be applied: only what the catalog has is deleted. */
static void test_a_synced_file_stays_until_the_catalog_has_it(void **state)
{
	struct fw_spool *spool = fresh(state);
	uint64_t last = 0;

	append_big(spool, 2 * BIG_PER_SEGMENT);
	append(spool, "in the third file");
	assert_int_equal(file_count(*state), 3);
	expect_sync(spool, FW_OK, 2 * BIG_PER_SEGMENT + 1, 3, 1);
	assert_int_equal(file_count(*state), 3);
	assert_int_equal(drain(spool, &last), 2 * BIG_PER_SEGMENT + 1);
	assert_int_equal(file_count(*state), 3);
	fw_spool_release(spool, BIG_PER_SEGMENT - 1);
	assert_int_equal(file_count(*state), 3);
	fw_spool_release(spool, BIG_PER_SEGMENT);
	assert_int_equal(file_count(*state), 2);
	fw_spool_release(spool, last);
	assert_int_equal(file_count(*state), 1); /* which is written on */
	append(spool, "and there");
	expect_sync(spool, FW_OK, last + 1, 1, 0);
	fw_spool_close(spool);
}

/* The catalog may know that it has them by a log that the disk does not have yet. */
static void test_opening_deletes_nothing_that_is_applied(void **state)
{
	const struct fixture *fixture = *state;
	struct fw_spool *spool = fresh(state);
	struct fw_error error = {""};

	append_big(spool, BIG_PER_SEGMENT + 1);
	fw_spool_close(spool);
	assert_int_equal(
		fw_spool_open(fixture->prefix, BIG_PER_SEGMENT + 1, NULL, &spool, &error), FW_OK);
	assert_int_equal(file_count(*state), 2);
	expect_end(spool);
	fw_spool_release(spool, BIG_PER_SEGMENT + 1);
	assert_int_equal(file_count(*state), 0);
	assert_int_equal(fw_spool_bytes(spool), 0);
	fw_spool_close(spool);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_the_file_and_its_name_and_then_the_file_alone),
		TEST(test_both_files_when_the_spool_went_to_the_next),
		TEST(test_files_of_an_earlier_run),
		TEST(test_what_comes_while_the_disk_writes_is_for_the_next),
		TEST(test_a_file_that_could_not_be_synced_is_asked_for_again),
		TEST(test_the_second_file_fails),
		TEST(test_a_folder_that_could_not_be_synced_is_asked_for_again),
		TEST(test_a_file_that_cannot_be_opened),
		TEST(test_a_synced_file_stays_until_the_catalog_has_it),
		TEST(test_opening_deletes_nothing_that_is_applied),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
