/* Create, modify, get and delete of any entity: their SQL is made from its columns.
 *
 * No rule of the catalog is checked here: constraints and triggers say what may be written. Only
 * names from the tables of members get into a statement; values are bound. */
#include <stdlib.h>
#include <string.h>

#include "control/internal.h"

static const struct fw_entity *entity_of(const struct fw_call *call)
{
	return call->info->action->entity;
}

bool fw_member_is_column(const struct fw_command_member *member)
{
	return member->column && !strpbrk(member->column, ".(? ");
}

static enum fw_status more(struct fw_call *call)
{
	return call->info->action->more ? call->info->action->more(call) : FW_OK;
}

static const struct fw_command_member *member_of(const struct fw_entity *entity, const char *column)
{
	const struct fw_command_member *member = entity->members;

	while (member->name && (!member->column || strcmp(member->column, column) != 0))
		member++;
	return member;
}

static size_t key_count(const struct fw_entity *entity)
{
	size_t count = 0;

	while (count < 3 && entity->keys[count])
		count++;
	return count;
}

static void set_subject(struct fw_call *call)
{
	fw_call_about(call, json_string_value(json_array_get(call->keys, 0)),
		json_string_value(json_array_get(call->keys, 1)));
}

/* Takes the keys from `from`: with `by_member` from the command's members, else from a row's
 * columns. */
static enum fw_status take_keys(
	struct fw_call *call, const struct fw_entity *entity, const json_t *from, bool by_member)
{
	json_t *keys = json_array();

	for (size_t i = 0; i < key_count(entity); i++) {
		const char *key = entity->keys[i];
		const char *name = by_member ? member_of(entity, key)->name : key;

		if (json_array_append(keys, json_object_get(from, name)) != 0) {
			json_decref(keys);
			return FW_NOMEM;
		}
	}
	json_decref(call->keys);
	call->keys = keys;
	set_subject(call);
	return keys ? FW_OK : FW_NOMEM;
}

enum fw_status fw_entity_name(struct fw_call *call, const struct fw_entity *entity)
{
	return take_keys(call, entity, call->args, true);
}

/* Adds " WHERE ..." for the keys. The first one is parameter ?`first`. */
static void add_keys(struct fw_text *sql, const struct fw_entity *entity, size_t first)
{
	for (size_t i = 0; i < key_count(entity); i++)
		fw_text_add(
			sql, "%s e.%s = ?%zu", i ? " AND" : " WHERE", entity->keys[i], first + i);
}

static enum fw_status refuse_missing(struct fw_call *call, const struct fw_entity *entity)
{
	set_subject(call);
	return fw_call_refuse(
		call, "not_found", "no such %s: '%.140s'", entity->noun, call->subject);
}

void fw_entity_add_columns(struct fw_text *sql, const struct fw_command_member *members)
{
	static const char *const marks[] = {
		[FW_MEMBER_BOOLEAN] = "?",
		[FW_MEMBER_OBJECT] = "{}",
		[FW_MEMBER_TEXTS] = "{}",
		[FW_MEMBER_OBJECTS] = "{}",
		[FW_MEMBER_RECORD] = "{}",
	};
	const char *comma = "";

	for (; members->name; members++) {
		const char *mark = marks[members->type];

		if (!(members->uses & FW_USE_ANSWER) || !members->column)
			continue;
		fw_text_add(sql, "%s%s%s AS \"%s%s\"", comma,
			fw_member_is_column(members) ? "e." : "", members->column, members->name,
			mark ? mark : "");
		comma = ", ";
	}
}

/* Runs the text with `args`, both taken over. */
static enum fw_status run_text(
	struct fw_call *call, struct fw_text *text, json_t *args, json_t **row)
{
	char *sql = fw_text_end(text);
	enum fw_status status = FW_NOMEM;

	if (sql && row)
		status = fw_call_row(call, sql, args, row);
	else if (sql)
		status = fw_call_query(call, sql, args, NULL);
	else
		json_decref(args);
	free(sql);
	return status;
}

enum fw_status fw_entity_find(struct fw_call *call, const struct fw_entity *entity)
{
	struct fw_text sql = {0};
	json_t *row = NULL;
	enum fw_status status = fw_entity_name(call, entity);

	if (status != FW_OK)
		return status;
	fw_text_add(&sql, "SELECT 1 AS n FROM %s AS e", entity->table);
	add_keys(&sql, entity, 1);
	status = run_text(call, &sql, json_incref(call->keys), &row);
	json_decref(row);
	return status == FW_NOT_FOUND ? refuse_missing(call, entity) : status;
}

enum fw_status fw_entity_read(struct fw_call *call, const struct fw_entity *entity)
{
	struct fw_text sql = {0};
	json_t *row = NULL;
	enum fw_status status;

	fw_text_add(&sql, "SELECT ");
	fw_entity_add_columns(&sql, entity->members);
	fw_text_add(&sql, " FROM %s", entity->from);
	add_keys(&sql, entity, 1);
	status = run_text(call, &sql, json_incref(call->keys), &row);
	if (status == FW_NOT_FOUND)
		return refuse_missing(call, entity);
	if (status != FW_OK)
		return status;
	json_decref(call->data);
	call->data = row;
	return FW_OK;
}

/* Adds the columns that are given, with `assigns` each with its parameter, and appends their values
 * to `args`. */
static enum fw_status add_given(struct fw_call *call, const struct fw_entity *entity,
	struct fw_text *sql, bool assigns, json_t *args)
{
	unsigned use = call->info->uses;

	for (const struct fw_command_member *member = entity->members; member->name; member++) {
		const json_t *value = json_object_get(call->args, member->name);

		/* in a create, null leaves the column out: a new row gets its default */
		if (!value || !(member->uses & use & (FW_USE_CREATE | FW_USE_MODIFY)) ||
			!fw_member_is_column(member) ||
			(json_is_null(value) && use & FW_USE_CREATE))
			continue;
		if (json_array_append(args, (json_t *)value) != 0)
			return FW_NOMEM;
		fw_text_add(sql, "%s%s", json_array_size(args) > 1 ? ", " : "", member->column);
		if (assigns)
			fw_text_add(sql, " = ?%zu", json_array_size(args));
	}
	return args ? FW_OK : FW_NOMEM;
}

enum fw_status fw_entity_insert(struct fw_call *call, const struct fw_entity *entity)
{
	struct fw_text sql = {0};
	json_t *args = json_array(), *row = NULL;
	enum fw_status status;

	fw_text_add(&sql, "INSERT INTO %s (", entity->table);
	status = add_given(call, entity, &sql, false, args);
	fw_text_add(&sql, ") VALUES (");
	for (size_t i = 1; i <= json_array_size(args); i++)
		fw_text_add(&sql, "%s?%zu", i > 1 ? ", " : "", i);
	fw_text_add(&sql, ") RETURNING ");
	for (size_t i = 0; i < key_count(entity); i++)
		fw_text_add(&sql, "%s%s", i ? ", " : "", entity->keys[i]);
	if (status == FW_OK)
		status = run_text(call, &sql, args, &row);
	else {
		json_decref(args);
		free(fw_text_end(&sql));
	}
	if (status == FW_OK)
		status = take_keys(call, entity, row, false);
	json_decref(row);
	return status;
}

enum fw_status fw_entity_create(struct fw_call *call)
{
	const struct fw_entity *entity = entity_of(call);
	enum fw_status status = fw_entity_insert(call, entity);

	if (status == FW_OK)
		status = more(call);
	return status == FW_OK ? fw_entity_read(call, entity) : status;
}

static enum fw_status update(struct fw_call *call, const struct fw_entity *entity)
{
	struct fw_text sql = {0};
	json_t *args = json_array();
	enum fw_status status;
	size_t given;

	fw_text_add(&sql, "UPDATE %s AS e SET ", entity->table);
	status = add_given(call, entity, &sql, true, args);
	given = json_array_size(args);
	add_keys(&sql, entity, given + 1);
	if (status == FW_OK && json_array_extend(args, call->keys) != 0)
		status = FW_NOMEM;
	if (status == FW_OK && given)
		return run_text(call, &sql, args, NULL);
	json_decref(args);
	free(fw_text_end(&sql));
	return status;
}

enum fw_status fw_entity_modify(struct fw_call *call)
{
	const struct fw_entity *entity = entity_of(call);
	enum fw_status status = fw_entity_find(call, entity);

	if (status == FW_OK)
		status = update(call, entity);
	if (status == FW_OK)
		status = more(call);
	return status == FW_OK ? fw_entity_read(call, entity) : status;
}

enum fw_status fw_entity_get(struct fw_call *call)
{
	const struct fw_entity *entity = entity_of(call);
	enum fw_status status = fw_entity_name(call, entity);

	if (status == FW_OK)
		status = fw_entity_read(call, entity);
	return status == FW_OK ? more(call) : status;
}

enum fw_status fw_entity_delete(struct fw_call *call)
{
	const struct fw_entity *entity = entity_of(call);
	struct fw_text sql = {0};
	enum fw_status status = fw_entity_name(call, entity);

	if (status != FW_OK)
		return status;
	fw_text_add(&sql, "DELETE FROM %s AS e", entity->table);
	add_keys(&sql, entity, 1);
	status = run_text(call, &sql, json_incref(call->keys), NULL);
	if (status == FW_OK && fw_admin_changes(call->admin) == 0)
		return refuse_missing(call, entity);
	for (size_t i = 0; status == FW_OK && i < key_count(entity); i++) {
		if (json_object_set(call->data, member_of(entity, entity->keys[i])->name,
			    json_array_get(call->keys, i)) != 0)
			status = FW_NOMEM;
	}
	return status;
}
