/* Opens and closes the service: its own tables, the store, the downloads, and the connection that
 * answers pulls.
 *
 * What has threads or writes files runs on the I/O thread, where it is opened and closed too
 * (base/io_thread.h). Uplinks that an earlier run left in the spool are read once before the first
 * message, so that answers take them into account while the catalog does not have them yet. */
#include "service/internal.h"

#include <stdlib.h>

#define OUTBOX_MAX 8192u
#define PRESENCE_MAX (1u << 21)

static enum fw_status make_parts(struct fw_service *service)
{
	service->outbox = fw_outbox_new(OUTBOX_MAX);
	service->unapplied = fw_unapplied_new();
	service->presence = fw_presence_new(PRESENCE_MAX, fw_service_presence_changed, service);
	service->pull_dedup = fw_pull_dedup_new();
	service->refusal_log = fw_refusal_log_new();
	service->takeovers = fw_takeovers_new();
	service->rate = fw_device_rate_new(service->options->device_rate_per_minute);
	if (!service->outbox || !service->unapplied || !service->presence || !service->pull_dedup ||
		!service->refusal_log || !service->rate || !service->takeovers)
		return FW_NOMEM;
	fw_outbox_set_waker(service->outbox, service->broker.waker);
	return FW_OK;
}

/* `unapplied` may have no more room: then answers follow the catalog alone until it is up to date.
 * Of the places each one counts. */
static enum fw_status note_uplink(
	struct fw_service *service, const struct fw_uplink *uplink, bool *has_room)
{
	bool once = service->options->registration == FW_REGISTRATION_ONCE;
	enum fw_status status =
		*has_room ? fw_unapplied_note(service->unapplied, uplink, once) : FW_OK;

	if (status == FW_FULL) {
		*has_room = false;
		status = FW_OK;
	}
	return status == FW_OK && uplink->task_id.len
		? fw_places_note(fw_store_places(service->store), uplink->task_id, uplink->device)
		: status;
}

/* Notes the uplinks that an earlier run left in the spool: the catalog may be locked for a while
 * before it has them. */
static enum fw_status note_spooled(struct fw_service *service)
{
	struct fw_spool *spool = fw_store_spool(service->store);
	const unsigned char *payload;
	bool has_room = true;
	uint64_t sequence;
	enum fw_status status;
	size_t len;

	while ((status = fw_spool_read(spool, &payload, &len, &sequence)) == FW_OK) {
		struct fw_uplink uplink;

		if (fw_uplink_decode(payload, len, &uplink) != FW_OK)
			continue;
		status = note_uplink(service, &uplink, &has_room);
		if (status != FW_OK)
			break;
	}
	fw_spool_rewind(spool, fw_store_applied(service->store));
	return status == FW_NOMEM ? FW_NOMEM : FW_OK;
}

/* What runs on the I/O thread. */
struct opening {
	struct fw_service *service;
	struct fw_error *error;
};

void fw_service_count_request(void *context, const struct fw_asker *asker, const char *outcome)
{
	struct fw_service *service = context;

	fw_count_request(&service->counters, asker->face, outcome);
}

static enum fw_status render_metrics(void *context, bool openmetrics, char **out, size_t *length)
{
	return fw_metrics_render(context, openmetrics, out, length);
}

/* The metrics, which the admin server shows too, and their own server where the options ask for it.
 */
static enum fw_status open_metrics(struct fw_service *service, struct fw_error *error)
{
	struct fw_metrics_config config = {.db_file = service->options->db_file,
		.counters = &service->counters,
		.spool = fw_store_spool(service->store),
		.own_table = fw_io_thread_has_own_table(service->io_thread)};
	enum fw_status status = fw_metrics_open(&config, &service->metrics);

	if (status != FW_OK || !service->options->metrics_listen)
		return status;
	return fw_scrape_start(
		&(struct fw_scrape_config){.listen = service->options->metrics_listen,
			.context = service->metrics,
			.render = render_metrics},
		&service->scrape, error);
}

static enum fw_status open_on_io_thread(void *context)
{
	struct fw_service *service = ((struct opening *)context)->service;
	struct fw_error *error = ((struct opening *)context)->error;
	struct fw_store_config config = {.options = service->options,
		.counters = &service->counters,
		.outbox = service->outbox,
		.own_table = fw_io_thread_has_own_table(service->io_thread),
		.sees_connections = service->broker.sees_connections,
		.first_connection = service->first_connection};
	enum fw_status status =
		fw_download_new(service->options, &service->counters, &service->download, error);

	if (status != FW_OK)
		return status;
	config.hosting = fw_download_hosting(service->download);
	config.transfers = fw_download_transfers(service->download);
	status = fw_store_open(&config, &service->store, error);
	if (status == FW_OK)
		status = fw_download_start(service->download, service->broker.waker, error);
	if (status == FW_OK)
		status = open_metrics(service, error);
	return status == FW_OK ? note_spooled(service) : status;
}

static enum fw_status start_control(struct fw_service *service, struct fw_error *error)
{
	struct fw_control_config config = {.db_file = service->options->db_file,
		.files_dir = service->options->files_dir,
		.done = fw_service_count_request,
		.context = service};

	if (!fw_options_have_admins(service->options))
		return FW_OK;
	return fw_control_open(&config, &service->control, error);
}

static enum fw_status start_on_io_thread(void *context)
{
	struct opening *opening = context;
	enum fw_status status = fw_store_start(opening->service->store, opening->error);

	if (status == FW_OK)
		status = start_control(opening->service, opening->error);
	return status == FW_OK ? fw_service_web_start(opening->service, opening->error) : status;
}

static enum fw_status stop_on_io_thread(void *context)
{
	struct fw_service *service = context;

	fw_control_stop(service->control);
	fw_service_web_stop(service);
	fw_scrape_stop(service->scrape);
	service->scrape = NULL;
	fw_download_stop(service->download);
	fw_store_stop(service->store);
	return FW_OK;
}

static enum fw_status close_on_io_thread(void *context)
{
	struct fw_service *service = context;

	fw_control_close(service->control);
	fw_metrics_close(service->metrics);
	fw_store_close(service->store);
	fw_download_free(service->download);
	return FW_OK;
}

static enum fw_status open_store(struct fw_service *service, struct fw_error *error)
{
	struct opening opening = {service, error};
	enum fw_status status;

	service->own_table = fw_vfs_begin();
	service->temp_vfs = fw_temp_vfs_begin(service->options->db_file);
	status = fw_io_thread_open(service->own_table, &service->io_thread, error);
	if (status == FW_OK)
		status = fw_io_thread_run(service->io_thread, open_on_io_thread, &opening);
	if (status == FW_OK)
		status = fw_pull_reader_open(service->options->db_file, &service->reader, error);
	if (status != FW_OK)
		return status;
	fw_pull_reader_set_url_per_device(
		service->reader, fw_hosting_expires(fw_download_hosting(service->download)));
	fw_pull_reader_use_places(
		service->reader, fw_store_places(service->store), fw_store_clock(service->store));
	service->resolver =
		fw_resolver_new(fw_pull_reader_source(service->reader), service->unapplied);
	service->registration = fw_registration_new(service->options->registration,
		fw_pull_reader_find_device, service->reader, service->unapplied);
	if (!service->resolver || !service->registration)
		return FW_NOMEM;
	return fw_io_thread_run(service->io_thread, start_on_io_thread, &opening);
}

static void close_store(struct fw_service *service)
{
	if (service->io_thread) {
		fw_io_thread_run(service->io_thread, stop_on_io_thread, service);
		fw_service_drain_outbox(service, INT64_MAX);
		fw_service_drain_control(service, INT64_MAX);
		fw_service_drain_web(service);
		if (service->store)
			fw_spool_seal(fw_store_spool(service->store));
		fw_io_thread_run(service->io_thread, close_on_io_thread, service);
		fw_io_thread_close(service->io_thread);
	}
	fw_resolver_free(service->resolver);
	fw_pull_reader_close(service->reader);
	if (service->temp_vfs)
		fw_temp_vfs_end(service->options->db_file);
	if (service->own_table)
		fw_vfs_end();
}

enum fw_status fw_service_open(const struct fw_options *options, const struct fw_broker *broker,
	struct fw_service **out, struct fw_error *error)
{
	struct fw_service *service = calloc(1, sizeof(*service));
	enum fw_status status;

	if (!service) {
		fw_error_set(error, "out of memory");
		return FW_NOMEM;
	}
	service->options = options;
	service->broker = *broker;
	/* milliseconds times 2^20: above all numbers of earlier runs, which began the same way and
	 * counted connections */
	service->first_connection = (uint64_t)fw_now_ms() << 20;
	service->last_tick = fw_boot_ms();
	status = make_parts(service);
	if (status == FW_OK)
		status = open_store(service, error);
	if (status != FW_OK) {
		fw_error_set(error, "out of memory");
		fw_service_close(service);
		return status;
	}
	*out = service;
	return FW_OK;
}

void fw_service_close(struct fw_service *service)
{
	if (!service)
		return;
	close_store(service);
	fw_presence_free(service->presence);
	fw_unapplied_free(service->unapplied);
	fw_pull_dedup_free(service->pull_dedup);
	fw_device_rate_free(service->rate);
	fw_takeovers_free(service->takeovers);
	fw_registration_free(service->registration);
	fw_refusal_log_free(service->refusal_log);
	fw_outbox_free(service->outbox);
	fw_outbox_free(service->web_lines);
	free(service);
}
