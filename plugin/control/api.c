/* A request becomes a command, and the command's outcome an answer.
 *
 * A GET has an ETag, which is the digest of its text. A write with If-Match first asks what its GET
 * would answer. Read and write are two transactions: If-Match keeps two people from undoing each
 * other's work, and is no lock. */
#include "control/api.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>

#include "control/body.h"
#include "control/repeat.h"
#include "http/condition.h"

#define ETAG_BYTES 16u
#define BUSY_SECONDS 2

static const struct {
	const char *code;
	unsigned status;
} codes[] = {
	{"bad_request", 400},
	{"not_authenticated", 401},
	{"not_allowed", 403},
	{"not_found", 404},
	{"method_not_allowed", 405},
	{"conflict", 409},
	{"length_required", 411},
	{"precondition_failed", 412},
	{"too_large", 413},
	{"unsupported_type", 415},
	{"wrong_host", 421},
	{"too_many_failures", 429},
	{"failed", 500},
	{"busy", 503},
	{"no_space", 507},
};

unsigned fw_api_status(const char *code)
{
	for (size_t i = 0; code && i < sizeof(codes) / sizeof(codes[0]); i++) {
		if (strcmp(codes[i].code, code) == 0)
			return codes[i].status;
	}
	return 500;
}

const char *fw_api_code(unsigned status)
{
	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
		if (codes[i].status == status)
			return codes[i].code;
	}
	return "failed";
}

void fw_api_say(struct fw_api_answer *out, unsigned status, json_t *body)
{
	free(out->text);
	out->status = status;
	out->text = body ? json_dumps(body, JSON_COMPACT) : NULL;
	out->len = out->text ? strlen(out->text) : 0;
	if (!out->text)
		out->status = 500;
	if (status == 503)
		out->retry_after = BUSY_SECONDS;
	json_decref(body);
}

void fw_api_refuse(
	struct fw_api_answer *out, unsigned status, const char *code, const char *message)
{
	fw_api_say(out, status,
		json_pack("{s:s, s:s}", "code", code ? code : fw_api_code(status), "message",
			message));
}

/* --- the body --- */

json_t *fw_api_parse(struct fw_slice body, bool *none, struct fw_error *error)
{
	json_t *parsed;

	*none = body.len == 0;
	if (*none)
		return NULL;
	parsed = fw_body_parse(body, error);
	if (parsed && !json_is_object(parsed)) {
		fw_error_set(error, "the body must be a JSON object");
		json_decref(parsed);
		parsed = NULL;
	}
	return parsed;
}

/* --- what a command answers --- */

static void make_etag(struct fw_api_answer *out)
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned len;

	if (!out->text || EVP_Digest(out->text, out->len, digest, &len, EVP_sha256(), NULL) != 1)
		return;
	out->etag[0] = '"';
	fw_hex(out->etag + 1, digest, ETAG_BYTES);
	out->etag[1 + 2 * ETAG_BYTES] = '"';
	out->etag[2 + 2 * ETAG_BYTES] = '\0';
}

/* Makes the response of a command an answer, of status `done` on success. Takes it over. */
static void say_response(struct fw_api_answer *out, unsigned done, json_t *response)
{
	const char *code = json_string_value(json_object_get(response, "code"));
	const char *message = json_string_value(json_object_get(response, "error"));
	json_t *data = json_object_get(response, "data");

	if (message)
		fw_api_refuse(out, fw_api_status(code), code, message);
	else
		fw_api_say(out, done, json_incref(data));
	json_decref(response);
}

static enum fw_http_verdict check(
	const char *if_match, const char *if_none_match, const struct fw_api_answer *now)
{
	struct fw_http_validators validators = {.etag = now->etag};
	struct fw_http_conditions conditions = {.validators = &validators};

	if (if_match)
		fw_http_conditions_add(&conditions, "If-Match", if_match);
	if (if_none_match)
		fw_http_conditions_add(&conditions, "If-None-Match", if_none_match);
	return fw_http_conditions_check(&conditions);
}

static void refuse_condition(struct fw_api_answer *out)
{
	out->etag[0] = '\0';
	fw_api_refuse(out, 412, NULL,
		"it is not any more what If-Match or If-None-Match says: get it again");
}

void fw_api_tag(struct fw_api_answer *out, const char *if_match, const char *if_none_match)
{
	enum fw_http_verdict verdict;

	if (out->status != 200)
		return;
	make_etag(out);
	verdict = check(if_match, if_none_match, out);
	if (verdict == FW_HTTP_FAILED) {
		refuse_condition(out);
	} else if (verdict == FW_HTTP_NOT_MODIFIED) {
		free(out->text);
		out->text = NULL;
		out->len = 0;
		out->status = 304;
	}
}

/* The GET of the route's path; NULL: there is none. */
static const struct fw_route *reading_route(const struct fw_route *route)
{
	size_t count;
	const struct fw_route *all = fw_routes(&count);

	for (size_t i = 0; i < count; i++) {
		if (all[i].kind == FW_ROUTE_COMMAND && strcmp(all[i].method, "GET") == 0 &&
			strcmp(all[i].path, route->path) == 0)
			return &all[i];
	}
	return NULL;
}

/* Answers what the GET of the request's path would. */
static void read_now(const struct fw_api_commands *commands, const struct fw_api_request *request,
	struct fw_api_answer *out)
{
	const struct fw_route *reading = reading_route(request->match->route);
	struct fw_error error = {""};
	json_t *command = reading
		? fw_route_command(request->match, reading->command, NULL, NULL, &error)
		: NULL;

	if (!command) {
		fw_api_refuse(out, 404, NULL, "it has no state to compare with");
		return;
	}
	say_response(out, 200, commands->run(commands->context, request->asker, command));
	if (out->status == 200)
		make_etag(out);
	json_decref(command);
}

/* False: a condition of the request does not hold, and *out says so. */
static bool may_write(const struct fw_api_commands *commands, const struct fw_api_request *request,
	struct fw_api_answer *out)
{
	struct fw_api_answer now = {0};
	bool holds;

	if (!request->if_match && !request->if_none_match)
		return true;
	read_now(commands, request, &now);
	if (now.status != 200 && now.status != 404) {
		*out = now;
		return false;
	}
	/* If-Match fails, and If-None-Match holds, where nothing is: RFC 9110, section 13.1 */
	holds = now.status == 200
		? check(request->if_match, request->if_none_match, &now) == FW_HTTP_GO_ON
		: !request->if_match;
	free(now.text);
	if (!holds)
		refuse_condition(out);
	return holds;
}

/* --- a create that may be repeated --- */

static bool is_the_same(const struct fw_api_commands *commands,
	const struct fw_api_request *request, const json_t *create, const struct fw_api_answer *now)
{
	json_t *task = now->text ? json_loadb(now->text, now->len, 0, NULL) : NULL;
	bool same = task && fw_repeat_is_same(commands, request->asker, task, create);

	json_decref(task);
	return same;
}

/* A create that finds its task in the catalog already succeeds if that task is the same. */
static void answer_put(const struct fw_api_commands *commands, const struct fw_api_request *request,
	const json_t *command, struct fw_api_answer *out)
{
	struct fw_api_answer now = {0};

	say_response(out, request->match->route->created,
		commands->run(commands->context, request->asker, command));
	if (out->status != 409)
		return;
	read_now(commands, request, &now);
	if (now.status == 200 && is_the_same(commands, request, command, &now)) {
		free(out->text);
		*out = now;
		return;
	}
	free(now.text);
}

/* --- any request --- */

static void answer_command(const struct fw_api_commands *commands,
	const struct fw_api_request *request, const json_t *body, struct fw_api_answer *out)
{
	const struct fw_route *route = request->match->route;
	struct fw_error error = {""};
	json_t *command =
		fw_route_command(request->match, route->command, request->query, body, &error);

	if (!command)
		fw_api_refuse(out, 400, NULL, error.text);
	else if (strcmp(route->method, "GET") == 0)
		say_response(out, 200, commands->run(commands->context, request->asker, command));
	else if (!may_write(commands, request, out))
		; /* it is answered */
	else if (route->kind == FW_ROUTE_PUT)
		answer_put(commands, request, command, out);
	else
		say_response(out, route->created,
			commands->run(commands->context, request->asker, command));
	if (strcmp(route->method, "GET") == 0)
		fw_api_tag(out, request->if_match, request->if_none_match);
	json_decref(command);
}

void fw_api_answer(const struct fw_api_commands *commands, const struct fw_api_request *request,
	struct fw_api_answer *out)
{
	struct fw_error error = {""};
	bool none;
	json_t *body;

	*out = (struct fw_api_answer){.status = 500};
	if (request->match->route->kind == FW_ROUTE_COMMANDS) {
		fw_api_say(out, 200,
			commands->request(commands->context, request->asker, request->body));
		return;
	}
	body = fw_api_parse(request->body, &none, &error);
	if (!body && !none)
		fw_api_refuse(out, 400, NULL, error.text);
	else
		answer_command(commands, request, body, out);
	json_decref(body);
}
