/* The download server over real sockets, with curl and by hand. */
#include "http/server.h"

#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "http/internal.h"
#include "folder.h"

#define SIZE 3000000
#define OF_ADDRESS 32 /* places */

static struct fw_http *http;
static int port;
static atomic_int_fast64_t total_bytes, furthest;
static atomic_int started;
static struct fw_file_stamp verified;

static enum fw_status find(void *context, struct fw_slice firmware_id, struct fw_slice file,
	struct fw_hosted_file *out)
{
	(void)context;
	if (fw_slice_equal(firmware_id, FW_SLICE("busy")))
		return FW_BUSY;
	if (!fw_slice_equal(firmware_id, FW_SLICE("f1")) ||
		fw_folder_open("d", file.at, &out->fd, &out->stamp, NULL) != FW_OK)
		return FW_NOT_FOUND;
	if (fw_slice_equal(file, FW_SLICE("image")) &&
		!fw_file_stamp_equal(&out->stamp, &verified)) {
		close(out->fd);
		return FW_NOT_FOUND;
	}
	memset(out->sha256, 'e', 64);
	out->sha256[64] = '\0';
	strcpy(out->product_id, "lamp");
	strcpy(out->firmware_id, "f1");
	return FW_OK;
}

static bool permit(void *context, const struct fw_hosted_file *file, struct fw_slice name,
	const struct fw_http_query *query, struct fw_slice *device)
{
	(void)context;
	(void)file;
	(void)name;
	*device = query->device;
	return !fw_slice_equal(query->device, FW_SLICE("bad one"));
}

static atomic_bool is_gone;
static struct fw_counters counters;

static bool withdrawn(void *context, struct fw_slice firmware_id)
{
	(void)context;
	return is_gone && fw_slice_equal(firmware_id, FW_SLICE("f1"));
}

static void on_access(void *context, const struct fw_transfer *access)
{
	(void)context;
	total_bytes += access->bytes;
	started += access->started;
	if (access->reached > furthest)
		furthest = access->reached;
}

static pthread_t sampler;
static atomic_bool stopping;

/* As the store does, only more often. */
static void *sample(void *argument)
{
	while (!stopping) {
		fw_http_sample(http);
		usleep(50000);
	}
	return argument;
}

static int start(void **state)
{
	struct fw_http_config config = {.listen = "127.0.0.1:0",
		.connections = 96,
		.loopback = OF_ADDRESS,
		.timeout_seconds = 2,
		.window_seconds = 2,
		.find = find,
		.permit = permit,
		.access = on_access,
		.withdrawn = withdrawn,
		.counters = &counters};
	struct stat status;

	if (make_folder(state) != 0 ||
		system("mkdir d; head -c 3000000 /dev/urandom >d/image; printf x >'d/a \"b\" "
		       "\xc3\xa4.bin'; truncate -s 20G d/huge") != 0 ||
		stat("d/image", &status) != 0 || fw_http_start(&config, &http, NULL) != FW_OK)
		return -1;
	verified = fw_file_stamp_of(&status);
	port = fw_http_port(http);
	return port > 0 && pthread_create(&sampler, NULL, sample, NULL) == 0 ? 0 : -1;
}

static int finish(void **state)
{
	stopping = true;
	pthread_join(sampler, NULL);
	fw_http_stop(http);
	fw_http_stop(NULL);
	return remove_folder(state);
}

/* curl with these arguments before the address; its headers are in `head`, its body in `body`.
 * Returns the status code. */
static int curl(const char *arguments, const char *path)
{
	char command[800];

	snprintf(command, sizeof(command),
		"rm -f head body; curl -s -o body -D head -w '%%{http_code}' %s "
		"'http://127.0.0.1:%d%s' >code 2>/dev/null; true",
		arguments, port, path);
	shell(command);
	return atoi(read_text("code"));
}

static void assert_header(const char *line)
{
	if (!strcasestr(read_text("head"), line))
		fail_msg("no '%s' in:\n%s", line, read_text("head"));
}

static int connect_to(const char *from);
static bool read_slowly(int fd, size_t pace, int64_t ms);
static void wait_for_places(unsigned count);

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

static void test_conditions(void **state)
{
	static const char tag[] =
		"\"eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee\"";
	char arguments[200];

	(void)state;
	snprintf(arguments, sizeof(arguments), "-H 'If-None-Match: %s'", tag);
	assert_int_equal(curl(arguments, "/firmware/f1/image"), 304);
	snprintf(arguments, sizeof(arguments), "-H 'If-None-Match: \"x\", W/%s'", tag);
	assert_int_equal(curl(arguments, "/firmware/f1/image"), 304);
	assert_int_equal(curl("-H 'If-None-Match: *'", "/firmware/f1/image"), 304);
	assert_int_equal(curl("-H 'If-None-Match: \"x\"'", "/firmware/f1/image"), 200);
	snprintf(arguments, sizeof(arguments), "-r 10-19 -H 'If-Range: %s'", tag);
	assert_int_equal(curl(arguments, "/firmware/f1/image"), 206);
	snprintf(arguments, sizeof(arguments), "-r 10-19 -H 'If-Range: W/%s'", tag);
	assert_int_equal(curl(arguments, "/firmware/f1/image"), 200);
	assert_int_equal(curl("-r 10-19 -H 'If-Range: \"x\"'", "/firmware/f1/image"), 200);
	shell("sed -n 's/^Last-Modified: \\(.*\\)\r$/\\1/p' head | tr -d '\\n' >date");
	snprintf(arguments, sizeof(arguments), "-r 10-19 -H 'If-Range: %.40s'", read_text("date"));
	assert_non_null(strstr(arguments, "GMT"));
	assert_int_equal(curl(arguments, "/firmware/f1/image"), 206);
	snprintf(arguments, sizeof(arguments), "-H 'If-Modified-Since: %.40s'", read_text("date"));
	assert_int_equal(curl(arguments, "/firmware/f1/image"), 304);
	assert_header("Cache-Control: public, max-age=60");
	snprintf(
		arguments, sizeof(arguments), "-H 'If-Unmodified-Since: %.40s'", read_text("date"));
	assert_int_equal(curl(arguments, "/firmware/f1/image"), 200);
	snprintf(arguments, sizeof(arguments), "-r 3000000- -H 'If-Match: \"x\", %s'", tag);
	assert_int_equal(curl(arguments, "/firmware/f1/image"), 416);
}

/* A device that goes on with an image that is not the same any more is told so. */
static void test_failed_conditions(void **state)
{
	static const char *const failing[] = {"-H 'If-Match: \"x\"'",
		"-r 10-19 -H 'If-Match: \"x\"'", "-I -H 'If-Match: \"x\"'",
		"-r 3000000- -H 'If-Match: \"x\"'",
		"-H 'If-Unmodified-Since: Sun, 06 Nov 1994 08:49:37 GMT'",
		("-r 10-19 -H 'If-Unmodified-Since: Sun, 06 Nov 1994 08:49:37 GMT' -H 'If-Range: "
		 "\"x\"'")};
	uint64_t refused = fw_count_get(&counters, FW_COUNT_DOWNLOADS_REFUSED);

	(void)state;
	for (size_t i = 0; i < sizeof(failing) / sizeof(failing[0]); i++) {
		assert_int_equal(curl(failing[i], "/firmware/f1/image"), 412);
		assert_header("Cache-Control: no-store");
		assert_header("ETag: \"eeee");
	}
	assert_int_equal(fw_count_get(&counters, FW_COUNT_DOWNLOADS_REFUSED),
		refused + sizeof(failing) / sizeof(failing[0]));
	assert_int_equal(curl("-H 'If-Match: \"x\"'", "/firmware/f1/absent"), 404);
}

/* The date is when the file came to be there: one with an older date of its own is another file. */
static void test_older_image(void **state)
{
	char arguments[200];

	(void)state;
	shell("printf old >d/dated; touch -d '2001-02-03' d/dated");
	assert_int_equal(
		curl("-H 'If-Modified-Since: Sat, 03 Feb 2001 00:00:00 GMT'", "/firmware/f1/dated"),
		200);
	assert_int_equal(curl("-H 'If-Unmodified-Since: Sat, 03 Feb 2001 00:00:00 GMT'",
				 "/firmware/f1/dated"),
		412);
	snprintf(arguments, sizeof(arguments), "-z d/dated");
	assert_int_equal(curl(arguments, "/firmware/f1/dated"), 200);
}

static void test_refusals_are_not_kept(void **state)
{
	static const struct {
		const char *arguments, *path;
		int code;
	} cases[] = {{"", "/x", 404}, {"", "/firmware/f1/absent", 404},
		{"", "/firmware/busy/image", 503}, {"-X PUT", "/firmware/f1/image", 405},
		{"", "/firmware/f1/image?device=bad%20one", 403},
		{"-r 3000000-", "/firmware/f1/image", 416}, {"-H Host:", "/firmware/f1/image", 400},
		{"", "/firmware/f1/image?&&&&&&&&&&&&&&&&&&&&&&&&&&&&&&&&&&&&&&&&", 414}};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (curl(cases[i].arguments, cases[i].path) != cases[i].code)
			fail_msg("not %d: %s", cases[i].code, cases[i].path);
		assert_header("Cache-Control: no-store");
	}
	assert_int_equal(curl("-r 0-1", "/firmware/f1/image"), 206);
	assert_header("Cache-Control: public, max-age=60");
}

/* As many ranges as one may ask for, each a thousand bytes; more are the whole file. */
static void test_many_ranges(void **state)
{
	static const char check[] =
		"python3 - <<'END'\n"
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
		wait_for_places(0);
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
	int fd = connect_to("127.0.0.1");

	(void)state;
	wait_for_places(1);
	total_bytes = furthest = 0;
	assert_int_equal(send(fd, request, sizeof(request) - 1, 0), (ssize_t)sizeof(request) - 1);
	assert_true(read_slowly(fd, 4000, 500));
	assert_in_range(total_bytes, 11, 100 << 20);
	assert_int_equal(furthest, 1000000 + total_bytes - 10);
	close(fd);
	wait_for_places(0);
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

static int connect_to(const char *from)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)},
			   own = {.sin_family = AF_INET};
	struct timeval patience = {5, 0};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	inet_pton(AF_INET, "127.0.0.1", &address.sin_addr);
	inet_pton(AF_INET, from, &own.sin_addr);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	assert_int_equal(bind(fd, (struct sockaddr *)&own, sizeof(own)), 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
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
	int fd = connect_to("127.0.0.1");
	ssize_t len;

	(void)state;
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

static bool has_places(unsigned count)
{
	unsigned taken;

	pthread_mutex_lock(&http->lock);
	taken = http->taken;
	pthread_mutex_unlock(&http->lock);
	return taken == count;
}

/* The server takes and gives places a moment after its clients came and went. */
static void wait_for_places(unsigned count)
{
	for (int i = 0; i < 500 && !has_places(count); i++)
		usleep(10000);
	assert_true(has_places(count));
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
	wait_for_places(0);
	begun = fw_boot_ms();
	for (int i = 0; i < OF_ADDRESS; i++)
		fds[i] = connect_to("127.0.0.1");
	wait_for_places(OF_ADDRESS);
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

/* Reads `pace` bytes every tenth of a second for `ms`; false when the server ended it. */
static bool read_slowly(int fd, size_t pace, int64_t ms)
{
	static char buffer[1 << 20];
	int64_t begun = fw_boot_ms();

	while (fw_boot_ms() - begun < ms) {
		if (recv(fd, buffer, pace, 0) <= 0)
			return false;
		usleep(100000);
	}
	return true;
}

static int ask_for_huge(void)
{
	static const char request[] = "GET /firmware/f1/huge HTTP/1.1\r\nHost: h\r\n\r\n";
	int fd = connect_to("127.0.0.1"), small = 4096;

	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
	assert_int_equal(send(fd, request, sizeof(request) - 1, 0), (ssize_t)sizeof(request) - 1);
	return fd;
}

static void test_trickled_transfers(void **state)
{
	int slow, steady;
	int64_t begun;

	(void)state;
	wait_for_places(0);
	steady = ask_for_huge();
	assert_true(read_slowly(steady, 4000, 100));
	slow = ask_for_huge();
	assert_true(read_slowly(slow, 1, 100) && has_places(2));
	begun = fw_boot_ms();
	while (has_places(2) && fw_boot_ms() - begun < 20000) {
		read_slowly(slow, 1, 50);
		assert_true(read_slowly(steady, 4000, 100));
	}
	assert_in_range(fw_boot_ms() - begun, 1500, 15000);
	assert_true(read_slowly(steady, 4000, 5000) && has_places(1));
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
			.access = on_access,
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
	wait_for_places(0);
	fd = ask_for_huge();
	assert_true(read_slowly(fd, 4000, 2500) && has_places(1));
	is_gone = true;
	begun = fw_boot_ms();
	wait_for_places(0);
	/* it would have been too slow only after its next window */
	assert_in_range(fw_boot_ms() - begun, 0, 1400);
	is_gone = false;
	close(fd);
}

static void test_counters(void **state)
{
	uint64_t begun = fw_count_get(&counters, FW_COUNT_DOWNLOADS_BEGUN),
		 finished = fw_count_get(&counters, FW_COUNT_DOWNLOADS_FINISHED),
		 bytes = fw_count_get(&counters, FW_COUNT_DOWNLOADS_BYTES),
		 refused = fw_count_get(&counters, FW_COUNT_DOWNLOADS_REFUSED);
	int fd;

	(void)state;
	assert_int_equal(curl("", "/firmware/f1/image"), 200);
	assert_int_equal(curl("-r 10-19", "/firmware/f1/image"), 206);
	assert_int_equal(curl("-I", "/firmware/f1/image"), 200);
	assert_int_equal(curl("-r 3000000-", "/firmware/f1/image"), 416);
	assert_int_equal(curl("", "/x"), 404);
	assert_int_equal(curl("-X PUT", "/firmware/f1/image"), 405);
	wait_for_places(0);
	assert_int_equal(fw_count_get(&counters, FW_COUNT_DOWNLOADS_BEGUN), begun + 2);
	assert_int_equal(fw_count_get(&counters, FW_COUNT_DOWNLOADS_FINISHED), finished + 2);
	assert_int_equal(fw_count_get(&counters, FW_COUNT_DOWNLOADS_BYTES), bytes + SIZE + 10);
	assert_int_equal(fw_count_get(&counters, FW_COUNT_DOWNLOADS_REFUSED), refused + 3);
	fd = ask_for_huge();
	assert_true(read_slowly(fd, 4000, 100));
	close(fd);
	wait_for_places(0);
	assert_int_equal(fw_count_get(&counters, FW_COUNT_DOWNLOADS_BEGUN), begun + 3);
	assert_int_equal(fw_count_get(&counters, FW_COUNT_DOWNLOADS_FINISHED), finished + 2);
}

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
		cmocka_unit_test(test_whole),
		cmocka_unit_test(test_head),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_not_there),
		cmocka_unit_test(test_methods),
		cmocka_unit_test(test_ranges),
		cmocka_unit_test(test_conditions),
		cmocka_unit_test(test_failed_conditions),
		cmocka_unit_test(test_older_image),
		cmocka_unit_test(test_refusals_are_not_kept),
		cmocka_unit_test(test_many_ranges),
		cmocka_unit_test(test_pieces_of_ranges),
		cmocka_unit_test(test_range_parser),
		cmocka_unit_test(test_several_ranges),
		cmocka_unit_test(test_bad_requests),
		cmocka_unit_test(test_targets_and_hosts),
		cmocka_unit_test(test_many_parts),
		cmocka_unit_test(test_idle_connections),
		cmocka_unit_test(test_trickled_requests),
		cmocka_unit_test(test_trickled_transfers),
		cmocka_unit_test(test_silent_kernels),
		cmocka_unit_test(test_withdrawn),
		cmocka_unit_test(test_counters),
		cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_changed_under_way),
		cmocka_unit_test(test_all_addresses),
		cmocka_unit_test(test_bad_listen),
	};

	return cmocka_run_group_tests(tests, start, finish);
}
