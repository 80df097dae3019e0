#include "http_state.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#include "url.h"

#define VALUE_MAX 256u /* bytes of a decoded part of the URL */

#define PARAMETERS_MAX 32u /* of a query; each takes much of the memory of a connection */

/* What *closure points at: the query has too many parameters; the head of a request is in. */
static char is_overlong, headers_seen;

struct request {
	struct fw_http *http;
	struct MHD_Connection *connection;
	struct fw_http_place *place;
	bool head;
	char firmware_id_text[3 * VALUE_MAX], file_text[3 * VALUE_MAX];
	char device_text[3 * VALUE_MAX], expires_text[3 * VALUE_MAX], signature_text[3 * VALUE_MAX];
	struct fw_slice firmware_id, file_name;
	struct fw_http_query query;
	struct fw_http_file file;
	char etag[FW_SHA256_TEXT + 2], modified[40];
	int64_t first, length;
};

static void add(struct MHD_Response *response, const char *name, const char *value)
{
	/* without memory an answer lacks a header */
	MHD_add_response_header(response, name, value);
}

/* A refusal. */
static enum MHD_Result answer_text(const struct request *request, unsigned code, const char *name, const char *value, const char *text)
{
	struct MHD_Response *response = MHD_create_response_from_buffer(strlen(text), (void *)(uintptr_t)text, MHD_RESPMEM_PERSISTENT);
	enum MHD_Result result;

	if (!response)
		return MHD_NO;
	add(response, MHD_HTTP_HEADER_CONTENT_TYPE, "text/plain; charset=utf-8");
	if (name)
		add(response, name, value);
	result = MHD_queue_response(request->connection, code, response);
	MHD_destroy_response(response);
	fw_http_count(request->http, FW_COUNT_DOWNLOADS_REFUSED, 1);
	fw_http_place_renew(request->http, request->place, NULL);
	return result;
}

static enum MHD_Result not_found(const struct request *request)
{
	return answer_text(request, MHD_HTTP_NOT_FOUND, NULL, NULL, "There is no such firmware.\n");
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

/* What proxies send is "http://host/path": RFC 9112, section 3.2.2. */
static const char *path_of(const char *url)
{
	size_t scheme = strncasecmp(url, "http://", 7) == 0 ? 7 : strncasecmp(url, "https://", 8) == 0 ? 8 : 0;

	return scheme ? strchrnul(url + scheme, '/') : url;
}

static bool parse_path(struct request *request, const char *uri)
{
	static const char prefix[] = "/firmware/";
	const char *url = path_of(uri), *id = url + sizeof(prefix) - 1, *slash;

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
	/* A condition that does not hold means the whole file: RFC 9110, section 13.1.5. One by date never does: two images may have the same,
	 * so it is no strong validator. */
	if (request->head || (condition && strcmp(condition, request->etag) != 0))
		return FW_RANGE_NONE;
	return fw_http_range_parse(header(request, MHD_HTTP_HEADER_RANGE), request->file.stamp.size, &request->first, &request->length);
}

/* RFC 6266: a name that everybody understands, and the real one. */
static void add_disposition(struct MHD_Response *response, struct fw_slice name)
{
	char value[64 + VALUE_MAX * 4], *at = value;

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
	fw_http_count(request->http, FW_COUNT_DOWNLOADS_REFUSED, code >= 400);
	fw_http_place_renew(request->http, request->place, NULL);
	return result;
}

static struct fw_http_transfer *make_transfer(const struct request *request, struct MHD_Response *response, struct fw_slice device)
{
	struct fw_http_transfer *transfer = calloc(1, sizeof(*transfer));

	if (!transfer)
		return NULL;
	transfer->response = response;
	transfer->fd = request->file.fd;
	transfer->stamp = request->file.stamp;
	memcpy(transfer->product_id, request->file.product_id, sizeof(transfer->product_id));
	memcpy(transfer->firmware_id, request->file.firmware_id, sizeof(transfer->firmware_id));
	if (device.len && device.len <= FW_ID_MAX)
		memcpy(transfer->device_id, device.at, device.len);
	transfer->from = request->first;
	transfer->length = request->length;
	return transfer;
}

static struct MHD_Response *make_file_response(const struct request *request, bool part)
{
	struct MHD_Response *response = MHD_create_response_from_fd_at_offset64((uint64_t)request->length, request->file.fd, (uint64_t)request->first);
	char range[80];

	if (!response)
		return NULL;
	add_validators(request, response);
	add(response, MHD_HTTP_HEADER_CONTENT_TYPE, "application/octet-stream");
	add_disposition(response, request->file_name);
	if (part) {
		snprintf(range, sizeof(range), "bytes %" PRId64 "-%" PRId64 "/%" PRId64, request->first, request->first + request->length - 1,
			request->file.stamp.size);
		add(response, MHD_HTTP_HEADER_CONTENT_RANGE, range);
	}
	return response;
}

/* A transfer that nobody could follow, for want of memory, is not begun. */
static enum MHD_Result send_file(struct request *request, bool part, struct fw_slice device)
{
	struct MHD_Response *response = make_file_response(request, part);
	struct fw_http_transfer *transfer = NULL;

	if (!response) {
		close(request->file.fd);
		return MHD_NO;
	}
	if ((!request->head && !(transfer = make_transfer(request, response, device))) ||
		MHD_queue_response(request->connection, part ? MHD_HTTP_PARTIAL_CONTENT : MHD_HTTP_OK, response) != MHD_YES) {
		MHD_destroy_response(response);
		free(transfer);
		return MHD_NO;
	}
	if (!transfer)
		MHD_destroy_response(response);
	fw_http_place_renew(request->http, request->place, transfer);
	return MHD_YES;
}

static enum MHD_Result answer_file(struct request *request, struct fw_slice device)
{
	const char *known = header(request, MHD_HTTP_HEADER_IF_NONE_MATCH);
	enum fw_http_range range;
	char text[40];

	describe(request);
	if (known && in_list(known, request->etag))
		return answer_empty(request, MHD_HTTP_NOT_MODIFIED, NULL, NULL);
	range = wanted_range(request);
	if (range != FW_RANGE_UNSATISFIABLE)
		return send_file(request, range == FW_RANGE_PART, device);
	snprintf(text, sizeof(text), "bytes */%" PRId64, request->file.stamp.size);
	return answer_empty(request, MHD_HTTP_RANGE_NOT_SATISFIABLE, MHD_HTTP_HEADER_CONTENT_RANGE, text);
}

static enum MHD_Result answer(struct request *request, const char *url)
{
	const struct fw_http_config *config = &request->http->config;
	struct fw_slice device = {NULL, 0};
	enum fw_status status;

	if (!parse_path(request, url))
		return not_found(request);
	status = config->find(config->context, request->firmware_id, request->file_name, &request->file);
	if (status == FW_NOT_FOUND)
		return not_found(request);
	if (status != FW_OK)
		return answer_text(request, MHD_HTTP_SERVICE_UNAVAILABLE, MHD_HTTP_HEADER_RETRY_AFTER, "5", "Try again later.\n");
	take_query(request, "device", request->device_text, &request->query.device);
	take_query(request, "expires", request->expires_text, &request->query.expires);
	take_query(request, "signature", request->signature_text, &request->query.signature);
	if (!config->permit(config->context, &request->file, request->file_name, &request->query, &device)) {
		close(request->file.fd);
		return answer_text(request, MHD_HTTP_FORBIDDEN, NULL, NULL, "This address is not valid, or not any more: ask for the firmware again.\n");
	}
	return answer_file(request, device);
}

static enum MHD_Result count_host(void *context, enum MHD_ValueKind kind, const char *name, const char *value)
{
	(void)kind;
	(void)value;
	*(unsigned *)context += strcasecmp(name, MHD_HTTP_HEADER_HOST) == 0;
	return MHD_YES;
}

/* RFC 9112, section 3.2: HTTP/1.1 names the host, and once. */
static bool names_host(const struct request *request, const char *version)
{
	unsigned hosts = 0;

	MHD_get_connection_values(request->connection, MHD_HEADER_KIND, count_host, &hosts);
	return hosts == 1 || (hosts == 0 && strcmp(version, MHD_HTTP_VERSION_1_1) != 0);
}

/* What can be said by the head alone. MHD_YES without an answer: go on. */
static enum MHD_Result look_at_head(const struct request *request, const char *method, const char *version, bool overlong)
{
	if (overlong)
		return answer_text(request, MHD_HTTP_URI_TOO_LONG, NULL, NULL, "Too many parameters.\n");
	if (!request->head && strcmp(method, MHD_HTTP_METHOD_GET) != 0)
		return answer_text(request, MHD_HTTP_METHOD_NOT_ALLOWED, MHD_HTTP_HEADER_ALLOW, "GET, HEAD", "Only GET and HEAD.\n");
	if (!names_host(request, version))
		return answer_text(request, MHD_HTTP_BAD_REQUEST, NULL, NULL, "HTTP/1.1 needs one Host header.\n");
	return MHD_YES;
}

enum MHD_Result fw_http_on_request(void *context, struct MHD_Connection *connection, const char *url, const char *method, const char *version,
	const char *upload, size_t *upload_size, void **closure)
{
	struct request request = {.http = context, .connection = connection, .place = fw_http_place_of(connection),
		.head = strcmp(method, MHD_HTTP_METHOD_HEAD) == 0};

	(void)upload;
	if (!request.place)
		return MHD_NO;
	if (*closure != &headers_seen) {
		bool overlong = *closure == &is_overlong;

		*closure = &headers_seen;
		return look_at_head(&request, method, version, overlong);
	}
	if (*upload_size) {
		*upload_size = 0;
		return MHD_YES;
	}
	return answer(&request, url);
}

/* The library does not answer at all when a query has more parameters than it has memory for, so these are cut off before it looks at them;
 * the text is in its own buffer. */
void *fw_http_on_uri(void *context, const char *uri, struct MHD_Connection *connection)
{
	const char *query = strchr(uri, '?');
	unsigned parameters = 0;

	(void)context;
	(void)connection;
	for (const char *at = query; at; at = strchr(at + 1, '&'))
		parameters++;
	if (parameters <= PARAMETERS_MAX)
		return NULL;
	*(char *)(uintptr_t)(query + 1) = '\0';
	return &is_overlong;
}

void fw_http_on_completed(void *context, struct MHD_Connection *connection, void **closure, enum MHD_RequestTerminationCode code)
{
	struct fw_http_place *place = fw_http_place_of(connection);

	*closure = NULL;
	if (!place)
		return;
	if (place->transfer)
		fw_http_transfer_end(context, place, code == MHD_REQUEST_TERMINATED_COMPLETED_OK);
	fw_http_place_renew(context, place, NULL);
}
