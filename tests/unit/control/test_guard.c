/* Which requests are refused for where they come from. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "control/guard.h"

static struct fw_guard guard;

static bool host(const char *value, const char *local)
{
	return fw_guard_host(&guard, fw_slice_of(value), local);
}

static void test_hosts_on_loopback(void **state)
{
	static const char *const foreign[] = {"evil.example", "evil.example:8081", "127.0.0.1",
		"127.0.0.1:8082", "127.0.0.2:8081", "localhost", "localhost:80", "localhost.:8081",
		"localhost.evil.example:8081", "", ":8081", "[::1]:8081", "[::1",
		"127.0.0.1:", "127.0.0.1:08081x", "127.0.0.1:8081:8081", "0.0.0.0:8081",
		"127.1:8081", "127.0.0.1:8081 ", " 127.0.0.1:8081", "[127.0.0.1:8081",
		"192.0.2.1:8081"};

	(void)state;
	guard = (struct fw_guard){.listen = "127.0.0.1:8081", .port = 8081};
	assert_true(host("127.0.0.1:8081", "127.0.0.1"));
	assert_true(host("localhost:8081", "127.0.0.1"));
	assert_true(host("LOCALHOST:8081", "127.0.0.1"));
	assert_true(host("[::ffff:127.0.0.1]:8081", "127.0.0.1"));
	for (size_t i = 0; i < sizeof(foreign) / sizeof(foreign[0]); i++)
		assert_false(host(foreign[i], "127.0.0.1"));
}

static void test_hosts_elsewhere(void **state)
{
	(void)state;
	guard = (struct fw_guard){.listen = "0.0.0.0:443", .port = 443, .tls = true};
	assert_true(host("192.0.2.1", "192.0.2.1"));
	assert_true(host("192.0.2.1:443", "192.0.2.1"));
	assert_true(host("192.0.2.1:443", "::ffff:192.0.2.1"));
	assert_false(host("192.0.2.1:80", "192.0.2.1"));
	assert_false(host("192.0.2.2", "192.0.2.1"));
	assert_false(host("localhost", "192.0.2.1"));
	assert_false(host("0.0.0.0", "192.0.2.1"));
	guard = (struct fw_guard){.listen = "[::1]:8081", .port = 8081};
	assert_true(host("[::1]:8081", "::1"));
	assert_true(host("[0:0:0:0:0:0:0:1]:8081", "::1"));
	assert_true(host("localhost:8081", "::1"));
	guard = (struct fw_guard){.listen = "broker.example:8081", .port = 8081};
	assert_true(host("Broker.Example:8081", "192.0.2.1"));
	assert_false(host("broker.example:8082", "192.0.2.1"));
	assert_false(host("xbroker.example:8081", "192.0.2.1"));
}

static void test_named_hosts(void **state)
{
	static char any[] = "admin.example.com", one[] = "other.example.com:444";
	static char *hosts[] = {any, one, NULL};

	(void)state;
	guard = (struct fw_guard){.listen = "127.0.0.1:8081", .port = 8081, .hosts = hosts};
	assert_true(host("admin.example.com", "127.0.0.1"));
	assert_true(host("ADMIN.example.com:1234", "127.0.0.1"));
	assert_true(host("other.example.com:444", "127.0.0.1"));
	assert_false(host("other.example.com", "127.0.0.1"));
	assert_false(host("other.example.com:445", "127.0.0.1"));
	assert_false(host("example.com", "127.0.0.1"));
	guard.listen = NULL;
	assert_true(host("anything", NULL));
	assert_false(host("", NULL));
}

static bool from(const char *origin, const char *site)
{
	return fw_guard_origin(&guard, FW_SLICE("127.0.0.1:8081"), origin, site);
}

static void test_origins(void **state)
{
	static const char *const foreign[] = {"null", "", "http://evil", "https://127.0.0.1:8081",
		"http://127.0.0.1:8082", "http://127.0.0.1", "http://localhost:8081",
		"127.0.0.1:8081", "http://127.0.0.1:8081.evil", "http://127.0.0.1:8081/", "file://",
		"http://"};

	(void)state;
	guard = (struct fw_guard){.listen = "127.0.0.1:8081", .port = 8081};
	assert_true(from(NULL, NULL));
	assert_true(from("http://127.0.0.1:8081", NULL));
	assert_true(from("http://127.0.0.1:8081", "same-origin"));
	assert_true(from(NULL, "none"));
	assert_false(from(NULL, "cross-site"));
	assert_false(from(NULL, "same-site"));
	assert_false(from(NULL, ""));
	assert_false(from("http://127.0.0.1:8081", "cross-site"));
	for (size_t i = 0; i < sizeof(foreign) / sizeof(foreign[0]); i++)
		assert_false(from(foreign[i], NULL));
	guard.tls = true;
	assert_true(from("https://127.0.0.1:8081", NULL));
	assert_false(from("http://127.0.0.1:8081", NULL));
}

static void test_origins_behind_a_proxy(void **state)
{
	static char name[] = "admin.example.com";
	static char *hosts[] = {name, NULL};

	(void)state;
	guard = (struct fw_guard){.listen = "127.0.0.1:8081", .port = 8081, .hosts = hosts};
	assert_false(from("https://admin.example.com", NULL));
	guard.behind_proxy = true;
	assert_true(from("https://admin.example.com", NULL));
	assert_false(from("https://admin.example.com:8443", NULL));
	assert_false(from("https://evil.example.com", NULL));
}

static void test_types(void **state)
{
	(void)state;
	assert_int_equal(fw_guard_type(NULL), FW_TYPE_NONE);
	assert_int_equal(fw_guard_type("application/json"), FW_TYPE_JSON);
	assert_int_equal(fw_guard_type("Application/JSON; charset=utf-8"), FW_TYPE_JSON);
	assert_int_equal(fw_guard_type("application/json;charset=\"UTF-8\""), FW_TYPE_JSON);
	assert_int_equal(fw_guard_type("application/octet-stream"), FW_TYPE_BYTES);
	assert_int_equal(fw_guard_type(""), FW_TYPE_OTHER);
	assert_int_equal(fw_guard_type("text/plain"), FW_TYPE_OTHER);
	assert_int_equal(fw_guard_type("text/plain; application/json"), FW_TYPE_OTHER);
	assert_int_equal(fw_guard_type("application/json, text/plain"), FW_TYPE_OTHER);
	assert_int_equal(fw_guard_type("application/jsonx"), FW_TYPE_OTHER);
	assert_int_equal(fw_guard_type("application/json; charset=utf-16"), FW_TYPE_OTHER);
	assert_int_equal(fw_guard_type("application/x-www-form-urlencoded"), FW_TYPE_OTHER);
	assert_int_equal(fw_guard_type("multipart/form-data"), FW_TYPE_OTHER);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hosts_on_loopback),
		cmocka_unit_test(test_hosts_elsewhere),
		cmocka_unit_test(test_named_hosts),
		cmocka_unit_test(test_origins),
		cmocka_unit_test(test_origins_behind_a_proxy),
		cmocka_unit_test(test_types),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
