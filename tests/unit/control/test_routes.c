/* Paths become routes, and requests become commands; the document of it all agrees with both. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "control/commands.h"
#include "control/openapi.h"
#include "control/routes.h"

static struct fw_route_match match;
static struct fw_error error;

static const char *command_of(const char *method, const char *path)
{
	fw_route_find(method, path, &match);
	return match.route ? match.route->command : NULL;
}

static void test_paths(void **state)
{
	(void)state;
	assert_string_equal(command_of("GET", "/api/v1/products"), "listProducts");
	assert_string_equal(command_of("HEAD", "/api/v1/products"), "listProducts");
	assert_string_equal(command_of("POST", "/api/v1/products"), "createProduct");
	assert_string_equal(command_of("DELETE", "/api/v1/products/lamp"), "deleteProduct");
	assert_string_equal(match.value[0], "lamp");
	assert_string_equal(command_of("GET", "/api/v1/devices/a%2Fb/%e4%b8%ad"), "getDevice");
	assert_string_equal(match.value[0], "a/b");
	assert_string_equal(match.value[1], "\xe4\xb8\xad");
	assert_string_equal(command_of("GET", "/api/v1/devices/a/b/history"), "getDeviceHistory");
	assert_string_equal(command_of("POST", "/api/v1/tasks/t/stop"), "stopTask");
	assert_string_equal(
		command_of("POST", "/api/v1/tasks/t/devices/retry"), "retryTaskDevices");
	assert_string_equal(command_of("POST", "/api/v1/tasks/preview"), "previewTask");
	assert_string_equal(command_of("GET", "/api/v1/tasks/preview"), "getTask");
}

static void test_other_paths(void **state)
{
	static const char *const paths[] = {"", "/", "api", "/api/v1", "/api/v1/",
		"/api/v1/products/", "/api/v1/products//", "/api/v1/products/a/b",
		"//api/v1/products", "/api/v1/products/%00", "/api/v1/products/%",
		"/api/v1/products/%g0", "/api/v1/products/%ff", "/api/v1/devices//b",
		"/api/v1/Products", "/healthz/", "/api/v1/../v1/products",
		"/api/v1/devices/a/b/c/d/e/f"};
	char long_one[2000] = "/api/v1/products/";

	(void)state;
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		fw_route_find("GET", paths[i], &match);
		assert_null(match.route);
		assert_string_equal(match.allowed, "");
	}
	memset(long_one + 17, 'x', sizeof(long_one) - 18);
	assert_null(command_of("GET", long_one));
}

static void test_other_methods(void **state)
{
	(void)state;
	assert_null(command_of("PUT", "/api/v1/products/lamp"));
	assert_string_equal(match.allowed, "GET, HEAD, PATCH, DELETE");
	assert_null(command_of("OPTIONS", "/api/v1/tasks/t/stop"));
	assert_string_equal(match.allowed, "POST");
	assert_null(command_of("", "/healthz"));
	assert_string_equal(match.allowed, "GET, HEAD");
}

/* The command as text, "" when it is refused: then `error` says why. Static. */
static const char *request(
	const char *method, const char *path, const char *query, const char *body)
{
	static char text[1024];
	json_t *object = body ? json_loads(body, 0, NULL) : NULL, *command;
	char *dump;

	error.text[0] = text[0] = '\0';
	fw_route_find(method, path, &match);
	command = fw_route_command(&match, match.route->command, query, object, &error);
	dump = command ? json_dumps(command, JSON_COMPACT | JSON_SORT_KEYS) : NULL;
	if (dump)
		snprintf(text, sizeof(text), "%s", dump);
	free(dump);
	json_decref(command);
	json_decref(object);
	return text;
}

static void test_queries(void **state)
{
	(void)state;
	assert_string_equal(
		request("GET", "/api/v1/products", NULL, NULL), "{\"command\":\"listProducts\"}");
	assert_string_equal(
		request("GET", "/api/v1/products", "", NULL), "{\"command\":\"listProducts\"}");
	assert_string_equal(request("GET", "/api/v1/products", "count=7&after=a%26b+c", NULL),
		"{\"after\":\"a&b c\",\"command\":\"listProducts\",\"count\":7}");
	assert_string_equal(request("GET", "/api/v1/products", "&&count=7&", NULL),
		"{\"command\":\"listProducts\",\"count\":7}");
	/* the command refuses what it does not know */
	assert_string_equal(request("GET", "/api/v1/products", "typo=1", NULL),
		"{\"command\":\"listProducts\",\"typo\":\"1\"}");
}

static void test_queries_that_are_no_good(void **state)
{
	static const char *const queries[] = {"count=x", "count=", "count=1&count=2", "=1", "count",
		"count=1%", "after=%ff", "after=%00", "command=deleteTask", "correlationData=1",
		"count=99999999999999999999"};
	char many[400] = "";

	(void)state;
	for (size_t i = 0; i < sizeof(queries) / sizeof(queries[0]); i++) {
		assert_string_equal(request("GET", "/api/v1/products", queries[i], NULL), "");
		assert_string_not_equal(error.text, "");
	}
	for (int i = 0; i < 33; i++)
		snprintf(many + strlen(many), sizeof(many) - strlen(many), "a%d=1&", i);
	assert_string_equal(request("GET", "/api/v1/products", many, NULL), "");
}

static void test_bodies(void **state)
{
	(void)state;
	assert_string_equal(request("PATCH", "/api/v1/products/lamp", NULL, "{\"name\":\"L\"}"),
		"{\"command\":\"modifyProduct\",\"name\":\"L\",\"productId\":\"lamp\"}");
	assert_string_equal(
		request("PATCH", "/api/v1/products/lamp", NULL, "{\"productId\":\"lamp\"}"),
		"{\"command\":\"modifyProduct\",\"productId\":\"lamp\"}");
	assert_string_equal(
		request("PATCH", "/api/v1/products/lamp", NULL, "{\"productId\":\"oven\"}"), "");
	assert_string_equal(
		request("PATCH", "/api/v1/products/lamp", NULL, "{\"command\":\"deleteProduct\"}"),
		"");
	assert_string_equal(
		request("PATCH", "/api/v1/products/lamp", NULL, "{\"correlationData\":\"1\"}"), "");
}

/* --- the tables --- */

static bool takes(const struct fw_command_info *info, const char *name)
{
	const struct fw_command_member *member = NULL;

	while ((member = fw_command_next_member(info, member))) {
		if (strcmp(member->name, name) == 0)
			return true;
	}
	return false;
}

/* Each route has a command that is there, and whose members its variable parts are. */
static void test_routes_have_commands(void **state)
{
	size_t count;
	const struct fw_route *routes = fw_routes(&count);

	(void)state;
	for (size_t i = 0; i < count; i++) {
		const struct fw_command_info *info =
			routes[i].command ? fw_commands_find(routes[i].command) : NULL;
		const char *at = routes[i].path;

		assert_true(info || !routes[i].command);
		if (!info) {
			assert_non_null(routes[i].help);
			continue;
		}
		if (strcmp(routes[i].method, "GET") == 0 && info->writes)
			fail_msg("GET %s writes", routes[i].path);
		while ((at = strchr(at, '{'))) {
			char name[64];

			snprintf(name, sizeof(name), "%.*s", (int)strcspn(at + 1, "}"), at + 1);
			at++;
			if (!takes(info, name))
				fail_msg("%s takes no %s", info->name, name);
		}
	}
}

static void test_commands_have_routes(void **state)
{
	size_t count, routed, found;
	const struct fw_command_info *table = fw_commands_table(&count);
	const struct fw_route *routes = fw_routes(&routed);

	(void)state;
	assert_true(count > 40);
	for (size_t i = 0; i < count; i++) {
		found = 0;
		for (size_t j = 0; j < routed; j++)
			found += routes[j].command && strcmp(routes[j].command, table[i].name) == 0;
		if (!found)
			fail_msg("%s has no route", table[i].name);
	}
}

/* --- the document --- */

static json_t *operation_of(json_t *document, const struct fw_route *route)
{
	char method[16];

	snprintf(method, sizeof(method), "%s", route->method);
	for (char *at = method; *at; at++)
		*at = (char)(*at | 0x20);
	return json_object_get(
		json_object_get(json_object_get(document, "paths"), route->path), method);
}

static bool has_parameter(const json_t *operation, const char *name)
{
	size_t i;
	json_t *parameter;

	json_array_foreach(json_object_get(operation, "parameters"), i, parameter)
	{
		if (strcmp(json_string_value(json_object_get(parameter, "name")), name) == 0)
			return true;
	}
	return false;
}

static const json_t *properties_of(const json_t *operation)
{
	const json_t *content =
		json_object_get(json_object_get(operation, "requestBody"), "content");

	return json_object_get(
		json_object_get(json_object_get(content, "application/json"), "schema"),
		"properties");
}

/* Each member of each command stands in its operation, and no operation says more. */
static void test_openapi_says_all_members(void **state)
{
	size_t count, members = 0;
	const struct fw_route *routes = fw_routes(&count);
	json_t *document = fw_openapi_new();

	(void)state;
	assert_non_null(document);
	for (size_t i = 0; i < count; i++) {
		json_t *operation = operation_of(document, &routes[i]);
		const struct fw_command_info *info =
			routes[i].command ? fw_commands_find(routes[i].command) : NULL;
		const struct fw_command_member *member = NULL;
		size_t said = json_array_size(json_object_get(operation, "parameters")) +
			json_object_size(properties_of(operation)),
		       wanted = 0;

		assert_non_null(operation);
		while (info && (member = fw_command_next_member(info, member))) {
			wanted++;
			if (!has_parameter(operation, member->name) &&
				!json_object_get(properties_of(operation), member->name))
				fail_msg("%s: %s is missing", info->name, member->name);
		}
		if (info)
			assert_int_equal(said, wanted);
		members += wanted;
	}
	assert_true(members > 100);
	json_decref(document);
}

static const json_t *answer_of(json_t *document, const char *path, const char *method)
{
	const json_t *operation =
		json_object_get(json_object_get(json_object_get(document, "paths"), path), method);
	const json_t *content = json_object_get(
		json_object_get(json_object_get(operation, "responses"), "200"), "content");

	return json_object_get(
		json_object_get(json_object_get(content, "application/json"), "schema"),
		"properties");
}

/* The member is as the text of JSON says. */
static void expect_type(const json_t *properties, const char *member, const char *text)
{
	json_t *wanted = json_loads(text, JSON_DECODE_ANY, NULL);

	if (!json_equal(json_object_get(json_object_get(properties, member), "type"), wanted))
		fail_msg("%s is not %s", member, text);
	json_decref(wanted);
}

static void test_openapi_says_what_is_answered(void **state)
{
	json_t *document = fw_openapi_new();
	const json_t *task = answer_of(document, "/api/v1/tasks/{taskId}", "get");
	const json_t *page = answer_of(document, "/api/v1/tasks", "get");
	const json_t *all = answer_of(document, "/api/v1/tasks/{taskId}/failures", "get");

	(void)state;
	expect_type(task, "taskId", "\"string\"");
	expect_type(task, "startAt", "[\"integer\", \"null\"]");
	expect_type(answer_of(document, "/api/v1/tasks/{taskId}/retry", "post"), "changed",
		"[\"integer\", \"null\"]");
	expect_type(page, "items", "\"array\"");
	expect_type(page, "next", "[\"string\", \"null\"]");
	expect_type(all, "items", "\"array\"");
	expect_type(json_object_get(
			    json_object_get(json_object_get(all, "items"), "items"), "properties"),
		"failure", "[\"string\", \"null\"]");
	assert_null(json_object_get(all, "next"));
	json_decref(document);
}

static void test_openapi_names_operations_once(void **state)
{
	size_t count;
	const struct fw_route *routes = fw_routes(&count);
	json_t *document = fw_openapi_new(), *names = json_object();

	(void)state;
	for (size_t i = 0; i < count; i++) {
		const char *name = json_string_value(
			json_object_get(operation_of(document, &routes[i]), "operationId"));

		assert_non_null(name);
		assert_null(json_object_get(names, name));
		assert_int_equal(json_object_set_new(names, name, json_true()), 0);
	}
	json_decref(names);
	json_decref(document);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_paths),
		cmocka_unit_test(test_other_paths),
		cmocka_unit_test(test_other_methods),
		cmocka_unit_test(test_queries),
		cmocka_unit_test(test_queries_that_are_no_good),
		cmocka_unit_test(test_bodies),
		cmocka_unit_test(test_routes_have_commands),
		cmocka_unit_test(test_commands_have_routes),
		cmocka_unit_test(test_openapi_says_all_members),
		cmocka_unit_test(test_openapi_says_what_is_answered),
		cmocka_unit_test(test_openapi_names_operations_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
