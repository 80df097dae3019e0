/* The server of the metrics: GET and HEAD of /metrics, and nothing else. On libmicrohttpd, in a
 * thread of its own for each address, behind the broker's; it is started and stopped on the I/O
 * thread (base/io_thread.h). */
#ifndef FW_HTTP_SCRAPE_H
#define FW_HTTP_SCRAPE_H

#include "base/fw.h"

struct fw_scrape;

struct fw_scrape_config {
	const char
		*listen; /* the option metrics_listen: address:port, as fw_listen_open takes it */
	void *context;
	/* Makes the body, malloc'd, in one of the two formats. FW_OK; FW_BUSY: 503, to be tried
	 * again; else 500. On the server's threads, several at a time. */
	enum fw_status (*render)(void *context, bool openmetrics, char **out, size_t *length);
};

/* FW_OK with the server running, or FW_INVALID with a message, or FW_NOMEM. The caller owns *out.
 * `config` is copied; its texts are borrowed for the call. */
enum fw_status fw_scrape_start(
	const struct fw_scrape_config *config, struct fw_scrape **out, struct fw_error *error);
void fw_scrape_stop(struct fw_scrape *scrape); /* ends all requests; NULL is fine */

int fw_scrape_port(const struct fw_scrape *scrape); /* that it listens on */

/* Does an Accept header (RFC 9110, section 12.5.1) ask for OpenMetrics rather than for text? NULL:
 * no. Pure; any thread. */
bool fw_scrape_wants_openmetrics(const char *accept);

/* The Content-Type of an answer. Static. */
const char *fw_scrape_type(bool openmetrics);

#endif
