/* Uploads: whole, broken off, lying, in each other's way, and left by a crash. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "folder.h"

#include <dirent.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/statvfs.h>

#include "control/upload.h"

static struct fw_upload *upload;
static struct fw_error error;
static char sha256[FW_SHA256_TEXT];

static enum fw_upload_status begin(const char *name, int64_t size)
{
	error.text[0] = '\0';
	return fw_upload_begin("d", name, size, &upload, &error);
}

static enum fw_upload_status put(const char *text)
{
	return fw_upload_write(upload, text, strlen(text), &error);
}

static enum fw_upload_status finish(void)
{
	enum fw_upload_status status = fw_upload_finish(upload, sha256, &error);

	fw_upload_free(upload);
	upload = NULL;
	return status;
}

static int files(void)
{
	DIR *entries = opendir("d");
	int count = -2; /* . and .. */

	assert_non_null(entries);
	while (readdir(entries))
		count++;
	closedir(entries);
	return count;
}

static int make(void **state)
{
	(void)state;
	upload = NULL;
	return system("rm -rf d && mkdir d");
}

static void test_whole(void **state)
{
	struct stat status;

	(void)state;
	assert_int_equal(begin("a.bin", 5), FW_UPLOAD_OK);
	assert_int_equal(put("he"), FW_UPLOAD_OK);
	assert_int_equal(access("d/a.bin", F_OK), -1);
	assert_int_equal(put("llo"), FW_UPLOAD_OK);
	assert_int_equal(finish(), FW_UPLOAD_OK);
	assert_string_equal(
		sha256, "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824");
	assert_int_equal(system("test \"$(cat d/a.bin)\" = hello"), 0);
	assert_int_equal(stat("d/a.bin", &status), 0);
	assert_int_equal(status.st_mode & 07133, 0);
	assert_int_equal(files(), 1);
}

static void test_empty(void **state)
{
	(void)state;
	assert_int_equal(begin("a.bin", 0), FW_UPLOAD_OK);
	assert_int_equal(finish(), FW_UPLOAD_OK);
	assert_int_equal(files(), 1);
}

static void test_names(void **state)
{
	static const char *const bad[] = {"", ".", "..", ".a", "a/b", "/a", "a\nb"};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(begin(bad[i], 1), FW_UPLOAD_BAD_NAME);
	assert_int_equal(files(), 0);
}

static void test_broken_off(void **state)
{
	(void)state;
	assert_int_equal(begin("a.bin", 5), FW_UPLOAD_OK);
	assert_int_equal(put("he"), FW_UPLOAD_OK);
	fw_upload_free(upload);
	assert_int_equal(files(), 0);
	assert_int_equal(begin("a.bin", 5), FW_UPLOAD_OK);
	assert_int_equal(put("he"), FW_UPLOAD_OK);
	assert_int_equal(finish(), FW_UPLOAD_SHORT);
	assert_int_equal(files(), 0);
	assert_int_equal(begin("a.bin", 1), FW_UPLOAD_OK);
	assert_int_equal(put("he"), FW_UPLOAD_SHORT);
	fw_upload_free(upload);
	assert_int_equal(files(), 0);
}

static void test_a_name_that_is_taken(void **state)
{
	(void)state;
	assert_int_equal(system("echo old > d/a.bin; ln -s nowhere d/link"), 0);
	assert_int_equal(begin("a.bin", 2), FW_UPLOAD_EXISTS);
	assert_int_equal(begin("link", 2), FW_UPLOAD_EXISTS);
	assert_non_null(strstr(error.text, "delete it"));
	/* it comes while the upload is under way */
	assert_int_equal(begin("b.bin", 2), FW_UPLOAD_OK);
	assert_int_equal(put("hi"), FW_UPLOAD_OK);
	assert_int_equal(system("echo other > d/b.bin"), 0);
	assert_int_equal(finish(), FW_UPLOAD_EXISTS);
	assert_int_equal(system("test \"$(cat d/b.bin)\" = other"), 0);
	assert_int_equal(files(), 3);
}

static void test_no_folder(void **state)
{
	(void)state;
	assert_int_equal(system("rmdir d"), 0);
	assert_int_equal(begin("a.bin", 2), FW_UPLOAD_FAILED);
	assert_non_null(strstr(error.text, "No such file"));
}

/* The room is taken before the first byte. */
static void test_no_space(void **state)
{
	struct rlimit before, small;
	struct statvfs disk;

	(void)state;
	assert_int_equal(begin("a.bin", INT64_C(1) << 60), FW_UPLOAD_NO_SPACE);
	assert_int_equal(files(), 0);
	/* some is left for others */
	assert_int_equal(statvfs("d", &disk), 0);
	assert_int_equal(begin("a.bin", (int64_t)(disk.f_bavail * disk.f_frsize) - (1 << 20)),
		FW_UPLOAD_NO_SPACE);
	assert_non_null(strstr(error.text, "16 MiB"));
	assert_int_equal(files(), 0);
	/* where it cannot be taken, a write tells */
	assert_int_equal(begin("a.bin", 10), FW_UPLOAD_OK);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	small = before;
	small.rlim_cur = 4;
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	assert_int_equal(put("hello, you"), FW_UPLOAD_NO_SPACE);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	fw_upload_free(upload);
	assert_int_equal(files(), 0);
}

/* What nobody writes to any more is removed, and nothing else. */
static void test_sweep(void **state)
{
	(void)state;
	assert_int_equal(system("touch d/.firmware-upload-0123456789abcdef d/.other d/a.bin"), 0);
	assert_int_equal(begin("b.bin", 2), FW_UPLOAD_OK);
	assert_int_equal(files(), 4);
	fw_upload_sweep("d");
	assert_int_equal(files(), 3);
	assert_int_equal(put("hi"), FW_UPLOAD_OK);
	assert_int_equal(finish(), FW_UPLOAD_OK);
	assert_int_equal(files(), 3);
	fw_upload_sweep("nowhere");
}

#define TEST(name) cmocka_unit_test_setup(name, make)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_whole),
		TEST(test_empty),
		TEST(test_names),
		TEST(test_broken_off),
		TEST(test_a_name_that_is_taken),
		TEST(test_no_folder),
		TEST(test_no_space),
		TEST(test_sweep),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
