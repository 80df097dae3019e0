/* Takes a request's head, and refuses what may not be asked, in this order:
 *
 *   421  Host is no name of this server
 *   403  it may change something, and comes from a page of another site
 *   415  it may change something, and has a type that a form can send
 *   401, 403, 429, 503   there is no login: fw_web_is_known
 *   404, 405   there is no such path, or it has other methods
 *
 * A foreign page is refused before the login: else it could use up the tries of its visitors. */
#include "control/web_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http/asked.h"

const char *fw_web_header(const struct fw_web_request *request, const char *name)
{
	return MHD_lookup_connection_value(request->mhd, MHD_HEADER_KIND, name);
}

/* Begins a request. The library does not answer at all when a query has more parameters than it has
 * memory for. So the query is copied, and cut off in the library's own buffer, before the library
 * reads it. */
void *fw_web_on_uri(void *context, const char *uri, struct MHD_Connection *mhd)
{
	struct fw_web_request *request = calloc(1, sizeof(*request));
	char *query;

	if (!request)
		return NULL;
	request->web = context;
	request->mhd = mhd;
	request->path = strdup(fw_http_path_of(uri));
	if (!request->path) {
		free(request);
		return NULL;
	}
	query = strchr(request->path, '?');
	if (query) {
		*query = '\0';
		request->query = query + 1;
		strchr((char *)(uintptr_t)uri, '?')[1] = '\0';
	}
	return request;
}

/* --- the head --- */

static bool is_own_host(const struct fw_web_request *request, const char *host)
{
	const char *local = request->connection->local;

	return fw_http_count_hosts(request->mhd) == 1 &&
		fw_guard_host(&request->web->guard, fw_slice_of(host), local[0] ? local : NULL);
}

/* The library has refused a length that is no number. */
static void read_length(struct fw_web_request *request)
{
	const char *text = fw_web_header(request, MHD_HTTP_HEADER_CONTENT_LENGTH);

	request->has_length = text != NULL;
	errno = 0;
	request->length = text ? strtoll(text, NULL, 10) : 0;
	if (errno || request->length < 0)
		request->length = INT64_MAX;
}

static bool is_reading(const char *method)
{
	return strcmp(method, MHD_HTTP_METHOD_GET) == 0 ||
		strcmp(method, MHD_HTTP_METHOD_HEAD) == 0;
}

/* A DELETE without a body has no type; no form sends one. */
static bool has_good_type(const struct fw_web_request *request, const char *method)
{
	enum fw_guard_type type =
		fw_guard_type(fw_web_header(request, MHD_HTTP_HEADER_CONTENT_TYPE));

	if (type == FW_TYPE_NONE)
		return strcmp(method, MHD_HTTP_METHOD_DELETE) == 0 && request->length == 0 &&
			!fw_web_header(request, MHD_HTTP_HEADER_TRANSFER_ENCODING);
	return type != FW_TYPE_OTHER;
}

/* The status with which the request is refused as foreign; 0: it is not. */
static unsigned guard(const struct fw_web_request *request, const char *method)
{
	const char *host = fw_web_header(request, MHD_HTTP_HEADER_HOST);

	if (!host || !is_own_host(request, host))
		return MHD_HTTP_MISDIRECTED_REQUEST;
	if (is_reading(method))
		return 0;
	if (!fw_guard_origin(&request->web->guard, fw_slice_of(host),
		    fw_web_header(request, MHD_HTTP_HEADER_ORIGIN),
		    fw_web_header(request, "Sec-Fetch-Site")))
		return MHD_HTTP_FORBIDDEN;
	return has_good_type(request, method) ? 0 : MHD_HTTP_UNSUPPORTED_MEDIA_TYPE;
}

static enum MHD_Result refuse_guarded(struct fw_web_request *request, unsigned status)
{
	const char *message = "a request that changes something has Content-Type "
			      "application/json, or application/octet-stream for a file";

	if (status == MHD_HTTP_MISDIRECTED_REQUEST)
		message = "Host is not a name of this server: see plugin_opt_admin_hosts";
	else if (status == MHD_HTTP_FORBIDDEN)
		message = "the request comes from a page of another site";
	return fw_web_refuse(request, status, NULL, message);
}

/* --- who --- */

static void log_login(const struct fw_web_request *request, const char *what)
{
	fw_web_log(request->web, FW_LOG_WARNING, "admin: login of '%s' from %s %s",
		request->login.session.user, request->connection->from, what);
}

bool fw_web_is_known(struct fw_web_request *request, enum MHD_Result *result)
{
	const struct fw_login_result *login = &request->login;

	if (login->error.text[0])
		fw_web_log(request->web, FW_LOG_WARNING, "%s", login->error.text);
	switch (login->verdict) {
	case FW_LOGIN_OK:
		return true;
	case FW_LOGIN_WAIT:
		request->refusal.retry_after = login->wait_seconds;
		*result = fw_web_refuse(
			request, 429, NULL, "too many logins failed: wait and try again");
		return false;
	case FW_LOGIN_FAILED:
		*result = fw_web_refuse(
			request, 503, NULL, "logins cannot be checked now: see the broker's log");
		return false;
	case FW_LOGIN_FOREIGN:
		log_login(request, "is refused: it is neither in admins nor in admin_viewers");
		*result = fw_web_refuse(request, 403, NULL, "this user may not use it");
		return false;
	case FW_LOGIN_WRONG:
		log_login(request, "failed");
		*result = fw_web_refuse(request, 401, NULL, "user name or password is wrong");
		return false;
	default:
		*result = fw_web_refuse(request, 401, NULL, "log in first");
		return false;
	}
}

static void identify(struct fw_web_request *request)
{
	struct fw_web_connection *connection = request->connection;
	struct fw_slice from = {
		connection->slot.address.bytes, sizeof(connection->slot.address.bytes)};

	if (request->web->is_unix)
		request->login = (struct fw_login_result){
			.verdict = FW_LOGIN_OK, .session = {.right = FW_RIGHT_ADMIN}};
	else
		fw_login_identify(request->web->login,
			fw_web_header(request, MHD_HTTP_HEADER_AUTHORIZATION),
			fw_web_header(request, MHD_HTTP_HEADER_COOKIE), from, &request->login);
	request->asker = (struct fw_asker){.user = fw_slice_of(request->login.session.user),
		.from = fw_slice_of(connection->from),
		.face = "http",
		.right = request->login.session.right};
}

/* --- both --- */

static const struct fw_web_asset *find_asset(const struct fw_web_request *request)
{
	const struct fw_web_config *config = &request->web->config;

	return config->asset ? config->asset(config->context, request->path) : NULL;
}

static enum MHD_Result begin(struct fw_web_request *request, const char *method)
{
	const struct fw_web_asset *asset;
	enum MHD_Result result = MHD_NO;
	unsigned refused;

	read_length(request);
	refused = guard(request, method);
	if (refused)
		return refuse_guarded(request, refused);
	fw_route_find(method, request->path, &request->match);
	asset = is_reading(method) && !request->match.route ? find_asset(request) : NULL;
	if (asset)
		return fw_web_answer_asset(request, asset);
	if (!request->match.route || !fw_route_is_public(request->match.route)) {
		identify(request);
		if (!fw_web_is_known(request, &result))
			return result;
	}
	if (!request->match.route)
		return request->match.allowed[0]
			? fw_web_refuse(request, 405, NULL, "this path has other methods")
			: fw_web_refuse(request, 404, NULL, "there is nothing of this name");
	return fw_web_body_begin(request);
}

enum MHD_Result fw_web_on_request(void *context, struct MHD_Connection *mhd, const char *url,
	const char *method, const char *version, const char *upload, size_t *upload_size,
	void **closure)
{
	struct fw_web_request *request = *closure;

	(void)context;
	(void)url;
	(void)version;
	if (!request || !fw_web_connection_of(mhd))
		return MHD_NO;
	if (!request->begun) {
		request->begun = true;
		request->connection = fw_web_connection_of(mhd);
		return begin(request, method);
	}
	if (*upload_size) {
		request->received += (int64_t)*upload_size;
		if (!request->refusal.status)
			fw_web_body_take(request, upload, *upload_size);
		*upload_size = 0;
		return MHD_YES;
	}
	request->whole = true;
	if (request->refusal.status)
		return fw_web_answer(request, &request->refusal);
	return fw_web_body_end(request);
}

void fw_web_on_completed(void *context, struct MHD_Connection *mhd, void **closure,
	enum MHD_RequestTerminationCode code)
{
	struct fw_web *web = context;
	struct fw_web_connection *connection = fw_web_connection_of(mhd);
	struct fw_web_request *request = *closure;

	(void)code;
	*closure = NULL;
	if (connection)
		fw_web_patience(web, connection, web->config.timeout_seconds);
	if (!request)
		return;
	fw_web_body_broke_off(request);
	fw_upload_free(request->upload);
	free(request->refusal.text);
	free(request->body);
	free(request->path);
	free(request);
}
