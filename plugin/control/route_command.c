/* Makes the members of one command of a request's path, query and body. The first two are text, and
 * become numbers and booleans where the table of commands wants these. A member that the table does
 * not know stays text: the command refuses it. */
#include "control/routes.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "control/commands.h"
#include "files/url.h"

#define PARAMETERS_MOST 32u
#define NAME_MOST 64u
#define VALUE_MOST 1024u

struct builder {
	const struct fw_command_info *info; /* NULL: not in the table */
	json_t *command;
	struct fw_error *error;
};

static bool refuse(struct builder *builder, const char *name, const char *what)
{
	fw_error_set(builder->error, "%.64s %s", name, what);
	return false;
}

static const struct fw_command_member *member_of(const struct builder *builder, const char *name)
{
	const struct fw_command_member *member = NULL;

	while (builder->info && (member = fw_command_next_member(builder->info, member))) {
		if (strcmp(member->name, name) == 0)
			return member;
	}
	return NULL;
}

static json_t *integer_of(const char *text)
{
	char *end;
	long long number;

	errno = 0;
	number = strtoll(text, &end, 10);
	return errno || end == text || *end ? NULL : json_integer(number);
}

static json_t *number_of(const char *text)
{
	return json_loads(text, JSON_DECODE_ANY, NULL);
}

static json_t *boolean_of(const char *text)
{
	if (strcmp(text, "true") == 0 || strcmp(text, "1") == 0)
		return json_true();
	return strcmp(text, "false") == 0 || strcmp(text, "0") == 0 ? json_false() : NULL;
}

/* A new reference, NULL when it is no such value or out of memory. */
static json_t *value_of(const struct fw_command_member *member, const char *text)
{
	json_t *value = NULL;

	switch (member ? member->type : FW_MEMBER_TEXT) {
	case FW_MEMBER_INTEGER:
		return integer_of(text);
	case FW_MEMBER_NUMBER:
		value = number_of(text);
		break;
	case FW_MEMBER_BOOLEAN:
		return boolean_of(text);
	default:
		return json_string(text);
	}
	if (value && !json_is_number(value)) {
		json_decref(value);
		value = NULL;
	}
	return value;
}

/* A repeated member is an array where the command takes one. */
static bool add_text(struct builder *builder, const char *name, const char *text)
{
	const struct fw_command_member *member = member_of(builder, name);
	json_t *before = json_object_get(builder->command, name);
	json_t *value = value_of(member, text);

	if (!value)
		return refuse(builder, name, "has a value of another type");
	if (member && member->type == FW_MEMBER_TEXTS) {
		if (!before &&
			json_object_set_new(builder->command, name, before = json_array()) != 0)
			before = NULL;
		return json_array_append_new(before, value) == 0 ||
			refuse(builder, name, "does not fit: out of memory");
	}
	if (before) {
		json_decref(value);
		return refuse(builder, name, "is given twice");
	}
	return json_object_set_new(builder->command, name, value) == 0 ||
		refuse(builder, name, "does not fit: out of memory");
}

/* --- the path --- */

static bool add_path(struct builder *builder, const struct fw_route_match *match)
{
	const char *at = match->route->path;

	for (unsigned i = 0; i < match->count; i++) {
		const char *open = strchr(at, '{');
		char name[NAME_MOST];

		at = open + 1 + strcspn(open + 1, "}");
		if (!fw_slice_copy((struct fw_slice){open + 1, (size_t)(at - open) - 1}, name,
			    sizeof(name)) ||
			!add_text(builder, name, match->value[i]))
			return false;
	}
	return true;
}

/* --- the query --- */

/* Decodes a name or a value of a query, in which a plus sign is a blank. */
static bool take_text(struct fw_slice raw, char *out, size_t most)
{
	char text[3 * VALUE_MOST];
	size_t len = raw.len;

	if (len >= sizeof(text))
		return false;
	for (size_t i = 0; i < len; i++)
		text[i] = raw.at[i] == '+' ? ' ' : raw.at[i];
	if (!fw_url_decode(text, &len) || !fw_utf8_valid(text, len))
		return false;
	return fw_slice_copy((struct fw_slice){text, len}, out, most);
}

static bool add_parameter(struct builder *builder, struct fw_slice pair)
{
	const char *equals = memchr(pair.at, '=', pair.len);
	size_t len = equals ? (size_t)(equals - pair.at) : pair.len;
	struct fw_slice value = {
		pair.at + len + (equals != NULL), pair.len - len - (equals != NULL)};
	char name[NAME_MOST], text[VALUE_MOST];

	if (!take_text((struct fw_slice){pair.at, len}, name, sizeof(name)) || !name[0] ||
		!take_text(value, text, sizeof(text)))
		return refuse(builder, "the query", "is not valid: it must be name=value&...");
	if (strcmp(name, "command") == 0 || strcmp(name, "correlationData") == 0)
		return refuse(builder, name, "is not known here");
	return add_text(builder, name, text);
}

static bool add_query(struct builder *builder, const char *query)
{
	unsigned count = 0;

	while (query && *query) {
		size_t len = strcspn(query, "&");

		if (++count > PARAMETERS_MOST)
			return refuse(builder, "the query", "has too many parameters");
		if (len && !add_parameter(builder, (struct fw_slice){query, len}))
			return false;
		query += len + (query[len] == '&');
	}
	return true;
}

/* --- the body --- */

/* A member of the path or the query may be in the body too, with the same value. */
static bool add_body(struct builder *builder, const json_t *body)
{
	const char *name;
	json_t *value;

	json_object_foreach((json_t *)(uintptr_t)body, name, value)
	{
		const json_t *before = json_object_get(builder->command, name);

		if (strcmp(name, "command") == 0 || strcmp(name, "correlationData") == 0)
			return refuse(builder, name, "is not known here");
		if (before && !json_equal(before, value))
			return refuse(
				builder, name, "has another value in the body than in the path");
		if (json_object_set(builder->command, name, value) != 0)
			return refuse(builder, name, "does not fit: out of memory");
	}
	return true;
}

json_t *fw_route_command(const struct fw_route_match *match, const char *command, const char *query,
	const json_t *body, struct fw_error *error)
{
	struct builder builder = {.info = fw_commands_find(command),
		.command = json_pack("{s:s}", "command", command),
		.error = error};

	if (!builder.command) {
		fw_error_set(error, "out of memory");
		return NULL;
	}
	if (add_path(&builder, match) && add_query(&builder, query) &&
		(!body || add_body(&builder, body)))
		return builder.command;
	json_decref(builder.command);
	return NULL;
}
