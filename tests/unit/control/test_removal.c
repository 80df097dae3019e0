/* A file that is deleted beside a transaction: until the commit it can come back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "folder.h"

#include "control/removal.h"

static struct fw_removal *removal;
static struct fw_error error;

static enum fw_status begin(const char *name)
{
	error.text[0] = '\0';
	removal = NULL;
	return fw_removal_begin("d", name, &removal, &error);
}

static enum fw_status end(bool committed)
{
	error.text[0] = '\0';
	return fw_removal_end(removal, committed, &error);
}

static int make(void **state)
{
	(void)state;
	return system("rm -rf d && mkdir d && echo old >d/a.bin");
}

static void test_committed(void **state)
{
	(void)state;
	assert_int_equal(begin("a.bin"), FW_OK);
	shell("test ! -e d/a.bin");
	shell("cat d/.firmware-deleted-* | grep -q old");
	assert_int_equal(end(true), FW_OK);
	shell("test -z \"$(ls -A d)\"");
}

static void test_not_committed(void **state)
{
	(void)state;
	assert_int_equal(begin("a.bin"), FW_OK);
	assert_int_equal(end(false), FW_OK);
	shell("test \"$(ls -A d)\" = a.bin && grep -q old d/a.bin");
	assert_int_equal(fw_removal_end(NULL, false, &error), FW_OK);
}

static void test_the_name_is_taken_meanwhile(void **state)
{
	(void)state;
	assert_int_equal(begin("a.bin"), FW_OK);
	shell("echo new >d/a.bin");
	assert_int_equal(end(false), FW_FAILED);
	assert_non_null(strstr(error.text, "'a.bin' in files_dir is '.firmware-deleted-"));
	shell("grep -q new d/a.bin && grep -q old d/.firmware-deleted-*");
}

static void test_what_cannot_be_deleted(void **state)
{
	(void)state;
	shell("mkdir d/folder");
	assert_int_equal(begin("none"), FW_NOT_FOUND);
	assert_non_null(strstr(error.text, "no such file: 'none'"));
	assert_int_equal(begin("folder"), FW_FAILED);
	assert_non_null(strstr(error.text, "cannot delete 'folder': Is a directory"));
	shell("test -d d/folder");
}

/* A link is deleted, and not what it names; what cannot be read, too. */
static void test_what_is_no_plain_file(void **state)
{
	(void)state;
	shell("ln -s a.bin d/link; touch d/secret; chmod 0 d/secret");
	assert_int_equal(begin("link"), FW_OK);
	assert_int_equal(end(true), FW_OK);
	assert_int_equal(begin("secret"), FW_OK);
	assert_int_equal(end(true), FW_OK);
	shell("test \"$(ls -A d)\" = a.bin");
}

/* What a crash left is deleted; what is under way, and others' files, are not. */
static void test_sweep(void **state)
{
	(void)state;
	shell("touch d/.firmware-deleted-0123456789abcdef d/.other");
	assert_int_equal(begin("a.bin"), FW_OK);
	fw_removal_sweep("d");
	assert_int_equal(end(false), FW_OK);
	shell("test \"$(ls -A d | tr '\\n' ' ')\" = '.other a.bin '");
	fw_removal_sweep("nowhere");
}

#define TEST(name) cmocka_unit_test_setup(name, make)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_committed),
		TEST(test_not_committed),
		TEST(test_the_name_is_taken_meanwhile),
		TEST(test_what_cannot_be_deleted),
		TEST(test_what_is_no_plain_file),
		TEST(test_sweep),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
