/* The download server: where it listens, and which addresses are one client. */
#include "server_fixture.h"

#include <dlfcn.h>
#include <netdb.h>

static struct fw_http_address address_of(const char *text)
{
	struct sockaddr_in v4 = {.sin_family = AF_INET};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};

	if (inet_pton(AF_INET, text, &v4.sin_addr) == 1)
		return fw_http_address_of((const struct sockaddr *)&v4);
	assert_int_equal(inet_pton(AF_INET6, text, &v6.sin6_addr), 1);
	return fw_http_address_of((const struct sockaddr *)&v6);
}

static bool same_client(const char *one, const char *other)
{
	struct fw_http_address a = address_of(one), b = address_of(other);

	return memcmp(a.bytes, b.bytes, sizeof(a.bytes)) == 0;
}

static void test_addresses(void **state)
{
	(void)state;
	assert_true(same_client("192.0.2.1", "::ffff:192.0.2.1"));
	assert_false(same_client("192.0.2.1", "192.0.2.2"));
	assert_true(same_client("2001:db8:1:2::1", "2001:db8:1:2:ffff::"));
	assert_false(same_client("2001:db8:1:2::1", "2001:db8:1:3::1"));
	assert_false(same_client("::", "0.0.0.0"));
	assert_true(address_of("127.3.2.1").loopback && address_of("::1").loopback &&
		address_of("::ffff:127.0.0.1").loopback);
	assert_false(address_of("192.0.2.1").loopback || address_of("::2").loopback ||
		address_of("7f00::1").loopback);
}

/* Stands before the C library's: names under "+" are all addresses that stand between them. */
int getaddrinfo(
	const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **out)
{
	int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **);
	char names[256], *rest = names, *name;
	int code = 0;

	*(void **)&real = dlsym(RTLD_NEXT, "getaddrinfo");
	if (!node || !strchr(node, '+'))
		return real(node, service, hints, out);
	snprintf(names, sizeof(names), "%s", node);
	while (code == 0 && (name = strsep(&rest, "+"))) {
		code = real(name, service, hints, out);
		while (code == 0 && *out)
			out = &(*out)->ai_next;
	}
	return code;
}

static bool answers_at(const char *address, int at)
{
	char command[200];

	snprintf(command, sizeof(command),
		"curl -s -o body http://%s:%d/firmware/f1/image && cmp -s body d/image", address,
		at);
	return system(command) == 0;
}

static int free_port(void)
{
	struct sockaddr_in address = {.sin_family = AF_INET};
	socklen_t len = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&address, len), 0);
	getsockname(fd, (struct sockaddr *)&address, &len);
	close(fd);
	return ntohs(address.sin_port);
}

/* A name is all its addresses, also one that stands twice; one that is not this machine's is left
 * out. */
static void test_all_addresses(void **state)
{
	int at = free_port();
	char listen[100];
	struct fw_http_config config = {
		.listen = listen, .find = find, .permit = permit, .connections = 16};
	struct fw_http *other = NULL;
	struct fw_error error = {""};
	bool has_v6 = access("/proc/net/if_inet6", F_OK) == 0 &&
		system("grep -q lo /proc/net/if_inet6") == 0;

	(void)state;
	snprintf(listen, sizeof(listen), "127.0.0.2+192.0.2.1+127.0.0.3+127.0.0.2+::1:%d", at);
	assert_int_equal(fw_http_start(&config, &other, &error), FW_OK);
	assert_int_equal(fw_http_port(other), at);
	assert_true(answers_at("127.0.0.2", at) && answers_at("127.0.0.3", at));
	assert_true(!has_v6 || answers_at("[::1]", at));
	assert_false(answers_at("127.0.0.4", at));
	fw_http_stop(other);
	/* none, and one that is taken */
	snprintf(listen, sizeof(listen), "192.0.2.1+198.51.100.1:%d", at);
	assert_int_equal(fw_http_start(&config, &other, &error), FW_INVALID);
	snprintf(listen, sizeof(listen), "127.0.0.2+127.0.0.1:%d", port);
	assert_int_equal(fw_http_start(&config, &other, &error), FW_INVALID);
}

static void test_bad_listen(void **state)
{
	static const char *const bad[] = {"", "127.0.0.1", "256.0.0.1:80", "127.0.0.1:99999",
		"[::1:80", "no.such.host.invalid:80"};
	char taken[40];

	(void)state;
	snprintf(taken, sizeof(taken), "127.0.0.1:%d", port);
	for (size_t i = 0; i < 7; i++) {
		struct fw_http_config config = {
			.listen = i < 6 ? bad[i] : taken, .find = find, .permit = permit};
		struct fw_error error = {""};
		struct fw_http *other = NULL;

		assert_int_equal(fw_http_start(&config, &other, &error), FW_INVALID);
		assert_non_null(strstr(error.text, "plugin_opt_http_listen"));
		assert_null(other);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_all_addresses),
		cmocka_unit_test(test_bad_listen),
	};

	return cmocka_run_group_tests(tests, start, finish);
}
