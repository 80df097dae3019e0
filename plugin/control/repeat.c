/* Compares a create with the task that is there. A member that the create does not have is not
 * compared: the task may have gone on since. */
#include "control/repeat.h"

#include <string.h>

/* ---- Members */

static bool says(const json_t *is, const json_t *asked);

static bool says_elements(const json_t *is, const json_t *asked)
{
	bool same = json_array_size(is) == json_array_size(asked);

	for (size_t i = 0; same && i < json_array_size(asked); i++)
		same = says(json_array_get(is, i), json_array_get(asked, i));
	return same;
}

static bool says_members(const json_t *is, const json_t *asked)
{
	bool same = true;
	const char *name;
	json_t *value;

	json_object_foreach((json_t *)(uintptr_t)asked, name, value)
	{
		const json_t *member = json_object_get(is, name);

		same = same && (!member || says(member, value));
	}
	return same;
}

static bool says(const json_t *is, const json_t *asked)
{
	if (json_is_null(asked)) /* a create leaves out what is null */
		return true;
	if (json_is_boolean(is) && json_is_integer(asked))
		return json_is_true(is) == (json_integer_value(asked) != 0);
	if (json_is_number(is) && json_is_number(asked))
		return !(json_number_value(is) < json_number_value(asked)) &&
			!(json_number_value(is) > json_number_value(asked));
	if (json_is_array(is) && json_is_array(asked))
		return says_elements(is, asked);
	if (json_is_object(is) && json_is_object(asked))
		return says_members(is, asked);
	return json_equal(is, asked);
}

/* ---- Whom */

static bool is_given(const json_t *create, const char *name)
{
	const json_t *value = json_object_get(create, name);

	return value && !json_is_null(value);
}

static bool is_of_kind(const json_t *task, const json_t *create)
{
	const char *type = json_string_value(json_object_get(task, "releaseType"));
	bool part = is_given(create, "devices") || is_given(create, "tag") ||
		is_given(create, "filter");

	return is_given(create, "releaseType") || !type || strcmp(type, part ? "part" : "all") == 0;
}

/* Each id once, as a member. A new reference. */
static json_t *set_of(const json_t *ids)
{
	json_t *set = json_object();

	for (size_t i = 0; set && i < json_array_size(ids); i++)
		json_object_set_new(set, json_string_value(json_array_get(ids, i)), json_true());
	return set;
}

/* Takes a page of the task's devices out of `missing`. *after is NULL behind the last page. */
static void take_page(const struct fw_api_commands *commands, const struct fw_asker *asker,
	const json_t *task, json_t **after, json_t *missing)
{
	json_t *command = json_pack("{s:s, s:O, s:i, s:o*}", "command", "listTaskDevices", "taskId",
		json_object_get(task, "taskId"), "count", FW_COMMANDS_COUNT_MAX, "after", *after);
	json_t *response = command ? commands->run(commands->context, asker, command) : NULL;
	const json_t *data = json_object_get(response, "data");
	const json_t *items = json_object_get(data, "items");
	json_t *next = json_object_get(data, "next");

	for (size_t i = 0; i < json_array_size(items); i++)
		json_object_del(missing,
			json_string_value(json_object_get(json_array_get(items, i), "deviceId")));
	*after = json_is_string(next) ? json_incref(next) : NULL;
	json_decref(response);
	json_decref(command);
}

/* True if the task's devices are these, and no others. */
static bool has_devices(const struct fw_api_commands *commands, const struct fw_asker *asker,
	const json_t *task, const json_t *ids)
{
	json_t *missing = set_of(ids), *after = NULL;
	bool same = (json_int_t)json_object_size(missing) ==
		json_integer_value(json_object_get(task, "total"));

	do {
		if (same)
			take_page(commands, asker, task, &after, missing);
	} while (after);
	same = same && json_object_size(missing) == 0;
	json_decref(missing);
	return same;
}

bool fw_repeat_is_same(const struct fw_api_commands *commands, const struct fw_asker *asker,
	const json_t *task, const json_t *create)
{
	if (!says_members(task, create) || !is_of_kind(task, create))
		return false;
	return !is_given(create, "devices") ||
		has_devices(commands, asker, task, json_object_get(create, "devices"));
}
