#include "http/internal.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/thread.h"

#define THREADS 3u
#define CONNECTIONS_MOST 2048u
#define TIMEOUT_SECONDS 30u
#define WINDOW_SECONDS 60u
/* bytes of a transfer in the kernel that are not on their way; else slow clients could fill all
 * that it has for TCP */
#define UNSENT_MOST 131072
#define MEMORY_OF_CONNECTION (16u * 1024)

/* Escapes are undone part by part, not before the URL is split. */
static size_t leave_escaped(void *context, struct MHD_Connection *mhd, char *text)
{
	(void)context;
	(void)mhd;
	return strlen(text);
}

static enum fw_status refuse_listen(const char *listen, const char *reason, struct fw_error *error)
{
	fw_error_set(error, "plugin_opt_http_listen: cannot listen on '%s': %s", listen, reason);
	return FW_INVALID;
}

/* A socket that listens there; -1 with errno. `alone`: an IPv6 address that is all of them takes
 * IPv4 clients too. */
static int listen_on(const struct addrinfo *address, bool alone)
{
	int yes = 1, only = !alone, unsent = UNSENT_MOST, reason;
	int fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
	/* the sockets of clients inherit it */
	setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent, sizeof(unsent));
	if (address->ai_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only, sizeof(only));
	if (bind(fd, address->ai_addr, address->ai_addrlen) == 0 && listen(fd, 1024) == 0)
		return fd;
	reason = errno;
	close(fd);
	errno = reason;
	return -1;
}

/* The addresses of `text`, to be freed by freeaddrinfo. */
static enum fw_status resolve(const char *text, struct addrinfo **out, struct fw_error *error)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
	const char *colon = strrchr(text, ':');
	bool bracketed = text[0] == '[' && colon > text && colon[-1] == ']';
	char host[256];
	int code;

	/* getaddrinfo takes larger numbers, and forgets their upper bits */
	if (!colon || (size_t)(colon - text) >= sizeof(host) ||
		strtoul(colon + 1, NULL, 10) > 65535)
		return refuse_listen(text, "it must be address:port", error);
	snprintf(host, sizeof(host), "%.*s", (int)(colon - text) - 2 * bracketed, text + bracketed);
	code = getaddrinfo(host, colon + 1, &hints, out);
	return code == 0 ? FW_OK : refuse_listen(text, gai_strerror(code), error);
}

static int port_of(int socket)
{
	struct sockaddr_storage address;
	socklen_t len = sizeof(address);
	char port[16];

	if (getsockname(socket, (struct sockaddr *)&address, &len) != 0 ||
		getnameinfo((struct sockaddr *)&address, len, NULL, 0, port, sizeof(port),
			NI_NUMERICSERV) != 0)
		return 0;
	return (int)strtol(port, NULL, 10);
}

/* A transfer has a socket and a file. As far as the system allows, these come on top of what the
 * broker may open; else they are a part of it that leaves the broker most. */
static unsigned default_connections(void)
{
	const rlim_t wanted = 2 * CONNECTIONS_MOST;
	struct rlimit limit = {1024, 1024}, raised;

	getrlimit(RLIMIT_NOFILE, &limit);
	raised = limit;
	if (limit.rlim_cur == RLIM_INFINITY)
		return CONNECTIONS_MOST;
	raised.rlim_cur =
		limit.rlim_max - limit.rlim_cur < wanted ? limit.rlim_max : limit.rlim_cur + wanted;
	if (setrlimit(RLIMIT_NOFILE, &raised) != 0)
		raised = limit;
	if (raised.rlim_cur - limit.rlim_cur >= wanted || raised.rlim_cur / 4 > CONNECTIONS_MOST)
		return CONNECTIONS_MOST;
	return raised.rlim_cur / 4 < 16 ? 16 : (unsigned)(raised.rlim_cur / 4);
}

static enum fw_status start_daemon(struct fw_http *http, int socket, struct fw_error *error)
{
	const struct fw_http_config *config = &http->config;
	struct MHD_Daemon *daemon;
	sigset_t all, before;

	/* its threads inherit this: the broker's signals are for its own thread */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	daemon = MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD, 0, fw_http_admit, http,
		fw_http_on_request, http, MHD_OPTION_LISTEN_SOCKET, socket,
		MHD_OPTION_THREAD_POOL_SIZE, THREADS, MHD_OPTION_THREAD_STACK_SIZE, FW_THREAD_STACK,
		MHD_OPTION_CONNECTION_LIMIT, config->connections,
		MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)MEMORY_OF_CONNECTION,
		MHD_OPTION_URI_LOG_CALLBACK, fw_http_on_uri, http, MHD_OPTION_UNESCAPE_CALLBACK,
		leave_escaped, NULL, MHD_OPTION_NOTIFY_CONNECTION, fw_http_on_connection, http,
		MHD_OPTION_NOTIFY_COMPLETED, fw_http_on_completed, http, MHD_OPTION_END);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (!daemon)
		return refuse_listen(config->listen,
			"the HTTP server does not start (out of memory or threads?)", error);
	http->daemons[http->listening++] = daemon;
	return FW_OK;
}

static void fill_in(struct fw_http_config *config)
{
	if (!config->connections)
		config->connections = default_connections();
	if (!config->per_address)
		config->per_address = (config->connections + 7) / 8;
	if (!config->loopback)
		config->loopback = config->connections - config->connections / 8;
	if (!config->timeout_seconds)
		config->timeout_seconds = TIMEOUT_SECONDS;
	if (!config->window_seconds)
		config->window_seconds = WINDOW_SECONDS;
}

/* A socket that the daemon did not take over. On its way to failing it has closed it in some cases,
 * in others not. */
static void close_if_open(int socket, const struct stat *known)
{
	struct stat status;

	if (fstat(socket, &status) == 0 && status.st_dev == known->st_dev &&
		status.st_ino == known->st_ino)
		close(socket);
}

static enum fw_status serve(struct fw_http *http, int socket, struct fw_error *error)
{
	struct stat known;
	enum fw_status status;

	if (!http->port)
		http->port = port_of(socket);
	fstat(socket, &known);
	status = start_daemon(http, socket, error);
	if (status != FW_OK)
		close_if_open(socket, &known);
	return status;
}

/* Is the same address before it in the list? A hosts file may name one twice. */
static bool is_repeated(const struct addrinfo *first, const struct addrinfo *address)
{
	for (const struct addrinfo *at = first; at != address; at = at->ai_next) {
		if (at->ai_addrlen == address->ai_addrlen &&
			memcmp(at->ai_addr, address->ai_addr, at->ai_addrlen) == 0)
			return true;
	}
	return false;
}

/* On all addresses of the name. One that this machine does not have, such as ::1 where IPv6 is off,
 * is left out if there is another. */
static enum fw_status serve_all(
	struct fw_http *http, const struct addrinfo *found, struct fw_error *error)
{
	enum fw_status status = FW_OK;
	int reason = 0;

	for (const struct addrinfo *at = found;
		at && status == FW_OK && http->listening < FW_HTTP_ADDRESSES; at = at->ai_next) {
		int socket = is_repeated(found, at) ? -1 : listen_on(at, !found->ai_next);

		if (socket >= 0) {
			status = serve(http, socket, error);
		} else if (!is_repeated(found, at)) {
			reason = errno;
			if (reason != EADDRNOTAVAIL && reason != EAFNOSUPPORT)
				return refuse_listen(http->config.listen, strerror(reason), error);
		}
	}
	return status == FW_OK && !http->listening
		? refuse_listen(http->config.listen, strerror(reason), error)
		: status;
}

static enum fw_status start(struct fw_http *http, struct fw_error *error)
{
	struct addrinfo *found = NULL;
	enum fw_status status;

	http->addresses = fw_table_new(0);
	if (!http->addresses)
		return FW_NOMEM;
	status = resolve(http->config.listen, &found, error);
	if (status != FW_OK)
		return status;
	status = serve_all(http, found, error);
	freeaddrinfo(found);
	return status;
}

enum fw_status fw_http_start(
	const struct fw_http_config *config, struct fw_http **out, struct fw_error *error)
{
	struct fw_http *http = calloc(1, sizeof(*http));
	enum fw_status status;

	if (!http)
		return FW_NOMEM;
	http->config = *config;
	fill_in(&http->config);
	pthread_mutex_init(&http->lock, NULL);
	status = start(http, error);
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
	for (unsigned i = 0; i < http->listening; i++)
		MHD_stop_daemon(http->daemons[i]);
	fw_table_free(http->addresses);
	pthread_mutex_destroy(&http->lock);
	free(http);
}

int fw_http_port(const struct fw_http *http)
{
	return http->port;
}
