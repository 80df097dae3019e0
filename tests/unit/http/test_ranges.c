/* The download server: parts of a file. */
#include "server_fixture.h"

static void test_ranges(void **state)
{
	(void)state;
	assert_int_equal(curl("-r 0-0", "/firmware/f1/image"), 206);
	assert_header("Content-Range: bytes 0-0/3000000");
	assert_header("Content-Length: 1\r");
	assert_int_equal(curl("-r 1000-", "/firmware/f1/image"), 206);
	shell("tail -c +1001 d/image | cmp -s - body");
	assert_int_equal(curl("-r -500", "/firmware/f1/image"), 206);
	shell("tail -c 500 d/image | cmp -s - body");
	assert_int_equal(curl("-r 3000000-", "/firmware/f1/image"), 416);
	assert_header("Content-Range: bytes */3000000");
	/* several, of which one is there: one part, as if it alone was asked for */
	assert_int_equal(curl("-H 'Range: bytes=5-6,3000000-'", "/firmware/f1/image"), 206);
	assert_header("Content-Range: bytes 5-6/3000000");
	assert_int_equal(
		curl("-H 'Range: bytes=3000000-3000001,9999999-'", "/firmware/f1/image"), 416);
	/* more than the file, two headers, HEAD */
	assert_int_equal(curl("-H 'Range: bytes=0-,0-0'", "/firmware/f1/image"), 200);
	shell("cmp -s d/image body");
	assert_int_equal(
		curl("-H 'Range: bytes=0-0' -H 'Range: bytes=1-1'", "/firmware/f1/image"), 200);
	assert_int_equal(curl("-I -H 'Range: bytes=0-0,2-2'", "/firmware/f1/image"), 200);
	shell("head -c 1234567 d/image >part");
	{
		char command[200];

		snprintf(command, sizeof(command),
			"curl -s -C - -o part http://127.0.0.1:%d/firmware/f1/image && cmp part "
			"d/image",
			port);
		shell(command);
	}
	assert_int_equal(curl("-r 20000000000-20000000009", "/firmware/f1/huge"), 206);
	assert_header("Content-Range: bytes 20000000000-20000000009/21474836480");
}

/* As many ranges as one may ask for, each a thousand bytes; more are the whole file. */
static void test_many_ranges(void **state)
{
	static const char check[] =
		"/usr/bin/python3 - <<'END'\n"
		"import email.parser\n"
		"head = [line for line in open('head', 'rb').read().decode().split('\\r\\n') if "
		"line.lower().startswith('content-')]\n"
		"kind = [line for line in head if line.lower().startswith('content-type')]\n"
		"assert kind and 'multipart/byteranges; boundary=' in kind[0] and not "
		"any('content-range' in line.lower() for line in head), head\n"
		"body, image = open('body', 'rb').read(), open('d/image', 'rb').read()\n"
		"assert 'Content-Length: %%d' %% len(body) in head, head\n"
		"boundary = kind[0].split('boundary=')[1].encode()\n"
		"parts = body.split(b'\\r\\n--' + boundary)\n"
		"assert parts[0] == b'' and parts[-1] == b'--\\r\\n', (parts[0], parts[-1])\n"
		"for index, part in enumerate(parts[1:-1]):\n"
		"    head, data = part.split(b'\\r\\n\\r\\n', 1)\n"
		"    first = (%d - 1 - index) * 10000\n"
		"    assert head.startswith(b'\\r\\nContent-Type: "
		"application/octet-stream\\r\\nContent-Range: bytes %%d-%%d/3000000' %% (first, "
		"first + 999)), head\n"
		"    assert data == image[first:first + 1000], index\n"
		"assert len(parts) == %d + 2\n"
		"END\n";
	static const int counts[] = {2, 150, FW_HTTP_RANGES_MOST};
	char command[3000];

	(void)state;
	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		snprintf(command, sizeof(command),
			"for i in $(seq %d -1 0); do printf '%%s-%%s,' $((i * 10000)) $((i * 10000 "
			"+ 999)); done | sed 's/^/Range: bytes=/; s/,$//' >ranges",
			counts[i] - 1);
		shell(command);
		total_bytes = 0;
		assert_int_equal(curl("-H @ranges", "/firmware/f1/image"), 206);
		snprintf(command, sizeof(command), check, counts[i], counts[i]);
		shell(command);
		wait_for_slots(0);
		assert_int_equal(total_bytes, counts[i] * 1000);
	}
	shell("sed -i 's/$/,2990000-2990000/' ranges");
	assert_int_equal(curl("-H @ranges", "/firmware/f1/image"), 200);
	shell("cmp -s d/image body");
}

/* Several ranges are followed too: each piece of the file, and no more. */
static void test_pieces_of_ranges(void **state)
{
	static const char request[] =
		"GET /firmware/f1/huge HTTP/1.1\r\nHost: h\r\nRange: "
		"bytes=10-19,1000000-17999999999,19000000000-19000000001\r\n\r\n";
	int fd;

	(void)state;
	need_acknowledged_bytes();
	fd = connect_to("127.0.0.1");
	wait_for_slots(1);
	total_bytes = furthest = 0;
	assert_int_equal(send(fd, request, sizeof(request) - 1, 0), (ssize_t)sizeof(request) - 1);
	assert_true(read_slowly(fd, 4000, 500));
	assert_in_range(total_bytes, 11, 100 << 20);
	assert_int_equal(furthest, 1000000 + total_bytes - 10);
	close(fd);
	wait_for_slots(0);
	assert_int_equal(furthest, 1000000 + total_bytes - 10);
}

static void test_range_parser(void **state)
{
	static const struct {
		const char *header;
		int64_t size;
		enum fw_http_range result;
		int64_t first, length;
	} cases[] = {
		{NULL, 10, FW_RANGE_NONE, 0, 0},
		{"", 10, FW_RANGE_NONE, 0, 0},
		{"bytes", 10, FW_RANGE_NONE, 0, 0},
		{"bytes=", 10, FW_RANGE_NONE, 0, 0},
		{"bytes=-", 10, FW_RANGE_NONE, 0, 0},
		{"items=0-1", 10, FW_RANGE_NONE, 0, 0},
		{"bytes=,", 10, FW_RANGE_NONE, 0, 0},
		{"bytes=0-1,3-4x", 10, FW_RANGE_NONE, 0, 0},
		{"bytes=0-1;3-4", 10, FW_RANGE_NONE, 0, 0},
		{"bytes=0-1 3-4", 10, FW_RANGE_NONE, 0, 0},
		{"bytes=20-,30-", 10, FW_RANGE_UNSATISFIABLE, 0, 0},
		{"bytes=20-,3-4,-0", 10, FW_RANGE_PART, 3, 2},
		{"bytes= , 3-4,, ", 10, FW_RANGE_PART, 3, 2},
		{"bytes=0-9,0-0", 10, FW_RANGE_NONE, 0, 0},
		{"bytes=0-8,-2", 10, FW_RANGE_NONE, 0, 0},
		{"bytes=20-,5-4", 10, FW_RANGE_NONE, 0, 0},
		{"bytes=5-4", 10, FW_RANGE_NONE, 0, 0},
		{"bytes=a-b", 10, FW_RANGE_NONE, 0, 0},
		{"bytes=0x1-", 10, FW_RANGE_NONE, 0, 0},
		{"bytes=--1", 10, FW_RANGE_NONE, 0, 0},
		{"bytes=+1-2", 10, FW_RANGE_NONE, 0, 0},
		{"bytes=1-2x", 10, FW_RANGE_NONE, 0, 0},
		{"bytes=0-", 10, FW_RANGE_PART, 0, 10},
		{"bytes=0-9", 10, FW_RANGE_PART, 0, 10},
		{"bytes=0-10", 10, FW_RANGE_PART, 0, 10},
		{"bytes=9-", 10, FW_RANGE_PART, 9, 1},
		{"bytes=9-99", 10, FW_RANGE_PART, 9, 1},
		{"Bytes = 3 - 4 ", 10, FW_RANGE_PART, 3, 2},
		{"bytes=10-", 10, FW_RANGE_UNSATISFIABLE, 0, 0},
		{"bytes=-0", 10, FW_RANGE_UNSATISFIABLE, 0, 0},
		{"bytes=-3", 10, FW_RANGE_PART, 7, 3},
		{"bytes=-99", 10, FW_RANGE_PART, 0, 10},
		{"bytes=0-18446744073709551615", 10, FW_RANGE_PART, 0, 10},
		{"bytes=18446744073709551616-", 10, FW_RANGE_UNSATISFIABLE, 0, 0},
		{"bytes=9223372036854775807-9223372036854775807", 10, FW_RANGE_UNSATISFIABLE, 0, 0},
		{"bytes=-99999999999999999999999999", 10, FW_RANGE_PART, 0, 10},
		{"bytes=0-9223372036854775807", 10, FW_RANGE_PART, 0, 10},
		{"bytes=9223372036854775806-", INT64_MAX, FW_RANGE_PART, INT64_MAX - 1, 1},
		{"bytes=0-", 0, FW_RANGE_UNSATISFIABLE, 0, 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct fw_http_range_of ranges[FW_HTTP_RANGES_MOST] = {{0, 0}};
		size_t count = 0;
		enum fw_http_range result =
			fw_http_ranges_parse(cases[i].header, cases[i].size, ranges, &count);

		if (result != cases[i].result ||
			(result == FW_RANGE_PART &&
				(count != 1 || ranges[0].first != cases[i].first ||
					ranges[0].length != cases[i].length)))
			fail_msg("%s", cases[i].header);
	}
}

static void test_several_ranges(void **state)
{
	struct fw_http_range_of ranges[FW_HTTP_RANGES_MOST];
	char text[4 * FW_HTTP_RANGES_MOST + 16], *end = stpcpy(text, "bytes=");
	size_t count = 0;

	(void)state;
	assert_int_equal(
		fw_http_ranges_parse("bytes=7-8, 0-1 ,-1,3-3", 10, ranges, &count), FW_RANGE_PART);
	assert_int_equal(count, 4);
	assert_true(ranges[0].first == 7 && ranges[0].length == 2 && ranges[1].first == 0 &&
		ranges[1].length == 2);
	assert_true(ranges[2].first == 9 && ranges[2].length == 1 && ranges[3].first == 3 &&
		ranges[3].length == 1);
	/* the same twice, within the size of the file */
	assert_int_equal(fw_http_ranges_parse("bytes=0-4,0-4", 10, ranges, &count), FW_RANGE_PART);
	assert_int_equal(count, 2);
	assert_int_equal(
		fw_http_ranges_parse("bytes=0-,0-", INT64_MAX, ranges, &count), FW_RANGE_NONE);
	for (unsigned i = 0; i < FW_HTTP_RANGES_MOST; i++)
		end = stpcpy(end, "1-1,");
	assert_int_equal(fw_http_ranges_parse(text, 1000, ranges, &count), FW_RANGE_PART);
	assert_int_equal(count, FW_HTTP_RANGES_MOST);
	stpcpy(end, "1-1");
	assert_int_equal(fw_http_ranges_parse(text, 1000, ranges, &count), FW_RANGE_NONE);
	stpcpy(end, "1000-");
	assert_int_equal(fw_http_ranges_parse(text, 1000, ranges, &count), FW_RANGE_NONE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ranges),
		cmocka_unit_test(test_many_ranges),
		cmocka_unit_test(test_pieces_of_ranges),
		cmocka_unit_test(test_range_parser),
		cmocka_unit_test(test_several_ranges),
	};

	return cmocka_run_group_tests(tests, start, finish);
}
