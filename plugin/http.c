/* What a transfer sends is told to the catalog by what the peer's kernel has acknowledged (TCP_INFO), since sendfile leaves no other
 * trace until it is done. */
#include "http.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/tcp.h>
#include <netdb.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <microhttpd.h>

#include "url.h"

#define THREADS 3u
#define CONNECTIONS_MOST 2048u
#define TIMEOUT_SECONDS 30u
#define MEMORY_OF_CONNECTION (16u * 1024)
#define HEAD_BYTES 450      /* about what the head of an answer takes, to tell it from the file's bytes */
#define BEHIND_BROKER 10    /* nice value */
#define VALUE_MAX 256u      /* bytes of a decoded part of the URL */

/* A file on its way to a client. In the list from its answer to its end. */
struct transfer {
	struct transfer *next, *previous;
	struct fw_http *http;
	struct MHD_Response *response;
	int fd;     /* the file, owned by the response */
	int socket; /* the broker's end; valid while the transfer is in the list */
	struct fw_file_stamp stamp;
	char product_id[FW_ID_MAX + 1], firmware_id[FW_ID_MAX + 1], device_id[FW_ID_MAX + 1];
	int64_t from, length; /* bytes */
	int64_t told;         /* of length */
	uint64_t acked;       /* by the peer on this connection before */
};

struct fw_http {
	struct fw_http_config config;
	struct MHD_Daemon *daemon;
	pthread_mutex_t lock; /* guards the list, and what in it changes */
	struct transfer *transfers;
	int port;
};

static char headers_seen; /* what *closure points at between the two calls for a request without a transfer */

/* --- transfers --- */

static uint64_t acked_by_peer(int socket)
{
	struct tcp_info info;
	socklen_t len = sizeof(info);

	memset(&info, 0, sizeof(info));
	if (getsockopt(socket, IPPROTO_TCP, TCP_INFO, &info, &len) != 0)
		return 0;
	return info.tcpi_bytes_acked;
}

/* Tells what is new since the last time: `sent` bytes of the transfer's length are through. */
static void tell(struct transfer *transfer, int64_t sent, bool started)
{
	struct fw_http *http = transfer->http;
	struct fw_http_access access = {.product = fw_slice_of(transfer->product_id), .device = fw_slice_of(transfer->device_id),
		.firmware_id = fw_slice_of(transfer->firmware_id), .total = transfer->stamp.size, .bytes = sent - transfer->told,
		.reached = sent ? transfer->from + sent : 0, .started = started};

	if (!http->config.access || (sent <= transfer->told && !started))
		return;
	transfer->told = sent;
	http->config.access(http->config.context, &access);
}

static int64_t sent_so_far(const struct transfer *transfer)
{
	int64_t sent = (int64_t)(acked_by_peer(transfer->socket) - transfer->acked) - HEAD_BYTES;

	if (sent < transfer->told)
		return transfer->told;
	return sent < transfer->length ? sent : transfer->length;
}

static void enlist(struct transfer *transfer)
{
	struct fw_http *http = transfer->http;

	pthread_mutex_lock(&http->lock);
	transfer->next = http->transfers;
	if (transfer->next)
		transfer->next->previous = transfer;
	http->transfers = transfer;
	tell(transfer, 0, true);
	pthread_mutex_unlock(&http->lock);
}

/* Renamed or deleted is harmless: what was opened is still what was verified. Its change time moves by that too, so the size and the
 * time of the last write tell. */
static bool written_to(const struct transfer *transfer)
{
	struct stat status;
	struct fw_file_stamp now;

	if (fstat(transfer->fd, &status) != 0)
		return true;
	now = fw_file_stamp_of(&status);
	/* cp -p puts back the time of the last write, never that of the last change; a file without a name left was replaced, not written to */
	return now.size != transfer->stamp.size || now.mtime_ns != transfer->stamp.mtime_ns ||
		(status.st_nlink > 0 && now.ctime_ns != transfer->stamp.ctime_ns);
}

static void end_transfer(struct transfer *transfer, bool whole)
{
	struct fw_http *http = transfer->http;

	pthread_mutex_lock(&http->lock);
	if (transfer->previous)
		transfer->previous->next = transfer->next;
	else
		http->transfers = transfer->next;
	if (transfer->next)
		transfer->next->previous = transfer->previous;
	/* what was sent of a file that has been written to meanwhile is nothing */
	if (!written_to(transfer))
		tell(transfer, whole ? transfer->length : sent_so_far(transfer), false);
	pthread_mutex_unlock(&http->lock);
	MHD_destroy_response(transfer->response);
	free(transfer);
}

static void on_completed(void *context, struct MHD_Connection *connection, void **closure, enum MHD_RequestTerminationCode code)
{
	(void)context;
	(void)connection;
	if (*closure && *closure != &headers_seen)
		end_transfer(*closure, code == MHD_REQUEST_TERMINATED_COMPLETED_OK);
	*closure = NULL;
}

void fw_http_sample(struct fw_http *http)
{
	if (!http)
		return;
	pthread_mutex_lock(&http->lock);
	for (struct transfer *transfer = http->transfers; transfer; transfer = transfer->next) {
		if (written_to(transfer))
			shutdown(transfer->socket, SHUT_RDWR);
		else
			tell(transfer, sent_so_far(transfer), false);
	}
	pthread_mutex_unlock(&http->lock);
}

/* --- requests --- */

static void add(struct MHD_Response *response, const char *name, const char *value)
{
	/* without memory an answer lacks a header */
	MHD_add_response_header(response, name, value);
}

static enum MHD_Result answer_text(struct MHD_Connection *connection, unsigned code, const char *name, const char *value, const char *text)
{
	struct MHD_Response *response = MHD_create_response_from_buffer(strlen(text), (void *)(uintptr_t)text, MHD_RESPMEM_PERSISTENT);
	enum MHD_Result result;

	if (!response)
		return MHD_NO;
	add(response, MHD_HTTP_HEADER_CONTENT_TYPE, "text/plain; charset=utf-8");
	if (name)
		add(response, name, value);
	result = MHD_queue_response(connection, code, response);
	MHD_destroy_response(response);
	return result;
}

static enum MHD_Result not_found(struct MHD_Connection *connection)
{
	return answer_text(connection, MHD_HTTP_NOT_FOUND, NULL, NULL, "There is no such firmware.\n");
}

/* Copies and decodes one part of the URL; false when it is too long or no good. */
static bool take_part(struct fw_slice raw, char *out, struct fw_slice *part)
{
	size_t len = raw.len;

	if (len >= 3 * VALUE_MAX)
		return false;
	memcpy(out, raw.at, len);
	if (!fw_url_decode(out, &len) || len >= VALUE_MAX)
		return false;
	out[len] = '\0';
	*part = (struct fw_slice){out, len};
	return true;
}

struct request {
	struct fw_http *http;
	struct MHD_Connection *connection;
	bool head;
	char firmware_id_text[3 * VALUE_MAX], file_text[3 * VALUE_MAX];
	char device_text[3 * VALUE_MAX], expires_text[3 * VALUE_MAX], signature_text[3 * VALUE_MAX];
	struct fw_slice firmware_id, file_name;
	struct fw_http_query query;
	struct fw_http_file file;
	char etag[FW_SHA256_TEXT + 2], modified[40];
	int64_t first, length;
};

static bool parse_path(struct request *request, const char *url)
{
	static const char prefix[] = "/firmware/";
	const char *id = url + sizeof(prefix) - 1, *slash;

	if (strncmp(url, prefix, sizeof(prefix) - 1) != 0 || !(slash = strchr(id, '/')) || strchr(slash + 1, '/'))
		return false;
	return take_part((struct fw_slice){id, (size_t)(slash - id)}, request->firmware_id_text, &request->firmware_id) &&
		take_part(fw_slice_of(slash + 1), request->file_text, &request->file_name) && request->firmware_id.len && request->file_name.len;
}

static void take_query(struct request *request, const char *name, char *text, struct fw_slice *out)
{
	const char *value = MHD_lookup_connection_value(request->connection, MHD_GET_ARGUMENT_KIND, name);

	if (!value || !take_part(fw_slice_of(value), text, out))
		*out = (struct fw_slice){text, 0};
}

static const char *header(const struct request *request, const char *name)
{
	return MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND, name);
}

/* Is our tag in a list such as `W/"a", "b"`, or is it "*"? */
static bool in_list(const char *list, const char *etag)
{
	return list[strspn(list, " \t")] == '*' || strstr(list, etag);
}

static void describe(struct request *request)
{
	time_t modified = (time_t)(request->file.stamp.mtime_ns / 1000000000);
	struct tm time;

	snprintf(request->etag, sizeof(request->etag), "\"%.64s\"", request->file.sha256);
	request->modified[0] = '\0';
	if (gmtime_r(&modified, &time))
		strftime(request->modified, sizeof(request->modified), "%a, %d %b %Y %H:%M:%S GMT", &time);
}

static enum fw_http_range wanted_range(struct request *request)
{
	const char *condition = header(request, MHD_HTTP_HEADER_IF_RANGE);

	request->first = 0;
	request->length = request->file.stamp.size;
	/* a condition that does not hold means the whole file: RFC 9110, section 13.1.5 */
	if (request->head || (condition && strcmp(condition, request->etag) != 0 && strcmp(condition, request->modified) != 0))
		return FW_RANGE_NONE;
	return fw_http_range_parse(header(request, MHD_HTTP_HEADER_RANGE), request->file.stamp.size, &request->first, &request->length);
}

/* RFC 6266: a name that everybody understands, and the real one. */
static void add_disposition(struct MHD_Response *response, struct fw_slice name)
{
	static const char upper[] = "0123456789ABCDEF";
	char value[64 + VALUE_MAX * 4], *at = value;

	at = mempcpy(at, "attachment; filename=\"", 22);
	for (size_t i = 0; i < name.len; i++) {
		unsigned char byte = (unsigned char)name.at[i];

		*at++ = byte < 0x20 || byte >= 0x7f || byte == '"' || byte == '\\' || byte == '%' ? '_' : (char)byte;
	}
	at = mempcpy(at, "\"; filename*=UTF-8''", 20);
	for (size_t i = 0; i < name.len; i++) {
		unsigned char byte = (unsigned char)name.at[i];
		bool plain = (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || (byte >= '0' && byte <= '9') || strchr("-._~", byte);

		if (plain && byte) {
			*at++ = (char)byte;
		} else {
			*at++ = '%';
			*at++ = upper[byte >> 4];
			*at++ = upper[byte & 15];
		}
	}
	*at = '\0';
	add(response, MHD_HTTP_HEADER_CONTENT_DISPOSITION, value);
}

static void add_validators(const struct request *request, struct MHD_Response *response)
{
	add(response, MHD_HTTP_HEADER_ETAG, request->etag);
	if (request->modified[0])
		add(response, MHD_HTTP_HEADER_LAST_MODIFIED, request->modified);
	add(response, MHD_HTTP_HEADER_CACHE_CONTROL, request->http->config.is_private ? "private, no-store" : "public, max-age=60");
	add(response, MHD_HTTP_HEADER_ACCEPT_RANGES, "bytes");
}

static enum MHD_Result answer_empty(struct request *request, unsigned code, const char *name, const char *value)
{
	struct MHD_Response *response = MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT);
	enum MHD_Result result;

	close(request->file.fd);
	if (!response)
		return MHD_NO;
	add_validators(request, response);
	if (name)
		add(response, name, value);
	result = MHD_queue_response(request->connection, code, response);
	MHD_destroy_response(response);
	return result;
}

static struct transfer *make_transfer(const struct request *request, struct MHD_Response *response, struct fw_slice device)
{
	struct transfer *transfer = calloc(1, sizeof(*transfer));

	if (!transfer)
		return NULL;
	transfer->http = request->http;
	transfer->response = response;
	transfer->fd = request->file.fd;
	transfer->socket = MHD_get_connection_info(request->connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
	transfer->stamp = request->file.stamp;
	memcpy(transfer->product_id, request->file.product_id, sizeof(transfer->product_id));
	memcpy(transfer->firmware_id, request->file.firmware_id, sizeof(transfer->firmware_id));
	if (device.len && device.len <= FW_ID_MAX)
		memcpy(transfer->device_id, device.at, device.len);
	transfer->from = request->first;
	transfer->length = request->length;
	transfer->acked = acked_by_peer(transfer->socket);
	return transfer;
}

static enum MHD_Result send_file(struct request *request, bool part, struct fw_slice device, void **closure)
{
	struct MHD_Response *response = MHD_create_response_from_fd_at_offset64((uint64_t)request->length, request->file.fd, (uint64_t)request->first);
	struct transfer *transfer;
	char range[80];

	if (!response) {
		close(request->file.fd);
		return MHD_NO;
	}
	add_validators(request, response);
	add(response, MHD_HTTP_HEADER_CONTENT_TYPE, "application/octet-stream");
	add_disposition(response, request->file_name);
	if (part) {
		snprintf(range, sizeof(range), "bytes %" PRId64 "-%" PRId64 "/%" PRId64, request->first, request->first + request->length - 1,
			request->file.stamp.size);
		add(response, MHD_HTTP_HEADER_CONTENT_RANGE, range);
	}
	transfer = request->head ? NULL : make_transfer(request, response, device);
	if (MHD_queue_response(request->connection, part ? MHD_HTTP_PARTIAL_CONTENT : MHD_HTTP_OK, response) != MHD_YES) {
		MHD_destroy_response(response);
		free(transfer);
		return MHD_NO;
	}
	if (!transfer) {
		MHD_destroy_response(response);
		return MHD_YES;
	}
	enlist(transfer);
	*closure = transfer;
	return MHD_YES;
}

static enum MHD_Result answer_file(struct request *request, struct fw_slice device, void **closure)
{
	const char *known = header(request, MHD_HTTP_HEADER_IF_NONE_MATCH);
	enum fw_http_range range;
	char text[40];

	describe(request);
	if (known && in_list(known, request->etag))
		return answer_empty(request, MHD_HTTP_NOT_MODIFIED, NULL, NULL);
	range = wanted_range(request);
	if (range != FW_RANGE_UNSATISFIABLE)
		return send_file(request, range == FW_RANGE_PART, device, closure);
	snprintf(text, sizeof(text), "bytes */%" PRId64, request->file.stamp.size);
	return answer_empty(request, MHD_HTTP_RANGE_NOT_SATISFIABLE, MHD_HTTP_HEADER_CONTENT_RANGE, text);
}

static enum MHD_Result answer(struct request *request, const char *url, void **closure)
{
	const struct fw_http_config *config = &request->http->config;
	struct fw_slice device = {NULL, 0};
	enum fw_status status;

	if (!parse_path(request, url))
		return not_found(request->connection);
	status = config->find(config->context, request->firmware_id, request->file_name, &request->file);
	if (status == FW_NOT_FOUND)
		return not_found(request->connection);
	if (status != FW_OK)
		return answer_text(request->connection, MHD_HTTP_SERVICE_UNAVAILABLE, MHD_HTTP_HEADER_RETRY_AFTER, "5", "Try again later.\n");
	take_query(request, "device", request->device_text, &request->query.device);
	take_query(request, "expires", request->expires_text, &request->query.expires);
	take_query(request, "signature", request->signature_text, &request->query.signature);
	if (!config->permit(config->context, &request->file, request->file_name, &request->query, &device)) {
		close(request->file.fd);
		return answer_text(request->connection, MHD_HTTP_FORBIDDEN, NULL, NULL, "This address is not valid, or not any more: ask for the firmware again.\n");
	}
	return answer_file(request, device, closure);
}

/* The broker's thread goes first when processors are short. */
static void step_behind(void)
{
	static _Thread_local bool done;
	struct sched_param none = {0};

	if (done)
		return;
	done = true;
	sched_setscheduler(0, SCHED_BATCH, &none);
	setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), BEHIND_BROKER);
}

static enum MHD_Result on_request(void *context, struct MHD_Connection *connection, const char *url, const char *method, const char *version,
	const char *upload, size_t *upload_size, void **closure)
{
	struct request request = {.http = context, .connection = connection, .head = strcmp(method, MHD_HTTP_METHOD_HEAD) == 0};

	(void)version;
	(void)upload;
	step_behind();
	if (!*closure) {
		*closure = &headers_seen;
		if (!request.head && strcmp(method, MHD_HTTP_METHOD_GET) != 0)
			return answer_text(connection, MHD_HTTP_METHOD_NOT_ALLOWED, MHD_HTTP_HEADER_ALLOW, "GET, HEAD", "Only GET and HEAD.\n");
		return MHD_YES;
	}
	if (*upload_size) {
		*upload_size = 0;
		return MHD_YES;
	}
	return answer(&request, url, closure);
}

/* Escapes are undone part by part, not before the URL is split. */
static size_t leave_escaped(void *context, struct MHD_Connection *connection, char *text)
{
	(void)context;
	(void)connection;
	return strlen(text);
}

/* --- start and stop --- */

static enum fw_status refuse_listen(const char *listen, const char *reason, struct fw_error *error)
{
	fw_error_set(error, "plugin_opt_http_listen: cannot listen on '%s': %s", listen, reason);
	return FW_INVALID;
}

static enum fw_status listen_on(const struct addrinfo *address, const char *text, int *out, struct fw_error *error)
{
	int yes = 1, no = 0;
	int fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return refuse_listen(text, strerror(errno), error);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
	if (address->ai_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &no, sizeof(no));
	if (bind(fd, address->ai_addr, address->ai_addrlen) != 0 || listen(fd, 1024) != 0) {
		enum fw_status status = refuse_listen(text, strerror(errno), error);

		close(fd);
		return status;
	}
	*out = fd;
	return FW_OK;
}

static enum fw_status open_socket(const char *text, int *out, struct fw_error *error)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE}, *found = NULL;
	const char *colon = strrchr(text, ':');
	bool bracketed = text[0] == '[' && colon > text && colon[-1] == ']';
	char host[256];
	int code;
	enum fw_status status;

	/* getaddrinfo takes larger numbers, and forgets their upper bits */
	if (!colon || (size_t)(colon - text) >= sizeof(host) || strtoul(colon + 1, NULL, 10) > 65535)
		return refuse_listen(text, "it must be address:port", error);
	snprintf(host, sizeof(host), "%.*s", (int)(colon - text) - 2 * bracketed, text + bracketed);
	code = getaddrinfo(host, colon + 1, &hints, &found);
	if (code != 0)
		return refuse_listen(text, gai_strerror(code), error);
	status = listen_on(found, text, out, error);
	freeaddrinfo(found);
	return status;
}

static int port_of(int socket)
{
	struct sockaddr_storage address;
	socklen_t len = sizeof(address);
	char port[16];

	if (getsockname(socket, (struct sockaddr *)&address, &len) != 0 ||
		getnameinfo((struct sockaddr *)&address, len, NULL, 0, port, sizeof(port), NI_NUMERICSERV) != 0)
		return 0;
	return atoi(port);
}

/* A transfer has a socket and a file. As far as the system allows, these come on top of what the broker may open; else they are a part
 * of it that leaves the broker most. */
static unsigned default_connections(void)
{
	const rlim_t wanted = 2 * CONNECTIONS_MOST;
	struct rlimit limit = {1024, 1024}, raised;

	getrlimit(RLIMIT_NOFILE, &limit);
	raised = limit;
	if (limit.rlim_cur == RLIM_INFINITY)
		return CONNECTIONS_MOST;
	raised.rlim_cur = limit.rlim_max - limit.rlim_cur < wanted ? limit.rlim_max : limit.rlim_cur + wanted;
	if (setrlimit(RLIMIT_NOFILE, &raised) != 0)
		raised = limit;
	if (raised.rlim_cur - limit.rlim_cur >= wanted || raised.rlim_cur / 4 > CONNECTIONS_MOST)
		return CONNECTIONS_MOST;
	return raised.rlim_cur / 4 < 16 ? 16 : (unsigned)(raised.rlim_cur / 4);
}

static enum fw_status start_daemon(struct fw_http *http, int socket, struct fw_error *error)
{
	const struct fw_http_config *config = &http->config;
	sigset_t all, before;

	/* its threads inherit this: the broker's signals are for its own thread */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	http->daemon = MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD, 0, NULL, NULL, on_request, http,
		MHD_OPTION_LISTEN_SOCKET, socket,
		MHD_OPTION_THREAD_POOL_SIZE, THREADS,
		MHD_OPTION_CONNECTION_LIMIT, config->connections,
		MHD_OPTION_PER_IP_CONNECTION_LIMIT, config->per_address,
		MHD_OPTION_CONNECTION_TIMEOUT, config->timeout_seconds,
		MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)MEMORY_OF_CONNECTION,
		MHD_OPTION_UNESCAPE_CALLBACK, leave_escaped, NULL,
		MHD_OPTION_NOTIFY_COMPLETED, on_completed, http,
		MHD_OPTION_END);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (!http->daemon)
		return refuse_listen(config->listen, "the HTTP server does not start (out of memory or threads?)", error);
	return FW_OK;
}

enum fw_status fw_http_start(const struct fw_http_config *config, struct fw_http **out, struct fw_error *error)
{
	struct fw_http *http = calloc(1, sizeof(*http));
	enum fw_status status;
	int socket = -1;

	if (!http)
		return FW_NOMEM;
	http->config = *config;
	if (!http->config.connections)
		http->config.connections = default_connections();
	if (!http->config.per_address)
		http->config.per_address = (http->config.connections + 1) / 2;
	if (!http->config.timeout_seconds)
		http->config.timeout_seconds = TIMEOUT_SECONDS;
	pthread_mutex_init(&http->lock, NULL);
	status = open_socket(config->listen, &socket, error);
	http->port = status == FW_OK ? port_of(socket) : 0;
	if (status == FW_OK)
		status = start_daemon(http, socket, error);
	if (status != FW_OK) {
		fw_http_stop(http);
		return status;
	}
	*out = http;
	return FW_OK;
}

void fw_http_stop(struct fw_http *http)
{
	if (!http)
		return;
	if (http->daemon)
		MHD_stop_daemon(http->daemon);
	pthread_mutex_destroy(&http->lock);
	free(http);
}

int fw_http_port(const struct fw_http *http)
{
	return http->port;
}
