/* Lists of any entity, a page at a time.
 *
 * A page begins behind a key, not behind a number of rows: so the last page of a million rows costs
 * what the first does. `next` is the key of the page's last item, as JSON; clients hand it back
 * unread. */
#include <stdlib.h>
#include <string.h>

#include "control/body.h"
#include "control/internal.h"

static const char *const *order_of(const struct fw_entity *entity)
{
	return entity->order[0] ? entity->order : entity->keys;
}

static size_t order_count(const struct fw_entity *entity)
{
	size_t count = 0;

	while (count < 3 && order_of(entity)[count])
		count++;
	return count;
}

static int64_t count_of(const struct fw_call *call)
{
	const json_t *count = fw_call_member(call, "count");

	return count ? json_integer_value(count) : FW_COMMANDS_COUNT;
}

/* Adds an expression of the order: a column of e, or an expression as it stands. */
static void add_order(struct fw_text *sql, const char *expression)
{
	fw_text_add(sql, "%s%s", strpbrk(expression, ".(") ? "" : "e.", expression);
}

static void add_orders(struct fw_text *sql, const struct fw_entity *entity, const char *behind)
{
	for (size_t i = 0; i < order_count(entity); i++) {
		fw_text_add(sql, "%s", i ? ", " : "");
		add_order(sql, order_of(entity)[i]);
		fw_text_add(sql, "%s", behind);
	}
}

/* True if a filter makes this key the same in all items. Then it is left out of the page's
 * condition: with it, SQLite would walk all items before the page. */
static bool is_fixed(const struct fw_call *call, const struct fw_entity *entity, size_t i)
{
	for (const struct fw_command_member *member = entity->members; member->name; member++) {
		if (member->uses & FW_USE_FILTER && member->column &&
			strcmp(member->column, order_of(entity)[i]) == 0 &&
			fw_call_member(call, member->name))
			return true;
	}
	return false;
}

static void add_filter(struct fw_text *sql, const struct fw_command_member *member, size_t number)
{
	const char *rest = member->column;

	if (!strchr(rest, '?')) {
		fw_text_add(sql, " AND %s%s = ?%zu", fw_member_is_column(member) ? "e." : "", rest,
			number);
		return;
	}
	fw_text_add(sql, " AND (");
	for (const char *mark; (mark = strchr(rest, '?')); rest = mark + 1)
		fw_text_add(sql, "%.*s?%zu", (int)(mark - rest), rest, number);
	fw_text_add(sql, "%s)", rest);
}

static enum fw_status add_filters(
	struct fw_call *call, const struct fw_entity *entity, struct fw_text *sql, json_t *args)
{
	for (const struct fw_command_member *member = entity->members; member->name; member++) {
		const json_t *value = fw_call_member(call, member->name);

		if (!value || !(member->uses & FW_USE_FILTER))
			continue;
		if (json_array_append(args, (json_t *)value) != 0)
			return FW_NOMEM;
		add_filter(sql, member, json_array_size(args));
	}
	return args ? FW_OK : FW_NOMEM;
}

static bool are_keys(const json_t *keys, size_t count)
{
	if (!json_is_array(keys) || json_array_size(keys) != count)
		return false;
	for (size_t i = 0; i < count; i++) {
		const json_t *key = json_array_get(keys, i);

		if (!json_is_string(key) && !json_is_integer(key))
			return false;
	}
	return true;
}

/* " AND (a, b) > (?3, ?4)" */
static enum fw_status add_behind(struct fw_call *call, const struct fw_entity *entity,
	struct fw_text *sql, const json_t *keys, json_t *args)
{
	size_t free_orders = 0;

	fw_text_add(sql, " AND (");
	for (size_t i = 0; i < order_count(entity); i++) {
		if (is_fixed(call, entity, i))
			continue;
		fw_text_add(sql, "%s", free_orders++ ? ", " : "");
		add_order(sql, order_of(entity)[i]);
	}
	/* the filters name one item, which was on the page before */
	if (!free_orders) {
		fw_text_add(sql, "0)");
		return FW_OK;
	}
	fw_text_add(sql, ") %s (", entity->descending ? "<" : ">");
	for (size_t i = 0, nth = 0; i < order_count(entity); i++) {
		if (is_fixed(call, entity, i))
			continue;
		if (json_array_append(args, json_array_get(keys, i)) != 0)
			return FW_NOMEM;
		fw_text_add(sql, "%s?%zu", nth++ ? ", " : "", json_array_size(args));
	}
	fw_text_add(sql, ")");
	return FW_OK;
}

static enum fw_status add_after(
	struct fw_call *call, const struct fw_entity *entity, struct fw_text *sql, json_t *args)
{
	const char *after = fw_call_text(call, "after");
	json_t *keys;
	enum fw_status status = FW_OK;

	if (!after)
		return FW_OK;
	keys = fw_body_parse(fw_slice_of(after), NULL);
	if (!are_keys(keys, order_count(entity)))
		status = fw_call_refuse(
			call, "bad_request", "after must be the next of the page before");
	if (status == FW_OK)
		status = add_behind(call, entity, sql, keys, args);
	json_decref(keys);
	return status;
}

static enum fw_status query(struct fw_call *call, struct fw_text *text, json_t *args, json_t **rows)
{
	char *sql = fw_text_end(text);
	enum fw_status status = FW_NOMEM;

	if (sql)
		status = fw_call_query(call, sql, args, rows);
	else
		json_decref(args);
	free(sql);
	return status;
}

/* Takes the columns of the order, "@0" and so on, out of a row. A new array. */
static json_t *take_order(json_t *row, size_t count)
{
	static const char *const names[] = {"@0", "@1", "@2"};
	json_t *keys = json_array();

	for (size_t i = 0; i < count; i++) {
		json_array_append(keys, json_object_get(row, names[i]));
		json_object_del(row, names[i]);
	}
	return keys;
}

/* Makes a page of the rows, of which there is one too many when another page follows. */
static enum fw_status make_page(struct fw_call *call, size_t orders, json_t *rows)
{
	size_t count = (size_t)count_of(call);
	bool has_more = json_array_size(rows) > count;
	json_t *last = NULL, *next = NULL;
	char *text = NULL;

	for (size_t i = 0; i < json_array_size(rows); i++) {
		json_t *keys = take_order(json_array_get(rows, i), orders);

		if (has_more && i + 1 == count)
			last = json_incref(keys);
		json_decref(keys);
	}
	if (has_more)
		json_array_remove(rows, count);
	text = last ? json_dumps(last, JSON_COMPACT) : NULL;
	next = text ? json_string(text) : json_null();
	json_decref(last);
	free(text);
	if ((has_more && !text) || json_object_set(call->data, "items", rows) != 0)
		return FW_NOMEM;
	return json_object_set_new(call->data, "next", next) == 0 ? FW_OK : FW_NOMEM;
}

static enum fw_status read_page(struct fw_call *call, const struct fw_entity *entity)
{
	struct fw_text sql = {0};
	json_t *args = json_array(), *rows = NULL;
	enum fw_status status;

	fw_text_add(&sql, "SELECT ");
	fw_entity_add_columns(&sql, entity->members);
	for (size_t i = 0; i < order_count(entity); i++) {
		fw_text_add(&sql, ", ");
		add_order(&sql, order_of(entity)[i]);
		fw_text_add(&sql, " AS \"@%zu\"", i);
	}
	fw_text_add(&sql, " FROM %s WHERE 1", entity->from);
	status = add_filters(call, entity, &sql, args);
	if (status == FW_OK)
		status = add_after(call, entity, &sql, args);
	fw_text_add(&sql, " ORDER BY ");
	add_orders(&sql, entity, entity->descending ? " DESC" : "");
	fw_text_add(&sql, " LIMIT %lld", (long long)count_of(call) + 1);
	if (status == FW_OK)
		status = query(call, &sql, json_incref(args), &rows);
	else
		free(fw_text_end(&sql));
	json_decref(args);
	if (status == FW_OK)
		status = make_page(call, order_count(entity), rows);
	json_decref(rows);
	return status;
}

static enum fw_status count_rows(struct fw_call *call, const struct fw_entity *entity)
{
	struct fw_text sql = {0};
	json_t *args = json_array(), *rows = NULL;
	enum fw_status status;

	fw_text_add(&sql, "SELECT count(*) AS n FROM %s AS e WHERE 1", entity->table);
	status = add_filters(call, entity, &sql, args);
	if (status == FW_OK)
		status = query(call, &sql, json_incref(args), &rows);
	else
		free(fw_text_end(&sql));
	json_decref(args);
	if (status == FW_OK &&
		json_object_set(call->data, "totalCount",
			json_object_get(json_array_get(rows, 0), "n")) != 0)
		status = FW_NOMEM;
	json_decref(rows);
	return status;
}

enum fw_status fw_entity_list(struct fw_call *call)
{
	const struct fw_entity *entity = call->info->action->entity;
	enum fw_status status = read_page(call, entity);

	return status == FW_OK && entity->counts ? count_rows(call, entity) : status;
}
