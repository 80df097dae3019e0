/* Makes an operation of each route. Its parameters are the variable parts of the path and, of a
 * route without a body, the members of the command. A body is an object of the members that are not
 * in the path. jansson's functions fail when a value is NULL, so only the result is checked. */
#include "control/openapi.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "control/internal.h"
#include "control/routes.h"

#define OPERATION_MOST 96u

/* Sets a member of the object; false without memory. Takes over the value. */
static bool put(json_t *object, const char *name, json_t *value)
{
	return json_object_set_new(object, name, value) == 0;
}

/* --- types --- */

static json_t *object_of(const struct fw_command_member *members);

static const char *type_name(enum fw_member_type type)
{
	switch (type) {
	case FW_MEMBER_INTEGER:
		return "integer";
	case FW_MEMBER_NUMBER:
		return "number";
	case FW_MEMBER_BOOLEAN:
		return "boolean";
	case FW_MEMBER_OBJECT:
	case FW_MEMBER_RECORD:
		return "object";
	case FW_MEMBER_TEXTS:
	case FW_MEMBER_OBJECTS:
		return "array";
	default:
		return "string";
	}
}

static bool put_bounds(json_t *schema, const struct fw_command_member *member)
{
	static const char *const least[] = {"minLength", "minimum", "minItems"};
	static const char *const most[] = {"maxLength", "maximum", "maxItems"};
	unsigned kind = member->type == FW_MEMBER_TEXT                                  ? 0
		: member->type == FW_MEMBER_INTEGER || member->type == FW_MEMBER_NUMBER ? 1
											: 2;

	if ((!member->min && !member->max) || member->type == FW_MEMBER_OBJECT ||
		member->type == FW_MEMBER_RECORD || member->type == FW_MEMBER_BOOLEAN)
		return true;
	return put(schema, least[kind], json_integer(member->min)) &&
		put(schema, most[kind], json_integer(member->max));
}

static json_t *typed(const char *type, bool nullable)
{
	return nullable ? json_pack("{s:[s,s]}", "type", type, "null")
			: json_pack("{s:s}", "type", type);
}

/* A new reference, NULL when out of memory. */
static json_t *schema_of(const struct fw_command_member *member, bool nullable)
{
	json_t *schema = member->type == FW_MEMBER_RECORD
		? object_of(member->members)
		: typed(type_name(member->type), nullable);
	bool done = schema && put_bounds(schema, member);

	if (done && member->type == FW_MEMBER_TEXTS)
		done = put(schema, "items", json_pack("{s:s}", "type", "string"));
	if (done && member->type == FW_MEMBER_OBJECTS)
		done = put(schema, "items", object_of(member->members));
	if (done && member->help)
		done = put(schema, "description", json_string(member->help));
	if (!done)
		json_decref(schema);
	return done ? schema : NULL;
}

/* An object of all these members, each of which may be null. */
static json_t *object_of(const struct fw_command_member *members)
{
	json_t *properties = json_object();
	bool done = properties != NULL;

	for (; done && members && members->name; members++)
		done = put(properties, members->name, schema_of(members, true));
	if (!done) {
		json_decref(properties);
		return NULL;
	}
	return json_pack("{s:s, s:o}", "type", "object", "properties", properties);
}

/* An object of the members that are answered: the data, or an item of a list. */
static json_t *item_of(const struct fw_command_info *info)
{
	const struct fw_command_member *member = info->answer;
	json_t *properties = json_object();
	bool done = properties != NULL;

	for (; done && member && member->name; member++) {
		bool nullable = !(member->uses & FW_USE_NAME);

		if (member->uses & FW_USE_ANSWER)
			done = put(properties, member->name, schema_of(member, nullable));
	}
	if (!done) {
		json_decref(properties);
		return NULL;
	}
	return json_pack("{s:s, s:o}", "type", "object", "properties", properties);
}

static json_t *answer_of(const struct fw_command_info *info)
{
	json_t *item = item_of(info);

	if (info->shape == FW_ANSWER_ONE)
		return item;
	if (info->shape == FW_ANSWER_ITEMS)
		return json_pack("{s:s, s:{s:{s:s, s:o}}}", "type", "object", "properties", "items",
			"type", "array", "items", item);
	return json_pack("{s:s, s:{s:{s:s, s:o}, s:o, s:o}}", "type", "object", "properties",
		"items", "type", "array", "items", item, "next", typed("string", true),
		"totalCount", typed("integer", false));
}

/* --- an operation --- */

static bool path_names(const struct fw_route *route, const char *name)
{
	char part[FW_ROUTE_VALUE];

	snprintf(part, sizeof(part), "{%s}", name);
	return strstr(route->path, part) != NULL;
}

static bool add_parameter(
	json_t *parameters, const char *name, const char *in, bool required, json_t *schema)
{
	return json_array_append_new(parameters,
		       json_pack("{s:s, s:s, s:b, s:o}", "name", name, "in", in, "required",
			       required, "schema", schema)) == 0;
}

/* The variable parts of the path. One that is no member, such as the file of an upload, is a
 * string. */
static bool add_path_parts(
	json_t *parameters, const struct fw_route *route, const struct fw_command_info *info)
{
	const char *at = route->path;

	while ((at = strchr(at, '{'))) {
		size_t len = strcspn(++at, "}");
		const struct fw_command_member *member = NULL;
		char name[FW_ROUTE_VALUE];

		if (!fw_slice_copy((struct fw_slice){at, len}, name, sizeof(name)))
			return false;
		while (info && (member = fw_command_next_member(info, member)) &&
			strcmp(member->name, name) != 0)
			;
		if (!add_parameter(parameters, name, "path", true,
			    member ? schema_of(member, false) : typed("string", false)))
			return false;
	}
	return true;
}

static json_t *parameters_of(const struct fw_route *route, const struct fw_command_info *info)
{
	const struct fw_command_member *member = NULL;
	json_t *parameters = json_array();
	bool done = parameters && add_path_parts(parameters, route, info);

	while (done && info && !fw_route_takes_body(route) &&
		(member = fw_command_next_member(info, member))) {
		if (!path_names(route, member->name))
			done = add_parameter(parameters, member->name, "query",
				fw_command_requires(info, member), schema_of(member, false));
	}
	if (!done)
		json_decref(parameters);
	return done ? parameters : NULL;
}

/* The body of a command: an object of the members that are not in the path. */
static json_t *members_of(const struct fw_route *route, const struct fw_command_info *info)
{
	const struct fw_command_member *member = NULL;
	json_t *properties = json_object(), *required = json_array(), *object = NULL;
	bool done = properties && required;

	while (done && (member = fw_command_next_member(info, member))) {
		bool nullable = fw_member_is_column(member) && !fw_command_requires(info, member);

		if (path_names(route, member->name))
			continue;
		done = put(properties, member->name, schema_of(member, nullable)) &&
			(!fw_command_requires(info, member) ||
				json_array_append_new(required, json_string(member->name)) == 0);
	}
	if (done)
		object = json_pack("{s:s, s:O, s:b}", "type", "object", "properties", properties,
			"additionalProperties", 0);
	if (object && json_array_size(required) &&
		!put(object, "required", json_incref(required))) {
		json_decref(object);
		object = NULL;
	}
	json_decref(properties);
	json_decref(required);
	return object;
}

static json_t *content_of(const char *type, json_t *schema)
{
	return json_pack("{s:{s:{s:o}}}", "content", type, "schema", schema);
}

/* The body of what is no command. */
static json_t *other_body(const struct fw_route *route)
{
	if (route->kind == FW_ROUTE_UPLOAD)
		return content_of("application/octet-stream",
			json_pack("{s:s, s:s}", "type", "string", "format", "binary"));
	if (route->kind == FW_ROUTE_LOGIN)
		return content_of("application/json",
			json_pack("{s:s, s:[s,s], s:{s:{s:s}, s:{s:s}}}", "type", "object",
				"required", "username", "password", "properties", "username",
				"type", "string", "password", "type", "string"));
	return content_of("application/json",
		json_pack("{s:s, s:[s], s:{s:{s:s, s:{s:s}, s:i}}}", "type", "object", "required",
			"commands", "properties", "commands", "type", "array", "items", "type",
			"object", "maxItems", (int)FW_COMMANDS_MAX));
}

static json_t *responses_of(const struct fw_route *route, const struct fw_command_info *info)
{
	const char *type = route->kind == FW_ROUTE_METRICS ? "text/plain" : "application/json";
	json_t *schema = info
		? answer_of(info)
		: json_pack("{s:s}", "type", route->kind == FW_ROUTE_METRICS ? "string" : "object");
	json_t *done = content_of(type, schema);
	char status[8];

	snprintf(status, sizeof(status), "%u", route->created);
	if (!done || !put(done, "description", json_string("done"))) {
		json_decref(done);
		return NULL;
	}
	return json_pack(
		"{s:o, s:{s:s}}", status, done, "default", "$ref", "#/components/responses/Error");
}

/* True for the first route of its command. */
static bool is_main(const struct fw_route *route)
{
	size_t count;
	const struct fw_route *first = fw_routes(&count);

	while (first->kind != route->kind || strcmp(first->command, route->command) != 0)
		first++;
	return first == route;
}

/* The command's name, or for its further routes method and path, so that names are not repeated. */
static void name_operation(const struct fw_route *route, char out[OPERATION_MOST])
{
	size_t len = 0;

	if (route->kind == FW_ROUTE_COMMAND && is_main(route)) {
		snprintf(out, OPERATION_MOST, "%s", route->command);
		return;
	}
	snprintf(out, OPERATION_MOST, "%s%s", route->method, route->path);
	for (; out[len] && !strchr("/", out[len]); len++)
		out[len] = (char)tolower((unsigned char)out[len]);
	for (; out[len]; len++) {
		if (!isalnum((unsigned char)out[len]))
			out[len] = '_';
	}
}

/* A new reference, NULL when out of memory. */
static json_t *operation_of(const struct fw_route *route)
{
	const struct fw_command_info *info =
		route->command ? fw_commands_find(route->command) : NULL;
	char name[OPERATION_MOST];
	json_t *operation;
	bool done;

	name_operation(route, name);
	operation = json_pack("{s:s, s:s, s:o, s:o}", "operationId", name, "summary",
		info ? info->help : (route->help ? route->help : ""), "parameters",
		parameters_of(route, info), "responses", responses_of(route, info));
	done = operation != NULL;
	if (done && fw_route_takes_body(route))
		done = put(operation, "requestBody",
			info ? content_of("application/json", members_of(route, info))
			     : other_body(route));
	if (done && fw_route_is_public(route))
		done = put(operation, "security", json_array());
	if (!done)
		json_decref(operation);
	return done ? operation : NULL;
}

/* --- the whole --- */

static bool add_route(json_t *paths, const struct fw_route *route)
{
	json_t *methods = json_object_get(paths, route->path);
	char method[16];

	if (!methods) {
		methods = json_object();
		if (!methods || !put(paths, route->path, methods))
			return false;
	}
	snprintf(method, sizeof(method), "%s", route->method);
	for (char *at = method; *at; at++)
		*at = (char)tolower((unsigned char)*at);
	return put(methods, method, operation_of(route));
}

static json_t *paths_of(void)
{
	size_t count;
	const struct fw_route *routes = fw_routes(&count);
	json_t *paths = json_object();
	bool done = paths != NULL;

	for (size_t i = 0; done && i < count; i++)
		done = add_route(paths, &routes[i]);
	if (!done)
		json_decref(paths);
	return done ? paths : NULL;
}

static json_t *components(void)
{
	json_t *error = content_of("application/json",
		json_pack("{s:s, s:[s,s], s:{s:{s:s}, s:{s:s}}}", "type", "object", "required",
			"code", "message", "properties", "code", "type", "string", "message",
			"type", "string"));

	if (!error || !put(error, "description", json_string("Why not, for people to read."))) {
		json_decref(error);
		return NULL;
	}
	return json_pack("{s:{s:o}, s:{s:{s:s, s:s}, s:{s:s, s:s, s:s}}}", "responses", "Error",
		error, "securitySchemes", "basic", "type", "http", "scheme", "basic", "cookie",
		"type", "apiKey", "in", "cookie", "name", "fw_session");
}

json_t *fw_openapi_new(void)
{
	return json_pack("{s:s, s:{s:s, s:s}, s:[{s:[]}, {s:[]}], s:o, s:o}", "openapi", "3.1.0",
		"info", "title", "mosquitto-firmware", "version", FW_VERSION_TEXT, "security",
		"basic", "cookie", "paths", paths_of(), "components", components());
}
