/* Takes a request's body, and carries the request out when all of it has come. The bytes of an
 * upload are written to the disk as they come; any other body is small, and kept in memory. */
#include "control/web_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/openapi.h"
#include "files/folder.h"

#define UPLOAD_SECONDS 60u /* in which an upload must bring UPLOAD_LEAST bytes */
#define UPLOAD_LEAST 4096
/* bytes of a body without a login: parsed, JSON takes forty times as much memory */
#define PUBLIC_MOST 16384
#define HEALTH_MS 1000 /* for so long /healthz answers the same */

static struct fw_api_commands commands_of(struct fw_web_request *request)
{
	return (struct fw_api_commands){.context = &request->web->pool,
		.run = fw_web_pool_run,
		.request = fw_web_pool_request};
}

/* --- uploads --- */

static unsigned status_of(enum fw_upload_status status)
{
	switch (status) {
	case FW_UPLOAD_BAD_NAME:
	case FW_UPLOAD_SHORT:
		return 400;
	case FW_UPLOAD_EXISTS:
		return 409;
	case FW_UPLOAD_NO_SPACE:
		return 507;
	default:
		return 500;
	}
}

static const char *file_of(const struct fw_web_request *request)
{
	return request->match.value[0];
}

/* Writes an upload down as a command uploadFile. `code`: NULL, or that of an error. */
static void record_upload(struct fw_web_request *request, const char *code, const char *message)
{
	fw_web_pool_record(&request->web->pool, &request->asker, "uploadFile", file_of(request),
		code, message);
}

static enum MHD_Result refuse_upload(
	struct fw_web_request *request, unsigned status, const char *message)
{
	record_upload(request, fw_api_code(status), message);
	fw_upload_free(request->upload);
	request->upload = NULL;
	return fw_web_refuse(request, status, NULL, message);
}

/* The status with which the head of an upload is refused; 0: it is not. */
static unsigned refuse_head(
	const struct fw_web_request *request, enum fw_guard_type type, const char **message)
{
	if (request->asker.right != FW_RIGHT_ADMIN) {
		*message = "viewers change nothing";
		return 403;
	}
	if (type != FW_TYPE_BYTES) {
		*message = "a file has Content-Type application/octet-stream";
		return 415;
	}
	if (!request->has_length) {
		*message = "an upload needs Content-Length";
		return 411;
	}
	*message = "the file is larger than plugin_opt_admin_upload_max_bytes";
	return request->length > request->web->config.upload_max ? 413 : 0;
}

static enum MHD_Result begin_upload(struct fw_web_request *request, enum fw_guard_type type)
{
	const struct fw_web_config *config = &request->web->config;
	struct fw_error error = {""};
	const char *message;
	unsigned refused = refuse_head(request, type, &message);
	enum fw_upload_status status;

	if (refused)
		return refuse_upload(request, refused, message);
	if (fw_folder_belongs(config->files_dir, file_of(request), config->db_file)) {
		fw_error_set(&error, FW_FILE_OF_CATALOG, file_of(request));
		return refuse_upload(request, 409, error.text);
	}
	status = fw_upload_begin(
		config->files_dir, file_of(request), request->length, &request->upload, &error);
	if (status != FW_UPLOAD_OK)
		return refuse_upload(request, status_of(status), error.text);
	fw_web_patience(request->web, request->connection, UPLOAD_SECONDS);
	return MHD_YES;
}

static void take_upload(struct fw_web_request *request, const char *bytes, size_t len)
{
	struct fw_error error = {""};
	enum fw_upload_status status = fw_upload_write(request->upload, bytes, len, &error);

	if (status != FW_UPLOAD_OK) {
		refuse_upload(request, status_of(status), error.text);
	} else if (request->received - request->renewed_at >= UPLOAD_LEAST) {
		request->renewed_at = request->received;
		fw_web_patience(request->web, request->connection, UPLOAD_SECONDS);
	}
}

void fw_web_body_broke_off(struct fw_web_request *request)
{
	char message[64];

	if (!request->upload)
		return;
	snprintf(message, sizeof(message), "it broke off after %lld bytes",
		(long long)request->received);
	record_upload(request, "failed", message);
}

static enum MHD_Result end_upload(struct fw_web_request *request)
{
	struct fw_api_answer answer = {0};
	struct fw_error error = {""};
	char sha256[FW_SHA256_TEXT];
	enum fw_upload_status status = fw_upload_finish(request->upload, sha256, &error);

	if (status != FW_UPLOAD_OK)
		return refuse_upload(request, status_of(status), error.text);
	fw_upload_free(request->upload);
	request->upload = NULL;
	record_upload(request, NULL, NULL);
	fw_api_say(&answer, request->match.route->created,
		json_pack("{s:s, s:I, s:s}", "file", file_of(request), "size",
			(json_int_t)request->length, "sha256", sha256));
	return fw_web_answer(request, &answer);
}

/* --- sessions --- */

static json_t *who(const struct fw_web_request *request)
{
	const struct fw_session *session = &request->login.session;

	return json_pack("{s:s, s:s, s:i}", "username", session->user, "role",
		session->right == FW_RIGHT_ADMIN ? "admin" : "viewer", "idleSeconds",
		(int)(FW_SESSION_IDLE_MS / 1000));
}

static enum MHD_Result begin_session(struct fw_web_request *request)
{
	struct fw_api_answer answer = {0};
	char token[FW_SESSION_TOKEN];

	if (!fw_login_begin(request->web->login, &request->login.session, token))
		fw_api_refuse(&answer, 500, NULL, "the system has no random bytes to give");
	else
		fw_api_say(&answer, request->match.route->created, who(request));
	if (answer.status >= 400)
		return fw_web_answer(request, &answer);
	fw_web_log(request->web, FW_LOG_NOTICE, "admin: '%s' logged in from %s",
		request->login.session.user, request->connection->from);
	return fw_web_answer_cookie(request, &answer, token);
}

static enum MHD_Result log_in(struct fw_web_request *request)
{
	struct fw_error error = {""};
	const char *user = NULL, *password = NULL;
	enum MHD_Result result = MHD_NO;
	struct fw_slice from = {request->connection->slot.address.bytes,
		sizeof(request->connection->slot.address.bytes)};
	bool none;
	json_t *body =
		fw_api_parse((struct fw_slice){request->body, request->body_len}, &none, &error);

	if (none)
		fw_error_set(&error, "the body must be a JSON object");
	if (!body || json_unpack(body, "{s:s, s:s!}", "username", &user, "password", &password)) {
		json_decref(body);
		return fw_web_refuse(request, 400, NULL,
			body ? "the body must have username and password, and nothing else"
			     : error.text);
	}
	fw_login_check(request->web->login, fw_slice_of(user), fw_slice_of(password), from,
		&request->login);
	json_decref(body);
	return fw_web_is_known(request, &result) ? begin_session(request) : result;
}

static enum MHD_Result log_out(struct fw_web_request *request)
{
	struct fw_api_answer answer = {0};

	fw_login_end(request->web->login, fw_web_header(request, MHD_HTTP_HEADER_COOKIE));
	fw_api_say(&answer, 200, json_object());
	return fw_web_answer_cookie(request, &answer, "");
}

/* --- what is no command --- */

/* Reads the catalog, but only once in HEALTH_MS, since /healthz needs no login. A request that
 * comes while the catalog is read waits for the outcome. */
static bool is_healthy(struct fw_web *web)
{
	bool healthy;

	pthread_mutex_lock(&web->health_lock);
	if (!web->health_at || fw_boot_ms() - web->health_at >= HEALTH_MS) {
		web->healthy = fw_web_pool_can_read(&web->pool);
		web->health_at = fw_boot_ms();
	}
	healthy = web->healthy;
	pthread_mutex_unlock(&web->health_lock);
	return healthy;
}

static enum MHD_Result answer_health(struct fw_web_request *request)
{
	struct fw_api_answer answer = {0};

	if (is_healthy(request->web))
		fw_api_say(&answer, 200, json_pack("{s:s}", "status", "ok"));
	else
		fw_api_refuse(&answer, 503, NULL, "the catalog cannot be read now");
	return fw_web_answer(request, &answer);
}

static enum MHD_Result answer_metrics(struct fw_web_request *request)
{
	const struct fw_web_config *config = &request->web->config;
	const char *type = "text/plain";
	size_t len = 0;
	char *text;

	if (!config->metrics)
		return fw_web_refuse(request, 404, NULL, "there are no metrics");
	text = config->metrics(
		config->context, fw_web_header(request, MHD_HTTP_HEADER_ACCEPT), &len, &type);
	return text ? fw_web_answer_bytes(request, text, len, type)
		    : fw_web_refuse(request, 503, NULL, "the metrics cannot be read now");
}

static enum MHD_Result answer_object(struct fw_web_request *request, json_t *object)
{
	struct fw_api_answer answer = {0};

	fw_api_say(&answer, 200, object);
	fw_api_tag(&answer, fw_web_header(request, MHD_HTTP_HEADER_IF_MATCH),
		fw_web_header(request, MHD_HTTP_HEADER_IF_NONE_MATCH));
	return fw_web_answer(request, &answer);
}

/* --- any --- */

static size_t body_most(const struct fw_web_request *request)
{
	return fw_route_is_public(request->match.route) ? PUBLIC_MOST : FW_COMMANDS_BYTES_MAX;
}

static enum MHD_Result refuse_large(struct fw_web_request *request)
{
	return fw_web_refuse(request, 413, NULL,
		body_most(request) == PUBLIC_MOST ? "the body is larger than 16 KiB"
						  : "the body is larger than 1 MiB");
}

enum MHD_Result fw_web_body_begin(struct fw_web_request *request)
{
	const struct fw_route *route = request->match.route;
	enum fw_guard_type type =
		fw_guard_type(fw_web_header(request, MHD_HTTP_HEADER_CONTENT_TYPE));

	if (route->kind == FW_ROUTE_UPLOAD)
		return begin_upload(request, type);
	if (fw_route_takes_body(route) && type != FW_TYPE_JSON)
		return fw_web_refuse(
			request, 415, NULL, "the body has Content-Type application/json");
	if (request->length > (int64_t)body_most(request))
		return refuse_large(request);
	return MHD_YES;
}

void fw_web_body_take(struct fw_web_request *request, const char *bytes, size_t len)
{
	size_t room = request->body_room;
	char *larger;

	if (request->upload) {
		take_upload(request, bytes, len);
		return;
	}
	if (len > body_most(request) - request->body_len) {
		refuse_large(request);
		return;
	}
	while (room < request->body_len + len)
		room = room ? room * 2 : 4096;
	larger = room == request->body_room ? request->body : realloc(request->body, room);
	if (!larger) {
		fw_web_refuse(request, 503, NULL, "out of memory");
		return;
	}
	request->body = larger;
	request->body_room = room;
	memcpy(request->body + request->body_len, bytes, len);
	request->body_len += len;
}

static enum MHD_Result run_command(struct fw_web_request *request)
{
	struct fw_api_commands commands = commands_of(request);
	struct fw_api_answer answer;
	struct fw_api_request asked = {.match = &request->match,
		.query = request->query,
		.body = {request->body, request->body_len},
		.asker = &request->asker,
		.if_match = fw_web_header(request, MHD_HTTP_HEADER_IF_MATCH),
		.if_none_match = fw_web_header(request, MHD_HTTP_HEADER_IF_NONE_MATCH)};

	fw_api_answer(&commands, &asked, &answer);
	return fw_web_answer(request, &answer);
}

enum MHD_Result fw_web_body_end(struct fw_web_request *request)
{
	/* the client has done its part; what follows has deadlines of its own */
	fw_web_patience(request->web, request->connection, 0);
	switch (request->match.route->kind) {
	case FW_ROUTE_UPLOAD:
		return end_upload(request);
	case FW_ROUTE_LOGIN:
		return log_in(request);
	case FW_ROUTE_SESSION:
		return answer_object(request, who(request));
	case FW_ROUTE_LOGOUT:
		return log_out(request);
	case FW_ROUTE_HEALTH:
		return answer_health(request);
	case FW_ROUTE_METRICS:
		return answer_metrics(request);
	case FW_ROUTE_OPENAPI:
		return answer_object(request, fw_openapi_new());
	default:
		return run_command(request);
	}
}
