/* The download server: what is served, to whom, and what is refused. */
#include "server_fixture.h"

static void test_whole(void **state)
{
	(void)state;
	total_bytes = 0;
	started = 0;
	assert_int_equal(curl("", "/firmware/f1/image"), 200);
	shell("cmp -s d/image body");
	assert_header("Content-Length: 3000000");
	assert_header("Accept-Ranges: bytes");
	assert_header("ETag: \"eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee\"");
	assert_header(
		"Content-Disposition: attachment; filename=\"image\"; filename*=UTF-8''image");
	assert_header("Content-Type: application/octet-stream");
	assert_header("Last-Modified: ");
	assert_header("Cache-Control: public, max-age=60");
	for (int i = 0; i < 100 && total_bytes < SIZE; i++)
		usleep(10000);
	assert_int_equal(total_bytes, SIZE);
	assert_int_equal(furthest, SIZE);
	assert_int_equal(started, 1);
}

static void test_head(void **state)
{
	(void)state;
	assert_int_equal(curl("-I", "/firmware/f1/image"), 200);
	assert_header("Content-Length: 3000000");
	assert_int_equal(curl("-I -r 0-9", "/firmware/f1/image"), 200);
}

static void test_names(void **state)
{
	(void)state;
	assert_int_equal(curl("", "/firmware/f1/a%20%22b%22%20%C3%A4.bin"), 200);
	assert_header("filename=\"a _b_ __.bin\"; filename*=UTF-8''a%20%22b%22%20%C3%A4.bin");
}

static void test_not_there(void **state)
{
	static const char *const paths[] = {"/", "/firmware", "/firmware/", "/firmware/f1",
		"/firmware/f1/", "/firmware/f1/absent", "/firmware/f2/image", "/firmware/f1/image/",
		"/firmware/f1/image/x", "/firmware//image", "/firmware/f1/..%2Fd%2Fimage",
		"/firmware/f1/%2e%2e/x", "/firmware/f1/image%00", "/firmware/f1/%zz",
		"/firmware/f1/image%", "/Firmware/f1/image", "/other/f1/image",
		"/firmware/%66%31%2fimage"};

	(void)state;
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		if (curl("--path-as-is", paths[i]) != 404)
			fail_msg("not 404: %s", paths[i]);
	}
	assert_int_equal(curl("", "/firmware/busy/image"), 503);
	assert_header("Retry-After: 5");
	assert_int_equal(curl("", "/firmware/f1/image?device=bad%20one"), 403);
	assert_int_equal(curl("", "/firmware/f1/image?device=good"), 200);
	assert_int_equal(curl("", "/firmware/%66%31/%69mage"), 200);
}

static void test_methods(void **state)
{
	static const char *const methods[] = {
		"-X POST -d abc", "-X PUT -d abc", "-X DELETE", "-X OPTIONS", "-X WHATEVER"};

	(void)state;
	for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
		assert_int_equal(curl(methods[i], "/firmware/f1/image"), 405);
		assert_header("Allow: GET, HEAD");
	}
}

/* Sends bytes as they are; returns the answer's status code, 0 for a connection closed without one.
 */
static int raw(const char *bytes, size_t len)
{
	int fd = connect_to("127.0.0.1"), code = 0;
	char text[64] = "";

	(void)!send(fd, bytes, len, MSG_NOSIGNAL);
	if (recv(fd, text, sizeof(text) - 1, 0) > 12)
		code = atoi(text + 9);
	close(fd);
	return code;
}

static void test_bad_requests(void **state)
{
	static char large[200000];

	(void)state;
	assert_int_equal(raw("\x16\x03\x01\x02", 4), 0); /* a TLS client, then silence */
	assert_int_not_equal(raw("GARBAGE\r\n\r\n", 11), 200);
	memset(large, 'a', sizeof(large));
	memcpy(large, "GET /", 5);
	assert_in_range(raw(large, sizeof(large)), 400, 499);
	memcpy(large, "GET /firmware/f1/image HTTP/1.1\r\nHost: h\r\nX: ", 46);
	assert_in_range(raw(large, sizeof(large)), 400, 499);
	assert_int_equal(curl("", "/firmware/f1/image"), 200);
}

static int raw_text(const char *text)
{
	return raw(text, strlen(text));
}

static void test_targets_and_hosts(void **state)
{
	(void)state;
	assert_int_equal(
		raw_text("GET http://h/firmware/f1/image HTTP/1.1\r\nHost: h\r\n\r\n"), 200);
	assert_int_equal(raw_text("GET HTTPS://user@h:81/firmware/f1/image?device=good "
				  "HTTP/1.1\r\nHost: h\r\n\r\n"),
		200);
	assert_int_equal(
		raw_text("GET http://h/firmware/f2/image HTTP/1.1\r\nHost: h\r\n\r\n"), 404);
	assert_int_equal(raw_text("GET http://h HTTP/1.1\r\nHost: h\r\n\r\n"), 404);
	assert_int_equal(raw_text("GET http:/firmware/f1/image HTTP/1.1\r\nHost: h\r\n\r\n"), 404);
	assert_int_equal(raw_text("GET /firmware/f1/image HTTP/1.1\r\n\r\n"), 400);
	assert_int_equal(
		raw_text("GET /firmware/f1/image HTTP/1.1\r\nHost: h\r\nHOST: h\r\n\r\n"), 400);
	assert_int_equal(raw_text("GET /firmware/f1/image HTTP/1.0\r\n\r\n"), 200);
	assert_int_equal(raw_text("GET /firmware/f1/image HTTP/1.1\r\nHost:\r\n\r\n"), 200);
}

/* Much of anything is answered, and be it by a refusal. */
static void test_many_parts(void **state)
{
	static const struct {
		const char *head, *part, *tail;
		int count, least, most;
	} cases[] = {
		{"GET /firmware/f1/image?device=good", "&a=b", " HTTP/1.1\r\nHost: h\r\n\r\n", 30,
			200, 200},
		{"GET /firmware/f1/image?device=good", "&a=b", " HTTP/1.1\r\nHost: h\r\n\r\n", 33,
			414, 414},
		{"GET /firmware/f1/image?device=good", "&a", " HTTP/1.1\r\nHost: h\r\n\r\n", 300,
			414, 414},
		{"GET /firmware/f1/image?device=good", "&", " HTTP/1.1\r\nHost: h\r\n\r\n", 5000,
			400, 499},
		{"GET /firmware/f1/image?device=good", "&a=b", " HTTP/1.1\r\nHost: h\r\n\r\n",
			30000, 400, 499},
		{"GET /firmware/f1/image HTTP/1.1\r\nHost: h\r\n", "a: b\r\n", "\r\n", 50, 200,
			200},
		{"GET /firmware/f1/image HTTP/1.1\r\nHost: h\r\n", "a: b\r\n", "\r\n", 500, 400,
			499},
		{"GET /firmware/f1/image HTTP/1.1\r\nHost: h\r\nCookie: a=b", "; a=b", "\r\n\r\n",
			300, 200, 499},
		{"GET /firmware/f1/image HTTP/1.1\r\nHost: h\r\nCookie: a=b", "; a=b", "\r\n\r\n",
			1500, 200, 499},
	};
	static char text[200000];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *end = stpcpy(text, cases[i].head);
		int code;

		for (int j = 0; j < cases[i].count; j++)
			end = stpcpy(end, cases[i].part);
		stpcpy(end, cases[i].tail);
		code = raw_text(text);
		if (code < cases[i].least || code > cases[i].most)
			fail_msg("%d of '%s': %d", cases[i].count, cases[i].part, code);
	}
}

static void test_counters(void **state)
{
	uint64_t begun, finished, bytes, refused;
	int fd;

	(void)state;
	wait_for_slots(0); /* what the tests before this one left is counted */
	begun = fw_count_get(&counters, FW_COUNT_DOWNLOADS_BEGUN);
	finished = fw_count_get(&counters, FW_COUNT_DOWNLOADS_FINISHED);
	bytes = fw_count_get(&counters, FW_COUNT_DOWNLOADS_BYTES);
	refused = fw_count_get(&counters, FW_COUNT_DOWNLOADS_REFUSED);
	assert_int_equal(curl("", "/firmware/f1/image"), 200);
	assert_int_equal(curl("-r 10-19", "/firmware/f1/image"), 206);
	assert_int_equal(curl("-I", "/firmware/f1/image"), 200);
	assert_int_equal(curl("-r 3000000-", "/firmware/f1/image"), 416);
	assert_int_equal(curl("", "/x"), 404);
	assert_int_equal(curl("-X PUT", "/firmware/f1/image"), 405);
	wait_for_slots(0);
	assert_int_equal(fw_count_get(&counters, FW_COUNT_DOWNLOADS_BEGUN), begun + 2);
	assert_int_equal(fw_count_get(&counters, FW_COUNT_DOWNLOADS_FINISHED), finished + 2);
	assert_int_equal(fw_count_get(&counters, FW_COUNT_DOWNLOADS_BYTES), bytes + SIZE + 10);
	assert_int_equal(fw_count_get(&counters, FW_COUNT_DOWNLOADS_REFUSED), refused + 3);
	fd = ask_for_huge();
	assert_true(read_slowly(fd, 4000, 100));
	close(fd);
	wait_for_slots(0);
	assert_int_equal(fw_count_get(&counters, FW_COUNT_DOWNLOADS_BEGUN), begun + 3);
	assert_int_equal(fw_count_get(&counters, FW_COUNT_DOWNLOADS_FINISHED), finished + 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whole),
		cmocka_unit_test(test_head),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_not_there),
		cmocka_unit_test(test_methods),
		cmocka_unit_test(test_bad_requests),
		cmocka_unit_test(test_targets_and_hosts),
		cmocka_unit_test(test_many_parts),
		cmocka_unit_test(test_counters),
	};

	return cmocka_run_group_tests(tests, start, finish);
}
