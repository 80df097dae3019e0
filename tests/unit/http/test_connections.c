/* The download server: clients that are idle, slow or many. */
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_idle_connections),
		cmocka_unit_test(test_trickled_requests),
		cmocka_unit_test(test_trickled_transfers),
	};

	return cmocka_run_group_tests(tests, start, finish);
}
