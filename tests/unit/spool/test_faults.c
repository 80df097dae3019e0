/* A disk that is full or fails: an append that failed leaves no trace, and the next one goes on. */
#include "spool_fixture.h"

#include <dlfcn.h>

/* In the system's place: when the folder cannot be read, or its files not be looked at. */
static bool folder_fails, files_fail;

/* NOLINTBEGIN(readability-inconsistent-declaration-parameter-name): the system's names begin with
 * underscores */
struct dirent *readdir(DIR *dir)
{
	struct dirent *(*system_readdir)(DIR * dir);

	/* on 32 bits the one with a 64-bit off_t has another name */
	*(void **)&system_readdir =
		dlsym(RTLD_NEXT, sizeof(off_t) > sizeof(long) ? "readdir64" : "readdir");
	if (!folder_fails)
		return system_readdir(dir);
	errno = EIO;
	return NULL;
}

int lstat(const char *path, struct stat *info)
{
	if (!files_fail)
		return fstatat(AT_FDCWD, path, info, AT_SYMLINK_NOFOLLOW);
	errno = EIO;
	return -1;
}
/* NOLINTEND(readability-inconsistent-declaration-parameter-name) */

static void test_full_disk_at_every_byte(void **state)
{
	static const int codes[] = {ENOSPC, EDQUOT, EIO};
	const char *text = "a record that does not fit";

	for (size_t budget = 0; budget < HEADER + strlen(text); budget++) {
		int code = codes[budget % 3];
		struct fw_spool *spool = reopen(*state, 0);

		append(spool, "one");
		fault.write_errno = code;
		fault.write_budget = (long)budget;
		assert_int_equal(fw_spool_append(spool, text, strlen(text), NULL),
			code == EIO ? FW_IO : FW_FULL);
		assert_int_equal(fw_spool_last(spool), 1);
		assert_int_equal(fw_spool_bytes(spool), HEADER + 3);
		fault.write_errno = 0;
		expect(spool, 1, "one");
		expect_end(spool);
		if (budget % 2 == 0) {
			/* goes on; the rest of the longer one stays behind the shorter */
			assert_int_equal(append(spool, "2"), 2);
			expect(spool, 2, "2");
			expect_end(spool);
		}
		fw_spool_close(spool);
		spool = reopen(*state, 0);
		expect(spool, 1, "one");
		if (budget % 2 == 0)
			expect(spool, 2, "2");
		expect_end(spool);
		assert_int_equal(fw_spool_damage(spool).gaps, 0);
		fw_spool_close(spool);
		each_file(*state, remove_any);
	}
}

/* The write fails, yet all of it is in the file: what was not acknowledged must not come back
 * beside the record that took its number. */
static void test_failed_write_that_wrote_all(void **state)
{
	struct fw_spool *spool = reopen(*state, 0);

	append(spool, "one");
	fault.write_errno = EIO;
	fault.write_lies = true;
	assert_int_equal(fw_spool_append(spool, "not acknowledged, long", 22, NULL), FW_IO);
	fault.write_errno = 0;
	expect(spool, 1, "one");
	expect_end(spool);
	assert_int_equal(append(spool, "two"), 2);
	fw_spool_close(spool);
	spool = reopen(*state, 0);
	expect(spool, 1, "one");
	expect(spool, 2, "two");
	expect_end(spool);
	expect_damage(spool, 19, 1, 0);
	fw_spool_close(spool);
}

static void test_short_and_interrupted_writes(void **state)
{
	struct fw_spool *spool = reopen(*state, 0);

	fault.write_most = 3;
	fault.interrupts = 5;
	append(spool, "written in pieces");
	append(spool, "this too");
	fault.write_most = 0;
	fault.read_most = 7;
	expect(spool, 1, "written in pieces");
	expect(spool, 2, "this too");
	fw_spool_close(spool);
}

static void test_rotation_fails_and_is_tried_again(void **state)
{
	static const int codes[] = {ENOSPC, EMFILE, EACCES};
	struct fw_spool *spool = reopen(*state, 0);
	uint64_t last = 0;

	fault.open_errno = ENOSPC;
	assert_int_equal(fw_spool_append(spool, "x", 1, NULL), FW_FULL);
	fault.open_errno = 0;
	append_big(spool, BIG_PER_SEGMENT);
	for (size_t i = 0; i < 3; i++) {
		fault.open_errno = codes[i];
		assert_int_equal(
			fw_spool_append(spool, "x", 1, NULL), codes[i] == ENOSPC ? FW_FULL : FW_IO);
	}
	fault.open_errno = 0;
	assert_int_equal(append(spool, "x"), BIG_PER_SEGMENT + 1);
	assert_int_equal(drain(spool, &last), BIG_PER_SEGMENT + 1);
	assert_int_equal(file_count(*state), 2);
	fw_spool_close(spool);
}

static void test_new_segment_whose_first_write_fails(void **state)
{
	struct fw_spool *spool = reopen(*state, 0);
	uint64_t last = 0;

	append_big(spool, BIG_PER_SEGMENT);
	fault.write_errno = ENOSPC;
	fault.write_budget = 10;
	assert_int_equal(fw_spool_append(spool, "xyz", 3, NULL), FW_FULL);
	assert_int_equal(drain(spool, &last), BIG_PER_SEGMENT);
	fw_spool_release(spool, last);
	assert_int_equal(file_count(*state), 1);
	fault.write_errno = 0;
	expect(spool, append(spool, "xyz"), "xyz");
	assert_int_equal(file_count(*state), 1);
	fw_spool_close(spool);
}

static void test_reading_fails_for_a_while(void **state)
{
	struct fw_spool *spool = reopen(*state, 0);
	const unsigned char *payload;
	uint64_t sequence;
	size_t len;

	append(spool, "one");
	append(spool, "two");
	fault.read_errno = EIO;
	fault.read_bad_to = 1000;
	fault.read_failures = 3;
	for (int i = 0; i < 3; i++)
		assert_int_equal(fw_spool_read(spool, &payload, &len, &sequence), FW_IO);
	expect(spool, 1, "one");
	expect(spool, 2, "two");
	expect_damage(spool, 0, 0, 0);
	fw_spool_close(spool);
}

enum after_failure { GO_ON, FROM_THE_FIRST, FROM_THE_LAST };

struct tally {
	unsigned records, failures;
	uint64_t last;
};

/* Reads all there is, as the store does: it rolls its transaction back when reading fails, and
 * reads again from what was applied last. */
static struct tally read_through(struct fw_spool *spool, enum after_failure then)
{
	struct tally tally = {0, 0, 0};
	const unsigned char *payload;
	enum fw_status status;
	size_t len;

	while ((status = fw_spool_read(spool, &payload, &len, &tally.last)) != FW_NOT_FOUND) {
		tally.records += status == FW_OK;
		if (status == FW_OK)
			continue;
		assert_int_equal(status, FW_IO);
		assert_true(++tally.failures < 100);
		if (then != GO_ON)
			fw_spool_rewind(spool, then == FROM_THE_FIRST ? 0 : tally.last);
	}
	return tally;
}

static void bad_sectors(int64_t from, int64_t to)
{
	fault.read_errno = EIO;
	fault.read_bad_from = from;
	fault.read_bad_to = to;
	fault.read_failures = -1;
}

static void test_bad_sector_loses_only_what_is_on_it(void **state)
{
	struct fw_spool *spool = reopen(*state, 0);
	struct tally tally;

	append_big(spool, 20);
	bad_sectors(3 * (BIG + HEADER) + 100, 3 * (BIG + HEADER) + 8000);
	tally = read_through(spool, GO_ON);
	assert_int_equal(tally.records, 19);
	assert_int_equal(tally.last, 20);
	assert_true(tally.failures > 1);
	expect_damage(spool, BIG + HEADER, 0, 1);
	fw_spool_close(spool);
}

static void test_bad_sectors_are_given_up_whatever_is_rolled_back(void **state)
{
	struct fw_spool *spool = reopen(*state, 0);

	append_big(spool, 20);
	bad_sectors(3 * (BIG + HEADER) + 100, 3 * (BIG + HEADER) + 8000);
	assert_int_equal(read_through(spool, FROM_THE_FIRST).last, 20);
	expect_damage(spool, BIG + HEADER, 0, 1);
	fw_spool_close(spool);
}

/* A disk that fails a read wherever the bad sector is in it, not only when it comes to it. */
static void test_no_more_is_lost_than_the_page_with_the_bad_sector(void **state)
{
	struct fw_spool *spool = reopen(*state, 0);
	struct tally tally;

	for (int i = 0; i < 1000; i++)
		append(spool, "a record of a few bytes, so that a page has many of them");
	fault.read_whole = true;
	bad_sectors(5 * 4096 + 1000, 5 * 4096 + 1001);
	tally = read_through(spool, FROM_THE_LAST);
	assert_int_equal(tally.last, 1000);
	assert_in_range(tally.records, 1000 - 4096 / 76 - 2, 999);
	fw_spool_close(spool);
}

static void test_numbers_go_on_above_what_cannot_be_read(void **state)
{
	size_t boundary[TEXTS + 1];
	struct fw_spool *spool;

	make_image(*state, boundary);
	fault.read_errno = EIO;
	fault.read_bad_from = (int64_t)boundary[2];
	fault.read_bad_to = 1000;
	fault.read_failures = 1;
	spool = reopen(*state, 0);
	assert_true(append(spool, "new") > TEXTS);
	for (size_t i = 0; i < TEXTS; i++)
		expect(spool, i + 1, texts[i]);
	expect(spool, fw_spool_last(spool), "new");
	expect_end(spool);
	fw_spool_release(spool, fw_spool_last(spool));
	assert_int_equal(file_count(*state), 1);
	fw_spool_close(spool);
}

static void assert_refused(const char *prefix, const char *words)
{
	struct fw_error error = {""};
	struct fw_spool *spool;

	assert_int_equal(fw_spool_open(prefix, 1, NULL, &spool, &error), FW_IO);
	assert_non_null(strstr(error.text, words));
}

/* A segment that is passed over at one start would count as applied at the next, for its numbers
 * were given again. */
static void test_a_folder_that_fails_keeps_the_spool_from_opening(void **state)
{
	struct fixture *fixture = *state;
	struct fw_spool *spool = reopen(fixture, 0);

	append(spool, "one");
	append(spool, "not applied");
	fw_spool_close(spool);
	folder_fails = true;
	assert_refused(fixture->prefix, "cannot read the folder");
	folder_fails = false;
	files_fail = true;
	assert_refused(fixture->prefix, "cannot look at");
	files_fail = false;
	spool = reopen(fixture, 1);
	expect(spool, 2, "not applied");
	fw_spool_close(spool);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_full_disk_at_every_byte),
		TEST(test_failed_write_that_wrote_all),
		TEST(test_short_and_interrupted_writes),
		TEST(test_rotation_fails_and_is_tried_again),
		TEST(test_new_segment_whose_first_write_fails),
		TEST(test_reading_fails_for_a_while),
		TEST(test_bad_sector_loses_only_what_is_on_it),
		TEST(test_bad_sectors_are_given_up_whatever_is_rolled_back),
		TEST(test_no_more_is_lost_than_the_page_with_the_bad_sector),
		TEST(test_numbers_go_on_above_what_cannot_be_read),
		TEST(test_a_folder_that_fails_keeps_the_spool_from_opening),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
