/* What most sub-commands do: send the command, and show its answer. */
#include "ctrl/run.h"

#include <unistd.h>

#include "ctrl/render.h"

void fw_ctrl_show_json(FILE *out, const json_t *data, bool one_line)
{
	/* a terminal would obey some of what is not escaped */
	size_t flags = isatty(fileno(out)) ? JSON_ENSURE_ASCII : 0;

	json_dumpf(data, out, flags | (one_line ? JSON_COMPACT : JSON_INDENT(2)));
	fputc('\n', out);
}

/* Shows a page. *next: the key of the next one, borrowed from the data; NULL: there is none. */
static void show_page(struct fw_ctrl_run *run, const json_t *data, const char **next)
{
	const json_t *items = json_object_get(data, "items");
	const json_t *total = json_object_get(data, "totalCount");

	*next = json_string_value(json_object_get(data, "next"));
	if (run->asked.json) {
		fw_ctrl_show_json(run->out, data, run->asked.all);
		return;
	}
	fw_ctrl_show_items(run->out, run->command->columns, items);
	if (*next && !run->asked.all && json_is_integer(total))
		fprintf(run->out, "(%zu of %lld; --all shows all)\n", json_array_size(items),
			(long long)json_integer_value(total));
	else if (*next && !run->asked.all)
		fprintf(run->out, "(the first %zu; --all shows all)\n", json_array_size(items));
}

static bool show_pages(struct fw_ctrl_run *run, json_t *data)
{
	const char *next;

	for (;;) {
		bool more;

		show_page(run, data, &next);
		more = next && run->asked.all && !ferror(run->out);
		if (more)
			json_object_set_new(run->asked.command, "after", json_string(next));
		json_decref(data);
		if (!more)
			return true;
		data = fw_ctrl_client_data(run->client, run->asked.command, &run->error, NULL);
		if (!data)
			return false;
	}
}

/* A command on many devices that refuses some of them ends with an error. */
static bool are_all_taken(struct fw_ctrl_run *run, const json_t *data)
{
	size_t refused = json_array_size(json_object_get(data, "refused"));

	if (refused > 0)
		fw_error_set(&run->error, "%zu devices are refused, %lld are not", refused,
			(long long)json_integer_value(json_object_get(data, "changed")));
	return refused == 0;
}

static void show_data(struct fw_ctrl_run *run, const json_t *data)
{
	const json_t *items = json_object_get(data, "items");

	if (run->asked.json)
		fw_ctrl_show_json(run->out, data, false);
	else if (json_is_array(items))
		fw_ctrl_show_items(run->out, run->command->columns, items);
	else
		fw_ctrl_show_record(run->out, run->command->columns, data);
}

bool fw_ctrl_ask_and_show(struct fw_ctrl_run *run)
{
	json_t *data;
	bool done;

	if (run->asked.all && !json_object_get(run->asked.command, "count"))
		json_object_set_new(run->asked.command, "count", json_integer(500));
	data = fw_ctrl_client_data(run->client, run->asked.command, &run->error, NULL);
	if (!data)
		return false;
	if (run->command->lists)
		return show_pages(run, data);
	show_data(run, data);
	done = are_all_taken(run, data);
	json_decref(data);
	return done;
}
