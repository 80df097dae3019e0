/* `why PRODUCT DEVICE`: shows the device, and its row in each task of its product.
 *
 * It sends two requests: the first for the device, its product and the product's newest tasks, the
 * second for the device's row in each of these tasks. A row is found by its key, however many
 * devices the task has. */
#include "ctrl/why.h"

#include <string.h>

#include "ctrl/render.h"
#include "ctrl/run.h"

static const struct {
	const char *waits_for, *means;
} reasons[] = {
	{"task paused", "the task is paused: resumeTask lets it go on"},
	{"task stopped", "the task is stopped: continueTask lets it go on"},
	{"start time", "the task has not begun: modifyTask --start-at"},
	{"end time", "the task's time is over: modifyTask --end-at"},
	{"window", "outside of the task's hours: it waits for them, or modifyTask --window-start"},
	{"firmware",
		"the firmware is not ready, or the product's firmware is disabled: getFirmware"},
	{"device offline",
		"the device is offline, or not seen since the broker started: it is told when it "
		"comes"},
	{"device unsettled", "the device has just come: it is told when it has stayed for a while"},
	{"other task", "another task has the device: that one goes first"},
	{"older firmware first",
		"it runs a version too old for this firmware: a stepping stone first"},
	{"deferred", "the device asked for it later"},
	{"retry", "it failed, and is tried again by itself"},
	{"stage", "its stage has started as many as it may: nextStage begins the next"},
	{"in flight", "as many as may are under way: modifyTask --max-in-flight"},
	{"rate",
		"only so many start in a minute: it waits for its turn, or modifyTask "
		"--rate-per-minute"},
};

static const char *text_of(const json_t *object, const char *name)
{
	const char *text = json_string_value(json_object_get(object, name));

	return text ? text : "";
}

const char *fw_ctrl_why_means(const json_t *row)
{
	static const struct {
		const char *state, *means;
	} states[] = {
		{"waiting", "it is about to start; in a pull task it has not asked yet"},
		{"processing", "under way"},
		{"success", "done"},
		{"failed", "it failed: retryTaskDevices tries it again"},
		{"canceled", "it was stopped: continueTaskDevices lets it go on"},
	};
	const char *waits_for = text_of(row, "waitsFor");

	for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++) {
		if (strcmp(reasons[i].waits_for, waits_for) == 0)
			return reasons[i].means;
	}
	if (waits_for[0])
		return waits_for;
	/* superseded, or the device runs what is newer: no operator stopped it */
	if (strcmp(text_of(row, "state"), "canceled") == 0 && text_of(row, "errorReason")[0])
		return "the task leaves it out: see the reason";
	for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++) {
		if (strcmp(states[i].state, text_of(row, "state")) == 0)
			return states[i].means;
	}
	return "";
}

/* ---- Asking */

/* The data of a response, borrowed; NULL with its sentence in `error`. */
static json_t *data_of(const json_t *responses, size_t i, struct fw_error *error)
{
	const json_t *response = json_array_get(responses, i);
	json_t *data = json_object_get(response, "data");

	if (!data && json_is_string(json_object_get(response, "error")))
		fw_error_set(error, "%s", text_of(response, "error"));
	return data;
}

static json_t *ask_first(struct fw_ctrl_run *run)
{
	const char *product = text_of(run->asked.command, "productId");
	const char *device = text_of(run->asked.command, "deviceId");

	return fw_ctrl_client_ask(run->client,
		json_pack("[{s:s,s:s,s:s},{s:s,s:s},{s:s,s:s,s:i}]", "command", "getDevice",
			"productId", product, "deviceId", device, "command", "getProduct",
			"productId", product, "command", "listTasks", "productId", product, "count",
			(int)FW_CTRL_COMMANDS_MAX),
		&run->error);
}

/* The device's row in each of the tasks, as responses in their order. */
static json_t *ask_rows(struct fw_ctrl_run *run, const json_t *tasks)
{
	json_t *commands = json_array(), *task;
	size_t i;

	json_array_foreach(tasks, i, task)
	{
		json_array_append_new(commands,
			json_pack("{s:s,s:s,s:s,s:i}", "command", "listTaskDevices", "taskId",
				text_of(task, "taskId"), "deviceId",
				text_of(run->asked.command, "deviceId"), "count", 1));
	}
	if (json_array_size(commands) > 0)
		return fw_ctrl_client_ask(run->client, commands, &run->error);
	json_decref(commands);
	return json_array();
}

/* The rows, each with the name and version of its task, and what it means. A task that was deleted
 * meanwhile has none. A new array. */
static json_t *join_rows(const json_t *tasks, const json_t *responses)
{
	json_t *rows = json_array(), *task;
	size_t i;

	json_array_foreach(tasks, i, task)
	{
		const json_t *data = json_object_get(json_array_get(responses, i), "data");
		json_t *row = json_array_get(json_object_get(data, "items"), 0);

		if (!row)
			continue;
		json_object_set(row, "taskId", json_object_get(task, "taskId"));
		json_object_set(row, "taskName", json_object_get(task, "name"));
		json_object_set(row, "version", json_object_get(task, "version"));
		json_object_set(row, "mode", json_object_get(task, "mode"));
		json_object_set_new(row, "meaning", json_string(fw_ctrl_why_means(row)));
		json_array_append(rows, row);
	}
	return rows;
}

/* ---- Showing */

static void show_device(FILE *out, const json_t *device, const json_t *product)
{
	fw_ctrl_show_record(
		out, "productId deviceId name version presence lastSeenAt tags", device);
	if (json_is_null(json_object_get(device, "presence")))
		fputs("presence: unknown: not seen since the broker started\n", out);
	if (json_is_false(json_object_get(product, "firmwareEnabled")))
		fputs("The firmware of this product is disabled: nothing is pushed, and each pull "
		      "is refused (modifyProduct --firmware-enabled).\n",
			out);
	fputc('\n', out);
}

static void show_rows(FILE *out, const json_t *rows, const json_t *tasks, bool more)
{
	if (json_array_size(rows) > 0)
		fw_ctrl_show_items(out,
			"taskId taskName version state progress failure errorReason meaning", rows);
	else if (json_array_size(tasks) > 0)
		fprintf(out,
			"None of the %zu tasks of this product that were looked at has this "
			"device: addTaskDevices adds it to one.\n",
			json_array_size(tasks));
	else
		fputs("This product has no task: createTask makes one.\n", out);
	if (more)
		fprintf(out, "(the newest %zu tasks were looked at)\n", json_array_size(tasks));
}

static void show_all(struct fw_ctrl_run *run, const json_t *device, const json_t *product,
	const json_t *page, const json_t *rows)
{
	if (run->asked.json) {
		json_t *data = json_pack(
			"{s:O,s:O,s:O}", "device", device, "product", product, "rows", rows);

		fw_ctrl_show_json(run->out, data, false);
		json_decref(data);
		return;
	}
	show_device(run->out, device, product);
	show_rows(run->out, rows, json_object_get(page, "items"),
		json_is_string(json_object_get(page, "next")));
}

bool fw_ctrl_why(struct fw_ctrl_run *run)
{
	json_t *first = ask_first(run), *responses = NULL, *rows = NULL;
	json_t *device = data_of(first, 0, &run->error);
	json_t *product = data_of(first, 1, &run->error), *page = data_of(first, 2, &run->error);
	const json_t *tasks = json_object_get(page, "items");
	bool done;

	if (device && product && page)
		responses = ask_rows(run, tasks);
	done = responses;
	if (done) {
		rows = join_rows(tasks, responses);
		show_all(run, device, product, page, rows);
	}
	json_decref(rows);
	json_decref(responses);
	json_decref(first);
	return done;
}
