/* Starts and stops the download server: its limits, and a daemon of the library an address. */
#include "http/internal.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/thread.h"
#include "http/listen.h"

#define THREADS 3u
#define CONNECTIONS_MOST 2048u
#define TIMEOUT_SECONDS 30u
#define WINDOW_SECONDS 60u
#define MEMORY_OF_CONNECTION (16u * 1024)

/* Escapes are undone part by part, not before the URL is split. */
static size_t leave_escaped(void *context, struct MHD_Connection *mhd, char *text)
{
	(void)context;
	(void)mhd;
	return strlen(text);
}

/* A transfer needs two descriptors, for the socket and the file. The soft limit of open files is
 * raised for them. Where that is not allowed, transfers get half of the limit, and the broker the
 * rest. */
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
	if (!daemon) {
		fw_error_set(error,
			"plugin_opt_http_listen: cannot listen on '%s': the HTTP server does not "
			"start (out of memory or threads?)",
			config->listen);
		return FW_INVALID;
	}
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

/* Each socket gets a daemon, which takes it over. */
static enum fw_status serve(struct fw_http *http, struct fw_error *error)
{
	struct fw_listen listening;
	enum fw_status status =
		fw_listen_open("http_listen", http->config.listen, &listening, error);

	if (status != FW_OK)
		return status;
	http->port = listening.port;
	for (unsigned i = 0; i < listening.count && status == FW_OK; i++) {
		status = start_daemon(http, listening.sockets[i].fd, error);
		if (status == FW_OK)
			fw_listen_release(&listening, i);
	}
	fw_listen_close(&listening);
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
	http->slots.most = http->config.connections;
	http->slots.per_address = http->config.per_address;
	http->slots.loopback = http->config.loopback;
	status = fw_http_slots_init(&http->slots);
	if (status == FW_OK)
		status = serve(http, error);
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
	fw_http_slots_close(&http->slots);
	free(http);
}

int fw_http_port(const struct fw_http *http)
{
	return http->port;
}
