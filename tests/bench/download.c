/* A download client for the benchmarks: many connections in one thread, each asking for the same
 * file again and again, all of them together at a given rate. What arrives is thrown away by the
 * kernel, so that the client costs as little as it can.
 *
 * Prints when all connections have got their first bytes ("ready"), and at the end the bytes and
 * the seconds from then on. */
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define EVENTS 512
#define TURN_NS 2000000 /* the allowance is shared out this often */

struct connection {
	int fd;
	bool begun;
	int64_t left; /* of the answer under way; -1: its head has not come */
};

static struct connection *connections;
static unsigned count, ready;
static uint64_t total;
static char request[600];

static int64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static void die(const char *what)
{
	fprintf(stderr, "%s: %s\n", what, strerror(errno));
	exit(1);
}

static void ask(struct connection *connection)
{
	connection->left = -1;
	if (send(connection->fd, request, strlen(request), MSG_NOSIGNAL) !=
		(ssize_t)strlen(request))
		die("send");
}

/* Reads the head, which comes in one piece on a fresh answer. Bytes of the file that came with it
 * are counted. */
static ssize_t read_head(struct connection *connection)
{
	char head[4096];
	ssize_t len = recv(connection->fd, head, sizeof(head) - 1, MSG_DONTWAIT);
	const char *end, *length;

	if (len <= 0)
		return len;
	head[len] = '\0';
	end = strstr(head, "\r\n\r\n");
	length = strcasestr(head, "\r\nContent-Length:");
	if (strncmp(head, "HTTP/1.1 200", 12) != 0 || !end || !length) {
		errno = EPROTO;
		return -1;
	}
	connection->left = strtoll(length + 17, NULL, 10) - (len - (end + 4 - head));
	return len;
}

static ssize_t take(struct connection *connection, int64_t most)
{
	ssize_t len;

	if (connection->left < 0)
		return read_head(connection);
	len = recv(connection->fd, NULL,
		(size_t)(most < connection->left ? most : connection->left),
		MSG_DONTWAIT | MSG_TRUNC);
	if (len > 0)
		connection->left -= len;
	return len;
}

/* Takes up to `most` bytes; returns how many. */
static int64_t drain(struct connection *connection, int64_t most)
{
	int64_t taken = 0;

	while (taken < most) {
		ssize_t len = take(connection, most - taken);

		if (len < 0 && errno == EAGAIN)
			break;
		if (len <= 0)
			die("recv");
		taken += len;
		if (!connection->begun) {
			connection->begun = true;
			ready++;
		}
		if (connection->left == 0)
			ask(connection);
	}
	total += (uint64_t)taken;
	return taken;
}

/* `window`: of a small device; 0: what the kernel finds best. */
static void open_all(const struct sockaddr_in *server, int window)
{
	for (unsigned i = 0; i < count; i++) {
		/* as from different devices: loopback is a whole network */
		struct sockaddr_in own = {.sin_family = AF_INET,
			.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1 + i % 250)};

		connections[i].fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (window)
			setsockopt(
				connections[i].fd, SOL_SOCKET, SO_RCVBUF, &window, sizeof(window));
		if (bind(connections[i].fd, (const struct sockaddr *)&own, sizeof(own)) != 0 ||
			connect(connections[i].fd, (const struct sockaddr *)server,
				sizeof(*server)) != 0)
			die("connect");
		ask(&connections[i]);
	}
}

/* Full speed: whoever has something is served. */
static void run_free(int64_t until)
{
	int poller = epoll_create1(EPOLL_CLOEXEC);
	struct epoll_event events[EVENTS];

	for (unsigned i = 0; i < count; i++) {
		struct epoll_event event = {.events = EPOLLIN, .data.u32 = i};

		epoll_ctl(poller, EPOLL_CTL_ADD, connections[i].fd, &event);
	}
	while (now_ns() < until) {
		int n = epoll_wait(poller, events, EVENTS, 100);

		for (int i = 0; i < n; i++)
			drain(&connections[events[i].data.u32], 1 << 20);
	}
	close(poller);
}

/* Each connection in turn gets its share of `rate` bytes a second. */
static void run_paced(int64_t until, double rate)
{
	int64_t last = now_ns();
	double allowance = 0;
	unsigned next = 0;

	while (last < until) {
		struct timespec pause = {0, TURN_NS};
		int64_t now, share = (int64_t)(rate / count / 10);

		nanosleep(&pause, NULL);
		now = now_ns();
		allowance += rate * (double)(now - last) / 1e9;
		last = now;
		if (allowance > rate / 10)
			allowance = rate / 10;
		for (unsigned i = 0; i < count && allowance >= (double)share; i++) {
			allowance -= (double)drain(&connections[next], share > 1000 ? share : 1000);
			next = (next + 1) % count;
		}
	}
}

static void run(int64_t ns, double rate)
{
	if (rate > 0)
		run_paced(now_ns() + ns, rate);
	else
		run_free(now_ns() + ns);
}

int main(int argc, char **argv)
{
	struct sockaddr_in server = {.sin_family = AF_INET};
	double seconds, rate;
	int64_t begun;

	if (argc != 6) {
		fprintf(stderr,
			"use: download PORT PATH CONNECTIONS BYTES_A_SECOND(0: as fast as can be) "
			"SECONDS\n");
		return 2;
	}
	server.sin_port = htons((uint16_t)atoi(argv[1]));
	inet_pton(AF_INET, "127.0.0.1", &server.sin_addr);
	snprintf(request, sizeof(request), "GET %.500s HTTP/1.1\r\nHost: h\r\n\r\n", argv[2]);
	count = (unsigned)atoi(argv[3]);
	rate = atof(argv[4]);
	seconds = atof(argv[5]);
	connections = calloc(count, sizeof(*connections));
	if (!connections)
		die("memory");
	open_all(&server, rate > 0 ? 32768 : 0);
	for (int tries = 0; ready < count && tries < 300; tries++)
		run(100000000, rate);
	if (ready < count)
		die("not all are served");
	puts("ready");
	fflush(stdout);
	total = 0;
	begun = now_ns();
	run((int64_t)(seconds * 1e9), rate);
	printf("%" PRIu64 " %.4f\n", total, (double)(now_ns() - begun) / 1e9);
	return 0;
}
