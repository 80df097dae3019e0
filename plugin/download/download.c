#include "download/download.h"

#include <stdlib.h>
#include <string.h>

#include "http/server.h"
#include "catalog/file_reader.h"
#include "protocol/topic.h"

#define ACCESS_MOST 100000u /* devices that download between two writes of the store */

struct fw_courier {
	const struct fw_options *options;
	struct fw_delivery delivery;
	struct fw_counters *counters;
	struct fw_access *access;
	struct fw_finder *finder;
	struct fw_chunks *chunks;
	struct fw_http *http;
};

enum fw_status fw_courier_new(const struct fw_options *options, struct fw_counters *counters, struct fw_courier **out, struct fw_error *error)
{
	struct fw_courier *courier = calloc(1, sizeof(*courier));
	enum fw_status status;

	if (!courier)
		return FW_NOMEM;
	courier->options = options;
	courier->counters = counters;
	courier->access = fw_access_new(ACCESS_MOST);
	status = courier->access ? fw_delivery_init(&courier->delivery, options, error) : FW_NOMEM;
	if (status != FW_OK) {
		fw_courier_free(courier);
		return status;
	}
	*out = courier;
	return FW_OK;
}

void fw_courier_free(struct fw_courier *courier)
{
	if (!courier)
		return;
	fw_courier_stop(courier);
	fw_access_free(courier->access);
	free(courier);
}

static enum fw_status find_for_http(void *context, struct fw_slice firmware_id, struct fw_slice file, struct fw_hosted_file *out)
{
	struct fw_courier *courier = context;

	return fw_finder_find(courier->finder, firmware_id, file, out);
}

static enum fw_status find_for_chunk(void *context, struct fw_slice firmware_id, struct fw_hosted_file *out)
{
	struct fw_courier *courier = context;

	return fw_finder_find(courier->finder, firmware_id, (struct fw_slice){NULL, 0}, out);
}

static bool is_withdrawn(void *context, struct fw_slice firmware_id)
{
	struct fw_courier *courier = context;

	return fw_finder_withdrawn(courier->finder, firmware_id);
}

static bool read_seconds(struct fw_slice text, int64_t *out)
{
	int64_t number = 0;

	/* as it was made, and no other way to write it */
	if (text.len == 0 || text.len > 15 || text.at[0] == '0')
		return false;
	for (size_t i = 0; i < text.len; i++) {
		if (text.at[i] < '0' || text.at[i] > '9')
			return false;
		number = number * 10 + (text.at[i] - '0');
	}
	*out = number;
	return true;
}

static bool permit(void *context, const struct fw_hosted_file *file, struct fw_slice name, const struct fw_http_query *query, struct fw_slice *device)
{
	const struct fw_courier *courier = context;
	struct fw_url_grant grant = {.product = fw_slice_of(file->product_id), .device = query->device, .firmware_id = fw_slice_of(file->firmware_id), .file = name};

	if (!fw_delivery_expires(&courier->delivery))
		return true;
	if (!fw_topic_id_valid(query->device) || !read_seconds(query->expires, &grant.expires) ||
		!fw_url_check(&courier->delivery.key, &grant, query->signature, fw_now_ms() / 1000))
		return false;
	*device = query->device;
	return true;
}

static void note_access(void *context, const struct fw_transfer *access)
{
	struct fw_courier *courier = context;
	int64_t now = fw_now_ms();
	struct fw_access_record record = {.first_at = now, .last_at = access->bytes ? now : 0, .bytes = access->bytes, .reached = access->reached,
		.total = access->total, .requests = access->started};

	fw_slice_copy(access->product, record.product_id, sizeof(record.product_id));
	fw_slice_copy(access->device, record.device_id, sizeof(record.device_id));
	fw_slice_copy(access->firmware_id, record.firmware_id, sizeof(record.firmware_id));
	if (access->image.len >= sizeof(record.image))
		memcpy(record.image, access->image.at, sizeof(record.image) - 1);
	fw_spans_add(record.spans, &record.span_count, FW_ACCESS_SPANS,
		(struct fw_span){access->reached - access->bytes, access->reached});
	fw_access_note(courier->access, &record);
}

static void sample(void *context)
{
	struct fw_courier *courier = context;

	fw_http_sample(courier->http);
}

static enum fw_status start_http(struct fw_courier *courier, struct fw_error *error)
{
	struct fw_http_config config = {.listen = courier->options->http_listen, .context = courier, .find = find_for_http, .permit = permit,
		.access = note_access, .withdrawn = is_withdrawn, .counters = courier->counters, .is_private = fw_delivery_expires(&courier->delivery)};
	enum fw_status status;

	if (!config.listen)
		return FW_OK;
	status = fw_http_start(&config, &courier->http, error);
	if (status == FW_OK)
		fw_access_set_sampler(courier->access, sample, courier);
	return status;
}

enum fw_status fw_courier_start(struct fw_courier *courier, struct fw_error *error)
{
	struct fw_chunk_config config = {.context = courier, .find = find_for_chunk, .access = note_access,
		.counters = courier->counters, .rate_total = courier->options->chunk_rate_total};
	enum fw_status status = fw_finder_open(courier->options->db_file, &courier->delivery, &courier->finder, error);

	if (status == FW_OK)
		status = fw_chunks_start(&config, &courier->chunks, error);
	return status == FW_OK ? start_http(courier, error) : status;
}

void fw_courier_stop(struct fw_courier *courier)
{
	if (!courier)
		return;
	if (courier->access)
		fw_access_set_sampler(courier->access, NULL, NULL);
	fw_http_stop(courier->http);
	fw_chunks_stop(courier->chunks);
	fw_finder_close(courier->finder);
	courier->http = NULL;
	courier->chunks = NULL;
	courier->finder = NULL;
}

struct fw_delivery *fw_courier_delivery(struct fw_courier *courier)
{
	return &courier->delivery;
}

struct fw_access *fw_courier_access(struct fw_courier *courier)
{
	return courier->access;
}

struct fw_chunks *fw_courier_chunks(struct fw_courier *courier)
{
	return courier->chunks;
}
