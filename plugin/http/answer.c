/* Answers of the download server. A file is sent whole, as one range, or as several in one body;
 * the response owns the file's descriptor, and the transfer follows how much of it has arrived. */
#include "http/answer.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "files/url.h"
#include "http/multipart.h"

#define NS_OF_SECOND 1000000000

/* Bytes of a body of several ranges that are read at once: the memory of such an answer. */
#define BLOCK 16384u

/* Of an answer's head: "HTTP/1.1 206 Partial Content", Date, and the last line's end. */
#define HEAD_FIXED 69

static void add(struct MHD_Response *response, const char *name, const char *value)
{
	/* without memory an answer lacks a header */
	MHD_add_response_header(response, name, value);
}

static enum MHD_Result queue(
	const struct fw_http_request *request, unsigned code, struct MHD_Response *response)
{
	enum MHD_Result result = MHD_queue_response(request->mhd, code, response);

	MHD_destroy_response(response);
	fw_count_add(
		request->http->config.counters, FW_COUNT_DOWNLOADS_REFUSED, (uint64_t)code >= 400);
	fw_http_connection_renew(request->http, request->connection, NULL);
	return result;
}

enum MHD_Result fw_http_answer_text(const struct fw_http_request *request, unsigned code,
	const char *name, const char *value, const char *text)
{
	struct MHD_Response *response = MHD_create_response_from_buffer(
		strlen(text), (void *)(uintptr_t)text, MHD_RESPMEM_PERSISTENT);

	if (!response)
		return MHD_NO;
	add(response, MHD_HTTP_HEADER_CONTENT_TYPE, "text/plain; charset=utf-8");
	add(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
	if (name)
		add(response, name, value);
	return queue(request, code, response);
}

/* Last-Modified is the file's change time: no tool sets it back, so an image that replaces another
 * has a later one, whatever date it came with. One in the future is not sent (RFC 9110, section
 * 8.8.2.1). */
static void describe(struct fw_http_request *request)
{
	int64_t modified = request->file.stamp.ctime_ns / NS_OF_SECOND;

	snprintf(request->etag, sizeof(request->etag), "\"%.64s\"", request->file.sha256);
	request->validators = (struct fw_http_validators){.etag = request->etag,
		.modified = modified,
		.has_modified = modified <= fw_now_ms() / 1000 &&
			fw_http_date_format(modified, request->modified)};
}

/* --- what is wanted --- */

struct wanted {
	struct fw_http_conditions conditions;
	const char *range; /* the Range header; NULL: none, or several */
	unsigned range_lines;
};

static enum MHD_Result read_line(
	void *context, enum MHD_ValueKind kind, const char *name, const char *value)
{
	struct wanted *wanted = context;

	(void)kind;
	if (strcasecmp(name, MHD_HTTP_HEADER_RANGE) == 0)
		wanted->range = wanted->range_lines++ ? NULL : value;
	else
		fw_http_conditions_add(&wanted->conditions, name, value);
	return MHD_YES;
}

static struct wanted read_lines(const struct fw_http_request *request)
{
	struct wanted wanted = {
		.conditions = {.validators = &request->validators, .now = fw_now_ms() / 1000}};

	MHD_get_connection_values(request->mhd, MHD_HEADER_KIND, read_line, &wanted);
	return wanted;
}

static enum fw_http_range read_ranges(struct fw_http_request *request, const struct wanted *wanted)
{
	enum fw_http_range kind = FW_RANGE_NONE;

	if (!request->head && fw_http_conditions_allow_range(&wanted->conditions))
		kind = fw_http_ranges_parse(
			wanted->range, request->file.stamp.size, request->ranges, &request->count);
	if (kind != FW_RANGE_PART)
		request->count = 0;
	return kind;
}

/* --- headers --- */

/* RFC 6266, section 4.3: a name in ASCII that every client understands, and the real one. */
static void add_disposition(struct MHD_Response *response, struct fw_slice name)
{
	char value[64 + FW_HTTP_VALUE * 4], *at = value;

	at = mempcpy(at, "attachment; filename=\"", 22);
	for (size_t i = 0; i < name.len; i++) {
		unsigned char byte = (unsigned char)name.at[i];

		*at = name.at[i];
		if (byte < 0x20 || byte >= 0x7f || byte == '"' || byte == '\\' || byte == '%')
			*at = '_';
		at++;
	}
	at = mempcpy(at, "\"; filename*=UTF-8''", 20);
	*fw_url_encode(at, name) = '\0';
	add(response, MHD_HTTP_HEADER_CONTENT_DISPOSITION, value);
}

static const char *cache_control(const struct fw_http_request *request, unsigned code)
{
	if (code >= 400)
		return "no-store";
	return request->http->config.is_private ? "private, no-store" : "public, max-age=60";
}

static void add_validators(
	const struct fw_http_request *request, unsigned code, struct MHD_Response *response)
{
	add(response, MHD_HTTP_HEADER_ETAG, request->etag);
	if (request->validators.has_modified)
		add(response, MHD_HTTP_HEADER_LAST_MODIFIED, request->modified);
	add(response, MHD_HTTP_HEADER_CACHE_CONTROL, cache_control(request, code));
	add(response, MHD_HTTP_HEADER_ACCEPT_RANGES, "bytes");
}

static enum MHD_Result answer_empty(
	struct fw_http_request *request, unsigned code, const char *name, const char *value)
{
	struct MHD_Response *response =
		MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT);

	close(request->file.fd);
	if (!response)
		return MHD_NO;
	add_validators(request, code, response);
	if (name)
		add(response, name, value);
	return queue(request, code, response);
}

static void add_part_headers(const struct fw_http_request *request,
	const struct fw_http_multipart *multipart, struct MHD_Response *response)
{
	const struct fw_http_range_of *range = &request->ranges[0];
	char text[80];

	if (multipart) {
		snprintf(text, sizeof(text), FW_HTTP_BOUNDARY_TYPE "%s",
			fw_http_multipart_boundary(multipart));
		add(response, MHD_HTTP_HEADER_CONTENT_TYPE, text);
		return;
	}
	snprintf(text, sizeof(text), "bytes %" PRId64 "-%" PRId64 "/%" PRId64, range->first,
		range->first + range->length - 1, request->file.stamp.size);
	add(response, MHD_HTTP_HEADER_CONTENT_RANGE, text);
	add(response, MHD_HTTP_HEADER_CONTENT_TYPE, "application/octet-stream");
}

/* --- bodies --- */

/* What the library reads a body of several ranges from. */
struct body {
	int fd;
	struct fw_http_multipart *multipart;
};

static ssize_t read_body(void *context, uint64_t at, char *out, size_t most)
{
	const struct body *body = context;
	ssize_t got = fw_http_multipart_read(body->multipart, (int64_t)at, out, most);

	if (got > 0)
		return got;
	return got == 0 ? MHD_CONTENT_READER_END_OF_STREAM : MHD_CONTENT_READER_END_WITH_ERROR;
}

static void free_body(void *context)
{
	struct body *body = context;

	fw_http_multipart_free(body->multipart);
	close(body->fd);
	free(body);
}

/* NULL when out of memory. Else the response owns the file, and *out, the layout of the ranges. */
static struct MHD_Response *make_multipart(
	const struct fw_http_request *request, struct fw_http_multipart **out)
{
	struct body *body = calloc(1, sizeof(*body));
	struct MHD_Response *response = NULL;

	if (!body)
		return NULL;
	body->fd = request->file.fd;
	body->multipart = fw_http_multipart_new(
		body->fd, request->file.stamp.size, request->ranges, request->count);
	if (body->multipart)
		response = MHD_create_response_from_callback(
			(uint64_t)fw_http_multipart_length(body->multipart), BLOCK, read_body, body,
			free_body);
	if (!response) {
		fw_http_multipart_free(body->multipart);
		free(body);
		return NULL;
	}
	*out = body->multipart;
	return response;
}

static struct MHD_Response *make_response(
	const struct fw_http_request *request, struct fw_http_multipart **multipart)
{
	struct fw_http_range_of range = {0, request->file.stamp.size};

	if (request->count > 1)
		return make_multipart(request, multipart);
	if (request->count == 1)
		range = request->ranges[0];
	return MHD_create_response_from_fd_at_offset64(
		(uint64_t)range.length, request->file.fd, (uint64_t)range.first);
}

static enum MHD_Result add_length(
	void *context, enum MHD_ValueKind kind, const char *name, const char *value)
{
	(void)kind;
	*(int64_t *)context += (int64_t)(strlen(name) + strlen(value) + 4);
	return MHD_YES;
}

/* Bytes of an answer's head; the true number may be some thirty larger. */
static int64_t head_of(struct MHD_Response *response)
{
	int64_t length = HEAD_FIXED;

	MHD_get_response_headers(response, add_length, &length);
	return length;
}

static struct fw_http_transfer *make_transfer(const struct fw_http_request *request,
	struct MHD_Response *response, const struct fw_http_multipart *multipart,
	struct fw_slice device)
{
	struct fw_http_transfer *transfer = calloc(1, sizeof(*transfer));

	if (!transfer)
		return NULL;
	transfer->response = response;
	transfer->multipart = multipart;
	transfer->fd = request->file.fd;
	transfer->stamp = request->file.stamp;
	memcpy(transfer->product_id, request->file.product_id, sizeof(transfer->product_id));
	memcpy(transfer->firmware_id, request->file.firmware_id, sizeof(transfer->firmware_id));
	memcpy(transfer->sha256, request->file.sha256, sizeof(transfer->sha256));
	if (device.len && device.len <= FW_ID_MAX)
		memcpy(transfer->device_id, device.at, device.len);
	transfer->from = request->count ? request->ranges[0].first : 0;
	transfer->length = request->count ? request->ranges[0].length : request->file.stamp.size;
	if (multipart)
		transfer->length = fw_http_multipart_length(multipart);
	transfer->head = head_of(response);
	return transfer;
}

/* Without memory to follow a transfer, none is begun. */
static enum MHD_Result send_file(struct fw_http_request *request, struct fw_slice device)
{
	struct fw_http_multipart *multipart = NULL;
	struct MHD_Response *response = make_response(request, &multipart);
	struct fw_http_transfer *transfer = NULL;
	unsigned code = request->count ? MHD_HTTP_PARTIAL_CONTENT : MHD_HTTP_OK;

	if (!response) {
		close(request->file.fd);
		return MHD_NO;
	}
	add_validators(request, code, response);
	add_disposition(response, request->file_name);
	if (request->count)
		add_part_headers(request, multipart, response);
	else
		add(response, MHD_HTTP_HEADER_CONTENT_TYPE, "application/octet-stream");
	if ((!request->head && !(transfer = make_transfer(request, response, multipart, device))) ||
		MHD_queue_response(request->mhd, code, response) != MHD_YES) {
		MHD_destroy_response(response);
		free(transfer);
		return MHD_NO;
	}
	if (!transfer)
		MHD_destroy_response(response);
	fw_http_connection_renew(request->http, request->connection, transfer);
	return MHD_YES;
}

/* Conditions come before ranges: RFC 9110, section 13.2.2. */
enum MHD_Result fw_http_answer_file(struct fw_http_request *request, struct fw_slice device)
{
	struct wanted wanted;
	char text[40];

	describe(request);
	wanted = read_lines(request);
	switch (fw_http_conditions_check(&wanted.conditions)) {
	case FW_HTTP_NOT_MODIFIED:
		return answer_empty(request, MHD_HTTP_NOT_MODIFIED, NULL, NULL);
	case FW_HTTP_FAILED:
		return answer_empty(request, MHD_HTTP_PRECONDITION_FAILED, NULL, NULL);
	case FW_HTTP_GO_ON:
		break;
	}
	if (read_ranges(request, &wanted) != FW_RANGE_UNSATISFIABLE)
		return send_file(request, device);
	snprintf(text, sizeof(text), "bytes */%" PRId64, request->file.stamp.size);
	return answer_empty(
		request, MHD_HTTP_RANGE_NOT_SATISFIABLE, MHD_HTTP_HEADER_CONTENT_RANGE, text);
}
