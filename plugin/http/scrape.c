/* Serves the metrics without a login: whoever reaches the port may read them.
 *
 * A scrape is one short answer that is made in memory, so an address needs one thread, and a few
 * connections: one scraper uses one, and keeps it. */
#include "http/scrape.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <microhttpd.h>

#include "base/thread.h"
#include "http/listen.h"

#define CONNECTIONS 32u
#define CONNECTIONS_OF_ADDRESS 16u
#define TIMEOUT_SECONDS 75u /* most scrapers ask each minute at least */
#define MEMORY_OF_CONNECTION (8u * 1024)

struct fw_scrape {
	struct fw_scrape_config config;
	struct MHD_Daemon *daemons[FW_LISTEN_MOST]; /* the first `listening` */
	unsigned listening;
	int port;
};

const char *fw_scrape_type(bool openmetrics)
{
	return openmetrics ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
			   : "text/plain; version=0.0.4; charset=utf-8";
}

/* The weight of a part of an Accept header, in thousandths; 1000 when it has none. */
static int weight_of(const char *at, size_t len)
{
	const char *end = at + len;

	for (; at < end; at++) {
		int weight, scale = 100;

		if (*at != ';')
			continue;
		do
			at++;
		while (at < end && (*at == ' ' || *at == '\t'));
		if (end - at < 3 || (*at != 'q' && *at != 'Q') || at[1] != '=')
			continue;
		weight = at[2] == '1' ? 1000 : 0;
		for (at += 4; at < end && *at >= '0' && *at <= '9' && scale; at++, scale /= 10)
			weight += (*at - '0') * scale;
		return weight > 1000 ? 1000 : weight;
	}
	return 1000;
}

/* The largest weight of the parts of this media type; -1: there is none. */
static int weight_of_type(const char *accept, const char *type)
{
	size_t type_len = strlen(type);
	int most = -1;

	while (*accept) {
		size_t len;

		accept += strspn(accept, ", \t");
		len = strcspn(accept, ",");
		if (len >= type_len && strncasecmp(accept, type, type_len) == 0 &&
			strchr("; \t,", accept[type_len])) {
			int weight = weight_of(accept, len);

			most = weight > most ? weight : most;
		}
		accept += len;
	}
	return most;
}

bool fw_scrape_wants_openmetrics(const char *accept)
{
	int weight = accept ? weight_of_type(accept, "application/openmetrics-text") : -1;

	return weight > 0 && weight >= weight_of_type(accept, "text/plain");
}

static enum MHD_Result queue_answer(struct MHD_Connection *mhd, unsigned code,
	struct MHD_Response *response, const char *name, const char *value)
{
	enum MHD_Result result;

	if (!response)
		return MHD_NO;
	/* without memory an answer lacks a header */
	MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
	if (name)
		MHD_add_response_header(response, name, value);
	result = MHD_queue_response(mhd, code, response);
	MHD_destroy_response(response);
	return result;
}

static enum MHD_Result answer_text(struct MHD_Connection *mhd, unsigned code, const char *text,
	const char *name, const char *value)
{
	struct MHD_Response *response = MHD_create_response_from_buffer(
		strlen(text), (void *)(uintptr_t)text, MHD_RESPMEM_PERSISTENT);

	if (response)
		MHD_add_response_header(
			response, MHD_HTTP_HEADER_CONTENT_TYPE, "text/plain; charset=utf-8");
	return queue_answer(mhd, code, response, name, value);
}

static enum MHD_Result answer_metrics(
	const struct fw_scrape_config *config, struct MHD_Connection *mhd)
{
	bool openmetrics = fw_scrape_wants_openmetrics(
		MHD_lookup_connection_value(mhd, MHD_HEADER_KIND, MHD_HTTP_HEADER_ACCEPT));
	struct MHD_Response *response;
	char *body = NULL;
	size_t len = 0;
	enum fw_status status;

	fw_thread_step_behind();
	status = config->render(config->context, openmetrics, &body, &len);
	if (status == FW_BUSY)
		return answer_text(mhd, MHD_HTTP_SERVICE_UNAVAILABLE, "Try again later.\n",
			MHD_HTTP_HEADER_RETRY_AFTER, "5");
	if (status != FW_OK)
		return answer_text(mhd, MHD_HTTP_INTERNAL_SERVER_ERROR,
			"The metrics cannot be made.\n", NULL, NULL);
	response = MHD_create_response_from_buffer(len, body, MHD_RESPMEM_MUST_FREE);
	if (!response)
		free(body);
	return queue_answer(mhd, MHD_HTTP_OK, response, MHD_HTTP_HEADER_CONTENT_TYPE,
		fw_scrape_type(openmetrics));
}

/* A body that nobody asked for is not read: the connection ends with the answer. */
static enum MHD_Result on_request(void *context, struct MHD_Connection *mhd, const char *url,
	const char *method, const char *version, const char *upload, size_t *upload_size,
	void **closure)
{
	static char headers_seen;
	const struct fw_scrape *scrape = context;
	bool reads = strcmp(method, MHD_HTTP_METHOD_GET) == 0 ||
		strcmp(method, MHD_HTTP_METHOD_HEAD) == 0;

	(void)version;
	(void)upload;
	if (strcmp(url, "/metrics") != 0)
		return answer_text(
			mhd, MHD_HTTP_NOT_FOUND, "The metrics are at /metrics.\n", NULL, NULL);
	if (!reads)
		return answer_text(mhd, MHD_HTTP_METHOD_NOT_ALLOWED, "Only GET and HEAD.\n",
			MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
	/* the library keeps a connection when the request was taken in whole before the answer */
	if (*closure != &headers_seen) {
		*closure = &headers_seen;
		return MHD_YES;
	}
	if (*upload_size) {
		*upload_size = 0;
		return MHD_YES;
	}
	return answer_metrics(&scrape->config, mhd);
}

static struct MHD_Daemon *start_daemon(struct fw_scrape *scrape, int socket)
{
	struct MHD_Daemon *daemon;
	sigset_t all, before;

	/* its thread inherits this: the broker's signals are for its own thread */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	daemon = MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD, 0, NULL, NULL, on_request, scrape,
		MHD_OPTION_LISTEN_SOCKET, socket, MHD_OPTION_THREAD_STACK_SIZE, FW_THREAD_STACK,
		MHD_OPTION_CONNECTION_LIMIT, CONNECTIONS, MHD_OPTION_PER_IP_CONNECTION_LIMIT,
		CONNECTIONS_OF_ADDRESS, MHD_OPTION_CONNECTION_TIMEOUT, TIMEOUT_SECONDS,
		MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)MEMORY_OF_CONNECTION, MHD_OPTION_END);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return daemon;
}

static enum fw_status serve(
	struct fw_scrape *scrape, struct fw_listen *listening, struct fw_error *error)
{
	scrape->port = listening->port;
	for (unsigned i = 0; i < listening->count; i++) {
		struct MHD_Daemon *daemon = start_daemon(scrape, listening->sockets[i].fd);

		if (!daemon) {
			fw_error_set(error,
				"plugin_opt_metrics_listen: cannot listen on '%s': the server does "
				"not start (out of memory or threads?)",
				scrape->config.listen);
			return FW_INVALID;
		}
		fw_listen_release(listening, i);
		scrape->daemons[scrape->listening++] = daemon;
	}
	return FW_OK;
}

enum fw_status fw_scrape_start(
	const struct fw_scrape_config *config, struct fw_scrape **out, struct fw_error *error)
{
	struct fw_scrape *scrape = calloc(1, sizeof(*scrape));
	struct fw_listen listening;
	enum fw_status status;

	if (!scrape)
		return FW_NOMEM;
	scrape->config = *config;
	status = fw_listen_open("metrics_listen", config->listen, &listening, error);
	if (status == FW_OK) {
		status = serve(scrape, &listening, error);
		fw_listen_close(&listening);
	}
	if (status != FW_OK) {
		fw_scrape_stop(scrape);
		return status;
	}
	*out = scrape;
	return FW_OK;
}

void fw_scrape_stop(struct fw_scrape *scrape)
{
	if (!scrape)
		return;
	for (unsigned i = 0; i < scrape->listening; i++)
		MHD_stop_daemon(scrape->daemons[i]);
	free(scrape);
}

int fw_scrape_port(const struct fw_scrape *scrape)
{
	return scrape->port;
}
