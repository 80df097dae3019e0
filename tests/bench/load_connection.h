/* The connections of the load generator: their sockets, what the socket would not take, and the
 * times of the messages that are not answered. */
#ifndef FW_BENCH_LOAD_CONNECTION_H
#define FW_BENCH_LOAD_CONNECTION_H

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "load_base.h"
#include "load_options.h"

#define IN_SIZE 8192u

struct connection {
	int fd;
	unsigned number; /* from 0 */
	uint16_t packet;
	bool ready, writing;
	uint64_t sent;
	int64_t *due; /* a ring of the times of what is not answered */
	unsigned due_size, due_head, due_count;
	unsigned char *out; /* what the socket would not take */
	size_t out_len, out_size, in_len;
	unsigned char in[IN_SIZE];
};

static int poller;

static inline void watch_writing(struct connection *connection, bool writing)
{
	struct epoll_event event = {
		.events = EPOLLIN | (writing ? (uint32_t)EPOLLOUT : 0), .data.ptr = connection};

	if (connection->writing != writing)
		epoll_ctl(poller, EPOLL_CTL_MOD, connection->fd, &event);
	connection->writing = writing;
}

static inline void keep_unsent(
	struct connection *connection, const unsigned char *bytes, size_t len)
{
	if (connection->out_len + len > connection->out_size) {
		connection->out_size = 2 * (connection->out_len + len);
		connection->out = need(realloc(connection->out, connection->out_size));
	}
	memcpy(connection->out + connection->out_len, bytes, len);
	connection->out_len += len;
	watch_writing(connection, true);
}

static inline void send_bytes(struct connection *connection, const unsigned char *bytes, size_t len)
{
	ssize_t sent = 0;

	if (!connection->out_len) {
		sent = send(connection->fd, bytes, len, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (sent < 0 && errno != EAGAIN && errno != EINTR)
			die("connection %u: %s", connection->number, strerror(errno));
		sent = sent < 0 ? 0 : sent;
	}
	if ((size_t)sent < len)
		keep_unsent(connection, bytes + sent, len - (size_t)sent);
}

static inline void flush_unsent(struct connection *connection)
{
	ssize_t sent = send(
		connection->fd, connection->out, connection->out_len, MSG_NOSIGNAL | MSG_DONTWAIT);

	if (sent < 0 && errno != EAGAIN && errno != EINTR)
		die("connection %u: %s", connection->number, strerror(errno));
	if (sent > 0) {
		connection->out_len -= (size_t)sent;
		memmove(connection->out, connection->out + sent, connection->out_len);
	}
	if (!connection->out_len)
		watch_writing(connection, false);
}

static inline int open_socket(void)
{
	struct sockaddr_un local = {.sun_family = AF_UNIX};
	struct sockaddr_in inet = {.sin_family = AF_INET,
		.sin_port = htons((uint16_t)options.port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(options.unix_path ? AF_UNIX : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0),
	    on = 1;
	int code;

	if (fd < 0)
		die("socket: %s", strerror(errno));
	if (options.unix_path) {
		snprintf(local.sun_path, sizeof(local.sun_path), "%s", options.unix_path);
		code = connect(fd, (struct sockaddr *)&local, sizeof(local));
	} else {
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
		code = connect(fd, (struct sockaddr *)&inet, sizeof(inet));
	}
	if (code != 0)
		die("connect: %s", strerror(errno));
	return fd;
}

static inline int device_of(const struct connection *connection, char *text, size_t size)
{
	return snprintf(text, size, "%s%07u", options.prefix, options.first + connection->number);
}

static inline size_t topic_of(
	const struct connection *connection, const char *tail, char *text, size_t size)
{
	char device[80] = "another", product[80];

	if (options.mode != FOREIGN)
		device_of(connection, device, sizeof(device));
	snprintf(product, sizeof(product), options.products ? "%s%u" : "%s", options.product,
		options.products ? connection->number * options.stride % options.products : 0);
	return (size_t)snprintf(text, size, "/%s/%s/%s", product, device, tail);
}

#endif
