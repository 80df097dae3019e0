/* A load generator for the benchmarks: MQTT 3.1.1 on raw sockets, one thread, epoll.
 *
 * Closed loop: each connection keeps --inflight messages under way. Open loop (--rate): messages
 * have an intended time, and latency counts from it whenever they could really be sent, so that a
 * stall is seen by every message that it delayed.
 *
 * A run is: connect, warm up, wait until the watched processes are quiet, measure, wait for the
 * last answers, wait until the processes are quiet again. SIGINT ends the measurement, not the run.
 * CPU of a watched process is taken from the scheduler's own account of each of its threads. */
#include <dirent.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <arpa/inet.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define IN_SIZE 8192u
#define OUT_SIZE 2048u    /* one packet */
#define CONNECT_BATCH 50u /* the broker's listen queue is short */
#define WATCH_MAX 4u
#define QUIET_NS 100000000   /* how often the watched processes are looked at */
#define QUIET_CPU_NS 4000000 /* less than that in between is quiet */
#define QUIET_ROUNDS 600u
#define ANSWER_NS INT64_C(30000000000)
#define EVENTS 512

enum mode { ROUTE, PULL, PUBACK, PROGRESS, REPORT, READ, FOREIGN, BROKEN, FLEET, MODES };

static const struct {
	/* topics behind /product/device/; no answer: the PUBACK is it */
	const char *name, *topic, *answer;
} modes[MODES] = {
	[ROUTE] = {"route", "bench/route", "bench/route"},
	[PULL] = {"pull", "firmware/pull", "firmware/pull/reply"},
	[PUBACK] = {"puback", "bench/upgrade/progress", NULL},
	[PROGRESS] = {"progress", "firmware/upgrade/progress", NULL},
	[REPORT] = {"report", "firmware/report", NULL},
	[READ] = {"read", "firmware/read", "firmware/read/reply"},
	/* of another device: to be refused */
	[FOREIGN] = {"foreign", "firmware/upgrade/progress", NULL},
	[BROKEN] = {"broken", "firmware/upgrade/progress", NULL}, /* no JSON */
	[FLEET] = {"fleet", NULL, "firmware/upgrade"},
};

static struct {
	enum mode mode;
	const char *unix_path, *product, *prefix;
	unsigned port, clients, first, inflight, payload, products, versions, stride;
	double seconds, warmup, rate;
	pid_t watch[WATCH_MAX];
	unsigned watched;
} options = {.port = 1883,
	.product = "bench",
	.prefix = "d",
	.clients = 1,
	.first = 1,
	.inflight = 1,
	.payload = 250,
	.versions = 1,
	.stride = 1,
	.seconds = 1,
	.warmup = 0.3};

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

struct cpu {
	int64_t main_ns, all_ns;
};

static struct connection *connections;
static int poller;
static unsigned ready;
static uint64_t outstanding, answered, refused;
static bool sending, measuring;
static uint32_t *latencies; /* tenths of a microsecond */
static size_t latency_count, latency_room;
static int64_t first_answer, last_answer;

__attribute__((format(printf, 1, 2), noreturn)) static void die(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputc('\n', stderr);
	exit(1);
}

static void *need(void *memory)
{
	if (!memory)
		die("out of memory");
	return memory;
}

static int64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static void sleep_ns(int64_t ns)
{
	struct timespec pause = {(time_t)(ns / 1000000000), (long)(ns % 1000000000)};

	nanosleep(&pause, NULL);
}

/* CPU of the watched processes, by thread: the first thread is the broker's own. */
static struct cpu cpu_of(pid_t pid)
{
	struct cpu cpu = {0, 0};
	struct dirent *entry;
	char path[300];
	DIR *folder;

	snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	folder = opendir(path);
	if (!folder)
		die("process %d is gone", (int)pid);
	while ((entry = readdir(folder))) {
		long long ns = 0;
		FILE *file;

		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "/proc/%d/task/%s/schedstat", (int)pid, entry->d_name);
		file = fopen(path, "r");
		if (!file)
			continue;
		if (fscanf(file, "%lld", &ns) == 1) {
			cpu.all_ns += ns;
			if (atoi(entry->d_name) == (int)pid)
				cpu.main_ns = ns;
		}
		fclose(file);
	}
	closedir(folder);
	return cpu;
}

static void read_cpu(struct cpu *cpu)
{
	for (unsigned i = 0; i < options.watched; i++)
		cpu[i] = cpu_of(options.watch[i]);
}

/* Until what the messages caused is done: the catalog is written behind the acknowledgement. */
static volatile sig_atomic_t enough; /* SIGINT: the measurement ends here */

static void on_interrupt(int number)
{
	(void)number;
	enough = 1;
}

static void wait_until_quiet(struct cpu *cpu)
{
	read_cpu(cpu);
	for (unsigned round = 0; options.watched && round < QUIET_ROUNDS; round++) {
		struct cpu before[WATCH_MAX];
		int64_t used = 0;

		memcpy(before, cpu, sizeof(before));
		sleep_ns(QUIET_NS);
		read_cpu(cpu);
		for (unsigned i = 0; i < options.watched; i++)
			used += cpu[i].all_ns - before[i].all_ns;
		if (used < QUIET_CPU_NS)
			return;
	}
}

static size_t put_length(unsigned char *at, size_t length)
{
	size_t used = 0;

	do {
		at[used++] = (unsigned char)((length & 127) | (length > 127 ? 128 : 0));
		length >>= 7;
	} while (length);
	return used;
}

static size_t put_text(unsigned char *at, const char *text, size_t len)
{
	at[0] = (unsigned char)(len >> 8);
	at[1] = (unsigned char)len;
	memcpy(at + 2, text, len);
	return len + 2;
}

/* Fixed header, remaining length, body. */
static size_t put_packet(
	unsigned char *packet, unsigned char type, const unsigned char *body, size_t len)
{
	size_t used = 1 + put_length(packet + 1, len);

	packet[0] = type;
	memcpy(packet + used, body, len);
	return used + len;
}

static void watch_writing(struct connection *connection, bool writing)
{
	struct epoll_event event = {
		.events = EPOLLIN | (writing ? (uint32_t)EPOLLOUT : 0), .data.ptr = connection};

	if (connection->writing != writing)
		epoll_ctl(poller, EPOLL_CTL_MOD, connection->fd, &event);
	connection->writing = writing;
}

static void keep_unsent(struct connection *connection, const unsigned char *bytes, size_t len)
{
	if (connection->out_len + len > connection->out_size) {
		connection->out_size = 2 * (connection->out_len + len);
		connection->out = need(realloc(connection->out, connection->out_size));
	}
	memcpy(connection->out + connection->out_len, bytes, len);
	connection->out_len += len;
	watch_writing(connection, true);
}

static void send_bytes(struct connection *connection, const unsigned char *bytes, size_t len)
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

static void flush_unsent(struct connection *connection)
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

static int device_of(const struct connection *connection, char *text, size_t size)
{
	return snprintf(text, size, "%s%07u", options.prefix, options.first + connection->number);
}

static size_t topic_of(
	const struct connection *connection, const char *tail, char *text, size_t size)
{
	char device[80] = "another", product[80];

	if (options.mode != FOREIGN)
		device_of(connection, device, sizeof(device));
	snprintf(product, sizeof(product), options.products ? "%s%u" : "%s", options.product,
		options.products ? connection->number * options.stride % options.products : 0);
	return (size_t)snprintf(text, size, "/%s/%s/%s", product, device, tail);
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

/* The packet at the front of `bytes`, its size in *size: false when it is not complete. */
static bool next_packet(const unsigned char *bytes, size_t have, size_t *header, size_t *size)
{
	size_t length = 0, used = 1;

	for (unsigned shift = 0; shift < 28; shift += 7) {
		if (used >= have)
			return false;
		length |= (size_t)(bytes[used] & 127) << shift;
		if (!(bytes[used++] & 128))
			break;
	}
	*header = used;
	*size = used + length;
	return have >= *size;
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

static int open_socket(void)
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

static const struct option long_options[] = {
	{"mode", required_argument, NULL, 'm'},
	{"port", required_argument, NULL, 'p'},
	{"unix", required_argument, NULL, 'u'},
	{"clients", required_argument, NULL, 'c'},
	{"first", required_argument, NULL, 'f'},
	{"inflight", required_argument, NULL, 'i'},
	{"rate", required_argument, NULL, 'r'},
	{"seconds", required_argument, NULL, 's'},
	{"warmup", required_argument, NULL, 'w'},
	{"payload", required_argument, NULL, 'l'},
	{"product", required_argument, NULL, 'P'},
	{"products", required_argument, NULL, 'N'},
	{"versions", required_argument, NULL, 'V'},
	{"stride", required_argument, NULL, 'S'},
	{"prefix", required_argument, NULL, 'D'},
	{"watch", required_argument, NULL, 'W'},
	{"help", no_argument, NULL, 'h'},
	{NULL, 0, NULL, 0},
};

static void usage(void)
{
	printf("Usage: load --mode MODE [options]\n\n"
	       "  --mode route|pull|puback|progress|report|read|foreign|broken|fleet\n"
	       "  --port N, --unix PATH     the broker (127.0.0.1:1883)\n"
	       "  --clients N, --first N    connections; the first is device number N (1, 1)\n"
	       "  --inflight N              closed loop: messages under way on each connection "
	       "(1)\n"
	       "  --rate R                  open loop: R messages a second over all connections\n"
	       "  --seconds S, --warmup S   (1, 0.3)\n"
	       "  --payload N               bytes of a routed message (250)\n"
	       "  --product P, --prefix D   /P/D0000001/... (bench, d)\n"
	       "  --products N              products P0 to P(N-1), one a device\n"
	       "  --versions N, --stride N  current versions 1.0.0 to 1.0.(N-1); device i has "
	       "i*stride modulo N (1, 1)\n"
	       "  --watch PID               count this process's CPU, and let it come to rest; up "
	       "to 4 times\n\n"
	       "fleet only waits for pushes, and acknowledges them. Latencies are in microseconds, "
	       "CPU too.\n");
}

static enum mode mode_of(const char *name)
{
	for (enum mode mode = 0; mode < MODES; mode++) {
		if (strcmp(modes[mode].name, name) == 0)
			return mode;
	}
	die("unknown mode %s", name);
}

static unsigned number_of(const char *text)
{
	char *end;
	unsigned long number = strtoul(text, &end, 10);

	if (end == text || *end || number > INT32_MAX)
		die("not a number: %s", text);
	return (unsigned)number;
}

static void set_option(int option, const char *value)
{
	switch (option) {
	case 'm':
		options.mode = mode_of(value);
		break;
	case 'p':
		options.port = number_of(value);
		break;
	case 'u':
		options.unix_path = value;
		break;
	case 'c':
		options.clients = number_of(value);
		break;
	case 'f':
		options.first = number_of(value);
		break;
	case 'i':
		options.inflight = number_of(value);
		break;
	case 'r':
		options.rate = strtod(value, NULL);
		break;
	case 's':
		options.seconds = strtod(value, NULL);
		break;
	case 'w':
		options.warmup = strtod(value, NULL);
		break;
	case 'l':
		options.payload = number_of(value);
		break;
	case 'P':
		options.product = value;
		break;
	case 'N':
		options.products = number_of(value);
		break;
	case 'V':
		options.versions = number_of(value);
		break;
	case 'S':
		options.stride = number_of(value);
		break;
	case 'D':
		options.prefix = value;
		break;
	case 'W':
		if (options.watched == WATCH_MAX)
			die("more than %u processes to watch", WATCH_MAX);
		options.watch[options.watched++] = (pid_t)number_of(value);
		break;
	case 'h':
		usage();
		exit(0);
	default:
		exit(2);
	}
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
