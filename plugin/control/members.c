/* Checks a command against its members in the table: names, types, and what must be given.
 *
 * Bounds of columns are not checked here: the catalog's constraints do that, with their own
 * sentences. */
#include <string.h>

#include "control/internal.h"

static const struct fw_command_member list_members[] = {
	{"count", NULL, FW_MEMBER_INTEGER, FW_USE_FILTER, 0, 1, FW_COMMANDS_COUNT_MAX, NULL,
		"how many items, 50 without it"},
	{"after", NULL, FW_MEMBER_TEXT, FW_USE_FILTER, 0, 0, 0, NULL,
		"the next of the page before"},
	{0},
};

/* The first member from `member` on that the command takes; behind the last, those of a page. */
static const struct fw_command_member *first_from(
	const struct fw_command_info *info, const struct fw_command_member *member)
{
	while (member && member->name && !(member->uses & info->uses & ~(unsigned)FW_USE_ANSWER))
		member++;
	if (member && member->name)
		return member;
	return info->shape == FW_ANSWER_PAGE ? list_members : NULL;
}

const struct fw_command_member *fw_command_next_member(
	const struct fw_command_info *info, const struct fw_command_member *previous)
{
	if (!previous)
		return first_from(info, info->members);
	if (previous == &list_members[0])
		return &list_members[1];
	if (previous == &list_members[1])
		return NULL;
	return first_from(info, previous + 1);
}

bool fw_command_requires(const struct fw_command_info *info, const struct fw_command_member *member)
{
	return member->required & info->uses;
}

static const struct fw_command_member *find_member(
	const struct fw_command_info *info, const char *name)
{
	const struct fw_command_member *member = NULL;

	while ((member = fw_command_next_member(info, member))) {
		if (strcmp(member->name, name) == 0)
			return member;
	}
	return NULL;
}

static const char *const kinds[] = {
	[FW_MEMBER_TEXT] = "a string",
	[FW_MEMBER_INTEGER] = "a whole number",
	[FW_MEMBER_NUMBER] = "a number",
	[FW_MEMBER_BOOLEAN] = "true or false",
	[FW_MEMBER_OBJECT] = "an object",
	[FW_MEMBER_TEXTS] = "an array of strings",
	[FW_MEMBER_OBJECTS] = "an array of objects",
	[FW_MEMBER_RECORD] = "an object",
};

static bool is_flag(const json_t *value)
{
	return json_is_boolean(value) ||
		(json_is_integer(value) && (json_integer_value(value) | 1) == 1);
}

static bool are_texts(const json_t *value)
{
	if (!json_is_array(value))
		return false;
	for (size_t i = 0; i < json_array_size(value); i++) {
		if (!json_is_string(json_array_get(value, i)))
			return false;
	}
	return true;
}

static bool is_of_type(enum fw_member_type type, const json_t *value)
{
	switch (type) {
	case FW_MEMBER_TEXT:
		return json_is_string(value);
	case FW_MEMBER_INTEGER:
		return json_is_integer(value);
	case FW_MEMBER_NUMBER:
		return json_is_number(value);
	case FW_MEMBER_BOOLEAN:
		return is_flag(value);
	case FW_MEMBER_OBJECT:
	case FW_MEMBER_RECORD:
		return json_is_object(value);
	case FW_MEMBER_TEXTS:
		return are_texts(value);
	case FW_MEMBER_OBJECTS:
		return json_is_array(value);
	}
	return false;
}

static int64_t measure(const json_t *value)
{
	if (json_is_integer(value))
		return json_integer_value(value);
	if (json_is_string(value))
		return (int64_t)fw_utf8_length(json_string_value(value), json_string_length(value));
	return (int64_t)json_array_size(value);
}

static enum fw_status check_bounds(
	struct fw_call *call, const struct fw_command_member *member, const json_t *value)
{
	int64_t size = measure(value);
	bool too_many = size > member->max && json_is_array(value);

	if ((!member->min && !member->max) || (size >= member->min && size <= member->max))
		return FW_OK;
	return fw_call_refuse(call, too_many ? "too_large" : "bad_request",
		"%s must %s %lld to %lld%s", member->name, json_is_integer(value) ? "be" : "have",
		(long long)member->min, (long long)member->max,
		json_is_integer(value)         ? ""
			: json_is_array(value) ? " elements"
					       : " characters");
}

static enum fw_status check_object(
	struct fw_call *call, const struct fw_command_member *member, const json_t *object);

static enum fw_status check_elements(
	struct fw_call *call, const struct fw_command_member *member, const json_t *array)
{
	enum fw_status status = FW_OK;

	for (size_t i = 0; i < json_array_size(array) && status == FW_OK; i++) {
		const json_t *element = json_array_get(array, i);

		status = json_is_object(element)
			? check_object(call, member, element)
			: fw_call_refuse(call, "bad_request", "%s must be %s", member->name,
				  kinds[FW_MEMBER_OBJECTS]);
	}
	return status;
}

static enum fw_status check_value(
	struct fw_call *call, const struct fw_command_member *member, const json_t *value)
{
	enum fw_status status;

	/* a column takes null, if its constraints do */
	if (json_is_null(value) && member->uses & (FW_USE_CREATE | FW_USE_MODIFY) &&
		fw_member_is_column(member))
		return FW_OK;
	if (!is_of_type(member->type, value))
		return fw_call_refuse(
			call, "bad_request", "%s must be %s", member->name, kinds[member->type]);
	status = check_bounds(call, member, value);
	if (status == FW_OK && member->type == FW_MEMBER_OBJECTS)
		status = check_elements(call, member, value);
	if (status == FW_OK && member->type == FW_MEMBER_RECORD)
		status = check_object(call, member, value);
	return status;
}

static enum fw_status refuse_unknown(struct fw_call *call, const char *of, const char *name)
{
	return fw_call_refuse(call, "bad_request",
		"%s has no member '%.64s': see the table of commands, or leave it out", of, name);
}

/* Checks an object inside of a command, such as a stage or a filter. */
static enum fw_status check_object(
	struct fw_call *call, const struct fw_command_member *member, const json_t *object)
{
	struct fw_command_info inner = {
		.members = member->members, .uses = FW_USE_CREATE | FW_USE_MODIFY | FW_USE_FILTER};
	enum fw_status status = FW_OK;
	const json_t *value;
	const char *name;

	json_object_foreach((json_t *)object, name, value)
	{
		const struct fw_command_member *found = find_member(&inner, name);

		if (!found || (found->uses & (unsigned)~FW_USE_ANSWER) == 0)
			return refuse_unknown(call, member->name, name);
		status = check_value(call, found, value);
		if (status != FW_OK)
			return status;
	}
	return status;
}

static bool is_common(const char *name)
{
	return strcmp(name, "command") == 0 || strcmp(name, "correlationData") == 0;
}

static enum fw_status check_given(struct fw_call *call)
{
	const struct fw_command_member *member = NULL;

	while ((member = fw_command_next_member(call->info, member))) {
		const json_t *value = json_object_get(call->args, member->name);

		if (fw_command_requires(call->info, member) && (!value || json_is_null(value)))
			return fw_call_refuse(
				call, "bad_request", "%s is missing: give it", member->name);
	}
	return FW_OK;
}

enum fw_status fw_members_check(struct fw_call *call)
{
	const json_t *value;
	const char *name;

	json_object_foreach((json_t *)call->args, name, value)
	{
		const struct fw_command_member *member;
		enum fw_status status;

		if (is_common(name))
			continue;
		member = find_member(call->info, name);
		status = member ? check_value(call, member, value)
				: refuse_unknown(call, call->info->name, name);
		if (status != FW_OK)
			return status;
	}
	return check_given(call);
}
