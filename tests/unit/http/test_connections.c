/* The download server: clients that are idle, slow, many, or that read what changes under way. */
#include "server_fixture.h"

/* More connections than are allowed, which send nothing: another address is served, and after the
 * timeout the same one too. */
static void test_idle_connections(void **state)
{
	int fds[200];

	(void)state;
	for (int i = 0; i < 200; i++)
		fds[i] = connect_to("127.0.0.1");
	assert_int_equal(curl("--max-time 5 --interface 127.0.0.2", "/firmware/f1/image"), 200);
	for (int i = 0; i < 40 && curl("--max-time 1", "/firmware/f1/image") != 200; i++)
		usleep(200000);
	assert_int_equal(curl("", "/firmware/f1/image"), 200);
	for (int i = 0; i < 200; i++)
		close(fds[i]);
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

/* Has the server closed it? */
static bool is_closed(int fd)
{
	struct pollfd state = {.fd = fd, .events = POLLRDHUP};

	return poll(&state, 1, 0) > 0;
}

/* As many connections as an address may have, each sending a byte of its request now and then:
 * never idle, and yet not for long. */
static void test_trickled_requests(void **state)
{
	static const char request[] = "GET /firmware/f1/image HTTP/1.1\r\nHost: h\r\nX-Long: ";
	int fds[OF_ADDRESS], closed = 0;
	int64_t begun;

	(void)state;
	wait_for_slots(0);
	begun = fw_boot_ms();
	for (int i = 0; i < OF_ADDRESS; i++)
		fds[i] = connect_to("127.0.0.1");
	wait_for_slots(OF_ADDRESS);
	assert_int_not_equal(curl("--max-time 1", "/firmware/f1/image"), 200);
	for (size_t i = 0; closed < OF_ADDRESS && fw_boot_ms() - begun < 20000; i++) {
		closed = 0;
		for (int j = 0; j < OF_ADDRESS; j++) {
			(void)!send(fds[j], i < sizeof(request) - 1 ? request + i : "x", 1,
				MSG_NOSIGNAL);
			closed += is_closed(fds[j]);
		}
		usleep(200000);
	}
	assert_int_equal(closed, OF_ADDRESS);
	assert_in_range(fw_boot_ms() - begun, 1900, 15000);
	assert_int_equal(curl("--max-time 5", "/firmware/f1/image"), 200);
	for (int i = 0; i < OF_ADDRESS; i++)
		close(fds[i]);
}

static void test_trickled_transfers(void **state)
{
	int slow, steady;
	int64_t begun;

	(void)state;
	need_acknowledged_bytes();
	wait_for_slots(0);
	steady = ask_for_huge();
	assert_true(read_slowly(steady, 4000, 100));
	slow = ask_for_huge();
	assert_true(read_slowly(slow, 1, 100) && has_slots(2));
	begun = fw_boot_ms();
	while (has_slots(2) && fw_boot_ms() - begun < 20000) {
		read_slowly(slow, 1, 50);
		assert_true(read_slowly(steady, 4000, 100));
	}
	assert_in_range(fw_boot_ms() - begun, 1500, 15000);
	assert_true(read_slowly(steady, 4000, 5000) && has_slots(1));
	close(slow);
	close(steady);
}

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_idle_connections),
		cmocka_unit_test(test_trickled_requests),
		cmocka_unit_test(test_trickled_transfers),
		cmocka_unit_test(test_silent_kernels),
		cmocka_unit_test(test_withdrawn),
		cmocka_unit_test(test_changed_under_way),
	};

	return cmocka_run_group_tests(tests, start, finish);
}
