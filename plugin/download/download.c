/* Joins the parts of the download service: what finds a file in the catalog, the two servers that
 * send it, who may have it, and the records of what was sent. */
#include "download/download.h"

#include <stdlib.h>
#include <string.h>

#include "catalog/file_reader.h"
#include "http/server.h"
#include "protocol/topic.h"

#define TRANSFERS_MOST 100000u /* devices that download between two writes of the store */

struct fw_download {
	const struct fw_options *options;
	struct fw_hosting hosting;
	struct fw_counters *counters;
	struct fw_transfers *transfers;
	struct fw_file_reader *file_reader;
	struct fw_chunks *chunks;
	struct fw_http *http;
};

enum fw_status fw_download_new(const struct fw_options *options, struct fw_counters *counters,
	struct fw_download **out, struct fw_error *error)
{
	struct fw_download *download = calloc(1, sizeof(*download));
	enum fw_status status;

	if (!download)
		return FW_NOMEM;
	download->options = options;
	download->counters = counters;
	download->transfers = fw_transfers_new(TRANSFERS_MOST);
	status = download->transfers ? fw_hosting_init(&download->hosting, options, error)
				     : FW_NOMEM;
	if (status != FW_OK) {
		fw_download_free(download);
		return status;
	}
	*out = download;
	return FW_OK;
}

void fw_download_free(struct fw_download *download)
{
	if (!download)
		return;
	fw_download_stop(download);
	fw_transfers_free(download->transfers);
	free(download);
}

static enum fw_status find_for_http(void *context, struct fw_slice firmware_id,
	struct fw_slice file, struct fw_hosted_file *out)
{
	struct fw_download *download = context;

	return fw_file_reader_find(download->file_reader, firmware_id, file, out);
}

static enum fw_status find_for_chunk(
	void *context, struct fw_slice firmware_id, struct fw_hosted_file *out)
{
	struct fw_download *download = context;

	return fw_file_reader_find(
		download->file_reader, firmware_id, (struct fw_slice){NULL, 0}, out);
}

static bool is_withdrawn(void *context, struct fw_slice firmware_id)
{
	struct fw_download *download = context;

	return fw_file_reader_withdrawn(download->file_reader, firmware_id);
}

static bool read_seconds(struct fw_slice text, int64_t *out)
{
	int64_t number = 0;

	/* as fw_url_mint writes it, and in no other way */
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

static bool permit(void *context, const struct fw_hosted_file *file, struct fw_slice name,
	const struct fw_http_query *query, struct fw_slice *device)
{
	const struct fw_download *download = context;
	struct fw_url_grant grant = {.product = fw_slice_of(file->product_id),
		.device = query->device,
		.firmware_id = fw_slice_of(file->firmware_id),
		.file = name};

	if (!fw_hosting_expires(&download->hosting))
		return true;
	if (!fw_topic_id_valid(query->device) || !read_seconds(query->expires, &grant.expires) ||
		!fw_url_check(&download->hosting.key, &grant, query->signature, fw_now_ms() / 1000))
		return false;
	*device = query->device;
	return true;
}

static void note_transfer(void *context, const struct fw_transfer *part)
{
	struct fw_download *download = context;
	int64_t now = fw_now_ms();
	struct fw_transfers_record record = {.first_at = now,
		.last_at = part->bytes ? now : 0,
		.bytes = part->bytes,
		.reached = part->reached,
		.total = part->total,
		.requests = part->started};

	fw_slice_copy(part->product, record.product_id, sizeof(record.product_id));
	fw_slice_copy(part->device, record.device_id, sizeof(record.device_id));
	fw_slice_copy(part->firmware_id, record.firmware_id, sizeof(record.firmware_id));
	if (part->image.len >= sizeof(record.image))
		memcpy(record.image, part->image.at, sizeof(record.image) - 1);
	fw_spans_add(record.spans, &record.span_count, FW_TRANSFERS_SPANS,
		(struct fw_span){part->reached - part->bytes, part->reached});
	fw_transfers_note(download->transfers, &record);
}

static void sample(void *context)
{
	struct fw_download *download = context;

	fw_http_sample(download->http);
}

static enum fw_status start_http(struct fw_download *download, struct fw_error *error)
{
	struct fw_http_config config = {.listen = download->options->http_listen,
		.context = download,
		.find = find_for_http,
		.permit = permit,
		.transferred = note_transfer,
		.withdrawn = is_withdrawn,
		.counters = download->counters,
		.is_private = fw_hosting_expires(&download->hosting)};
	enum fw_status status;

	if (!config.listen)
		return FW_OK;
	status = fw_http_start(&config, &download->http, error);
	if (status == FW_OK)
		fw_transfers_set_sampler(download->transfers, sample, download);
	return status;
}

enum fw_status fw_download_start(
	struct fw_download *download, struct fw_waker waker, struct fw_error *error)
{
	struct fw_chunk_config config = {.context = download,
		.find = find_for_chunk,
		.transferred = note_transfer,
		.counters = download->counters,
		.waker = waker,
		.rate_total = download->options->chunk_rate_total};
	enum fw_status status = fw_file_reader_open(
		download->options->db_file, &download->hosting, &download->file_reader, error);

	if (status == FW_OK)
		status = fw_chunks_start(&config, &download->chunks, error);
	return status == FW_OK ? start_http(download, error) : status;
}

void fw_download_stop(struct fw_download *download)
{
	if (!download)
		return;
	if (download->transfers)
		fw_transfers_set_sampler(download->transfers, NULL, NULL);
	fw_http_stop(download->http);
	fw_chunks_stop(download->chunks);
	fw_file_reader_close(download->file_reader);
	download->http = NULL;
	download->chunks = NULL;
	download->file_reader = NULL;
}

struct fw_hosting *fw_download_hosting(struct fw_download *download)
{
	return &download->hosting;
}

struct fw_transfers *fw_download_transfers(struct fw_download *download)
{
	return download->transfers;
}

struct fw_chunks *fw_download_chunks(struct fw_download *download)
{
	return download->chunks;
}
