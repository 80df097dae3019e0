/* Reads a request: the library calls first for the target, then for the head, then, once the body
 * is in, for the answer. What the head alone rules out is refused at once. */
#include "http/answer.h"

#include <string.h>
#include <unistd.h>

#include "files/url.h"
#include "http/asked.h"

#define PARAMETERS_MAX 32u /* of a query; each takes much of the memory of a connection */

/* What *closure points at: the query has too many parameters; the head of a request is in. */
static char is_overlong, headers_seen;

static enum MHD_Result not_found(const struct fw_http_request *request)
{
	return fw_http_answer_text(
		request, MHD_HTTP_NOT_FOUND, NULL, NULL, "There is no such firmware.\n");
}

/* Copies and decodes one part of the URL; false when it is too long or no good. */
static bool take_part(struct fw_slice raw, char *out, struct fw_slice *part)
{
	size_t len = raw.len;

	if (len >= 3 * FW_HTTP_VALUE)
		return false;
	memcpy(out, raw.at, len);
	if (!fw_url_decode(out, &len) || len >= FW_HTTP_VALUE)
		return false;
	out[len] = '\0';
	*part = (struct fw_slice){out, len};
	return true;
}

static bool parse_path(struct fw_http_request *request, const char *uri)
{
	static const char prefix[] = "/firmware/";
	const char *url = fw_http_path_of(uri), *id = url + sizeof(prefix) - 1, *slash;

	if (strncmp(url, prefix, sizeof(prefix) - 1) != 0 || !(slash = strchr(id, '/')) ||
		strchr(slash + 1, '/'))
		return false;
	return take_part((struct fw_slice){id, (size_t)(slash - id)}, request->firmware_id_text,
		       &request->firmware_id) &&
		take_part(fw_slice_of(slash + 1), request->file_text, &request->file_name) &&
		request->firmware_id.len && request->file_name.len;
}

static void take_query(
	struct fw_http_request *request, const char *name, char *text, struct fw_slice *out)
{
	const char *value = MHD_lookup_connection_value(request->mhd, MHD_GET_ARGUMENT_KIND, name);

	if (!value || !take_part(fw_slice_of(value), text, out))
		*out = (struct fw_slice){text, 0};
}

static enum MHD_Result answer_request(struct fw_http_request *request, const char *url)
{
	const struct fw_http_config *config = &request->http->config;
	struct fw_slice device = {NULL, 0};
	enum fw_status status;

	if (!parse_path(request, url))
		return not_found(request);
	status = config->find(
		config->context, request->firmware_id, request->file_name, &request->file);
	if (status == FW_NOT_FOUND)
		return not_found(request);
	if (status != FW_OK)
		return fw_http_answer_text(request, MHD_HTTP_SERVICE_UNAVAILABLE,
			MHD_HTTP_HEADER_RETRY_AFTER, "5", "Try again later.\n");
	take_query(request, "device", request->device_text, &request->query.device);
	take_query(request, "expires", request->expires_text, &request->query.expires);
	take_query(request, "signature", request->signature_text, &request->query.signature);
	if (!config->permit(config->context, &request->file, request->file_name, &request->query,
		    &device)) {
		close(request->file.fd);
		return fw_http_answer_text(request, MHD_HTTP_FORBIDDEN, NULL, NULL,
			"This address is not valid, or not any more: ask for the firmware "
			"again.\n");
	}
	return fw_http_answer_file(request, device);
}

/* RFC 9112, section 3.2: HTTP/1.1 names the host, and once. */
static bool names_host(const struct fw_http_request *request, const char *version)
{
	unsigned hosts = fw_http_count_hosts(request->mhd);

	return hosts == 1 || (hosts == 0 && strcmp(version, MHD_HTTP_VERSION_1_1) != 0);
}

/* Refuses what the head alone rules out. MHD_YES without an answer: go on. */
static enum MHD_Result check_head(const struct fw_http_request *request, const char *method,
	const char *version, bool overlong)
{
	if (overlong)
		return fw_http_answer_text(
			request, MHD_HTTP_URI_TOO_LONG, NULL, NULL, "Too many parameters.\n");
	if (!request->head && strcmp(method, MHD_HTTP_METHOD_GET) != 0)
		return fw_http_answer_text(request, MHD_HTTP_METHOD_NOT_ALLOWED,
			MHD_HTTP_HEADER_ALLOW, "GET, HEAD", "Only GET and HEAD.\n");
	if (!names_host(request, version))
		return fw_http_answer_text(request, MHD_HTTP_BAD_REQUEST, NULL, NULL,
			"HTTP/1.1 needs one Host header.\n");
	return MHD_YES;
}

enum MHD_Result fw_http_on_request(void *context, struct MHD_Connection *mhd, const char *url,
	const char *method, const char *version, const char *upload, size_t *upload_size,
	void **closure)
{
	struct fw_http_request request = {.http = context,
		.mhd = mhd,
		.connection = fw_http_connection_of(mhd),
		.head = strcmp(method, MHD_HTTP_METHOD_HEAD) == 0};

	(void)upload;
	if (!request.connection)
		return MHD_NO;
	if (*closure != &headers_seen) {
		bool overlong = *closure == &is_overlong;

		*closure = &headers_seen;
		return check_head(&request, method, version, overlong);
	}
	if (*upload_size) {
		*upload_size = 0;
		return MHD_YES;
	}
	return answer_request(&request, url);
}

/* The library gives no answer at all when a query has more parameters than it has memory for. So
 * the query is cut off before the library reads it: `uri` is the library's own buffer. */
void *fw_http_on_uri(void *context, const char *uri, struct MHD_Connection *mhd)
{
	const char *query = strchr(uri, '?');
	unsigned parameters = 0;

	(void)context;
	(void)mhd;
	for (const char *at = query; at; at = strchr(at + 1, '&'))
		parameters++;
	if (parameters <= PARAMETERS_MAX)
		return NULL;
	*(char *)(uintptr_t)(query + 1) = '\0';
	return &is_overlong;
}

void fw_http_on_completed(void *context, struct MHD_Connection *mhd, void **closure,
	enum MHD_RequestTerminationCode code)
{
	struct fw_http_connection *connection = fw_http_connection_of(mhd);

	*closure = NULL;
	if (!connection)
		return;
	if (connection->transfer)
		fw_http_transfer_end(
			context, connection, code == MHD_REQUEST_TERMINATED_COMPLETED_OK);
	fw_http_connection_renew(context, connection, NULL);
}
