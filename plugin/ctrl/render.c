/* Shows items as tables, and objects as records. */
#include "ctrl/render.h"

#include <stdlib.h>
#include <string.h>

#define COLUMNS_MAX 32u
#define CELL_MAX 64u  /* columns of a cell; ids are never longer */
#define LAST_MAX 200u /* columns of the last cell of a row */

struct table {
	const char *names[COLUMNS_MAX]; /* not terminated */
	size_t lens[COLUMNS_MAX];
	size_t widths[COLUMNS_MAX];
	bool numbers[COLUMNS_MAX]; /* a column of numbers, set to the right */
	size_t columns, rows;
	char **cells; /* a row after the other */
};

static void add_column(struct table *table, const char *name, size_t len)
{
	if (table->columns >= COLUMNS_MAX || len == 0 || len >= 64)
		return;
	table->names[table->columns] = name;
	table->lens[table->columns++] = len;
}

static void read_columns(struct table *table, const char *columns, const json_t *items)
{
	const char *name;
	json_t *value;

	for (; columns && *columns; columns += strspn(columns, " ")) {
		add_column(table, columns, strcspn(columns, " "));
		columns += strcspn(columns, " ");
	}
	if (table->columns == 0) {
		json_object_foreach(json_array_get(items, 0), name, value)
		{
			add_column(table, name, strlen(name));
		}
	}
}

static const json_t *member_of(const json_t *item, const char *name, size_t len, char *member)
{
	memcpy(member, name, len);
	member[len] = '\0';
	return json_object_get(item, member);
}

static void add_cell(struct table *table, const json_t *item, size_t row, size_t column)
{
	bool is_last = column + 1 == table->columns;
	char member[64], *cell;
	const json_t *value = member_of(item, table->names[column], table->lens[column], member);
	size_t width;

	cell = fw_ctrl_cell(member, value);
	if (!cell)
		return;
	fw_ctrl_cut(cell, is_last ? LAST_MAX : CELL_MAX);
	width = fw_ctrl_width(cell);
	table->numbers[column] |= json_is_number(value) && strspn(cell, "0123456789.") == width;
	if (width > table->widths[column])
		table->widths[column] = width;
	table->cells[row * table->columns + column] = cell;
}

static void pad(FILE *out, size_t count)
{
	fprintf(out, "%*s", (int)count, "");
}

static void show_cell(FILE *out, const struct table *table, size_t column, const char *text)
{
	size_t width = fw_ctrl_width(text);
	size_t room = width < table->widths[column] ? table->widths[column] - width : 0;

	if (table->numbers[column])
		pad(out, room);
	fputs(text, out);
	if (column + 1 == table->columns) {
		fputc('\n', out);
		return;
	}
	if (!table->numbers[column])
		pad(out, room);
	fputs("  ", out);
}

static void show_table(FILE *out, struct table *table)
{
	char heading[128];

	for (int pass = 0; pass < 2; pass++) {
		for (size_t i = 0; i < table->columns; i++) {
			fw_ctrl_heading(
				table->names[i], table->lens[i], true, heading, sizeof(heading));
			if (pass == 1)
				show_cell(out, table, i, heading);
			else if (strlen(heading) > table->widths[i])
				table->widths[i] = strlen(heading);
		}
	}
	for (size_t i = 0; i < table->rows * table->columns; i++)
		show_cell(out, table, i % table->columns, table->cells[i] ? table->cells[i] : "");
}

void fw_ctrl_show_items(FILE *out, const char *columns, const json_t *items)
{
	struct table table = {.rows = json_array_size(items)};

	if (table.rows == 0) {
		fputs("none\n", out);
		return;
	}
	read_columns(&table, columns, items);
	table.cells = calloc(table.rows * table.columns + 1, sizeof(*table.cells));
	if (!table.cells)
		return;
	for (size_t row = 0; row < table.rows; row++) {
		for (size_t i = 0; i < table.columns; i++)
			add_cell(&table, json_array_get(items, row), row, i);
	}
	show_table(out, &table);
	for (size_t i = 0; i < table.rows * table.columns; i++)
		free(table.cells[i]);
	free(table.cells);
}

static bool has_objects(const json_t *value)
{
	return json_is_array(value) && json_is_object(json_array_get(value, 0));
}

/* True for null and empty values, and for an array of objects, which gets a table of its own. */
static bool is_left_out(const json_t *value)
{
	return json_is_null(value) || has_objects(value) ||
		(json_is_string(value) && json_string_length(value) == 0) ||
		(json_is_array(value) && json_array_size(value) == 0);
}

static void show_member(FILE *out, const char *member, const json_t *value, size_t width)
{
	char heading[128], *cell;

	if (is_left_out(value))
		return;
	fw_ctrl_heading(member, strlen(member), false, heading, sizeof(heading));
	cell = fw_ctrl_cell(member, value);
	fprintf(out, "%s:%*s %s\n", heading, (int)(width - strlen(heading)), "", cell ? cell : "");
	free(cell);
}

/* The members of the data that are shown. A new object. */
static json_t *choose(const char *columns, const json_t *data)
{
	struct table table = {.rows = 0};
	char member[64];
	json_t *chosen;

	if (!columns)
		return json_copy((json_t *)data);
	chosen = json_object();
	read_columns(&table, columns, NULL);
	for (size_t i = 0; chosen && i < table.columns; i++) {
		const json_t *value = member_of(data, table.names[i], table.lens[i], member);

		if (value)
			json_object_set(chosen, member, (json_t *)value);
	}
	return chosen;
}

void fw_ctrl_show_record(FILE *out, const char *columns, const json_t *data)
{
	json_t *chosen = choose(columns, data), *value;
	char heading[128];
	const char *member;
	size_t width = 0;

	json_object_foreach(chosen, member, value)
	{
		fw_ctrl_heading(member, strlen(member), false, heading, sizeof(heading));
		if (strlen(heading) > width && !is_left_out(value))
			width = strlen(heading);
	}
	json_object_foreach(chosen, member, value)
	{
		show_member(out, member, value, width);
	}
	json_object_foreach(chosen, member, value)
	{
		if (!has_objects(value))
			continue;
		fw_ctrl_heading(member, strlen(member), false, heading, sizeof(heading));
		fprintf(out, "\n%s:\n", heading);
		fw_ctrl_show_items(out, NULL, value);
	}
	json_decref(chosen);
}
