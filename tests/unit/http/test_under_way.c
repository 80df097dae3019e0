/* The download server: a kernel that says little of a transfer, and a file that changes or is
 * withdrawn under way. */
#include "server_fixture.h"

static bool says_nothing(int socket, uint64_t *bytes)
{
	(void)socket;
	*bytes = 0;
	return false;
}

static bool says_zero(int socket, uint64_t *bytes)
{
	(void)socket;
	*bytes = 0;
	return true;
}

/* A kernel that does not say what a peer has acknowledged: a slow client is not cut for it, and a
 * whole file is still told. */
static void test_silent_kernels(void **state)
{
	static const struct {
		bool (*acknowledged)(int socket, uint64_t *bytes);
	} kernels[] = {{says_nothing}, {says_zero}};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct fw_http_config config = {.listen = "127.0.0.1:0",
			.timeout_seconds = 1,
			.window_seconds = 1,
			.find = find,
			.permit = permit,
			.transferred = on_transfer,
			.acknowledged = kernels[i].acknowledged};
		struct fw_http *other;
		int usual = port, fd;

		assert_int_equal(fw_http_start(&config, &other, NULL), FW_OK);
		port = fw_http_port(other);
		fd = ask_for_huge();
		for (int tenths = 0; tenths < 30; tenths++) {
			assert_true(read_slowly(fd, 1, 100));
			fw_http_sample(other);
		}
		total_bytes = furthest = 0;
		assert_int_equal(curl("-r 5-", "/firmware/f1/image"), 206);
		for (int tries = 0; tries < 100 && total_bytes < SIZE - 5; tries++)
			usleep(10000);
		assert_int_equal(total_bytes, SIZE - 5);
		assert_int_equal(furthest, SIZE);
		assert_true(read_slowly(fd, 1, 100));
		close(fd);
		port = usual;
		fw_http_stop(other);
	}
}

static void test_withdrawn(void **state)
{
	int64_t begun;
	int fd;

	(void)state;
	wait_for_slots(0);
	fd = ask_for_huge();
	assert_true(read_slowly(fd, 4000, 2500) && has_slots(1));
	is_gone = true;
	begun = fw_boot_ms();
	wait_for_slots(0);
	/* it would have been too slow only after its next window */
	assert_in_range(fw_boot_ms() - begun, 0, 1400);
	is_gone = false;
	close(fd);
}

/* A client that reads nothing is seen to be under way; when the file is written to, its transfer
 * ends. */
static void test_changed_under_way(void **state)
{
	static const char request[] = "GET /firmware/f1/huge HTTP/1.1\r\nHost: h\r\n\r\n";
	static char buffer[1 << 20];
	ssize_t len;
	int fd;

	(void)state;
	need_acknowledged_bytes();
	fd = connect_to("127.0.0.1");
	total_bytes = 0;
	assert_int_equal(send(fd, request, sizeof(request) - 1, 0), (ssize_t)sizeof(request) - 1);
	usleep(300000);
	fw_http_sample(http);
	assert_in_range(total_bytes, 1, 100 << 20);
	shell("printf x | dd of=d/huge conv=notrunc 2>/dev/null");
	fw_http_sample(http);
	while ((len = recv(fd, buffer, sizeof(buffer), 0)) > 0)
		;
	assert_true(len == 0 || errno == ECONNRESET);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_silent_kernels),
		cmocka_unit_test(test_withdrawn),
		cmocka_unit_test(test_changed_under_way),
	};

	return cmocka_run_group_tests(tests, start, finish);
}
