/* What devices are told of files, and when the folder is touched for it. */
#include "delivery.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "folder.h"

static void test_held(void **state)
{
	struct fw_delivery delivery = {.folder = "."};
	struct fw_file_stamp stamp;

	(void)state;
	write_file("image", "abc", 3);
	stamp = fw_files_look(".", "image");
	assert_true(fw_delivery_may_hold(&delivery, "image", &stamp));
	stamp.inode++;
	assert_false(fw_delivery_may_hold(&delivery, "image", &stamp));
	assert_true(atomic_load(&delivery.suspect));
}

/* Nothing of it is looked at on the broker's thread, not even whether it is there. */
static void test_remote(void **state)
{
	struct fw_delivery delivery = {.folder = "absent", .remote = true};
	struct fw_file_stamp stamp = {.size = 3};

	(void)state;
	assert_true(fw_delivery_may_hold(&delivery, "image", &stamp));
	assert_false(atomic_load(&delivery.suspect));
	assert_false(fw_delivery_holds(&delivery, "image", &stamp));
	assert_true(atomic_load(&delivery.suspect));
	assert_true(fw_files_remote("absent"));
	assert_false(fw_files_remote("/proc"));
}

/* A URL lives at least as long as it is to, whatever part of a second it was made in. */
static void test_life(void **state)
{
	struct fw_delivery delivery = {.url_base = "http://h", .ttl_seconds = 3, .key = {.bytes = "0123456789abcdef", .len = 16}};
	static const struct {
		int64_t now;
		const char *expires;
	} cases[] = {{1700000000000, "expires=1700000003&"}, {1700000000001, "expires=1700000004&"}, {1700000000999, "expires=1700000004&"}};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *url = fw_delivery_url(&delivery, FW_SLICE("lamp"), FW_SLICE("lamp-1"), "f1", "image.bin", cases[i].now);

		assert_non_null(strstr(url, cases[i].expires));
		free(url);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_held),
		cmocka_unit_test(test_remote),
		cmocka_unit_test(test_life),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
