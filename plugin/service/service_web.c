/* The admin server beside the service: it is started once the catalog is open. Its threads put log
 * lines into a queue, for only the broker's thread may log. */
#include "service/internal.h"

#include <stdlib.h>
#include <string.h>

#include "web/page.h"

#define LINES_MOST 512u /* in the queue; further ones are lost */

/* Any thread. */
static void log_line(void *context, enum fw_log_level level, const char *line)
{
	struct fw_service *service = context;
	char *copy = strdup(line);

	if (copy)
		fw_outbox_put(service->web_lines,
			(struct fw_outgoing){.kind = FW_OUTGOING_LOG,
				.payload = copy,
				.len = strlen(copy),
				.level = level});
}

/* Any thread of the server's. */
static char *render_metrics(void *context, const char *accept, size_t *len, const char **type)
{
	struct fw_service *service = context;
	bool openmetrics = fw_scrape_wants_openmetrics(accept);
	char *text = NULL;

	*type = fw_scrape_type(openmetrics);
	return fw_metrics_render(service->metrics, openmetrics, &text, len) == FW_OK ? text : NULL;
}

enum fw_status fw_service_web_start(struct fw_service *service, struct fw_error *error)
{
	const struct fw_options *options = service->options;
	struct fw_web_config config = {.listen = options->admin_listen,
		.password_file = options->admin_password_file,
		.certfile = options->admin_certfile,
		.keyfile = options->admin_keyfile,
		.hosts = options->admin_hosts,
		.admins = options->admins,
		.viewers = options->admin_viewers,
		.behind_proxy = options->admin_behind_proxy,
		.upload_max = options->admin_upload_max_bytes,
		.db_file = options->db_file,
		.files_dir = options->files_dir,
		.context = service,
		.log = log_line,
		.done = fw_service_count_request,
		.metrics = render_metrics,
		.asset = fw_page_find};

	if (!config.listen)
		return FW_OK;
	service->web_lines = fw_outbox_new(LINES_MOST);
	return service->web_lines ? fw_web_start(&config, &service->web, error) : FW_NOMEM;
}

void fw_service_web_stop(struct fw_service *service)
{
	fw_web_stop(service->web);
	service->web = NULL;
}

void fw_service_drain_web(struct fw_service *service)
{
	struct fw_outgoing line;

	while (service->web_lines && fw_outbox_take(service->web_lines, &line)) {
		service->broker.log(service->broker.context, line.level, line.payload);
		free(line.payload);
	}
}
