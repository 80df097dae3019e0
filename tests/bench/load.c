/* A load generator for the benchmarks: MQTT 3.1.1 on raw sockets, one thread, epoll.
 *
 * Closed loop: each connection keeps --inflight messages under way. Open loop (--rate): messages
 * have an intended time, and latency counts from it whenever they could really be sent, so that a
 * stall is seen by every message that it delayed.
 *
 * A run is: connect, warm up, wait until the watched processes are quiet, measure, wait for the
 * last answers, wait until the processes are quiet again. SIGINT ends the measurement, not the run.
 * CPU of a watched process is taken from the scheduler's own account of each of its threads. */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "load_base.h"
#include "load_connection.h"
#include "load_mqtt.h"
#include "load_options.h"
#include "load_watch.h"

#define OUT_SIZE 2048u    /* one packet */
#define CONNECT_BATCH 50u /* the broker's listen queue is short */
#define ANSWER_NS INT64_C(30000000000)
#define EVENTS 512

static struct connection *connections;
static unsigned ready;
static uint64_t outstanding, answered, refused;
static bool sending, measuring;
static uint32_t *latencies; /* tenths of a microsecond */
static size_t latency_count, latency_room;
static int64_t first_answer, last_answer;
static volatile sig_atomic_t enough; /* SIGINT: the measurement ends here */

static void on_interrupt(int number)
{
	(void)number;
	enough = 1;
}

static void send_connect(struct connection *connection)
{
	unsigned char body[128] = {0, 4, 'M', 'Q', 'T', 'T', 4, 2, 0, 0}, packet[160];
	char device[80];
	int len = device_of(connection, device, sizeof(device));

	send_bytes(connection, packet,
		put_packet(packet, 0x10, body, 10 + put_text(body + 10, device, (size_t)len)));
}

static void send_subscribe(struct connection *connection, const char *tail)
{
	unsigned char body[300] = {0, 1}, packet[320];
	char topic[256] = "";
	size_t used =
		2 + put_text(body + 2, topic, topic_of(connection, tail, topic, sizeof(topic)));

	body[used++] = options.mode == FLEET ? 1 : 0;
	send_bytes(connection, packet, put_packet(packet, 0x82, body, used));
}

static size_t fill_payload(const struct connection *connection, char *text, size_t size)
{
	struct timespec wall;
	uint64_t sent = connection->sent;
	unsigned version = connection->number * options.stride % options.versions;
	int64_t ms;
	int len = 0;

	clock_gettime(CLOCK_REALTIME, &wall);
	/* differs from message to message */
	ms = (int64_t)wall.tv_sec * 1000 + wall.tv_nsec / 1000000 + (int64_t)sent;
	switch (options.mode) {
	case PULL:
		len = snprintf(text, size,
			"{\"timestamp\":%" PRId64 ",\"messageId\":\"m-%" PRIu64
			"\",\"currentVersion\":\"1.0.%u\"}",
			ms, sent, version);
		break;
	case PUBACK:
	case PROGRESS:
	case FOREIGN:
	case BROKEN:
		len = snprintf(text, size,
			"{\"timestamp\":%" PRId64
			",\"progress\":%u,\"complete\":false,\"version\":\"2.0.0\"%s",
			ms, (unsigned)(sent % 100), options.mode == BROKEN ? "" : "}");
		break;
	case REPORT:
		len = snprintf(text, size, "{\"timestamp\":%" PRId64 ",\"version\":\"1.0.%u\"}", ms,
			version);
		break;
	case READ:
		len = snprintf(text, size,
			"{\"timestamp\":%" PRId64 ",\"messageId\":\"m-%" PRIu64 "\"}", ms, sent);
		break;
	default:
		memset(text, 'x', options.payload);
		return options.payload;
	}
	return (size_t)len;
}

static void push_due(struct connection *connection, int64_t due)
{
	if (connection->due_count == connection->due_size) {
		unsigned size = connection->due_size ? connection->due_size * 2 : 8;
		int64_t *ring = need(malloc(size * sizeof(*ring)));

		for (unsigned i = 0; i < connection->due_count; i++)
			ring[i] = connection->due[(connection->due_head + i) &
				(connection->due_size - 1)];
		free(connection->due);
		connection->due = ring;
		connection->due_size = size;
		connection->due_head = 0;
	}
	connection->due[(connection->due_head + connection->due_count++) &
		(connection->due_size - 1)] = due;
	outstanding++;
}

static void send_message(struct connection *connection, int64_t due)
{
	unsigned char body[OUT_SIZE], packet[OUT_SIZE + 8];
	bool qos = !modes[options.mode].answer;
	char topic[256] = "";
	size_t used = put_text(
		body, topic, topic_of(connection, modes[options.mode].topic, topic, sizeof(topic)));

	if (qos) {
		connection->packet =
			connection->packet == UINT16_MAX ? 1 : (uint16_t)(connection->packet + 1);
		body[used++] = (unsigned char)(connection->packet >> 8);
		body[used++] = (unsigned char)connection->packet;
	}
	used += fill_payload(connection, (char *)body + used, sizeof(body) - used);
	connection->sent++;
	push_due(connection, due);
	send_bytes(connection, packet, put_packet(packet, qos ? 0x32 : 0x30, body, used));
}

static void note_latency(int64_t ns)
{
	if (latency_count == latency_room) {
		latency_room = latency_room ? latency_room * 2 : 1 << 16;
		latencies = need(realloc(latencies, latency_room * sizeof(*latencies)));
	}
	latencies[latency_count++] = ns / 100 > UINT32_MAX ? UINT32_MAX : (uint32_t)(ns / 100);
}

static void take_answer(struct connection *connection, int64_t now)
{
	answered++;
	last_answer = now;
	if (!first_answer)
		first_answer = now;
	if (options.mode == FLEET)
		return;
	if (!connection->due_count)
		die("connection %u: an answer to nothing", connection->number);
	if (measuring)
		note_latency(
			now - connection->due[connection->due_head & (connection->due_size - 1)]);
	connection->due_head = (connection->due_head + 1) & (connection->due_size - 1);
	connection->due_count--;
	outstanding--;
	if (sending && options.rate == 0)
		send_message(connection, now);
}

static void take_publish(struct connection *connection, unsigned char type,
	const unsigned char *body, size_t len, int64_t now)
{
	size_t topic = len >= 2 ? ((size_t)body[0] << 8 | body[1]) : 0;

	if (memmem(body, len, "\"success\":false", 15))
		refused++;
	if ((type & 6) == 2 && len >= topic + 4) {
		unsigned char acknowledgement[4] = {0x40, 2, body[topic + 2], body[topic + 3]};

		send_bytes(connection, acknowledgement, sizeof(acknowledgement));
	}
	take_answer(connection, now);
}

static void take_packet(struct connection *connection, unsigned char type,
	const unsigned char *body, size_t len, int64_t now)
{
	const char *answer = modes[options.mode].answer;

	switch (type & 0xf0) {
	case 0x20: /* CONNACK */
		if (len < 2 || body[1] != 0)
			die("connection %u was refused", connection->number);
		if (answer)
			send_subscribe(connection, answer);
		connection->ready = !answer;
		ready += !answer;
		break;
	case 0x90: /* SUBACK */
		connection->ready = true;
		ready++;
		break;
	case 0x30:
		take_publish(connection, type, body, len, now);
		break;
	case 0x40: /* PUBACK */
		take_answer(connection, now);
		break;
	default:
		break;
	}
}

static void receive(struct connection *connection)
{
	ssize_t got = recv(connection->fd, connection->in + connection->in_len,
		IN_SIZE - connection->in_len, MSG_DONTWAIT);
	size_t at = 0, header, size = 0;
	int64_t now = now_ns();

	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (got <= 0)
		die("connection %u: the broker closed it", connection->number);
	connection->in_len += (size_t)got;
	while (next_packet(connection->in + at, connection->in_len - at, &header, &size)) {
		take_packet(connection, connection->in[at], connection->in + at + header,
			size - header, now);
		at += size;
	}
	connection->in_len -= at;
	memmove(connection->in, connection->in + at, connection->in_len);
	if (connection->in_len == IN_SIZE)
		die("connection %u: a packet of more than %u bytes", connection->number, IN_SIZE);
}

/* Handles what is there; waits up to `ms` for the first. True when the timer has gone off. */
static bool handle_events(int ms)
{
	struct epoll_event events[EVENTS];
	int count = epoll_wait(poller, events, EVENTS, ms);
	bool timer = false;

	for (int i = 0; i < count; i++) {
		struct connection *connection = events[i].data.ptr;

		if (!connection) {
			timer = true;
			continue;
		}
		if (events[i].events & EPOLLOUT)
			flush_unsent(connection);
		if (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR))
			receive(connection);
	}
	return timer;
}

static void connect_all(void)
{
	connections = need(calloc(options.clients, sizeof(*connections)));
	for (unsigned i = 0; i < options.clients; i++) {
		struct connection *connection = &connections[i];
		struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};

		connection->number = i;
		connection->fd = open_socket();
		if (epoll_ctl(poller, EPOLL_CTL_ADD, connection->fd, &event) != 0)
			die("epoll_ctl: %s", strerror(errno));
		send_connect(connection);
		while (i + 1 - ready >= CONNECT_BATCH)
			handle_events(1000);
	}
	while (ready < options.clients)
		handle_events(1000);
}

/* Sends what is due, and sets the timer to what comes next. */
static void send_due(int timer, int64_t start, uint64_t *count, uint64_t most)
{
	struct itimerspec next = {.it_value = {0, 0}};
	int64_t due = start;

	while (*count < most) {
		due = start + (int64_t)((double)*count / options.rate * 1e9);
		if (due > now_ns())
			break;
		send_message(&connections[*count % options.clients], due);
		(*count)++;
	}
	next.it_value = (struct timespec){(time_t)(due / 1000000000), (long)(due % 1000000000)};
	timerfd_settime(timer, TFD_TIMER_ABSTIME, &next, NULL);
}

static void open_loop(double seconds)
{
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
	int timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	uint64_t count = 0, most = (uint64_t)(seconds * options.rate), expirations;
	int64_t start = now_ns();

	epoll_ctl(poller, EPOLL_CTL_ADD, timer, &event);
	while (count < most && !enough) {
		send_due(timer, start, &count, most);
		if (handle_events(1000) && read(timer, &expirations, sizeof(expirations)) < 0 &&
			errno != EAGAIN)
			die("timerfd: %s", strerror(errno));
	}
	close(timer);
}

static void closed_loop(double seconds)
{
	int64_t until = now_ns() + (int64_t)(seconds * 1e9);

	sending = true;
	for (unsigned i = 0; i < options.clients && options.mode != FLEET; i++) {
		for (unsigned n = 0; n < options.inflight; n++)
			send_message(&connections[i], now_ns());
	}
	while (now_ns() < until && !enough)
		handle_events(10);
	sending = false;
}

static void load(double seconds)
{
	int64_t until;

	if (seconds <= 0)
		return;
	if (options.rate > 0)
		open_loop(seconds);
	else
		closed_loop(seconds);
	until = now_ns() + ANSWER_NS;
	while (outstanding && now_ns() < until)
		handle_events(100);
	if (outstanding)
		die("%" PRIu64 " messages were not answered", outstanding);
}

static int compare(const void *a, const void *b)
{
	uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;

	return left < right ? -1 : left > right;
}

static double percentile(double share)
{
	size_t at = (size_t)((double)latency_count * share);

	return latency_count ? latencies[at < latency_count ? at : latency_count - 1] / 10.0 : 0;
}

static void print_result(
	double seconds, const struct cpu *begin, const struct cpu *sent, const struct cpu *end)
{
	if (latency_count)
		qsort(latencies, latency_count, sizeof(*latencies), compare);
	printf("{\"mode\":\"%s\",\"clients\":%u,\"count\":%" PRIu64 ",\"refused\":%" PRIu64
	       ",\"seconds\":%.4f,\"p50\":%.1f,\"p90\":%.1f,\"p99\":%.1f,"
	       "\"p999\":%.1f,\"max\":%.1f,\"span\":%.4f,\"cpu\":[",
		modes[options.mode].name, options.clients, answered, refused, seconds,
		percentile(0.5), percentile(0.9), percentile(0.99), percentile(0.999),
		percentile(1), (double)(last_answer - first_answer) / 1e9);
	for (unsigned i = 0; i < options.watched; i++)
		printf("%s{\"pid\":%d,\"thread\":%.0f,\"thread_until_quiet\":%.0f,\"process\":%."
		       "0f}",
			i ? "," : "", (int)options.watch[i],
			(double)(sent[i].main_ns - begin[i].main_ns) / 1e3,
			(double)(end[i].main_ns - begin[i].main_ns) / 1e3,
			(double)(end[i].all_ns - begin[i].all_ns) / 1e3);
	printf("]}\n");
}

static void measure(void)
{
	struct cpu begin[WATCH_MAX], sent[WATCH_MAX], end[WATCH_MAX];
	int64_t start;
	double seconds;

	if (options.mode != FLEET)
		load(options.warmup);
	wait_until_quiet(begin);
	answered = refused = 0;
	first_answer = last_answer = 0;
	measuring = true;
	start = now_ns();
	load(options.seconds);
	seconds = (double)(now_ns() - start) / 1e9;
	read_cpu(sent);
	wait_until_quiet(end);
	print_result(seconds, begin, sent, end);
}

int main(int argc, char **argv)
{
	struct rlimit files;
	int option;

	while ((option = getopt_long(argc, argv, "", long_options, NULL)) != -1)
		set_option(option, optarg);
	if (optind < argc || !options.clients || !options.versions || !options.inflight ||
		options.payload > 1024)
		die("see --help");
	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	signal(SIGINT, on_interrupt);
	poller = epoll_create1(EPOLL_CLOEXEC);
	connect_all();
	measure();
	return 0;
}
