/* A download server over real sockets, with one firmware of a file, asked with curl and by hand. */
#ifndef FW_TEST_SERVER_FIXTURE_H
#define FW_TEST_SERVER_FIXTURE_H

#include <arpa/inet.h>
#include <errno.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "folder.h"
#include "http/internal.h"
#include "http/server.h"

#define SIZE 3000000

#define OF_ADDRESS 32 /* slots */

static struct fw_http *http;

static int port;

static atomic_int_fast64_t total_bytes, furthest;

static atomic_int started;

static struct fw_file_stamp verified;

static inline enum fw_status find(void *context, struct fw_slice firmware_id, struct fw_slice file,
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

static inline bool permit(void *context, const struct fw_hosted_file *file, struct fw_slice name,
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

static inline bool withdrawn(void *context, struct fw_slice firmware_id)
{
	(void)context;
	return is_gone && fw_slice_equal(firmware_id, FW_SLICE("f1"));
}

static inline void on_transfer(void *context, const struct fw_transfer *part)
{
	(void)context;
	total_bytes += part->bytes;
	started += part->started;
	if (part->reached > furthest)
		furthest = part->reached;
}

static pthread_t sampler;

static atomic_bool stopping;

/* As the store does, only more often. */
static inline void *sample(void *argument)
{
	while (!stopping) {
		fw_http_sample(http);
		usleep(50000);
	}
	return argument;
}

static inline int start(void **state)
{
	struct fw_http_config config = {.listen = "127.0.0.1:0",
		.connections = 96,
		.loopback = OF_ADDRESS,
		.timeout_seconds = 2,
		.window_seconds = 2,
		.find = find,
		.permit = permit,
		.transferred = on_transfer,
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

static inline int finish(void **state)
{
	stopping = true;
	pthread_join(sampler, NULL);
	fw_http_stop(http);
	fw_http_stop(NULL);
	return remove_folder(state);
}

/* curl with these arguments before the address; its headers are in `head`, its body in `body`.
 * Returns the status code. */
static inline int curl(const char *arguments, const char *path)
{
	char command[800];

	snprintf(command, sizeof(command),
		"rm -f head body; curl -s -o body -D head -w '%%{http_code}' %s "
		"'http://127.0.0.1:%d%s' >code 2>/dev/null; true",
		arguments, port, path);
	shell(command);
	return atoi(read_text("code"));
}

static inline void assert_header(const char *line)
{
	if (!strcasestr(read_text("head"), line))
		fail_msg("no '%s' in:\n%s", line, read_text("head"));
}

static inline int connect_to(const char *from)
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

/* Two ends of a connection that the server does not know. */
static inline void connect_pair(int fds[2])
{
	struct sockaddr_in address = {
		.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(address);
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	fds[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(listener, (struct sockaddr *)&address, len), 0);
	assert_int_equal(listen(listener, 1), 0);
	assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &len), 0);
	assert_int_equal(connect(fds[0], (struct sockaddr *)&address, len), 0);
	fds[1] = accept(listener, NULL, NULL);
	assert_true(fds[1] >= 0);
	close(listener);
}

/* Where the kernel does not say what a peer has acknowledged, a transfer is told at its end. Not by
 * the server's own question: that is what is tested. */
static inline void need_acknowledged_bytes(void)
{
	struct tcp_info info = {0};
	int fds[2];

	connect_pair(fds);
	assert_int_equal(send(fds[0], "hello", 5, 0), 5);
	for (int i = 0; i < 100 && info.tcpi_bytes_acked < 5; i++) {
		socklen_t len = sizeof(info);

		usleep(10000);
		assert_int_equal(getsockopt(fds[0], IPPROTO_TCP, TCP_INFO, &info, &len), 0);
	}
	close(fds[0]);
	close(fds[1]);
	if (info.tcpi_bytes_acked >= 5)
		return;
	print_message("Skipped: TCP_INFO does not tell the bytes that a peer acknowledged.\n");
	skip();
}

static inline bool has_slots(unsigned count)
{
	unsigned taken;

	pthread_mutex_lock(&http->slots.lock);
	taken = http->slots.taken;
	pthread_mutex_unlock(&http->slots.lock);
	return taken == count;
}

/* The server takes and frees slots a moment after its clients came and went. */
static inline void wait_for_slots(unsigned count)
{
	for (int i = 0; i < 500 && !has_slots(count); i++)
		usleep(10000);
	assert_true(has_slots(count));
}

/* Reads `pace` bytes every tenth of a second for `ms`; false when the server ended it. */
static inline bool read_slowly(int fd, size_t pace, int64_t ms)
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

static inline int ask_for_huge(void)
{
	static const char request[] = "GET /firmware/f1/huge HTTP/1.1\r\nHost: h\r\n\r\n";
	int fd = connect_to("127.0.0.1"), small = 4096;

	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
	assert_int_equal(send(fd, request, sizeof(request) - 1, 0), (ssize_t)sizeof(request) - 1);
	return fd;
}

#endif
