/* What devices are told of files, and when the folder is touched for it. */
#include "files/hosting.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "folder.h"

static void test_held(void **state)
{
	struct fw_hosting hosting = {.folder = "."};
	struct fw_file_stamp stamp;

	(void)state;
	write_file("image", "abc", 3);
	stamp = fw_folder_look(".", "image");
	assert_true(fw_hosting_may_hold(&hosting, "image", &stamp));
	stamp.inode++;
	assert_false(fw_hosting_may_hold(&hosting, "image", &stamp));
	assert_true(atomic_load(&hosting.suspect));
}

/* Nothing of it is looked at on the broker's thread, not even whether it is there. */
static void test_remote(void **state)
{
	struct fw_hosting hosting = {.folder = "absent", .remote = true};
	struct fw_file_stamp stamp = {.size = 3};

	(void)state;
	assert_true(fw_hosting_may_hold(&hosting, "image", &stamp));
	assert_false(atomic_load(&hosting.suspect));
	assert_false(fw_hosting_holds(&hosting, "image", &stamp));
	assert_true(atomic_load(&hosting.suspect));
	assert_true(fw_folder_remote("absent"));
	assert_false(fw_folder_remote("/proc"));
}

static void test_names_nobody(void **state)
{
	static const char *const nobody[] = {"http://0.0.0.0:80", "http://0.0.0.0", "http://0",
		"http://0:8080/x", "http://[::]:80", "http://[0:0:0:0:0:0:0:0]",
		"http://[::ffff:0.0.0.0]:8080", "http://[::ffff:0:0]",
		"http://[::ffff:127.0.0.1]:8080", "http://[::ffff:7f00:1]", "http://[::127.0.0.1]",
		"http://127.0.0.1:8080", "http://127.255.0.3", "http://127.1", "http://0x7f.1/",
		"http://2130706433", "http://017700000001", "https://[::1]:443",
		"http://[0:0:0:0:0:0:0:1]/x", "http://localhost:8080", "http://LOCALHOST",
		"http://localhost./", "http://lamps.localhost", "http://user:pass@127.0.0.1:80",
		"http://a@b@localhost", "http://[::1%25lo]"};
	static const char *const somebody[] = {"http://192.0.2.1:80", "http://10.0.0.1",
		"http://[2001:db8::1]:80", "http://[::ffff:192.0.2.1]",
		"http://firmware.example.com", "http://localhost.example.com", "http://mylocalhost",
		"http://128.0.0.1", "http://example.com/127.0.0.1", "http://127.0.0.1@example.com",
		"http://0.example.com", "http://127.0.0.1.example.com", "http://example.com:127"};

	(void)state;
	for (size_t i = 0; i < sizeof(nobody) / sizeof(nobody[0]); i++) {
		if (!fw_hosting_is_unreachable(&(struct fw_hosting){.url_base = nobody[i]}))
			fail_msg("%s", nobody[i]);
	}
	for (size_t i = 0; i < sizeof(somebody) / sizeof(somebody[0]); i++) {
		if (fw_hosting_is_unreachable(&(struct fw_hosting){.url_base = somebody[i]}))
			fail_msg("%s", somebody[i]);
	}
	assert_false(fw_hosting_is_unreachable(&(struct fw_hosting){.url_base = NULL}));
}

/* A URL lives at least as long as it is to, whatever part of a second it was made in. */
static void test_life(void **state)
{
	struct fw_hosting hosting = {.url_base = "http://h",
		.ttl_seconds = 3,
		.key = {.bytes = "0123456789abcdef", .len = 16}};
	static const struct {
		int64_t now;
		const char *expires;
	} cases[] = {{1700000000000, "expires=1700000003&"}, {1700000000001, "expires=1700000004&"},
		{1700000000999, "expires=1700000004&"}};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *url = fw_hosting_url(&hosting, FW_SLICE("lamp"), FW_SLICE("lamp-1"), "f1",
			"image.bin", cases[i].now);

		assert_non_null(strstr(url, cases[i].expires));
		free(url);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_held),
		cmocka_unit_test(test_remote),
		cmocka_unit_test(test_names_nobody),
		cmocka_unit_test(test_life),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
