/* Any request to the HTTP API, as lines: method, path with its query, Host, Origin, Authorization,
 * Cookie, If-Match, If-None-Match, Content-Type, and the rest is the body. Whatever it is, it is
 * answered with a status that the documents name and with JSON, and the command that it becomes is
 * an object whose members the request said. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "control/api.h"
#include "control/guard.h"
#include "control/login.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { METHOD, PATH, HOST, ORIGIN, AUTHORIZATION, COOKIE, IF_MATCH, IF_NONE_MATCH, TYPE, LINES };

static void check(bool holds)
{
	if (!holds)
		abort();
}

/* A command's data is the command itself; "busy" and others are asked for by a member. */
static json_t *run(void *context, const struct fw_asker *asker, const json_t *command)
{
	const char *code = json_string_value(json_object_get(command, "name"));
	const char *name = json_string_value(json_object_get(command, "command"));

	(void)context;
	(void)asker;
	check(json_is_object(command) && name && fw_commands_find(name));
	check(!json_object_get(command, "correlationData"));
	if (code && fw_api_status(code) != 500)
		return json_pack("{s:s, s:s}", "code", code, "error", "no");
	return json_pack("{s:O}", "data", command);
}

static json_t *run_request(void *context, const struct fw_asker *asker, struct fw_slice body)
{
	(void)context;
	(void)asker;
	(void)body;
	return json_pack("{s:[]}", "responses");
}

static void check_answer(const struct fw_api_answer *answer)
{
	json_t *parsed;

	check(answer->status >= 200 && answer->status < 600);
	if (answer->status == 304) {
		check(!answer->text && answer->etag[0]);
		return;
	}
	parsed = json_loadb(answer->text, answer->len, 0, NULL);
	check(parsed != NULL);
	check(answer->status < 400 ||
		(json_is_string(json_object_get(parsed, "code")) &&
			json_is_string(json_object_get(parsed, "message"))));
	check(answer->status < 400 || !answer->etag[0]);
	json_decref(parsed);
}

static void check_request(char *const lines[LINES], struct fw_slice body)
{
	static const struct fw_asker asker = {.face = "http"};
	static const struct fw_api_commands commands = {NULL, run, run_request};
	char *query = strchr(lines[PATH], '?');
	struct fw_route_match match;
	struct fw_api_request request = {.match = &match,
		.query = query ? query + 1 : NULL,
		.body = body,
		.asker = &asker,
		.if_match = lines[IF_MATCH][0] ? lines[IF_MATCH] : NULL,
		.if_none_match = lines[IF_NONE_MATCH][0] ? lines[IF_NONE_MATCH] : NULL};
	struct fw_api_answer answer;

	if (query)
		*query = '\0';
	fw_route_find(lines[METHOD], lines[PATH], &match);
	for (unsigned i = 0; i < match.count; i++)
		check(!match.route || match.value[i][0]);
	if (!match.route || !(match.route->command || match.route->kind == FW_ROUTE_COMMANDS))
		return;
	fw_api_answer(&commands, &request, &answer);
	check_answer(&answer);
	free(answer.text);
}

/* What is let in names us. */
static void check_guard(char *const lines[LINES])
{
	static char name[] = "admin.example.com";
	static char *hosts[] = {name, NULL};
	struct fw_guard guard = {.listen = "127.0.0.1:8081", .port = 8081, .hosts = hosts};
	struct fw_slice host = fw_slice_of(lines[HOST]);

	if (fw_guard_host(&guard, host, "127.0.0.1"))
		check(strcasestr(lines[HOST], name) || strcasestr(lines[HOST], "localhost") ||
			strstr(lines[HOST], "7f00") || strcasestr(lines[HOST], "127.0.0.1") ||
			strcasestr(lines[HOST], "7F00"));
	if (fw_guard_origin(&guard, host, lines[ORIGIN], NULL))
		check(strncasecmp(lines[ORIGIN], "http://", 7) == 0 &&
			strcasecmp(lines[ORIGIN] + 7, lines[HOST]) == 0);
	guard.behind_proxy = true;
	fw_guard_origin(&guard, host, lines[ORIGIN], lines[TYPE]);
	check(fw_guard_type(lines[TYPE]) != FW_TYPE_NONE);
}

static void check_login(char *const lines[LINES])
{
	char buffer[256];
	struct fw_slice user, password, token = fw_login_token(lines[COOKIE]);

	check(token.len <= strlen(lines[COOKIE]));
	if (fw_login_basic(lines[AUTHORIZATION], buffer, sizeof(buffer), &user, &password))
		check(user.at == buffer && password.at + password.len <= buffer + sizeof(buffer) &&
			!memchr(user.at, ':', user.len));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1), *lines[LINES], *rest = text;
	static char none[1];

	check(text != NULL);
	memcpy(text, data, size);
	text[size] = '\0';
	for (size_t i = 0; i < LINES; i++) {
		char *line = rest ? strsep(&rest, "\n") : NULL;

		lines[i] = line ? line : none;
	}
	check_guard(lines);
	check_login(lines);
	check_request(lines,
		rest ? (struct fw_slice){rest, size - (size_t)(rest - text)}
		     : (struct fw_slice){NULL, 0});
	free(text);
	return 0;
}
